//! Containers of a real engine fail, and the shipped runbooks heal them, or say why they do not.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::docker::Engine;
use crate::lab::{Home, Reef};

/// Everything off but what looks at containers.
const OFF: &str = r#"["disk", "memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "dns.resolver", "unit", "reef", "compose", "swarm", "uplink"]"#;

/// A config that watches an engine closely.
pub fn config(engine: &Engine, ceiling: &str, books: Option<&PathBuf>, more: &str) -> String {
    let books = books.map_or(String::new(), |books| format!("runbook_dir = {books:?}\n"));
    let leash = |book: &str| format!("[runbook.{book}]\nleash = \"{ceiling}\"\n");
    let leashes: String =
        ["container-unhealthy", "container-crashloop", "container-oom", "http-down"]
            .map(leash)
            .concat();
    format!(
        "host_name = \"mini\"\nceiling = \"{ceiling}\"\n{books}[web]\nlisten = \"off\"\n[docker]\nsocket = {:?}\n\
         [probe]\noff = {OFF}\ndocker = {{ every = \"1s\", fire_after = 2, clear_after = 4 }}\n{more}\n{leashes}",
        engine.lab.get("SOCKET")
    )
}

/// A runbook of one step that only a human starts.
pub fn by_hand(probe: &str, tool: &str, args: &str) -> String {
    format!(
        "+++\ntitle = \"By hand\"\nmatch = {{ probe = \"{probe}\", reason = [\"by-hand\"] }}\nmax_tier = \"high\"\ntools = [\"{tool}\"]\n+++\n\
         # By hand\n\nWhat only a human starts.\n\n```step\nname = \"do\"\ntool = \"{tool}\"\nargs = {args}\n```\n\n```verify\nwithin = \"2s\"\n```\n"
    )
}

fn told(reef: &Reef, kind: &str, tool: &str) -> Vec<Json> {
    let mut records = reef.records(kind);
    records.retain(|r| r["payload"]["tool"] == tool);
    records
}

fn inspect(engine: &Engine, name: &str, field: &str) -> String {
    let (good, text) = engine.try_docker(&["inspect", "--format", field, name]);
    assert!(good, "{text}");
    text.trim().to_owned()
}

const STARTED: &str = "{{.State.StartedAt}}";

#[test]
fn an_unhealthy_container_is_restarted_once_and_under_observe_it_is_not() {
    let Some(engine) = Engine::up("it-unhealthy", Vec::new()) else { return };
    let checks = [
        "--health-interval",
        "1s",
        "--health-retries",
        "3",
        "--health-cmd",
        "test ! -f /sick",
        "--stop-timeout",
        "0",
    ];
    engine.start("web", &checks, &["sh", "-c", "rm -f /sick; exec sleep 3600"]);
    let home = Home::new("");
    let changes =
        [("within = \"5m\"", "within = \"30s\""), ("stays  = \"30s\"", "stays  = \"2s\"")];
    let books = home.runbook("container-unhealthy", &changes);
    home.configure(&config(&engine, "observe", Some(&books), ""));
    let mut reef = home.start();
    reef.until_green();
    let before = inspect(&engine, "web", STARTED);
    engine.run(&["exec", "web", "touch", "/sick"]);
    let incident = reef.until_incident("escalated");
    assert!(incident["state"]["why"].as_str().unwrap().contains("restart web"), "{incident:#}");
    assert_eq!(
        reef.records("dispatched").len() + told(&reef, "closed", "container.restart").len(),
        0
    );
    assert_eq!(inspect(&engine, "web", STARTED), before);
    reef.stop();

    home.configure(&config(&engine, "auto", Some(&books), ""));
    let state = tempfile::tempdir().unwrap();
    let home = home.with_state(state.path().join("state"));
    let reef = home.start();
    reef.until_incident("resolved");
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    let closed = told(&reef, "closed", "container.restart");
    assert_eq!(
        (closed.len(), closed[0]["payload"]["outcome"].as_str()),
        (1, Some("done")),
        "{closed:#?}"
    );
    assert_eq!(told(&reef, "verified", "container.restart")[0]["payload"]["outcome"], "yes");
    assert_ne!(inspect(&engine, "web", STARTED), before);
    assert_eq!(inspect(&engine, "web", "{{.State.Health.Status}}"), "healthy");

    // What keeps data is not restarted by a runbook that does not name it.
    let keeps = ["--label", "reef.stateful=true"];
    engine.start(
        "data",
        &[&checks[..], &keeps].concat(),
        &["sh", "-c", "touch /sick; exec sleep 3600"],
    );
    let before = inspect(&engine, "data", STARTED);
    let why = reef.until("it is told", |reef| {
        let mut all = reef.incidents();
        all.retain(|i| {
            i["signal"]["target"] == "mini:container:data" && i["state"]["state"] == "escalated"
        });
        Some(all.pop()?["state"]["why"].as_str()?.to_owned())
    });
    assert!(why.contains("keeps data") && why.contains("a runbook that names it"), "{why}");
    assert_eq!(inspect(&engine, "data", STARTED), before);
    // One that names it may, once a human says yes.
    let named = by_hand("docker", "container.restart", "{ container = \"mini:container:data\" }");
    std::fs::write(books.join("named.md"), named).unwrap();
    reef.reef(&["reload"]).ok();
    reef.reef(&["runbook", "run", "named", "--on", "mini:container:data", "--yes"]);
    assert_ne!(inspect(&engine, "data", STARTED), before);
}

