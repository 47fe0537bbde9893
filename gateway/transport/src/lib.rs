//! Sockets, TLS and connection set-up of millrun.
