//! Thin, typed, timed-out ways to reach things. What can change anything takes a `&Permit`.

pub mod dns;
pub mod events;
pub mod files;
pub mod host;
pub mod http;
#[cfg(feature = "kube")]
pub mod kube;
pub mod process;
pub mod prometheus;
pub mod signal;
pub mod socket;
pub mod ssh;
pub mod tls;
