//! Single-producer single-consumer rings of millrun.
