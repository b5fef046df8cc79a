//! Feature tests against the real daemon assembly and the real binary, a module each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![allow(unreachable_pub, reason = "one crate of tests")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

mod lab;

mod acts;
mod archive;
mod asked;
mod backtest;
mod certificates;
mod check;
#[cfg(feature = "kube")]
mod cluster;
mod containers;
mod databases;
mod debug;
mod disk_full;
mod docker;
mod drill;
mod endpoints;
mod hostile;
mod hosts;
mod iac;
mod init;
mod install;
mod killed;
mod killed_there;
#[cfg(feature = "kube")]
mod kube;
mod logs;
#[cfg(feature = "mcp")]
mod mcp;
mod memory;
mod model;
mod network;
mod paused;
mod records;
mod remote;
mod replication;
mod security;
mod services;
mod snapshots;
mod spikes;
mod told;
mod units;
mod updates;
mod vms;
mod walk;
