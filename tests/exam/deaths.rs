//! Deaths by the hundred: a process of its own ends itself at a point on the way of a plan, or at any write of the
//! store, or is killed at any moment; then its runs go on, and a target that counts its executions is asked.
//!
//! `REEF_DEATHS=20000 cargo test --test exam deaths::the_long_run -- --ignored --nocapture` is the long run: it prints
//! how many died where, how often something happened twice or unrecorded, and the longest recovery.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reef::Fut;
use reef::clients::process::{Given, Limits, run_raw};
use reef::clock::zone::Zone;
use reef::clock::{Clock, TestClock};
use reef::gate::Gate;
use reef::gate::crash::{Point, Points, Unwatched};
use reef::gate::permit::Permit;
use reef::gate::rules::Rules;
use reef::gate::tool::{Action, Parsed, Tool};
use reef::model::audit::AuditKind;
use reef::model::ids::{HostName, RunbookName, StepName, ToolName, Word};
use reef::model::incident::IncidentState;
use reef::model::plan::{Leash, Origin};
use reef::model::reading::Reading;
use reef::model::run::RunState;
use reef::model::severity::Severity;
use reef::model::target::{Signal, Target};
use reef::model::time::{Millis, Span};
use reef::model::tool::{
    ActionResult, Bounds, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use reef::policy::budget::Caps;
use reef::report::own::Own;
use reef::report::{Reporter, Standing, Standings, World};
use reef::run::runner::{Awake, Looker, Runner, Start};
use reef::runbook::{Runbook, parse};
use reef::store::Store;
use reef::store::actions::{ActionRow, Drill};
use reef::store::approvals::Answer;
use reef::store::audit::AuditFilter;
use reef::store::budgets::Periods;
use reef::store::faults::{Fault, Faults, Writing};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const FOLDER: &str = "EXAM_DEATH_FOLDER";
const PLACE: &str = "EXAM_DEATH_PLACE";
const TOOL: &str = "EXAM_DEATH_TOOL";
const CASE: &str = "EXAM_DEATH_CASE";
/// Monday, 2026-03-02, 12:00 in UTC.
const NOON: Millis = Millis(1_772_452_800_000);

/// Where a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    At(Point),
    /// Half of the request is sent.
    HalfSent,
    /// Before the n-th statement, commit or anchor after the run began.
    Row(u64),
    Commit(u64),
    Anchor(u64),
    /// Whenever the parent kills it, so many milliseconds after it began.
    After(u64),
}

/// What the world says afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// A promise, which no probe speaks of.
    Clean,
    /// The probe is green once it was done.
    VerifyOk,
    /// It stays red, whatever was done.
    VerifyFails,
}

const CASES: [Case; 3] = [Case::Clean, Case::VerifyOk, Case::VerifyFails];

/// How a tool goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    /// Sends half of it first, takes its time, and may be cut off in between.
    Halves,
    /// It happens, and then it fails.
    Fails,
    /// It happens, and nobody hears of it.
    Unheard,
}

const WAYS: [(&str, Way); 4] = [
    ("count.plain", Way::Plain),
    ("count.halves", Way::Halves),
    ("count.fails", Way::Fails),
    ("count.unheard", Way::Unheard),
];

fn text_of(place: Place) -> String {
    match place {
        Place::At(point) => {
            format!("at {}", Point::ALL.iter().position(|known| *known == point).unwrap())
        }
        Place::HalfSent => "half 0".into(),
        Place::Row(n) => format!("row {n}"),
        Place::Commit(n) => format!("commit {n}"),
        Place::Anchor(n) => format!("anchor {n}"),
        Place::After(ms) => format!("after {ms}"),
    }
}

fn place_of(text: &str) -> Place {
    let (word, n) = text.split_once(' ').unwrap();
    let n: u64 = n.parse().unwrap();
    match word {
        "at" => Place::At(Point::ALL[usize::try_from(n).unwrap()]),
        "half" => Place::HalfSent,
        "row" => Place::Row(n),
        "commit" => Place::Commit(n),
        "anchor" => Place::Anchor(n),
        "after" => Place::After(n),
        other => panic!("{other}"),
    }
}

