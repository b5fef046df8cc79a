//! TOML to checked config: every mistake at once, with file, line and hint. The only reader of the environment.

pub mod env;
pub mod given;
pub mod mistakes;
pub mod secret;
pub mod section;
pub mod setting;
