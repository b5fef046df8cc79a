//! How often something restarts: five times an hour is a fault, once after an update is none.

use std::collections::VecDeque;

use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::threshold::Judged;

/// Steps of a counter that are kept; beyond them the oldest are added together.
const MOST: usize = 64;

/// What is too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartRule {
    /// So many restarts within the window are yellow; `None` says only red or green.
    pub yellow: Option<u32>,
    /// So many are red.
    pub red: u32,
    pub window: Span,
    /// One restart within this after a known change (another image, a package, a start by hand) is part of
    /// that change and does not count.
    pub settles: Span,
}

impl Default for RestartRule {
    fn default() -> Self {
        Self { yellow: Some(3), red: 5, window: Span::hours(1), settles: Span::mins(15) }
    }
}

/// A restart counter from look to look. Small: a few entries an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restarts {
    /// The counter as it was first seen, and when; `None` before the first look.
    last: Option<u64>,
    /// When it rose, and by how much: the oldest first.
    rose: VecDeque<(Millis, u32)>,
    changed_at: Option<Millis>,
}

/// What the rule says of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restarted {
    /// Restarts within the window that count.
    pub counted: u32,
    /// Restarts within the window that belong to a change.
    pub excused: u32,
    /// Green below the levels. It clears once fewer than half of what fires are left in the window.
    pub judged: Judged,
    /// `restarted 5 times in 60 min`, or with what was excused; empty where there was none.
    pub words: String,
}

impl Restarts {
    /// Takes the counter as a look saw it. A counter that fell was set back by a start by hand: what
    /// it shows now happened since.
    pub fn saw(&mut self, count: u64, rule: &RestartRule, now: Millis) {
        let rose = match self.last {
            None => 0,
            Some(last) if count < last => {
                self.rose.clear();
                self.changed(now);
                count
            }
            Some(last) => count - last,
        };
        self.last = Some(count);
        // A clock that jumped back must not keep old restarts for ever.
        self.rose.retain(|(at, _)| *at <= now && now.since(*at) <= rule.window);
        if rose == 0 {
            return;
        }
        if MOST <= self.rose.len()
            && let (Some((_, oldest)), Some((_, next))) =
                (self.rose.pop_front(), self.rose.front_mut())
        {
            *next = next.saturating_add(oldest);
        }
        self.rose.push_back((now, u32::try_from(rose).unwrap_or(u32::MAX)));
    }

    /// Somebody changed it on purpose: the restart that goes with this is excused.
    pub fn changed(&mut self, at: Millis) {
        self.changed_at = self.changed_at.max(Some(at));
    }

    pub fn judge(&self, rule: &RestartRule, now: Millis) -> Restarted {
        let within = |(at, _): &&(Millis, u32)| *at <= now && now.since(*at) <= rule.window;
        let all: u32 =
            self.rose.iter().filter(within).fold(0, |sum, (_, n)| sum.saturating_add(*n));
        let settled = |at: Millis| {
            self.changed_at.is_some_and(|changed| {
                // A change is often noticed at the same look, or just after the restart it caused.
                changed <= at + Span::mins(2) && at.since(changed) <= rule.settles
            })
        };
        let excused = u32::from(self.rose.iter().filter(within).any(|(at, _)| settled(*at)));
        let counted = all.saturating_sub(excused);
        let judged = Judged {
            severity: severity(counted, rule.yellow, rule.red),
            clears: severity(counted, rule.yellow.map(half), half(rule.red)).max(severity(
                counted,
                rule.yellow,
                rule.red,
            )),
        };
        Restarted { counted, excused, judged, words: words(counted, excused, rule.window) }
    }
}

/// More than half of a level, so that what fired clears below it.
fn half(level: u32) -> u32 {
    level.div_ceil(2).max(1)
}

fn severity(n: u32, yellow: Option<u32>, red: u32) -> Severity {
    match n {
        0 => Severity::Green,
        n if red <= n => Severity::Red,
        n if yellow.is_some_and(|yellow| yellow <= n) => Severity::Yellow,
        _ => Severity::Green,
    }
}

