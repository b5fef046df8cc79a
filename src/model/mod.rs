//! Values only: no I/O, no async, no clock.

pub mod approval;
pub mod audit;
pub mod change;
pub mod chat;
pub mod conclusion;
pub mod container;
pub mod digest;
pub mod fact;
pub mod guard;
pub mod hands;
pub mod ids;
pub mod incident;
pub mod message;
pub mod object;
pub mod plan;
pub mod push;
pub mod reading;
pub mod run;
pub mod severity;
pub mod silence;
pub mod taint;
pub mod target;
pub mod time;
pub mod tool;
pub mod upkeep;
pub mod value;
