//! The page, the metrics and the health answer on loopback.
