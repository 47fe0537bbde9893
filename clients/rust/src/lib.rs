//! The strategy's side of millrun's rings.
