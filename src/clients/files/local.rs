//! Soon.

/// The real thing.
#[derive(Debug)]
pub struct LocalFiles;
