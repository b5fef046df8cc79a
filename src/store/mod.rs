//! SQLite. No SQL stands anywhere else.
//!
//! Two files lie in the state folder: `reef.db` (the audit log and all that must survive a power cut) and
//! `readings.db` (history that may lose its last minute). One writer each.

use std::path::Path;

use crate::store::ballast::BallastState;
use crate::store::db::Db;
use crate::store::open::OpenError;
use crate::store::readings::Readings;

pub mod actions;
pub mod anchor;
pub mod approvals;
pub mod audit;
pub mod ballast;
pub mod budgets;
pub mod chain;
pub mod db;
pub mod incidents;
pub mod leases;
pub mod lock;
pub mod open;
pub mod outbox;
pub mod readings;
pub mod runs;
pub mod switches;
pub mod timers;

/// The state folder, opened. A clone is the same store.
#[derive(Debug, Clone)]
pub struct Store(());

/// What can be tuned; the default is what the daemon uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// How much room is kept back for the moment the disk is full.
    pub ballast_bytes: u64,
    /// The most that `readings.db` may take.
    pub readings_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { ballast_bytes: 16 << 20, readings_bytes: 256 << 20 }
    }
}

/// How the store itself is, for status and reef's own probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub ballast: BallastState,
    /// The last write that failed, for people; gone after the next one that went through.
    pub last_error: Option<String>,
}

impl Store {
    /// Opens the state folder for the one process that may write it, making what is missing.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(dir, StoreOptions::default())
    }

    /// As [`Store::open`], with sizes of its own.
    pub fn open_with(_dir: &Path, _options: StoreOptions) -> Result<Self, OpenError> {
        todo!()
    }

    /// Opens an existing state folder for reading only: for a command line without a daemon.
    pub fn open_read_only(_dir: &Path) -> Result<Self, OpenError> {
        todo!()
    }

    /// A store without files, for tests and the exam.
    pub fn in_memory() -> Result<Self, OpenError> {
        todo!()
    }

    /// Runs `f` on a blocking thread, one at a time. Not a transaction by itself: see [`Db::atomically`].
    pub async fn call<T: Send + 'static>(
        &self,
        _f: impl FnOnce(&mut Db) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        todo!()
    }

    /// Runs `f` here and now, blocking: for the command line and tests.
    pub fn call_now<T>(&self, _f: impl FnOnce(&mut Db) -> anyhow::Result<T>) -> anyhow::Result<T> {
        todo!()
    }

    pub fn readings(&self) -> &Readings {
        todo!()
    }

    /// How the store is right now.
    pub fn health(&self) -> Health {
        todo!()
    }

    /// Makes the ballast again once there is room for it (twice its size); says how it stands then.
    pub fn restore_ballast(&self) -> BallastState {
        todo!()
    }
}
