//! Runbooks of units on a real systemd, and reef as a user that must be given each right.

use serde_json::Value as Json;

use crate::hosts::Machine;
use crate::lab::list;

const OFF: &str = r#"off = ["disk", "memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "dns.resolver", "unit", "reef", "docker", "compose", "swarm", "uplink"]"#;
const SLEEPS: &str = "[Service]\nExecStart=/bin/sleep infinity\n";

/// reef as a service of the machine, as root or as a user.
fn start(machine: &Machine, user: &str, config: &str) {
    machine.write("/etc/reef/config.toml", config);
    let unit = format!(
        "[Service]\nType=notify\nNotifyAccess=main\nUser={user}\nSupplementaryGroups=systemd-journal\nStateDirectory=reef\nRuntimeDirectory=reef\n\
         ExecStart=/opt/reef/reef -c /etc/reef/config.toml run\n"
    );
    machine.write("/etc/systemd/system/reef.service", &unit);
    machine.run(&["systemctl", "daemon-reload"]);
    let (code, text) = machine.try_run(&["systemctl", "restart", "reef"]);
    assert_eq!(code, 0, "{text}\n{}", machine.journal());
}

fn records(machine: &Machine, kind: &str) -> Vec<Json> {
    list(&machine.json(&["audit", "list", "-n", "1000", "--kind", kind]), "records")
}

/// A copy of a shipped runbook whose proof is quicker.
fn quick(machine: &Machine, name: &str, from: &str) {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("runbooks")
        .join(format!("{name}.md"));
    let text = std::fs::read_to_string(shipped).unwrap();
    assert!(text.contains(from), "{name}");
    let text = text.replace(from, "within = \"30s\"\nstays = \"1s\"");
    machine.write(&format!("/etc/reef/runbooks/{name}.md"), &text);
}

fn config(ceiling: &str, probes: &str, more: &str) -> String {
    format!(
        "ceiling = \"{ceiling}\"\nrunbook_dir = \"/etc/reef/runbooks\"\n[web]\nlisten = \"off\"\n[probe]\n{OFF}\n{probes}\n{more}\n"
    )
}

#[test]
fn a_name_server_that_died_is_started_and_under_observe_left_alone() {
    let Some(machine) = Machine::up("it-dns") else { return };
    let unit = "[Service]\nExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= \
                --port=5353 --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts \
                --address=/nas.reef.test/127.0.0.2 --address=/world.reef.test/127.0.0.3\n";
    machine.write("/etc/systemd/system/dnsmasq.service", unit);
    quick(&machine, "dns", "within = \"3m\"\nstays  = \"30s\"");
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "start", "dnsmasq"]);
    let probe = "dns.home = { server = \"127.0.0.1:5353\", own = \"nas.reef.test\", upstream = \"world.reef.test\", \
                 served_by = \"unit:dnsmasq\", every = \"1s\", timeout = \"1s\" }";
    let leash = "[runbook.dns]\nleash = \"auto\"";
    let severities = |m: &Machine| {
        let signals = list(&m.json(&["status"]), "signals");
        signals
            .iter()
            .filter(|s| s["name"] == "dns.home")
            .map(|s| s["reading"]["severity"].as_str().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    let green = |m: &Machine| (severities(m) == ["green", "green"]).then_some(());

    // Under observe nothing at all happens.
    start(&machine, "root", &config("observe", probe, leash));
    machine.until("it answers", green);
    machine.run(&["systemctl", "kill", "--signal=KILL", "dnsmasq"]);
    machine.until("what would be done is recorded", |m| records(m, "would").pop());
    assert_eq!(machine.try_run(&["systemctl", "is-active", "dnsmasq"]).1.trim(), "failed");
    assert!(records(&machine, "dispatched").is_empty());
    machine.run(&["systemctl", "restart", "dnsmasq"]);
    machine.until("it answers again", green);
    machine.until("the incident is over", |m| {
        let all = list(&m.json(&["incidents", "--all"]), "incidents");
        all.iter().all(|i| i["state"]["state"] == "resolved").then_some(())
    });

    start(&machine, "root", &config("auto", probe, leash));
    machine.until("it answers", green);
    machine.run(&["systemctl", "kill", "--signal=KILL", "dnsmasq"]);
    let verified = machine.until("the proof", |m| records(m, "verified").pop());
    assert_eq!(verified["payload"]["outcome"], "yes", "{verified:#}");
    assert_eq!(verified["payload"]["tool"], "unit.restart", "{verified:#}");
    assert_eq!(machine.run(&["systemctl", "is-active", "dnsmasq"]), "active");
    assert_eq!(records(&machine, "dispatched").len(), 1);
}

#[test]
fn a_rotation_that_failed_once_is_run_again() {
    if !std::path::Path::new("/usr/sbin/logrotate").exists() {
        eprintln!("SKIPPED, nothing was tested: logrotate is not installed");
        return;
    }
    let Some(machine) = Machine::up("it-rotation") else { return };
    machine.write("/var/log/app.log", "a line\n");
    machine.write(
        "/etc/logrotate.conf",
        "/var/log/app.log {\n  rotate 2\n  size 1\n  su root root\n  prerotate\n    test ! -e /run/in-the-way\n  endscript\n}\n",
    );
    let unit = "[Service]\nType=oneshot\nExecStart=/usr/sbin/logrotate -s /run/logrotate.status /etc/logrotate.conf\n";
    machine.write("/etc/systemd/system/logrotate.service", unit);
    quick(&machine, "log-rotation", "within = \"2m\"\nstays  = \"5s\"");
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["touch", "/run/in-the-way"]);
    assert_ne!(machine.try_run(&["systemctl", "start", "logrotate"]).0, 0);
    machine.run(&["rm", "/run/in-the-way"]);
    let probe = "unit.rotation = { unit = \"logrotate\", every = \"1s\" }";
    let leash = "[runbook.log-rotation]\nleash = \"auto\"";
    start(&machine, "root", &config("observe", probe, leash));
    machine.until("what would be done is recorded", |m| records(m, "would").pop());
    assert!(records(&machine, "dispatched").is_empty());
    machine.run(&["systemctl", "stop", "reef"]);
    machine.run(&["rm", "-rf", "/var/lib/reef"]);
    start(&machine, "root", &config("auto", probe, leash));
    let verified = machine.until("the proof", |m| records(m, "verified").pop());
    assert_eq!(verified["payload"]["outcome"], "yes", "{verified:#}");
    assert_eq!(machine.run(&["ls", "/var/log/app.log.1"]), "/var/log/app.log.1");
    assert_eq!(records(&machine, "dispatched").len(), 1);
}

