//! The assembly dies in every state of a run and starts anew on the same store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reef::exam::unit::OnRestart;
use reef::gate::crash::{Point, Points};
use reef::model::audit::{AuditEntry, AuditKind, AuditPayload};
use reef::model::ids::{ActionId, StepName, ToolName};
use reef::model::plan::{Ending, Leash, Origin, Step};
use reef::model::run::RunState;
use reef::model::time::{Millis, Span};
use reef::model::tool::{Bounds, Call, Effect, Repeat, Tier, Undo};
use reef::model::value::Value;
use reef::operator::order::{Became, Order};
use reef::store::actions::Drill;
use reef::store::approvals::Answer;

use crate::house::{House, Setup, unit};

/// Plays one life in a runtime of its own; with the runtime everything dies but the store and the
/// estate. Answers when it died.
pub(crate) fn life<T>(
    setup: &Setup,
    at: Millis,
    play: impl AsyncFnOnce(&House) -> T,
) -> (T, Millis) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        setup.estate.hands.anchor(at);
        let house = setup.start().await;
        let played = play(&house).await;
        assert_eq!(setup.estate.violations(), Vec::<String>::new());
        (played, setup.estate.now())
    })
}

/// Kills whoever comes to the point, once.
#[derive(Debug)]
struct Trap {
    at: Point,
    struck: AtomicBool,
}

impl Points for Trap {
    fn reached(&self, point: Point) {
        if point == self.at && !self.struck.swap(true, Ordering::Relaxed) {
            panic!("dies here, as planned: {point:?}");
        }
    }
}

fn trapped(leash: Leash, at: Point) -> (Setup, Arc<Trap>) {
    let mut setup = Setup::new(leash);
    let trap = Arc::new(Trap { at, struck: AtomicBool::new(false) });
    setup.points = Arc::clone(&trap) as _;
    (setup, trap)
}

/// A unit fails, and its run dies in the trap; a minute later the daemon dies.
fn dies(setup: &Setup, trap: &Trap) -> Millis {
    let ((), at) = life(setup, setup.estate.now(), async |house| {
        house.pass(Span::mins(5)).await;
        house.host().unit_fails(&unit("web"));
        house.until("the trap", |_| trap.struck.load(Ordering::Relaxed)).await;
    });
    at
}

fn state(house: &House) -> RunState {
    let runs = house.runs();
    assert_eq!(runs.len(), 1, "{}", house.story());
    runs[0].state.clone()
}

/// Nobody is told the same twice.
#[track_caller]
fn no_message_twice(house: &House) {
    let mut keys: BTreeMap<String, usize> = BTreeMap::new();
    for message in house.estate.phone.heard() {
        *keys.entry(format!("{} | {}", message.key, message.title)).or_default() += 1;
    }
    assert!(keys.values().all(|n| *n == 1), "{keys:#?}\n{}", house.story());
}

fn pending(house: &House) -> usize {
    house.store.call_now(|db| db.pending_approvals()).unwrap().len()
}

#[test]
fn inquiring_starts_over() {
    for point in [Point::BeforeIntent, Point::IntentInserted, Point::ApprovalRequested] {
        let (setup, trap) = trapped(Leash::Ask, point);
        let at = dies(&setup, &trap);
        let ((), _) = life(&setup, at, async |house| {
            assert!(!matches!(state(house), RunState::Ended(_)), "{point:?}");
            house.until("it waits", |h| matches!(state(h), RunState::Waiting { .. })).await;
            house.pass(Span::mins(5)).await;
            assert_eq!(pending(house), 1, "{point:?} {}", house.story());
            assert_eq!(house.audited(AuditKind::Asked).len(), 1, "{point:?} {}", house.story());
            no_message_twice(house);
            assert_eq!(house.estate.phone.heard().len(), 1, "{point:?} {}", house.story());
            assert_eq!(house.host().effects(), []);
        });
    }
}

