//! What may tell of an intruder, as facts of a host: logins, open ports, and the files that say who may come in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is known of something and is nothing new: items, and how each stands.
pub type Known = BTreeMap<String, String>;

/// Logins since the last collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logins {
    /// Attempts that failed; `None` where nothing tells of them.
    pub failed: Option<u64>,
    /// Where they came from, the most frequent first.
    pub failed_from: Vec<(String, u64)>,
    /// Those who came in. The first collection brings those of the last day or so.
    pub accepted: Vec<Login>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

/// Somebody came in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Login {
    pub user: String,
    /// An address, a network of IPv6 (`2001:db8::/64`), a name, or `console`.
    pub source: String,
}

/// How a port is listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A port that other machines can reach, as far as the host itself is concerned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listener {
    pub protocol: Protocol,
    pub port: u16,
    /// Who opened it.
    pub uid: u32,
    /// The program's name, where it can be had.
    pub process: Option<String>,
}

/// What a file guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guards {
    /// Who may come in by key.
    Keys,
    /// Who may become root.
    Sudoers,
    /// What runs by itself.
    Cron,
}

impl Guards {
    pub const ALL: [Self; 3] = [Self::Keys, Self::Sudoers, Self::Cron];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Sudoers => "sudoers",
            Self::Cron => "cron",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// A file that is watched: its digest, never what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardedFile {
    pub guards: Guards,
    pub path: String,
    /// SHA-256, or the beginning of it, in hex.
    pub digest: String,
    pub lines: u64,
}

/// The files that say who may come in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    pub files: Vec<GuardedFile>,
    /// Accounts with uid 0.
    pub roots: Vec<String>,
    /// Files and folders that could not be looked at.
    pub hidden: Vec<(Guards, String)>,
}

/// What a former look, or a former life, kept in mind of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall {
    /// It has not been read yet: nothing can be told from what is usual.
    NotYet,
    /// This is the first look ever.
    Nothing,
    Is(Known),
}
