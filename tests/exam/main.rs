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
mod blind;
mod containers;
mod crash;
mod failure;
mod gate;
mod hands;
mod hold;
mod house;

mod replay;
mod restart;
mod security;
mod telling;
mod triage;
mod week;
