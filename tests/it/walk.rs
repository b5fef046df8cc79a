//! What an operator types on the first day, on a machine as it is.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::lab::{ALONE, Home};

#[test]
fn the_first_config_is_written_once_and_is_one() {
    let home = Home::new(ALONE);
    let ssh = home.path().join("ssh_config");
    std::fs::write(&ssh, "Host github.com\nHost *.example\n").unwrap();
    let init = ["init", "--yes", "--ssh-config", ssh.to_str().unwrap()];
    let said = home.reef(&init).failed(2);
    assert!(said.err.contains("never overwrites") && said.err.contains("config.toml"), "{said:#?}");
    assert_eq!(std::fs::read_to_string(home.config()).unwrap(), ALONE);
    std::fs::remove_file(home.config()).unwrap();
    // Without a terminal it asks nobody, and says what to do.
    let said = home.reef(&["init"]).failed(2);
    assert!(said.err.contains("--yes") && !home.config().exists(), "{said:#?}");
    let said = home.reef(&["init", "--yes", "--ssh-config", "/nonexistent"]).failed(2);
    assert!(said.err.contains("/nonexistent") && !home.config().exists(), "{said:#?}");
    let folder = home.reef(&["init", "--yes", "--ssh-config", "/etc"]).failed(2);
    assert!(folder.err.contains("is a folder") && !home.config().exists(), "{folder:#?}");
    let said = home.reef(&init).ok();
    assert!(said.out.contains("this machine") && said.out.contains("config check"), "{said:#?}");
    let said = home.reef(&["config", "check"]).ok();
    assert!(said.out.starts_with("ok: "), "{said:#?}");
    let text = std::fs::read_to_string(home.config()).unwrap();
    assert!(text.contains("left out: github.com (a place for code)"), "{text}");
    assert!(home.state().join("inventory.md").is_file());
    home.reef(&init).failed(2);
    assert_eq!(std::fs::read_to_string(home.config()).unwrap(), text);
}

#[test]
fn a_runbook_is_tested_without_a_reason_and_without_a_host_name() {
    let home = Home::new(ALONE);
    let reef = home.start();
    let said = reef.reef(&["runbook", "test", "disk", "red", "/var"]).ok();
    assert!(said.out.contains("disk-full would answer"), "{said:#?}");
    assert!(said.out.contains("for the reason bytes"), "{said:#?}");
    // Every step of the shipped one can be previewed, also where inodes are short and /var/tmp is named.
    let said = reef.reef(&["runbook", "test", "disk", "red", "/var", "--reason", "inodes"]).ok();
    assert!(said.out.contains("disk-full would answer"), "{said:#?}");
    // The unit is known from the target, whether or not this machine runs systemd.
    let said = reef.reef(&["runbook", "test", "unit", "red", "this:unit:nginx.service"]);
    assert!(!said.all().contains("gives no unit") && said.all().contains("nginx"), "{said:#?}");
    let said = reef.reef(&["runbook", "run", "disk-full", "--on", "/var", "--dry-run"]).ok();
    assert!(said.out.contains("nothing was changed"), "{said:#?}");
    // A question that is not there is told before the lack of a terminal is.
    let said = reef.reef(&["approve", "A-9"]).failed(1);
    assert!(said.err.contains("there is no question A-9"), "{said:#?}");
}

#[test]
fn a_taken_port_costs_the_page_and_not_the_watch() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let home = Home::new(&ALONE.replace("\"off\"\n", &format!("\"{at}\"\n")));
    let mut reef = home.start();
    let status = reef.json(&["status"]);
    assert_eq!(status["page"], serde_json::Value::Null, "{status:#}");
    let said = reef.reef(&["status"]).ok();
    assert!(said.out.contains("NEEDS YOU") && said.out.contains(&at.to_string()), "{said:#?}");
    // Ctrl-C ends it with a sentence.
    reef.signal(Signal::INT);
    assert!(reef.ended().success());
    let log = reef.log();
    assert!(log.contains("changes nothing") && log.contains("reef has stopped"), "{log}");
}

#[test]
fn a_look_without_a_daemon_is_no_missed_look() {
    let home = Home::new("[web]\nlisten = \"off\"\n[probe]\nexec.slow = [\"/bin/sleep\", \"1\"]\n");
    let said = home.reef(&["check", "--json"]);
    let signals = crate::lab::list(&said.json(), "signals");
    let own: Vec<_> = signals
        .iter()
        .filter(|s| s["reading"]["signal"]["aspect"] == "missed-looks")
        .map(|s| s["reading"]["severity"].clone())
        .collect();
    assert_eq!(own, ["green"], "{said:#?}");
    // A pipe gets whole lines: a plugin's first line is what its caller shows.
    let said = home.reef(&["check", "-v"]);
    let lines = said.out.lines().filter(|line| line.starts_with(' ')).count();
    assert_eq!(lines, 0, "{said:#?}");
}

#[test]
fn places_that_cannot_be_are_told_in_the_same_words_by_all() {
    let home = Home::new(ALONE);
    std::fs::write(home.path().join("file"), "").unwrap();
    let (file, long) = (home.path().join("file"), home.path().join("x".repeat(120)));
    for (state, want) in [(&file, "is a file; name a folder"), (&long, "longer than 103 bytes")] {
        let home = Home::new(ALONE).with_state(state.clone());
        for args in [&["status"][..], &["run"], &["approvals"]] {
            let said = home.reef(args);
            assert!(said.code != 0 && said.err.contains(want), "{args:?}: {said:#?}");
        }
    }
}