/// Ends this process at one place, as a power cut would: by SIGKILL.
#[derive(Debug)]
struct Reaper {
    place: Place,
    armed: AtomicBool,
    rows: AtomicU64,
    commits: AtomicU64,
    anchors: AtomicU64,
}

impl Reaper {
    fn new(place: Place) -> Self {
        let zero = AtomicU64::default;
        Self {
            place,
            armed: AtomicBool::new(false),
            rows: zero(),
            commits: zero(),
            anchors: zero(),
        }
    }

    fn strike(&self, place: Place) {
        if place == self.place && self.armed.load(Ordering::Relaxed) {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
            // The signal is on its way: nothing more may happen here.
            std::thread::sleep(Duration::from_secs(60));
        }
    }
}

impl Points for Reaper {
    fn reached(&self, point: Point) {
        self.strike(Place::At(point));
    }
}

impl Faults for Reaper {
    fn before(&self, writing: Writing) -> Option<Fault> {
        if self.armed.load(Ordering::Relaxed) {
            let next = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
            self.strike(match writing {
                Writing::Row => Place::Row(next(&self.rows)),
                Writing::Commit => Place::Commit(next(&self.commits)),
                Writing::Anchor => Place::Anchor(next(&self.anchors)),
            });
        }
        None
    }
}

/// A tool whose executions are counted: a line in a file, on the disk before it counts as done.
struct Counting {
    spec: ToolSpec,
    way: Way,
    folder: PathBuf,
    reaper: Arc<Reaper>,
}

struct Count {
    way: Way,
    folder: PathBuf,
    reaper: Arc<Reaper>,
}

impl Tool for Counting {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn parse(&self, _: &Call) -> Result<Parsed, ToolError> {
        let (folder, reaper) = (self.folder.clone(), Arc::clone(&self.reaper));
        Ok(Parsed::Action(Box::new(Count { way: self.way, folder, reaper })))
    }
}

fn append(path: &Path, line: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
    file.sync_all().unwrap();
}

impl Action for Count {
    fn tier(&self) -> Tier {
        Tier::High
    }
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }
    fn lease(&self) -> Vec<Target> {
        vec![target()]
    }
    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        let effect = Effect {
            words: "count one".into(),
            max_items: 1,
            max_bytes: 0,
            takes: None,
            artifact: None,
        };
        Box::pin(async { Ok((effect, Undo::Impossible("counted is counted".into()))) })
    }
    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let line = permit.action().to_string();
            if self.way == Way::Halves {
                append(&self.folder.join("half"), &line);
                self.reaper.strike(Place::HalfSent);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            append(&self.folder.join("effects"), &line);
            match self.way {
                Way::Plain | Way::Halves => ActionResult::Done("counted".into()),
                Way::Fails => ActionResult::Failed("exit 1".into()),
                Way::Unheard => ActionResult::Unknown("the link broke".into()),
            }
        })
    }
}

fn effects(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("effects")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Sees whether it was done.
#[derive(Debug)]
struct Eye {
    folder: PathBuf,
    case: Case,
    clock: Arc<dyn Clock>,
}

impl Looker for Eye {
    fn look<'a>(&'a self, signal: &'a Signal) -> Fut<'a, Result<Reading, String>> {
        let green = self.case == Case::VerifyOk && !effects(&self.folder).is_empty();
        let severity = if green { Severity::Green } else { Severity::Red };
        let at = self.clock.now();
        let reading = Reading::new(signal.clone(), at, severity, Word::of("counted"), "looked");
        Box::pin(async { Ok(reading) })
    }
    fn around<'a>(&'a self, _: &'a HostName) -> Fut<'a, Vec<Reading>> {
        Box::pin(async { Vec::new() })
    }
}

struct Nobody;

impl Standings for Nobody {
    fn now(&self) -> Fut<'_, Vec<Standing>> {
        Box::pin(async { Vec::new() })
    }
}

