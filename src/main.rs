//! The binary: arguments, one match, an exit code.

fn main() {}
