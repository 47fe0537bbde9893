//! Wire-true simulator of trading venues.
