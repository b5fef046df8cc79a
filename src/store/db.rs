//! The connection to `reef.db` and its transactions.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};
use rusqlite::types::{ToSql, ToSqlOutput, Value};
use rusqlite::{Connection, ErrorCode, Row, params_from_iter};
use tokio::sync::watch;

use crate::model::audit::ChainHead;
use crate::store::Health;
use crate::store::anchor;
use crate::store::ballast::{Ballast, BallastState, Released};
use crate::store::faults::{Given, Writing};
use crate::store::open::is_full;

/// The connection to `reef.db`. Each method is atomic by itself; several go into [`Db::atomically`].
#[derive(Debug)]
pub struct Db {
    pub(in crate::store) conn: Connection,
    /// How many transactions are open, one inside the other.
    depth: u32,
    /// What the open transaction has written, so that it can be done again when the ballast had to make room for it.
    written: Vec<(&'static str, Vec<Value>)>,
    /// The chain's new head, for the anchor after the commit.
    pub(in crate::store) new_head: Option<ChainHead>,
    /// The state folder; none in memory and where it is only read.
    dir: Option<PathBuf>,
    ballast: Option<Ballast>,
    health: Arc<Mutex<Health>>,
    /// Moves when a message was committed to the outbox.
    pub(in crate::store) enqueued: watch::Sender<u64>,
    /// None but in tests.
    pub(in crate::store) faults: Given,
}

impl Db {
    pub(in crate::store) fn new(
        conn: Connection,
        dir: Option<PathBuf>,
        ballast: Option<Ballast>,
        health: Arc<Mutex<Health>>,
    ) -> Self {
        let (enqueued, _) = watch::channel(0);
        Self {
            conn,
            depth: 0,
            written: Vec::new(),
            new_head: None,
            dir,
            ballast,
            health,
            enqueued,
            faults: None,
        }
    }

    /// `BEGIN IMMEDIATE` .. `COMMIT` around `f`; an `Err` rolls everything back. A call inside another is a part
    /// of the outer one, and if it fails, only its own part is undone.
    ///
    /// When the disk is full the ballast is let go and the same writes are done once more; `f` is not called
    /// again.
    pub fn atomically<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        match self.depth {
            0 => self.outermost(f),
            _ => self.nested(f),
        }
    }

