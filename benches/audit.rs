//! Figures of the store: records appended and verified a second, bytes and time of a reading.
//!
//! `cargo bench --bench audit`, or with `-- DIR` for a folder on the disk that is meant.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use reef::model::audit::{AuditEntry, AuditKind, AuditPayload};
use reef::model::ids::{IncidentId, RunId, Word};
use reef::model::severity::Severity;
use reef::model::target::Signal;
use reef::model::time::Millis;
use reef::model::tool::Tier;
use reef::store::Store;
use reef::store::readings::{Sample, SignalId};
use tokio::time::Instant;

fn main() -> Result<()> {
    let given = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let root = given.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = root.join(format!("reef-bench-{}", std::process::id()));
    let measured = measure(&dir);
    std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    measured
}

fn measure(dir: &std::path::Path) -> Result<()> {
    let start = Instant::now();
    let store = Store::open(dir)?;
    println!("open, new folder           {:>12.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let one_by_one = 200;
    let start = Instant::now();
    for i in 0..one_by_one {
        store.call_now(|db| db.append(&record(i)))?;
    }
    rate("append, each durable", one_by_one, start, "records/s");

    let together = 200_000;
    let start = Instant::now();
    store.call_now(|db| {
        db.atomically(|db| (0..together).try_for_each(|i| db.append(&record(i)).map(|_| ())))
    })?;
    rate("append, one commit", together, start, "records/s");

    let anchors = store.anchors()?;
    let start = Instant::now();
    let report = store.call_now(|db| db.verify_chain(&anchors))?;
    anyhow::ensure!(report.broken.is_none(), "the log is broken: {report:?}");
    rate("verify", i64::try_from(report.records)?, start, "records/s");
    let bytes = std::fs::metadata(dir.join("reef.db"))?.len();
    println!("a record at rest           {:>12} bytes", bytes / report.records);

    history(&store)?;
    drop(store);
    let start = Instant::now();
    drop(Store::open(dir)?);
    println!("open, this folder          {:>12.1} ms", start.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

/// A week of 20 signals each 10 s, flushed each minute.
fn history(store: &Store) -> Result<()> {
    let readings = store.readings();
    let ids = (0..20).map(|i| readings.intern(&signal(i)?)).collect::<Result<Vec<SignalId>>>()?;
    let empty = readings.bytes()?;
    let start = Instant::now();
    let mut n = 0_u32;
    for minute in 0..7 * 1_440_i64 {
        let at = |look: i64| Millis(480_000 * 3_600_000 + minute * 60_000 + look * 10_000);
        let mut flush = Vec::new();
        for look in 0..6 {
            for signal in &ids {
                n += 1;
                let value = Some(f64::from(n).sqrt());
                flush.push(Sample {
                    signal: *signal,
                    at: at(look),
                    severity: Severity::Green,
                    value,
                });
            }
        }
        readings.add(&flush)?;
        if minute % 5 == 0 {
            readings.maintain(at(0))?;
        }
    }
    rate("readings kept", i64::from(n), start, "readings/s");
    let bytes = readings.bytes()? - empty;
    println!(
        "a reading at rest          {:>12.1} bytes",
        f64::from(u32::try_from(bytes)?) / f64::from(n)
    );
    let start = Instant::now();
    let found = readings.history(&signal(7)?, Millis(0))?.len();
    rate("a week of one signal", i64::try_from(found)?, start, "readings/s");
    Ok(())
}

fn rate(what: &str, n: i64, start: Instant, unit: &str) {
    let n = f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    println!("{what:<26} {:>12.0} {unit}", n / start.elapsed().as_secs_f64());
}

fn signal(i: u32) -> Result<Signal> {
    let target = format!("mini:/volume/{i}").parse()?;
    Ok(Signal { probe: Word::of("disk"), target, aspect: Word::of("bytes") })
}

/// As long as a real one.
fn record(i: i64) -> AuditEntry {
    let payload = AuditPayload {
        incident: Some(IncidentId(i / 5)),
        run: Some(RunId(i / 3)),
        runbook: Some("disk-full".into()),
        tool: Some("files.compress".into()),
        tier: Some(Tier::High),
        target: Some("mini:/var/log".into()),
        call: Some("files.compress mini:/var/log older=30 d".into()),
        reason: "disk mini:/var is red: 93 %, 4 GiB free".into(),
        tools_called: vec!["disk.usage".into(), "files.compress".into()],
        outcome: Some("done".into()),
        ..AuditPayload::default()
    };
    AuditEntry {
        at: Millis(i),
        actor: "runbook disk-full".into(),
        kind: AuditKind::Closed,
        payload,
    }
}