fn target() -> Target {
    "mini:check:counter".parse().unwrap()
}

fn signal() -> Signal {
    Signal { probe: Word::of("check"), target: target(), aspect: Word::of("state") }
}

fn book(tool: &str) -> Runbook {
    let text = format!(
        r#"+++
title    = "Count"
match    = {{ probe = "check", severity = ["red"] }}
max_tier = "high"
tools    = ["{tool}"]
+++
# Count

```step
name = "count"
tool = "{tool}"
```

```verify
within = "10s"
```
"#
    );
    let name = RunbookName::new("count").unwrap();
    parse(name, &text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// One life over a folder: the gate and the runner, with tools that count.
struct Life {
    store: Store,
    runner: Arc<Runner>,
    reporter: Reporter,
    reaper: Arc<Reaper>,
    tool: &'static str,
}

fn leash(place: Place) -> Leash {
    match place {
        Place::At(Point::ApprovalRequested | Point::ApprovalStored) => Leash::Ask,
        _ => Leash::Auto,
    }
}

impl Life {
    fn new(folder: &Path, store: Store, at: Millis, place: Place, tool: usize, case: Case) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::starting_at(at));
        let (tool, _) = WAYS[tool];
        let reaper = Arc::new(Reaper::new(place));
        let tools: Vec<Box<dyn Tool>> = WAYS
            .iter()
            .map(|(name, way)| -> Box<dyn Tool> {
                let spec = ToolSpec {
                    name: ToolName::of(name),
                    summary: "Count one",
                    inputs: vec![],
                    gives: vec![],
                    max_tier: Tier::High,
                    tiers: "always high",
                    undo: "none",
                    errors: "none",
                    timeout: Span::secs(10),
                    example: "",
                };
                let (folder, reaper) = (folder.to_owned(), Arc::clone(&reaper));
                Box::new(Counting { spec, way: *way, folder, reaper })
            })
            .collect();
        let book = book(tool);
        let rules = Rules {
            ceiling: Leash::Auto,
            starts: [(book.name.clone(), leash(place))].into(),
            ..Rules::default()
        };
        let tasks = TaskTracker::new();
        let (_, rules) = watch::channel(Arc::new(rules));
        let points: Arc<dyn Points> = Arc::clone(&reaper) as _;
        let gate = Gate::new(tools, store.clone(), Arc::clone(&clock), rules, tasks.clone());
        let looker = Arc::new(Eye { folder: folder.to_owned(), case, clock: Arc::clone(&clock) });
        let (_, books) = watch::channel(Arc::new(vec![book]));
        let (_, agent) = watch::channel(None);
        let runner = Arc::new(Runner {
            gate: Arc::new(gate.watched(Arc::clone(&points))),
            store: store.clone(),
            clock: Arc::clone(&clock),
            looker,
            books,
            agent,
            answers: watch::channel(0).0,
            endings: watch::channel(0).0,
            tasks,
            stop: CancellationToken::new(),
            caps: Box::new(Caps::default),
            periods: Box::new(|now| Periods { day: now, month: now }),
            hm: Box::new(|at| Zone::UTC.hm(at)),
            inventory: folder.join("inventory.md"),
            nonce: || [0; 16],
        });
        let world = World {
            here: HostName::new("mini").unwrap(),
            zone: Box::new(|| Zone::UTC),
            standings: Arc::new(Nobody),
            own: Box::new(Own::default),
        };
        let reporter = Reporter::new(store.clone(), clock, folder.join("reports"), world);
        Self { store, runner, reporter: reporter.watched(points), reaper, tool }
    }

    /// Begins what the case is about; from then on the reaper may strike.
    async fn begin(&self, case: Case) -> anyhow::Result<()> {
        let now = self.runner.clock.now();
        if case == Case::Clean {
            let call = Call {
                tool: ToolName::of(self.tool),
                target: target(),
                args: reef::model::value::Values::new(),
                bounds: Bounds::default(),
            };
            let step = self.runner.gate.preview(&StepName::new("count").unwrap(), &call).await?;
            self.reaper.armed.store(true, Ordering::Relaxed);
            self.runner.promised(step, "a promise").await?;
            return Ok(());
        }
        let red = Reading::new(signal(), now, Severity::Red, Word::of("bad"), "it is bad");
        let incident = self.store.call_now(|db| match db.incident_of(&signal())? {
            Some(incident) => Ok(incident),
            None => db.open_incident(&red, Drill::No, now),
        })?;
        let start = Start {
            origin: Origin::Incident(incident.id),
            incident: Some(incident.id),
            runbook: Some(RunbookName::new("count").unwrap()),
            on: None,
            params: BTreeMap::new(),
            awake: Awake::Unknown,
        };
        self.reaper.armed.store(true, Ordering::Relaxed);
        if let Some(run) = self.runner.create_for(incident.id, &start).await? {
            self.runner.go_on(run, start);
        }
        Ok(())
    }

    /// Lets the runs go on until they all ended, answering what is asked; at most for so many seconds.
    async fn settle_down(&self, seconds: u32) {
        for _ in 0..seconds * 10 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.runner.clock.now();
            for approval in self.store.call_now(|db| db.pending_approvals()).unwrap_or_default() {
                let yes = Answer::Approve { choice: 0 };
                if self.store.call_now(|db| db.answer(approval.id, yes, "a test", now)).is_ok() {
                    self.reaper.reached(Point::ApprovalStored);
                    self.runner.answers.send_modify(|n| *n += 1);
                }
            }
            if self.store.call_now(|db| db.unended_runs()).is_ok_and(|runs| runs.is_empty()) {
                return;
            }
        }
    }

    /// The incident is over, so that the next one may begin.
    fn resolve(&self) {
        let now = self.runner.clock.now();
        self.store
            .call_now(|db| {
                let Some(mut incident) = db.incident_of(&signal())? else { return Ok(()) };
                incident.state = IncidentState::Resolved { at: now };
                db.save_incident(&incident)
            })
            .unwrap();
    }
}

