//! Each signal's own past in memory: hourly medians of four weeks, two bytes each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use crate::clock::zone::Zone;
use crate::model::reading::Reading;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::policy::baseline::{self, Daily, LOOKED_BACK, Usual, Wall, median};
use crate::policy::trend;
use crate::probe::Past;

/// Hours that are kept.
const HOURS: i64 = LOOKED_BACK.0 / HOUR;
/// Hours that `median`, `same_hour` and `growth_per_day` look at.
const WEEK: i64 = 7 * 24;

/// Signals that are kept; those beyond have no past.
const MOST: usize = 10_000;

/// Values of the running hour that are kept for its median; from then on every other one.
const VALUES: usize = 32;

const HOUR: i64 = 3_600_000;

/// The past of all signals: about 1.7 KB a signal when full.
#[derive(Debug, Default)]
pub struct Pasts {
    /// Whose wall tells the hours of a day; UTC where nobody said.
    zone: Option<Zone>,
    signals: BTreeMap<Signal, One>,
}

/// The past of one.
#[derive(Debug, Default)]
struct One {
    /// Finished hours; the running one is not among them.
    hours: Ring,
    running: i64,
    /// Four bytes are enough for what a median is taken of.
    values: Vec<f32>,
    /// One value in this many is kept, so that a look every second takes no more than one a minute.
    stride: u32,
    skipped: u32,
    /// What a look at the finished hours said, until the next of them ends.
    growth: OnceLock<Option<f64>>,
    usual: OnceLock<Option<Usual>>,
}

impl Pasts {
    /// Counts the hours of a day as the operator's wall does. What is stored stays by UTC.
    pub fn count_in(&mut self, zone: Zone) {
        if self.zone.replace(zone) != Some(zone) {
            self.signals.values_mut().for_each(|one| one.usual = OnceLock::new());
        }
    }

    fn zone(&self) -> Zone {
        self.zone.unwrap_or(Zone::UTC)
    }

    /// Adds a signal's hours from the database: when each began, and its median.
    pub fn seed(&mut self, signal: &Signal, hours: impl IntoIterator<Item = (Millis, f64)>) {
        let Some(one) = self.one(signal) else { return };
        let mut all: BTreeMap<i64, f64> = one.hours.iter().collect();
        for (at, median) in hours {
            if median.is_finite() {
                all.entry(at.0.div_euclid(HOUR)).or_insert(median);
            }
        }
        one.hours = Ring::of(&all);
        (one.growth, one.usual) = (OnceLock::new(), OnceLock::new());
    }

    /// Takes a reading in, where it has a number.
    pub fn note(&mut self, reading: &Reading) {
        if let Some(value) = reading.value.filter(|v| v.is_finite())
            && let Some(one) = self.one(&reading.signal)
        {
            one.note(reading.at, value);
        }
    }

    /// Forgets signals that said nothing for four weeks.
    pub fn forget(&mut self, now: Millis) {
        let hour = now.0.div_euclid(HOUR);
        self.signals.retain(|_, one| {
            one.hours.forget(hour);
            !one.hours.is_empty() || hour - HOURS <= one.running
        });
    }

    /// Bytes on the heap beside the signals' names: for the figures.
    pub fn bytes(&self) -> usize {
        let of = |one: &One| one.hours.steps.capacity() * 2 + one.values.capacity() * 4;
        self.signals.values().map(|one| size_of::<One>() + of(one)).sum()
    }

    fn one(&mut self, signal: &Signal) -> Option<&mut One> {
        if MOST <= self.signals.len() && !self.signals.contains_key(signal) {
            return None;
        }
        Some(self.signals.entry(signal.clone()).or_default())
    }

    /// The finished hours of the last so many.
    fn back(&self, signal: &Signal, back: i64, now: Millis) -> Vec<(Millis, f64)> {
        let Some(one) = self.signals.get(signal) else { return Vec::new() };
        one.back(back, now).map(|(hour, value)| (Millis(hour * HOUR), value)).collect()
    }
}

