//! Thin, typed, timed-out ways to reach things. What can change anything takes a `&Permit`.

pub mod files;
pub mod host;
pub mod signal;
