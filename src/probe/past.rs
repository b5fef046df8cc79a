//! Each signal's own past in memory: hourly medians of seven days.

use std::collections::{BTreeMap, VecDeque};

use crate::model::reading::Reading;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::probe::Past;

/// Hours that are kept.
const HOURS: i64 = 7 * 24;

/// Signals that are kept; those beyond have no past.
const MOST: usize = 10_000;

/// Values of the running hour that are kept for its median; from then on every other one.
const VALUES: usize = 64;

const HOUR: i64 = 3_600_000;

/// The past of all signals. About 2 KB a signal when full.
#[derive(Debug, Default)]
pub struct Pasts {
    signals: BTreeMap<Signal, One>,
}

/// The past of one.
#[derive(Debug, Default)]
struct One {
    /// Hours since 1970 and their medians, the oldest first; the running hour is not among them.
    hours: VecDeque<(i64, f64)>,
    running: i64,
    values: Vec<f64>,
    /// One value in this many is kept, so that a look every second takes no more than one a minute.
    stride: u32,
    skipped: u32,
}

impl Pasts {
    /// Adds a signal's hours from the database: when each began, and its median.
    pub fn seed(&mut self, signal: &Signal, hours: impl IntoIterator<Item = (Millis, f64)>) {
        let Some(one) = self.one(signal) else { return };
        let mut all: BTreeMap<i64, f64> = one.hours.drain(..).collect();
        for (at, median) in hours {
            if median.is_finite() {
                all.insert(at.0.div_euclid(HOUR), median);
            }
        }
        one.hours = all.into_iter().collect();
        let last = one.hours.back().map_or(0, |(hour, _)| *hour);
        one.forget(last);
    }

    /// Takes a reading in, where it has a number.
    pub fn note(&mut self, reading: &Reading) {
        if let Some(value) = reading.value.filter(|v| v.is_finite())
            && let Some(one) = self.one(&reading.signal)
        {
            one.note(reading.at, value);
        }
    }

    /// Forgets signals that said nothing for seven days.
    pub fn forget(&mut self, now: Millis) {
        let hour = now.0.div_euclid(HOUR);
        self.signals.retain(|_, one| {
            one.forget(hour);
            !one.hours.is_empty() || hour - HOURS <= one.running
        });
    }

    fn one(&mut self, signal: &Signal) -> Option<&mut One> {
        if MOST <= self.signals.len() && !self.signals.contains_key(signal) {
            return None;
        }
        Some(self.signals.entry(signal.clone()).or_default())
    }
}

impl One {
    fn note(&mut self, at: Millis, value: f64) {
        let hour = at.0.div_euclid(HOUR);
        // A clock that jumped back finds its hours taken: nothing is written twice.
        if hour < self.running {
            return;
        }
        if self.running < hour {
            if let Some(median) = median(&mut self.values) {
                self.hours.push_back((self.running, median));
            }
            self.values.clear();
            (self.running, self.stride, self.skipped) = (hour, 1, 0);
            self.forget(hour);
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
        self.values.push(value);
    }

    fn forget(&mut self, hour: i64) {
        while self.hours.front().is_some_and(|(oldest, _)| *oldest < hour - HOURS) {
            self.hours.pop_front();
        }
    }

    /// The finished hours of the last seven days.
    fn week(&self, now: Millis) -> impl Iterator<Item = (i64, f64)> {
        let hour = now.0.div_euclid(HOUR);
        // The running hour's median is among them once a look of the next hour came.
        let running = (self.running < hour).then(|| median(&mut self.values.clone())).flatten();
        let running = running.map(|median| (self.running, median));
        let all = self.hours.iter().copied().chain(running);
        all.filter(move |(at, _)| hour - HOURS <= *at && *at < hour)
    }
}

impl Past for Pasts {
    fn same_hour(&self, signal: &Signal, now: Millis) -> Option<f64> {
        let of_day = now.0.div_euclid(HOUR).rem_euclid(24);
        let week = self.signals.get(signal)?.week(now);
        let mut same: Vec<f64> =
            week.filter(|(hour, _)| hour.rem_euclid(24) == of_day).map(|(_, m)| m).collect();
        if same.len() < 3 { None } else { median(&mut same) }
    }

    fn median(&self, signal: &Signal, now: Millis) -> Option<f64> {
        let mut all: Vec<f64> = self.signals.get(signal)?.week(now).map(|(_, m)| m).collect();
        median(&mut all)
    }

    fn growth_per_day(&self, signal: &Signal, now: Millis) -> Option<f64> {
        let hours: Vec<(i64, f64)> = self.signals.get(signal)?.week(now).collect();
        let (first, last) = (hours.first()?.0, hours.last()?.0);
        if last - first < 24 {
            return None;
        }
        slope(hours.iter().map(|(hour, value)| (days(hour - first), *value)))
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

#[expect(clippy::cast_precision_loss, reason = "a week has 168 hours")]
fn days(hours: i64) -> f64 {
    hours as f64 / 24.0
}

/// The middle value, or the mean of the two in the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n % 2 {
        _ if n == 0 => None,
        1 => values.get(n / 2).copied(),
        _ => Some((values.get(n / 2 - 1)? + values.get(n / 2)?) / 2.0),
    }
}

/// Least squares: the change of y per x.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let (mut n, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
    for (x, y) in points.clone() {
        n += 1.0;
        x_sum += x;
        y_sum += y;
    }
    let (x_mean, y_mean) = (x_sum / n, y_sum / n);
    let (mut both, mut square) = (0.0, 0.0);
    for (x, y) in points {
        both += (x - x_mean) * (y - y_mean);
        square += (x - x_mean) * (x - x_mean);
    }
    let slope = both / square;
    slope.is_finite().then_some(slope)
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
        assert_eq!(pasts.same_hour(&signal(), now), Some(50.0));
        assert_eq!(pasts.median(&signal(), now), Some(1.0));
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
        let hours: Vec<_> = (0..72).map(|h| (Millis(h * HOUR), 40.0 + 2.4 * days(h))).collect();
        pasts.seed(&signal(), hours);
        let growth = pasts.growth_per_day(&signal(), Millis(72 * HOUR)).unwrap();
        assert!((growth - 2.4).abs() < 1e-9, "{growth}");
    }

    #[test]
    fn memory_is_bounded_and_the_old_is_forgotten() {
        let mut pasts = Pasts::default();
        for second in 0..(20 * 24 * 360) {
            note(&mut pasts, second * 10_000, 1.0);
        }
        let one = &pasts.signals[&signal()];
        assert!(one.hours.len() <= 169 && one.values.len() <= VALUES, "{}", one.hours.len());
        note(&mut pasts, 0, 900.0);
        note(&mut pasts, 19 * 24 * HOUR, f64::NAN);
        let end = Millis(20 * 24 * HOUR);
        assert_eq!(pasts.median(&signal(), end), Some(1.0));
        // After a month of silence there is no past to compare with.
        let later = Millis(60 * 24 * HOUR);
        assert_eq!(pasts.median(&signal(), later), None);
        pasts.forget(later);
        assert!(pasts.signals.is_empty());
    }
}
