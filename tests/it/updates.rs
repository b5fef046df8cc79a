//! A compose project is brought up to date from a real registry, on this machine and over SSH, and put back when it
//! does not come up well.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use reef::control::client::Client;
use reef::model::ids::ApprovalId;
use reef::operator::order::Order;
use serde_json::Value as Json;

use crate::containers::{by_hand, config};
use crate::docker::Engine;
use crate::lab::{Home, Lab, Reef, command};

/// An engine, a registry, and a project that is served from the one and run by the other.
struct Stage {
    engine: Engine,
    registry: Lab,
    folder: tempfile::TempDir,
    port: u16,
}

impl Stage {
    fn up(name: &str) -> Option<Self> {
        let found = command("sh")
            .args(["-c", "docker compose version || docker-compose version"])
            .output()
            .unwrap();
        if !found.status.success() {
            eprintln!(
                "SKIPPED, nothing was tested: no compose is installed (tests/prepare installs it)"
            );
            return None;
        }
        let (registry, engine) = (Lab::up("registry", name, &[])?, Engine::up(name, Vec::new())?);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let stage = Self { engine, registry, folder: tempfile::tempdir().unwrap(), port };
        let text = format!(
            "version: \"2.4\"\nservices:\n  web:\n    image: {}\n    network_mode: host\n    stop_grace_period: 1s\n    \
             command: [\"sh\", \"-c\", \"grep -q bad /version && exit 1; exec busybox httpd -f -p 127.0.0.1:{port} -h /\"]\n",
            stage.image()
        );
        std::fs::create_dir(stage.folder.path().join("app")).unwrap();
        std::fs::write(stage.file(), text).unwrap();
        stage.publish("one");
        stage.compose(&["up", "-d"]);
        Some(stage)
    }

    fn image(&self) -> String {
        format!("{}/app:latest", self.registry.get("REGISTRY"))
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("app/docker-compose.yml")
    }

    /// The registry has this as the newest; the engine does not know it yet.
    #[track_caller]
    fn publish(&self, version: &str) {
        let write = format!("echo {version} >/version");
        let image = self.image();
        let lab = self.engine.lab.get("IMAGE").to_owned();
        self.engine.run(&["run", "--network", "none", "--name", "made", &lab, "sh", "-c", &write]);
        let (_, before) = self.engine.try_docker(&["images", "-q", "--no-trunc", &image]);
        self.engine.run(&["commit", "made", &image]);
        self.engine.run(&["push", &image]);
        self.engine.run(&["rm", "made"]);
        // What was pulled before stands for the name again; the new one has to be fetched.
        match before.trim() {
            "" => {}
            before => self.engine.run(&["tag", before, &image]),
        }
    }

    #[track_caller]
    fn compose(&self, args: &[&str]) {
        let mut compose = command("docker-compose");
        compose.env("DOCKER_HOST", self.engine.lab.get("DOCKER_HOST"));
        compose.args(["-p", "app", "-f"]).arg(self.file()).args(args);
        let output = compose.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the running version says of itself.
    fn version(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text.rsplit_once("\r\n\r\n")?.1.trim().to_owned())
    }
}

/// Starts the update and types the name of its target, as a terminal would.
#[track_caller]
fn update(home: &Home, on: &str) -> Json {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(vec![home.state().join("reef.sock")]);
    let order = Order::RunbookRun {
        name: reef::model::ids::RunbookName::new("compose-update").unwrap(),
        on: on.parse().unwrap(),
        set: vec![],
        dry_run: false,
    };
    let planned = runtime.block_on(client.ask(&order)).unwrap_or_else(|e| panic!("{e}"));
    let Some(id) = planned["approval"].as_i64() else { return planned };
    let approve = |typed: &str| Order::Approve {
        id: ApprovalId(id),
        choice: None,
        typed: Some(typed.into()),
    };
    // A yes alone is not enough for what is critical.
    let simple = Order::Approve { id: ApprovalId(id), choice: None, typed: None };
    assert!(runtime.block_on(client.ask(&simple)).is_err());
    let name = reef::policy::confirm::name_to_type(
        &serde_json::from_value(planned["plan"].clone()).unwrap(),
    )
    .unwrap();
    runtime.block_on(client.ask(&approve(&name))).unwrap_or_else(|e| panic!("{e}"));
    planned
}

