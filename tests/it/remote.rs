//! Hosts over SSH on real servers behind a real bastion: Debian, BusyBox, a minimal shell, a restricted key.

use std::path::Path;

use serde_json::Value as Json;

use crate::lab::{Home, Hook, Lab, command, list};

/// How many commands a server was asked to run so far.
fn commands(lab: &Lab, host: &str) -> usize {
    let log = std::fs::read_to_string(lab.get(&format!("{host}_LOG"))).unwrap();
    log.lines().filter(|line| line.contains("Starting session: ")).count()
}

/// What was said of a host, as `name severity words`.
fn said(check: &Json) -> Vec<String> {
    let line = |s: &Json| {
        let reading = &s["reading"];
        let text = |v: &Json| v.as_str().unwrap_or("").to_owned();
        format!("{} {} {}", text(&s["name"]), text(&reading["severity"]), text(&reading["words"]))
    };
    list(check, "signals").iter().map(line).collect()
}

#[track_caller]
fn has(said: &[String], begin: &str) {
    assert!(said.iter().any(|line| line.starts_with(begin)), "no {begin} in {said:#?}");
}

#[test]
fn every_kind_of_host_is_looked_at_through_a_bastion_in_one_round_trip() {
    let Some(lab) = Lab::up("ssh-hosts", "it-remote", &[]) else { return };
    let named = "errors.app = { log = \"/var/log/app.log\", host = \"alpine\" }\n\
                 backup.dump = { path = \"/srv/backup\", host = \"alpine\" }\n\
                 backup.nas = { path = \"/srv/backup\", host = \"nas\" }\n\
                 process.sshd = { process = \"sshd\", host = \"deb\" }\n";
    // Every default of a host is on, and those of this machine with it.
    let mut text =
        format!("[web]\nlisten = \"off\"\n[probe]\noff = [\"updates\", \"dns.resolver\"]\n{named}");
    for host in ["gate", "deb", "alpine", "nas", "only", "stranger"] {
        text.push_str(&format!("[host.{host}]\nssh_config = \"{}\"\n", lab.get("SSH_CONFIG")));
    }
    let home = Home::new(&text);
    let check = |host: &str| {
        let checked = home.reef(&["check", host, "--json"]);
        (checked.code, said(&checked.json()), checked.json())
    };

    let before = ["DEB", "ALPINE", "NAS"].map(|host| commands(&lab, host));
    let (_, deb, _) = check("deb");
    for begin in [
        "host green",
        "disk green",
        "memory green",
        "cpu green",
        "process.sshd green",
        "boot green",
    ] {
        has(&deb, begin);
    }
    let (_, alpine, why) = check("alpine");
    for begin in [
        "host green",
        "disk ",
        "memory green",
        "cpu green",
        "errors.app green 0 errors",
        "backup.dump green",
    ] {
        has(&alpine, begin);
    }
    let absent: Vec<String> =
        list(&why, "absent").iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    has(&absent, "alpine smart: smartctl is not installed there");
    assert!(!alpine.iter().any(|line| line.starts_with("smart") || line.starts_with("zfs")));
    let (_, nas, _) = check("nas");
    for begin in ["host green", "disk ", "memory green", "cpu green"] {
        has(&nas, begin);
    }
    // A host without a tool says which fact is unknown.
    has(&nas, "backup.nas unknown awk is not installed there");
    let after = ["DEB", "ALPINE", "NAS"].map(|host| commands(&lab, host));
    // Each of the three checks looked at every host, once.
    for (before, after) in before.into_iter().zip(after) {
        assert_eq!(after - before, 3, "round trips of three looks");
    }

    let listed = home.reef(&["host", "list", "--json"]).json();
    for row in list(&listed, "hosts") {
        let up = !["only", "stranger"].contains(&row["host"].as_str().unwrap());
        assert_eq!(row["up"], up, "{row:#}");
        assert_eq!(row["round_trips"], u64::from(up), "{row:#}");
    }

    // Not trusted, shown, trusted by the command that was shown.
    let (code, stranger, _) = check("stranger");
    assert_eq!(code, 2);
    has(
        &stranger,
        "host red the host key of stranger is not known here: `reef host trust stranger`",
    );
    let known = || std::fs::read_to_string(Path::new(lab.get("DIR")).join("known_hosts")).unwrap();
    let untouched = known();
    let offered = home.reef(&["host", "trust", "stranger", "--json"]).failed(1).json();
    assert_eq!((offered["known"].as_str(), known()), (Some("no"), untouched), "it writes nothing");
    let shown = command("ssh-keygen")
        .args(["-lf", &format!("{}/deb.key.pub", lab.get("DIR"))])
        .output()
        .unwrap();
    let fingerprint = String::from_utf8(shown.stdout).unwrap();
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    let all = offered["fingerprints"].to_string();
    assert!(all.contains(fingerprint), "{fingerprint} in {all}");
    let next = offered["next"][0].as_str().unwrap();
    assert!(command("sh").args(["-c", next]).status().unwrap().success(), "{next}");
    assert!(home.reef(&["host", "trust", "stranger"]).ok().out.contains("are known"));
    has(&check("stranger").1, "host green");
}

