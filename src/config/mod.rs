//! TOML to checked config: every mistake at once, with file, line and hint. The only reader of the environment.

pub mod env;
pub mod given;
pub mod globals;
pub mod hosts;
pub mod keys;
pub mod mistakes;
pub mod places;
pub mod secret;
pub mod section;
pub mod setting;

#[cfg(test)]
mod tests;
