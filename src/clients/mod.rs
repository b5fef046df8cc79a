//! Thin, typed, timed-out ways to reach things. What can change anything takes a `&Permit`.

pub mod dns;
pub mod events;
pub mod host;
pub mod http;
#[cfg(feature = "kube")]
pub mod kube;
pub mod process;
pub mod socket;
pub mod ssh;
pub mod tls;