#[test]
fn waiting_stays_and_a_yes_is_used_once() {
    let setup = Setup::new(Leash::Ask);
    let (id, at) = life(&setup, setup.estate.now(), async |house| {
        house.pass(Span::mins(5)).await;
        house.host().unit_fails(&unit("web"));
        house.until("it asks", |h| pending(h) == 1).await;
        house.pass(Span::mins(1)).await;
        house.store.call_now(|db| db.pending_approvals()).unwrap()[0].id
    });
    let ((), at) = life(&setup, at + Span::mins(10), async |house| {
        house.pass(Span::mins(10)).await;
        assert!(matches!(state(house), RunState::Waiting { .. }), "{}", house.story());
        assert_eq!(house.estate.phone.heard().len(), 1, "{}", house.story());
        // Nobody is woken by it: an order would let the run go on, and maybe die in the middle of its action.
        let (yes, now) = (Answer::Approve { choice: 0 }, house.estate.now());
        house.store.call_now(|db| db.answer(id, yes, "a human", now)).unwrap();
    });
    // It dies with the answer stored, and wakes to it.
    let ((), _) = life(&setup, at, async |house| {
        house.until("it is healed", |h| h.ended() == 1).await;
        assert!(house.endings()[0].starts_with("fixed"), "{}", house.story());
        assert_eq!(house.host().effects().len(), 1);
        house.pass(Span::mins(5)).await;
        no_message_twice(house);
    });
}

#[test]
fn acting_before_the_dispatch_is_judged_again() {
    let (setup, trap) = trapped(Leash::Auto, Point::IntentCommitted);
    let at = dies(&setup, &trap);
    let ((), _) = life(&setup, at, async |house| {
        house.until("it is healed", |h| h.ended() == 1).await;
        assert!(house.endings()[0].starts_with("fixed"), "{}", house.story());
        assert_eq!(house.host().effects().len(), 1, "{}", house.story());
        assert_eq!(house.actions().len(), 1);
        house.pass(Span::mins(5)).await;
        no_message_twice(house);
    });
}

#[test]
fn acting_before_the_dispatch_is_refused_where_a_pause_came() {
    let (setup, trap) = trapped(Leash::Auto, Point::IntentCommitted);
    let at = dies(&setup, &trap);
    let now = at;
    setup.store.call_now(|db| db.set_flag("paused", Some("a human"), now)).unwrap();
    let ((), _) = life(&setup, at, async |house| {
        house.until("it ended", |h| h.ended() == 1).await;
        assert_eq!(house.host().effects(), [], "{}", house.story());
        assert_eq!(house.actions(), []);
    });
}

#[test]
fn an_open_dispatch_is_unknown_and_never_run_again() {
    let (setup, trap) = trapped(Leash::Auto, Point::Dispatched);
    let at = dies(&setup, &trap);
    assert_eq!(setup.host().effects(), [], "it died before the effect");
    let ((), at) = life(&setup, at, async |house| {
        house.until("it was looked at long enough", |h| h.ended() == 1).await;
        assert!(house.endings()[0].starts_with("not fixed"), "{}", house.story());
        house.pass(Span::hours(20)).await;
        assert_eq!(house.host().effects(), [], "{}", house.story());
        assert_eq!(house.actions().len(), 1);
        assert!(house.actions()[0].closed.is_none());
        let first = &house.estate.phone.pages()[0];
        assert!(first.title.contains("web.service"), "{}", house.story());
        // The human says that it did not run: only then there is another try, by the human's word.
        assert_eq!(house.runs().len(), 1, "{}", house.story());
        let action = house.actions()[0].id;
        let settle = Order::Settle { action, became: Became::DidNotRun, note: "looked".into() };
        house.order(settle).await.unwrap();
        assert_eq!(house.store.call_now(|db| db.leases()).unwrap().len(), 0);
    });
    let ((), _) = life(&setup, at, async |house| {
        // A run of its own with a plan of its own, which asks: the failed verification shortened the leash.
        house.until("it asks", |h| pending(h) == 1).await;
        house.pass(Span::hours(2)).await;
        assert_eq!(house.host().effects(), [], "{}", house.story());
        assert_eq!(house.runs().len(), 2, "{}", house.story());
        let id = house.store.call_now(|db| db.pending_approvals()).unwrap()[0].id;
        house.order(Order::Approve { id, choice: None, typed: None }).await.unwrap();
        house.until("it is healed", |h| h.unresolved().is_empty()).await;
        assert_eq!(house.host().effects().len(), 1, "{}", house.story());
        let actions = house.actions();
        assert_eq!(actions.len(), 2);
        assert_ne!(actions[0].run, actions[1].run);
    });
}

