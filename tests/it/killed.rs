//! The power goes at any moment of an acting run: no step twice, no effect without its record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::lab::{Reef, list, tree, write_log};
use crate::logs::Logs;

/// Kills in each test, each in a home of its own, side by side; the exact moment is chance.
const KILLS: u64 = 5;
const LOGS: usize = 120;

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
/// the leash. Until then nothing is tried again by itself.
fn settle(reef: &Reef) {
    for id in list(&reef.json(&["status"]), "unknown_actions") {
        let state = reef.incident().unwrap()["state"]["state"].clone();
        assert_eq!(state, "escalated", "D-{id} is the human's, and so is its incident");
        let newest = reef.records("dispatched").last().unwrap()["seq"].clone();
        assert_eq!(newest, id, "something was dispatched after what nobody knows");
        reef.reef(&["settle", &format!("D-{id}"), "ran", "--note", "the files are there"]).ok();
    }
    let mut waiting = reef.approvals();
    waiting.retain(|a| a["state"]["state"] == "pending");
    assert!(waiting.len() <= 1, "one incident asks twice: {waiting:#?}");
    for approval in waiting {
        // A question that became moot a moment ago is refused.
        reef.reef(&["approve", &format!("A-{}", approval["id"]), "--yes"]);
    }
}

fn log_names() -> BTreeSet<String> {
    (0..LOGS).map(|n| format!("app.log.{n}")).collect()
}

/// What holds however often the power went.
fn accounted_for(records: &[Json], logs: &Logs) {
    let mut per_step: BTreeMap<String, usize> = BTreeMap::new();
    for record in of_kind(records, "dispatched") {
        let payload = &record["payload"];
        *per_step.entry(format!("{} {}", payload["run"], payload["call"])).or_default() += 1;
    }
    assert!(per_step.values().all(|n| *n == 1), "a step twice: {per_step:#?}");
    // Each log is there once: as it was, or compressed. At the moment between, its new form may lie
    // beside it.
    let (mut plain, mut small) = (BTreeSet::new(), BTreeSet::new());
    for path in tree(&logs.folder()).into_keys() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match name.strip_suffix(".gz") {
            _ if name.contains(".reef-") => {}
            Some(name) => assert!(small.insert(name.to_owned())),
            None => assert!(plain.insert(name)),
        }
    }
    assert!(small.intersection(&plain).count() <= 1, "{small:?} {plain:?}");
    assert_eq!(small.union(&plain).cloned().collect::<BTreeSet<_>>(), log_names(), "a log is lost");
    logs.home.reef(&["audit", "verify"]).ok();
}

/// One life that is cut short `wait` after the fault, or after its first effect, and one that puts
/// everything right. Answers whether an action was in flight.
fn cut_short(wait: Duration, from: From) -> bool {
    let logs = Logs::new("auto").proven_within("2s");
    let mut reef = logs.start();
    for name in log_names() {
        write_log(&logs.folder().join(name), 60_000).unwrap();
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

/// Answers how many of the kills hit an action in flight.
fn cut_all_short(wait: impl Fn(u64) -> u64, from: From) -> usize {
    std::thread::scope(|scope| {
        let cuts: Vec<_> = (0..KILLS)
            .map(|n| {
                let wait = Duration::from_millis(wait(n));
                scope.spawn(move || cut_short(wait, from))
            })
            .collect();
        cuts.into_iter().filter_map(|cut| cut.join().unwrap().then_some(())).count()
    })
}

#[test]
fn killed_before_and_around_the_plan() {
    cut_all_short(|n| n * 250, From::Fault);
}

#[test]
fn killed_while_it_acts() {
    let hit = cut_all_short(|n| n * 7, From::Effect);
    assert_ne!(hit, 0, "no kill hit an action, so nothing was tested");
}

#[test]
fn killed_at_the_end_of_the_action_and_after() {
    cut_all_short(|n| 60 + n * 150, From::Effect);
}
