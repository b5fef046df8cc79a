//! The gate's promises, by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reef::exam::unit::OnRestart;
use reef::gate::rules::Mode;
use reef::gate::{Acted, Submitted};
use reef::model::audit::AuditKind;
use reef::model::digest::Digest;
use reef::model::ids::{IncidentId, RunId, RunbookName, StepName, ToolName};
use reef::model::plan::{Ending, Leash, OnFailure, Origin, Plan, RunbookRef, Verify};
use reef::model::run::RunState;
use reef::model::target::{Target, Thing};
use reef::model::time::Span;
use reef::model::told::Told;
use reef::model::tool::{Bounds, Call};
use reef::model::value::Value;
use reef::operator::order::Order;
use reef::store::approvals::Answer;

use crate::house::{House, Setup, mini, unit};
use crate::restart::life;

pub(crate) fn call(tool: &'static str, name: &str) -> Call {
    let target = Target::new(mini(), Thing::Unit, unit(name).as_str()).unwrap();
    Call {
        tool: ToolName::of(tool),
        target: target.clone(),
        args: [("unit".to_owned(), Value::Target(target))].into(),
        bounds: Bounds::default(),
    }
}

/// A run of its own with a plan to restart a unit, as a matched runbook would make it.
pub(crate) async fn plan(house: &House, name: &str) -> Plan {
    let origin = Origin::Incident(IncidentId(1));
    let runbook =
        RunbookRef { name: RunbookName::new("service-failed").unwrap(), digest: Digest::of(b"x") };
    let now = house.estate.now();
    let run = {
        let (origin, runbook) = (origin.clone(), runbook.clone());
        house.store.call_now(|db| db.new_run(&origin, None, Some(&runbook), now)).unwrap()
    };
    let gate = &house.operator.runner.gate;
    let step = StepName::new("restart").unwrap();
    let step = gate.preview(&step, &call("unit.restart", name)).await.unwrap();
    gate.tell(run, Told { reason: "a test".into(), ..Told::default() });
    Plan {
        run,
        round: 0,
        origin,
        runbook: Some(runbook),
        steps: vec![step],
        verify: Verify::Not("a test looks itself".into()),
        on_failure: OnFailure::Stop,
    }
}

pub(crate) async fn act(house: &House, plan: &Plan) -> Acted {
    house.operator.runner.gate.act(plan, 0).await.unwrap()
}

/// The run's end, with which its lease is free.
pub(crate) fn ended(house: &House, run: RunId) {
    let now = house.estate.now();
    let ending = RunState::Ended(Ending::NotVerified("a test".into()));
    house
        .store
        .call_now(|db| {
            db.save_run(run, &ending, now)?;
            db.release_leases(run).map(drop)
        })
        .unwrap();
}

#[track_caller]
pub(crate) fn refused(acted: &Acted, why: &str) {
    let (Acted::Refused(words) | Acted::Busy(words)) = acted else { panic!("{acted:?}") };
    assert!(words.contains(why), "{words}");
}