/// Dies with a dispatch open whose effect never came, and comes to the human.
fn nobody_knows(attempts_before: u32) -> (Setup, Millis) {
    let (setup, trap) = trapped(Leash::Auto, Point::Dispatched);
    let at = dies(&setup, &trap);
    if 0 < attempts_before {
        let incident = setup.store.call_now(|db| db.unresolved()).unwrap().remove(0);
        let tried = reef::model::incident::Incident { attempts: attempts_before, ..incident };
        setup.store.call_now(|db| db.save_incident(&tried)).unwrap();
    }
    let ((), at) = life(&setup, at, async |house| {
        house.until("it was looked at long enough", |h| h.ended() == 1).await;
        house.pass(Span::mins(5)).await;
    });
    (setup, at)
}

fn settle(house: &House, became: Became) -> impl Future<Output = String> {
    let action = house.actions()[0].id;
    let order = Order::Settle { action, became, note: "looked".into() };
    async move { house.order(order).await.unwrap().to_string() }
}

#[test]
fn what_ran_and_did_not_help_is_tried_anew_while_attempts_are_left() {
    let (setup, at) = nobody_knows(0);
    let ((), _) = life(&setup, at, async |house| {
        let said = settle(house, Became::Ran).await;
        assert!(said.contains("looked at anew"), "{said}");
        house.until("it asks", |h| pending(h) == 1).await;
        assert_eq!(house.host().effects(), [], "{}", house.story());
        assert_eq!(house.runs().len(), 2, "{}", house.story());
    });
}

#[test]
fn without_attempts_left_it_stays_with_the_human() {
    let (setup, at) = nobody_knows(1);
    let ((), _) = life(&setup, at, async |house| {
        let said = settle(house, Became::Ran).await;
        assert!(said.contains("stays yours"), "{said}");
        house.pass(Span::hours(3)).await;
        assert_eq!(house.runs().len(), 1, "{}", house.story());
        assert_eq!(house.unresolved().len(), 1);
        // It is still told once its probe is green.
        house.host().unit_starts(&unit("web"));
        house.until("it is over", |h| h.unresolved().is_empty()).await;
    });
}

#[test]
fn an_acknowledged_one_is_left_alone_whatever_became_of_it() {
    let (setup, at) = nobody_knows(0);
    let ((), _) = life(&setup, at, async |house| {
        let id = house.unresolved()[0].id;
        house.order(Order::Ack { incident: id, note: None, lasts: None }).await.unwrap();
        let said = settle(house, Became::DidNotRun).await;
        assert!(said.contains("acknowledged"), "{said}");
        house.pass(Span::hours(3)).await;
        assert_eq!(house.runs().len(), 1, "{}", house.story());
    });
}

#[test]
fn an_open_dispatch_whose_effect_shows_is_settled_by_the_probe() {
    let (setup, trap) = trapped(Leash::Auto, Point::Dispatched);
    let at = dies(&setup, &trap);
    // The restart went through while reef was dead.
    setup.host().unit_starts(&unit("web"));
    let ((), _) = life(&setup, at, async |house| {
        house.until("it ended", |h| h.ended() == 1).await;
        assert!(house.endings()[0].starts_with("fixed"), "{}", house.story());
        assert_eq!(house.host().effects(), []);
        let action = &house.actions()[0];
        assert_eq!(action.settled.as_ref().unwrap().1, "ran");
        assert_eq!(house.store.call_now(|db| db.leases()).unwrap().len(), 0);
        house.pass(Span::mins(5)).await;
        no_message_twice(house);
    });
}

#[test]
fn a_close_that_the_run_did_not_see_is_seen_after_the_restart() {
    let (setup, trap) = trapped(Leash::Auto, Point::CloseCommitted);
    let at = dies(&setup, &trap);
    assert_eq!(setup.host().effects().len(), 1);
    let ((), _) = life(&setup, at, async |house| {
        house.until("it ended", |h| h.ended() == 1).await;
        assert!(house.endings()[0].starts_with("fixed"), "{}", house.story());
        assert_eq!(house.host().effects().len(), 1, "{}", house.story());
        assert_eq!(house.actions().len(), 1);
        house.pass(Span::mins(5)).await;
        no_message_twice(house);
    });
}

