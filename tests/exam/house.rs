//! The real assembly over the fake estate: all halves on one runtime, under paused time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reef::agent::{Agent, AgentBounds};
use reef::config::env::Env;
use reef::config::given::Source;
use reef::daemon::assemble;
use reef::daemon::build::{Daemon, Parts, ticker, watched};
use reef::daemon::jobs::{self, Schedule};
use reef::daemon::life;
use reef::daemon::live::{Folders, Making};
use reef::daemon::recall;
use reef::daemon::wire::{SecretPrograms, Seen, ToolOutbox};
use reef::exam::estate::Estate;
use reef::exam::host::FakeHost;
use reef::exam::phone::Phone;
use reef::gate::crash::{Points, Unwatched};
use reef::gate::rules::{Mode, Rules};
use reef::gate::tool::Tool;
use reef::llm::Model;
use reef::model::audit::{AuditKind, AuditRecord};
use reef::model::ids::{HostName, UnitName};
use reef::model::incident::HoldScope;
use reef::model::incident::Incident;
use reef::model::plan::Leash;
use reef::model::run::RunState;
use reef::model::time::{Millis, Span};
use reef::operator::Operator;
use reef::operator::order::{Order, Refusal, Who};
use reef::policy::redact::Redactor;
use reef::probe::{How, Probe};
use reef::store::Store;
use reef::store::actions::ActionRow;
use reef::store::audit::AuditFilter;
use reef::store::runs::RunRow;
use reef::tool::table::table;
use reef::tool::world::World;
use reef::watch::handle::Handle;
use reef::watch::pulse::Pulse;
use tokio::sync::watch as channel;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Monday, 2026-03-02, 12:00 in UTC.
pub(crate) const MONDAY_NOON: Millis = Millis(1_772_452_800_000);

pub(crate) const OPERATOR: Who = Who { uid: 1_000 };

pub(crate) fn mini() -> HostName {
    HostName::new("mini").unwrap()
}

pub(crate) fn nas() -> HostName {
    HostName::new("nas").unwrap()
}

pub(crate) fn unit(name: &str) -> UnitName {
    UnitName::new(format!("{name}.service")).unwrap()
}

/// Makes tools of a world: the real table unless a test wants its own.
pub(crate) type Tools = Box<dyn FnOnce(&World) -> Vec<Box<dyn Tool>> + Send>;

/// What a life of the daemon is made of. The estate and the store outlive it.
pub(crate) struct Setup {
    pub(crate) estate: Arc<Estate>,
    pub(crate) store: Store,
    pub(crate) folder: Arc<tempfile::TempDir>,
    /// The config; the fake hosts stand in for its hosts.
    pub(crate) config: String,
    pub(crate) mode: Mode,
    pub(crate) model: Option<Arc<dyn Model>>,
    pub(crate) bounds: AgentBounds,
    pub(crate) points: Arc<dyn Points>,
}

/// The units that every config of these tests watches.
const UNITS: &str =
    "[probe]\nunit.web = \"web.service\"\nunit.db = \"db.service\"\nunit.mail = \"mail.service\"\n";

