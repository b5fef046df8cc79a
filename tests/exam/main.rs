//! The exam: the real daemon assembly on the fake estate, under paused time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops where it fails"
)]

mod agent;
mod approvals;
mod attempts;
mod autonomy;
mod blind;
mod containers;
mod crash;
mod deaths;
mod failure;
mod gate;
mod hands;
mod hold;
mod hours;
mod house;
mod night;
mod replay;
mod restart;
mod security;
mod telling;
mod triage;
mod week;
