//! A leash of ask: the plan waits, and only a yes to exactly that plan acts.

use crate::lab::{Reef, tree};
use crate::logs::Logs;

/// Waits for the question.
#[track_caller]
fn question(reef: &Reef) -> String {
    reef.until("a question", |reef| {
        let waiting = reef.approvals().into_iter().find(|a| a["state"]["state"] == "pending")?;
        Some(format!("A-{}", waiting["id"]))
    })
}

#[test]
fn a_plan_waits_for_its_yes_and_a_yes_counts_once() {
    let logs = Logs::new("ask");
    let reef = logs.start();
    logs.overflow("app");
    let before = tree(&logs.folder());
    let id = question(&reef);
    assert_eq!(id, "A-1");
    let shown = reef.reef(&["approvals"]).ok().out;
    for part in ["A-1", "compress", "6 files", "undo", "files.decompress"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let status = reef.reef(&["status"]).ok().out;
    assert!(status.starts_with("NEEDS YOU") && status.contains("reef approve A-1"), "{status}");
    // Nobody is there to be asked again, so a bare approve is refused and changes nothing.
    let refused = reef.reef(&["approve", "A-1"]).failed(2);
    assert!(refused.err.contains("--yes"), "{refused:?}");
    reef.looks_pass(2);
    assert_eq!(tree(&logs.folder()), before);
    assert!(reef.records("dispatched").is_empty());

    let said = reef.reef(&["approve", "A-1", "--yes"]).ok();
    assert!(said.out.contains("approved"), "{said:?}");
    reef.until_incident("resolved");
    assert_eq!(logs.counted(), (6, 0));
    let kinds: Vec<String> =
        reef.audit().iter().map(|r| r["kind"].as_str().unwrap().to_owned()).collect();
    let at = |kind: &str| {
        kinds.iter().position(|k| k == kind).unwrap_or_else(|| panic!("no {kind} in {kinds:?}"))
    };
    assert!(
        at("asked") < at("answered")
            && at("answered") < at("dispatched")
            && at("dispatched") < at("closed")
    );
    let answered = &reef.records("answered")[0];
    assert!(answered["actor"].as_str().unwrap().starts_with("operator uid "), "{answered:#}");

    for again in [&["approve", "A-1", "--yes"][..], &["deny", "A-1"]] {
        let said = reef.reef(again).failed(1);
        assert!(said.err.contains("A-1"), "{said:?}");
    }
    assert_eq!(reef.records("answered").len(), 1);
    let none = reef.reef(&["approve", "A-99", "--yes"]).failed(1);
    assert!(none.err.contains("no question A-99"), "{none:?}");
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn a_no_is_a_no() {
    let logs = Logs::new("ask");
    let reef = logs.start();
    logs.overflow("app");
    let before = tree(&logs.folder());
    let id = question(&reef);
    reef.reef(&["deny", &id]).ok();
    reef.until("the denied run ends", |reef| {
        (reef.approvals()[0]["state"]["state"] == "denied").then_some(())
    });
    let late = reef.reef(&["approve", &id, "--yes"]).failed(1);
    assert!(late.err.contains("denied"), "{late:?}");
    reef.looks_pass(3);
    assert_eq!(tree(&logs.folder()), before);
    assert!(reef.records("dispatched").is_empty());
    // It is the human's now, and not asked again for the same thing.
    assert_eq!(reef.until_incident("escalated")["severity"], "red");
    assert_eq!(reef.approvals().len(), 1, "{:#?}", reef.approvals());
}

#[test]
fn silence_means_no() {
    let logs = Logs::new("ask");
    let mut reef = logs.start();
    logs.overflow("app");
    let before = tree(&logs.folder());
    let id = question(&reef);
    reef.stop();
    // Twelve hours later.
    let db = rusqlite::Connection::open(logs.home.state().join("reef.db")).unwrap();
    let moved = db.execute("UPDATE approval SET expires_at = asked_at + 1, json = json_set(json, '$.expires_at', asked_at + 1)", ()).unwrap();
    assert_eq!(moved, 1);
    drop(db);
    let reef = logs.home.start();
    let late = reef.reef(&["approve", &id, "--yes"]).failed(1);
    assert!(late.err.contains("expired"), "{late:?}");
    reef.until("its end", |reef| {
        (reef.approvals().iter().any(|a| a["state"]["state"] == "expired")).then_some(())
    });
    let decided = reef.until("its record", |reef| {
        reef.records("decided").into_iter().find(|r| r.to_string().contains("expired"))
    });
    assert_eq!(decided["payload"]["approval"], 1, "{decided:#}");
    assert_eq!(tree(&logs.folder()), before);
    assert!(reef.records("dispatched").is_empty());
}

#[test]
fn a_question_outlives_the_daemon() {
    let logs = Logs::new("ask");
    let mut reef = logs.start();
    logs.overflow("app");
    let id = question(&reef);
    reef.kill();
    let reef = logs.home.start();
    let waiting = reef.approvals();
    assert_eq!(waiting.len(), 1, "{waiting:#?}");
    reef.reef(&["approve", &id, "--yes"]).ok();
    reef.until_incident("resolved");
    assert_eq!(logs.counted(), (6, 0));
    assert_eq!(reef.records("asked").len(), 1);
}

#[test]
fn an_approval_is_void_when_the_world_outgrew_its_plan() {
    let logs = Logs::new("ask");
    let reef = logs.start();
    logs.overflow("app");
    let id = question(&reef);
    // The human saw six files; now there are twelve.
    logs.overflow("more");
    let before = tree(&logs.folder());
    reef.reef(&["approve", &id, "--yes"]).ok();
    reef.until("the plan is void", |reef| {
        let all = reef.approvals();
        all.iter()
            .any(|a| {
                a["id"] == 1
                    && a["state"]["state"] != "pending"
                    && a["state"]["state"] != "approved"
            })
            .then_some(())
    });
    assert!(reef.records("dispatched").is_empty(), "{:#?}", reef.records("dispatched"));
    assert_eq!(tree(&logs.folder()), before);
}
