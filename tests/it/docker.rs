//! A real Docker daemon, and what reef says of its containers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reef::clients::collector::Request;
use reef::clients::collector::facts::{Kept, Reading as About, Whose};
use reef::clients::docker::{Docker, Named, Place};
use reef::clients::events::{Events, Rests, WakeReason};
use reef::clock::{Clock, SystemClock};
use reef::config::env::Env;
use reef::config::given::Source;
use reef::config::section::Reader;
use reef::model::container::ContainerState;
use reef::model::fact::{Fact, FactValue, Facts};
use reef::model::ids::HostName;
use reef::model::reading::Reading;
use reef::model::time::Span;
use reef::policy::redact::Redactor;
use reef::probe::ask::Context;
use reef::probe::past::NoPast;
use reef::probe::{How, Probe, table};
use tokio::time::{Instant, timeout};

use crate::lab::{Lab, PATIENCE, command};

pub struct Engine {
    pub lab: Lab,
    docker: Arc<Docker>,
    probes: Vec<Probe>,
}

/// The three that every machine has by itself.
fn probes() -> Vec<Probe> {
    let (_reader, mut root) = Reader::open(Source::new("defaults", ""), Env::of([]));
    let mut probes = table::from_config(&mut root, &Context::new(HostName::of("mini"))).probes;
    probes.retain(|probe| ["docker", "compose", "swarm"].contains(&probe.kind.as_str()));
    assert_eq!(probes.len(), 3);
    probes
}

impl Engine {
    pub fn up(name: &str, stacks: Vec<String>) -> Option<Self> {
        let lab = Lab::up("dockerd", name, &[])?;
        let socket = PathBuf::from(lab.get("SOCKET"));
        let docker = Arc::new(Docker::new(Place { socket, named: Named::Yes, stacks }));
        Some(Self { lab, docker, probes: probes() })
    }

    pub fn try_docker(&self, args: &[&str]) -> (bool, String) {
        let mut docker: Command = command("docker");
        docker.env("DOCKER_HOST", self.lab.get("DOCKER_HOST")).args(args).stdin(Stdio::null());
        let output = docker.output().unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) {
        let (good, text) = self.try_docker(args);
        assert!(good, "docker {args:?}: {text}");
    }

    /// `docker run -d --network none --name NAME OPTIONS IMAGE PROGRAM...`
    #[track_caller]
    pub fn start(&self, name: &str, options: &[&str], program: &[&str]) {
        let begin = ["run", "-d", "--network", "none", "--name", name];
        self.run(&[&begin[..], options, &[self.lab.get("IMAGE")], program].concat());
    }

