//! Ended hours: packed by signal, rolled up, and let go of when they are old or too many.

use std::collections::BTreeMap;

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension};

use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::store::readings::pack::{pack, rounded, unpack};
use crate::store::readings::spell::{read, spell};
use crate::store::readings::{Hour, Sample, SignalId};

/// The bits of a key that hold the hour; the signal lies above them.
pub(in crate::store) const HOUR_BITS: i64 = 24;
const HOUR_MASK: i64 = (1 << HOUR_BITS) - 1;
const RAW_KEPT: Span = Span::days(7);
const HOURS_KEPT: Span = Span::days(365);

/// The hour of an instant, since 1970.
pub(in crate::store) fn hour_of(at: Millis) -> i64 {
    at.0.div_euclid(Span::hours(1).0).clamp(0, HOUR_MASK)
}

/// The key of a signal's hour.
pub(in crate::store) fn key(signal: SignalId, hour: i64) -> i64 {
    i64::from(signal.0) << HOUR_BITS | hour
}

/// The signal of a key.
pub(in crate::store) fn signal_of(key: i64) -> SignalId {
    SignalId(u32::try_from(key >> HOUR_BITS).unwrap_or(u32::MAX))
}

/// When the hour of a key begins.
pub(in crate::store) fn begins(key: i64) -> Millis {
    Millis((key & HOUR_MASK) * Span::hours(1).0)
}

/// The first and last key that a signal can have from an hour on.
pub(in crate::store) fn keys_from(signal: SignalId, hour: i64) -> (i64, i64) {
    (key(signal, hour), key(signal, HOUR_MASK))
}

/// Moves all ended hours out of the flushes, oldest first, each hour in one transaction.
pub(in crate::store) fn pack_ended(conn: &mut Connection, now: Millis) -> Result<()> {
    loop {
        let oldest = "SELECT min(first_at) FROM batch";
        let first: Option<Millis> = conn.query_row(oldest, [], |row| row.get(0))?;
        match first.map(hour_of) {
            Some(hour) if hour < hour_of(now) => pack_hour(conn, hour)?,
            Some(_) | None => return Ok(()),
        }
    }
}

fn pack_hour(conn: &mut Connection, hour: i64) -> Result<()> {
    let end = Millis((hour + 1) * Span::hours(1).0);
    let tx = conn.transaction()?;
    let mut ended: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
    let mut later = Vec::new();
    {
        let mut flushes =
            tx.prepare_cached("SELECT packed FROM batch WHERE first_at < ?1 ORDER BY id")?;
        let mut rows = flushes.query([end])?;
        while let Some(row) = rows.next()? {
            unpack(row.get_ref(0)?.as_blob()?, |sample| {
                if sample.at < end {
                    ended.entry(key(sample.signal, hour_of(sample.at))).or_default().push(sample);
                } else {
                    later.push(sample);
                }
            })?;
        }
    }
    for (key, samples) in ended {
        store_hour(&tx, key, samples)?;
    }
    tx.execute("DELETE FROM batch WHERE first_at < ?1", [end])?;
    add_batch(&tx, &later)?;
    tx.commit()?;
    Ok(())
}

/// Adds readings to an hour. Where the clock went back the hour is there already, and is made anew of both.
fn store_hour(conn: &Connection, key: i64, mut samples: Vec<Sample>) -> Result<()> {
    let mut select = conn.prepare_cached("SELECT packed FROM raw WHERE key = ?1")?;
    let there: Option<Vec<u8>> = select.query_row([key], |row| row.get(0)).optional()?;
    if let Some(packed) = there {
        read(&packed, signal_of(key), begins(key), |sample| samples.push(sample))?;
    }
    samples.sort_by_key(|sample| sample.at);
    conn.prepare_cached("INSERT OR REPLACE INTO raw (key, packed) VALUES (?1, ?2)")?
        .execute((key, spell(&samples, begins(key))))?;
    let count = |severity| samples.iter().filter(|s| s.severity == severity).count();
    let count = |severity| u32::try_from(count(severity)).unwrap_or(u32::MAX);
    let mut values: Vec<f64> = samples.iter().filter_map(|sample| sample.value).collect();
    values.sort_by(f64::total_cmp);
    conn.prepare_cached(
        "INSERT OR REPLACE INTO hour (key, green, unknown, yellow, red, median, min, max)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        key,
        count(Severity::Green),
        count(Severity::Unknown),
        count(Severity::Yellow),
        count(Severity::Red),
        median(&values),
        values.first(),
        values.last(),
    ))?;
    Ok(())
}

