//! A real systemd in a container, with reef as a service of it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::lab::{Lab, PATIENCE, command, list};

/// The container.
pub struct Machine {
    lab: Lab,
}

const REEF: &str = "[Service]\nType=notify\nNotifyAccess=main\nWatchdogSec=60\nStateDirectory=reef\nRuntimeDirectory=reef\n\
                    ExecStart=/opt/reef/reef -c /etc/reef/config.toml run\n";
const SLEEPS: &str = "[Service]\nExecStart=/bin/sleep infinity\n";

impl Machine {
    pub fn up(name: &str) -> Option<Self> {
        let binary = Path::new(env!("CARGO_BIN_EXE_reef"));
        let lab = Lab::up("systemd-host", name, &[binary.parent().unwrap().to_str().unwrap()])?;
        Some(Self { lab })
    }

    fn docker(&self, args: &[&str]) -> Command {
        let mut docker = command("docker");
        docker.env("DOCKER_HOST", self.lab.get("DOCKER_HOST")).arg("exec").args(args);
        docker
    }

    /// A command in it: its exit code and what it printed.
    pub fn try_run(&self, args: &[&str]) -> (i32, String) {
        let output = self
            .docker(&[self.lab.get("CONTAINER")])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap_or(-1), text)
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        let (code, text) = self.try_run(args);
        assert_eq!(code, 0, "{args:?}: {text}");
        text.trim().to_owned()
    }

    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        let script = format!("mkdir -p $(dirname {path}) && cat >{path}");
        let mut docker = self.docker(&["-i", self.lab.get("CONTAINER"), "sh", "-c", &script]);
        let mut child = docker.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{path}");
    }

    /// Starts reef under this config, with patience cut short in its runbooks.
    #[track_caller]
    fn start_reef(&self, probes: &str) {
        for name in ["service-failed", "http-down"] {
            let shipped =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(format!("{name}.md"));
            let text = std::fs::read_to_string(shipped).unwrap();
            let patient = "within = \"3m\"\nstays  = \"1m\"";
            assert!(text.contains(patient), "{name}");
            self.write(
                &format!("/etc/reef/runbooks/{name}.md"),
                &text.replace(patient, "within = \"30s\"\nstays = \"1s\""),
            );
        }
        let off = r#"off = ["disk", "memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "security", "dns.resolver", "unit", "reef"]"#;
        let config = format!(
            "ceiling = \"auto\"\nrunbook_dir = \"/etc/reef/runbooks\"\n[web]\nlisten = \"off\"\n[probe]\n{off}\n{probes}\n\
             [runbook.service-failed]\nleash = \"auto\"\n[runbook.http-down]\nleash = \"auto\"\n"
        );
        self.write("/etc/reef/config.toml", &config);
        self.write("/etc/systemd/system/reef.service", REEF);
        self.run(&["systemctl", "daemon-reload"]);
        // Comes back when reef has said that it is ready.
        let (code, text) = self.try_run(&["systemctl", "start", "reef"]);
        assert_eq!(code, 0, "{text}\n{}", self.journal());
    }

    pub fn journal(&self) -> String {
        self.try_run(&["journalctl", "-u", "reef", "--no-pager", "-n", "60"]).1
    }

    pub fn reef(&self, args: &[&str]) -> (i32, String) {
        let all: Vec<&str> = ["/opt/reef/reef"].iter().chain(args).copied().collect();
        self.try_run(&all)
    }

    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Json {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let (code, text) = self.reef(&args);
        assert_eq!(code, 0, "{args:?}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[track_caller]
    fn records(&self, kind: &str) -> Vec<Json> {
        let mut records =
            list(&self.json(&["audit", "list", "-n", "1000", "--kind", kind]), "records");
        records.reverse();
        records
    }

    #[track_caller]
    pub fn until<T>(&self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            if end < Instant::now() {
                let (incidents, audit) =
                    (self.reef(&["incidents", "--all"]).1, self.reef(&["audit", "list"]).1);
                panic!(
                    "never: {what}\n{incidents}\n{audit}\n{}\n{}",
                    self.reef(&["status"]).1,
                    self.journal()
                );
            }
            std::thread::sleep(Duration::from_millis(150));
        }
    }

    #[track_caller]
    fn until_green(&self) {
        self.until("all is green", |m| {
            let signals = list(&m.json(&["status"]), "signals");
            (!signals.is_empty() && signals.iter().all(|s| s["reading"]["severity"] == "green"))
                .then_some(())
        });
    }

    /// Waits until the only incident is over and proven.
    #[track_caller]
    fn until_fixed(&self) {
        self.until("it is fixed", |m| {
            let incidents = list(&m.json(&["incidents", "--all"]), "incidents");
            assert!(incidents.len() <= 1, "{incidents:#?}");
            incidents.first().filter(|i| i["state"]["state"] == "resolved").map(drop)
        });
        let verified = self.until("the proof", |m| m.records("verified").pop());
        assert_eq!(verified["payload"]["outcome"], "yes", "{verified:#}");
        assert_eq!(verified["payload"]["tool"], "unit.restart", "{verified:#}");
        let (code, text) = self.reef(&["audit", "verify"]);
        assert_eq!(code, 0, "{text}");
    }
}

