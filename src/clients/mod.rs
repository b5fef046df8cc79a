//! Thin, typed, timed-out ways to reach things. What can change anything takes a `&Permit`.

pub mod answer;
pub mod banner;
pub mod broker;
pub mod collector;
pub mod dns;
pub mod docker;
pub mod events;
pub mod files;
pub mod host;
pub mod http;
#[cfg(feature = "kube")]
pub mod kube;
pub mod mysql;
pub mod nut;
pub mod ping;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod redis;
pub mod registry;
pub mod s3;
pub mod signal;
pub mod socket;
pub mod ssh;
pub mod tls;