/// Of sorted values.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// Stores one flush.
pub(in crate::store) fn add_batch(conn: &Connection, samples: &[Sample]) -> rusqlite::Result<()> {
    let (Some(first), Some(last)) =
        (samples.iter().map(|s| s.at).min(), samples.iter().map(|s| s.at).max())
    else {
        return Ok(());
    };
    let rounded: Vec<Sample> =
        samples.iter().map(|s| Sample { value: s.value.map(rounded), ..*s }).collect();
    conn.prepare_cached("INSERT INTO batch (first_at, last_at, packed) VALUES (?1, ?2, ?3)")?
        .execute((first, last, pack(&rounded)))?;
    Ok(())
}

/// Lets go of what is older than it is kept.
pub(in crate::store) fn forget_old(conn: &Connection, now: Millis) -> rusqlite::Result<()> {
    delete_before(conn, Table::Raw, hour_of(now - RAW_KEPT))?;
    delete_before(conn, Table::Hour, hour_of(now - HOURS_KEPT))
}

#[derive(Debug, Clone, Copy)]
enum Table {
    Raw,
    Hour,
}

/// Deletes the hours before one, of every signal, by ranges of keys.
fn delete_before(conn: &Connection, table: Table, hour: i64) -> rusqlite::Result<()> {
    let sql = match table {
        Table::Raw => {
            "DELETE FROM raw WHERE key IN (SELECT r.key FROM signal s CROSS JOIN raw r
               ON r.key BETWEEN s.id << 24 AND (s.id << 24) + ?1 - 1)"
        }
        Table::Hour => {
            "DELETE FROM hour WHERE key IN (SELECT h.key FROM signal s CROSS JOIN hour h
               ON h.key BETWEEN s.id << 24 AND (s.id << 24) + ?1 - 1)"
        }
    };
    conn.prepare_cached(sql)?.execute([hour]).map(|_| ())
}

/// Makes the file's content smaller than `bytes`: first the oldest readings go, six hours at a time, then the oldest
/// rolled-up hours, then flushes.
pub(in crate::store) fn shrink(conn: &Connection, bytes: u64) -> Result<()> {
    while bytes < used_bytes(conn)? {
        let oldest = |sql| conn.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        if let Some(hour) = oldest("SELECT min(key & 16777215) FROM raw")? {
            delete_before(conn, Table::Raw, hour + 6)?;
        } else if let Some(hour) = oldest("SELECT min(key & 16777215) FROM hour")? {
            delete_before(conn, Table::Hour, hour + 24 * 30)?;
        } else if 0
            == conn.execute(
                "DELETE FROM batch WHERE id IN (SELECT id FROM batch ORDER BY id LIMIT 100)",
                [],
            )?
        {
            break;
        }
    }
    // Gives the pages back to the disk; a statement that gives rows until it is done.
    let mut vacuum = conn.prepare("PRAGMA incremental_vacuum")?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Bytes of pages in use.
pub(in crate::store) fn used_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let (pages, free, size) =
        (number("page_count")?, number("freelist_count")?, number("page_size")?);
    Ok(u64::from(pages.saturating_sub(free)) * u64::from(size))
}

/// Reads a row of `hour`: key, the four counts, median, min, max.
pub(in crate::store) fn hour_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(SignalId, Hour)> {
    let key: i64 = row.get(0)?;
    let by_severity = [
        (Severity::Green, row.get::<_, u32>(1)?),
        (Severity::Unknown, row.get(2)?),
        (Severity::Yellow, row.get(3)?),
        (Severity::Red, row.get(4)?),
    ];
    let worst = by_severity.iter().filter(|(_, n)| 0 < *n).map(|(severity, _)| *severity).max();
    let hour = Hour {
        at: begins(key),
        n: by_severity.iter().map(|(_, n)| n).sum(),
        worst: worst.unwrap_or(Severity::Unknown),
        median: row.get(5)?,
        min: row.get(6)?,
        max: row.get(7)?,
    };
    Ok((signal_of(key), hour))
}
