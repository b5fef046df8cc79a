//! The exam: the real daemon assembly on the fake estate, under paused time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops where it fails"
)]

mod again;
mod agent;
mod approvals;
mod attempts;
mod autonomy;
mod blind;
mod containers;
mod crash;
mod deaths;
mod debug;
mod failure;
mod gate;
mod hands;
mod hold;
mod hours;
mod house;
mod limits;
mod night;
mod observed;
mod replay;
mod replicas;
mod replies;
mod restart;
mod security;
mod spikes;
mod telling;
mod triage;
mod undone;
mod week;
