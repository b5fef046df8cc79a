//! The world that the tests play in: real files and processes, fake hosts and network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use crate::Fut;
use crate::clients::dns::{Resolver, Server};
use crate::clients::files::LocalFiles;
use crate::clients::host::{HostLink, LinkError, Output, noted};
use crate::clients::http::Http;
use crate::clients::http::url::WebUrl;
use crate::clients::signal::LocalProcesses;
use crate::clients::tls::{Leaf, TlsServer};
use crate::clock::Clock;
use crate::config::hosts::Ssh;
use crate::config::snapshots::SnapshotBy;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::fact::{Fact, FactValue, Facts, NoFact};
use crate::model::ids::{HostName, StepName, ToolName, Word};
use crate::model::message::Urgency;
use crate::model::plan::Step;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::{ActionResult, Bounds, Call, Effect, Found, ToolError, Undo};
use crate::model::value::Value;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::redact::Redactor;
use crate::tool::network::{Answer, Knocked, Resolved, Web};
use crate::tool::table::table;
use crate::tool::world::{Endpoint, Inventory, LogSource, NoDeeds, NoHistory, Outbox, World};

#[derive(Debug)]
pub(super) struct Hands(pub AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }
}

/// A host of which the test writes the facts and the answers.
#[derive(Debug)]
pub(super) struct FakeHost {
    pub name: HostName,
    pub facts: Mutex<BTreeMap<Fact, FactValue>>,
    pub said: Mutex<Result<(i32, String), LinkError>>,
    /// What it says before that, one answer a command, the last first.
    pub first: Mutex<Vec<String>>,
    pub commands: Mutex<Vec<String>>,
}

impl FakeHost {
    fn answer(&self, argv: &Argv) -> Result<Output, LinkError> {
        self.commands.lock().unwrap().push(argv.as_slice().join(" "));
        let first = self.first.lock().unwrap().pop().map(|text| Ok((0, text)));
        let (code, text) = first.unwrap_or_else(|| self.said.lock().unwrap().clone())?;
        let (stdout, stderr) = if code == 0 { (text.as_str(), "") } else { ("", text.as_str()) };
        Ok(Output {
            code: Some(code),
            stdout: Tainted::new(stdout),
            stderr: Tainted::new(stderr),
            took: Span(20),
        })
    }
}

impl HostLink for FakeHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn facts<'a>(&'a self, wanted: &'a BTreeSet<Fact>) -> Fut<'a, Facts> {
        let facts = self.facts.lock().unwrap();
        let absent = || NoFact::Absent("not on this host".into());
        let found =
            wanted.iter().map(|f| (f.clone(), facts.get(f).cloned().ok_or_else(absent))).collect();
        Box::pin(async move { found })
    }

    fn read<'a>(&'a self, argv: &'a ReadOnly, _: Span) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async { self.answer(argv.argv()) })
    }

    fn exec<'a>(
        &'a self,
        permit: &'a Permit,
        argv: &'a Argv,
        _: Span,
    ) -> Fut<'a, Result<Output, LinkError>> {
        let redactor = Redactor::new(Vec::new());
        Box::pin(async move { noted(permit, argv.as_slice(), self.answer(argv), &redactor) })
    }
}

#[derive(Debug)]
struct FakeWeb;

impl Web for FakeWeb {
    fn get<'a>(&'a self, _: &'a WebUrl) -> Fut<'a, Result<Answer, String>> {
        Box::pin(async { Ok(Answer { status: 502, took: Span(38) }) })
    }

    fn resolve<'a>(&'a self, _: &'a Resolver) -> Fut<'a, Resolved> {
        Box::pin(async { Resolved { own: Some("ok"), upstream: "timeout" } })
    }

    fn knock<'a>(&'a self, _: &'a HostName, _: &'a Ssh) -> Fut<'a, Knocked> {
        Box::pin(async { Knocked { port: "refused", ping: "answers" } })
    }

    fn certificate<'a>(&'a self, peer: &'a TlsServer) -> Fut<'a, Result<Leaf, String>> {
        Box::pin(async move { Ok(leaf(peer.name == "own")) })
    }

    fn in_file<'a>(&'a self, path: &'a AbsPath, _: Millis) -> Fut<'a, Result<Leaf, String>> {
        Box::pin(async move {
            match path.as_str().ends_with(".pem") {
                true => Ok(leaf(path.as_str().ends_with("own.pem"))),
                false => Err(format!("{path}: there is no such file")),
            }
        })
    }
}