#[test]
fn a_failed_service_is_restarted_and_a_stopped_one_left_alone() {
    let Some(machine) = Machine::up("it-service") else { return };
    machine.write("/etc/systemd/system/web.service", SLEEPS);
    machine.write("/etc/systemd/system/quiet.service", SLEEPS);
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "start", "web", "quiet"]);
    machine.start_reef("unit.web = { unit = \"web\", every = \"1s\" }\nunit.quiet = { unit = \"quiet\", every = \"1s\" }");
    machine.until_green();
    machine.run(&["systemctl", "stop", "quiet"]);
    machine.run(&["systemctl", "kill", "--signal=KILL", "web"]);
    machine.until_fixed();
    assert_eq!(machine.run(&["systemctl", "is-active", "web"]), "active");
    // What was stopped by hand stays stopped, and nobody was told of it.
    assert_eq!(machine.try_run(&["systemctl", "is-active", "quiet"]).1.trim(), "inactive");
    let dispatched = machine.records("dispatched");
    assert_eq!(dispatched.len(), 1, "{dispatched:#?}");
    assert!(
        dispatched[0]["payload"]["target"].as_str().unwrap().ends_with("unit:web.service"),
        "{dispatched:#?}"
    );
    // A clean end as systemd asks for it.
    machine.run(&["systemctl", "stop", "reef"]);
    assert_eq!(machine.run(&["systemctl", "show", "reef", "-p", "Result", "--value"]), "success");
    init_finds_them(&machine);
}

/// What runs here gets a line, what was stopped none; what failed and what makes backups stand in the inventory.
#[track_caller]
fn init_finds_them(machine: &Machine) {
    let nightly = "[Service]\nType=oneshot\nExecStart=-/usr/bin/restic -p hunter2 backup /srv\n";
    machine.write("/etc/systemd/system/nightly.service", nightly);
    machine.write("/etc/systemd/system/nightly.timer", "[Timer]\nOnCalendar=daily\n");
    machine.write("/opt/init/ssh_config", "Host *\n  User nobody\n");
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "start", "nightly.timer"]);
    let own = ["-c", "/opt/init/config.toml", "--state", "/opt/init/state"];
    let init = ["init", "--yes", "--ssh-config", "/opt/init/ssh_config"];
    let (code, text) = machine.reef(&[&own[..], &init].concat());
    assert_eq!(code, 0, "{text}");
    let config = machine.run(&["cat", "/opt/init/config.toml"]);
    let line = "unit.web = { unit = \"web.service\", tolerance = \"10 min\" }";
    assert!(config.lines().any(|l| l == line) && !config.contains("unit.quiet"), "{config}");
    assert!(config.contains("restic by nightly.timer") && !config.contains("hunter2"), "{config}");
    let (code, text) = machine.reef(&[&own[..], &["config", "check"]].concat());
    assert_eq!(code, 0, "{text}");
    let inventory = machine.run(&["cat", "/opt/init/state/inventory.md"]);
    for line in ["- web.service failed once", "- backup: restic by nightly.timer"] {
        assert!(inventory.contains(line), "no {line} in\n{inventory}");
    }
}

