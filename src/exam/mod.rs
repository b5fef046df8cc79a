//! The fake estate: hosts, models and endpoints that keep state and answer like real ones.

pub mod model;
pub mod obey;
pub mod protocol;
