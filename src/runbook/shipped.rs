//! The runbooks that come with the binary.

/// Name and text of each.
pub fn shipped() -> Vec<(&'static str, &'static str)> {
    todo!()
}
