//! Where writing may fail. The daemon passes none in; tests let any write fail, or end the process there.

use std::fmt;
use std::sync::Arc;

use rusqlite::ffi;

use crate::store::{Store, StoreOptions};

/// What is about to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// One statement of a transaction.
    Row,
    Commit,
    /// The chain's head, beside the database.
    Anchor,
}

/// Why it cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// ENOSPC.
    Full,
    /// EIO.
    Io,
    /// The file system was remounted read-only.
    ReadOnly,
}

/// Is asked before each write.
pub trait Faults: Send + Sync + fmt::Debug {
    fn before(&self, writing: Writing) -> Option<Fault>;
}

/// How the store holds them.
pub(in crate::store) type Given = Option<Arc<dyn Faults>>;

impl Fault {
    /// As SQLite would report it.
    pub(in crate::store) fn error(self) -> rusqlite::Error {
        let (code, words) = match self {
            Self::Full => (ffi::SQLITE_FULL, "database or disk is full"),
            Self::Io => (ffi::SQLITE_IOERR, "disk I/O error"),
            Self::ReadOnly => (ffi::SQLITE_READONLY, "attempt to write a readonly database"),
        };
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(words.to_owned()))
    }
}

impl Store {
    /// The same store, with somebody who is asked before each write from now on.
    #[must_use]
    pub fn with_faults(self, faults: Arc<dyn Faults>) -> Self {
        self.db().faults = Some(faults);
        self
    }

    /// As [`Store::open_with`] without a ballast: for tests of what fails.
    pub fn open_bare(dir: &std::path::Path) -> Result<Self, crate::store::open::OpenError> {
        Self::open_with(dir, StoreOptions { ballast_bytes: 0, ..StoreOptions::default() })
    }
}
