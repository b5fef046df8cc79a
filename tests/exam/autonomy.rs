//! Autonomy is earned and lost: repeated fixes, the shadow record, promotion and demotion; and what the audit log tells.

use reef::model::audit::{AuditKind, ChainHead};
use reef::model::digest::Digest;
use reef::model::ids::{ActionId, IncidentId, RunbookName, StepName, ToolName};
use reef::model::plan::{Leash, Origin, Step};
use reef::model::time::Span;
use reef::model::tool::{Bounds, Call, Effect, Repeat, Tier, Undo};
use reef::operator::order::Order;
use reef::operator::timeline::Timeline;
use reef::operator::view::{AuditProof, Record, RecordRow};
use reef::store::actions::Drill;

use crate::house::{House, Setup, unit};

async fn fails_and_heals(house: &House, name: &str) {
    let before = house.host().effects().len();
    house.host().unit_fails(&unit(name));
    house.until("it is healed", |h| h.host().effects().len() == before + 1).await;
    house.until("that is over", |h| h.unresolved().is_empty()).await;
}

fn book() -> RunbookName {
    RunbookName::new("service-failed").unwrap()
}

async fn record(house: &House) -> RecordRow {
    let json = house.order(Order::RunbookRecord { name: book(), host: None }).await.unwrap();
    let record: Record = serde_json::from_value(json).unwrap();
    assert_eq!(record.rows.len(), 1, "{record:?}");
    record.rows.into_iter().next().unwrap()
}

async fn promote(house: &House, unearned: bool) -> Result<serde_json::Value, String> {
    let order = Order::RunbookPromote { name: book(), host: None, unearned };
    house.order(order).await.map_err(|why| why.why)
}

