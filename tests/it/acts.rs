//! Acting on other hosts, for real: by a key that may do what is listed and nothing else, and what is told
//! where a host, a NAS or a name server is gone.

use std::path::Path;

use serde_json::Value as Json;

use crate::lab::{ALONE, Home, Lab, Reef, command, list};

/// Who may log in to a server of the lab.
fn authorized(lab: &Lab) -> std::path::PathBuf {
    Path::new(lab.get("KEY")).parent().unwrap().join("authorized_keys")
}

/// What a raw `ssh` by this key gets: exit code and all that was said.
fn asked(lab: &Lab, key: &Path, line: &str) -> (i32, String) {
    let key = format!("IdentityFile={}", key.display());
    let output = command("ssh")
        .args([
            "-F",
            "/dev/null",
            "-o",
            &key,
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
        ])
        .args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "BatchMode=yes",
        ])
        .args(["-o", "LogLevel=ERROR", "-p", lab.get("PORT"), "127.0.0.1", line])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// A runbook by which the operator leaves a mark on a host.
const MARK: &str = r#"+++
title    = "Leave a mark"
match    = { probe = "host", reason = ["never"] }
max_tier = "critical"
tools    = ["host.exec", "host.run"]
commands = [["sh", "-c", "echo $((6*7)) it\\'s ; * >>MARK"]]
+++
# Leave a mark

```step
name = "look"
tool = "host.run"
args = { argv = ["uptime", "-s"] }
```

```step
name = "mark"
tool = "host.exec"
args = { argv = ["sh", "-c", "echo $((6*7)) it\\'s ; * >>MARK"] }
```

```verify
query = { tool = "host.run", args = { argv = ["ls", "MARK"] }, value = "code", is = 0 }
```
"#;

#[test]
fn a_key_that_acts_runs_what_is_listed_and_nothing_else() {
    let Some(lab) = Lab::up("sshd", "it-acts", &[]) else { return };
    let home = Home::new("");
    let key = home.path().join("act");
    let made = command("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()])
        .status()
        .unwrap();
    assert!(made.success());
    let mark = home.path().join("mark").display().to_string();
    let books = home.path().join("books");
    std::fs::create_dir(&books).unwrap();
    // A script that says something, to have an effect that can be seen.
    let script = format!("echo $((6*7)) \"it's ; *\" >>{mark}");
    let text = MARK
        .replace("echo $((6*7)) it\\\\'s ; * >>MARK", &script.replace('"', "\\\""))
        .replace("MARK", &mark);
    std::fs::write(books.join("mark.md"), text).unwrap();
    home.configure(&format!(
        "ceiling = \"ask\"\nrunbook_dir = {books:?}\n{ALONE}\nunit.web = {{ unit = \"web\", host = \"nas\" }}\n\
         [host.nas]\naddress = \"{}\"\nssh_config = \"{}\"\nact_key = {key:?}\ndisturb = true\n",
        lab.name(),
        lab.get("SSH_CONFIG"),
    ));
    let at = home.path().join("reef-act").display().to_string();
    let made = home.reef(&["host", "authorize", "nas", "--act", "--at", &at, "--json"]).ok().json();
    let commands: Vec<&str> = list(&made, "commands")
        .iter()
        .map(|c| c.as_str().unwrap().to_owned())
        .map(|c| &*c.leak())
        .collect();
    // What the shipped runbooks may do to a journal, the own one's mark, and the one unit.
    assert_eq!(commands.len(), 3, "{commands:?}");
    assert_eq!(commands[0], "journalctl --vacuum-size=524288000");
    assert_eq!(commands[2], "systemctl restart web.service");
    std::fs::write(&at, made["gatekeeper"].as_str().unwrap()).unwrap();
    assert!(command("chmod").args(["755", &at]).status().unwrap().success());
    let line = made["line"].as_str().unwrap();
    assert!(line.starts_with(&format!("restrict,command=\"{at}\" ssh-ed25519 ")), "{line}");
    let mut keys = std::fs::read_to_string(authorized(&lab)).unwrap();
    keys.push_str(&format!("{line}\n"));
    std::fs::write(authorized(&lab), keys).unwrap();

    // What is listed is let through: systemctl says itself that there is no systemd, or no such unit.
    let (code, said) = asked(&lab, &key, "systemctl restart web.service");
    assert!(code != 126 && !said.contains("reef-act"), "{code}: {said}");
    for line in [
        "",
        "systemctl restart web",
        "systemctl restart db.service",
        "systemctl restart web.service db.service",
        "systemctl restart --no-block web.service",
        "systemctl stop web.service",
        "systemctl restart web.service; id",
        "systemctl restart web.service\nid",
        "systemctl restart web.service && id",
        " systemctl restart web.service",
        "sh -c id",
        "uptime",
    ] {
        let (code, said) = asked(&lab, &key, line);
        assert_eq!(code, 126, "{line:?}: {said}");
        assert!(said.contains("reef-act: this key may not run this"), "{line:?}: {said}");
        assert!(!said.contains("uid="), "{line:?}: {said}");
    }

    // reef itself acts by that key, and by the letter.
    let reef = home.start();
    let ran = reef.reef(&["runbook", "run", "mark", "--on", "nas", "--yes"]);
    assert_eq!(std::fs::read_to_string(&mark).unwrap_or_default(), "42 it's ; *\n", "{ran:#?}");
    let dispatched = reef.records("dispatched");
    assert_eq!(dispatched.len(), 1, "{dispatched:#?}");
    assert_eq!(dispatched[0]["payload"]["tier"], "high", "{dispatched:#?}");

    // Without its line in the gatekeeper it does not happen, and that is what is said.
    let less = std::fs::read_to_string(&at).unwrap();
    let less: Vec<&str> = less.lines().filter(|line| !line.contains("mark")).collect();
    std::fs::write(&at, format!("{}\n", less.join("\n"))).unwrap();
    let ran = reef.reef(&["runbook", "run", "mark", "--on", "nas", "--yes"]);
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "42 it's ; *\n", "{ran:#?}");
    let closed = reef.records("closed").pop().unwrap().to_string();
    assert!(closed.contains("reef host authorize nas --act"), "{closed}");
}