impl Setup {
    /// Two hosts with three units each; the config watches those of mini. Made within a runtime.
    pub(crate) fn new(ceiling: Leash) -> Self {
        let redactor = Arc::new(Redactor::new(Vec::new()));
        let estate = Estate::new(MONDAY_NOON, &[mini(), nas()], redactor);
        for host in [mini(), nas()] {
            for name in ["web", "db", "mail"] {
                estate.host(&host).unwrap().unit(&unit(name));
            }
        }
        let runbooks: String = [
            "service-failed",
            "memory-pressure",
            "disk-full",
            "http-down",
            "container-oom",
            "container-unhealthy",
            "container-crashloop",
        ]
        .map(|book| format!("[runbook.{book}]\nleash = \"{ceiling}\"\n"))
        .concat();
        let config = format!(
            "host_name = \"mini\"\ntimezone = \"UTC\"\nceiling = \"{ceiling}\"\n{UNITS}[web]\nlisten = \"off\"\n{runbooks}"
        );
        Self {
            estate: Arc::new(estate),
            store: Store::in_memory().unwrap(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
            config,
            mode: Mode::Live,
            model: None,
            bounds: AgentBounds::default(),
            points: Arc::new(Unwatched),
        }
    }

    pub(crate) fn host(&self) -> &Arc<FakeHost> {
        self.estate.host(&mini()).unwrap()
    }

    /// Starts a life with the host probes of the config.
    pub(crate) async fn start(&self) -> House {
        self.start_with(Vec::new()).await
    }

    /// Starts a life with the host probes of the config and these beside them.
    pub(crate) async fn start_with(&self, more: Vec<Probe>) -> House {
        self.start_as(more, Box::new(table)).await
    }

    pub(crate) async fn start_as(&self, more: Vec<Probe>, tools: Tools) -> House {
        let clock = self.estate.clock();
        let pulse = Arc::new(Pulse::default());
        let env = Env::of([]);
        let source = Source::new("exam", self.config.clone());
        let (assembled, mut probes) = assemble::read(source, &env, Arc::clone(&pulse) as _)
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        // A real socket would make timeouts fire at once: the network is the test's to play.
        probes.retain(|p| matches!(p.how, How::Host(_)) || p.kind.as_str() == "push");
        probes.extend(more);
        let folders = Folders::below(self.folder.path()).unwrap();
        let making = Making::new(env.clone(), Arc::clone(&clock), folders.clone(), self.mode);
        let mut live = making.live(&assembled, &SecretPrograms::new(&env)).await.unwrap();
        live.hosts = self.estate.links();
        live.notifiers = Arc::new(vec![Arc::clone(&self.estate.phone).notifier()]);
        live.rules = Arc::new(Rules { notify: vec![Phone::NAME.into()], ..(*live.rules).clone() });
        live.agent = self.model.clone().map(|model| {
            let redactor = Arc::clone(&self.estate.redactor);
            Arc::new(Agent { model, bounds: self.bounds, price: None, redactor })
        });
        let stop = CancellationToken::new();
        let (hand, commands) = Handle::new();
        let (looking, news) =
            ticker(probes, live.hosts.clone(), clock.now(), Arc::clone(&clock), Arc::clone(&pulse));
        let inventory = assembled.inventory(&folders.state, &folders.scratch);
        let (estate, store, quarantine) =
            (Arc::clone(&self.estate), self.store.clone(), folders.quarantine.clone());
        let seen = Seen(self.store.clone());
        let parts = Parts {
            here: mini(),
            clock: Arc::clone(&clock),
            store: self.store.clone(),
            folders,
            live,
            scope: HoldScope::Global,
            tools: Box::new(move |rules| {
                let outbox = ToolOutbox { store, clock: estate.clock(), rules };
                let mut world = estate.world(mini(), inventory, Arc::new(outbox), quarantine);
                world.history = Arc::new(seen);
                tools(&world)
            }),
            reload: Box::new(|_| Box::new(|| Box::pin(async { Err("no".to_owned()) }))),
            pulse,
            watch: hand.clone(),
            stop: stop.clone(),
        };
        let Daemon { operator, responder, drain, tasks, .. } =
            watched(parts, Arc::clone(&self.points));
        let mut services = JoinSet::new();
        services.spawn(looking.run(commands, stop.clone()));
        life::begin(&self.store, &operator, clock.now()).await.unwrap();
        recall::seed(&operator, clock.now()).await.unwrap();
        operator.runner.resume().await.unwrap();
        responder.promise_quarantine().await.unwrap();
        let (kept, schedule) = channel::channel(Schedule {
            write: assembled.globals.report.cron.clone(),
            deliver: assembled.globals.report.deliver_at,
        });
        services.spawn(jobs::reports(Arc::clone(&operator), schedule, stop.clone()));
        services.spawn(responder.run(news));
        services.spawn(drain.run());
        House {
            estate: Arc::clone(&self.estate),
            store: self.store.clone(),
            operator,
            hand,
            stop,
            tasks,
            services,
            _schedule: kept,
        }
    }
}

/// One life of the daemon.
pub(crate) struct House {
    pub(crate) estate: Arc<Estate>,
    pub(crate) store: Store,
    pub(crate) operator: Arc<Operator>,
    pub(crate) hand: Handle,
    stop: CancellationToken,
    tasks: TaskTracker,
    services: JoinSet<()>,
    _schedule: channel::Sender<Schedule>,
}

impl House {
    pub(crate) fn host(&self) -> &Arc<FakeHost> {
        self.estate.host(&mini()).unwrap()
    }

