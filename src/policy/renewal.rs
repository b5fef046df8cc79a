//! Whether a certificate should have been renewed by now: renewal in progress against renewal failing.

use crate::model::time::{Millis, Span};

/// A certificate that lives no longer than this is renewed by a program: nobody does it by hand four times a year.
const BY_PROGRAM: Span = Span::days(100);
/// A program that runs once a day, and a day in which it failed, are no fault yet.
const LEAST_MARGIN: Span = Span::hours(12);

/// When a renewal is due, as known of one certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habit {
    /// The operator's word: renewed with so much life left.
    pub said: Option<Span>,
    /// How much was left when it was renewed before.
    pub seen: Option<Span>,
}

/// How a renewal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing says that a program renews it: its dates alone count.
    Unknown,
    NotDue {
        due_at: Millis,
    },
    /// The moment has come; the program may need until `until`.
    InProgress {
        due_at: Millis,
        until: Millis,
    },
    /// The moment passed by more than the margin, and it is still the old one.
    Failing {
        due_at: Millis,
    },
}

/// Judges by a certificate's dates and its habit: due with a third of its life left, as the common
/// programs do it, where nothing else is known. The margin is a twentieth of its life, twelve hours at
/// least.
pub fn judge(not_before: Millis, not_after: Millis, habit: Habit, now: Millis) -> Renewal {
    let life = not_after.since(not_before);
    let by_program = (Span(0) < life && life <= BY_PROGRAM).then_some(Span(life.0 / 3));
    let Some(left) = habit.said.or(habit.seen).or(by_program) else { return Renewal::Unknown };
    // What is due before it is issued was measured on another certificate.
    let left = Span(left.0.min(life.0 * 9 / 10));
    let due_at = not_after - left;
    let until = due_at + LEAST_MARGIN.max(Span(life.0 / 20));
    match () {
        () if now < due_at => Renewal::NotDue { due_at },
        () if now <= until => Renewal::InProgress { due_at, until },
        () => Renewal::Failing { due_at },
    }
}

/// How much was left when a certificate was renewed, from its days left hour by hour (oldest first):
/// the last value before the last leap upwards.
pub fn left_when_renewed(hours: &[(Millis, f64)]) -> Option<Span> {
    let leap = hours.windows(2).rev().find_map(|pair| match pair {
        // Days only fall by themselves; half a day more is rounding.
        [(_, before), (_, after)] if before + 0.5 < *after => Some(*before),
        _ => None,
    })?;
    #[expect(clippy::cast_possible_truncation, reason = "days of a certificate's life")]
    let hours = (leap * 24.0).round() as i64;
    (0 < hours).then(|| Span::hours(hours))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Millis = Millis(1_700_000_000_000);

    fn at(life: i64, habit: Habit, left_hours: i64) -> Renewal {
        let end = BEGAN + Span::days(life);
        judge(BEGAN, end, habit, end - Span::hours(left_hours))
    }

    #[test]
    fn a_renewal_is_awaited_then_missed() {
        let none = Habit::default();
        let due = |life: i64, left: Span| BEGAN + Span::days(life) - left;
        let third = due(90, Span::days(30));
        let until = third + Span::hours(108);
        assert_eq!(at(90, none, 31 * 24), Renewal::NotDue { due_at: third });
        assert_eq!(at(90, none, 30 * 24), Renewal::InProgress { due_at: third, until });
        assert_eq!(at(90, none, 26 * 24), Renewal::InProgress { due_at: third, until });
        assert_eq!(at(90, none, 25 * 24), Renewal::Failing { due_at: third });
        assert_eq!(at(90, none, -5), Renewal::Failing { due_at: third });
        // Six days: due with two left, failing half a day later.
        assert!(matches!(at(6, none, 40), Renewal::InProgress { .. }));
        assert!(matches!(at(6, none, 35), Renewal::Failing { .. }));
        // A year: somebody bought it, unless it was renewed before or the operator says so.
        assert_eq!(at(365, none, 5 * 24), Renewal::Unknown);
        let seen = Habit { seen: Some(Span::days(60)), ..none };
        assert!(matches!(at(365, seen, 41 * 24), Renewal::Failing { .. }));
        assert!(matches!(at(365, seen, 50 * 24), Renewal::InProgress { .. }));
        // Its own habit counts more than the rule, and the operator's word more than that.
        let late = Habit { seen: Some(Span::days(20)), ..none };
        assert!(matches!(at(90, late, 24 * 24), Renewal::NotDue { .. }));
        let said = Habit { said: Some(Span::days(10)), ..late };
        assert!(matches!(at(90, said, 12 * 24), Renewal::NotDue { .. }));
        // A habit of a longer life is not longer than this one.
        assert!(matches!(at(6, seen, 6 * 24), Renewal::NotDue { .. }));
        assert_eq!(judge(BEGAN, BEGAN, none, BEGAN), Renewal::Unknown);
    }

    #[test]
    fn the_habit_is_read_from_the_days_that_were_left() {
        let hours = |days: &[f64]| -> Vec<(Millis, f64)> {
            days.iter().enumerate().map(|(i, d)| (BEGAN + Span::hours(i as i64), *d)).collect()
        };
        for (days, want) in [
            (&[][..], None),
            (&[31.0, 30.0, 29.0], None),
            (&[31.0, 30.0, 89.0, 88.0], Some(30)),
            (&[31.0, 30.0, 89.0, 31.0, 29.0, 89.0], Some(29)),
            // One that was renewed after it had expired tells no habit.
            (&[-1.0, 89.0], None),
        ] {
            assert_eq!(left_when_renewed(&hours(days)), want.map(Span::days), "{days:?}");
        }
    }
}