#[test]
fn a_restricted_key_looks_and_does_nothing_else() {
    let Some(lab) = Lab::up("ssh-hosts", "it-only", &[]) else { return };
    let log = Path::new(lab.get("DIR")).join("app.log");
    std::fs::write(&log, "all well\n").unwrap();
    let home = Home::new(&format!(
        "[web]\nlisten = \"off\"\n[probe]\noff = [\"updates\", \"dns.resolver\"]\n\
         errors.app = {{ log = \"{}\", host = \"only\" }}\n[host.only]\nssh_config = \"{}\"\n",
        log.display(),
        lab.get("SSH_CONFIG")
    ));
    let refused = home.reef(&["check", "only", "--json"]).json();
    has(&said(&refused), "host red only does not accept this user's key");
    let at = format!("{}/reef-collect", lab.get("DIR"));
    let made = home.reef(&["host", "authorize", "only", "--at", &at, "--json"]).ok().json();
    std::fs::write(&at, made["collector"].as_str().unwrap()).unwrap();
    assert!(command("chmod").args(["755", &at]).status().unwrap().success());
    let line = made["line"].as_str().unwrap();
    assert!(line.starts_with(&format!("restrict,command=\"{at}\" ssh-ed25519 ")), "{line}");
    std::fs::write(lab.get("AUTHORIZED"), format!("{line}\n")).unwrap();

    let looked = said(&home.reef(&["check", "only", "--json"]).json());
    for begin in ["host green", "disk green", "memory green", "cpu green", "errors.app green"] {
        has(&looked, begin);
    }
    let listed = home.reef(&["host", "list", "--json"]).ok().json();
    assert_eq!(listed["hosts"][0]["collector_installed"], true, "{listed:#}");
    assert_eq!(listed["hosts"][0]["round_trips"], 1);
    // Whatever else is asked by this key does not happen, and does not seem to.
    let mark = Path::new(lab.get("DIR")).join("mark");
    for asked in
        [format!("touch {}", mark.display()), format!("touch {}; reef-collect", mark.display())]
    {
        let ran =
            command("ssh").args(["-F", lab.get("SSH_CONFIG"), "only", &asked]).output().unwrap();
        assert!(!ran.status.success(), "{asked}");
        assert!(!mark.exists(), "{asked} was run");
    }
}

#[test]
fn a_bastion_that_goes_takes_its_hosts_with_it_and_says_one_thing() {
    let Some(lab) = Lab::up("ssh-hosts", "it-down", &[]) else { return };
    let hook = Hook::new();
    let mut text = format!(
        "{}[notify.hook]\nwebhook = {{ url = \"{}\" }}\n[host.gate]\nssh_config = \"{}\"\n",
        crate::lab::ALONE,
        hook.url(),
        lab.get("SSH_CONFIG")
    );
    for host in ["deb", "alpine", "nas"] {
        text.push_str(&format!(
            "[host.{host}]\nssh_config = \"{}\"\nparent = \"gate\"\n",
            lab.get("SSH_CONFIG")
        ));
    }
    let home = Home::new(&text);
    let reef = home.start();
    let hosts = |reef: &crate::lab::Reef| {
        let signals = list(&reef.json(&["status"]), "signals");
        let of_host = signals.into_iter().filter(|s| s["name"] == "host");
        of_host.map(|s| s["reading"]["severity"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    reef.until("all hosts answer", |reef| (hosts(reef) == ["green"; 4]).then_some(()));
    // The server, and the connections that it holds.
    let pid = lab.get("GATE_PID");
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let gone: Vec<&str> = [pid].into_iter().chain(children.split_whitespace()).collect();
    assert!(command("kill").args(&gone).status().unwrap().success());
    reef.until("no host answers", |reef| {
        reef.looks_pass(1);
        (hosts(reef) == ["red"; 4]).then_some(())
    });
    // A red that may hang on others is told once none of them explains it.
    reef.until("it is told", |reef| {
        reef.looks_pass(1);
        (!hook.told().is_empty()).then_some(())
    });
    reef.looks_pass(3);
    let open = |i: &&Json| i["state"]["state"] != "explained" && i["state"]["state"] != "resolved";
    let incidents = reef.incidents();
    let open: Vec<&Json> = incidents.iter().filter(open).collect();
    assert_eq!(open.len(), 1, "{incidents:#?}");
    let titles = hook.titles();
    assert_eq!(titles.len(), 1, "{titles:#?}");
    assert!(titles[0].contains("gate"), "{titles:#?}");
}
