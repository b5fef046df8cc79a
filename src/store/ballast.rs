//! Room kept back in the state folder, so that a full disk can still be healed.

/// How the ballast stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BallastState {
    /// The file is there.
    Held,
    /// It was given up because the disk was full.
    Released,
    /// It could not be made; says why.
    Missing(String),
    /// A store in memory, or one opened for reading, has none.
    None,
}
