//! Memory-mapped append-only journal of millrun.
