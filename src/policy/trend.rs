//! Slow change: how fast a number grows, and whether it got worse over days, since when.
//!
//! Everything here is made of medians: a night of outliers moves no line.

use crate::model::reading::Unit;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::policy::baseline::median;
use crate::policy::threshold::Direction;

/// How far back a drift is looked for: the week that it takes, and one before it to hold it against.
pub const LOOKED_BACK: Span = Span::days(14);
/// Less than this tells no drift from a busy weekend.
const LEAST: Span = Span(6 * DAY + DAY / 2);
/// Hours are taken together so that a fit is cheap: four blocks a day.
const BLOCK: i64 = 6 * HOUR;
const PER_DAY: usize = 4;
/// A step is believed only where this much is known: a week that begins on a Saturday has one each Monday.
const STEP_FROM: Span = Span::days(10);
/// What a drift explains of the movement around the median, at least.
const EXPLAINS: f64 = 0.4;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Change per day: the median slope over all pairs (Theil-Sen) of six-hour medians. `hours` are
/// oldest first. `None` with less than a day.
pub fn growth_per_day(hours: &[(Millis, f64)]) -> Option<f64> {
    let (first, last) = (hours.first()?.0, hours.last()?.0);
    if last.since(first) < Span::days(1) {
        return None;
    }
    // Short pasts keep their hours; long ones are taken together.
    let points = if last.since(first) < Span::days(3) {
        hours.iter().map(|(at, v)| (days(*at, first), *v)).collect()
    } else {
        blocks(hours).into_iter().map(|(at, v)| (days(at, first), v)).collect::<Vec<_>>()
    };
    theil_sen(&points)
}

/// The median slope over all pairs of points.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (i, (x, y)) in points.iter().enumerate() {
        for (later_x, later_y) in points.iter().skip(i + 1) {
            if x < later_x {
                slopes.push((later_y - y) / (later_x - x));
            }
        }
    }
    median(&mut slopes).filter(|slope| slope.is_finite())
}

/// What counts as worse, and how much of it is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftRule {
    pub worse: Direction,
    /// In the number's own unit: less is nobody's business.
    pub least: f64,
    /// Of the level before.
    pub share: f64,
}

impl DriftRule {
    /// The rule of a signal; `None` where a slow change means nothing: ages and days left go up and down
    /// by themselves, and volumes have a line of their own.
    pub fn of(signal: &Signal, unit: Option<Unit>) -> Option<Self> {
        let worse = match (signal.probe.as_str(), signal.aspect.as_str()) {
            ("disk" | "backup" | "tls" | "domain", _) => return None,
            ("memory", "available") => Direction::Below,
            _ => Direction::Above,
        };
        let least = match unit? {
            Unit::Days | Unit::Seconds => return None,
            Unit::Percent => 3.0,
            Unit::Bytes => 64.0 * 1_048_576.0,
            Unit::Millis => 10.0,
            Unit::Rate => 5.0,
            Unit::Count => 5.0,
            Unit::Ratio => 0.15,
        };
        Some(Self { worse, least, share: 0.2 })
    }
}

/// How a number drifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It moved once and stayed.
    Step,
    /// It moves on.
    Ramp,
}

/// A number that got worse over days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    pub shape: Shape,
    /// When it began; `None` where it began before what is known.
    pub since: Option<Millis>,
    /// The level before and the level now.
    pub from: f64,
    pub to: f64,
    /// Days that were looked at.
    pub days: u32,
}

/// A fit: what it leaves unexplained, and what it says.
struct Fit {
    cost: f64,
    shape: Shape,
    /// The first block of the new level, or the last of the old.
    at: usize,
    from: f64,
    to: f64,
}

