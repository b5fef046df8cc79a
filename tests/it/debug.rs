//! The real binary and a switch of the operator's: on for a stated time, and off again by itself, though reef was killed at the
//! worst moment and down when the time was over.

use crate::lab::{ALONE, Home, Reef, command};

const BOOK: &str = r#"+++
title    = "Look closer at the bridge"
match    = { probe = "host", reason = ["never"] }
leash    = "auto"
max_tier = "medium"
tools    = ["debug.enable", "host.run"]
+++
# Look closer at the bridge

```step
name = "closer"
tool = "debug.enable"
args = { debug = "bridge", for = "10m" }
```

```verify
query = { tool = "host.run", args = { argv = ["uname"] }, value = "code", is = 0 }
```
"#;

/// A home with a switch whose state lies in a file; `on` is what follows it.
fn home(on: &str) -> Home {
    let home = Home::new("");
    let at = |name: &str| home.path().join(name);
    std::fs::create_dir(at("books")).unwrap();
    std::fs::write(at("books/closer.md"), BOOK).unwrap();
    std::fs::write(at("switch"), "off\n").unwrap();
    let state = at("switch").display().to_string();
    for (name, text) in [
        ("on", format!("echo on >{state}\n{on}")),
        ("off", format!("echo off >{state}\necho off >>{state}.ran")),
        ("how", format!("cat {state}")),
    ] {
        let path = at(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        assert!(command("chmod").args(["755", path.to_str().unwrap()]).status().unwrap().success());
    }
    home.configure(&format!(
        "host_name = \"mini\"\nceiling = \"auto\"\nrunbook_dir = {:?}\n{ALONE}\n[debug.bridge]\non = [{:?}]\noff = [{:?}]\n\
         state = [{:?}]\n",
        at("books"),
        at("on"),
        at("off"),
        at("how"),
    ));
    home
}

fn state(home: &Home) -> String {
    std::fs::read_to_string(home.path().join("switch")).unwrap().trim().to_owned()
}

/// The time of the promise is over.
fn time_passes(home: &Home) {
    let db = rusqlite::Connection::open(home.state().join("reef.db")).unwrap();
    let moved = db.execute("UPDATE timer SET due_at = 1 WHERE kind = 'revert'", ()).unwrap();
    assert_eq!(moved, 1, "the promise is there");
}

fn dispatched(reef: &Reef, tool: &str) -> usize {
    reef.records("dispatched").iter().filter(|r| r["payload"]["tool"] == tool).count()
}

#[test]
fn it_is_off_again_though_reef_was_killed_and_down_when_its_time_was_over() {
    let home = home("");
    let mut reef = home.start();
    let said = reef.reef(&["runbook", "run", "closer", "--on", "mini", "--yes"]);
    assert!(said.all().contains("off again by itself"), "{said:#?}");
    reef.until("it is on", |reef| (!reef.records("closed").is_empty()).then_some(()));
    assert_eq!(
        reef.records("closed")[0]["payload"]["outcome"],
        "done",
        "{:#?}",
        reef.records("closed")
    );
    assert_eq!(state(&home), "on");
    reef.kill();
    time_passes(&home);
    let mut reef = home.start();
    reef.until("it is off", |_| (state(&home) == "off").then_some(()));
    reef.until("that is recorded", |reef| (reef.records("closed").len() == 2).then_some(()));
    let off = reef.records("dispatched").pop().unwrap();
    assert_eq!(off["payload"]["tool"], "debug.disable");
    assert!(off.to_string().contains("is over"), "{off:#}");
    assert_eq!(reef.records("closed")[1]["payload"]["outcome"], "done");

    // Kept once: there is nothing left to do, and the action counts as undone.
    reef.stop();
    let db = rusqlite::Connection::open(home.state().join("reef.db")).unwrap();
    db.execute("UPDATE timer SET due_at = 1 WHERE kind = 'revert'", ()).unwrap();
    drop(db);
    let reef = home.start();
    reef.looks_pass(2);
    assert_eq!(dispatched(&reef, "debug.disable"), 1);
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn killed_while_it_switches_on_it_is_unknown_and_switched_off_all_the_same() {
    let home = home("sleep 3");
    let mut reef = home.start();
    let mut asking = reef.command();
    let mut asking =
        asking.args(["runbook", "run", "closer", "--on", "mini", "--yes"]).spawn().unwrap();
    reef.until("it is on", |_| (state(&home) == "on").then_some(()));
    reef.kill();
    drop(asking.wait());
    time_passes(&home);
    let reef = home.start();
    reef.until("it is off", |_| (state(&home) == "off").then_some(()));
    assert_eq!(dispatched(&reef, "debug.enable"), 1, "never run again by itself");
    assert!(home.path().join("switch.ran").exists());
}

#[test]
fn what_is_undone_early_is_not_switched_off_twice() {
    let home = home("");
    let mut reef = home.start();
    reef.reef(&["runbook", "run", "closer", "--on", "mini", "--yes"]);
    reef.until("it is on", |reef| (!reef.records("closed").is_empty()).then_some(()));
    let on = reef.records("dispatched").pop().unwrap();
    reef.reef(&["undo", &format!("D-{}", on["seq"]), "--yes"]).ok();
    reef.until("it is off", |reef| (reef.records("closed").len() == 2).then_some(()));
    assert_eq!(state(&home), "off");
    reef.stop();
    time_passes(&home);
    // By now somebody else switched it on: that is theirs.
    std::fs::write(home.path().join("switch"), "on\n").unwrap();
    let reef = home.start();
    reef.looks_pass(3);
    assert_eq!((state(&home).as_str(), dispatched(&reef, "debug.disable")), ("on", 1));
}
