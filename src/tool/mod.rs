//! Tools: one family a file, one table.
//!
//! A new tool: one file (or one more function in its family's file), one row in [`table`]. The
//! arguments are checked against the spec in [`args`], once for all tools.

pub mod alerts;
pub mod ansible;
pub mod archive;
pub mod args;
pub mod backup;
pub mod busy;
pub mod certificate;
pub mod command;
pub mod compose;
pub mod compress;
pub mod container;
pub mod database;
pub mod debug;
pub mod disk;
pub mod empty;
pub mod files;
pub mod grants;
pub mod host;
pub mod human;
pub mod image;
pub mod infra;
pub mod journal;
pub mod kinds;
#[cfg(feature = "kube")]
pub mod kube;
pub mod lines;
pub mod logs;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod memory;
pub mod mount;
pub mod net;
pub mod network;
pub mod outcome;
pub mod peers;
pub mod pick;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod process;
pub mod quarantine;
pub mod raw;
pub mod record;
pub mod reload;
pub mod snapshot;
pub mod table;
pub mod tail;
pub mod terraform;
pub mod traces;
pub mod unit;
pub mod web;
pub mod world;

#[cfg(test)]
mod tests;
