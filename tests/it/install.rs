//! The files that `reef install` prints: systemd takes them, and reef lives under them.

use std::path::Path;

use crate::hosts::Machine;
use crate::lab::{Home, command};

fn printed(which: &str) -> String {
    Home::new("").reef(&["install", "--print", which]).ok().out
}

/// The unit with the program of this test as its program.
fn unit(program: &str) -> String {
    let unit = printed("unit");
    assert!(unit.contains("ExecStart=/usr/local/bin/reef run\n"));
    unit.replace("/usr/local/bin/reef", program)
}

#[test]
fn systemd_takes_the_unit_and_calls_it_safe() {
    if command("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("SKIPPED, nothing was tested: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reef.service");
    std::fs::write(&path, unit(env!("CARGO_BIN_EXE_reef"))).unwrap();
    let analyze = |args: &[&str]| {
        let output = command("systemd-analyze").args(args).arg(&path).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (taken, text) = analyze(&["verify", "--man=no"]);
    assert!(taken && !text.contains("reef.service:"), "{text}");
    let (_, text) = analyze(&["security", "--offline=true", "--no-pager"]);
    let figure = text.lines().find(|line| line.contains("Overall exposure level")).unwrap_or(&text);
    eprintln!("{figure}");
    let level = figure.split(':').nth(1).and_then(|rest| rest.split_whitespace().next());
    // systemd's own words: below 2.5 is OK, 10 is a program that may do everything.
    assert!(level.unwrap().parse::<f32>().unwrap() <= 2.5, "{text}");
}

#[test]
fn sudo_takes_its_example() {
    let visudo = Path::new("/usr/sbin/visudo");
    if !visudo.exists() {
        eprintln!("SKIPPED, nothing was tested: sudo is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reef");
    std::fs::write(&path, printed("sudoers")).unwrap();
    let output = command(visudo).arg("-cf").arg(&path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_printed_config_is_good_as_it_is() {
    let home = Home::new(&printed("config"));
    let said = home.reef(&["config", "check"]).ok();
    assert!(said.out.contains("ok: "), "{said:?}");
}

#[test]
fn it_lives_as_a_service_with_few_rights() {
    let Some(machine) = Machine::up("it-install") else { return };
    machine.write("/etc/sysusers.d/reef.conf", &printed("sysusers"));
    machine.write("/etc/tmpfiles.d/reef.conf", &printed("tmpfiles"));
    machine.run(&["systemd-sysusers"]);
    machine.run(&["systemd-tmpfiles", "--create"]);
    let secrets = machine.run(&["stat", "-c", "%a %U", "/etc/reef/secrets"]);
    assert_eq!(secrets, "700 root");
    machine.write("/etc/reef/config.toml", "ceiling = \"observe\"\n");
    machine.write("/etc/systemd/system/reef.service", &unit("/opt/reef/reef"));
    machine.run(&["systemctl", "daemon-reload"]);
    // Comes back when reef has said that it is ready.
    let (code, text) = machine.try_run(&["systemctl", "start", "reef"]);
    assert_eq!(code, 0, "{text}\n{}", machine.journal());
    let pid = machine.run(&["systemctl", "show", "reef", "-p", "MainPID", "--value"]);
    assert_eq!(machine.run(&["stat", "-c", "%U", &format!("/proc/{pid}")]), "reef");
    // Shut in as it is, it sees the machine's volumes as they are.
    let host = machine.json(&["status"])["host"].as_str().unwrap().to_owned();
    machine.until("it sees the root volume", |m| {
        let status = m.json(&["status"]);
        let signals = status["signals"].as_array().unwrap();
        let root = format!("{host}:/");
        let bytes = signals.iter().find(|s| {
            s["reading"]["signal"]["target"] == root.as_str() && s["reading"]["reason"] != "stale"
        });
        bytes.map(|s| assert_ne!(s["reading"]["reason"], "read-only", "{s:#}"))
    });
    // And it may still do what it is for, in its own folder.
    let (code, text) = machine.reef(&["drill"]);
    assert!(code == 0 && text.contains("PASS"), "{text}\n{}", machine.journal());
    machine.write("/etc/reef/config.toml", "ceiling = \"ask\"\n");
    machine.run(&["systemctl", "reload", "reef"]);
    machine.until("the new config is in force", |m| {
        (m.json(&["status"])["ceiling"] == "ask").then_some(())
    });
    assert_eq!(machine.run(&["systemctl", "show", "reef", "-p", "MainPID", "--value"]), pid);
    machine.run(&["systemctl", "stop", "reef"]);
    assert_eq!(machine.run(&["systemctl", "show", "reef", "-p", "Result", "--value"]), "success");
    let journal = machine.journal();
    assert!(journal.contains("watches") && journal.contains("reef has stopped"), "{journal}");
    // A wrong config ends it with words and is not tried again and again.
    machine.write("/etc/reef/config.toml", "ceilng = \"ask\"\n");
    assert_ne!(machine.try_run(&["systemctl", "start", "reef"]).0, 0);
    let journal = machine.journal();
    assert!(journal.contains("did you mean \"ceiling\"?"), "{journal}");
    assert_eq!(machine.run(&["systemctl", "show", "reef", "-p", "NRestarts", "--value"]), "0");
}