#[tokio::test(start_paused = true)]
async fn patched_is_not_solved_and_the_third_fix_in_a_week_asks_from_then_on() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    for _ in 0..3 {
        fails_and_heals(&house, "web").await;
        house.pass(Span::hours(5)).await;
    }
    let heard = house.estate.phone.heard();
    let found: Vec<_> = heard.iter().filter(|m| m.key.starts_with("patched ")).collect();
    assert_eq!(found.len(), 1, "{heard:#?}");
    assert_eq!(found[0].title, "comes back: mini:unit:web.service");
    for words in ["3 times in 24 h", "memory limit increase", "asks on mini from now on"] {
        assert!(found[0].body.contains(words), "{}", found[0].body);
    }
    let report = house.order(Order::Report).await.unwrap();
    let report = report["markdown"].as_str().unwrap();
    assert!(report.contains("**Patched is not solved**"), "{report}");
    // Another unit has another record; this runbook asks on this host for all of them.
    house.host().unit_fails(&unit("db"));
    house
        .until("it asks", |h| h.store.call_now(|db| db.pending_approvals()).unwrap().len() == 1)
        .await;
    assert_eq!(house.host().effects().len(), 3, "{}", house.story());
    let row = record(&house).await;
    assert_eq!((row.leash, row.fixed), (Some(Leash::Ask), 3));
    assert!(row.lacks.iter().any(|lack| lack.contains("demoted")), "{row:?}");
    assert!(promote(&house, false).await.unwrap_err().contains("--unearned"));
    promote(&house, true).await.unwrap();
    assert_eq!(record(&house).await.leash, Some(Leash::Auto));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_reef_would_have_done_stands_beside_what_was_done_by_hand() {
    let setup = Setup::new(Leash::Observe);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    for (n, by_the_manager) in [false, false, true].into_iter().enumerate() {
        house.host().unit_fails(&unit("web"));
        house.until("it says what it would do", |h| h.ended() == n + 1).await;
        house.pass(Span::mins(10)).await;
        if by_the_manager {
            house.host().unit_crashes(&unit("web"));
        }
        house.host().unit_starts(&unit("web"));
        if by_the_manager {
            house.host().unit_crashes(&unit("web"));
        }
        house.until("it is over", |h| h.unresolved().is_empty()).await;
        house.pass(Span::hours(3)).await;
    }
    assert_eq!(house.host().effects(), [], "{}", house.story());
    let row = record(&house).await;
    assert_eq!((row.matched, row.differed, row.fixed), (2, 1, 0), "{row:?}");
    assert!(row.lacks.iter().any(|lack| lack.contains("no verified fix of its own")), "{row:?}");
    let report = house.order(Order::Report).await.unwrap();
    let report = report["markdown"].as_str().unwrap();
    assert!(report.contains("What you did, beside what reef would have"), "{report}");
    assert!(report.contains("you did the same"), "{report}");
    assert!(report.contains("2 of 3 alike"), "{report}");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn under_ask_a_fix_by_hand_counts_and_one_of_reefs_own_is_none() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    let pending = |h: &House| h.store.call_now(|db| db.pending_approvals()).unwrap();
    house.until("it asks", |h| pending(h).len() == 1).await;
    house.host().unit_starts(&unit("web"));
    house.until("it is over", |h| h.unresolved().is_empty()).await;
    house.pass(Span::hours(1)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it asks again", |h| pending(h).len() == 1).await;
    let yes = Order::Approve { id: pending(&house)[0].id, choice: None, typed: None };
    house.order(yes).await.unwrap();
    house.until("reef heals it", |h| h.unresolved().is_empty()).await;
    house.pass(Span::mins(5)).await;
    let row = record(&house).await;
    assert_eq!((row.matched, row.differed, row.fixed), (1, 0, 1), "{row:?}\n{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_demotion_by_hand_is_in_force_at_once() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    let demote = |leash| Order::RunbookDemote {
        name: book(),
        host: None,
        leash,
        note: "the switch is being replaced".into(),
    };
    assert!(house.order(demote(Leash::Auto)).await.is_err());
    house.order(demote(Leash::Observe)).await.unwrap();
    house.host().unit_fails(&unit("web"));
    house.until("it only records", |h| h.ended() == 1).await;
    assert!(house.endings()[0].starts_with("observed"), "{}", house.story());
    let unknown = Order::RunbookRecord { name: RunbookName::new("nothing").unwrap(), host: None };
    assert!(house.order(unknown).await.is_err());
    house.end().await;
}

async fn timeline(house: &House, incident: i64) -> Timeline {
    let order = Order::AuditTimeline { incident: IncidentId(incident) };
    serde_json::from_value(house.order(order).await.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_audit_log_tells_the_story_of_an_incident() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    let pending = |h: &House| h.store.call_now(|db| db.pending_approvals()).unwrap();
    house.until("it asks", |h| pending(h).len() == 1).await;
    house.pass(Span::mins(2)).await;
    let yes = Order::Approve { id: pending(&house)[0].id, choice: None, typed: None };
    house.order(yes).await.unwrap();
    house.until("it is healed", |h| h.unresolved().is_empty() && h.ended() == 1).await;
    let story = timeline(&house, 1).await;
    assert_eq!(story.acts.len(), 1, "{story:#?}");
    let act = &story.acts[0];
    assert_eq!(act.agent, "runbook service-failed");
    assert_eq!((act.action.as_str(), act.errors.as_deref()), ("unit.restart", None));
    assert_eq!(act.service, "mini:unit:web.service");
    // Why there was a run, what it was to do, and what came of it.
    let mut rest = act.reason.as_str();
    for part in ["red unit mini:unit:web.service", ": restart ", "; restarted "] {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("{part}: {act:#?}"));
        rest = after;
    }
    // Looked at once for the question and once more on the yes: told once.
    assert_eq!(act.tools_called, ["unit.status", "unit.logs", "unit.restart"]);
    assert!(act.duration.is_some());
    let more = |label: &str| {
        let found = act.more.iter().find(|(known, _)| known == label);
        found.map(|(_, value)| value.clone()).unwrap_or_else(|| panic!("no {label}: {act:#?}"))
    };
    assert_eq!(more("Trigger"), "incident I-1");
    assert_eq!(more("Host"), "mini");
    assert_eq!(more("Command"), "systemctl restart web.service (exit code 0)");
    assert_eq!(more("Command output hash").len(), 64);
    let approval = more("Approval");
    assert!(approval.starts_with("A-1, approved: yes, by operator uid 1000, 2026-"), "{approval}");
    let book = more("Runbook");
    assert_eq!(book.strip_prefix("service-failed, hash ").map(str::len), Some(64), "{book}");
    assert_eq!(more("Plan").len(), 64);
    assert_eq!(more("Result hash").len(), 64);
    assert_eq!(more("Verified"), "yes: the probe that fired is green");
    let proof = more("Proof");
    assert!(proof.starts_with("green unit mini:unit:web.service"), "{proof}");
    assert_eq!(more("Cost"), "None, no model was asked");
    assert!(more("Undo").starts_with("none:"));
    let words: Vec<&str> = story.story.iter().map(|moment| moment.word.as_str()).collect();
    let mut rest = words.iter();
    for word in ["red", "asked", "answered", "did", "ended"] {
        assert!(rest.any(|known| *known == word), "{word} is not in its place: {words:?}");
    }
    // Green for as long as the runbook wants it takes longer than two green looks.
    let rest: Vec<&str> = rest.copied().collect();
    assert!(rest.contains(&"proven") && rest.contains(&"resolved"), "{words:?}");
    assert!(story.resolved_at.is_some());
    let none = house.order(Order::AuditTimeline { incident: IncidentId(9) }).await;
    assert!(none.unwrap_err().why.contains("no incident I-9"));
    house.end().await;
}

/// The dispatched record alone says all that was known before the effect.
#[tokio::test(start_paused = true)]
async fn the_record_before_an_effect_says_who_what_where_and_why() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    fails_and_heals(&house, "web").await;
    let record = house.audited(AuditKind::Dispatched).remove(0);
    let payload = record.payload.unwrap();
    assert_eq!(record.actor, "runbook service-failed");
    assert_eq!(payload.trigger.as_deref(), Some("incident I-1"));
    assert_eq!(payload.host.as_deref(), Some("mini"));
    assert_eq!(
        payload.call.as_deref(),
        Some("unit.restart mini:unit:web.service unit=mini:unit:web.service")
    );
    assert!(payload.digest.is_some() && payload.runbook_digest.is_some());
    assert!(payload.undo.unwrap().starts_with("none:"));
    assert!(!payload.reason.is_empty() && payload.approval.is_none());
    let closed = house.audited(AuditKind::Closed).remove(0).payload.unwrap();
    assert_eq!(closed.commands.len(), 1);
    assert_eq!(closed.commands[0].argv, ["systemctl", "restart", "web.service"]);
    assert_eq!(closed.commands[0].code, Some(0));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn each_delivered_report_takes_the_chains_head_off_the_box() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    fails_and_heals(&house, "web").await;
    house.pass(Span::hours(20)).await;
    let report = house.estate.phone.all().into_iter().find(|m| m.key.starts_with("report "));
    let body = report.unwrap_or_else(|| panic!("{}", house.story())).body;
    let line = body.lines().find_map(|line| line.strip_prefix("audit head ")).unwrap();
    let (hash, seq) = line.split_once('@').unwrap();
    let head =
        ChainHead { seq: seq.parse().unwrap(), hash: Digest::try_from(hash.to_owned()).unwrap() };
    let verify = async |heads| -> AuditProof {
        let proof = house.order(Order::AuditVerify { heads }).await.unwrap();
        serde_json::from_value(proof).unwrap()
    };
    assert_eq!(verify(vec![head]).await.broken, None);
    let forged = ChainHead { hash: Digest::of(b"another log"), ..head };
    assert!(verify(vec![forged]).await.broken.is_some());
    let longer = ChainHead { seq: head.seq + 1_000, ..head };
    assert!(verify(vec![longer]).await.broken.is_some(), "a log that was cut off");
    house.end().await;
}

