//! What the history of readings says: where numbers are heading, and what could not be seen for a while.

use crate::model::change::Change;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::model::value::Value;
use crate::policy::coincide::{AROUND_DRIFT, coinciding};
use crate::policy::trend::{self, DriftRule};
use crate::report::Standing;
use crate::report::gather::Period;
use crate::report::morning::{Blind, Coincided, Growth, Rise, Trends, about};
use crate::store::readings::{Hour, Readings, Sample};

/// Days of readings from which on a trend is one.
pub(super) const WEEK: u32 = 7;
/// Blind for less than this is a hiccup.
const BLIND: Span = Span::mins(5);
/// Signals whose blind times are looked up one by one.
const LOOKED_UP: usize = 50;
/// Volumes and rising numbers that are told.
const TOLD: usize = 5;
/// A volume that grows by less than this, in percentage points a day, does not.
const GROWS: f64 = 0.02;
/// Beyond a year nobody plans.
const FAR: f64 = 365.0;
/// Changes that a drift may coincide with.
const CHANGES: u32 = 5_000;

/// The history to be read, with the signals as they stand.
#[derive(Debug)]
pub(super) struct History {
    pub(super) period: Period,
    pub(super) standings: Vec<Standing>,
}

/// What it says.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) trends: Trends,
    /// What could not be seen for a while and is seen again.
    pub(super) blind: Vec<Blind>,
    /// Readings in the period.
    pub(super) readings: u64,
}

impl History {
    /// Gives itself back: its standings are needed again.
    pub(super) fn read(self, readings: &Readings) -> (Self, anyhow::Result<Told>) {
        let told = self.told(readings);
        (self, told)
    }

    fn told(&self, readings: &Readings) -> anyhow::Result<Told> {
        let now = self.period.until;
        let mut told =
            Told { readings: readings.counts_since(self.period.since)?.total(), ..Told::default() };
        let before = trend::LOOKED_BACK.0 + AROUND_DRIFT.before.0;
        let changes = readings.changes_since(now - Span(before), CHANGES)?;
        let (mut first, mut last) = (None::<Millis>, None::<Millis>);
        let mut volumes = Vec::new();
        let mut rising = Vec::new();
        let mut looked_up = 0;
        for standing in &self.standings {
            let signal = &standing.reading.signal;
            let hours = readings.hourly(signal, now - trend::LOOKED_BACK)?;
            if let (Some(from), Some(to)) = (hours.first(), hours.last()) {
                first = Some(first.map_or(from.at, |at| at.min(from.at)));
                last = Some(last.map_or(to.at, |at| at.max(to.at)));
            }
            match is_volume(signal) {
                true => volumes.extend(growth(standing, &hours, now)),
                false => rising.extend(rise(standing, &hours, &changes, now)),
            }
            if self.was_blind(standing, &hours) && looked_up < LOOKED_UP {
                looked_up += 1;
                let history = readings.history(signal, self.period.since)?;
                told.blind.extend(blind(signal, &history));
            }
        }
        told.trends.days = days_between(first, last);
        volumes.sort_by(|a, b| soonest(a).total_cmp(&soonest(b)));
        volumes.truncate(TOLD);
        rising.sort_by(|a, b| b.times().total_cmp(&a.times()));
        rising.truncate(TOLD);
        told.trends.volumes = volumes;
        told.trends.rising = rising;
        Ok(told)
    }

    fn was_blind(&self, standing: &Standing, hours: &[Hour]) -> bool {
        standing.reading.severity != Severity::Unknown
            && hours.iter().any(|h| self.period.since <= h.at && h.worst == Severity::Unknown)
    }
}

fn is_volume(signal: &Signal) -> bool {
    signal.probe.as_str() == "disk" && signal.aspect.as_str() == "bytes"
}

/// Whole days from the beginning of the first hour to the end of the last, a week at the most.
fn days_between(first: Option<Millis>, last: Option<Millis>) -> u32 {
    let (Some(first), Some(last)) = (first, last) else { return 0 };
    // A week of hours that began within its first hour is a week.
    let hours = last.since(first).0 / Span::hours(1).0 + 2;
    u32::try_from(hours / 24).unwrap_or(WEEK).min(WEEK)
}

fn growth(standing: &Standing, hours: &[Hour], now: Millis) -> Option<Growth> {
    let reading = &standing.reading;
    let used = reading.value.filter(|used| used.is_finite())?;
    let week = now - Span::days(i64::from(WEEK));
    let week: Vec<(Millis, f64)> = medians(hours).filter(|(at, _)| week <= *at).collect();
    let a_day = trend::growth_per_day(&week).filter(|grows| GROWS <= *grows)?;
    let total = match reading.values.get("total") {
        Some(Value::Bytes(total)) => Some(*total),
        Some(_) | None => None,
    };
    // Sizes of volumes lie far below what a float holds exactly enough.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casts of floats saturate, and a day's growth is a rough number"
    )]
    let bytes_a_day = total.map(|total| (total as f64 * a_day / 100.0) as u64);
    Some(Growth {
        volume: reading.signal.target.to_string(),
        used_percent: used,
        percent_a_day: a_day,
        bytes_a_day,
        full_in_days: Some((100.0 - used).max(0.0) / a_day).filter(|days| *days < FAR),
    })
}

fn soonest(growth: &Growth) -> f64 {
    (100.0 - growth.used_percent) / growth.percent_a_day
}

/// A number that got worse over days, and the change that it coincides with.
fn rise(standing: &Standing, hours: &[Hour], changes: &[Change], now: Millis) -> Option<Rise> {
    let Reading { signal, unit, .. } = &standing.reading;
    let rule = DriftRule::of(signal, *unit)?;
    let medians: Vec<(Millis, f64)> = medians(hours).collect();
    let drift = trend::drift(&medians, &rule, now)?;
    let change =
        drift.since.and_then(|since| coinciding(changes, &signal.target, since, AROUND_DRIFT));
    Some(Rise {
        signal: about(signal),
        unit: *unit,
        from: drift.from,
        to: drift.to,
        days: drift.days,
        since: drift.since,
        change: change.map(|change| Coincided {
            at: change.at,
            what: format!("{}: {}", change.kind.phrase(), change.words.first_line()),
        }),
    })
}

fn medians(hours: &[Hour]) -> impl Iterator<Item = (Millis, f64)> {
    hours.iter().filter_map(|hour| Some((hour.at, hour.median.filter(|m| m.is_finite())?)))
}

/// The longest time in which nothing but unknown was read, and is over.
fn blind(signal: &Signal, history: &[Sample]) -> Option<Blind> {
    let mut longest: Option<(Millis, Millis)> = None;
    let mut from: Option<Millis> = None;
    for sample in history {
        match (sample.severity, from) {
            (Severity::Unknown, None) => from = Some(sample.at),
            (Severity::Unknown, Some(_)) | (_, None) => {}
            (Severity::Green | Severity::Yellow | Severity::Red, Some(began)) => {
                let is_longer = longest.is_none_or(|(a, b)| b.since(a) < sample.at.since(began));
                if is_longer {
                    longest = Some((began, sample.at));
                }
                from = None;
            }
        }
    }
    let (from, to) = longest.filter(|(from, to)| BLIND <= to.since(*from))?;
    Some(Blind { signal: about(signal), why: String::new(), from, to: Some(to) })
}
