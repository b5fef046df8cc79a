//! The tick loop, looks, triage and incidents.
//!
//! The [`ticker`] has a thread of its own: it looks, counts and tells what changed. The
//! [`responder`] lives with everything else: it opens incidents, sees what explains what, holds where
//! several independent reds say that a human is needed, and begins runs.

pub mod backtest;
pub mod breakers;
pub mod grid;
pub mod handle;
pub mod looks;
mod pasts;
mod power;
mod promises;
pub mod pulse;
pub mod quarantine;
pub mod reminders;
pub mod replay;
pub mod responder;
pub mod reverts;
pub mod scene;
pub mod snapshots;
pub mod ticker;
pub mod timers;
pub mod words;