/// An action that can be undone, dispatched and closed so long ago.
fn done(house: &House, ago: Span) -> ActionId {
    use reef::model::audit::{AuditEntry, AuditPayload};
    let at = house.estate.now() - ago;
    let call = |tool: &'static str| Call {
        tool: ToolName::of(tool),
        target: "mini:/var/log".parse().unwrap(),
        args: reef::model::value::Values::new(),
        bounds: Bounds::default(),
    };
    let step = Step {
        name: StepName::new("compress").unwrap(),
        call: call("files.compress"),
        tier: Tier::High,
        effect: Effect {
            words: String::new(),
            max_items: 1,
            max_bytes: 1,
            takes: None,
            artifact: None,
        },
        undo: Undo::By(call("files.restore")),
        repeat: Repeat::Never,
        lease: vec![],
        replicas: None,
        holds: None,
    };
    let entry = |kind, payload| AuditEntry { at, actor: "a test".into(), kind, payload };
    house
        .store
        .call_now(|db| {
            db.atomically(|db| {
                let run = db.new_run(&Origin::Operator { uid: 1 }, None, None, at)?;
                let payload = AuditPayload { run: Some(run), ..AuditPayload::default() };
                let id =
                    db.dispatched(&entry(AuditKind::Dispatched, payload), run, &step, Drill::No)?;
                let payload = AuditPayload {
                    action: Some(id),
                    outcome: Some("done".into()),
                    ..AuditPayload::default()
                };
                db.append(&entry(AuditKind::Closed, payload))?;
                Ok(id)
            })
        })
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_undo_is_offered_until_a_stated_time_and_not_after_it() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    let (late, good) = (done(&house, Span::days(8)), done(&house, Span::days(6)));
    let why = house.order(Order::Undo { action: late }).await.unwrap_err().why;
    assert!(why.contains("could be undone until 2026-03-01T12:00:0"), "{why}");
    // In time it is looked at; what it needs is not there in this test.
    let why = house.order(Order::Undo { action: good }).await.unwrap_err().why;
    assert!(why.contains("the undo cannot be done"), "{why}");
    assert_eq!(house.host().effects(), []);
    house.end().await;
}
