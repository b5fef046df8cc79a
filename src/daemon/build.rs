//! Wires everything out of parts that a test can replace: clock, store, hosts, probes, model.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::clock::zone::Zone;
use crate::daemon::live::{Folders, Live};
use crate::daemon::wire::{Links, Signals, own};
use crate::gate::Gate;
use crate::gate::crash::{Points, Unwatched};
use crate::gate::rules::Rules;
use crate::gate::tool::Tool;
use crate::model::ids::HostName;
use crate::model::incident::HoldScope;
use crate::model::time::Millis;
use crate::notify::alarm::Alarm;
use crate::notify::drain::{Drain, Notifiers};
use crate::operator::{Facts, Operator, Reload};
use crate::policy::budget::Caps;
use crate::policy::inventory;
use crate::probe::Probe;
use crate::report::{Reporter, World};
use crate::run::runner::{Books, Runner};
use crate::store::Store;
use crate::store::budgets::Periods;
use crate::watch::handle::Handle;
use crate::watch::pulse::Pulse;
use crate::watch::responder::Responder;
use crate::watch::ticker::{Command, News, Ticker};

/// Makes the tools, which go by the rules in force.
type MakeTools = Box<dyn FnOnce(watch::Receiver<Arc<Rules>>) -> Vec<Box<dyn Tool>> + Send>;

/// What a daemon is built of.
pub struct Parts {
    pub here: HostName,
    pub clock: Arc<dyn Clock>,
    pub store: Store,
    pub folders: Folders,
    pub live: Live,
    pub scope: HoldScope,
    /// Makes the tools once the rules they go by are there.
    pub tools: MakeTools,
    pub reload: Box<dyn FnOnce(Swap) -> Reload + Send>,
    pub pulse: Arc<Pulse>,
    pub watch: Handle,
    pub stop: CancellationToken,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "parts of a daemon on {}", self.here)
    }
}

