//! The real binary over a real btrfs: a snapshot before a high step, its rollback, what is kept of what it replaced,
//! and the end of both.

use std::path::{Path, PathBuf};

use reef::control::client::Client;
use reef::model::ids::{ActionId, ApprovalId};
use reef::model::plan::Plan;
use reef::model::tool::Tier;
use reef::operator::order::Order;
use serde_json::Value as Json;

use crate::lab::{ALONE, Home, Lab, Reef, command};

/// A runbook that only a human starts: it spoils a page, and looks for what is never there.
const RISKY: &str = r#"+++
title      = "Something risky"
match      = { probe = "disk", reason = ["never"] }
max_tier   = "critical"
tools      = ["host.exec", "host.run"]
commands   = [["sh", "-c", "echo spoilt >MOUNT/page; rm MOUNT/old; echo x >MOUNT/made"]]
on_failure = "undo"
+++
# Something risky

```step
name = "spoil"
tool = "host.exec"
args = { argv = ["sh", "-c", "echo spoilt >MOUNT/page; rm MOUNT/old; echo x >MOUNT/made"] }
```

```verify
query = { tool = "host.run", args = { argv = ["ls", "MOUNT/well"] }, value = "code", is = 0 }
within = "1s"
```
"#;

fn home(mount: &str, ceiling: &str) -> Home {
    let home = Home::new("");
    let folder = home.path().join("books");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("risky.md"), RISKY.replace("MOUNT", mount)).unwrap();
    let snapshots = format!("[host.this]\nsnapshots.{mount:?} = {{ }}\nsnapshot_keep = \"2h\"");
    home.configure(&format!(
        "host_name = \"mini\"\nceiling = \"{ceiling}\"\nrunbook_dir = {folder:?}\n{}",
        ALONE.replace("[host.this]", &snapshots)
    ));
    home
}

/// A btrfs with a page, a file, and a subvolume within.
fn files(name: &str) -> Option<(Lab, PathBuf)> {
    let lab = Lab::up("volume", name, &["160", "btrfs"])?;
    let mount = PathBuf::from(lab.get("MOUNT"));
    std::fs::write(mount.join("page"), "good\n").unwrap();
    std::fs::write(mount.join("old"), "old\n").unwrap();
    let within = mount.join("within");
    assert!(
        command("btrfs")
            .args(["subvolume", "create"])
            .arg(&within)
            .output()
            .unwrap()
            .status
            .success()
    );
    std::fs::write(within.join("file"), "stays\n").unwrap();
    Some((lab, mount))
}

fn snapshots(mount: &Path) -> Vec<String> {
    let names = std::fs::read_dir(mount).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<String> =
        names.map(|n| n.into_string().unwrap()).filter(|n| n.starts_with(".reef-")).collect();
    names.sort();
    names
}

fn text(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|why| why.to_string())
}

#[track_caller]
fn ask(home: &Home, order: &Order) -> Json {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(vec![home.state().join("reef.sock")]);
    runtime.block_on(client.ask(order)).unwrap_or_else(|e| panic!("{e}"))
}

fn dispatched(reef: &Reef, tool: &str) -> Vec<Json> {
    let mut records = reef.records("dispatched");
    records.retain(|r| r["payload"]["tool"] == tool);
    records
}

/// Says yes to the one critical rollback that waits, by typing its target's name.
fn approve(home: &Home, waiting: &Json) {
    let plan: Plan = serde_json::from_value(waiting["choices"][0]["plan"].clone()).unwrap();
    assert_eq!(
        (plan.steps[0].call.tool.as_str(), plan.tier()),
        ("snapshot.rollback", Tier::Critical)
    );
    let typed = reef::policy::confirm::name_to_type(&plan);
    assert!(typed.is_some(), "its target's name is to be typed");
    let id = ApprovalId(waiting["id"].as_i64().unwrap());
    ask(home, &Order::Approve { id, choice: None, typed });
}

fn waiting(reef: &Reef, what: &str) -> Json {
    reef.until(what, |reef| reef.approvals().into_iter().find(|a| a["state"]["state"] == "pending"))
}

