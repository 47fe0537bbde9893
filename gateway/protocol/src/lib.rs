//! Sans-IO venue protocols of millrun.
