//! A reader of one TOML section: keeps lines, collects every mistake, knows the keys that it was asked for.
