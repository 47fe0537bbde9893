//! Vocabulary and byte layouts of millrun.
