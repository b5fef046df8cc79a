//! What a machine has, looked at once, for `reef init`. Everything here only reads, is bounded, and keeps no
//! command line, because people write passwords into those.

pub mod jobs;
pub mod listening;
pub mod month;
pub mod services;
pub mod ssh_config;
