//! The breaker's rules as rows, and the fold against a model that is fed event by event.

use proptest::prelude::*;

use super::*;
use crate::model::tool::Tier;
use crate::policy::fact::tests::fact;

const START: Millis = Millis(1_000_000_000);

fn at(minutes: i64) -> Millis {
    START + Span::mins(minutes)
}

fn failed(run: i64, minutes: i64) -> ActionFact {
    ActionFact { outcome: Some(Outcome::Failed), proof: Proof::None, ..fact(run, at(minutes)) }
}

fn done(run: i64, minutes: i64) -> ActionFact {
    fact(run, at(minutes))
}

fn state_at(facts: &[ActionFact], now: Millis) -> Breaker {
    state(facts, &Key::All, &BreakerRules::default(), &[], now)
}

#[track_caller]
fn check(rule: &str, facts: &[ActionFact], minutes: i64, want: Breaker) {
    assert_eq!(state_at(facts, at(minutes)), want, "{rule}");
}

const FREE: Breaker = Breaker::TryingOne { by: None };

#[test]
fn every_rule() {
    let until = |minutes| Breaker::PausedUntil(at(minutes));
    check("nothing happened", &[], 0, Breaker::Passing);
    check("one failure passes", &[failed(1, 0)], 1, Breaker::Passing);
    check("two pause for half an hour", &[failed(1, 0), failed(2, 5)], 6, until(35));
    check("ten minutes apart is within ten", &[failed(1, 0), failed(2, 10)], 11, until(40));
    let mut late = failed(2, 10);
    late.ended_at = Some(at(10) + Span(1));
    check("a millisecond more is not", &[failed(1, 0), late], 11, Breaker::Passing);
    check("a success between", &[failed(1, 0), done(2, 2), failed(3, 4)], 5, Breaker::Passing);
    let paused = [failed(1, 0), failed(2, 5)];
    assert_eq!(state_at(&paused, at(35) - Span(1)), until(35));
    check("at its end one may try", &paused, 35, FREE);
    check("much later still one", &paused, 5_000, FREE);
    let more = |fact: ActionFact| [failed(1, 0), failed(2, 5), fact];
    check("the trial succeeds", &more(done(3, 40)), 41, Breaker::Passing);
    check("the trial fails", &more(failed(3, 40)), 41, until(70));
    let five: Vec<_> =
        [0, 5, 40, 80, 120].into_iter().zip(1..).map(|(m, r)| failed(r, m)).collect();
    check("four in a row pause", &five[..4], 81, until(110));
    check("five in a row wait for a human", &five, 121, Breaker::WaitsForHuman);
    check("for as long as it takes", &five, 50_000, Breaker::WaitsForHuman);
    let mut slow: Vec<_> = (1..=5).map(|run| failed(run, run * 60)).collect();
    check("five in a row, hours apart", &slow, 400, Breaker::WaitsForHuman);
    slow.insert(2, done(9, 150));
    check("a success breaks the row", &slow, 400, Breaker::Passing);
}

#[test]
fn what_counts_as_a_failure() {
    let two = |change: fn(&mut ActionFact)| {
        let mut facts = [done(1, 0), done(2, 1)];
        facts.iter_mut().for_each(change);
        facts
    };
    let until = Breaker::PausedUntil(at(31));
    check("a failed verification", &two(|f| f.proof = Proof::Failed), 2, until);
    check("an unknown", &two(|f| f.outcome = Some(Outcome::Unknown)), 2, until);
    check(
        "unknown, though the probe is green",
        &two(|f| f.outcome = Some(Outcome::Unknown)),
        2,
        until,
    );
    check("what did not start", &two(|f| f.outcome = Some(Outcome::NotStarted)), 2, until);
    check("what nothing could prove is none", &two(|f| f.proof = Proof::None), 2, Breaker::Passing);
    let pending = two(|f| f.proof = Proof::Pending);
    check("what is being verified is none yet", &pending, 2, Breaker::Passing);
    let drills = two(|f| (f.drill, f.outcome) = (true, Some(Outcome::Failed)));
    check("drills do not count", &drills, 2, Breaker::Passing);
    let low = two(|f| (f.tier, f.outcome) = (Tier::Low, Some(Outcome::Failed)));
    check("queries do not count", &low, 2, Breaker::Passing);
}