/// The daemon's halves but for the tick loop: plain futures that a test joins on one runtime.
#[derive(Debug)]
pub struct Daemon {
    pub operator: Arc<Operator>,
    pub responder: Responder,
    pub drain: Drain,
    pub swap: Swap,
    /// Runs and actions: waited for at the end.
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

/// The senders that a reload swaps everything through.
#[derive(Debug, Clone)]
pub struct Swap {
    pub rules: watch::Sender<Arc<Rules>>,
    pub books: watch::Sender<Books>,
    pub agent: watch::Sender<Option<Arc<crate::agent::Agent>>>,
    pub notifiers: watch::Sender<Notifiers>,
    pub facts: watch::Sender<Arc<Facts>>,
    pub caps: Arc<Mutex<Caps>>,
    pub gate: Arc<Gate>,
    pub watch: Handle,
}

impl Swap {
    /// Puts a new config in force, whole. Runs under way finish on their own copy.
    pub async fn apply(&self, live: Live, probes: Vec<Probe>, tools: Vec<Box<dyn Tool>>) {
        self.gate.replace_tools(tools);
        let zone = live.facts.zone;
        self.gate.look_by(Arc::new(Links(live.hosts.clone())));
        self.rules.send_replace(live.rules);
        self.books.send_replace(live.books);
        self.agent.send_replace(live.agent);
        self.notifiers.send_replace(live.notifiers);
        self.facts.send_replace(live.facts);
        *self.caps.lock().unwrap_or_else(PoisonError::into_inner) = live.caps;
        let (hosts, engine) = (live.hosts, live.engine);
        self.watch.send(Command::Replace { probes, hosts, engine, zone }).await;
    }
}

/// Builds the daemon; nothing runs yet.
pub fn daemon(parts: Parts) -> Daemon {
    watched(parts, Arc::new(Unwatched))
}

/// As [`daemon`], with somebody who is told of each crash point.
pub fn watched(parts: Parts, points: Arc<dyn Points>) -> Daemon {
    let Parts { here, clock, store, folders, live, scope, tools, reload, pulse, watch: hand, stop } =
        parts;
    let tasks = TaskTracker::new();
    let (rules, rules_now) = watch::channel(live.rules);
    let told_by = rules_now.clone();
    let (books, books_now) = watch::channel(live.books);
    let (agent, agent_now) = watch::channel(live.agent);
    let (notifiers, notifiers_now) = watch::channel(live.notifiers);
    let (facts, facts_now) = watch::channel(live.facts);
    let caps = Arc::new(Mutex::new(live.caps));
    let gate = Gate::new(
        tools(rules_now.clone()),
        store.clone(),
        Arc::clone(&clock),
        rules_now,
        tasks.clone(),
    );
    let gate = Arc::new(gate.watched(Arc::clone(&points)));
    gate.look_by(Arc::new(Links(live.hosts.clone())));
    let (answers, _) = watch::channel(0);
    let (endings, _) = watch::channel(0);
    let caps_now = Arc::clone(&caps);
    let (zone, zone_too) = (facts_now.clone(), facts_now.clone());
    let runner = Arc::new(Runner {
        gate: Arc::clone(&gate),
        store: store.clone(),
        clock: Arc::clone(&clock),
        looker: Arc::new(hand.clone()),
        books: books_now,
        agent: agent_now,
        answers,
        endings,
        tasks: tasks.clone(),
        stop: stop.clone(),
        caps: Box::new(move || *caps_now.lock().unwrap_or_else(PoisonError::into_inner)),
        periods: Box::new(move |now| periods(zone.borrow().zone, now)),
        hm: Box::new(move |at| zone_too.borrow().zone.hm(at)),
        inventory: folders.state.as_path().join(inventory::FILE),
        nonce,
    });
    let swap = Swap { rules, books, agent, notifiers, facts, caps, gate, watch: hand.clone() };
    let (zone, own_pulse, started_at) = (facts_now.clone(), Arc::clone(&pulse), clock.now());
    let world = World {
        here: here.clone(),
        zone: Box::new(move || zone.borrow().zone),
        standings: Arc::new(Signals(hand.clone())),
        own: Box::new(move || own(&own_pulse, started_at)),
    };
    let reports = PathBuf::from(folders.state.as_str()).join("reports");
    let reporter = Reporter::new(store.clone(), Arc::clone(&clock), reports, world);
    let operator = Arc::new(Operator {
        runner: Arc::clone(&runner),
        watch: hand.clone(),
        pulse,
        reporter: Arc::new(reporter.watched(points)),
        facts: facts_now,
        reload: reload(swap.clone()),
        here: here.clone(),
        started_at,
        scratch: folders.scratch,
        drill: Arc::default(),
        no_page: OnceLock::new(),
    });
    let alarmed = notifiers_now.clone();
    let drain = Drain {
        store: store.clone(),
        clock,
        notifiers: notifiers_now,
        rules: told_by,
        enqueued: store.enqueued(),
        stop: stop.clone(),
    };
    Daemon {
        operator,
        responder: Responder::new(runner, here, scope, hand, Alarm::new(alarmed)),
        drain,
        swap,
        tasks,
        stop,
    }
}

/// The tick loop with its ends: the news go to the responder, the commands come from the handle.
pub fn ticker(
    probes: Vec<Probe>,
    hosts: crate::clients::host::Hosts,
    grace_until: Millis,
    clock: Arc<dyn Clock>,
    pulse: Arc<Pulse>,
) -> (Ticker, mpsc::UnboundedReceiver<News>) {
    // Unbounded: the loop must never wait for a store that is slow, and it sends a batch every half
    // minute and a change now and then.
    let (news, told) = mpsc::unbounded_channel();
    (Ticker::new(probes, hosts, grace_until, clock, pulse, news), told)
}

fn periods(zone: Zone, now: Millis) -> Periods {
    Periods { day: zone.start_of_day(now), month: zone.start_of_month(now) }
}

/// Sixteen bytes that no text can know beforehand.
fn nonce() -> [u8; 16] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without randomness the fence would be guessable: use what at least nobody was told.
        bytes = std::process::id().to_be_bytes().repeat(4).try_into().unwrap_or([0; 16]);
    }
    bytes
}
