//! The power goes at any moment of an acting run: no step twice, no effect without its record.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use crate::lab::{Reef, list, tree, write_log};
use crate::logs::Logs;

const LIMITS: &str = "[limits]\nper_service_hour = 1000\nper_hour = 1000\n[breaker]\nfailures = 1000\ngive_up = 1000\n";
const ROUNDS: u64 = 15;

fn dispatched(records: &[Json]) -> Vec<&Json> {
    records.iter().filter(|r| r["kind"] == "dispatched").collect()
}

/// The log as it lies there without a daemon, oldest first.
fn left(logs: &Logs) -> Vec<Json> {
    let said = logs.home.reef(&["audit", "list", "-n", "1000", "--json"]).ok();
    let mut records = list(&said.json(), "records");
    records.reverse();
    records
}

/// Says what became of what nobody knows, and yes to what is asked: a failed verification has shortened
/// the leash.
fn settle(reef: &Reef) {
    for id in list(&reef.json(&["status"]), "unknown_actions") {
        // The probe may have settled it meanwhile.
        reef.reef(&["settle", &format!("D-{id}"), "ran", "--note", "the files are there"]);
    }
    let waiting: Vec<Json> =
        reef.approvals().into_iter().filter(|a| a["state"]["state"] == "pending").collect();
    let mut runs: Vec<String> = waiting.iter().map(|a| a["run"].to_string()).collect();
    runs.dedup();
    assert_eq!(runs.len(), waiting.len(), "a run asks twice: {waiting:#?}");
    for approval in waiting {
        // A question that became moot a moment ago is refused.
        reef.reef(&["approve", &format!("A-{}", approval["id"]), "--yes"]);
    }
}

#[test]
fn no_step_is_dispatched_twice_and_every_effect_has_its_record() {
    let logs = Logs::new("auto").with(LIMITS);
    let mut cut_short = 0;
    for round in 0..ROUNDS {
        for n in 0..60 {
            write_log(&logs.folder().join(format!("r{round}.log.{n}")), 40_000).unwrap();
        }
        let (before, known) =
            (tree(&logs.folder()), if round == 0 { 0 } else { left(&logs).len() });
        let mut reef = logs.start();
        // What the last life left unknown is settled by the probe or by hand, and only then acted on again.
        settle(&reef);
        // From before the first dispatch to well into the run.
        std::thread::sleep(Duration::from_millis(round * 53 % 700));
        reef.kill();

        let records = left(&logs);
        let new = dispatched(&records[known..]).len();
        if tree(&logs.folder()) != before {
            assert_ne!(dispatched(&records).len(), 0, "round {round}: an effect without a record");
        }
        let open =
            records.iter().filter(|r| r["kind"] == "closed").count() < dispatched(&records).len();
        cut_short += usize::from(open && 0 < new);
        logs.home.reef(&["audit", "verify"]).ok();
    }
    let reef = logs.start();
    reef.until("everything is settled", |reef| {
        settle(reef);
        let over = reef.incidents().iter().all(|i| i["state"]["state"] == "resolved");
        (over && logs.counted().1 == 0).then_some(())
    });
    let records = reef.audit();
    let mut per_step: BTreeMap<String, usize> = BTreeMap::new();
    for record in dispatched(&records) {
        let payload = &record["payload"];
        *per_step.entry(format!("{} {}", payload["run"], payload["call"])).or_default() += 1;
    }
    assert!(per_step.values().all(|n| *n == 1), "{per_step:#?}");
    // Each of them came to an end that somebody knows.
    for record in dispatched(&records) {
        let ends = records.iter().filter(|r| {
            r["payload"]["action"] == record["seq"]
                && (r["kind"] == "settled" || r["kind"] == "closed")
        });
        assert!(0 < ends.count(), "{record:#}");
    }
    let twice =
        tree(&logs.folder()).into_keys().find(|path| path.to_string_lossy().ends_with(".gz.gz"));
    assert_eq!(twice, None);
    assert!(0 < cut_short, "no kill hit an action, so nothing was tested");
    reef.reef(&["audit", "verify"]).ok();
}