#[test]
fn a_container_that_ends_again_is_no_success_and_is_tried_once() {
    let Some(engine) = Engine::up("it-again", Vec::new()) else { return };
    let home = Home::new("");
    home.configure(&config(&engine, "auto", None, ""));
    let reef = home.start();
    reef.until_green();
    // What somebody stopped stays stopped, whatever else is started here.
    engine.start("stopped", &["--stop-timeout", "0"], &["sleep", "3600"]);
    engine.run(&["stop", "stopped"]);
    engine.start("dies", &[], &["sh", "-c", "sleep 1; echo 'fatal: no config' >&2; exit 7"]);
    let incident = reef.until("it is over to the human", |reef| {
        let mut all = reef.incidents();
        assert!(all.len() < 2, "{all:#?}");
        all.pop().filter(|i| i["state"]["state"] == "escalated")
    });
    let why = incident["state"]["why"].as_str().unwrap();
    for part in ["start dies", "ended again with 7", "fatal: no config"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let closed = told(&reef, "closed", "container.start");
    assert_eq!(
        (closed.len(), closed[0]["payload"]["outcome"].as_str()),
        (1, Some("failed")),
        "{closed:#?}"
    );
    reef.looks_pass(3);
    assert_eq!(told(&reef, "dispatched", "container.start").len(), 1);
    assert_eq!(inspect(&engine, "stopped", "{{.State.Status}}"), "exited");
    // One that Docker restarts by itself gets no further restart, and its evidence goes to the human.
    engine.run(&["rm", "dies"]);
    engine.start(
        "loops",
        &["--restart", "always"],
        &["sh", "-c", "echo 'fatal: bad port' >&2; exit 3"],
    );
    let why = reef.until("the loop is told", |reef| {
        let mut all = reef.incidents();
        all.retain(|i| {
            i["signal"]["target"] == "mini:container:loops" && i["state"]["state"] == "escalated"
        });
        Some(all.pop()?["state"]["why"].as_str()?.to_owned())
    });
    for part in ["one more restart would not help", "Exit code 3", "fatal: bad port"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(reef.records("dispatched").len(), 1, "nothing but the one start");
    engine.run(&["rm", "-f", "loops"]);
}

#[test]
fn after_a_spike_a_container_is_started_again() {
    let Some(engine) = Engine::up("it-spike", Vec::new()) else { return };
    let limits = ["--memory", "32m", "--memory-swap", "32m", "--stop-timeout", "0"];
    let program = "rm -f /go; while [ ! -f /go ]; do sleep 0.2; done; exec tail /dev/zero";
    engine.start("job", &limits, &["sh", "-c", program]);
    let home = Home::new("");
    let changes = [("stays  = \"1h\"", "stays  = \"2s\"")];
    let books = home.runbook("container-oom", &changes);
    home.configure(&config(&engine, "auto", Some(&books), ""));
    let reef = home.start();
    // History is written every half minute.
    std::thread::sleep(std::time::Duration::from_secs(42));
    engine.run(&["exec", "job", "touch", "/go"]);
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    assert_eq!(told(&reef, "verified", "container.start")[0]["payload"]["outcome"], "yes");
    let closed = told(&reef, "closed", "container.start");
    assert_eq!(
        (closed.len(), closed[0]["payload"]["outcome"].as_str()),
        (1, Some("done")),
        "{closed:#?}"
    );
    assert_eq!(inspect(&engine, "job", "{{.State.Status}}"), "running");
}

/// An image without a name, made long ago, as `docker load` takes it.
fn load_old_image(engine: &Engine, folder: &std::path::Path) {
    let script = r#"
        set -e
        docker save "$1" | tar -x -C "$2"
        cd "$2"
        config=$(tr -d '[]{}" ' <manifest.json | tr ',' '\n' | sed -n 's/^Config://p')
        layer=$(tr -d '{}" ' <manifest.json | sed 's/.*Layers:\[\([^]]*\)\].*/\1/')
        sed -E 's/"created":"[^"]*"/"created":"2020-01-02T03:04:05Z"/' "$config" >old.json
        printf '[{"Config":"old.json","RepoTags":null,"Layers":["%s"]}]' "$layer" >manifest.json
        rm -f repositories
        tar -c manifest.json old.json "$layer" | docker load -q"#;
    let mut shell = crate::lab::command("sh");
    shell.args(["-c", script, "sh", engine.lab.get("IMAGE")]).arg(folder);
    let output = shell.env("DOCKER_HOST", engine.lab.get("DOCKER_HOST")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn only_old_images_that_nothing_holds_on_to_are_removed() {
    let Some(engine) = Engine::up("it-images", Vec::new()) else { return };
    let folder = tempfile::tempdir().unwrap();
    load_old_image(&engine, folder.path());
    // One without a name that is young, and one that a container holds on to.
    engine.run(&[
        "run",
        "--network",
        "none",
        "--name",
        "made",
        engine.lab.get("IMAGE"),
        "touch",
        "/x",
    ]);
    engine.run(&["commit", "made"]);
    let dangling = || {
        let (_, text) =
            engine.try_docker(&["images", "-q", "--no-trunc", "--filter", "dangling=true"]);
        text.lines().count()
    };
    assert_eq!(dangling(), 2);
    let home = Home::new("");
    let books = home.path().join("runbooks");
    std::fs::create_dir_all(&books).unwrap();
    std::fs::write(books.join("tidy.md"), by_hand("docker", "image.prune", "{ older = \"30d\" }"))
        .unwrap();
    home.configure(&config(&engine, "auto", Some(&books), ""));
    let reef = home.start();
    reef.until_green();
    let run = ["runbook", "run", "tidy", "--on", "mini", "--yes"];
    let said = reef.reef(&run);
    assert!(said.all().contains("remove 1 images without a name, older than 30 d"), "{said:?}");
    let closed = told(&reef, "closed", "image.prune");
    assert_eq!(closed[0]["payload"]["outcome"], "done", "{closed:#?}");
    assert_eq!(dangling(), 1, "the young one stays");
    // Nothing is left to remove: nothing is dispatched.
    reef.reef(&run);
    assert_eq!(told(&reef, "dispatched", "image.prune").len(), 1);
}

#[test]
fn an_address_is_healed_by_the_container_that_serves_it() {
    let Some(engine) = Engine::up("it-serves", Vec::new()) else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = format!("127.0.0.1:{port}");
    let labels = ["com.docker.compose.project=site", "com.docker.compose.service=web"];
    let begin = ["run", "-d", "--network", "host", "--name", "site-web-1", "--stop-timeout", "0"];
    let image = engine.lab.get("IMAGE").to_owned();
    let program = ["busybox", "httpd", "-f", "-p", at.as_str(), "-h", "/etc"];
    engine.run(
        &[&begin[..], &["--label", labels[0], "--label", labels[1], &image], &program].concat(),
    );
    let home = Home::new("");
    let books = home.runbook(
        "http-down",
        &[("within = \"3m\"", "within = \"30s\""), ("stays  = \"1m\"", "stays  = \"1s\"")],
    );
    let probe = format!(
        "http.site = {{ url = \"http://{at}/passwd\", served_by = \"compose:site/web\", every = \"1s\", timeout = \"500ms\", retry_after = \"100ms\", fire_after = 2, clear_after = 1 }}"
    );
    home.configure(&config(&engine, "auto", Some(&books), &probe));
    let reef = home.start();
    reef.until_green();
    // It hangs: it takes connections and says nothing.
    let pid = inspect(&engine, "site-web-1", "{{.State.Pid}}").parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::STOP,
    )
    .unwrap();
    reef.until_incident("resolved");
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    let closed = told(&reef, "closed", "container.restart");
    assert_eq!(
        (closed.len(), closed[0]["payload"]["outcome"].as_str()),
        (1, Some("done")),
        "{closed:#?}"
    );
    assert_eq!(closed[0]["payload"]["target"], "mini:compose:site/web");
}