#[tokio::test(start_paused = true)]
async fn forbidden_tool_never_runs() {
    let setup = Setup::new(Leash::Observe);
    let house = setup.start().await;
    let plan = plan(&house, "web").await;
    let gate = &house.operator.runner.gate;
    assert!(matches!(gate.submit(&plan).await.unwrap(), Submitted::Observed(_)));
    refused(&act(&house, &plan).await, "observe");
    // Not even with an approval, and not by a name that no tool has.
    let mut other = plan.clone();
    other.steps[0].call.tool = ToolName::of("unit.destroy");
    refused(&act(&house, &other).await, "no tool");
    // What reef and its operator sit on is refused before it is judged.
    let step = StepName::new("cut").unwrap();
    assert!(gate.preview(&step, &call("unit.restart", "sshd")).await.is_err());
    assert_eq!(house.host().effects(), []);
    assert_eq!(house.actions(), []);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn judge_error_forbids() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    let plan = plan(&house, "web").await;
    let now = house.estate.now();
    house.store.call_now(|db| db.set_flag("hold", Some("{no json"), now)).unwrap();
    refused(&act(&house, &plan).await, "could not be read");
    assert!(matches!(
        house.operator.runner.gate.submit(&plan).await.unwrap(),
        Submitted::Forbidden(_)
    ));
    house.store.call_now(|db| db.set_flag("hold", None, now)).unwrap();
    assert_eq!(house.host().effects(), []);
    assert!(matches!(act(&house, &plan).await, Acted::Ended(_)), "the same plan otherwise passes");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn expired_approval_refuses() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    let plan = plan(&house, "web").await;
    let Submitted::Asked(approval) = house.operator.runner.gate.submit(&plan).await.unwrap() else {
        panic!("it asks")
    };
    let now = house.estate.now();
    let yes = Answer::Approve { choice: 0 };
    house.store.call_now(|db| db.answer(approval.id, yes, "a human", now)).unwrap();
    house.estate.hands.jump_ahead(Span::hours(12));
    refused(&act(&house, &plan).await, "need a yes");
    assert_eq!(house.host().effects(), []);
    house.estate.hands.jump_back(Span::hours(1));
    assert!(matches!(act(&house, &plan).await, Acted::Ended(_)), "an hour before it was good");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_for_exactly_that_plan() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    let plan = plan(&house, "web").await;
    let Submitted::Asked(approval) = house.operator.runner.gate.submit(&plan).await.unwrap() else {
        panic!("it asks")
    };
    let now = house.estate.now();
    let yes = Answer::Approve { choice: 0 };
    house.store.call_now(|db| db.answer(approval.id, yes, "a human", now)).unwrap();
    let other = call("unit.restart", "db");
    let changes: [fn(&mut Plan, &Call); 4] = [
        |plan, other| {
            plan.steps[0].call = other.clone();
            plan.steps[0].lease = vec![other.target.clone()];
        },
        |plan, _| plan.steps[0].effect.max_items += 1,
        |plan, _| plan.verify = Verify::Not("something else".into()),
        |plan, _| plan.runbook.as_mut().unwrap().digest = Digest::of(b"y"),
    ];
    for change in changes {
        let mut changed = plan.clone();
        change(&mut changed, &other);
        refused(&act(&house, &changed).await, "need a yes");
    }
    assert_eq!(house.host().effects(), []);
    assert!(matches!(act(&house, &plan).await, Acted::Ended(_)));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn dry_run_touches_nothing() {
    let mut setup = Setup::new(Leash::Auto);
    setup.mode = Mode::DryRun;
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it is told what would be done", |h| h.ended() == 1).await;
    house.pass(Span::hours(2)).await;
    assert!(house.endings()[0].starts_with("observed"), "{}", house.story());
    assert_eq!(house.host().effects(), []);
    assert_eq!(house.audited(AuditKind::Dispatched), []);
    assert_eq!(house.audited(AuditKind::Would).len(), 1, "{}", house.story());
    let plan = plan(&house, "web").await;
    refused(&act(&house, &plan).await, "only recorded");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn dispatched_record_before_effect() {
    let setup = Setup::new(Leash::Auto);
    let seen = Arc::new(AtomicUsize::new(0));
    let (counted, store) = (Arc::clone(&seen), setup.store.clone());
    setup.host().witness(Box::new(move |permit, _| {
        let open = store.call_now(|db| db.open_dispatches()).unwrap();
        assert!(open.iter().any(|row| row.id == permit.action() && row.run == permit.run()));
        let record = store.call_now(|db| db.audit(permit.action().0)).unwrap().unwrap();
        assert_eq!(record.kind, AuditKind::Dispatched);
        counted.fetch_add(1, Ordering::Relaxed);
    }));
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it is healed", |h| h.ended() == 1).await;
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    assert_eq!(house.actions()[0].closed.as_ref().unwrap().1, "done");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn second_action_on_lease_key_is_forbidden() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    let (first, second) = (plan(&house, "web").await, plan(&house, "web").await);
    assert!(matches!(act(&house, &first).await, Acted::Ended(_)));
    // Held through verification: the first run has not ended.
    refused(&act(&house, &second).await, "web.service");
    // And nothing else on this host: one action at a time.
    let elsewhere = plan(&house, "db").await;
    let busy = act(&house, &elsewhere).await;
    assert!(matches!(&busy, Acted::Busy(why) if why.contains("at work on mini")), "{busy:?}");
    assert_eq!(house.audited(AuditKind::Refused), [], "what only waits is no refusal");
    ended(&house, first.run);
    assert!(matches!(act(&house, &elsewhere).await, Acted::Ended(_)));
    ended(&house, elsewhere.run);
    assert!(matches!(act(&house, &second).await, Acted::Ended(_)));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn open_breaker_refuses() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.host().on_restart(&unit("web"), OnRestart::Refuses);
    for _ in 0..2 {
        let plan = plan(&house, "web").await;
        assert!(matches!(act(&house, &plan).await, Acted::Ended(_)));
        ended(&house, plan.run);
    }
    let (web, db) = (plan(&house, "web").await, plan(&house, "db").await);
    refused(&act(&house, &web).await, "breaker");
    refused(&act(&house, &db).await, "breaker");
    assert_eq!(house.host().effects().len(), 2);
    // After half an hour one may try, and another not meanwhile.
    house.pass(Span::mins(31)).await;
    assert!(matches!(act(&house, &web).await, Acted::Ended(_)));
    house.end().await;
}

#[test]
fn limits_and_breaker_survive_a_restart() {
    let setup = Setup::new(Leash::Auto);
    let ((), at) = life(&setup, setup.estate.now(), async |house| {
        for _ in 0..3 {
            let plan = plan(house, "web").await;
            assert!(matches!(act(house, &plan).await, Acted::Ended(_)));
            ended(house, plan.run);
        }
        house.host().on_restart(&unit("db"), OnRestart::Refuses);
        for _ in 0..2 {
            let plan = plan(house, "db").await;
            assert!(matches!(act(house, &plan).await, Acted::Ended(_)));
            ended(house, plan.run);
        }
    });
    let ((), at) = life(&setup, at, async |house| {
        let db = plan(house, "db").await;
        refused(&act(house, &db).await, "breaker");
        house.order(Order::Resume).await.unwrap();
    });
    let ((), _) = life(&setup, at, async |house| {
        let web = plan(house, "web").await;
        refused(&act(house, &web).await, "limit");
        house.pass(Span::hours(1)).await;
        assert!(matches!(act(house, &web).await, Acted::Ended(_)));
    });
}

#[test]
fn a_pause_survives_a_restart_and_only_the_operator_lifts_it() {
    let setup = Setup::new(Leash::Auto);
    let ((), at) = life(&setup, setup.estate.now(), async |house| {
        house.order(Order::Pause { note: Some("moving house".into()) }).await.unwrap();
    });
    let ((), _) = life(&setup, at, async |house| {
        house.host().unit_fails(&unit("web"));
        house.pass(Span::mins(30)).await;
        assert_eq!(house.host().effects(), [], "{}", house.story());
        house.order(Order::Resume).await.unwrap();
        let plan = plan(house, "db").await;
        assert!(matches!(act(house, &plan).await, Acted::Ended(_)));
    });
}

/// Two hundred times a pause and an action at once: whichever the store saw first, nothing is
/// dispatched after the pause was acknowledged.
#[tokio::test(start_paused = true)]
async fn pause_wins() {
    let mut setup = Setup::new(Leash::Auto);
    setup
        .config
        .push_str("[limits]\nper_service_hour = 1000\nper_service_day = 1000\nper_hour = 1000\n");
    let house = setup.start().await;
    let (mut before, mut after) = (0, 0);
    for round in 0..200 {
        let (plan, late) = (plan(&house, "web").await, plan(&house, "db").await);
        let pausing = async {
            for _ in 0..round % 4 {
                tokio::task::yield_now().await;
            }
            house.order(Order::Pause { note: None }).await.unwrap();
            house.store.call_now(|db| db.head()).unwrap().unwrap().seq
        };
        let acting = async {
            for _ in 0..round % 3 {
                tokio::task::yield_now().await;
            }
            act(&house, &plan).await
        };
        let (acknowledged, acted) = match round % 2 {
            0 => tokio::join!(pausing, acting),
            _ => {
                let (acted, acknowledged) = tokio::join!(acting, pausing);
                (acknowledged, acted)
            }
        };
        match acted {
            Acted::Ended(_) => before += 1,
            Acted::Refused(why) => {
                assert!(why.contains("paused"), "{why}");
                after += 1;
            }
            Acted::Busy(why) | Acted::Asks(why) => panic!("nothing else is at work: {why}"),
            Acted::Open => panic!("it was never dispatched before"),
        }
        refused(&act(&house, &late).await, "paused");
        let dispatched = house.actions().into_iter().map(|row| row.id.0).max().unwrap_or(0);
        assert!(dispatched <= acknowledged, "{dispatched} after {acknowledged}");
        house.order(Order::Resume).await.unwrap();
        ended(&house, plan.run);
        ended(&house, late.run);
    }
    assert!(0 < before && 0 < after, "no race: {before} before, {after} after");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_good_once_even_from_eight_approvers() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    let pending = |h: &House| h.store.call_now(|db| db.pending_approvals()).unwrap();
    house.until("it asks", |h| pending(h).len() == 1).await;
    let id = pending(&house)[0].id;
    let approve = || house.order(Order::Approve { id, choice: None, typed: None });
    let answers = tokio::join!(
        approve(),
        approve(),
        approve(),
        approve(),
        approve(),
        approve(),
        approve(),
        approve()
    );
    let answers =
        [answers.0, answers.1, answers.2, answers.3, answers.4, answers.5, answers.6, answers.7];
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1, "{answers:?}");
    house.until("the run ended", |h| h.ended() == 1).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    assert!(approve().await.is_err(), "it was used");
    // It fails again within minutes: a new question, the old yes is no yes to it.
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it asks anew", |h| pending(h).len() == 1).await;
    house.pass(Span::mins(30)).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}
