//! The operator's hands: who works on a host, and what must not be disturbed there.

use serde::{Deserialize, Serialize};

use crate::model::taint::Tainted;
use crate::model::time::Millis;

/// Who works on a host by hand, and what must not be disturbed there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hands {
    pub people: Vec<Person>,
    /// `apt-get (pid 812)`, `zfs send (pid 4711)`.
    pub work: Vec<Tainted>,
}

/// Somebody with a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The user's name, or number where the host tells no name.
    pub user: Tainted,
    /// Since when the terminal's session runs, where that is known.
    pub since: Option<Millis>,
}
