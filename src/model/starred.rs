//! Patterns of people: a name, or the beginning of names with a star behind it.

/// Whether a name is meant by a pattern of the config: itself, or with a star at the end its beginning.
pub fn starred(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}