/// Ends a server and the connections that it holds.
fn end(pid: &str) {
    let children =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let gone: Vec<&str> = [pid].into_iter().chain(children.split_whitespace()).collect();
    assert!(command("kill").args(&gone).status().unwrap().success());
}

/// Waits, while looks pass, until an incident has ended in words with this part.
#[track_caller]
fn until_told(reef: &Reef, part: &str) -> Json {
    reef.until(&format!("it is told: {part}"), |reef| {
        reef.looks_pass(1);
        let told = |r: &Json| r["payload"]["outcome"].as_str().is_some_and(|o| o.contains(part));
        reef.records("decided").into_iter().find(told)
    })
}

#[test]
fn a_host_that_is_gone_is_told_with_its_cause_and_the_next_step() {
    let Some(lab) = Lab::up("sshd", "it-gone", &[]) else { return };
    let home = Home::new(&format!(
        "ceiling = \"auto\"\n{ALONE}[host.nas]\naddress = \"{}\"\nssh_config = \"{}\"\n",
        lab.name(),
        lab.get("SSH_CONFIG")
    ));
    let reef = home.start();
    reef.until("the host answers", |reef| {
        let signals = list(&reef.json(&["status"]), "signals");
        signals
            .iter()
            .any(|s| s["name"] == "host" && s["reading"]["severity"] == "green")
            .then_some(())
    });
    end(lab.get("PID"));
    let decided = until_told(&reef, "nothing listens on its SSH port");
    let words = decided["payload"]["outcome"].as_str().unwrap();
    assert!(words.contains("Next: ") && words.contains("systemctl start ssh"), "{words}");
    assert_eq!(decided["payload"]["tools_called"][0], "net.reach", "{decided:#}");
    assert!(reef.records("dispatched").is_empty());
}

