//! Services that speak HTTP, each the real thing: an alert fires, is silenced and resolves; servers behind
//! a balancer go down one after the other.

use std::net::TcpListener;

use serde_json::{Value as Json, json};

use crate::databases::until;
use crate::lab::{ALONE, Home, Lab, Reef, command, list};

fn config(lines: &str) -> Home {
    Home::new(&format!("host_name = \"mini\"\n{ALONE}\n{lines}\n"))
}

/// The reading of the part whose target begins so.
fn part(reef: &Reef, target: &str) -> Option<Json> {
    let signals = list(&reef.json(&["status"]), "signals");
    let readings = signals.into_iter().map(|mut one| one["reading"].take());
    let mut readings = readings.filter(|reading| {
        reading["signal"]["target"].as_str().is_some_and(|t| t.starts_with(target))
    });
    readings.next()
}

/// Waits until that part is told so, and gives its words.
#[track_caller]
fn until_part(reef: &Reef, target: &str, severity: &str, reason: &str) -> String {
    reef.until(&format!("{target} is {severity} {reason}"), |reef| {
        let reading = part(reef, target)?;
        let is = reading["severity"] == severity && reading["reason"] == reason;
        is.then(|| reading["words"].as_str().unwrap().to_owned())
    })
}

#[test]
fn an_alert_fires_is_silenced_and_resolves() {
    let Some(lab) = Lab::up("alertmanager", "alert", &[]) else { return };
    let (prometheus, alertmanager) = (lab.get("PROMETHEUS"), lab.get("ALERTMANAGER"));
    let quick = "every = \"1s\", fire_after = 1, clear_after = 1";
    let home = config(&format!(
        "prometheus.fault = {{ url = \"{prometheus}\", query = \"max(fault)\", yellow = 0.5, {quick} }}\n\
         prometheus.nothing = {{ url = \"{prometheus}\", query = \"no_such_metric\", red = 1, {quick} }}\n\
         prometheus.wrong = {{ url = \"{prometheus}\", query = \"max(\", red = 1, {quick} }}\n\
         metrics.fault = {{ url = \"{}\", metric = \"fault\", yellow = 0.5, {quick} }}\n\
         alerts.main = {{ url = \"{alertmanager}\", watchdog = \"Watchdog\", {quick} }}\n\
         alerts.rules = {{ url = \"{prometheus}\", {quick} }}\n\
         alerts.dead = {{ url = \"{prometheus}\", watchdog = \"NoSuch\", {quick} }}\n",
        lab.get("PAGE")
    ));
    let reef = home.start();
    until(&reef, "prometheus mini:endpoint:fault query", "green", "ok");
    until(&reef, "prometheus mini:endpoint:nothing query", "unknown", "empty");
    until(&reef, "prometheus mini:endpoint:wrong query", "unknown", "setup");
    until(&reef, "metrics mini:endpoint:fault metric", "green", "ok");
    until(&reef, "alerts mini:endpoint:main watchdog", "green", "ok");
    until(&reef, "alerts mini:endpoint:dead watchdog", "red", "silent");
    assert!(part(&reef, "mini:endpoint:main.DiskFull").is_none());

    std::fs::write(lab.get("METRICS"), "fault 1\n").unwrap();
    until(&reef, "metrics mini:endpoint:fault metric", "yellow", "high");
    until(&reef, "prometheus mini:endpoint:fault query", "yellow", "high");
    let words = until_part(&reef, "mini:endpoint:main.DiskFull", "red", "firing");
    assert!(words.starts_with("DiskFull: the disk is full (instance=127.0.0.1:"), "{words}");
    until_part(&reef, "mini:endpoint:rules.DiskFull", "red", "firing");

    let silence = json!({
        "matchers": [{"name": "alertname", "value": "DiskFull", "isRegex": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "test", "comment": "known",
    });
    let url = format!("{alertmanager}/api/v2/silences");
    let body = silence.to_string();
    let args = ["-sf", "-H", "content-type: application/json", "-d", &body, &url];
    assert!(command("curl").args(args).output().unwrap().status.success());
    let words = until_part(&reef, "mini:endpoint:main.DiskFull", "green", "silenced");
    assert!(words.starts_with("silenced: DiskFull"), "{words}");
    until_part(&reef, "mini:endpoint:rules.DiskFull", "red", "firing");

    std::fs::write(lab.get("METRICS"), "fault 0\n").unwrap();
    reef.until("the alert is gone", |reef| {
        part(reef, "mini:endpoint:rules.DiskFull").is_none().then_some(())
    });
    drop(lab);
    until(&reef, "alerts mini:endpoint:main alerts", "red", "refused");
    until(&reef, "alerts mini:endpoint:main watchdog", "unknown", "refused");
}

#[test]
fn servers_behind_a_balancer_go_down_one_after_the_other() {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (one, other) = (listen(), listen());
    let at = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let servers = format!("{},{}", at(&one), at(&other));
    let Some(lab) = Lab::up("haproxy", "edge", &[&servers]) else { return };
    let quick = "every = \"1s\", fire_after = 1, clear_after = 1";
    let (page, socket) = (lab.get("STATS"), lab.get("SOCKET"));
    let home = config(&format!(
        "backends.page = {{ haproxy = \"{page}\", user = \"reef\", password = \"lab-only\", {quick} }}\n\
         backends.socket = {{ haproxy = \"{socket}\", {quick} }}\n\
         backends.denied = {{ haproxy = \"{page}\", {quick} }}\n"
    ));
    let reef = home.start();
    let both = |severity: &str, reason: &str| {
        until(&reef, "backends mini:endpoint:page.app servers", severity, reason);
        until(&reef, "backends mini:endpoint:socket.app servers", severity, reason)
    };
    assert_eq!(both("green", "ok"), "app: 2 of 2 serve");
    until(&reef, "backends mini:endpoint:denied balancer", "unknown", "denied");
    drop(one);
    let words = both("yellow", "some-down");
    assert!(words.starts_with("app: 1 of 2 serve; down: s1 ("), "{words}");
    drop(other);
    both("red", "none-serves");
    drop(lab);
    until(&reef, "backends mini:endpoint:socket balancer", "red", "refused");
    until(&reef, "backends mini:endpoint:page balancer", "red", "refused");
}