/// One of five days, of an authority's making or its own.
fn leaf(self_signed: bool) -> Leaf {
    Leaf {
        not_before: Millis(0),
        not_after: Millis(NOW + 5 * 86_400_000 + 1),
        names: vec![Tainted::new("photos.example")],
        issuer: Tainted::new("CN=R3"),
        serial: "01".into(),
        self_signed,
    }
}

#[derive(Debug, Default)]
pub(super) struct FakeOutbox(pub Mutex<Vec<(Target, Urgency)>>);

impl Outbox for FakeOutbox {
    fn tell<'a>(&'a self, about: &'a Target, urgency: Urgency) -> Fut<'a, Result<String, String>> {
        self.0.lock().unwrap().push((about.clone(), urgency));
        Box::pin(async { Ok("enqueued one message".into()) })
    }
}

pub(super) const NOW: i64 = 1_800_000_000_000;

/// A world over a temporary folder: `files` for the files of a test, `quarantine` beside it.
pub(super) struct Stage {
    pub dir: tempfile::TempDir,
    pub world: World,
    pub host: Arc<FakeHost>,
    pub outbox: Arc<FakeOutbox>,
    pub hands: Arc<Hands>,
    table: Vec<Box<dyn Tool>>,
}

/// Servers of which none answers.
fn servers() -> crate::clients::declared::All {
    let bucket = super::archive::bucket("http://127.0.0.1:1/");
    let store = crate::clients::declared::Store { bucket, http: Http::new() };
    let api = || crate::clients::json::Api {
        http: Http::new(),
        url: WebUrl::parse("http://127.0.0.1:1/").unwrap(),
        login: crate::clients::json::Login::Nobody,
        timeout: Span::secs(1),
    };
    let traces = crate::clients::traces::Traces {
        api: api(),
        flavour: crate::clients::traces::Flavour::Jaeger,
        services: vec![Word::of("api")],
    };
    let database = |name: &str, primary: Option<&str>| {
        use crate::clients::postgres::{Encryption, PgUrl, Server};
        use crate::config::setting::Setting;
        let url = crate::config::given::Given::Text("postgres://reef@127.0.0.1:1/postgres".into());
        let url = PgUrl::read(&url).unwrap();
        let server = Server { url, password: None, encryption: Encryption::Off };
        let of = crate::clients::declared::Database {
            target: target(&format!("mini:endpoint:{name}")),
            engine: crate::clients::declared::Engine::Postgres(server),
            served_by: primary.map(|_| target("mini:unit:nginx.service")),
            primary: primary.map(str::to_owned),
            standby: name.to_owned(),
        };
        (name.to_owned(), of)
    };
    crate::clients::declared::All {
        stores: [("logs".to_owned(), store)].into(),
        databases: [database("main", None), database("copy", Some("main"))].into(),
        rules: [("rules".to_owned(), api())].into(),
        expressions: [("rules".to_owned(), "node_load5".to_owned())].into(),
        traces: [("jaeger".to_owned(), traces)].into(),
    }
}

pub(super) fn here() -> HostName {
    HostName::new("mini").unwrap()
}