#[test]
fn a_dead_mount_is_made_anew_and_a_dead_nas_is_told() {
    if !Path::new("/usr/bin/sshfs").exists() || !Path::new("/dev/fuse").exists() {
        eprintln!("SKIPPED, nothing was tested: sshfs or /dev/fuse is missing");
        return;
    }
    let Some(lab) = Lab::up("sshd", "it-nas", &[]) else { return };
    let home = Home::new("");
    // What is shared lies in memory: how full the disk of this machine is must not matter.
    let memory = tempfile::Builder::new().prefix("reef-it-").tempdir_in("/dev/shm").unwrap();
    let (share, mount) = (memory.path().to_owned(), home.path().join("photos"));
    std::fs::create_dir(&mount).unwrap();
    std::fs::write(share.join("photo"), "x").unwrap();
    let fstab = home.path().join("fstab");
    let line = format!(
        "{name}:{share} {mount} fuse.sshfs noauto,ssh_command=ssh\\040-F\\040{config} 0 0\n",
        name = lab.name(),
        share = share.display(),
        mount = mount.display(),
        config = lab.get("SSH_CONFIG"),
    );
    std::fs::write(&fstab, line).unwrap();
    // The mount lives in the daemon's own mount namespace, with its own fstab.
    let script = format!(
        "export PATH; mount --bind {} /etc/fstab && mount {} || exit 9",
        fstab.display(),
        mount.display()
    );
    let home = home.in_namespace(script);
    let within = [("within = \"3m\"", "within = \"40s\"")];
    let books = home.runbook("nas-unreachable", &within);
    let config = |ceiling: &str| {
        format!(
            "ceiling = \"{ceiling}\"\nrunbook_dir = {books:?}\n[host.this]\ndisturb = true\nmounts = [{mount:?}]\n\
             [web]\nlisten = \"off\"\n[probe]\n{off}\ndisk = {{ every = \"2s\", ignore = [\"/\"] }}\n\
             [host.{name}]\nssh_config = \"{ssh}\"\n[runbook.nas-unreachable]\nleash = \"auto\"\n",
            off = r#"off = ["memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "dns.resolver", "unit", "reef", "docker", "compose", "swarm", "uplink"]"#,
            name = lab.name(),
            ssh = lab.get("SSH_CONFIG"),
        )
    };
    home.configure(&config("auto"));
    let mut reef = home.start();
    let photos = mount.display().to_string();
    let of_mount = |reef: &Reef| {
        let signals = list(&reef.json(&["status"]), "signals");
        signals.into_iter().find(|s| {
            s["reading"]["signal"]["target"].as_str().is_some_and(|t| t.ends_with(&photos))
        })
    };
    let severity = |reef: &Reef| of_mount(reef).map(|s| s["reading"]["severity"].clone());
    reef.until("the volume is seen", |reef| (severity(reef)? == "green").then_some(()));
    // The connection under the mount hangs; its server is there. The mount was made before reef's own way.
    let sessions = format!("/proc/{0}/task/{0}/children", lab.get("PID"));
    let newest = |known: &[String]| {
        let children = std::fs::read_to_string(&sessions).unwrap();
        let mut all: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        all.sort_by_key(|pid| pid.parse::<u32>().unwrap());
        all.retain(|pid| !known.contains(pid));
        all
    };
    let first = newest(&[]).remove(0);
    let _thawed = Thaw(first.clone());
    assert!(command("kill").args(["-STOP", &first]).status().unwrap().success());
    let verified = reef.until("it is mounted anew", |reef| reef.records("verified").pop());
    assert_eq!(verified["payload"]["outcome"], "yes", "{verified:#}");
    let tools: Vec<Json> =
        reef.records("dispatched").iter().map(|r| r["payload"]["tool"].clone()).collect();
    assert_eq!(tools, ["mount.unmount", "mount.mount"]);
    assert_eq!(severity(&reef).unwrap(), "green");
    reef.until("it is over", |reef| {
        reef.incidents().iter().all(|i| i["state"]["state"] == "resolved").then_some(())
    });

    // Now the NAS itself is gone: nothing is done, and a human is told what, by whichever is seen first, the host or its mount.
    let second = newest(&[]).pop().unwrap();
    let _thawed_too = Thaw(second.clone());
    assert!(command("kill").args(["-STOP", &second]).status().unwrap().success());
    assert!(command("kill").args(["-KILL", lab.get("PID")]).status().unwrap().success());
    let decided = until_told(&reef, "Next: ");
    let words = decided["payload"]["outcome"].as_str().unwrap();
    assert!(words.contains(lab.name()) && words.contains("SSH port"), "{words}");
    assert_eq!(reef.records("dispatched").len(), 2, "nothing more was done");
    reef.stop();
}

/// A process that was stopped ends with the test.
struct Thaw(String);

impl Drop for Thaw {
    fn drop(&mut self) {
        drop(command("kill").args(["-KILL", &self.0]).status());
    }
}
