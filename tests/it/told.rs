//! Telling the human: a real ntfy server, and a web hook that counts.

use serde_json::Value as Json;

use crate::lab::{Hook, Lab, command};
use crate::logs::Logs;

fn hook(url: &str) -> String {
    format!("[notify.hook]\nwebhook = {{ url = \"{url}\", secret = \"${{HOOK:-open sesame}}\" }}\n")
}

#[test]
fn a_red_is_told_once_and_its_end_once_also_over_a_kill() {
    let sink = Hook::new();
    let logs = Logs::new("observe").with(&hook(&sink.url()));
    let mut reef = logs.start();
    logs.overflow("app");
    reef.until("a message", |_| (!sink.told().is_empty()).then_some(()));
    reef.until("it is recorded as told", |reef| {
        (reef.json(&["status"])["messages_waiting"] == 0).then_some(())
    });
    reef.looks_pass(2);
    let first = sink.titles();
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].contains("disk"), "{first:?}");
    for _ in 0..3 {
        reef.kill();
        reef = logs.home.start();
        reef.looks_pass(2);
    }
    assert_eq!(sink.titles(), first, "a restart told it again");
    std::fs::remove_dir_all(logs.folder()).unwrap();
    std::fs::create_dir(logs.folder()).unwrap();
    reef.until_incident("resolved");
    // What is sent and not yet recorded as sent is sent again after a kill: at least once.
    reef.until("the end is told", |reef| {
        (1 < sink.told().len() && reef.json(&["status"])["messages_waiting"] == 0).then_some(())
    });
    reef.kill();
    let reef = logs.start();
    reef.looks_pass(2);
    let all = sink.titles();
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[1].starts_with("green "), "{all:?}");
    // Both speak of the same incident.
    let incidents: Vec<Json> = sink.told().iter().map(|m| m["incident"].clone()).collect();
    assert_eq!(incidents[0], incidents[1]);
}

#[test]
fn what_could_not_be_told_is_told_later() {
    let mut sink = Hook::new();
    let logs = Logs::new("observe").with(&hook(&sink.url()));
    sink.down();
    let reef = logs.start();
    logs.overflow("app");
    reef.until("the first try failed", |reef| reef.log().contains("a message waits").then_some(()));
    reef.until("it waits", |reef| (reef.json(&["status"])["messages_waiting"] == 1).then_some(()));
    assert!(sink.told().is_empty());
    sink.up();
    // The second try comes after five seconds.
    reef.until("it is told", |_| (!sink.told().is_empty()).then_some(()));
    reef.looks_pass(2);
    assert_eq!(sink.told().len(), 1, "{:?}", sink.titles());
    assert_eq!(reef.json(&["status"])["messages_waiting"], 0);
}

/// What lies in a topic, oldest first.
fn polled(server: &Lab, topic: &str) -> Vec<Json> {
    let url = format!("{}/{topic}/json?poll=1", server.get("URL"));
    let user = format!("{}:{}", server.get("USER"), server.get("PASSWORD"));
    let output = command("curl").args(["-sS", "-u", &user, &url]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let messages = text.lines().map(|line| serde_json::from_str(line).unwrap());
    messages.filter(|m: &Json| m["event"] == "message").collect()
}

#[test]
fn the_phone_is_told_through_a_real_ntfy() {
    let Some(server) = Lab::up("ntfy", "it-told", &[]) else { return };
    let logs = Logs::new("ask");
    let token = logs.home.path().join("token");
    std::fs::write(&token, server.get("TOKEN")).unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let url = server.get("URL");
    let logs = logs.with(&format!(
        "[notify.phone]\nntfy = {{ url = \"{url}/reef-it\", token_file = {token:?} }}\n"
    ));
    let reef = logs.start();
    logs.overflow("app");
    let asked = reef.until("the question arrives", |_| {
        polled(&server, "reef-it")
            .into_iter()
            .find(|m| m["title"].as_str().is_some_and(|t| t.contains("A-1")))
    });
    let body = asked["message"].as_str().unwrap();
    assert!(body.contains("reef approve A-1") && body.contains("compress"), "{asked:#}");
    reef.reef(&["approve", "A-1", "--yes"]).ok();
    reef.until_incident("resolved");
    let starts = |m: &Json, part: &str| m["title"].as_str().is_some_and(|t| t.starts_with(part));
    reef.until("the end arrives", |_| {
        polled(&server, "reef-it").iter().any(|m| starts(m, "green ")).then_some(())
    });
    reef.looks_pass(2);
    let all = polled(&server, "reef-it");
    let about = |part: &str| all.iter().filter(|m| starts(m, part)).count();
    assert_eq!((about("A-1 asks"), about("green "), all.len()), (1, 1, 2), "{all:#?}");
    let secret = server.get("TOKEN");
    assert!(!reef.log().contains(secret) && !reef.reef(&["config", "show"]).out.contains(secret));
}