#[test]
fn a_service_that_hangs_behind_its_endpoint_is_restarted() {
    let Some(machine) = Machine::up("it-http") else { return };
    let site = "[Service]\nExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory /srv 8080\n";
    machine.run(&["mkdir", "-p", "/srv"]);
    machine.write("/etc/systemd/system/site.service", site);
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "start", "site"]);
    machine.start_reef(
        "http.site = { url = \"http://127.0.0.1:8080/\", served_by = \"unit:site\", every = \"1s\", timeout = \"500ms\", retry_after = \"100ms\" }",
    );
    machine.until_green();
    let before = machine.run(&["systemctl", "show", "site", "-p", "MainPID", "--value"]);
    machine.run(&["systemctl", "kill", "--signal=STOP", "site"]);
    machine.until_fixed();
    let after = machine.run(&["systemctl", "show", "site", "-p", "MainPID", "--value"]);
    assert_ne!(before, after);
    assert_eq!(machine.records("dispatched").len(), 1);
}

#[test]
fn a_busy_loop_is_found_and_a_young_one_left_alone() {
    let Some(machine) = Machine::up("it-cpu") else { return };
    let burn = "[Service]\nExecStart=/bin/sh -c 'while :; do :; done'\n";
    machine.write("/etc/systemd/system/burn.service", burn);
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "start", "burn"]);
    machine.start_reef("unit.burn = { unit = \"burn\", every = \"1s\" }");
    machine.until_green();
    let host = machine.json(&["status"])["host"].as_str().unwrap().to_owned();
    let (code, text) = machine.reef(&["runbook", "run", "cpu", "--on", &host, "--yes"]);
    assert!(text.contains("spike") || text.contains("left alone"), "{code}: {text}");
    assert!(machine.records("dispatched").is_empty());
    assert_eq!(machine.run(&["systemctl", "is-active", "burn"]), "active");
    let decided = machine.until("its record", |m| m.records("decided").pop());
    let words = decided["payload"].to_string();
    assert!(words.contains("process.list"), "{decided:#}");
}

const JOURNAL: &str = r#"+++
title    = "Journal"
match    = { probe = "disk", severity = ["red"] }
leash    = "ask"
max_tier = "high"
tools    = ["journal.vacuum"]
+++
# Journal

```step
name = "vacuum"
tool = "journal.vacuum"
args = { keep = "64 MiB" }
```

```verify
within = "1s"
```
"#;

#[test]
fn a_vacuum_of_the_journal_counts_by_what_it_freed() {
    let Some(machine) = Machine::up("it-journal") else { return };
    machine.write("/etc/reef/runbooks/journal.md", JOURNAL);
    machine.start_reef("");
    let vacuum = || machine.reef(&["runbook", "run", "journal", "--on", "this:/", "--yes"]);
    let (_, text) = vacuum();
    assert!(text.contains("nothing to do") && text.contains("64 MiB stay"), "{text}");
    let noise = "head -c 90M /dev/urandom | base64 -w 40000 | systemd-cat -t noise";
    machine.run(&["sh", "-c", noise]);
    machine.until("the journal has it", |m| {
        let said = m.run(&["journalctl", "--disk-usage"]);
        let size = said.split_once("take up ")?.1.split_once('.')?.0.parse::<u64>().ok()?;
        (80 < size).then_some(())
    });
    // All of it is in the active file, which a vacuum leaves: it ends with 0 and frees nothing.
    vacuum();
    let closed = machine.records("closed").pop().unwrap();
    assert_eq!(closed["payload"]["outcome"], "failed", "{closed:#}");
    let why = closed["payload"]["errors"].as_str().unwrap();
    assert!(why.contains("nothing was freed") && why.contains("journalctl --rotate"), "{why}");
    machine.run(&["journalctl", "--rotate"]);
    vacuum();
    let closed = machine.records("closed").pop().unwrap();
    assert_eq!(closed["payload"]["outcome"], "done", "{closed:#}");
    let did = closed["payload"]["output_excerpt"].as_str().unwrap();
    assert!(did.contains("freed 8") || did.contains("freed 9"), "{did}");
    assert_eq!(machine.records("dispatched").len(), 2);
}