#[test]
fn a_run_counts_once() {
    let steps = [failed(1, 0), failed(1, 1), failed(1, 2)];
    check("three failed steps of one run", &steps, 3, Breaker::Passing);
    let mixed = [done(1, 0), failed(1, 1), failed(2, 2)];
    check("a run with one failed step failed", &mixed, 3, Breaker::PausedUntil(at(32)));
    let mut open = done(1, 3);
    (open.outcome, open.ended_at, open.proof) = (None, None, Proof::Pending);
    let going = [failed(2, 0), done(1, 2), open];
    check("a run that goes on is no success yet", &going, 4, Breaker::Passing);
    let then = [failed(2, 0), done(1, 2), going[2].clone(), failed(3, 5)];
    check("so the row is not broken", &then, 6, Breaker::PausedUntil(at(35)));
}

#[test]
fn one_at_a_time_tries() {
    let mut trial = done(3, 36);
    (trial.outcome, trial.ended_at, trial.proof) = (None, None, Proof::Pending);
    let facts = [failed(1, 0), failed(2, 5), trial.clone()];
    let trying = Breaker::TryingOne { by: Some(RunId(3)) };
    check("in flight", &facts, 37, trying);
    assert_eq!(trying.verdict(RunId(3), "x"), Verdict::Allow, "its next step");
    assert_eq!(trying.verdict(RunId(4), "x").word(), "forbid");
    assert_eq!(FREE.verdict(RunId(4), "x"), Verdict::Allow);
    assert_eq!(Breaker::Passing.verdict(RunId(4), "x"), Verdict::Allow);
    assert_eq!(Breaker::PausedUntil(START).verdict(RunId(4), "x").word(), "forbid");
    assert_eq!(Breaker::WaitsForHuman.verdict(RunId(4), "x").word(), "forbid");
    trial.outcome = Some(Outcome::Done);
    check("being verified", &[failed(1, 0), failed(2, 5), trial], 37, trying);
}

#[test]
fn a_success_from_before_the_pause_does_not_end_it() {
    let mut early = done(3, 1);
    early.ended_at = Some(at(10));
    let facts = [failed(1, 0), failed(2, 5), early];
    check("still paused", &facts, 11, Breaker::PausedUntil(at(35)));
    check("then one tries", &facts, 36, FREE);
}

#[test]
fn a_human_resets_it() {
    let five: Vec<_> = (1..=5).map(|run| failed(run, run)).collect();
    let rules = BreakerRules::default();
    let with = |resets: &[Millis], minutes| state(&five, &Key::All, &rules, resets, at(minutes));
    assert_eq!(with(&[at(6)], 7), Breaker::Passing);
    assert_eq!(with(&[at(5)], 7), Breaker::Passing, "in the same instant");
    assert_eq!(with(&[at(4)], 7), Breaker::Passing, "one failure after it");
    assert_eq!(with(&[at(3)], 7), Breaker::PausedUntil(at(35)), "two after it");
    let mut late = five.clone();
    late.push(done(6, 8));
    assert_eq!(state_at(&late, at(9)), Breaker::WaitsForHuman, "no late success does");
}

#[test]
fn a_key_looks_at_its_own() {
    let one =
        |tool, target: &str| Key::One { tool: ToolName::of(tool), target: target.parse().unwrap() };
    let facts = [failed(1, 0), failed(2, 1)];
    let of = |key: &Key| state(&facts, key, &BreakerRules::default(), &[], at(2));
    let paused = Breaker::PausedUntil(at(31));
    assert_eq!(of(&Key::All), paused);
    assert_eq!(of(&one("unit.restart", "mini:unit:web.service")), paused);
    assert_eq!(of(&one("unit.stop", "mini:unit:web.service")), Breaker::Passing);
    assert_eq!(of(&one("unit.restart", "nas:unit:web.service")), Breaker::Passing);
}