#[test]
fn a_missing_right_is_told_and_the_grant_that_is_told_serves() {
    if !std::path::Path::new("/usr/bin/sudo").exists() {
        eprintln!("SKIPPED, nothing was tested: sudo is not installed");
        return;
    }
    let Some(machine) = Machine::up("it-rights") else { return };
    machine.run(&[
        "sh",
        "-c",
        "echo reef:x:990:990::/nonexistent:/bin/sh >>/etc/passwd && echo reef:x:990: >>/etc/group",
    ]);
    machine.run(&["sh", "-c", "echo 'reef:*:19000:0:99999:7:::' >>/etc/shadow"]);
    let permit = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n";
    machine.write("/etc/pam.d/sudo", permit);
    machine.write("/etc/sudoers", "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n");
    machine.run(&["chmod", "440", "/etc/sudoers"]);
    machine.run(&["mkdir", "-p", "/etc/sudoers.d"]);
    machine.write("/etc/systemd/system/web.service", SLEEPS);
    quick(&machine, "service-failed", "within = \"3m\"\nstays  = \"1m\"");
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "start", "web"]);
    let probe = "unit.web = { unit = \"web\", every = \"1s\" }";
    let leash = "[runbook.service-failed]\nleash = \"auto\"";
    let told = |m: &Machine, part: &str| {
        let all =
            ["closed", "decided"].iter().flat_map(|kind| records(m, kind)).collect::<Vec<_>>();
        all.into_iter().map(|r| r["payload"].to_string()).find(|words| words.contains(part))
    };

    // A user without any right: told, with what would serve, and tried no other way.
    start(&machine, "reef", &config("auto", probe, leash));
    machine.run(&["systemctl", "kill", "--signal=KILL", "web"]);
    let words = machine.until("the missing right is told", |m| told(m, "is missing"));
    assert!(words.contains("polkit.addRule") && words.contains("sudo = true"), "{words}");
    assert_eq!(machine.try_run(&["systemctl", "is-active", "web"]).1.trim(), "failed");

    // With sudo, but without its line.
    let sudo = format!("{leash}\n[host.this]\nsudo = true");
    machine.run(&["systemctl", "stop", "reef"]);
    machine.run(&["rm", "-rf", "/var/lib/reef"]);
    start(&machine, "reef", &config("auto", probe, &sudo));
    let line = "reef ALL=(root) NOPASSWD: /usr/bin/timeout -k 2 120 systemctl restart web.service";
    machine.until("the line is told", |m| told(m, line));
    assert_eq!(machine.try_run(&["systemctl", "is-active", "web"]).1.trim(), "failed");

    // With exactly that line it serves, and nothing else does.
    machine.write("/etc/sudoers.d/reef-acts", &format!("{line}\n"));
    machine.run(&["chmod", "440", "/etc/sudoers.d/reef-acts"]);
    machine.run(&["systemctl", "stop", "reef"]);
    machine.run(&["rm", "-rf", "/var/lib/reef"]);
    start(&machine, "reef", &config("auto", probe, &sudo));
    machine.until("the unit runs", |m| {
        (m.try_run(&["systemctl", "is-active", "web"]).1.trim() == "active").then_some(())
    });
    let wider = ["sudo", "-n", "timeout", "-k", "2", "120", "systemctl", "stop", "web.service"];
    let as_reef: Vec<&str> = ["setpriv", "--reuid=990", "--regid=990", "--clear-groups"]
        .iter()
        .chain(&wider)
        .copied()
        .collect();
    let (code, said) = machine.try_run(&as_reef);
    assert_ne!(code, 0, "{said}");
    assert_eq!(machine.run(&["systemctl", "is-active", "web"]), "active");
}
