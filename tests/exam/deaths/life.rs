//! One life over a folder: the gate and the runner, with the tools of the table, counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use reef::Fut;
use reef::clock::Clock;
use reef::clock::zone::Zone;
use reef::gate::Gate;
use reef::gate::crash::{Point, Points};
use reef::gate::rules::Rules;
use reef::gate::tool::Tool;
use reef::model::ids::{HostName, RunbookName, StepName, Word};
use reef::model::incident::IncidentState;
use reef::model::plan::{Leash, Origin, Step};
use reef::model::reading::Reading;
use reef::model::severity::Severity;
use reef::model::target::{Signal, Target};
use reef::model::time::Millis;
use reef::model::tool::{Call, Tier};
use reef::policy::breaker::BreakerRules;
use reef::policy::budget::Caps;
use reef::report::own::Own;
use reef::report::{Reporter, Standing, Standings, World};
use reef::run::runner::{Awake, Looker, Runner, Start};
use reef::runbook::{Bindings, Resolved, Runbook, parse, resolve};
use reef::store::Store;
use reef::store::actions::Drill;
use reef::store::approvals::Answer;
use reef::store::budgets::Periods;
use reef::watch::breakers;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::counting::{Shared, counted, effects};
use super::estate::{book, estate, logs, tools};
use super::place::{Case, Place, Reaper, Way};

/// Monday, 2026-03-02, 12:00 in UTC.
pub(super) const NOON: Millis = Millis(1_772_452_800_000);

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

pub(super) fn signal() -> Signal {
    Signal { probe: Word::of("check"), target: target(), aspect: Word::of("state") }
}

/// What one life is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) place: Place,
    pub(super) tool: &'a str,
    pub(super) case: Case,
    pub(super) way: Way,
}

pub(super) struct Life {
    pub(super) store: Store,
    pub(super) runner: Arc<Runner>,
    pub(super) reporter: Reporter,
    pub(super) reaper: Arc<Reaper>,
    book: Runbook,
}

fn rules(book: &Runbook, place: Place) -> Rules {
    let failures = match place {
        // One failure is enough, so that there is something to write about breakers.
        Place::At(Point::BreakerInserted) => 1,
        _ => BreakerRules::default().failures,
    };
    Rules {
        ceiling: Leash::Auto,
        starts: [(book.name.clone(), place.leash())].into(),
        named: [(book.name.clone(), book.named())].into(),
        breaker: BreakerRules { failures, ..BreakerRules::default() },
        notify: vec!["nobody".into()],
        ..Rules::default()
    }
}

/// Every tool above low, by name.
pub(super) fn acting(folder: &Path) -> Vec<String> {
    let all = tools(folder, &estate(NOON, ""));
    let acting = all.iter().filter(|tool| tool.spec().max_tier != Tier::Low);
    acting.map(|tool| tool.spec().name.to_string()).collect()
}

impl Life {
    pub(super) fn new(folder: &Path, store: Store, at: Millis, about: About<'_>) -> Self {
        let reaper = Arc::new(Reaper::new(about.place));
        let way = about.place.way(about.way);
        let shared =
            Arc::new(Shared { way, folder: folder.to_owned(), reaper: Arc::clone(&reaper) });
        logs(folder, NOON);
        let estate = estate(at, about.tool);
        let tools = counted(tools(folder, &estate), &shared);
        Self::over(folder, store, estate.clock(), about, (tools, reaper))
    }

    fn over(
        folder: &Path,
        store: Store,
        clock: Arc<dyn Clock>,
        about: About<'_>,
        (tools, reaper): (Vec<Box<dyn Tool>>, Arc<Reaper>),
    ) -> Self {
        let spec =
            tools.iter().map(|tool| tool.spec()).find(|spec| spec.name.as_str() == about.tool);
        let text = book(spec.unwrap(), folder);
        let book = parse(RunbookName::new("count").unwrap(), &text)
            .unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"));
        let tasks = TaskTracker::new();
        let (_, rules) = watch::channel(Arc::new(rules(&book, about.place)));
        let points: Arc<dyn Points> = Arc::clone(&reaper) as _;
        let gate = Gate::new(tools, store.clone(), Arc::clone(&clock), rules, tasks.clone());
        let looker = Arc::new(Eye {
            folder: folder.to_owned(),
            case: about.case,
            clock: Arc::clone(&clock),
        });
        let (_, books) = watch::channel(Arc::new(vec![book.clone()]));
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
        Self { store, runner, reporter: reporter.watched(points), reaper, book }
    }

    /// The call of the tool's example, as its runbook resolves it.
    pub(super) fn call(&self) -> Call {
        self.call_for(&Reading::new(signal(), NOON, Severity::Red, Word::of("bad"), "it is bad"))
    }

    pub(super) fn call_for(&self, reading: &Reading) -> Call {
        let step = self.book.steps().next().unwrap();
        let spec = self.runner.gate.spec(&step.tool).unwrap();
        let bindings = Bindings::new(&self.book, reading);
        match resolve(step, &spec, &bindings, &self.book.bounds(), &target()) {
            Ok(Resolved::Call(call)) => call,
            other => panic!("{}: {other:?}", spec.name),
        }
    }

    /// What the tool would do.
    pub(super) async fn step(&self) -> Step {
        let (name, call) = (StepName::new("count").unwrap(), self.call());
        let previewed = self.runner.gate.preview(&name, &call).await;
        previewed.unwrap_or_else(|why| panic!("{call}: {why}"))
    }

    /// Begins what the case is about; from then on the reaper may strike.
    pub(super) async fn begin(&self, case: Case) -> anyhow::Result<()> {
        let now = self.runner.clock.now();
        if case == Case::Clean {
            let name = StepName::new("count").unwrap();
            let step = self.runner.gate.preview(&name, &self.call()).await?;
            self.reaper.armed.store(true, Ordering::Relaxed);
            self.runner.promised(step, "a promise", None).await?;
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
    pub(super) async fn settle_down(&self, seconds: u32) {
        for _ in 0..seconds * 10 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
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

    /// What the watch does when a run ended: it says that a breaker opened.
    pub(super) async fn tell_breakers(&self) -> anyhow::Result<()> {
        let (rules, now) = (self.runner.gate.rules(), self.runner.clock.now());
        let points: Arc<dyn Points> = Arc::clone(&self.reaper) as _;
        let telling = move |db: &mut reef::store::db::Db| {
            db.atomically(|db| breakers::tell(db, &rules, points.as_ref(), now))
        };
        self.store.call(telling).await
    }

    /// The incident is over, so that the next one may begin.
    pub(super) fn resolve(&self) {
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

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}
