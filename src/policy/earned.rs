//! Autonomy is earned: what the record of a runbook on a host must show before it may act by itself there.

use crate::model::time::{Millis, Span};

/// So many proofs: verified fixes that reef made, and faults that a human mended by doing the same.
pub const PROOFS: u32 = 3;
/// At least so many of them must be reef's own.
pub const OWN: u32 = 1;
/// Of ten times that a human acted, so many must have been as reef would have.
const ALIKE_OF_TEN: u32 = 7;
/// How long a demotion stands against it.
const DEMOTED_FOR: Span = Span::days(7);

/// What is known of one runbook on one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Verified fixes since the last failure.
    pub fixed: u32,
    /// Times that a human did the same as it would have.
    pub matched: u32,
    pub differed: u32,
    pub failed_at: Option<Millis>,
    /// Actions of which nobody knows whether they happened.
    pub unknown: u32,
    pub demoted_at: Option<Millis>,
}

/// What is missing, for people; nothing where it is earned.
pub fn lacks(record: &Record, now: Millis) -> Vec<String> {
    let mut lacks = Vec::new();
    let proofs = record.fixed + record.matched;
    if proofs < PROOFS {
        let since = record.failed_at.map_or("", |_| " since it last failed");
        lacks.push(format!(
            "{proofs} of {PROOFS} proofs (verified fixes, or the same done by hand){since}"
        ));
    }
    if record.fixed < OWN {
        lacks.push("no verified fix of its own yet".to_owned());
    }
    let by_hand = record.matched + record.differed;
    if record.matched * 10 < by_hand * ALIKE_OF_TEN {
        lacks.push(format!("you did something else in {} of {by_hand} cases", record.differed));
    }
    if 0 < record.unknown {
        lacks.push(format!(
            "{} of its actions may or may not have happened: `reef settle`",
            record.unknown
        ));
    }
    if record.demoted_at.is_some_and(|at| now < at + DEMOTED_FOR) {
        lacks.push("it was demoted within the last 7 days".to_owned());
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000_000_000);

    #[track_caller]
    fn check(record: Record, want: &[&str]) {
        let got = lacks(&record, NOW);
        assert_eq!(got.len(), want.len(), "{record:?}: {got:?}");
        for (got, want) in got.iter().zip(want) {
            assert!(got.contains(want), "{got}");
        }
    }

    #[test]
    fn what_a_record_must_show() {
        let good = Record { fixed: 3, ..Record::default() };
        check(good, &[]);
        check(Record { fixed: 1, matched: 2, ..good }, &[]);
        check(Record { fixed: 0, matched: 5, ..good }, &["of its own"]);
        check(Record { fixed: 2, ..good }, &["2 of 3 proofs"]);
        check(Record::default(), &["0 of 3 proofs", "of its own"]);
        let failed = Record { fixed: 2, failed_at: Some(NOW - Span::days(100)), ..good };
        check(failed, &["since it last failed"]);
        check(Record { fixed: 3, ..failed }, &[]);
        check(Record { matched: 7, differed: 3, ..good }, &[]);
        check(Record { matched: 6, differed: 3, ..good }, &["something else in 3 of 9"]);
        check(Record { differed: 1, ..good }, &["something else in 1 of 1"]);
        check(Record { unknown: 1, ..good }, &["may or may not"]);
        check(Record { demoted_at: Some(NOW - Span::days(6)), ..good }, &["demoted"]);
        check(Record { demoted_at: Some(NOW - Span::days(7)), ..good }, &[]);
    }
}
