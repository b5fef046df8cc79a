//! Why a state folder does not open, in words that say what to do.

use std::fmt;
use std::path::PathBuf;

/// Why the state could not be opened. Nothing was changed.
#[derive(Debug)]
pub enum OpenError {
    /// The file is damaged, or no database of reef.
    Corrupt {
        path: PathBuf,
        why: String,
    },
    /// A newer reef wrote it.
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    /// The folder or a file in it cannot be written.
    NotWritable {
        path: PathBuf,
        why: String,
    },
    /// Another process has it.
    Locked {
        path: PathBuf,
        pid: Option<u32>,
    },
    /// Read-only: there is no state yet.
    Absent {
        path: PathBuf,
    },
    Other(anyhow::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl std::error::Error for OpenError {}
