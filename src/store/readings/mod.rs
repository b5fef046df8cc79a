//! The history of readings: packed, rolled up each hour, bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use rusqlite::Connection;

use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::store::columns::{from_json, to_json};
use crate::store::open::{OpenError, is_full};
use crate::store::readings::hours::{begins, hour_of, key, keys_from};
use crate::store::readings::pack::unpack;
use crate::store::readings::spell::read;

mod hours;
mod pack;
mod spell;
#[cfg(test)]
mod tests;

/// A signal's number in `readings.db`. Only good for the store that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignalId(pub u32);

/// One reading as history keeps it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub signal: SignalId,
    pub at: Millis,
    pub severity: Severity,
    pub value: Option<f64>,
}

/// One hour of a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    /// When the hour begins.
    pub at: Millis,
    pub n: u32,
    pub worst: Severity,
    /// Over the readings that had a value; `None` where none had.
    pub median: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// How many readings there were, by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub green: u64,
    pub unknown: u64,
    pub yellow: u64,
    pub red: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.green + self.unknown + self.yellow + self.red
    }

    fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Green => self.green += 1,
            Severity::Unknown => self.unknown += 1,
            Severity::Yellow => self.yellow += 1,
            Severity::Red => self.red += 1,
        }
    }
}

/// `readings.db`. A clone is the same. Every method blocks; [`Readings::call`] takes it off the async threads.
#[derive(Debug, Clone)]
pub struct Readings {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    conn: Connection,
    ids: BTreeMap<Signal, SignalId>,
    /// The most bytes that the file may have.
    bound: u64,
}

impl Readings {
    pub(in crate::store) fn new(conn: Connection, bound: u64) -> Result<Self, OpenError> {
        let prepared = Inner::new(conn, bound).map_err(OpenError::Other)?;
        Ok(Self { inner: Arc::new(Mutex::new(prepared)) })
    }

    /// Runs `f` on a blocking thread.
    pub async fn call<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let readings = self.clone();
        let done = tokio::task::spawn_blocking(move || f(&readings)).await;
        done.context("a call to the history did not come back")?
    }

    /// For what lies beside the readings in their file.
    pub(in crate::store) fn with<T>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        f(&self.inner().conn)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a signal, given at its first use.
    pub fn intern(&self, signal: &Signal) -> Result<SignalId> {
        let mut inner = self.inner();
        if let Some(id) = inner.ids.get(signal) {
            return Ok(*id);
        }
        let id = number(&inner.conn, signal)?;
        inner.ids.insert(signal.clone(), id);
        Ok(id)
    }

    /// Numbers all of these in one transaction: the first flush of a large estate would otherwise write a
    /// page for each.
    pub fn intern_all<'a>(&self, signals: impl Iterator<Item = &'a Signal>) -> Result<()> {
        let mut inner = self.inner();
        let new: BTreeSet<&Signal> = signals.filter(|s| !inner.ids.contains_key(*s)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let together = inner.conn.unchecked_transaction()?;
        let mut given = Vec::with_capacity(new.len());
        for signal in new {
            given.push((signal.clone(), number(&together, signal)?));
        }
        together.commit().context("cannot add new signals to the history")?;
        inner.ids.extend(given);
        Ok(())
    }

    /// Every signal that ever had a reading.
    pub fn signals(&self) -> Result<Vec<(SignalId, Signal)>> {
        Ok(self.inner().ids.iter().map(|(signal, id)| (*id, signal.clone())).collect())
    }

    /// Stores one flush in one transaction.
    pub fn add(&self, rows: &[Sample]) -> Result<()> {
        let inner = self.inner();
        let added = match hours::add_batch(&inner.conn, rows) {
            // The bound, or the disk: the oldest makes room for the newest.
            Err(e) if is_full(&e) => {
                hours::shrink(&inner.conn, inner.bound / 4 * 3)
                    .context("the history has no room and cannot let go of the oldest")?;
                hours::add_batch(&inner.conn, rows)
            }
            other => other,
        };
        added.context("cannot add to the history")
    }

    /// Rolls ended hours up, packs them by signal and lets go of what is too old or too much. To be called every few minutes.
    pub fn maintain(&self, now: Millis) -> Result<()> {
        let mut inner = self.inner();
        let bound = inner.bound;
        let packed = match hours::pack_ended(&mut inner.conn, now) {
            Err(e) if e.downcast_ref().is_some_and(is_full) => {
                hours::shrink(&inner.conn, bound / 4 * 3)
                    .and_then(|()| hours::pack_ended(&mut inner.conn, now))
            }
            other => other,
        };
        packed.context("cannot roll the history up")?;
        hours::forget_old(&inner.conn, now).context("cannot let go of old history")?;
        // Below the bound by more than an hour of packing needs.
        hours::shrink(&inner.conn, bound / 10 * 9).context("cannot let go of old history")
    }

    /// Readings of a signal since then, oldest first; a week is kept.
    pub fn history(&self, signal: &Signal, since: Millis) -> Result<Vec<Sample>> {
        let inner = self.inner();
        let Some(id) = inner.ids.get(signal).copied() else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut keep = |sample: Sample| {
            if sample.signal == id && since <= sample.at {
                found.push(sample);
            }
        };
        inner.read_hours(id, keys_from(id, hour_of(since)), &mut keep)?;
        inner.unpack_flushes(since, &mut keep)?;
        found.sort_by_key(|sample| sample.at);
        Ok(found)
    }

    /// Ended hours of a signal since then, oldest first; a year is kept.
    pub fn hourly(&self, signal: &Signal, since: Millis) -> Result<Vec<Hour>> {
        let inner = self.inner();
        let Some(id) = inner.ids.get(signal).copied() else { return Ok(Vec::new()) };
        inner.hours_of(id, since)
    }

    /// Ended hours of all signals since then, by signal: for seeding baselines.
    pub fn all_hourly(&self, since: Millis) -> Result<Vec<(Signal, Vec<Hour>)>> {
        let inner = self.inner();
        let of =
            |(signal, id): (&Signal, &SignalId)| Ok((signal.clone(), inner.hours_of(*id, since)?));
        inner
            .ids
            .iter()
            .map(of)
            .filter(|found| !found.as_ref().is_ok_and(|(_, h)| h.is_empty()))
            .collect()
    }

    /// How many readings there were since then. Exact as long as the hour of `at` is kept reading by reading.
    pub fn counts_since(&self, at: Millis) -> Result<Counts> {
        let inner = self.inner();
        let mut counts = Counts::default();
        let mut keep = |sample: Sample| {
            if at <= sample.at {
                counts.add(sample.severity);
            }
        };
        inner.unpack_flushes(at, &mut keep)?;
        for id in inner.ids.values() {
            let this = key(*id, hour_of(at));
            inner.read_hours(*id, (this, this), &mut keep)?;
        }
        let later = inner.conn.query_row(
            "SELECT coalesce(sum(green), 0), coalesce(sum(unknown), 0), coalesce(sum(yellow), 0),
                    coalesce(sum(red), 0)
               FROM signal s CROSS JOIN hour h
                 ON h.key BETWEEN (s.id << 24) + ?1 AND (s.id << 24) + 16777215",
            [hour_of(at) + 1],
            |row| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]),
        )?;
        let [green, unknown, yellow, red] = later.map(|n| u64::try_from(n).unwrap_or(0));
        Ok(Counts {
            green: counts.green + green,
            unknown: counts.unknown + unknown,
            yellow: counts.yellow + yellow,
            red: counts.red + red,
        })
    }

    /// What the file's content takes.
    pub fn bytes(&self) -> Result<u64> {
        Ok(hours::used_bytes(&self.inner().conn)?)
    }
}