pub(super) fn abs(path: &Path) -> AbsPath {
    AbsPath::new(path.to_str().unwrap()).unwrap()
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(|_, _| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Inventory, &Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("files")).unwrap();
        let host = Arc::new(FakeHost {
            name: here(),
            facts: Mutex::default(),
            said: Mutex::new(Ok((0, String::new()))),
            first: Mutex::default(),
            commands: Mutex::default(),
        });
        let outbox = Arc::new(FakeOutbox::default());
        let hands = Arc::new(Hands(AtomicI64::new(NOW)));
        let endpoint = |url: &str, tls: Option<&str>| Endpoint {
            url: Some(WebUrl::parse(url).unwrap()),
            tls: tls.map(|name| TlsServer {
                host: "127.0.0.1".into(),
                port: 443,
                name: name.into(),
                lineage: None,
                config_dir: None,
            }),
        };
        let mut inventory = Inventory {
            endpoints: [
                ("jellyfin".to_owned(), endpoint("http://nas:8096", None)),
                ("photos".to_owned(), endpoint("https://photos.example", Some("photos.example"))),
                ("own".to_owned(), endpoint("https://own", Some("own"))),
            ]
            .into(),
            restartable: [target("mini:unit:nginx.service")].into(),
            logs: [("journal".to_owned(), LogSource::Journal)].into(),
            patterns: vec!["disk".into()],
            resolvers: ["photos".to_owned(), "pihole".to_owned()]
                .map(|name| {
                    let upstream = "example.com".to_owned();
                    (name, Resolver { server: Server::System, own: None, upstream })
                })
                .into(),
            ways: [(here(), Ssh::default())].into(),
            mounts: [target("mini:/mnt/photos")].into(),
            filesystems: [(target("mini:/srv/web"), SnapshotBy::Btrfs)].into(),
            tails: [abs(&dir.path().join("files")), AbsPath::new("/var/log").unwrap()]
                .map(|root| Target::path(here(), &root))
                .into(),
            repositories: [abs(&dir.path().join("files")), AbsPath::new("/opt/stacks").unwrap()]
                .map(|root| Target::path(here(), &root))
                .into(),
            playbooks: [(Word::of("site"), Arc::new(super::iac::playbook(dir.path())))].into(),
            switches: [(Word::of("web"), Arc::new(super::debug::switch()))].into(),
            backups: [(Word::of("photos"), Arc::new(super::backup::job()))].into(),
            zones: [(Word::of("home"), Arc::new(super::dns::zone(dir.path())))].into(),
            terraforms: [(Word::of("web"), Arc::new(super::iac::stack(dir.path())))].into(),
            plans: Some(abs(&dir.path().join("plans"))),
            reboots: [(here(), vec!["systemctl".into(), "reboot".into()])].into(),
            servers: servers(),
            ..Inventory::default()
        };
        change(&mut inventory, dir.path());
        let link: Arc<dyn HostLink> = host.clone();
        let world = World {
            here: here(),
            hosts: [(here(), link)].into(),
            files: Arc::new(LocalFiles),
            processes: Arc::new(LocalProcesses),
            engines: [(here(), Arc::new(super::engine::Silent) as _)].into(),
            history: Arc::new(NoHistory),
            web: Arc::new(FakeWeb),
            outbox: outbox.clone(),
            deeds: Arc::new(NoDeeds),
            #[cfg(feature = "kube")]
            clusters: [(here(), Arc::new(super::kube::of_the_examples(dir.path())))].into(),
            #[cfg(feature = "mcp")]
            mcp: super::mcp::servers(),
            providers: super::infra::of_the_examples(),
            inventory: Arc::new(inventory),
            now: hands.clone(),
            quarantine: abs(&dir.path().join("quarantine")),
            formerly: None,
        };
        let table = table(&world);
        Self { dir, world, host, outbox, hands, table }
    }

    /// The table made anew after the world was changed.
    pub(super) fn again(mut self) -> Self {
        self.table = table(&self.world);
        self
    }

    /// The tools once more, for a gate of its own.
    pub(super) fn again_tools(&self) -> Vec<Box<dyn Tool>> {
        table(&self.world)
    }

    pub(super) fn tools(&self) -> &[Box<dyn Tool>] {
        &self.table
    }

    pub(super) fn root(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// Writes a file of the stage with an age.
    pub(super) fn file(&self, name: &str, content: &[u8], age: Span) -> PathBuf {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        set_age(&path, age);
        path
    }

    /// A call of a tool with the stage's files as its root.
    pub(super) fn call(&self, tool: &str, args: &[(&str, Value)]) -> Call {
        Call {
            tool: ToolName::new(tool).unwrap(),
            target: Target::host(here()),
            args: args.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
            bounds: Bounds { roots: vec![abs(&self.root())], ..Bounds::default() },
        }
    }

    pub(super) fn parse(&self, call: &Call) -> Result<Parsed, ToolError> {
        let tool = self.table.iter().find(|t| t.spec().name == call.tool).unwrap();
        tool.parse(call)
    }

    pub(super) fn action(&self, call: &Call) -> Box<dyn Action> {
        match self.parse(call) {
            Ok(Parsed::Action(action)) => action,
            Ok(Parsed::Query(_)) => panic!("{call} is a query"),
            Err(why) => panic!("{call}: {why}"),
        }
    }

    pub(super) async fn query(&self, call: &Call) -> Result<Found, ToolError> {
        let query: Box<dyn Query> = match self.parse(call)? {
            Parsed::Query(query) => query,
            Parsed::Action(_) => panic!("{call} is an action"),
        };
        query.run().await
    }

    pub(super) async fn preview(&self, call: &Call) -> Result<(Effect, Undo), ToolError> {
        self.action(call).preview().await
    }

    /// Previews and runs as the gate would.
    pub(super) async fn act(&self, call: &Call) -> (Undo, ActionResult) {
        let (effect, undo) = self.preview(call).await.unwrap();
        let result = self.act_as(call, effect, undo.clone()).await;
        (undo, result)
    }

    /// Runs with an effect that was previewed before.
    pub(super) async fn act_as(&self, call: &Call, effect: Effect, undo: Undo) -> ActionResult {
        let permit = self.permit_of(call, effect, undo);
        self.action(call).run(permit).await
    }

    fn permit_of(&self, call: &Call, effect: Effect, undo: Undo) -> Permit {
        let action = self.action(call);
        Permit::for_test(Step {
            name: StepName::new("step").unwrap(),
            call: call.clone(),
            tier: action.tier(),
            effect,
            undo,
            repeat: action.repeat(),
            lease: action.lease(),
            replicas: None,
            holds: None,
        })
    }

    /// A permit for what a call's preview says.
    pub(super) async fn permit(&self, call: &Call) -> Permit {
        let (effect, undo) = self.preview(call).await.unwrap();
        self.permit_of(call, effect, undo)
    }
}

