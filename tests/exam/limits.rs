//! The limits, through the real gate and a store on the disk, held against a model that is too simple to be wrong:
//! generated attempts, restarts, and clocks that jump.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reef::gate::Acted;
use reef::model::plan::Leash;
use reef::model::time::{Millis, Span};
use reef::store::Store;

use crate::gate::{act, ended, plan};
use crate::house::Setup;
use crate::restart::life;

const SERVICES: [&str; 3] = ["web", "db", "mail"];

#[derive(Debug, Clone)]
enum Op {
    Attempt(usize),
    /// The clock jumps: milliseconds, back as well.
    Jump(i64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..SERVICES.len()).prop_map(Op::Attempt),
        2 => (0..3_600_000_i64).prop_map(Op::Jump),
        1 => (-7_200_000..90_000_000_i64).prop_map(Op::Jump),
        // To the millisecond, where a limit is over.
        1 => prop::sample::select(vec![3_600_000_i64, 3_599_999, 86_400_000, 86_399_999]).prop_map(Op::Jump),
    ]
}

/// All that was done, looked through anew each time.
#[derive(Default)]
struct Model(Vec<(Millis, usize)>);

impl Model {
    fn allows(&self, service: usize, now: Millis) -> bool {
        let within = |span: Span, of: Option<usize>| {
            // What lies ahead of a clock that jumped back counts.
            let fits = |(at, done): &&(Millis, usize)| {
                now.0 - at.0 < span.0 && of.is_none_or(|of| *done == of)
            };
            self.0.iter().filter(fits).count()
        };
        within(Span::hours(1), Some(service)) < 3
            && within(Span::days(1), Some(service)) < 5
            && within(Span::hours(1), None) < 10
    }
}

/// Several lives, one after the other, on one folder.
fn lives(all: &[Vec<Op>]) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let (mut allowed, mut refused) = (0, 0);
    let mut setup = Setup::new(Leash::Auto);
    let mut at = setup.estate.now();
    for ops in all {
        // The life before lets go of it first.
        setup.store = Store::in_memory().unwrap();
        setup.store = crate::deaths::opened(&folder.path().join("state"));
        let ((), ended_at) = life(&setup, at, async |house| {
            for op in ops {
                match op {
                    Op::Jump(by) if *by < 0 => house.estate.hands.jump_back(Span(-by)),
                    Op::Jump(by) => house.estate.hands.jump_ahead(Span(*by)),
                    Op::Attempt(service) => {
                        let plan = plan(house, SERVICES[*service]).await;
                        let now = house.estate.now();
                        let want = model.allows(*service, now);
                        match act(house, &plan).await {
                            Acted::Ended(_) => {
                                assert!(want, "it was allowed at {}: {:?}", now.0, model.0);
                                model.0.push((now, *service));
                                allowed += 1;
                            }
                            Acted::Refused(why) => {
                                assert!(why.contains("limit"), "{why}");
                                assert!(!want, "{why} at {}: {:?}", now.0, model.0);
                                refused += 1;
                            }
                            other => panic!("{other:?}"),
                        }
                        ended(house, plan.run);
                    }
                }
            }
        });
        at = ended_at;
    }
    (allowed, refused)
}

#[test]
fn the_gate_equals_the_model_over_restarts_and_clock_jumps() {
    let (mut allowed, mut refused) = (0, 0);
    let mut runner = TestRunner::deterministic();
    let lives_of = prop::collection::vec(prop::collection::vec(op(), 4..16), 2..4);
    for _ in 0..10 {
        let all = lives_of.new_tree(&mut runner).unwrap().current();
        let (more, less) = lives(&all);
        (allowed, refused) = (allowed + more, refused + less);
    }
    assert!(50 < allowed && 10 < refused, "{allowed} allowed, {refused} refused: it tests nothing");
}
