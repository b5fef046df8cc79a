//! Tests over the whole table, and of each family against real files and processes.

mod acts;
mod archive;
mod backup;
mod certificate;
mod debug;
mod disk;
mod dns;
mod elsewhere;
mod engine;
mod files;
mod full;
mod hosts;
mod iac;
mod infra;
#[cfg(feature = "kube")]
mod kube;
#[cfg(feature = "mcp")]
mod mcp;
mod process;
mod schema;
mod servers;
mod snapshot;
mod stage;

pub(crate) use engine::container;
