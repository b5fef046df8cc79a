//! The tick loop, looks, triage and incidents.

pub mod grid;
pub mod looks;
pub mod pulse;
