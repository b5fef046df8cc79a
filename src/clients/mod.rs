//! Thin, typed, timed-out ways to reach things. What can change anything takes a `&Permit`.

pub mod events;
pub mod host;
pub mod process;
