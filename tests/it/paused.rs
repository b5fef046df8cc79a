//! `reef pause` wins, also over a restart.

use crate::lab::tree;
use crate::logs::Logs;

#[test]
fn nothing_is_dispatched_while_paused_and_resume_acts() {
    let logs = Logs::new("auto");
    let mut reef = logs.start();
    reef.reef(&["pause", "--note", "moving house"]).ok();
    logs.overflow("app");
    let before = tree(&logs.folder());
    let red = |severity: &'static str| {
        move |reef: &crate::lab::Reef| reef.incident().filter(|i| i["severity"] == severity)
    };
    reef.until("a red incident", red("red"));
    reef.looks_pass(3);
    assert_eq!(tree(&logs.folder()), before);
    let status = reef.reef(&["status"]).ok().out;
    assert!(status.contains("paused") && status.contains("moving house"), "{status}");

    reef.kill();
    let reef = logs.home.start();
    reef.looks_pass(3);
    assert_eq!(tree(&logs.folder()), before, "a restart lifted the pause");
    assert!(reef.records("dispatched").is_empty());
    let status = reef.reef(&["status"]).ok().out;
    assert!(status.contains("moving house"), "{status}");

    reef.reef(&["resume"]).ok();
    reef.until_incident("resolved");
    assert_eq!(logs.counted(), (6, 0));
    let notes: Vec<String> = reef
        .records("noted")
        .iter()
        .map(|r| r["payload"]["outcome"].as_str().unwrap_or_default().to_owned())
        .collect();
    for note in ["paused", "resumed"] {
        assert_eq!(notes.iter().filter(|n| *n == note).count(), 1, "{notes:?}");
    }
    reef.reef(&["audit", "verify"]).ok();
}