/// Tokio's own time stands still where these tests measure.
#[expect(clippy::disallowed_types, reason = "a recovery is measured in real time")]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// The child: only does something when a parent told it what. Ends by itself where the place is not on its way.
#[test]
#[ignore = "a child of the deaths"]
fn dies_somewhere() {
    let told: BTreeMap<String, String> = std::env::vars().collect();
    let Some(folder) = told.get(FOLDER).map(PathBuf::from) else { return };
    let (place, tool) = (place_of(&told[PLACE]), told[TOOL].parse().unwrap());
    let case = CASES[told[CASE].parse::<usize>().unwrap()];
    runtime().block_on(async {
        let store = Store::open_bare(&folder.join("state")).unwrap();
        let life = Life::new(&folder, store.clone(), NOON, place, tool, case);
        drop(store.with_faults(Arc::clone(&life.reaper) as _));
        life.begin(case).await.unwrap();
        life.settle_down(60).await;
        life.reporter.write().await.unwrap();
        // For the killer that comes at any moment there must be something to kill.
        if matches!(place, Place::After(_)) {
            loop {
                life.resolve();
                life.begin(case).await.unwrap();
                life.settle_down(60).await;
            }
        }
    });
}

/// What the deaths came to.
#[derive(Debug, Default)]
struct Toll {
    deaths: BTreeMap<String, u64>,
    /// Children that came to their end without passing the place.
    spared: u64,
    effects: u64,
    duplicates: u64,
    unrecorded: u64,
    unended: u64,
    longest: Duration,
}

impl Toll {
    fn total(&self) -> u64 {
        self.deaths.values().sum()
    }

    /// One death and what came after it.
    fn one(&mut self, place: Place, tool: usize, case: usize) {
        let folder = tempfile::tempdir().unwrap();
        if !child(folder.path(), place, tool, case) {
            self.spared += 1;
            return;
        }
        let word = match place {
            Place::At(point) => format!("{point:?}"),
            other => text_of(other).split(' ').next().unwrap().to_owned(),
        };
        *self.deaths.entry(word).or_default() += 1;
        self.goes_on(folder.path(), tool, CASES[case]);
    }