/// Gives a signal its number.
fn number(conn: &Connection, signal: &Signal) -> Result<SignalId> {
    let sql = "INSERT INTO signal (json) VALUES (?1) RETURNING id";
    let id = conn.query_row(sql, [to_json(signal)?], |row| row.get(0));
    id.map(SignalId).with_context(|| format!("cannot add {signal} to the history"))
}

impl Inner {
    fn new(conn: Connection, bound: u64) -> Result<Self> {
        let page: u32 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = bound / u64::from(page);
        if pages < 64 {
            bail!("the history cannot be bounded to {bound} bytes: 64 pages is the least");
        }
        let pages = i64::try_from(pages)?;
        conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        let mut ids = BTreeMap::new();
        {
            let mut signals = conn.prepare("SELECT id, json FROM signal")?;
            let mut rows = signals.query([])?;
            while let Some(row) = rows.next()? {
                let json: String = row.get(1)?;
                ids.insert(from_json("a signal of the history", &json)?, SignalId(row.get(0)?));
            }
        }
        Ok(Self { conn, ids, bound })
    }

    /// The readings of a signal's ended hours between two keys.
    fn read_hours(
        &self,
        id: SignalId,
        between: (i64, i64),
        each: &mut impl FnMut(Sample),
    ) -> Result<()> {
        let sql = "SELECT key, packed FROM raw WHERE key BETWEEN ?1 AND ?2 ORDER BY key";
        let mut statement = self.conn.prepare_cached(sql).context("cannot read the history")?;
        let mut rows = statement.query(between)?;
        while let Some(row) = rows.next().context("cannot read the history")? {
            read(row.get_ref(1)?.as_blob()?, id, begins(row.get(0)?), &mut *each)?;
        }
        Ok(())
    }

    /// The readings of flushes that are not packed yet.
    fn unpack_flushes(&self, since: Millis, each: &mut impl FnMut(Sample)) -> Result<()> {
        let sql = "SELECT packed FROM batch WHERE ?1 <= last_at ORDER BY id";
        let mut statement = self.conn.prepare_cached(sql).context("cannot read the history")?;
        let mut rows = statement.query([since])?;
        while let Some(row) = rows.next().context("cannot read the history")? {
            unpack(row.get_ref(0)?.as_blob()?, &mut *each)?;
        }
        Ok(())
    }

    fn hours_of(&self, id: SignalId, since: Millis) -> Result<Vec<Hour>> {
        // The first hour that begins at `since` or after it.
        let first = hour_of(Millis(since.0.saturating_add(3_599_999)));
        let mut statement = self.conn.prepare_cached(
            "SELECT key, green, unknown, yellow, red, median, min, max FROM hour
              WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
        )?;
        let rows = statement.query_map(keys_from(id, first), hours::hour_row)?;
        rows.map(|row| Ok(row.context("cannot read the history")?.1)).collect()
    }
}