pub(super) fn path(path: &Path) -> Value {
    Value::Path(abs(path))
}

pub(super) fn word(word: &str) -> Value {
    Value::Word(Word::new(word).unwrap())
}

pub(super) fn target(text: &str) -> Target {
    text.parse().unwrap()
}

pub(super) fn undone_by(undo: &Undo) -> Call {
    match undo {
        Undo::By(call) => call.clone(),
        Undo::Impossible(why) => panic!("no undo: {why}"),
    }
}

#[track_caller]
pub(super) fn done(result: &ActionResult) -> &str {
    match result {
        ActionResult::Done(words) => words,
        ActionResult::NotStarted(_) | ActionResult::Failed(_) | ActionResult::Unknown(_) => {
            panic!("{result:?}")
        }
    }
}

/// Sets a file's time to `age` before the stage's now.
pub(super) fn set_age(path: &Path, age: Span) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: (NOW - age.0) / 1_000, tv_nsec: 123_456_789 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

/// All names below a folder, with kind, length, mode, owner, time of change and content.
pub(super) fn tree(root: &Path) -> BTreeMap<PathBuf, (String, Vec<u8>)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for child in std::fs::read_dir(&folder).unwrap() {
            let path = child.unwrap().path();
            let m = path.symlink_metadata().unwrap();
            let content = if m.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            if m.is_dir() {
                folders.push(path.clone());
            }
            let shown = format!("{:o} {} {} {}", m.mode(), m.uid(), m.mtime(), m.mtime_nsec());
            found.insert(path, (shown, content));
        }
    }
    found
}

/// Text that compresses like a log.
pub(super) fn log_text(bytes: usize) -> Vec<u8> {
    let lines =
        (0..).map(|n| format!("2026-11-20T03:15:{:02} app[17]: request {n} done\n", n % 60));
    lines.flat_map(String::into_bytes).take(bytes).collect()
}
