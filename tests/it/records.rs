//! The real binary, a name server, and a script of the operator's that changes its names: asked, shown from what to what,
//! set, proven by asking the server, and put back.

use std::path::Path;

use serde_json::Value as Json;

use crate::lab::{ALONE, Home, Lab, Reef, command};

const BOOK: &str = r#"+++
title    = "Point photos elsewhere"
match    = { probe = "host", reason = ["never"] }
leash    = "auto"
max_tier = "medium"
tools    = ["dns.record", "host.run"]
+++
# Point photos elsewhere

```step
name = "point"
tool = "dns.record"
args = { dns = "home", name = "media.reef.test", type = "A", value = "127.0.0.9", ttl = "1m" }
```

```verify
query = { tool = "host.run", args = { argv = ["uname"] }, value = "code", is = 0 }
```
"#;

fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\nset -e\n{text}\n")).unwrap();
    assert!(command("chmod").args(["755", path.to_str().unwrap()]).status().unwrap().success());
}

fn home(lab: &Lab, set: &str) -> Home {
    let home = Home::new("");
    let at = |name: &str| home.path().join(name);
    std::fs::create_dir(at("books")).unwrap();
    std::fs::write(at("books/point.md"), BOOK).unwrap();
    let (hosts, pid) = (lab.get("HOSTS"), lab.get("PID"));
    let without =
        format!("[ \"$TOKEN\" = s3cret-token ]\ngrep -v \" $1\\$\" {hosts} >{hosts}.new || true");
    let after = format!("cat {hosts}.new >{hosts}\nkill -HUP {pid}");
    script(
        &at("set"),
        &set.replace("REALLY", &format!("{without}\necho \"$3 $1\" >>{hosts}.new\n{after}")),
    );
    script(&at("unset"), &format!("{without}\n{after}"));
    home.configure(&format!(
        "host_name = \"mini\"\nceiling = \"auto\"\nrunbook_dir = {:?}\n{ALONE}\n[dns.home]\nzones = [\"reef.test\"]\n\
         set = [{:?}, \"{{name}}\", \"{{type}}\", \"{{value}}\", \"{{ttl}}\"]\nunset = [{:?}, \"{{name}}\", \"{{type}}\"]\n\
         resolver = \"{}:{}\"\nwithin = \"3 s\"\nsecrets = {{ TOKEN = \"s3cret-token\" }}\n",
        at("books"),
        at("set"),
        at("unset"),
        lab.get("SERVER"),
        lab.get("PORT"),
    ));
    home
}

fn names(lab: &Lab) -> String {
    std::fs::read_to_string(lab.get("HOSTS")).unwrap()
}

fn dispatched(reef: &Reef) -> Vec<Json> {
    let mut records = reef.records("dispatched");
    records.retain(|r| r["payload"]["tool"] == "dns.record");
    records
}

#[test]
fn a_record_is_set_proven_by_its_server_and_put_back() {
    let Some(lab) = Lab::up("dns", "it-record", &[]) else { return };
    let home = home(&lab, "REALLY");
    let reef = home.start();
    let said = reef.reef(&["runbook", "run", "point", "--on", "mini", "--dry-run"]);
    assert!(said.all().contains("127.0.0.3 -> 127.0.0.9"), "from what to what: {said:#?}");
    assert!(names(&lab).contains("127.0.0.3 media"), "a dry run changes nothing");

    reef.reef(&["runbook", "run", "point", "--on", "mini", "--yes"]);
    let closed = reef.until("it is done", |reef| reef.records("closed").pop());
    assert_eq!(closed["payload"]["outcome"], "done", "{closed:#}");
    let words = closed["payload"]["output_excerpt"].as_str().unwrap();
    assert!(words.contains("was 127.0.0.3, and is 127.0.0.9"), "{words}");
    assert!(closed["payload"]["commands"][0]["argv"].to_string().contains("media.reef.test"));
    assert!(names(&lab).contains("127.0.0.9 media.reef.test"), "{}", names(&lab));
    assert!(!reef.audit().iter().any(|r| r.to_string().contains("s3cret-token")));
    let action = dispatched(&reef).pop().unwrap();
    assert_eq!(action["payload"]["tier"], "medium");

    reef.reef(&["undo", &format!("D-{}", action["seq"]), "--yes"]).ok();
    reef.until("it is as before", |_| names(&lab).contains("127.0.0.3 media").then_some(()));
    reef.until("it is closed", |reef| (reef.records("closed").len() == 2).then_some(()));
    assert_eq!(reef.records("closed")[1]["payload"]["outcome"], "done");
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn a_script_that_ends_well_and_changes_nothing_failed() {
    let Some(lab) = Lab::up("dns", "it-norecord", &[]) else { return };
    let home = home(&lab, "exit 0");
    let reef = home.start();
    reef.reef(&["runbook", "run", "point", "--on", "mini", "--yes"]);
    let closed = reef.until("it is closed", |reef| reef.records("closed").pop());
    assert_eq!(closed["payload"]["outcome"], "failed", "{closed:#}");
    let errors = closed["payload"]["errors"].as_str().unwrap();
    assert!(errors.contains("nothing changed: it is 127.0.0.3"), "{errors}");
}
