//! SQLite. No SQL stands anywhere else.
//!
//! Two files lie in the state folder: `reef.db` (the audit log and all that must survive a power cut) and
//! `readings.db` (history that may lose its last minute). One writer each.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;

use crate::store::ballast::{Ballast, BallastState, Released};
use crate::store::db::Db;
use crate::store::lock::Lock;
use crate::store::open::OpenError;
use crate::store::readings::Readings;

pub mod actions;
pub mod anchor;
pub mod approvals;
pub mod audit;
pub mod ballast;
pub mod budgets;
pub mod chain;
mod changes;
mod columns;
pub mod db;
pub mod faults;
pub mod incidents;
mod known;
pub mod leases;
pub mod lock;
pub mod offered;
pub mod open;
pub mod outbox;
pub mod readings;
pub mod runs;
mod schema;
pub mod shadows;
pub mod silences;
pub mod switches;
#[cfg(test)]
mod tests;
pub mod timers;

/// The state folder, opened. A clone is the same store.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    db: Mutex<Db>,
    readings: Readings,
    health: Arc<Mutex<Health>>,
    dir: Option<PathBuf>,
    _lock: Option<Lock>,
}

/// What can be tuned; the default is what the daemon uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// How much room is kept back for the moment the disk is full; 0 for none.
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
    pub fn open_with(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        open::make_dir(dir)?;
        let lock = Lock::take(dir)?;
        not_emptied(dir)?;
        let ballast = (0 < options.ballast_bytes).then(|| Ballast::new(dir, options.ballast_bytes));
        let both = || {
            let state = open::open_file(dir, &schema::STATE)?;
            Ok((state, open::open_file(dir, &schema::READINGS)?))
        };
        let full = |ballast: &Ballast| ballast.release() == Released::Now;
        let (opened, released) = match both() {
            Err(OpenError::Full { .. }) if ballast.as_ref().is_some_and(full) => {
                tracing::warn!("the state's disk is full: the ballast was let go");
                (both(), true)
            }
            other => (other, false),
        };
        let (state, readings) = opened?;
        let held = if released { BallastState::Released } else { BallastState::None };
        let health = Arc::new(Mutex::new(Health { ballast: held, last_error: None }));
        let db = Db::new(state, Some(dir.into()), ballast, Arc::clone(&health));
        if !released {
            db.restore_ballast();
        }
        let readings = Readings::new(readings, options.readings_bytes)?;
        Ok(Self::of(db, readings, health, Some(dir.into()), Some(lock)))
    }

    /// Opens an existing state folder for reading only: for a command line without a daemon.
    pub fn open_read_only(dir: &Path) -> Result<Self, OpenError> {
        let state = open::open_reading(dir, &schema::STATE)?;
        let readings = match open::open_reading(dir, &schema::READINGS) {
            // History can be moved away; everything else is still worth reading.
            Err(OpenError::Absent { .. }) => open::open_memory(&schema::READINGS)?,
            other => other?,
        };
        let health = Health { ballast: BallastState::None, last_error: None };
        let health = Arc::new(Mutex::new(health));
        let db = Db::new(state, None, None, Arc::clone(&health));
        let readings = Readings::new(readings, StoreOptions::default().readings_bytes)?;
        Ok(Self::of(db, readings, health, Some(dir.into()), None))
    }

    /// A store without files, for tests and the exam.
    pub fn in_memory() -> Result<Self, OpenError> {
        let health = Health { ballast: BallastState::None, last_error: None };
        let health = Arc::new(Mutex::new(health));
        let db = Db::new(open::open_memory(&schema::STATE)?, None, None, Arc::clone(&health));
        let readings = open::open_memory(&schema::READINGS)?;
        let readings = Readings::new(readings, StoreOptions::default().readings_bytes)?;
        Ok(Self::of(db, readings, health, None, None))
    }

    fn of(
        db: Db,
        readings: Readings,
        health: Arc<Mutex<Health>>,
        dir: Option<PathBuf>,
        lock: Option<Lock>,
    ) -> Self {
        let db = Mutex::new(db);
        Self { shared: Arc::new(Shared { db, readings, health, dir, _lock: lock }) }
    }

    /// Runs `f` on a blocking thread, one at a time. Not a transaction by itself: see [`Db::atomically`].
    pub async fn call<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Db) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || store.call_now(f)).await;
        done.context("a call to the state did not come back")?
    }

    /// Runs `f` here and now, blocking: for the command line and tests. Never inside another call: the one connection
    /// is taken then.
    pub fn call_now<T>(&self, f: impl FnOnce(&mut Db) -> anyhow::Result<T>) -> anyhow::Result<T> {
        f(&mut self.db())
    }

    /// A caller that panicked has not spoiled the connection: what it left open is rolled back.
    fn db(&self) -> MutexGuard<'_, Db> {
        let mut db = self.shared.db.lock().unwrap_or_else(PoisonError::into_inner);
        db.tidy();
        db
    }

    pub fn readings(&self) -> &Readings {
        &self.shared.readings
    }

    /// The state folder; none in memory.
    pub fn dir(&self) -> Option<&Path> {
        self.shared.dir.as_deref()
    }

    /// The heads in the file beside the database, for [`Db::verify_chain`].
    pub fn anchors(&self) -> anyhow::Result<Vec<crate::model::audit::ChainHead>> {
        self.dir().map_or_else(|| Ok(Vec::new()), anchor::read)
    }

    /// Moves when a message was committed to the outbox.
    pub fn enqueued(&self) -> tokio::sync::watch::Receiver<u64> {
        self.db().enqueued.subscribe()
    }

    /// How the store is right now.
    pub fn health(&self) -> Health {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the ballast again once there is room for it (twice its size); says how it stands then.
    pub fn restore_ballast(&self) -> BallastState {
        self.db().restore_ballast()
    }
}

/// A database that was emptied must not pass for one that was never written: the anchors know better.
fn not_emptied(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(schema::STATE.file);
    let empty = std::fs::metadata(&path).is_ok_and(|meta| meta.len() == 0);
    let heads = anchor::read(dir).unwrap_or_default();
    match heads.last() {
        Some(head) if empty => Err(OpenError::Corrupt {
            path,
            why: format!("it is empty, but audit.head knows of {} records", head.seq),
            holds: schema::STATE.holds,
        }),
        _ => Ok(()),
    }
}