/// Looks for a drift in hourly medians, oldest first. Deterministic: the fit (a step, or a ramp from some
/// point on) that leaves the least absolute rest, if it leaves much less than "nothing happened" does.
pub fn drift(hours: &[(Millis, f64)], rule: &DriftRule, now: Millis) -> Option<Drift> {
    let begin = now - LOOKED_BACK;
    let hours: Vec<(Millis, f64)> = hours
        .iter()
        .filter(|(at, _)| begin <= *at && *at < now)
        .map(|(at, value)| (*at, upward(*value, rule.worse)))
        .collect();
    let (first, last) = (hours.first()?.0, hours.last()?.0);
    let known = last.since(first);
    if known < LEAST {
        return None;
    }
    let hours = without_daily_cycle(&hours);
    let blocks = blocks(&hours);
    let levels: Vec<f64> = blocks.iter().map(|(_, level)| *level).collect();
    if levels.len() < 5 * PER_DAY {
        return None;
    }
    let nothing = rest(&levels, |_| median(&mut levels.clone()).unwrap_or(0.0));
    let mut fits = ramps(&levels);
    if STEP_FROM <= known {
        fits.extend(steps(&levels));
    }
    let best = fits.into_iter().min_by(|a, b| a.cost.total_cmp(&b.cost))?;
    let noise = best.cost / count(levels.len());
    let rises = best.to - best.from;
    let mut today: Vec<f64> = levels.iter().rev().take(PER_DAY).copied().collect();
    let stays = best.from + 0.7 * rises <= median(&mut today)?;
    let tells = rule.least.max(rule.share * best.from.abs()).max(3.0 * noise) <= rises;
    if !(stays && tells && best.cost <= (1.0 - EXPLAINS) * nothing) {
        return None;
    }
    let since = match (best.shape, best.at) {
        (Shape::Ramp, 0) => None,
        (Shape::Ramp, at) => blocks.get(at).map(|(at, _)| *at),
        (Shape::Step, at) => blocks.get(at).map(|(at, _)| edge(&hours, *at)),
    };
    Some(Drift {
        shape: best.shape,
        since,
        from: upward(best.from, rule.worse),
        to: upward(best.to, rule.worse),
        days: u32::try_from((known.0 + HOUR) / DAY).unwrap_or(0),
    })
}

/// Turned so that worse is up.
fn upward(value: f64, worse: Direction) -> f64 {
    match worse {
        Direction::Above => value,
        Direction::Below => -value,
    }
}

/// Medians of six hours each, oldest first, each at its middle hour's block start.
fn blocks(hours: &[(Millis, f64)]) -> Vec<(Millis, f64)> {
    let mut found = Vec::new();
    for block in hours.chunk_by(|a, b| a.0.0.div_euclid(BLOCK) == b.0.0.div_euclid(BLOCK)) {
        let mut values: Vec<f64> = block.iter().map(|(_, value)| *value).collect();
        if let (Some((at, _)), Some(middle)) = (block.first(), median(&mut values)) {
            found.push((Millis(at.0.div_euclid(BLOCK) * BLOCK), middle));
        }
    }
    found
}

/// The hours without what each hour of the day usually has more or less than the others.
fn without_daily_cycle(hours: &[(Millis, f64)]) -> Vec<(Millis, f64)> {
    let hour = |at: Millis| at.0.div_euclid(HOUR).rem_euclid(24);
    let mut by_hour: [Vec<f64>; 24] = Default::default();
    for (at, value) in hours {
        let of = usize::try_from(hour(*at)).ok().and_then(|hour| by_hour.get_mut(hour));
        if let Some(of) = of {
            of.push(*value);
        }
    }
    let mut all: Vec<f64> = hours.iter().map(|(_, value)| *value).collect();
    let overall = median(&mut all).unwrap_or(0.0);
    let more = by_hour.map(|mut of| median(&mut of).unwrap_or(overall) - overall);
    let flat = |(at, value): &(Millis, f64)| {
        let more = usize::try_from(hour(*at)).ok().and_then(|hour| more.get(hour));
        (*at, value - more.copied().unwrap_or(0.0))
    };
    hours.iter().map(flat).collect()
}

/// One level before, one after; at least a day of each.
fn steps(levels: &[f64]) -> Vec<Fit> {
    let fit = |at: usize| {
        let (before, after) = levels.split_at_checked(at)?;
        let (from, to) = (median(&mut before.to_vec())?, median(&mut after.to_vec())?);
        let cost = rest(before, |_| from) + rest(after, |_| to);
        Some(Fit { cost, shape: Shape::Step, at, from, to })
    };
    (PER_DAY..=levels.len().saturating_sub(PER_DAY)).filter_map(fit).collect()
}