    fn outermost<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.begin()?;
        self.depth = 1;
        let result = f(self);
        self.depth = 0;
        match result {
            Ok(value) => {
                self.commit()?;
                Ok(value)
            }
            Err(e) => {
                self.abandon();
                Err(self.noted(e))
            }
        }
    }

    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let (n, head) = (self.written.len(), self.new_head);
        self.control("SAVEPOINT part")?;
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        if result.is_err() {
            self.written.truncate(n);
            self.new_head = head;
            self.control("ROLLBACK TO part")?;
        }
        self.control("RELEASE part")?;
        result
    }

    /// Leaves a transaction that a panic left open. Called whenever the connection changes hands.
    pub(in crate::store) fn tidy(&mut self) {
        if 0 < self.depth || !self.conn.is_autocommit() {
            self.abandon();
        }
    }

    /// Whether the next write fails, as tests want it.
    fn spoilt(&self, writing: Writing) -> rusqlite::Result<()> {
        let fault = self.faults.as_ref().and_then(|faults| faults.before(writing));
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn control(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    fn begin(&mut self) -> Result<()> {
        self.tidy();
        match self.control("BEGIN IMMEDIATE") {
            Err(e) if is_full(&e) && self.release_ballast() == Released::Now => {
                self.control("BEGIN IMMEDIATE")
            }
            other => other,
        }
        .map_err(|e| self.noted(e.into()))
    }

    fn commit(&mut self) -> Result<()> {
        let spoilt = self.spoilt(Writing::Commit);
        let committed = match spoilt.and_then(|()| self.control("COMMIT")) {
            Err(e) if is_full(&e) && self.release_ballast() == Released::Now => {
                tracing::warn!("the state's disk is full: the ballast was let go");
                self.again()
            }
            other => other,
        };
        if let Err(e) = committed {
            self.abandon();
            return Err(self.noted(e.into()));
        }
        if !self.written.is_empty() {
            self.health().last_error = None;
        }
        if self.written.iter().any(|(sql, _)| sql.starts_with("INSERT INTO outbox")) {
            self.enqueued.send_modify(|n| *n += 1);
        }
        self.written.clear();
        self.anchor();
        Ok(())
    }

    /// Does the same writes once more. Nobody else writes and the state is as it was, so that every number that was
    /// given out is given out again.
    fn again(&self) -> rusqlite::Result<()> {
        if !self.conn.is_autocommit() {
            self.control("ROLLBACK")?;
        }
        self.control("BEGIN IMMEDIATE")?;
        for (sql, values) in &self.written {
            self.spoilt(Writing::Row)?;
            self.conn.prepare_cached(sql)?.execute(params_from_iter(values))?;
        }
        self.spoilt(Writing::Commit)?;
        self.control("COMMIT")
    }

    fn abandon(&mut self) {
        self.depth = 0;
        self.written.clear();
        self.new_head = None;
        if self.conn.is_autocommit() {
            return;
        }
        if let Err(e) = self.control("ROLLBACK") {
            tracing::warn!("a transaction could not be rolled back: {e}");
        }
    }

    /// The log is durable already; an anchor that cannot be written is told, and the next one takes its place.
    fn anchor(&mut self) {
        let (Some(head), Some(dir)) = (self.new_head.take(), &self.dir) else { return };
        let holds = |kept: &ChainHead| {
            let sql = "SELECT hash FROM audit WHERE seq = ?1";
            let found = self.row(sql, &[&kept.seq], |row| Ok(row.get(0)?));
            found.is_ok_and(|hash| hash == Some(kept.hash))
        };
        let spoilt = self.spoilt(Writing::Anchor).map_err(anyhow::Error::from);
        if let Err(e) = spoilt.and_then(|()| anchor::push(dir, head, holds)) {
            tracing::warn!("{e:#}");
            self.health().last_error = Some(format!("{e:#}"));
        }
    }

    fn release_ballast(&self) -> Released {
        let Some(ballast) = &self.ballast else { return Released::Before };
        let released = ballast.release();
        self.health().ballast = BallastState::Released;
        released
    }

    pub(in crate::store) fn restore_ballast(&self) -> BallastState {
        let Some(ballast) = &self.ballast else { return BallastState::None };
        let state = ballast.restore();
        let mut health = self.health();
        health.ballast = match (&health.ballast, state) {
            // Why there is none is known better than that there is no room for it.
            (BallastState::Released, BallastState::Missing(_)) => BallastState::Released,
            (_, state) => state,
        };
        health.ballast.clone()
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what an error of the database means, and keeps it for [`Health`]; the caller's own errors are not the store's.
    fn noted(&self, e: anyhow::Error) -> anyhow::Error {
        let Some(sql) = e.chain().find_map(|e| e.downcast_ref::<rusqlite::Error>()) else {
            return e;
        };
        let place = self.dir.as_ref().map_or_else(|| "memory".into(), |d| d.display().to_string());
        let words = match sql.sqlite_error_code() {
            None | Some(ErrorCode::ConstraintViolation) => return e,
            Some(ErrorCode::ReadOnly) => return e.context("the state was opened for reading only"),
            Some(_) if is_full(sql) => {
                // A statement met the full disk before the commit did: then only the caller can try again.
                if self.release_ballast() == Released::Now {
                    tracing::warn!("the state's disk is full: the ballast was let go");
                }
                format!(
                    "the state in {place} cannot be written: its disk is full; nothing was changed. Free some \
                     space on it"
                )
            }
            Some(_) => format!("the state in {place} cannot be written; nothing was changed"),
        };
        let e = e.context(words);
        self.health().last_error = Some(format!("{e:#}"));
        e
    }

    /// Executes one writing statement of the open transaction and remembers it. Gives the number of rows changed.
    pub(in crate::store) fn write(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToSql],
    ) -> Result<usize> {
        if self.depth == 0 {
            return self.atomically(|db| db.write(sql, params));
        }
        let values = params.iter().map(|p| owned(*p)).collect::<Result<Vec<_>>>()?;
        self.spoilt(Writing::Row)?;
        let n = self.conn.prepare_cached(sql)?.execute(params_from_iter(&values))?;
        self.written.push((sql, values));
        Ok(n)
    }

    /// As [`Db::write`], for an insert: gives the new row's number.
    pub(in crate::store) fn insert(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToSql],
    ) -> Result<i64> {
        self.write(sql, params)?;
        Ok(self.conn.last_insert_rowid())
    }

    /// All rows of a query.
    pub(in crate::store) fn rows<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        mut each: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.conn.prepare_cached(sql).context("cannot read the state")?;
        let mut rows = statement.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().context("cannot read the state")? {
            all.push(each(row)?);
        }
        Ok(all)
    }

    /// The first row of a query.
    pub(in crate::store) fn row<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        each: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.conn.prepare_cached(sql).context("cannot read the state")?;
        let mut rows = statement.query(params)?;
        match rows.next().context("cannot read the state")? {
            Some(row) => each(row).map(Some),
            None => Ok(None),
        }
    }
}

fn owned(param: &dyn ToSql) -> Result<Value> {
    match param.to_sql()? {
        ToSqlOutput::Owned(value) => Ok(value),
        ToSqlOutput::Borrowed(value) => {
            Value::try_from(value).map_err(|e| anyhow!("a text in the state is no UTF-8: {e}"))
        }
        other => Err(anyhow!("a value of the kind {other:?} has no column")),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Result, bail};

    use crate::model::time::Millis;
    use crate::store::tests::memory;

    #[test]
    fn a_part_that_fails_is_undone_alone_and_the_whole_undoes_all() {
        let store = memory();
        let set = |db: &mut super::Db, name| db.set_flag(name, Some("x"), Millis(1));
        store
            .call_now(|db| {
                db.atomically(|db| {
                    set(db, "kept")?;
                    let part: Result<()> = db.atomically(|db| {
                        set(db, "undone")?;
                        bail!("no")
                    });
                    assert!(part.is_err());
                    set(db, "kept too")
                })
            })
            .unwrap();
        let failed: Result<()> = store.call_now(|db| {
            db.atomically(|db| {
                db.atomically(|db| set(db, "undone with the whole"))?;
                bail!("no")
            })
        });
        assert_eq!(failed.unwrap_err().to_string(), "no");
        let flags = store.call_now(|db| db.flags("")).unwrap();
        let names: Vec<_> = flags.into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["kept", "kept too"]);
        assert_eq!(store.health().last_error, None, "the caller's error is not the store's");
    }
}
