//! The house rules as tests: what the source tree may look like. They read text; only the tests of
//! runbooks and of the example config ask reef itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken rule is told by the test that panics"
)]

mod books;
mod example;
mod invariants;
mod layers;
mod places;
mod rust;
mod sizes;
mod tables;
mod tree;
mod words;
