//! The power goes at any moment of an acting run: no step twice, no effect without its record.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::lab::{Reef, list, tree, write_log};
use crate::logs::Logs;

/// Kills in each test; the exact moment is chance.
const KILLS: u64 = 5;

/// The log as it lies there without a daemon, oldest first.
fn left(logs: &Logs) -> Vec<Json> {
    let said = logs.home.reef(&["audit", "list", "-n", "1000", "--json"]).ok();
    let mut records = list(&said.json(), "records");
    records.reverse();
    records
}

fn of_kind<'a>(records: &'a [Json], kind: &str) -> Vec<&'a Json> {
    records.iter().filter(|r| r["kind"] == kind).collect()
}

/// Says what became of what nobody knows, and yes to what is asked: a failed verification has shortened
/// the leash.
fn settle(reef: &Reef) {
    for id in list(&reef.json(&["status"]), "unknown_actions") {
        // The probe may have settled it meanwhile.
        reef.reef(&["settle", &format!("D-{id}"), "ran", "--note", "the files are there"]);
    }
    let mut waiting = reef.approvals();
    waiting.retain(|a| a["state"]["state"] == "pending");
    assert!(waiting.len() <= 1, "one incident asks twice: {waiting:#?}");
    for approval in waiting {
        // A question that became moot a moment ago is refused.
        reef.reef(&["approve", &format!("A-{}", approval["id"]), "--yes"]);
    }
}

/// What holds however often the power went.
fn accounted_for(records: &[Json], logs: &Logs) {
    let mut per_step: BTreeMap<String, usize> = BTreeMap::new();
    for record in of_kind(records, "dispatched") {
        let payload = &record["payload"];
        *per_step.entry(format!("{} {}", payload["run"], payload["call"])).or_default() += 1;
    }
    assert!(per_step.values().all(|n| *n == 1), "a step twice: {per_step:#?}");
    let twice = tree(&logs.folder()).into_keys().find(|p| p.to_string_lossy().ends_with(".gz.gz"));
    assert_eq!(twice, None);
    logs.home.reef(&["audit", "verify"]).ok();
}

/// One life that is cut short `wait` after the fault, or after its first effect, and one that puts
/// everything right. Answers whether an action was in flight.
fn cut_short(wait: Duration, from: From) -> bool {
    let logs = Logs::new("auto");
    let mut reef = logs.start();
    for n in 0..120 {
        write_log(&logs.folder().join(format!("app.log.{n}")), 60_000).unwrap();
    }
    let before = tree(&logs.folder());
    if from == From::Effect {
        // Its effect is what can be seen without slowing it down by questions.
        let end = Instant::now() + crate::lab::PATIENCE;
        while logs.counted().0 == 0 {
            assert!(Instant::now() < end, "nothing is compressed: {}", reef.log());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    std::thread::sleep(wait);
    reef.kill();
    let records = left(&logs);
    let (dispatched, closed) =
        (of_kind(&records, "dispatched").len(), of_kind(&records, "closed").len());
    if tree(&logs.folder()) != before {
        assert_ne!(dispatched, 0, "an effect without a record");
    }
    accounted_for(&records, &logs);

    let reef = logs.home.start();
    let records = reef.until("everything is over and known", |reef| {
        settle(reef);
        let over = reef.incidents().iter().all(|i| i["state"]["state"] == "resolved");
        let records = reef.audit();
        let known = of_kind(&records, "dispatched").iter().all(|d| {
            let ends = |r: &&Json| r["kind"] == "closed" || r["kind"] == "settled";
            records.iter().filter(ends).any(|r| r["payload"]["action"] == d["seq"])
        });
        (over && known).then_some(records)
    });
    accounted_for(&records, &logs);
    closed < dispatched
}

#[derive(Clone, Copy, PartialEq)]
enum From {
    Fault,
    Effect,
}

#[test]
#[ignore = "not yet passing: what reef does after a kill is right, what this expects of its end is not settled"]
fn killed_before_and_around_the_plan() {
    for step in 0..KILLS {
        cut_short(Duration::from_millis(step * 250), From::Fault);
    }
}

#[test]
#[ignore = "not yet passing: what reef does after a kill is right, what this expects of its end is not settled"]
fn killed_while_it_acts() {
    let hit: Vec<bool> =
        (0..KILLS).map(|n| cut_short(Duration::from_millis(n * 7), From::Effect)).collect();
    assert!(hit.contains(&true), "no kill hit an action, so nothing was tested");
}

#[test]
#[ignore = "not yet passing: what reef does after a kill is right, what this expects of its end is not settled"]
fn killed_at_the_end_of_the_action_and_after() {
    for step in 0..KILLS {
        cut_short(Duration::from_millis(60 + step * 150), From::Effect);
    }
}
