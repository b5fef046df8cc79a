//! The exam: the real daemon assembly on the fake estate, under paused time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    reason = "a test stops where it fails"
)]

mod house;
mod week;
