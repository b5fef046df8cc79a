//! What is usual for a number, from its own past: medians, so that one bad night does not move them.

use crate::clock::zone::Zone;
use crate::model::time::{Millis, Span};

/// The past that a baseline looks at.
pub const LOOKED_BACK: Span = Span::days(28);
/// The same hour of so many weeks, or days, is enough to speak of it.
const ENOUGH: usize = 3;
/// A median absolute deviation times this is a standard deviation, where the noise is normal.
const SIGMA: f64 = 1.4826;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24;
const WEEK: i64 = 7 * DAY;

/// What a usual value was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The same hour of the same weekday.
    HourOfWeek,
    HourOfDay,
    /// All hours of the last week.
    Overall,
}

/// What is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    pub median: f64,
    /// How far from the median values usually lie, as a standard deviation; zero where it is not known.
    pub spread: f64,
    /// The greatest that this time has had: at the same hour of the week in any of the last weeks, and, as
    /// long as the hours of a day are not told apart, at any hour of the last week.
    pub seen: f64,
    pub basis: Basis,
}

/// A number's change over the last day, against its changes over the days before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Daily {
    /// Since yesterday at this hour.
    pub change: f64,
    /// The median of the earlier days' changes, their spread, and the greatest of them.
    pub usual: f64,
    pub spread: f64,
    pub greatest: f64,
    /// How many earlier days there are.
    pub days: u32,
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let upper = *upper;
    match n % 2 {
        1 => Some(upper),
        _ => Some(f64::midpoint(below.iter().copied().max_by(f64::total_cmp)?, upper)),
    }
}

/// The median, and the spread around it.
pub fn robust(values: &mut [f64]) -> Option<(f64, f64)> {
    let middle = median(values)?;
    for value in values.iter_mut() {
        *value = (*value - middle).abs();
    }
    Some((middle, SIGMA * median(values)?))
}

/// Counts hours as the wall does, so that eight in the morning is the same hour before and after the clocks are turned.
#[derive(Debug, Clone, Copy)]
pub struct Wall {
    zone: Zone,
    /// How far it is ahead of UTC, where no clock was turned in between.
    fixed: Option<Span>,
}

impl Wall {
    /// For the hours between `from` and `to`, four weeks at the most: no zone turns its clocks twice within that.
    pub fn new(zone: Zone, from: Millis, to: Millis) -> Self {
        let (first, last) = (zone.ahead(from), zone.ahead(to));
        Self { zone, fixed: (first == last).then_some(last) }
    }

    /// The number of the hour that `at` lies in.
    pub fn hour(&self, at: Millis) -> i64 {
        hour(at + self.fixed.unwrap_or_else(|| self.zone.ahead(at)))
    }
}

/// What is usual at this hour: of the same hour of the week where three weeks have one, else of the same
/// hour of the day of the last week, else of the whole last week. `hours` are finished hours and their
/// medians, oldest first; `None` without any. The hours of a day are those of the wall in `zone`.
pub fn usual(hours: &[(Millis, f64)], now: Millis, zone: Zone) -> Option<Usual> {
    let wall = Wall::new(zone, hours.first()?.0, now);
    let this = wall.hour(now);
    let of = |every: i64, back: i64| {
        hours
            .iter()
            .filter(|(at, _)| {
                let ago = this - wall.hour(*at);
                0 < ago && ago <= back && ago % every == 0
            })
            .map(|(_, value)| *value)
            .collect::<Vec<f64>>()
    };
    let tried = [
        (Basis::HourOfWeek, of(WEEK, 4 * WEEK), ENOUGH),
        (Basis::HourOfDay, of(DAY, WEEK), ENOUGH),
        (Basis::Overall, of(1, WEEK), 1),
    ];
    for (basis, mut values, enough) in tried {
        if enough <= values.len() {
            let mut like_this = of(WEEK, 4 * WEEK);
            if basis == Basis::Overall {
                like_this.extend(&values);
            }
            let seen = like_this.into_iter().fold(0.0, f64::max);
            let (median, spread) = robust(&mut values)?;
            return Some(Usual { median, spread, seen, basis });
        }
    }
    None
}

/// The change of a number over the last day and over the days before it. `None` until three earlier days
/// can be told.
pub fn daily(hours: &[(Millis, f64)], value: f64, now: Millis) -> Option<Daily> {
    let this = hour(now);
    let at = |ago: i64| {
        // An hour in which reef did not run has a neighbour.
        [0, -1, 1, -2, 2].into_iter().find_map(|near| {
            let found =
                hours.binary_search_by_key(&(this - ago + near), |(at, _)| hour(*at)).ok()?;
            hours.get(found).map(|(_, value)| *value)
        })
    };
    let change = value - at(DAY)?;
    let mut earlier: Vec<f64> =
        (1..28).filter_map(|day| Some(at(day * DAY)? - at((day + 1) * DAY)?)).collect();
    if earlier.len() < ENOUGH {
        return None;
    }
    let days = u32::try_from(earlier.len()).unwrap_or(u32::MAX);
    let greatest = earlier.iter().copied().fold(f64::MIN, f64::max);
    let (usual, spread) = robust(&mut earlier)?;
    Some(Daily { change, usual, spread, greatest, days })
}

impl Daily {
    /// Whether it grew far more than it ever does: by more than `floor`, three times the usual and six
    /// spreads beyond it, and half more than on the worst of the last days (a weekly dump is its own
    /// past). `slack` below 1 widens all of it, for clearing.
    pub fn is_unusual(&self, floor: f64, slack: f64) -> bool {
        let beyond = [
            floor,
            3.0 * self.usual.max(0.0),
            self.usual + 6.0 * self.spread,
            1.5 * self.greatest.max(0.0),
        ];
        beyond.into_iter().all(|level| level * slack < self.change)
    }
}

