//! One process from lock to farewell.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock};
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::globals::{Globals, Listen};
use crate::config::mistakes::Mistakes;
use crate::config::places::Places;
use crate::control::server::Server;
use crate::daemon::assemble::{self, Assembled};
use crate::daemon::build::{Daemon, Parts, daemon, ticker};
use crate::daemon::jobs::{self, Schedule};
use crate::daemon::live::{Folders, Making};
use crate::daemon::recall::{record_boot, seed};
use crate::daemon::reload::Again;
use crate::daemon::watchdog::{self, say};
use crate::daemon::wire::{Orders, Page, SecretPrograms};
use crate::gate::rules::Mode;
use crate::gate::settle;
use crate::model::time::{Millis, Span};
use crate::operator::Operator;
use crate::store::Store;
use crate::store::db::Db;
use crate::watch::handle::Handle;
use crate::watch::pulse::Pulse;
use crate::watch::ticker::{Command, News, Ticker};
use crate::web;

/// What `reef run` was told.
#[derive(Debug, Clone)]
pub struct Options {
    pub config: Option<PathBuf>,
    pub state: Option<PathBuf>,
    pub mode: Mode,
}

/// Why a daemon did not start.
#[derive(Debug)]
pub enum NotStarted {
    /// The config has mistakes: exit code 2.
    Config(Mistakes),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for NotStarted {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// What is known once the daemon runs, for the first screen.
#[derive(Debug, Clone)]
pub struct Started {
    pub operator: Arc<Operator>,
    pub stop: CancellationToken,
}

/// How long actions in flight are waited for at the end; they are recorded either way.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(30);
/// An end within this is not talked about.
const QUICK: std::time::Duration = std::time::Duration::from_secs(1);
/// After a boot services take their time: until then nothing that was never green counts.
const BOOT_GRACE: Span = Span::mins(10);

/// Runs the daemon until a signal ends it. `started` is called once everything is up.
pub async fn run(
    options: Options,
    env: Env,
    started: impl FnOnce(Started),
) -> Result<(), NotStarted> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = Source::find(options.config.as_deref(), &env).map_err(NotStarted::Config)?;
    let pulse = Arc::new(Pulse::default());
    let (assembled, probes) =
        assemble::read(source, &env, Arc::clone(&pulse) as _).map_err(NotStarted::Config)?;
    let places =
        Places::find(options.state.as_deref(), &env).map_err(|why| anyhow::anyhow!(why))?;
    std::fs::create_dir_all(&places.state).with_context(|| {
        let state = places.state.display();
        format!("the state folder {state} cannot be made (--state names another one)")
    })?;
    let folders = Folders::below(&places.state)?;
    let making = Making::new(env.clone(), Arc::clone(&clock), folders, options.mode);
    let live = making
        .live(&assembled, &SecretPrograms::new(&env))
        .await
        .map_err(|why| anyhow::anyhow!(why))?;
    let stop = CancellationToken::new();
    let (hand, commands) = Handle::new();

    // The looks begin before the store is open: what they see waits for no disk.
    let grace = clock.now() + boot_grace();
    let (looking, news) =
        ticker(probes, live.hosts.clone(), grace, Arc::clone(&clock), Arc::clone(&pulse));
    let looking = looking
        .counting_in(assembled.globals.timezone)
        .listening_on(assembled.globals.host_name.clone())
        .with_engine(assembled.globals.docker.socket.clone());
    let looks = on_its_own_thread(looking, commands, stop.clone())?;
    let opened = Store::open(&places.state);
    let store = opened.map_err(|error| {
        stop.cancel();
        anyhow::anyhow!("{error}")
    })?;

    let (schedule, schedule_now) = watch::channel(schedule(&assembled.globals));
    let again = Again {
        config: options.config,
        making: making.clone(),
        store: store.clone(),
        pulse: Arc::clone(&pulse),
        schedule,
    };
    let (here, scope, listen) =
        (assembled.globals.host_name.clone(), assembled.globals.hold_scope, assembled.globals.web);
    let (tool_store, hosts, servers) = (store.clone(), live.hosts.clone(), live.mcp.clone());
    let folders = making.folders.clone();
    let daemon = daemon(Parts {
        here,
        clock: Arc::clone(&clock),
        store,
        folders,
        live,
        scope,
        tools: Box::new(move |rules| {
            making.tools(&assembled, &hosts, &servers, &tool_store, rules)
        }),
        reload: Box::new(move |swap| again.reloader(swap)),
        pulse: Arc::clone(&pulse),
        watch: hand,
        stop: stop.clone(),
    });
    let outside = Outside { news, places, listen, schedule: schedule_now, pulse, clock };
    let served = serve(daemon, outside, started).await;
    stop.cancel();
    looks.join().map_err(|_| anyhow::anyhow!("the tick loop broke"))?;
    served.map_err(NotStarted::Other)
}

/// What the daemon needs of the world around it.
struct Outside {
    news: mpsc::UnboundedReceiver<News>,
    places: Places,
    listen: Listen,
    schedule: watch::Receiver<Schedule>,
    pulse: Arc<Pulse>,
    clock: Arc<dyn Clock>,
}

/// Brings everything up, waits for the end, and takes everything down in order: no new dispatch, what
/// is in flight ends and is recorded, what was said is told.
async fn serve(
    daemon: Daemon,
    outside: Outside,
    started: impl FnOnce(Started),
) -> anyhow::Result<()> {
    let Daemon { operator, responder, drain, tasks, stop, swap: _ } = daemon;
    let Outside { news, places, listen, schedule, pulse, clock } = outside;
    let store = operator.store().clone();
    begin(&store, &operator, clock.now()).await?;
    seed(&operator, clock.now()).await?;
    record_boot(&operator, clock.now()).await?;
    operator.sweep_drill().await.context("what a drill left behind could not be removed")?;
    operator.runner.resume().await?;
    responder.promise_quarantine().await?;
    responder.promise_snapshots().await?;

    let mut services = JoinSet::new();
    let socket = Server::bind(&places.socket()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let orders = socket.serve(Arc::new(Orders(Arc::clone(&operator))), stop.clone());
    services.spawn(async move {
        orders
            .await
            .unwrap_or_else(|e| tracing::error!("the socket is not served any more: {e:#}"));
    });
    if let Listen::At(at) = listen {
        page(&mut services, at, &operator, &pulse, &stop).await;
    }
    services.spawn(jobs::reports(Arc::clone(&operator), schedule, stop.clone()));
    services.spawn(watchdog::feed(pulse, clock, stop.clone()));
    let mut responding = JoinSet::new();
    responding.spawn(responder.run(news));
    let mut draining = JoinSet::new();
    draining.spawn(drain.run());
    say(&[NotifyState::Ready, NotifyState::Status("watching")]);
    started(Started { operator: Arc::clone(&operator), stop: stop.clone() });

    let ended = signals(&operator, &stop).await;
    say(&[NotifyState::Stopping]);
    stop.cancel();
    while services.join_next().await.is_some() {}
    while responding.join_next().await.is_some() {}
    in_flight(&tasks).await;
    while draining.join_next().await.is_some() {}
    let now = operator.now();
    store.call(move |db| settle::note(db, "reef", "stopped", "told to", now).map(drop)).await?;
    ended
}

/// Serves the page. A night watch without one is better than none: where the port cannot be had, the
/// status says so.
async fn page(
    services: &mut JoinSet<()>,
    at: std::net::SocketAddr,
    operator: &Arc<Operator>,
    pulse: &Arc<Pulse>,
    stop: &CancellationToken,
) {
    let listener = match tokio::net::TcpListener::bind(at).await {
        Ok(listener) => listener,
        Err(error) => {
            let why = format!(
                "the page is not served, {at} cannot be had ({error}); set [web] listen to another port, or \"off\", \
                 and start reef again"
            );
            tracing::warn!("{why}");
            // Nobody else sets it.
            drop(operator.no_page.set(why));
            return;
        }
    };
    let site = Arc::new(Page { operator: Arc::clone(operator), pulse: Arc::clone(pulse) });
    let stop = stop.clone();
    services.spawn(async move {
        if let Err(error) = web::serve(listener, site, stop).await {
            tracing::error!("the page is not served any more: {error:#}");
        }
    });
}

/// Waits for the actions in flight. Most ends are quick and need no word.
async fn in_flight(tasks: &tokio_util::task::TaskTracker) {
    tasks.close();
    if tokio::time::timeout(QUICK, tasks.wait()).await.is_ok() {
        return;
    }
    tracing::info!(
        "something is still under way and is waited for, at most {} s; a second Ctrl-C does not wait",
        FAREWELL.as_secs()
    );
    if patiently(tasks).await == Waited::InVain {
        tracing::warn!(
            "an action is still in flight; it is recorded as dispatched and settled after the next start"
        );
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    ForAll,
    InVain,
}

async fn patiently(tasks: &tokio_util::task::TaskTracker) -> Waited {
    tokio::select! {
        () = tasks.wait() => Waited::ForAll,
        () = tokio::time::sleep(FAREWELL) => Waited::InVain,
        () = interrupted() => Waited::InVain,
    }
}

/// Waits for Ctrl-C; for ever where it cannot be listened to.
async fn interrupted() {
    match signal(SignalKind::interrupt()) {
        Ok(mut interrupt) => drop(interrupt.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// The first record of a life, and the end of what the last one left unsaid.
pub async fn begin(store: &Store, operator: &Operator, now: Millis) -> anyhow::Result<()> {
    let what = format!(
        "reef {} on {}, leash at most {}",
        env!("CARGO_PKG_VERSION"),
        operator.here,
        operator.gate().rules().ceiling
    );
    store.call(move |db: &mut Db| settle::note(db, "reef", "started", &what, now).map(drop)).await
}

/// Waits for a signal: hang-up reads the config anew, interrupt and terminate end.
async fn signals(operator: &Arc<Operator>, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("signals cannot be listened to")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be listened to")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be listened to")?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = stop.cancelled() => return Ok(()),
            _ = hangup.recv() => {
                match operator.reload(crate::operator::order::Who { uid: 0 }).await {
                    Ok(done) => tracing::info!("{}", done.words),
                    Err(refusal) => tracing::error!("{refusal}"),
                }
            }
        }
    }
}

/// The scheduler, the looks and triage have a thread and a runtime of their own: nothing that acts or
/// talks can make a look late.
fn on_its_own_thread(
    ticker: Ticker,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the tick loop's runtime cannot be made")?;
    std::thread::Builder::new()
        .name("looks".into())
        .spawn(move || runtime.block_on(ticker.run(commands, stop)))
        .context("the tick loop's thread cannot be made")
}

/// How much of the grace after a boot is left.
fn boot_grace() -> Span {
    let up = rustix::system::sysinfo().uptime;
    Span((BOOT_GRACE.0 - Span::secs(up).0).max(0))
}

pub(crate) fn schedule(globals: &Globals) -> Schedule {
    Schedule { write: globals.report.cron.clone(), deliver: globals.report.deliver_at }
}

/// For those who only check: the whole config as the daemon would read it.
pub fn check(source: Source, env: &Env) -> Result<Assembled, Mistakes> {
    let (assembled, _) = assemble::read(source, env, Arc::new(Pulse::default()) as _)?;
    Ok(assembled)
}
