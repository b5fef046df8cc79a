//! Tests over the whole table, and of each family against real files and processes.

mod acts;
mod disk;
mod engine;
mod files;
mod full;
mod hosts;
mod infra;
#[cfg(feature = "kube")]
mod kube;
mod process;
mod schema;
mod stage;

pub(crate) use engine::container;
