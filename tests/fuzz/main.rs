//! Mutation fuzzing of everything that reads what others wrote. Each target takes good examples,
//! damages them in a seeded way, and holds: no panic, no case that takes seconds, and what is printed
//! reads back as it was.
//!
//! The mutator is thirty lines of our own: the generators of proptest make values of a shape, and what is
//! wanted here is damaged text. The same cases run each time; `REEF_FUZZ=100` runs a hundred times as many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![allow(unreachable_pub, reason = "one crate of tests")]
#![allow(clippy::print_stdout, reason = "how many cases ran, and which one broke what")]

mod mutate;

mod machines;
mod networks;
mod people;
mod shells;
