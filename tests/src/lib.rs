//! Tests of millrun through its public surfaces.
