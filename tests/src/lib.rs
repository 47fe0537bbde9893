//! Tests of millrun through its public surfaces. The tests are in `tests/tests`.

#![forbid(unsafe_code)]
