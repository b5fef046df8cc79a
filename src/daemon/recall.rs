//! What a new life takes over from the former one: counters, pasts, and that the machine came up.

use std::collections::BTreeMap;

use crate::model::change::{Change, ChangeKind};
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::operator::Operator;
use crate::policy::baseline::LOOKED_BACK;
use crate::store::readings::Readings;
use crate::watch::ticker::Command;

/// Signals whose past is read at once.
const SEEDED: usize = 200;

/// Gives the tick loop what a former life knew: counters, and the medians of the last four weeks.
pub async fn seed(operator: &Operator, now: Millis) -> anyhow::Result<()> {
    let counters = operator.store().call(|db| db.triage()).await?;
    let mut triage = BTreeMap::new();
    for (signal, state) in counters {
        match serde_json::from_value(state) {
            Ok(state) => drop(triage.insert(signal, state)),
            // Written by another version: the signal is counted anew.
            Err(error) => tracing::warn!(%signal, "its counters cannot be read: {error}"),
        }
    }
    let known = operator.store().call(|db| db.known()).await?;
    operator.watch.send(Command::Seed { triage, pasts: Vec::new(), known }).await;
    let readings = operator.store().readings();
    let signals = readings.call(Readings::signals).await?;
    // In parts: four weeks of thousands of signals at once would be hundreds of megabytes.
    for part in signals.chunks(SEEDED) {
        let part: Vec<Signal> = part.iter().map(|(_, signal)| signal.clone()).collect();
        let pasts = readings.call(move |r| medians(r, part, now - LOOKED_BACK)).await?;
        let (triage, known) = (BTreeMap::new(), BTreeMap::new());
        operator.watch.send(Command::Seed { triage, pasts, known }).await;
    }
    operator.expect_jobs().await
}

/// Hours and their medians, by signal.
type Pasts = Vec<(Signal, Vec<(Millis, f64)>)>;

fn medians(readings: &Readings, of: Vec<Signal>, since: Millis) -> anyhow::Result<Pasts> {
    let mut pasts = Vec::with_capacity(of.len());
    for signal in of {
        let hours = readings.hourly(&signal, since)?;
        let medians: Vec<_> =
            hours.into_iter().filter_map(|hour| Some((hour.at, hour.median?))).collect();
        if !medians.is_empty() {
            pasts.push((signal, medians));
        }
    }
    Ok(pasts)
}

/// A boot is a change like any other: what fails afterwards may have it to thank.
pub async fn record_boot(operator: &Operator, now: Millis) -> anyhow::Result<()> {
    let booted_at = now - Span::secs(rustix::system::sysinfo().uptime);
    let here = Target::host(operator.here.clone());
    operator
        .store()
        .readings()
        .call(move |readings| {
            // A restart of reef finds the boot recorded, to a second or two.
            let known = readings.changes_since(booted_at - Span::mins(2), 1_000)?;
            let is_it = |c: &Change| {
                c.kind == ChangeKind::Reboot
                    && c.target == here
                    && c.at <= booted_at + Span::mins(2)
            };
            if known.iter().any(is_it) {
                return Ok(());
            }
            let words = "this machine came up";
            readings.add_changes(&[Change::new(booted_at, here, ChangeKind::Reboot, words)])
        })
        .await
}