fn hour(at: Millis) -> i64 {
    at.0.div_euclid(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 2026-03-02, 00:00 in UTC.
    const MONDAY: i64 = 1_772_409_600_000;

    fn hours(n: i64, value: impl Fn(i64) -> f64) -> Vec<(Millis, f64)> {
        (0..n).map(|h| (Millis(MONDAY + h * HOUR), value(h))).collect()
    }

    fn at(hour: i64) -> Millis {
        Millis(MONDAY + hour * HOUR + 5)
    }

    #[test]
    fn medians_and_spreads() {
        for (mut values, want) in [
            (vec![], None),
            (vec![3.0], Some((3.0, 0.0))),
            (vec![1.0, 2.0], Some((1.5, SIGMA * 0.5))),
            (vec![9_000.0, 1.0, 2.0, 3.0, 4.0], Some((3.0, SIGMA))),
        ] {
            assert_eq!(robust(&mut values), want);
        }
    }

    #[test]
    fn the_finest_basis_that_the_data_supports() {
        // A backup at 02:00 each night, a scrub on Sundays at 03:00, one hour gone mad.
        let value = |h: i64| match (h / 24 % 7, h % 24) {
            _ if h == 50 => 9_000.0,
            (_, 2) => 50.0,
            (6, 3) => 80.0,
            _ => 1.0,
        };
        for (known, now, want) in [
            (0, 0, None),
            (1, 1, Some((1.0, Basis::Overall))),
            (48, 50, Some((1.0, Basis::Overall))),
            // Three nights know the backup.
            (72, 74, Some((50.0, Basis::HourOfDay))),
            (7 * 24, 7 * 24 + 3, Some((1.0, Basis::HourOfDay))),
            // Two Sundays do not know the scrub yet; three do.
            (20 * 24, 20 * 24 + 3, Some((1.0, Basis::HourOfDay))),
            (27 * 24, 27 * 24 + 3, Some((80.0, Basis::HourOfWeek))),
            (27 * 24, 27 * 24 + 2, Some((50.0, Basis::HourOfWeek))),
        ] {
            let got = usual(&hours(known, value), at(now), Zone::UTC).map(|u| (u.median, u.basis));
            assert_eq!(got, want, "{known} hours, at {now}");
        }
        // After two months of silence nothing is usual.
        assert_eq!(usual(&hours(100, value), at(60 * 24), Zone::UTC), None);
    }

    #[test]
    fn a_clock_that_is_turned_shifts_no_hour() {
        // In Berlin clocks were put forward on Sunday, 2026-03-29, at 01:00 UTC: 27 days after that Monday.
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let turned = 27 * 24 + 1;
        let local = |h: i64| if h < turned { h + 1 } else { h + 2 };
        // Everybody comes at eight on the wall.
        let value = |h: i64| if local(h) % 24 == 8 { 50.0 } else { 1.0 };
        // The Monday after it, at 08:30 on the wall: 06:30 in UTC.
        for (hour, want) in [(28 * 24 + 6, 50.0), (28 * 24 + 7, 1.0), (28 * 24 + 5, 1.0)] {
            let got = usual(&hours(hour, value), at(hour), zone).unwrap();
            assert_eq!((got.median, got.basis), (want, Basis::HourOfWeek), "{hour}");
        }
        // By UTC it would be an hour late.
        let got = usual(&hours(28 * 24 + 6, value), at(28 * 24 + 6), Zone::UTC).unwrap();
        assert!((got.median - 1.0).abs() < f64::EPSILON);
        // A zone beside the full hour counts as well as any.
        let zone = Zone::parse("Asia/Kolkata").unwrap();
        let value = |h: i64| if h % 24 == 2 { 50.0 } else { 1.0 };
        let got = usual(&hours(20 * 24 + 2, value), at(20 * 24 + 2), zone).unwrap();
        assert!((got.median - 50.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_day_is_held_against_the_days_before() {
        let gib = |h: i64| 1_000.0 + 5.0 / 24.0 * h as f64;
        let steady = daily(&hours(20 * 24, gib), gib(20 * 24), at(20 * 24)).unwrap();
        assert!((steady.change - 5.0).abs() < 1e-6 && (steady.usual - 5.0).abs() < 1e-6);
        assert!(!steady.is_unusual(2.0, 1.0));
        let jump = daily(&hours(20 * 24, gib), gib(20 * 24) + 495.0, at(20 * 24)).unwrap();
        assert!((jump.change - 500.0).abs() < 1e-6);
        assert!(jump.is_unusual(20.0, 1.0) && !jump.is_unusual(600.0, 1.0));
        // A dump of 300 each Sunday is its own past, twice as much is not.
        let dumps = |h: i64| 1_000.0 + 300.0 * (h / (7 * 24)) as f64;
        let sunday =
            |more: f64| daily(&hours(21 * 24, dumps), dumps(21 * 24) + more, at(21 * 24)).unwrap();
        assert!(!sunday(0.0).is_unusual(20.0, 1.0));
        assert!(sunday(300.0).is_unusual(20.0, 1.0));
        // Two days tell nothing.
        assert_eq!(daily(&hours(70, gib), 2_000.0, at(70)), None);
        // A day away does not hide the day before it.
        let mut holes = hours(10 * 24, gib);
        holes.retain(|(at, _)| !(200..203).contains(&((at.0 - MONDAY) / HOUR)));
        assert!(daily(&holes, gib(10 * 24), at(10 * 24 - 14)).is_some());
    }
}