impl One {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what a float of four bytes holds is enough"
    )]
    fn note(&mut self, at: Millis, value: f64) {
        let hour = at.0.div_euclid(HOUR);
        // A clock that jumped back finds its hours taken: nothing is written twice.
        if hour < self.running {
            return;
        }
        if self.running < hour {
            if let Some(median) = self.running_median() {
                self.hours.push(self.running, median);
            }
            self.values.clear();
            (self.growth, self.usual) = (OnceLock::new(), OnceLock::new());
            (self.running, self.stride, self.skipped) = (hour, 1, 0);
            self.hours.forget(hour);
        }
        self.skipped += 1;
        if self.skipped < self.stride {
            return;
        }
        self.skipped = 0;
        if self.values.len() == VALUES {
            let mut keep = false;
            self.values.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride = self.stride.saturating_mul(2);
        }
        self.values.push(value as f32);
    }

    fn running_median(&self) -> Option<f64> {
        let mut values: Vec<f64> = self.values.iter().copied().map(f64::from).collect();
        median(&mut values)
    }

    fn back(&self, back: i64, now: Millis) -> impl Iterator<Item = (i64, f64)> {
        let hour = now.0.div_euclid(HOUR);
        // The running hour's median is among them once a look of the next hour came.
        let running = (self.running < hour).then(|| self.running_median()).flatten();
        let running = running.map(|median| (self.running, median));
        let all = self.hours.iter().chain(running);
        all.filter(move |(at, _)| hour - back <= *at && *at < hour)
    }
}

fn hour_of(at: Millis) -> i64 {
    at.0.div_euclid(HOUR)
}

/// Hours as steps of two bytes between the least and the greatest of them: what is looked for are medians and
/// slopes, and a 65,000th of the range is far below any noise.
#[derive(Debug, Default)]
struct Ring {
    /// The hour of the last step.
    newest: i64,
    base: f64,
    step: f64,
    steps: VecDeque<u16>,
}

const WEEK_OF_STEPS: usize = 7 * 24;
/// An hour without a value.
const NONE: u16 = u16::MAX;
const TOP: f64 = 65_534.0;
/// One value widens the range by no more than this, so that a single absurd one does not flatten all others.
const WIDENS: f64 = 64.0;

impl Ring {
    fn of(all: &BTreeMap<i64, f64>) -> Self {
        let mut ring = Self::default();
        let (low, high) = all
            .values()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
        if low <= high {
            ring.spans(low, high);
        }
        ring.steps.reserve_exact(all.len().min(5 * WEEK_OF_STEPS));
        all.iter().for_each(|(hour, value)| ring.push(*hour, *value));
        ring
    }

    fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Sets the range, with room at both ends.
    fn spans(&mut self, low: f64, high: f64) {
        // A number that never moves gets a range too.
        let width = (high - low).max(low.abs().max(high.abs()).max(1e-3) * 1e-3);
        self.base = low - width / 4.0;
        self.step = width * 1.5 / TOP;
    }

    fn push(&mut self, hour: i64, value: f64) {
        let value = match self.steps.is_empty() {
            true => {
                if !(self.base <= value && value <= self.top()) {
                    self.spans(value, value);
                }
                self.newest = hour - 1;
                value
            }
            false => self.widen(value),
        };
        if hour <= self.newest {
            return;
        }
        // Hours in which nothing was read; a gap of months starts over.
        if HOURS < hour - self.newest {
            self.steps.clear();
            self.newest = hour - 1;
        }
        while self.newest + 1 < hour {
            self.steps.push_back(NONE);
            self.newest += 1;
        }
        // A week at a time: doubling would end at half as much again as is ever used.
        if self.steps.len() == self.steps.capacity() {
            self.steps.reserve_exact(WEEK_OF_STEPS);
        }
        self.steps.push_back(self.code(value));
        self.newest = hour;
        self.forget(hour);
    }

    fn top(&self) -> f64 {
        self.base + self.step * TOP
    }

    /// Makes room for a value outside the range; gives what of it fits.
    fn widen(&mut self, value: f64) -> f64 {
        if self.base <= value && value <= self.top() {
            return value;
        }
        let (low, high) =
            self.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, v)| {
                (low.min(v), high.max(v))
            });
        let most = (self.top() - self.base) * WIDENS;
        let value = value.clamp(self.base - most, self.top() + most);
        let all: Vec<Option<f64>> = self.steps.iter().map(|code| self.value(*code)).collect();
        self.spans(low.min(value), high.max(value));
        self.steps = all.into_iter().map(|v| v.map_or(NONE, |v| self.code(v))).collect();
        value
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range"
    )]
    fn code(&self, value: f64) -> u16 {
        ((value - self.base) / self.step).round().clamp(0.0, TOP) as u16
    }

    fn value(&self, code: u16) -> Option<f64> {
        let value = self.base + self.step * f64::from(code);
        // Nothing is nothing, not a hundred-thousandth below it.
        (code != NONE).then(|| if value.abs() < self.step { 0.0 } else { value })
    }

    fn iter(&self) -> impl Iterator<Item = (i64, f64)> {
        let first = self.newest + 1 - i64::try_from(self.steps.len()).unwrap_or(0);
        (first..).zip(&self.steps).filter_map(|(hour, code)| Some((hour, self.value(*code)?)))
    }

    fn forget(&mut self, hour: i64) {
        let mut first = self.newest + 1 - i64::try_from(self.steps.len()).unwrap_or(0);
        while first < hour - HOURS && self.steps.pop_front().is_some() {
            first += 1;
        }
    }
}