    fn wants() -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Containers, Fact::Stacks, Fact::Swarm])
    }

    /// One tick: one collection, judged by all three probes.
    async fn look(&mut self) -> BTreeMap<String, Reading> {
        let mut facts = self.docker.facts(&Self::wants(), SystemClock.now()).await;
        facts.insert(Fact::Uptime, Ok(FactValue::Uptime(Span::days(1))));
        self.judged(&facts)
    }

    fn judged(&mut self, facts: &Facts) -> BTreeMap<String, Reading> {
        let mut told = BTreeMap::new();
        for probe in &mut self.probes {
            let How::Host(judge) = &mut probe.how else { panic!("{probe:?} is no host probe") };
            for reading in judge.judge(facts, &NoPast, SystemClock.now()) {
                told.insert(reading.signal.to_string(), reading);
            }
        }
        told
    }

    /// Looks until it is so.
    async fn until(&mut self, what: &str, so: impl Fn(&BTreeMap<String, Reading>) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let told = self.look().await;
            if so(&told) {
                return;
            }
            assert!(Instant::now() < end, "{what} never came: {told:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn state<'a>(told: &'a BTreeMap<String, Reading>, name: &str) -> (&'a str, &'a str) {
    let Some(reading) = told.get(&format!("docker mini:container:{name} state")) else {
        return ("", "");
    };
    (reading.severity.as_str(), reading.reason.as_str())
}

const COMPOSE: [&str; 3] = [
    "com.docker.compose.project=media",
    "com.docker.compose.project.config_files=compose.yaml",
    "com.docker.compose.container-number=1",
];

#[tokio::test]
async fn a_real_engine_is_told_as_it_is() {
    let stacks = tempfile::tempdir().unwrap();
    let place = format!("{}/*", stacks.path().display());
    let Some(mut engine) = Engine::up("it-told", vec![place]) else { return };
    engine.start("loop", &["--restart", "always"], &["sh", "-c", "sleep 0.1; exit 3"]);
    engine.start("oom", &["--memory", "16m", "--memory-swap", "16m"], &["tail", "/dev/zero"]);
    engine.start("stopped", &["--stop-timeout", "0"], &["sleep", "3600"]);
    engine.start("killed", &[], &["sleep", "3600"]);
    engine.start("obeys", &[], &["sh", "-c", "trap 'exit 1' TERM; while :; do sleep 0.05; done"]);
    engine.start("crashed", &[], &["sh", "-c", "exit 7"]);
    engine.start("once", &[], &["true"]);
    engine.start("quiet", &["--label", "reef.watch=false"], &["false"]);
    // Each check makes three events, of which the engine remembers 256 in all.
    let checks = |with: &'static str| {
        ["--health-interval", "1s", "--health-retries", "3", "--health-cmd", with]
    };
    engine.start("sick", &checks("false"), &["sleep", "3600"]);
    engine.start("well", &checks("true"), &["sleep", "3600"]);
    let (started, _) = engine.try_docker(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "broken",
        engine.lab.get("IMAGE"),
        "/nope",
    ]);
    assert!(!started);
    engine.run(&["stop", "stopped", "obeys"]);
    engine.run(&["kill", "killed"]);
    // As an event would have it; what was told of an end is kept when the engine has forgotten it.
    engine.look().await;

    engine
        .until("every state", |told| {
            state(told, "sick") == ("red", "unhealthy")
                // Who killed it is an event, which may come after the state.
                && state(told, "oom") == ("red", "oom")
                && state(told, "loop") == ("red", "restarts")
                && told["docker mini:container:well state"].words.as_str().contains("healthy")
        })
        .await;
    let told = engine.look().await;
    for (name, want) in [
        ("oom", ("red", "oom")),
        ("well", ("green", "ok")),
        ("stopped", ("green", "ok")),
        ("killed", ("green", "ok")),
        // It ended with 1 because it was told to: no fault.
        ("obeys", ("green", "ok")),
        ("crashed", ("red", "exited")),
        ("once", ("green", "ok")),
        ("quiet", ("", "")),
        ("broken", ("red", "start")),
    ] {
        assert_eq!(state(&told, name), want, "{name}: {told:#?}");
    }
    let values = |name: &str, value: &str| {
        told[&format!("docker mini:container:{name} state")].values[value].to_string()
    };
    assert_eq!((values("oom", "oom"), values("oom", "exit_code")), ("yes".into(), "137".into()));
    assert_eq!(
        (values("stopped", "intended"), values("crashed", "intended")),
        ("yes".into(), "no".into())
    );
    assert_eq!(values("well", "container"), "mini:container:well");

    over_ssh(&mut engine, &told).await;

    // A removed one is over, and its name says so.
    engine.run(&["rm", "crashed"]);
    let told = engine.look().await;
    assert_eq!(state(&told, "crashed"), ("green", "ok"));
    projects(&mut engine, stacks.path()).await;
    figures(&mut engine).await;
}