#[test]
fn what_a_high_step_broke_is_brought_back_from_the_snapshot_before_it() {
    let Some((_lab, mount)) = files("it-snapshots") else { return };
    let home = home(mount.to_str().unwrap(), "auto");
    let reef = home.start();
    let ran = reef.reef(&["runbook", "run", "risky", "--on", "mini", "--yes"]);
    assert!(
        ran.all().contains("take the read-only snapshot reef-1"),
        "the human sees it: {ran:#?}"
    );
    assert_eq!(text(mount.join("page")), "spoilt\n", "{ran:#?}");
    let (taken, spoilt) = (dispatched(&reef, "snapshot.create"), dispatched(&reef, "host.exec"));
    assert!(taken[0]["seq"].as_i64() < spoilt[0]["seq"].as_i64());
    assert_eq!(snapshots(&mount), [".reef-1"]);
    assert!(std::fs::write(mount.join(".reef-1/page"), "x").is_err(), "it is read-only");

    // The verification failed, and its runbook wants it undone: that is critical, and asks.
    let asked = waiting(&reef, "the rollback asks");
    assert!(asked.to_string().contains("whoever did it"), "in plain words: {asked:#}");
    assert_eq!(text(mount.join("page")), "spoilt\n", "nothing happens before the yes");
    std::fs::write(mount.join("others"), "of somebody\n").unwrap();
    approve(&home, &asked);
    reef.until("it is as it was", |_| (text(mount.join("page")) == "good\n").then_some(()));
    reef.until("it is closed", |reef| {
        (reef.records("closed").len() == reef.records("dispatched").len()).then_some(())
    });
    let closed = reef.records("closed").pop().unwrap();
    assert!(closed.to_string().contains("done and seen, nothing differs"), "{closed:#}");
    assert_eq!(text(mount.join("old")), "old\n");
    assert!(!mount.join("made").exists() && !mount.join("others").exists());
    assert_eq!(text(mount.join("within/file")), "stays\n", "a subvolume within is left alone");
    assert_eq!(snapshots(&mount), [".reef-1", ".reef-2"]);
    assert_eq!(text(mount.join(".reef-2/others")), "of somebody\n", "what it replaced is kept");
    assert_eq!(dispatched(&reef, "snapshot.rollback").len(), 1, "once, not once for each step");

    // The rollback itself can be undone.
    let back = dispatched(&reef, "snapshot.rollback").pop().unwrap();
    let action = ActionId(back["seq"].as_i64().unwrap());
    ask(&home, &Order::Undo { action });
    approve(&home, &waiting(&reef, "the undo of the rollback asks"));
    reef.until("it is as before the rollback", |_| mount.join("others").exists().then_some(()));
    assert_eq!(text(mount.join("page")), "spoilt\n");
    ends(reef, &home, &mount);
}

/// Their time over, all are removed by actions of their own.
fn ends(mut reef: Reef, home: &Home, mount: &Path) {
    reef.until("it is closed", |reef| {
        (reef.records("closed").len() == reef.records("dispatched").len()).then_some(())
    });
    assert_eq!(snapshots(mount), [".reef-1", ".reef-2", ".reef-3"]);
    reef.stop();
    let db = rusqlite::Connection::open(home.state().join("reef.db")).unwrap();
    let due = "UPDATE timer SET due_at = 0 WHERE key = 'snapshots'";
    let hours = |n: i64| format!("UPDATE action SET at = at - {}", n * 3_600_000);
    db.execute(due, ()).unwrap();
    db.execute(&hours(3), ()).unwrap();
    drop(db);
    let mut reef = home.start();
    reef.until("the first is removed", |_| {
        (snapshots(mount) == [".reef-2", ".reef-3"]).then_some(())
    });
    reef.until("it is closed", |reef| {
        (reef.records("closed").len() == reef.records("dispatched").len()).then_some(())
    });
    reef.stop();
    let db = rusqlite::Connection::open(home.state().join("reef.db")).unwrap();
    db.execute(due, ()).unwrap();
    db.execute(&hours(8 * 24), ()).unwrap();
    drop(db);
    let reef = home.start();
    reef.until("the others too", |_| snapshots(mount).is_empty().then_some(()));
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn under_observe_no_snapshot_is_taken() {
    let Some((_lab, mount)) = files("it-snapshots-observe") else { return };
    let home = home(mount.to_str().unwrap(), "observe");
    let reef = home.start();
    let ran = reef.reef(&["runbook", "run", "risky", "--on", "mini", "--yes"]);
    assert!(snapshots(&mount).is_empty() && text(mount.join("page")) == "good\n", "{ran:#?}");
    assert!(reef.records("dispatched").is_empty());
    let would = reef.records("would");
    assert!(would.iter().any(|r| r.to_string().contains("snapshot.create")), "{would:#?}");
}
