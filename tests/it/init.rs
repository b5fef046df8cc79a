//! `reef init` on real hosts and a real engine: what it writes is what `reef run` then watches.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::lab::{Home, Lab, PATIENCE, command, list};

/// A home without a config, and an ssh config that names nobody: the tester's own hosts are left alone.
fn empty() -> (Home, String) {
    let home = Home::new("");
    std::fs::remove_file(home.config()).unwrap();
    let nobody = home.path().join("ssh_config");
    std::fs::write(&nobody, "Host *\n  User nobody\nHost github.com\n").unwrap();
    (home, nobody.to_str().unwrap().to_owned())
}

fn severity<'a>(signals: &'a [Json], name: &str, target: &str) -> Option<&'a str> {
    let about = |s: &&Json| s["name"] == name && s["reading"]["signal"]["target"] == target;
    signals.iter().find(about)?["reading"]["severity"].as_str()
}

#[test]
fn two_files_are_all_that_a_box_with_docker_and_ssh_hosts_needs() {
    let Some(lab) = Lab::up("ssh-hosts", "it-init", &[]) else { return };
    let Some(engine) = Lab::up("dockerd", "it-init", &[]) else { return };
    for name in ["jellyfin", "my.db"] {
        let mut docker = command("docker");
        docker.env("DOCKER_HOST", engine.get("DOCKER_HOST")).stdin(Stdio::null());
        let run = ["run", "-d", "--network", "none", "--name", name, engine.get("IMAGE")];
        let out = docker.args(run).args(["sleep", "3600"]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let (home, _) = empty();
    let known = || std::fs::read_to_string(Path::new(lab.get("DIR")).join("known_hosts")).unwrap();
    let before = known();
    let mut init = home.command();
    init.env("DOCKER_HOST", engine.get("DOCKER_HOST"));
    init.args(["init", "--yes", "--json", "--ssh-config", lab.get("SSH_CONFIG")]);
    let out = init.stdin(Stdio::null()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let said: Json = serde_json::from_slice(&out.stdout).unwrap();
    let answers = |host: &str| {
        let hosts = list(&said, "hosts");
        let row = hosts.into_iter().find(|row| row["host"] == host);
        row.unwrap_or_else(|| panic!("no {host} in {said:#}"))["answers"].as_bool().unwrap()
    };
    for host in ["gate", "deb", "alpine", "nas"] {
        assert!(answers(host), "{host}: {said:#}");
    }
    // One key is not accepted, and one host is not known: nothing was trusted, and nothing written there.
    assert!(!answers("only") && !answers("stranger"), "{said:#}");
    assert_eq!(before, known());

    let text = std::fs::read_to_string(home.config()).unwrap();
    for line in
        ["ceiling = \"ask\"", "[host.nas]", "parent = \"gate\"", "#[host.stranger]", "#[host.only]"]
    {
        assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
    }
    assert!(text.contains("SHA256:"), "its fingerprints are shown:\n{text}");
    let mode = std::fs::metadata(home.config()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let inventory = std::fs::read_to_string(home.state().join("inventory.md")).unwrap();
    for part in ["## nas", "container: jellyfin", "may be down for 10 min"] {
        assert!(inventory.contains(part), "no {part} in\n{inventory}");
    }
    home.reef(&["config", "check"]).ok();

    let began = Instant::now();
    let mut reef = home.start();
    reef.until("all of it is seen", |reef| {
        let signals = list(&reef.json(&["status"]), "signals");
        let here = signals.iter().find_map(|s| {
            s["reading"]["signal"]["target"].as_str()?.strip_suffix(":container:jellyfin")
        })?;
        let green = |name: &str, target: &str| severity(&signals, name, target) == Some("green");
        let hosts = ["gate", "deb", "alpine", "nas"].iter().all(|host| green("host", host));
        let engine = green("docker", &format!("{here}:container:jellyfin"))
            && green("docker", &format!("{here}:container:my.db"));
        (hosts && engine).then_some(())
    });
    eprintln!("from the start of reef to all hosts and containers: {:?}", began.elapsed());
    let nas = reef.reef(&["check", "nas", "--json"]).json();
    let signals = list(&nas, "signals");
    assert_eq!(severity(&signals, "host", "nas"), Some("green"), "{nas:#}");
    assert!(signals.iter().any(|s| s["name"] == "memory"), "{nas:#}");
    assert!(
        signals
            .iter()
            .all(|s| s["reading"]["signal"]["target"].as_str().unwrap().starts_with("nas")),
        "{nas:#}"
    );
    reef.stop();

    let files = || {
        let mut names: Vec<_> =
            std::fs::read_dir(home.state()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        let read = |path| std::fs::read_to_string(path).unwrap();
        (names, read(home.config()), read(home.state().join("inventory.md")))
    };
    let was = files();
    let again = home.reef(&["init", "--yes"]).failed(2);
    assert!(again.err.contains("never overwrites"), "{again:#?}");
    assert!(again.err.contains(home.config().to_str().unwrap()), "{again:#?}");
    assert_eq!(was, files());
}

/// A terminal around reef, by script(1), that writes what is shown to a file.
struct Terminal {
    child: Child,
    shown: std::path::PathBuf,
}

impl Terminal {
    fn start(home: &Home, args: &str) -> Option<Self> {
        let shown = home.path().join("shown");
        std::fs::write(&shown, "").unwrap();
        let reef = format!(
            "{} -c {} --state {} {args}",
            env!("CARGO_BIN_EXE_reef"),
            home.config().display(),
            home.state().display()
        );
        let mut script: Command = command("script");
        script
            .args(["-qefc", &reef])
            .arg(&shown)
            .env("SHELL", "/bin/sh")
            .env("HOME", "/nonexistent");
        script.env_remove("DOCKER_HOST").env_remove("KUBECONFIG");
        let child =
            script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        match child {
            Ok(child) => Some(Self { child, shown }),
            Err(why) => {
                eprintln!("SKIPPED, nothing was tested: script(1): {why}");
                None
            }
        }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.shown).unwrap()).into_owned()
    }

    #[track_caller]
    fn types(&mut self, when: &str, keys: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.shown().contains(when) {
            assert!(Instant::now() < end, "never {when:?} in {}", self.shown());
            std::thread::sleep(Duration::from_millis(30));
        }
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).and_then(|()| stdin.flush()).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_terminal_is_asked_and_ctrl_c_writes_nothing() {
    let (home, nobody) = empty();
    let Some(mut terminal) = Terminal::start(&home, &format!("init --ssh-config {nobody}")) else {
        return;
    };
    terminal.types(" first ", "backups\r");
    terminal.types(" leash ", "\x03");
    let ended = terminal.child.wait().unwrap();
    assert!(!ended.success(), "{}", terminal.shown());
    assert!(!home.config().exists() && !home.state().exists(), "{}", terminal.shown());
    drop(terminal);

    let mut terminal = Terminal::start(&home, &format!("init --ssh-config {nobody}")).unwrap();
    terminal.types(" first ", "certificates\r");
    // Which questions come in between depends on what runs on this machine.
    let services = Instant::now() + PATIENCE;
    while !terminal.shown().contains(" leash ") {
        assert!(Instant::now() < services, "{}", terminal.shown());
        if terminal.shown().contains(" tolerance ") {
            terminal.types(" tolerance ", "20m\r");
            break;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    terminal.types(" leash ", "observe\r");
    terminal.types(" quiet ", "none\r");
    let ended = terminal.child.wait().unwrap();
    assert!(ended.success(), "{}", terminal.shown());
    let text = std::fs::read_to_string(home.config()).unwrap();
    assert!(text.contains("ceiling = \"observe\"") && text.contains("#quiet = "), "{text}");
    home.reef(&["config", "check"]).ok();
}