/// A level, and from some block on a line: the median slope through the level's end. At zero it is the line
/// alone. The line takes two days at least, or it would be a step.
fn ramps(levels: &[f64]) -> Vec<Fit> {
    let whole = || {
        let points: Vec<(f64, f64)> =
            levels.iter().enumerate().map(|(i, level)| (count(i), *level)).collect();
        let slope = theil_sen(&points)?;
        let from = median(&mut points.iter().map(|(x, y)| y - slope * x).collect::<Vec<_>>())?;
        let cost = rest(levels, |i| from + slope * count(i));
        let to = from + slope * count(levels.len().saturating_sub(1));
        Some(Fit { cost, shape: Shape::Ramp, at: 0, from, to })
    };
    let bent = |at: usize| {
        let (before, after) = levels.split_at_checked(at)?;
        let from = median(&mut before.to_vec())?;
        let mut slopes: Vec<f64> =
            after.iter().enumerate().map(|(i, level)| (level - from) / count(i + 1)).collect();
        let slope = median(&mut slopes)?;
        let cost = rest(before, |_| from) + rest(after, |i| from + slope * count(i + 1));
        let to = from + slope * count(after.len());
        Some(Fit { cost, shape: Shape::Ramp, at, from, to })
    };
    let last = levels.len().saturating_sub(2 * PER_DAY);
    whole().into_iter().chain((PER_DAY..=last).filter_map(bent)).collect()
}

/// The sum of absolute distances from a line.
fn rest(levels: &[f64], line: impl Fn(usize) -> f64) -> f64 {
    let middle = line;
    levels.iter().enumerate().map(|(i, level)| (level - middle(i)).abs()).sum()
}

