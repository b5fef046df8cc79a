//! Figures of the history: bytes of a reading at rest, bytes written for one, and what pasts take in memory.
//!
//! `cargo bench --bench readings`, or with `-- DIR` for a folder on the disk that is meant. A day of 100 HTTP
//! checks each 10 s (10 readings a second: half of them say a latency that never repeats, half only that it
//! answers), 20 numbers of hosts each minute and 6 volumes each 5 minutes, flushed every 30 s.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use reef::model::ids::Word;
use reef::model::reading::Reading;
use reef::model::severity::Severity;
use reef::model::target::Signal;
use reef::model::time::{Millis, Span};
use reef::probe::Past;
use reef::probe::past::Pasts;
use reef::store::Store;
use reef::store::readings::{Readings, Sample, SignalId};
use tokio::time::Instant;

/// An hour's beginning.
const START: Millis = Millis(480_000 * 3_600_000);
const FLUSH: i64 = 30;

fn main() -> Result<()> {
    let given = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let root = given.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = root.join(format!("reef-bench-readings-{}", std::process::id()));
    let measured = a_day(&dir).and_then(|()| memory());
    std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    measured
}

/// What looks every so many seconds.
struct Source {
    signal: SignalId,
    every: i64,
    phase: i64,
    value: fn(i64) -> Option<f64>,
}

/// The same each time, and like noise: between 0 and 1.
fn noise(n: i64) -> f64 {
    let mut x = n.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40;
    f64::from(u32::try_from(x).unwrap_or(0)) / f64::from(1_u32 << 24)
}

fn sources(readings: &Readings) -> Result<Vec<Source>> {
    // Whole milliseconds, as the probe measures them.
    let latency = |n: i64| Some((20.0 + 300.0 * noise(n).powi(4)).round());
    let load = |n: i64| Some((0.4 + noise(n)).powi(2));
    let volume = |n: i64| Some(54.0 + 0.000_01 * noise(n / 8));
    let mut all = Vec::new();
    for i in 0..126_i64 {
        let (every, value): (i64, fn(i64) -> Option<f64>) = match i {
            0..50 => (10, latency),
            50..100 => (10, |_| None),
            100..120 => (60, load),
            _ => (300, volume),
        };
        let signal = readings.intern(&signal(i)?)?;
        all.push(Source { signal, every, phase: i % every, value });
    }
    Ok(all)
}

fn a_day(dir: &Path) -> Result<()> {
    let store = Store::open(dir)?;
    let readings = store.readings();
    let sources = sources(readings)?;
    let (empty, before) = (readings.bytes()?, written()?);
    let start = Instant::now();
    let mut n = 0_i64;
    for flush in 0..86_400 / FLUSH {
        let mut rows = Vec::new();
        for second in flush * FLUSH..(flush + 1) * FLUSH {
            for of in sources.iter().filter(|of| second % of.every == of.phase) {
                n += 1;
                // A few milliseconds late, as looks are.
                #[expect(clippy::cast_possible_truncation, reason = "milliseconds")]
                let late = (noise(n) * 20.0) as i64;
                let at = Millis(START.0 + second * 1_000 + late);
                let value = (of.value)(second + i64::from(of.signal.0) * 100_000);
                rows.push(Sample { signal: of.signal, at, severity: Severity::Green, value });
            }
        }
        readings.add(&rows)?;
        readings.maintain(START + Span::secs((flush + 1) * FLUSH))?;
    }
    let took = start.elapsed().as_secs_f64();
    readings.maintain(START + Span::days(1))?;
    let count = f64::from(u32::try_from(n)?);
    println!("readings of a day          {n:>12}");
    println!("kept                       {:>12.0} readings/s", count / took);
    let per = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / count;
    println!("a reading at rest          {:>12.2} bytes", per(readings.bytes()? - empty));
    println!("written for a reading      {:>12.1} bytes", per(written()? - before));
    let start = Instant::now();
    let found = readings.history(&signal(7)?, Millis(0))?.len();
    println!(
        "a day of one signal        {:>12.2} ms ({found})",
        start.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

/// Bytes that this process gave to the kernel to write.
fn written() -> Result<u64> {
    let io = std::fs::read_to_string("/proc/self/io").context("this kernel counts no writes")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(line.context("no wchar in /proc/self/io")?.trim().parse()?)
}

/// Four weeks of 5,000 signals.
fn memory() -> Result<()> {
    let mut pasts = Pasts::default();
    let hours = 28 * 24;
    let start = Instant::now();
    for i in 0..5_000 {
        let seeded = (0..hours).map(|h| (START + Span::hours(h), 20.0 + noise(h * i)));
        pasts.seed(&signal(i)?, seeded);
    }
    println!("seed 5,000 pasts           {:>12.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let now = START + Span::hours(hours);
    let start = Instant::now();
    for i in 0..5_000 {
        for look in 0..40 {
            let reading = Reading::new(
                signal(i)?,
                now + Span::secs(look),
                Severity::Green,
                Word::of("ok"),
                "",
            );
            pasts.note(&Reading { value: Some(20.0), ..reading });
        }
    }
    println!(
        "note                       {:>12.2} us",
        start.elapsed().as_secs_f64() * 1e6 / 200_000.0
    );
    println!("memory of a past           {:>12} bytes", pasts.bytes() / 5_000);
    let start = Instant::now();
    for i in 0..1_000 {
        anyhow::ensure!(pasts.usual(&signal(i)?, now).is_some(), "nothing is usual");
    }
    println!("usual                      {:>12.1} us", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    for i in 0..1_000 {
        anyhow::ensure!(pasts.growth_per_day(&signal(i)?, now).is_some(), "nothing grows");
    }
    println!("growth a day               {:>12.1} us", start.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn signal(i: i64) -> Result<Signal> {
    let target = format!("mini:endpoint:check{i}").parse()?;
    Ok(Signal { probe: Word::of("http"), target, aspect: Word::of("status") })
}
