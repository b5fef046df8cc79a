//! The fake estate: hosts, models and endpoints that keep state and answer like real ones.
