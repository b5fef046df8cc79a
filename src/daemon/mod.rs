//! The composition root: builds the world, runs it, shuts it down.
//!
//! [`assemble`] makes a checked config of text; [`live`] is what a reload swaps; [`build`] wires
//! everything out of parts that a test can replace; [`life`] is one process from lock to farewell.

mod about;
pub mod assemble;
pub mod books;
pub mod build;
pub mod jobs;
pub mod life;
pub mod live;
#[cfg(feature = "mcp")]
pub mod looked;
pub mod private;
mod providers;
pub mod reach;
pub mod recall;
pub mod reload;
pub mod watchdog;
pub mod wire;
