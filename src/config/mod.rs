//! TOML to checked config: every mistake at once, with file, line and hint. The only reader of the environment.