#[test]
fn verifying_goes_on_to_its_wall_clock_end() {
    let setup = Setup::new(Leash::Auto);
    setup.host().on_restart(&unit("web"), OnRestart::FailsAgain);
    let (until, at) = life(&setup, setup.estate.now(), async |house| {
        house.pass(Span::mins(5)).await;
        house.host().unit_fails(&unit("web"));
        house
            .until("it verifies", |h| {
                h.runs().iter().any(|r| matches!(r.state, RunState::Verifying { .. }))
            })
            .await;
        house.pass(Span::secs(30)).await;
        let RunState::Verifying { until, .. } = state(house) else { panic!("{}", house.story()) };
        until
    });
    let ((), at) = life(&setup, at + Span::secs(60), async |house| {
        let RunState::Verifying { until: same, .. } = state(house) else { panic!() };
        assert_eq!(same, until);
        house.pass(until.since(house.estate.now())).await;
        house.pass(Span::secs(15)).await;
        assert_eq!(house.ended(), 1, "{}", house.story());
        assert!(house.endings()[0].starts_with("not fixed"));
        assert_eq!(house.host().effects().len(), 1);
        no_message_twice(house);
    });
    assert!(at.since(until) < Span::mins(1));
}

#[test]
fn a_proof_that_was_not_committed_is_looked_for_again() {
    for point in [Point::VerifyStarted, Point::VerifyInserted] {
        let (setup, trap) = trapped(Leash::Auto, point);
        let at = dies(&setup, &trap);
        let ((), _) = life(&setup, at, async |house| {
            house.until("it ended", |h| h.ended() == 1).await;
            assert!(house.endings()[0].starts_with("fixed"), "{point:?} {}", house.story());
            assert_eq!(house.host().effects().len(), 1, "{point:?} {}", house.story());
            assert_eq!(house.audited(AuditKind::Verified).len(), 1, "{point:?} {}", house.story());
            house.pass(Span::mins(5)).await;
            no_message_twice(house);
            assert_eq!(house.unresolved(), [], "{point:?}");
        });
    }
}

#[test]
fn an_incident_that_resolved_while_reef_was_dead_is_over() {
    let setup = Setup::new(Leash::Ask);
    let ((), at) = life(&setup, setup.estate.now(), async |house| {
        house.pass(Span::mins(5)).await;
        house.host().unit_fails(&unit("web"));
        house.until("it asks", |h| pending(h) == 1).await;
    });
    setup.host().unit_starts(&unit("web"));
    let ((), _) = life(&setup, at, async |house| {
        house.pass(Span::mins(10)).await;
        assert_eq!(house.unresolved(), [], "{}", house.story());
        assert_eq!(pending(house), 0, "the question is void: {}", house.story());
        assert_eq!(house.host().effects(), []);
        no_message_twice(house);
    });
}

/// Asked at three, the daemon restarted, approved at breakfast: the story is whole.
#[test]
fn what_is_done_after_a_restart_stands_in_the_story_with_its_reason() {
    let setup = Setup::new(Leash::Ask);
    let (id, at) = life(&setup, setup.estate.now(), async |house| {
        house.pass(Span::mins(5)).await;
        house.host().unit_fails(&unit("web"));
        house.until("it asks", |h| pending(h) == 1).await;
        house.store.call_now(|db| db.pending_approvals()).unwrap()[0].id
    });
    let ((), at) = life(&setup, at + Span::hours(4), async |house| {
        house.order(Order::Approve { id, choice: None, typed: None }).await.unwrap();
        house.until("it is healed", |h| h.ended() == 1 && h.unresolved().is_empty()).await;
    });
    let ((), _) = life(&setup, at, async |house| {
        for kind in [AuditKind::Dispatched, AuditKind::Closed] {
            let payload = house.audited(kind).remove(0).payload.unwrap();
            assert_eq!(payload.incident.map(|id| id.0), Some(1), "{kind:?}");
            assert!(payload.reason.starts_with("red unit mini:unit:web.service"), "{payload:?}");
        }
        let order = Order::AuditTimeline { incident: reef::model::ids::IncidentId(1) };
        let json = house.order(order).await.unwrap();
        let story: reef::operator::timeline::Timeline = serde_json::from_value(json).unwrap();
        let words: Vec<&str> = story.story.iter().map(|moment| moment.word.as_str()).collect();
        let mut rest = words.iter();
        for word in ["red", "asked", "answered", "did", "ended", "proven"] {
            assert!(rest.any(|known| *known == word), "{word} is not in its place: {words:?}");
        }
        assert_eq!(story.acts.len(), 1, "{story:#?}");
        let act = &story.acts[0];
        assert!(act.reason.contains("red unit mini:unit:web.service"), "{act:#?}");
        assert_eq!(act.tools_called, ["unit.status", "unit.logs", "unit.restart"]);
    });
}

