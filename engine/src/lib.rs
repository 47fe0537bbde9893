//! Sans-IO order engine of millrun.
