//! Sans-IO venue protocols of millrun.

pub mod frame;