/// What a host behind SSH would print of the same engine comes to the same.
async fn over_ssh(engine: &mut Engine, told: &BTreeMap<String, Reading>) {
    let mut wanted = Engine::wants();
    wanted.insert(Fact::Uptime);
    let mut kept = Kept::default();
    let request = Request::new(kept.asks(&wanted)).unwrap();
    let mut shell = command("sh");
    shell.args(["-c", &request.program(), "reef-collect"]);
    shell.env("DOCKER_HOST", engine.lab.get("DOCKER_HOST"));
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request.input().as_bytes()).unwrap();
    let printed = child.wait_with_output().unwrap().stdout;
    let redactor = Redactor::new(Vec::new());
    let with = About { now: SystemClock.now(), redactor: &redactor, whose: Whose::Another };
    let facts = kept.answer(&wanted, &request.read(&printed), with);
    assert!(facts.values().all(Result::is_ok), "{facts:?}");
    engine.probes = probes();
    let remote = engine.judged(&facts);
    for (signal, there) in &remote {
        // It starts and ends all the time.
        if !signal.contains(":loop ") {
            let here = &told[signal];
            assert_eq!(
                (there.severity, &there.reason),
                (here.severity, &here.reason),
                "{signal}: {there:?}"
            );
        }
    }
    assert_eq!(remote.len(), told.len());
    assert!(remote.contains_key("docker mini image"));
}

/// A project with labels as compose gives them, one of whose services goes.
async fn projects(engine: &mut Engine, stacks: &Path) {
    let folder = stacks.join("media");
    std::fs::create_dir(&folder).unwrap();
    let text = "services:\n  web: { image: x, restart: always }\n  db: { image: x, restart: always }\n  \
                init: { image: x }\n  dev: { image: x, profiles: [dev] }\n";
    std::fs::write(folder.join("compose.yaml"), text).unwrap();
    std::fs::create_dir(stacks.join("never-up")).unwrap();
    std::fs::write(stacks.join("never-up/compose.yml"), "services: { a: { restart: always } }")
        .unwrap();
    let working = format!("com.docker.compose.project.working_dir={}", folder.display());
    for (service, program) in
        [("web", &["sleep", "3600"][..]), ("db", &["sleep", "3600"]), ("init", &["true"])]
    {
        let service_label = format!("com.docker.compose.service={service}");
        let labels = COMPOSE.iter().copied().chain([working.as_str(), service_label.as_str()]);
        let options: Vec<&str> = labels.flat_map(|label| ["--label", label]).collect();
        engine.start(&format!("media-{service}-1"), &options, program);
    }
    engine.run(&["wait", "media-init-1"]);
    let signal = "compose mini:stack:media services";
    let told = engine.look().await;
    assert_eq!(told[signal].words.as_str(), "all of its 3 services are there");
    assert_eq!(
        told["compose mini:stack:never-up services"].words.as_str(),
        "is down; it has 1 services"
    );
    engine.run(&["rm", "-f", "media-db-1", "media-init-1"]);
    let told = engine.look().await;
    assert_eq!(
        (told[signal].severity.as_str(), told[signal].words.as_str()),
        ("red", "no container for db")
    );
    engine.run(&["rm", "-f", "media-web-1"]);
}

/// What a tick costs: requests, and this process's time.
async fn figures(engine: &mut Engine) {
    engine.run(&["rm", "-f", "loop", "sick"]);
    for i in 0..20 {
        engine.start(&format!("many-{i}"), &[], &["sleep", "3600"]);
    }
    engine.look().await;
    // Young containers are looked at again until they are older than the time between two looks.
    tokio::time::sleep(Duration::from_secs(4)).await;
    engine.look().await;
    let (calls, used) = (engine.docker.calls(), cpu());
    let wants = BTreeSet::from([Fact::Containers]);
    const LOOKS: u32 = 50;
    for _ in 0..LOOKS {
        let facts = engine.docker.facts(&wants, SystemClock.now()).await;
        assert!(
            matches!(&facts[&Fact::Containers], Ok(FactValue::Containers(all)) if 20 < all.len())
        );
    }
    let spent = (cpu() - used) / LOOKS;
    let calls = engine.docker.calls() - calls;
    eprintln!(
        "a list of 28 containers: {calls} requests in {LOOKS} looks, {spent:?} of CPU a look"
    );
    assert_eq!(calls, u64::from(LOOKS), "a quiet tick is one list");
}

