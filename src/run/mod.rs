//! Carries one plan from inquiry to ending; the only executor of plans.
//!
//! A run is stored at every step of its way, so that a restart picks it up where it stood:
//! inquiring starts over, waiting stays, acting with an open dispatch is unknown and is looked at,
//! verifying goes on to its wall-clock end.

pub mod acting;
pub mod announce;
pub mod bench;
pub mod brief;
mod by_hand;
pub mod carry;
pub mod ending;
pub mod inquire;
pub mod propose;
pub mod rehearse;
pub mod renew;
pub mod repeats;
pub mod routine;
pub mod runner;
pub mod shadow;
pub mod snapshot;
pub mod undo;
pub mod verify;