/// The very hour of a step near `at`: where a day before and a day after differ most cleanly.
fn edge(hours: &[(Millis, f64)], at: Millis) -> Millis {
    let near: Vec<(Millis, f64)> =
        hours.iter().filter(|(t, _)| (t.0 - at.0).abs() <= DAY).copied().collect();
    let cost = |split: usize| {
        let (before, after) = near.split_at_checked(split)?;
        let values = |side: &[(Millis, f64)]| side.iter().map(|(_, v)| *v).collect::<Vec<f64>>();
        let (mut before, mut after) = (values(before), values(after));
        let (from, to) = (median(&mut before)?, median(&mut after)?);
        Some(rest(&before, |_| from) + rest(&after, |_| to))
    };
    let best = (1..near.len())
        .filter_map(|split| Some((cost(split)?, near.get(split)?.0)))
        .filter(|(_, t)| (t.0 - at.0).abs() <= BLOCK)
        .min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(at, |(_, at)| at)
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred at the most")]
fn count(n: usize) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "weeks in milliseconds")]
fn days(at: Millis, from: Millis) -> f64 {
    at.since(from).0 as f64 / DAY as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 2026-03-02, 00:00 in UTC.
    const MONDAY: i64 = 1_772_409_600_000;
    const UP: DriftRule = DriftRule { worse: Direction::Above, least: 10.0, share: 0.2 };

    /// A number between -1 and 1 that looks like noise and is the same each time.
    fn noise(n: i64) -> f64 {
        let mut x = n.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678;
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 32;
        (x % 2_001) as f64 / 1_000.0 - 1.0
    }

    fn hours(n: i64, value: impl Fn(f64) -> f64) -> Vec<(Millis, f64)> {
        (0..n)
            .map(|h| (Millis(MONDAY + h * HOUR), value(h as f64 / 24.0) + 4.0 * noise(h)))
            .collect()
    }

    fn look(hours: &[(Millis, f64)], rule: &DriftRule) -> Option<(Shape, Option<i64>, i64, i64)> {
        let now = hours.last().unwrap().0 + Span::hours(1);
        drift(hours, rule, now).map(|d| {
            let since = d.since.map(|at| (at.0 - MONDAY) / HOUR);
            (d.shape, since, d.from.round() as i64, d.to.round() as i64)
        })
    }

    #[test]
    fn growth_is_the_middle_of_all_slopes() {
        let line: Vec<_> =
            (0..72).map(|h| (Millis(MONDAY + h * HOUR), 40.0 + 0.1 * h as f64)).collect();
        assert!((growth_per_day(&line).unwrap() - 2.4).abs() < 1e-9);
        assert_eq!(growth_per_day(&line[..20]), None);
        assert_eq!(growth_per_day(&[]), None);
        // A log that was cleaned up once, and a night gone mad, do not hide the growth.
        let mut week: Vec<_> =
            (0..168).map(|h| (Millis(MONDAY + h * HOUR), 40.0 + 0.1 * h as f64)).collect();
        for (_, value) in &mut week[100..106] {
            *value = 900.0;
        }
        assert!((growth_per_day(&week).unwrap() - 2.4).abs() < 0.05);
    }

    #[test]
    fn a_step_is_found_with_its_hour() {
        // From 100 ms to 160 ms on the ninth day at 08:00.
        let stepped = hours(14 * 24, |day| if day < 9.0 + 8.0 / 24.0 { 100.0 } else { 160.0 });
        let (shape, since, from, to) = look(&stepped, &UP).unwrap();
        assert_eq!(shape, Shape::Step);
        assert!((since.unwrap() - (9 * 24 + 8)).abs() <= 1, "{since:?}");
        assert!((99..=101).contains(&from) && (159..=161).contains(&to), "{from} {to}");
        // Downwards it is an improvement.
        let better = hours(14 * 24, |day| if day < 9.0 { 160.0 } else { 100.0 });
        assert_eq!(look(&better, &UP), None);
        let below = DriftRule { worse: Direction::Below, ..UP };
        assert_eq!(look(&better, &below).map(|d| d.0), Some(Shape::Step));
    }

    #[test]
    fn a_leak_is_a_ramp_from_the_day_it_began() {
        let leaking = hours(14 * 24, |day| 400.0 + 40.0 * (day - 6.0).max(0.0));
        let (shape, since, from, to) = look(&leaking, &UP).unwrap();
        assert_eq!(shape, Shape::Ramp);
        assert!((since.unwrap() - 6 * 24).abs() <= 18, "{since:?}");
        assert!((395..=410).contains(&from) && (700..=730).contains(&to), "{from} {to}");
        // One that began before all that is known has no beginning.
        let always = hours(8 * 24, |day| 400.0 + 40.0 * day);
        assert_eq!(look(&always, &UP).map(|d| (d.0, d.1)), Some((Shape::Ramp, None)));
    }

    #[test]
    fn what_only_swings_does_not_drift() {
        let tau = std::f64::consts::TAU;
        for (name, value) in [
            ("noise", Box::new(|_| 100.0) as Box<dyn Fn(f64) -> f64>),
            ("a daily cycle", Box::new(move |day| 100.0 + 60.0 * (day * tau).sin())),
            ("a backup each night", Box::new(|day| if day.fract() < 0.1 { 500.0 } else { 100.0 })),
            ("quiet weekends", Box::new(|day| if day % 7.0 < 5.0 { 160.0 } else { 100.0 })),
            (
                "a scrub on Sunday",
                Box::new(|day| if (6.0..6.4).contains(&(day % 7.0)) { 300.0 } else { 100.0 }),
            ),
            ("one bad day", Box::new(|day| if (8.0..9.0).contains(&day) { 300.0 } else { 100.0 })),
            ("a twentieth more", Box::new(|day| 100.0 + day / 3.0)),
        ] {
            for days in [7, 9, 12, 14] {
                assert_eq!(look(&hours(days * 24, &value), &UP), None, "{name}, {days} days");
            }
        }
        // Six days are too few for anything.
        assert_eq!(look(&hours(6 * 24, |day| 100.0 * day), &UP), None);
    }

    #[test]
    fn holes_and_strange_numbers_do_no_harm() {
        let mut some = hours(14 * 24, |day| if day < 9.0 { 100.0 } else { 160.0 });
        some.retain(|(at, _)| at.0 / HOUR % 5 != 0);
        assert_eq!(look(&some, &UP).map(|d| d.0), Some(Shape::Step));
        let flat: Vec<_> = (0..336).map(|h| (Millis(MONDAY + h * HOUR), 0.0)).collect();
        assert_eq!(look(&flat, &UP), None);
        let huge: Vec<_> = (0..336).map(|h| (Millis(MONDAY + h * HOUR), f64::MAX)).collect();
        assert_eq!(look(&huge, &UP), None);
    }

    #[test]
    fn what_drifts_by_itself_has_no_rule() {
        let signal = |probe, aspect| Signal {
            probe: crate::model::ids::Word::of(probe),
            target: "mini".parse().unwrap(),
            aspect: crate::model::ids::Word::of(aspect),
        };
        let rule = |probe, aspect, unit| DriftRule::of(&signal(probe, aspect), Some(unit));
        assert_eq!(rule("tls", "days", Unit::Days), None);
        assert_eq!(rule("disk", "bytes", Unit::Percent), None);
        assert_eq!(DriftRule::of(&signal("unit", "state"), None), None);
        assert_eq!(rule("memory", "available", Unit::Percent).unwrap().worse, Direction::Below);
        assert_eq!(rule("http", "status", Unit::Millis).unwrap().worse, Direction::Above);
    }
}