/// An action of long ago that a restart of the unit undoes.
fn undoable(house: &House) -> ActionId {
    let call = |tool: &'static str, target: &str| Call {
        tool: ToolName::of(tool),
        target: target.parse().unwrap(),
        args: [("unit".to_owned(), Value::Target("mini:unit:web.service".parse().unwrap()))].into(),
        bounds: Bounds::default(),
    };
    let unit = "mini:unit:web.service";
    let step = Step {
        name: StepName::new("before").unwrap(),
        call: call("unit.restart", unit),
        tier: Tier::High,
        effect: Effect {
            words: String::new(),
            max_items: 1,
            max_bytes: 1,
            takes: None,
            artifact: None,
        },
        undo: Undo::By(call("unit.restart", unit)),
        repeat: Repeat::Never,
        lease: vec![],
        replicas: None,
        holds: None,
    };
    let at = house.estate.now() - Span::hours(5);
    let entry = |kind, payload| AuditEntry { at, actor: "a test".into(), kind, payload };
    house
        .store
        .call_now(|db| {
            let run = db.new_run(&Origin::Operator { uid: 1 }, None, None, at)?;
            let id = db.dispatched(
                &entry(
                    AuditKind::Dispatched,
                    AuditPayload { run: Some(run), ..Default::default() },
                ),
                run,
                &step,
                Drill::No,
            )?;
            let (action, outcome) = (Some(id), Some("done".into()));
            let closed = AuditPayload { action, outcome, ..AuditPayload::default() };
            db.append(&entry(AuditKind::Closed, closed))?;
            db.save_run(run, &RunState::Ended(Ending::NotVerified("a test".into())), at)?;
            Ok(id)
        })
        .unwrap()
}

#[test]
fn an_undo_that_waits_over_a_restart_is_one_all_the_same_and_is_done_once() {
    let setup = Setup::new(Leash::Ask);
    let (action, at) = life(&setup, setup.estate.now(), async |house| {
        house.pass(Span::mins(1)).await;
        let action = undoable(house);
        // Typed twice: both wait, and one of them is to happen.
        for waiting in 1..=2 {
            house.order(Order::Undo { action }).await.unwrap();
            house.until("it asks", |h| pending(h) == waiting).await;
        }
        action
    });
    let ((), _) = life(&setup, at + Span::hours(2), async |house| {
        let waiting = house.store.call_now(|db| db.pending_approvals()).unwrap();
        for approval in waiting {
            house
                .order(Order::Approve { id: approval.id, choice: None, typed: None })
                .await
                .unwrap();
            house.pass(Span::mins(10)).await;
        }
        assert_eq!(house.host().effects().len(), 1, "{}", house.story());
        let row = house.actions().into_iter().find(|row| row.id == action).unwrap();
        let by = row.undone_by.expect("it is known that it was undone");
        let dispatched = house.audited(AuditKind::Dispatched);
        let own = dispatched.iter().find(|record| record.seq == by.0).unwrap();
        let payload = own.payload.clone().unwrap();
        assert_eq!(payload.undoes, Some(action));
        assert_eq!(payload.reason, format!("undo of {action}"));
        let refused = house.audited(AuditKind::Refused);
        let why = refused[0].payload.clone().unwrap().errors.unwrap();
        assert_eq!(why, format!("{action} was undone by {by} already"), "{}", house.story());
        let third = house.order(Order::Undo { action }).await.unwrap_err().why;
        assert!(third.contains("was undone by"), "{third}");
    });
}