    fn goes_on(&mut self, folder: &Path, tool: usize, case: Case) {
        runtime().block_on(async {
            let began = real_now();
            let store = Store::open_bare(&folder.join("state")).unwrap();
            let after = NOON + Span::days(1);
            let life = Life::new(folder, store, after, Place::After(0), tool, case);
            life.runner.resume().await.unwrap();
            self.longest = self.longest.max(began.elapsed());
            life.settle_down(120).await;
            self.count(folder, &life);
        });
    }

    /// Holds the target's own count against the log.
    fn count(&mut self, folder: &Path, life: &Life) {
        let store = &life.store;
        let actions: Vec<ActionRow> = store.call_now(|db| db.actions_since(Millis(0))).unwrap();
        let filter = AuditFilter {
            kind: Some(AuditKind::Dispatched),
            limit: 100_000,
            ..AuditFilter::default()
        };
        let records = store.call_now(|db| db.audit_list(&filter)).unwrap();
        let mut per_run: BTreeMap<i64, u64> = BTreeMap::new();
        for line in effects(folder) {
            self.effects += 1;
            let action = actions.iter().find(|row| row.id.to_string() == line);
            match action.filter(|row| records.iter().any(|record| record.seq == row.id.0)) {
                Some(row) => *per_run.entry(row.run.0).or_default() += 1,
                None => self.unrecorded += 1,
            }
        }
        self.duplicates += per_run.values().map(|n| n - 1).sum::<u64>();
        self.unended += store.call_now(|db| db.unended_runs()).unwrap().len() as u64;
        let anchors = store.anchors().unwrap();
        let proof = store.call_now(|db| db.verify_chain(&anchors)).unwrap();
        assert!(proof.broken.is_none(), "{:?}", proof.broken);
        for run in store.call_now(|db| db.runs_since(Millis(0))).unwrap() {
            let dispatched = actions.iter().filter(|row| row.run == run.id).count();
            assert!(dispatched <= 1, "{run:?} dispatched its one step {dispatched} times");
            assert!(matches!(run.state, RunState::Ended(_)), "{run:?}");
        }
    }

    fn check(&self) {
        assert_eq!((self.duplicates, self.unrecorded, self.unended), (0, 0, 0), "{self:#?}");
        assert!(self.longest < Duration::from_secs(1), "{self:#?}");
    }
}