#[test]
fn it_prints_as_people_read_it() {
    let clock = |_| "03:20".to_owned();
    for (state, want) in [
        (Breaker::Passing, "passing"),
        (Breaker::PausedUntil(START), "paused until 03:20"),
        (FREE, "trying one"),
        (Breaker::WaitsForHuman, "waits for you"),
    ] {
        assert_eq!(state.words(clock), want);
    }
}

/// The breaker as a machine that is told each thing as it happens and never forgets.
#[derive(Debug)]
enum Model {
    Passing { failures: Vec<Millis> },
    Paused { until: Millis, in_a_row: u32 },
    Waits,
}

impl Model {
    fn failure(&mut self, now: Millis) {
        *self = match std::mem::replace(self, Self::Waits) {
            Self::Passing { mut failures } => {
                failures.push(now);
                let n = u32::try_from(failures.len()).unwrap();
                let before = failures.len().checked_sub(2).map(|i| failures[i]);
                if 5 <= n {
                    Self::Waits
                } else if before.is_some_and(|before| now.0 - before.0 <= 600_000) {
                    Self::Paused { until: Millis(now.0 + 1_800_000), in_a_row: n }
                } else {
                    Self::Passing { failures }
                }
            }
            Self::Paused { in_a_row: 4.., .. } => Self::Waits,
            Self::Paused { in_a_row, .. } => {
                Self::Paused { until: Millis(now.0 + 1_800_000), in_a_row: in_a_row + 1 }
            }
            Self::Waits => Self::Waits,
        };
    }

    fn success(&mut self, now: Millis) {
        *self = match std::mem::replace(self, Self::Waits) {
            Self::Paused { until, .. } if now < until => Self::Paused { until, in_a_row: 0 },
            Self::Passing { .. } | Self::Paused { .. } => Self::Passing { failures: vec![] },
            Self::Waits => Self::Waits,
        };
    }

    fn says(&self, now: Millis) -> Breaker {
        match self {
            Self::Passing { .. } => Breaker::Passing,
            Self::Paused { until, .. } if now < *until => Breaker::PausedUntil(*until),
            Self::Paused { .. } => FREE,
            Self::Waits => Breaker::WaitsForHuman,
        }
    }
}

proptest! {
    /// Each look at the breaker folds the stored facts anew, in whatever order they come back: that is
    /// what a restart does.
    #[test]
    fn the_fold_is_the_model_whatever_restarts(
        events in prop::collection::vec(
            (prop::sample::select(vec![1_i64, 60_000, 300_000, 600_000, 600_001, 1_799_999, 1_800_000,
                                       1_800_001, 7_200_000]),
             0_u8..8, any::<prop::sample::Index>()),
            0..40,
        )
    ) {
        let mut model = Model::Passing { failures: vec![] };
        let (mut facts, mut resets, mut now) = (Vec::new(), Vec::new(), START);
        for (run, (gap, what, place)) in (1_i64..).zip(events) {
            now = Millis(now.0 + gap);
            let outcome = match what {
                0 => { resets.push(now); model = Model::Passing { failures: vec![] }; None }
                1 | 2 => { model.success(now); Some(Outcome::Done) }
                3 => { model.failure(now); Some(Outcome::Unknown) }
                _ => { model.failure(now); Some(Outcome::Failed) }
            };
            if let Some(outcome) = outcome {
                let place = place.index(facts.len() + 1);
                facts.insert(place, ActionFact { outcome: Some(outcome), ..fact(run, now) });
            }
            let later = [Millis(now.0), Millis(now.0 + 1_799_999), Millis(now.0 + 1_800_000)];
            for look in later {
                let got = state(&facts, &Key::All, &BreakerRules::default(), &resets, look);
                prop_assert_eq!(got, model.says(look));
            }
        }
    }
}