impl Past for Pasts {
    fn same_hour(&self, signal: &Signal, now: Millis) -> Option<f64> {
        let wall = Wall::new(self.zone(), now - Span(WEEK * HOUR), now);
        let this = wall.hour(now);
        let week = self.signals.get(signal)?.back(WEEK, now);
        let like_this = |hour: &i64| (this - wall.hour(Millis(hour * HOUR))) % 24 == 0;
        let mut same: Vec<f64> = week.filter(|(hour, _)| like_this(hour)).map(|(_, m)| m).collect();
        if same.len() < 3 { None } else { median(&mut same) }
    }

    fn median(&self, signal: &Signal, now: Millis) -> Option<f64> {
        let mut all: Vec<f64> = self.signals.get(signal)?.back(WEEK, now).map(|(_, m)| m).collect();
        median(&mut all)
    }

    fn growth_per_day(&self, signal: &Signal, now: Millis) -> Option<f64> {
        let one = self.signals.get(signal)?;
        let look = || trend::growth_per_day(&self.back(signal, WEEK, now));
        // In its running hour a signal has the same past at each look.
        match one.running == hour_of(now) {
            true => *one.growth.get_or_init(look),
            false => look(),
        }
    }

    fn usual(&self, signal: &Signal, now: Millis) -> Option<Usual> {
        let (one, hour) = (self.signals.get(signal)?, hour_of(now));
        let look = || baseline::usual(&self.back(signal, HOURS, now), now, self.zone());
        match one.running == hour {
            true => *one.usual.get_or_init(look),
            false => look(),
        }
    }

    fn daily(&self, signal: &Signal, value: f64, now: Millis) -> Option<Daily> {
        baseline::daily(&self.back(signal, HOURS, now), value, now)
    }

    fn hours(&self, signal: &Signal, now: Millis) -> Vec<(Millis, f64)> {
        self.back(signal, HOURS, now)
    }
}

/// A past that knows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPast;

impl Past for NoPast {
    fn same_hour(&self, _: &Signal, _: Millis) -> Option<f64> {
        None
    }
    fn median(&self, _: &Signal, _: Millis) -> Option<f64> {
        None
    }
    fn growth_per_day(&self, _: &Signal, _: Millis) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{HostName, Word};
    use crate::model::severity::Severity;
    use crate::probe::spoken::host_signal;

    fn signal() -> Signal {
        host_signal("cpu", &HostName::new("mini").unwrap(), "load")
    }

    fn note(pasts: &mut Pasts, at: i64, value: f64) {
        let reading = Reading::new(signal(), Millis(at), Severity::Green, Word::of("ok"), "");
        pasts.note(&Reading { value: Some(value), ..reading });
    }

    /// Within a thousandth, as the ring keeps it.
    #[track_caller]
    fn near(got: Option<f64>, want: f64) {
        assert!(
            got.is_some_and(|got| (got - want).abs() <= want.abs() / 1_000.0),
            "{got:?} {want}"
        );
    }

    #[test]
    fn nothing_is_said_too_early() {
        let mut pasts = Pasts::default();
        assert_eq!(pasts.median(&signal(), Millis(0)), None);
        for minute in 0..60 {
            note(&mut pasts, minute * 60_000, 5.0);
            assert_eq!(pasts.median(&signal(), Millis(minute * 60_000)), None);
        }
        assert_eq!(pasts.median(&signal(), Millis(HOUR)), Some(5.0));
        assert_eq!(pasts.same_hour(&signal(), Millis(HOUR)), None);
        assert_eq!(pasts.growth_per_day(&signal(), Millis(HOUR)), None);
        assert_eq!(pasts.daily(&signal(), 5.0, Millis(HOUR)), None);
    }

