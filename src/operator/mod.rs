//! What a human may do; every surface calls it.
//!
//! An [`order::Order`] comes in from a surface that has made sure who it is from, and a
//! [`view`] goes out. Nothing here prints and nothing here is reachable by a model.

pub mod order;
pub mod view;
