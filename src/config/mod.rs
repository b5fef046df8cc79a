//! TOML to checked config: every mistake at once, with file, line and hint. The only reader of the environment.

pub mod env;
pub mod given;
pub mod globals;
mod host_probes;
pub mod hosts;
pub mod keys;
pub mod mistakes;
pub mod places;
pub mod restartable;
pub mod secret;
pub mod section;
pub mod setting;
pub mod snapshots;

#[cfg(test)]
mod tests;