    #[test]
    fn hours_of_the_day_are_told_apart() {
        let mut pasts = Pasts::default();
        // Seven days; busy from 2 to 3, with one outlier that a median does not follow.
        for hour in 0..(7 * 24) {
            let value = if hour % 24 == 2 { 50.0 } else { 1.0 };
            note(&mut pasts, hour * HOUR, if hour == 26 { 9_000.0 } else { value });
        }
        let now = Millis(7 * 24 * HOUR + 2 * HOUR + 5);
        // The outlier took what a range may widen at once; a tenth is left of the precision.
        assert!((pasts.same_hour(&signal(), now).unwrap() - 50.0).abs() < 0.2);
        assert!((pasts.median(&signal(), now).unwrap() - 1.0).abs() < 0.2);
        // Two days are too few for an hour of its own.
        let mut young = Pasts::default();
        for hour in 0..50 {
            note(&mut young, hour * HOUR, 1.0);
        }
        assert_eq!(young.same_hour(&signal(), Millis(50 * HOUR)), None);
        assert!(young.median(&signal(), Millis(50 * HOUR)).is_some());
    }

    #[test]
    fn growth_is_a_line_through_the_hours() {
        let mut pasts = Pasts::default();
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let hours: Vec<_> = (0..72).map(|h| (Millis(h * HOUR), 40.0 + 0.1 * h as f64)).collect();
        pasts.seed(&signal(), hours);
        near(pasts.growth_per_day(&signal(), Millis(72 * HOUR)), 2.4);
        let daily = pasts.daily(&signal(), 60.0, Millis(72 * HOUR));
        assert_eq!(daily, None, "three earlier days are needed");
    }

    #[test]
    fn a_slow_growth_is_seen_through_two_bytes_an_hour() {
        // 0.02 percentage points a day at 50 %: a hundredth of a percent of the range an hour.
        let mut pasts = Pasts::default();
        for hour in 0..(28 * 24) {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            note(&mut pasts, hour * HOUR, 50.0 + 0.02 / 24.0 * hour as f64);
        }
        let growth = pasts.growth_per_day(&signal(), Millis(28 * 24 * HOUR)).unwrap();
        assert!((growth - 0.02).abs() < 0.001, "{growth}");
    }

    #[test]
    fn what_a_former_life_knew_and_this_one_saw_is_one_past() {
        let mut pasts = Pasts::default();
        note(&mut pasts, 100 * HOUR, 7.0);
        note(&mut pasts, 101 * HOUR, 8.0);
        pasts.seed(&signal(), (90..100).map(|h| (Millis(h * HOUR), 1.0)));
        let hours = pasts.hours(&signal(), Millis(102 * HOUR));
        assert_eq!(hours.len(), 12);
        near(hours.first().map(|(_, v)| *v), 1.0);
        near(hours.get(10).map(|(_, v)| *v), 7.0);
        near(hours.last().map(|(_, v)| *v), 8.0);
    }

    #[test]
    fn memory_is_bounded_and_the_old_is_forgotten() {
        let mut pasts = Pasts::default();
        for minute in 0..(40 * 24 * 60) {
            note(&mut pasts, minute * 60_000, 1.0);
        }
        assert!(pasts.bytes() < 2_400, "{}", pasts.bytes());
        assert!(pasts.signals[&signal()].hours.steps.len() <= 28 * 24);
        note(&mut pasts, 0, 900.0);
        note(&mut pasts, 39 * 24 * HOUR, f64::NAN);
        near(pasts.median(&signal(), Millis(40 * 24 * HOUR)), 1.0);
        // After three months of silence there is no past to compare with.
        let later = Millis(130 * 24 * HOUR);
        assert_eq!(pasts.median(&signal(), later), None);
        pasts.forget(later);
        assert!(pasts.signals.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_numbers_come_back_within_the_range(
            all in proptest::collection::vec((0_i64..5, -1e12_f64..1e12), 1..200),
        ) {
            let mut ring = Ring::default();
            let mut hour = 0;
            for (gap, value) in all {
                hour += 1 + gap;
                ring.push(hour, value);
                let back: Vec<(i64, f64)> = ring.iter().collect();
                proptest::prop_assert!(back.len() <= 28 * 24 + 1);
                proptest::prop_assert_eq!(back.last().map(|(h, _)| *h), Some(hour));
                proptest::prop_assert!(back.iter().all(|(_, v)| v.is_finite()));
            }
        }
    }
}