fn outcomes(reef: &Reef, kind: &str) -> Vec<String> {
    let text = |v: &Json| v.as_str().unwrap_or("-").to_owned();
    let records = reef.records(kind);
    records
        .iter()
        .map(|r| format!("{} {}", text(&r["payload"]["tool"]), text(&r["payload"]["outcome"])))
        .collect()
}

fn books(home: &Home) -> std::path::PathBuf {
    home.runbook(
        "compose-update",
        &[
            ("within = \"5m\"", "within = \"10s\""),
            ("stays  = \"30s\"", "stays  = \"1s\""),
            ("free = \"2GiB\"", "free = \"1MiB\""),
        ],
    )
}

fn probe(stage: &Stage, on: &str) -> String {
    format!(
        "http.app = {{ url = \"http://127.0.0.1:{}/version\", served_by = \"{on}compose:app/web\", every = \"1h\" }}\n",
        stage.port
    )
}

fn stacks(host: &str, folder: &Path) -> String {
    format!("[host.{host}]\nstacks = [\"{}/*\"]\n", folder.display())
}

#[test]
fn a_project_is_updated_and_goes_back_when_the_new_one_is_bad() {
    let Some(stage) = Stage::up("it-update") else { return };
    let home = Home::new("");
    let books = books(&home);
    let leash = "[runbook.compose-update]\nleash = \"ask\"\n";
    let text = |more: &str| {
        let text = config(&stage.engine, "auto", Some(&books), &probe(&stage, ""));
        let text = text.replace("\"compose\", ", "");
        format!("{text}{leash}{more}")
    };
    // A project whose file nobody declared is not touched.
    home.configure(&text(""));
    let mut reef = home.start();
    reef.until_green();
    let planned = update(&home, "mini:stack:app");
    assert!(planned["approval"].is_null(), "{planned:#}");
    let (words, log) = (planned["words"].as_str().unwrap(), reef.log());
    assert!(words.contains("declared: no") || log.contains("declared: no"), "{words} {log}");
    reef.stop();

    home.configure(&text(&stacks("this", stage.folder.path())));
    let reef = home.start();
    reef.until_green();
    assert_eq!(stage.version().as_deref(), Some("one"));
    stage.publish("two");
    let planned = update(&home, "mini:stack:app");
    let words = planned["words"].as_str().unwrap();
    for part in ["fetch what is newer of 1 images of app", "apply ", "docker-compose.yml", "web"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    reef.until("the update is proven", |reef| {
        (outcomes(reef, "verified").len() == 2).then_some(())
    });
    assert_eq!(stage.version().as_deref(), Some("two"));
    assert_eq!(outcomes(&reef, "closed"), ["compose.pull done", "compose.up done"]);

    // What a container's image stands for is fetched by the engine itself, and nothing is restarted by that.
    let pull = by_hand("docker", "image.pull", "{ container = \"reading.container\" }");
    std::fs::write(books.join("fetch.md"), pull).unwrap();
    reef.reef(&["reload"]).ok();
    stage.publish("three");
    reef.reef(&["runbook", "run", "fetch", "--on", "mini:compose:app/web", "--yes"]);
    assert_eq!(outcomes(&reef, "closed")[2..], ["image.pull done"]);
    assert_eq!(stage.version().as_deref(), Some("two"));

    // The next one does not run: each service goes back to what it ran before.
    stage.publish("bad");
    update(&home, "mini:stack:app");
    reef.until("it was put back", |reef| {
        outcomes(reef, "closed").contains(&"compose.rollback done".to_owned()).then_some(())
    });
    assert_eq!(
        outcomes(&reef, "closed")[3..],
        ["compose.pull done", "compose.up done", "compose.rollback done"]
    );
    reef.until("the version before answers", |_| {
        (stage.version().as_deref() == Some("two")).then_some(())
    });
    let (_, kept) = stage.engine.try_docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(kept.contains("reef-kept/app-web:before"), "{kept}");
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn under_observe_an_update_fetches_nothing_and_changes_nothing() {
    let Some(stage) = Stage::up("it-watched") else { return };
    let home = Home::new("");
    let books = books(&home);
    let text = config(&stage.engine, "observe", Some(&books), &probe(&stage, ""));
    let text = text.replace("\"compose\", ", "");
    let leash = "[runbook.compose-update]\nleash = \"observe\"\n";
    home.configure(&format!("{text}{leash}{}", stacks("this", stage.folder.path())));
    let reef = home.start();
    reef.until_green();
    stage.publish("two");
    let images = || {
        let (_, listed) = stage.engine.try_docker(&["images", "--no-trunc", "--format", "{{.ID}}"]);
        listed.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let before = images();
    let said = reef.reef(&["runbook", "run", "compose-update", "--on", "mini:stack:app", "--yes"]);
    let would = reef.records("would");
    assert!(would.iter().any(|r| r.to_string().contains("compose.up")), "{would:?} {said:?}");
    assert!(reef.records("dispatched").is_empty());
    assert_eq!(stage.version().as_deref(), Some("one"));
    assert_eq!(images(), before);
}

#[test]
fn a_project_of_another_host_is_updated_over_ssh() {
    let Some(stage) = Stage::up("it-faraway") else { return };
    let env = format!("DOCKER_HOST={}", stage.engine.lab.get("DOCKER_HOST"));
    let Some(sshd) = Lab::up("sshd", "it-faraway", &["with", &env]) else { return };
    let host = sshd.name().to_owned();
    let home = Home::new("");
    let books = books(&home);
    let text = config(&stage.engine, "auto", Some(&books), &probe(&stage, &format!("{host}:")));
    // The engine is the other host's: this machine has none.
    let text = text.replace(stage.engine.lab.get("SOCKET"), "/nonexistent/docker.sock");
    let host_table = stacks(&host, stage.folder.path());
    let host_table = format!("{host_table}ssh_config = \"{}\"\n", sshd.get("SSH_CONFIG"));
    home.configure(&format!("{text}[runbook.compose-update]\nleash = \"ask\"\n{host_table}"));
    let reef = home.start();
    assert_eq!(stage.version().as_deref(), Some("one"));
    stage.publish("two");
    let on = format!("{host}:stack:app");
    let planned = update(&home, &on);
    assert!(planned["approval"].is_number(), "{planned:#}");
    reef.until("the update is proven", |reef| {
        (outcomes(reef, "verified").len() == 2).then_some(())
    });
    assert_eq!(stage.version().as_deref(), Some("two"));
    // One container of it, by the command there.
    let args = "{ container = \"reading.container\" }";
    for (name, tool) in [("again", "container.restart"), ("fetch", "image.pull")] {
        std::fs::write(books.join(format!("{name}.md")), by_hand("docker", tool, args)).unwrap();
    }
    reef.reef(&["reload"]).ok();
    let on = format!("{host}:compose:app/web");
    for name in ["again", "fetch"] {
        reef.reef(&["runbook", "run", name, "--on", &on, "--yes"]);
    }
    let closed = outcomes(&reef, "closed");
    for did in ["container.restart done", "image.pull done"] {
        assert!(closed.contains(&did.to_owned()), "{closed:?}");
    }
    reef.until("it answers again", |_| (stage.version().as_deref() == Some("two")).then_some(()));
}
