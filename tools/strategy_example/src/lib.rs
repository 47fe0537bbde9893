//! A grid strategy that trades through millrun's rings.