/// The CPU time of this thread so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn what_one_stop_makes_of_events_wakes_once() {
    let Some(engine) = Engine::up("it-wakes", Vec::new()) else { return };
    engine.start("web", &[], &["sleep", "3600"]);
    let mut events = Events::new(Rests::default()).unwrap();
    events.engine_at(PathBuf::from(engine.lab.get("SOCKET")));
    let facts = engine.docker.facts(&Engine::wants(), SystemClock.now()).await;
    events.watch(&Engine::wants());
    events.follow(&facts);
    // Its stream opens in the background.
    let quiet = timeout(Duration::from_millis(700), events.next()).await;
    assert!(quiet.is_err(), "nothing happened: {quiet:?}");

    let killed = Instant::now();
    engine.run(&["kill", "web"]);
    let woken = timeout(PATIENCE, events.next()).await;
    let took = killed.elapsed();
    eprintln!("from docker kill to the wake-up: {took:?}, docker's own time among it");
    assert_eq!(woken, Ok(WakeReason::ContainersChanged));
    let facts = engine.docker.facts(&Engine::wants(), SystemClock.now()).await;
    let Ok(FactValue::Containers(all)) = &facts[&Fact::Containers] else { panic!("{facts:?}") };
    assert_eq!(all[0].state, ContainerState::Exited);
    // What one stop makes of events is one wake-up.
    let again = timeout(Duration::from_millis(1_500), events.next()).await;
    assert!(again.is_err(), "{again:?}");
}

#[tokio::test]
async fn a_real_swarm_is_told() {
    let Some(mut engine) = Engine::up("it-swarm", Vec::new()) else { return };
    let told = engine.look().await;
    assert!(told.keys().all(|signal| !signal.starts_with("swarm")), "{told:#?}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let (good, text) = engine.try_docker(&[
        "swarm",
        "init",
        "--advertise-addr",
        "127.0.0.1",
        "--listen-addr",
        &listen,
    ]);
    if !good {
        eprintln!("SKIPPED: this machine's Docker cannot make a swarm: {text}");
        return;
    }
    let image = engine.lab.get("IMAGE").to_owned();
    for (name, more) in [
        ("good", &["--replicas", "2"][..]),
        ("off", &["--replicas", "0"]),
        ("homeless", &["--replicas", "1", "--constraint", "node.labels.none==1"]),
    ] {
        let begin = ["service", "create", "--detach", "--no-resolve-image", "--name", name];
        engine.run(&[&begin[..], more, &[&image, "sleep", "3600"]].concat());
    }
    // The engine is asked for a swarm every ten minutes only: a new client asks at once.
    engine.docker = Arc::new(Docker::new(Place {
        socket: PathBuf::from(engine.lab.get("SOCKET")),
        named: Named::Yes,
        stacks: Vec::new(),
    }));
    let replicas = |told: &BTreeMap<String, Reading>, name: &str| {
        let reading = told.get(&format!("swarm mini:service:{name} replicas"));
        reading.map(|r| (r.severity.as_str(), r.words.to_string())).unwrap_or_default()
    };
    engine.until("a full service", |told| replicas(told, "good").0 == "green").await;
    let told = engine.look().await;
    assert_eq!(replicas(&told, "off"), ("green", "scaled to 0 on purpose".into()));
    let (severity, words) = replicas(&told, "homeless");
    assert!(severity == "red" && words.starts_with("0 of 1 replicas: "), "{severity} {words}");
    assert!(told["swarm mini quorum"].words.as_str().starts_with("1 of 1 managers"));
    let node = told.keys().find(|signal| signal.starts_with("swarm mini:node:")).unwrap();
    assert_eq!(told[node].words.as_str(), "ready, leader");
    // Its tasks' containers are the swarm's business.
    assert!(told.keys().all(|signal| !signal.starts_with("docker mini:container:good")));
    engine.run(&["swarm", "leave", "--force"]);
    let told = engine.look().await;
    assert_eq!(replicas(&told, "homeless").0, "green");
}