    /// Lets the estate's time pass.
    pub(crate) async fn pass(&self, time: Span) {
        tokio::time::sleep(time.duration()).await;
    }

    /// Waits until it is so; after an hour of the estate's time the test has failed.
    #[track_caller]
    pub(crate) fn until<'a>(
        &'a self,
        what: &'a str,
        holds: impl Fn(&Self) -> bool + 'a,
    ) -> impl Future<Output = ()> + 'a {
        let place = std::panic::Location::caller();
        async move {
            for _ in 0..7_200 {
                if holds(self) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            panic!("{place}: never came: {what}\n{}", self.story());
        }
    }

    pub(crate) async fn order(&self, order: Order) -> Result<serde_json::Value, Refusal> {
        self.operator.carry_out(order, OPERATOR).await
    }

    pub(crate) fn incidents(&self) -> Vec<Incident> {
        let mut all = self.store.call_now(|db| db.incidents(Millis(0), 500)).unwrap();
        all.reverse();
        all
    }

    pub(crate) fn unresolved(&self) -> Vec<Incident> {
        self.store.call_now(|db| db.unresolved()).unwrap()
    }

    pub(crate) fn runs(&self) -> Vec<RunRow> {
        self.store.call_now(|db| db.runs_since(Millis(0))).unwrap()
    }

    pub(crate) fn actions(&self) -> Vec<ActionRow> {
        self.store.call_now(|db| db.actions_since(Millis(0))).unwrap()
    }

    pub(crate) fn audit(&self) -> Vec<AuditRecord> {
        let filter = AuditFilter { limit: 10_000, ..AuditFilter::default() };
        let mut all = self.store.call_now(|db| db.audit_list(&filter)).unwrap();
        all.sort_by_key(|record| record.seq);
        all
    }

    pub(crate) fn audited(&self, kind: AuditKind) -> Vec<AuditRecord> {
        self.audit().into_iter().filter(|record| record.kind == kind).collect()
    }

    /// The words of each ending, oldest run first.
    pub(crate) fn endings(&self) -> Vec<String> {
        let ended = |run: RunRow| match run.state {
            RunState::Ended(ending) => Some(format!("{}: {}", ending.word(), ending.words())),
            _ => None,
        };
        self.runs().into_iter().filter_map(ended).collect()
    }

    pub(crate) fn ended(&self) -> usize {
        self.endings().len()
    }

    pub(crate) fn hold(&self) -> Option<String> {
        self.store.call_now(|db| db.flag("hold")).unwrap()
    }

    pub(crate) fn model_calls(&self) -> u32 {
        self.store.call_now(|db| db.model_calls_since(Millis(0))).unwrap()
    }

    /// All that a failed test wants to know.
    pub(crate) fn story(&self) -> String {
        let mut lines = vec![format!("it is {}", self.estate.now().0)];
        for incident in self.incidents() {
            lines.push(format!(
                "{} {} {} {:?} attempts {}",
                incident.id, incident.severity, incident.signal, incident.state, incident.attempts
            ));
        }
        for run in self.runs() {
            lines.push(format!("{} {} {:?}", run.id, run.state.word(), run.incident));
        }
        lines.extend(self.endings());
        for ran in self.host().effects() {
            lines.push(format!("effect {} {:?}", ran.at.0, ran.argv));
        }
        for message in self.estate.phone.heard() {
            lines.push(format!("{:?} {} | {}", message.urgency, message.title, message.body));
        }
        for record in self.audit() {
            let payload = record.payload.unwrap_or_default();
            lines.push(format!(
                "#{} {} {:?} {:?} {:?} {:?}",
                record.seq, record.at.0, record.kind, payload.tool, payload.outcome, payload.errors
            ));
        }
        lines.join("\n")
    }

    /// A calm end: what was in flight is waited for.
    pub(crate) async fn end(mut self) {
        assert_eq!(self.estate.violations(), Vec::<String>::new());
        self.stop.cancel();
        while self.services.join_next().await.is_some() {}
        self.tasks.close();
        self.tasks.wait().await;
        let proof = self.store.call_now(|db| db.verify_chain(&[])).unwrap();
        assert!(proof.broken.is_none(), "{:?}", proof.broken);
    }
}