fn words(counted: u32, excused: u32, window: Span) -> String {
    let times = |n: u32| if n == 1 { "once".to_owned() } else { format!("{n} times") };
    match (counted, excused) {
        (0, 0) => String::new(),
        (0, _) => "restarted once after a change".to_owned(),
        (n, 0) => format!("restarted {} in {window}", times(n)),
        (n, _) => format!("restarted {} in {window}, beside once after a change", times(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RestartRule =
        RestartRule { yellow: Some(3), red: 5, window: Span::hours(1), settles: Span::mins(15) };

    fn at(mins: i64) -> Millis {
        Millis(1_000_000_000_000) + Span::mins(mins)
    }

    /// Looks each minute at a counter that rises at these minutes.
    fn watched(rises: &[i64], until: i64, changed: Option<i64>) -> Restarts {
        let mut restarts = Restarts::default();
        let mut count = 40;
        for minute in 0..=until {
            count += rises.iter().filter(|rise| **rise == minute).count() as u64;
            restarts.saw(count, &RULE, at(minute));
        }
        if let Some(changed) = changed {
            restarts.changed(at(changed));
        }
        restarts
    }

    #[test]
    fn five_an_hour_is_a_fault_and_one_after_an_update_is_none() {
        use Severity::{Green, Red, Yellow};
        for (rises, changed, until, want) in [
            (&[][..], None, 60, (0, Green, "")),
            (&[10], None, 20, (1, Green, "restarted once in 60 min")),
            (&[10], Some(9), 20, (0, Green, "restarted once after a change")),
            (&[10, 20, 30], None, 40, (3, Yellow, "restarted 3 times in 60 min")),
            (
                &[10, 20, 30],
                Some(9),
                40,
                (2, Green, "restarted 2 times in 60 min, beside once after a change"),
            ),
            (&[5, 10, 20, 30, 40], None, 50, (5, Red, "restarted 5 times in 60 min")),
            // A crash loop begins with a new image: only its first restart is excused.
            (
                &[10, 12, 14, 16, 18, 20],
                Some(9),
                50,
                (5, Red, "restarted 5 times in 60 min, beside once after a change"),
            ),
            // Five in a day are none in an hour.
            (&[100, 200, 300, 400, 500], None, 500, (1, Green, "restarted once in 60 min")),
        ] {
            let got = watched(rises, until, changed).judge(&RULE, at(until));
            assert_eq!((got.counted, got.judged.severity, got.words.as_str()), want, "{rises:?}");
        }
    }

    #[test]
    fn it_clears_below_half() {
        let restarts = watched(&[10, 20, 30, 40, 50], 50, None);
        let clears = |mins| restarts.judge(&RULE, at(mins)).judged.clears;
        assert_eq!(clears(50), Severity::Red);
        assert_eq!(clears(85), Severity::Red);
        assert_eq!(clears(95), Severity::Yellow);
        assert_eq!(clears(111), Severity::Green);
    }

    #[test]
    fn a_start_by_hand_sets_back_and_a_clock_may_jump() {
        let mut restarts = watched(&[10, 11, 12, 13, 14], 15, None);
        restarts.saw(0, &RULE, at(16));
        assert_eq!(restarts.judge(&RULE, at(16)).counted, 0);
        restarts.saw(5, &RULE, at(17));
        assert_eq!(restarts.judge(&RULE, at(17)).counted, 4);
        // Back by a day: nothing of the future counts.
        restarts.saw(5, &RULE, at(17) - Span::days(1));
        assert_eq!(restarts.judge(&RULE, at(17) - Span::days(1)).counted, 0);
        for minute in 0..10_000 {
            restarts.saw(
                u64::MAX / 2 + minute,
                &RULE,
                at(20) + Span(i64::try_from(minute).unwrap()),
            );
        }
        assert!(restarts.rose.len() <= MOST);
    }
}
