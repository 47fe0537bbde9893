//! Prints and follows a millrun journal.