/// Runs a child; whether it died.
fn child(folder: &Path, place: Place, tool: usize, case: usize) -> bool {
    let own: PathBuf = std::env::current_exe().unwrap();
    let argv = [own.to_str().unwrap(), "--exact", "deaths::dies_somewhere", "--ignored"];
    let argv = argv.map(str::to_owned);
    let env = BTreeMap::from([
        (FOLDER.to_owned(), folder.to_str().unwrap().to_owned()),
        (PLACE.to_owned(), text_of(place)),
        (TOOL.to_owned(), tool.to_string()),
        (CASE.to_owned(), case.to_string()),
    ]);
    let given = Given { env, ..Given::default() };
    let timeout = match place {
        // It takes some time until there is a store at all; what is killed before has nothing to lose.
        Place::After(ms) => Span(i64::try_from(ms).unwrap()),
        _ => Span::mins(2),
    };
    let limits = Limits { timeout, max_output: 1 << 16 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(run_raw(&argv, limits, &given));
    match ended {
        Ok(raw) if raw.code == Some(0) => false,
        Ok(raw) => {
            let said = String::from_utf8_lossy(&raw.stdout).into_owned();
            assert_eq!(raw.code, None, "{place:?}: {said}");
            true
        }
        Err(why) => {
            assert!(matches!(place, Place::After(_)), "{place:?}: {why}");
            true
        }
    }
}

/// Each point of a plan's way, with each tool, whatever the world says afterwards.
#[test]
fn at_every_point_with_every_tool_and_every_ending() {
    let mut toll = Toll::default();
    let places = Point::ALL.into_iter().map(Place::At).chain([Place::HalfSent]);
    for place in places {
        for tool in 0..WAYS.len() {
            // Which way it fails matters where something may have happened; before that one tool is as another.
            let early = matches!(place, Place::At(point) if point < Point::Dispatched);
            if early && 0 < tool {
                continue;
            }
            for case in 0..CASES.len() {
                toll.one(place, tool, case);
            }
        }
    }
    // The breakers are told by the watch, which has no part in this: see crash.rs.
    let missing = Point::ALL.into_iter().filter(|point| *point != Point::BreakerInserted);
    for point in missing {
        assert!(toll.deaths.contains_key(&format!("{point:?}")), "{point:?}: {toll:#?}");
    }
    assert!(80 <= toll.total(), "{toll:#?}");
    toll.check();
}

/// At any write of the store, and at any moment at all.
#[test]
fn at_any_write_and_at_any_moment() {
    let mut toll = Toll::default();
    let mut seed = 7;
    for n in 0..45 {
        toll.one(anywhere(&mut seed), n % WAYS.len(), n % CASES.len());
    }
    assert!(25 <= toll.total(), "{toll:#?}");
    toll.check();
}

/// A place that no point has a name for.
fn anywhere(seed: &mut u64) -> Place {
    // A generator with fixed steps: the same deaths each time.
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let n = *seed >> 33;
    match n % 4 {
        0 => Place::Row(n / 4 % 40),
        1 => Place::Commit(n / 4 % 12),
        2 => Place::Anchor(n / 4 % 5),
        _ => Place::After(60 + n / 4 % 240),
    }
}

#[test]
#[ignore = "takes minutes to hours: REEF_DEATHS=20000 says how many"]
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn the_long_run() {
    let told: BTreeMap<String, String> = std::env::vars().collect();
    let wanted: u64 = told.get("REEF_DEATHS").map_or(500, |n| n.parse().unwrap());
    let (mut toll, mut seed, mut n) = (Toll::default(), 42, 0);
    let began = real_now();
    while toll.total() < wanted {
        let points = Point::ALL.len() + 1;
        let place = match n % (2 * points) {
            at if at < Point::ALL.len() => Place::At(Point::ALL[at]),
            at if at == Point::ALL.len() => Place::HalfSent,
            _ => anywhere(&mut seed),
        };
        toll.one(place, n / points % WAYS.len(), n / points / WAYS.len() % CASES.len());
        n += 1;
        if n % 500 == 0 {
            println!("{} deaths in {:?}", toll.total(), began.elapsed());
        }
    }
    for (place, n) in &toll.deaths {
        println!("{n:>7}  {place}");
    }
    let (deaths, effects) = (toll.total(), toll.effects);
    println!("figure | effects done twice | {} of {effects} in {deaths} deaths", toll.duplicates);
    println!(
        "figure | effects that are not recorded | {} of {effects} in {deaths} deaths",
        toll.unrecorded
    );
    println!("figure | runs without an end | {} in {deaths} deaths", toll.unended);
    println!("figure | longest recovery | {:?} in {deaths} deaths", toll.longest);
    println!("took {:?}", began.elapsed());
    toll.check();
}

/// Fails a write, once or from then on.
#[derive(Debug)]
struct Spoils {
    armed: AtomicBool,
    count: AtomicU64,
    at: u64,
    for_good: bool,
    fault: Fault,
}

impl Faults for Spoils {
    fn before(&self, writing: Writing) -> Option<Fault> {
        if !self.armed.load(Ordering::Relaxed) || writing == Writing::Anchor {
            return None;
        }
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        (n == self.at || self.for_good && self.at < n).then_some(self.fault)
    }
}

/// A full disk, an I/O error and a file system that turned read-only, at every single write: nothing happens that is
/// not durably recorded before, and nothing twice once the disk is well again.
#[test]
#[expect(clippy::print_stdout, reason = "its figure is one of `bash benches/safety`")]
fn whatever_write_fails_nothing_happens_unrecorded() {
    let (mut failed, mut acted) = (0, 0);
    for fault in [Fault::Full, Fault::Io, Fault::ReadOnly] {
        for for_good in [false, true] {
            for case in [Case::VerifyOk, Case::VerifyFails] {
                for at in 0.. {
                    let folder = tempfile::tempdir().unwrap();
                    let store = Store::in_memory().unwrap();
                    let armed = AtomicBool::new(false);
                    let spoils = Spoils { armed, count: AtomicU64::default(), at, for_good, fault };
                    let spoils = Arc::new(spoils);
                    let over = one_fault(folder.path(), &store, &spoils, case);
                    failed += 1;
                    acted += effects(folder.path()).len();
                    if over {
                        break;
                    }
                    assert!(at < 500, "there is no end to the writes");
                }
            }
        }
    }
    assert!(
        200 < failed && 50 < acted,
        "{failed} positions, {acted} effects: the test tests nothing"
    );
    println!("figure | failing writes with an effect that is not recorded | 0 of {failed}");
}

/// Whether the way was over before the write that was to fail.
fn one_fault(folder: &Path, store: &Store, spoils: &Arc<Spoils>, case: Case) -> bool {
    runtime().block_on(async {
        let place = Place::After(0);
        let life = Life::new(folder, store.clone(), NOON, place, 0, case);
        drop(store.clone().with_faults(Arc::clone(spoils) as _));
        spoils.armed.store(true, Ordering::Relaxed);
        // What cannot be written is an error here and there; only what happens counts.
        drop(life.begin(case).await);
        life.settle_down(30).await;
        let over = spoils.count.load(Ordering::Relaxed) <= spoils.at;
        spoils.armed.store(false, Ordering::Relaxed);
        let check = |toll: &mut Toll| {
            let actions = store.call_now(|db| db.actions_since(Millis(0))).unwrap();
            for line in effects(folder) {
                let known = actions.iter().any(|row| row.id.to_string() == line);
                assert!(known, "{spoils:?}: {line} happened without a record");
            }
            toll.effects = effects(folder).len() as u64;
            assert!(toll.effects <= 1, "{spoils:?}: it happened {} times", toll.effects);
        };
        let mut toll = Toll::default();
        check(&mut toll);
        // The disk is well again, and the next life goes on.
        let next = Life::new(folder, store.clone(), NOON + Span::days(1), place, 0, case);
        next.runner.resume().await.unwrap();
        next.settle_down(120).await;
        check(&mut toll);
        over
    })
}

/// A state folder that can only be read: nothing is dispatched, and it is said why.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_only_read_dispatches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let plan = {
        let store = Store::open_bare(&state).unwrap();
        let life = Life::new(folder.path(), store, NOON, Place::After(0), 0, Case::Clean);
        let call = Call {
            tool: ToolName::of("count.plain"),
            target: target(),
            args: reef::model::value::Values::new(),
            bounds: Bounds::default(),
        };
        let step = life.runner.gate.preview(&StepName::new("count").unwrap(), &call).await.unwrap();
        let run = life.store.call_now(|db| db.new_run(&Origin::Timer, None, None, NOON)).unwrap();
        reef::model::plan::Plan {
            run,
            round: 0,
            origin: Origin::Timer,
            runbook: None,
            steps: vec![step],
            verify: reef::model::plan::Verify::Not("a test looks itself".into()),
            on_failure: reef::model::plan::OnFailure::Stop,
        }
    };
    let store = Store::open_read_only(&state).unwrap();
    let life = Life::new(folder.path(), store, NOON, Place::After(0), 0, Case::Clean);
    let acted = life.runner.gate.act(&plan, 0).await.unwrap();
    let reef::gate::Acted::Refused(why) = acted else { panic!("{acted:?}") };
    assert!(why.contains("the audit log cannot be written"), "{why}");
    assert_eq!(effects(folder.path()), Vec::<String>::new());
    let unwatched = Unwatched;
    unwatched.reached(Point::Dispatched);
}
