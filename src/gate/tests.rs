//! The folds over stored actions, held against a model that is too simple to be wrong.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use crate::gate::facts;
use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::ids::{RunId, StepName, ToolName};
use crate::model::plan::{Ending, Origin, Step, Verdict};
use crate::model::run::RunState;
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::model::tool::{Bounds, Call, Effect, Repeat, Tier, Undo};
use crate::policy::limits::{self, Limits};
use crate::store::Store;
use crate::store::actions::Drill;

const NOON: Millis = Millis(1_772_452_800_000);

#[derive(Debug, Clone)]
enum Op {
    /// One more action on a service.
    Act(usize),
    /// Time passes, or the clock jumps: milliseconds.
    Jump(i64),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..3_usize).prop_map(Op::Act),
        3 => (0..3_600_000_i64).prop_map(Op::Jump),
        1 => (-7_200_000..100_000_000_i64).prop_map(Op::Jump),
        // To the millisecond, where a limit is over.
        1 => prop::sample::select(vec![3_600_000_i64, 3_599_999, 86_400_000, 86_399_999])
            .prop_map(Op::Jump),
        1 => Just(Op::Restart),
    ]
}

/// The model: all that was done, looked through anew each time.
#[derive(Default)]
struct Model(Vec<(Millis, usize)>);

impl Model {
    fn allows(&self, service: usize, now: Millis, limits: &Limits) -> bool {
        let within = |span: Span, of: Option<usize>| {
            let fits = |(at, done): &&(Millis, usize)| {
                // What lies ahead of a clock that jumped back counts.
                now.0 - at.0 < span.0 && of.is_none_or(|of| *done == of)
            };
            self.0.iter().filter(fits).count()
        };
        within(Span::hours(1), Some(service)) < limits.per_service_hour as usize
            && within(Span::days(1), Some(service)) < limits.per_service_day as usize
            && within(Span::hours(1), None) < limits.per_hour as usize
    }
}

pub(in crate::gate) fn step(service: usize) -> Step {
    let target: Target = format!("mini:unit:s{service}.service").parse().unwrap();
    Step {
        name: StepName::new("one").unwrap(),
        call: Call {
            tool: ToolName::of("unit.restart"),
            target: target.clone(),
            args: crate::model::value::Values::new(),
            bounds: Bounds::default(),
        },
        tier: Tier::High,
        effect: Effect {
            words: String::new(),
            max_items: 1,
            max_bytes: 0,
            takes: None,
            artifact: None,
        },
        undo: Undo::Impossible(String::new()),
        repeat: Repeat::Never,
        lease: vec![target],
        replicas: None,
        holds: None,
    }
}

fn open(dir: &Path) -> Store {
    Store::open_bare(dir).unwrap()
}

fn allowed(store: &Store, step: &Step, now: Millis, limits: &Limits) -> bool {
    let rows = store.call_now(|db| db.actions_since(now - Span::days(31))).unwrap();
    let past: Vec<_> = rows.iter().map(|row| facts::fact(row, &BTreeSet::new())).collect();
    limits::judge(&past, RunId(i64::MAX), step, limits, now) == Verdict::Allow
}

/// Done and closed, in one commit.
fn act(store: &Store, step: &Step, now: Millis) {
    let entry = |kind, payload| AuditEntry { at: now, actor: "a test".into(), kind, payload };
    store
        .call_now(|db| {
            db.atomically(|db| {
                let run = db.new_run(&Origin::Timer, None, None, now)?;
                let payload = AuditPayload { run: Some(run), ..AuditPayload::default() };
                let dispatched = entry(AuditKind::Dispatched, payload);
                let id = db.dispatched(&dispatched, run, step, Drill::No)?;
                let payload = AuditPayload {
                    action: Some(id),
                    outcome: Some("done".into()),
                    ..AuditPayload::default()
                };
                db.append(&entry(AuditKind::Closed, payload))?;
                db.save_run(run, &RunState::Ended(Ending::NotVerified(String::new())), now)
            })
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn limits_equal_the_model_over_restarts_and_clock_jumps(
        ops in prop::collection::vec(op(), 10..40)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, mut model) = (Some(open(dir.path())), Model::default());
        let (mut now, limits) = (NOON, Limits::default());
        for op in ops {
            match op {
                Op::Jump(by) => now = Millis(now.0 + by),
                Op::Restart => {
                    drop(store.take());
                    store = Some(open(dir.path()));
                }
                Op::Act(service) => {
                    let (store, step) = (store.as_ref().unwrap(), step(service));
                    let want = model.allows(service, now, &limits);
                    prop_assert_eq!(allowed(store, &step, now, &limits), want, "at {:?}", now);
                    if want {
                        act(store, &step, now);
                        model.0.push((now, service));
                    }
                }
            }
        }
    }
}
