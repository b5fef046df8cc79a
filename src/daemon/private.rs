//! A daemon of its own for one command: in a state folder that is gone afterwards, with no config, no
//! page and no probes but what the command plants.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock};
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::places::EMBEDDED;
use crate::daemon::assemble;
use crate::daemon::build::{Parts, daemon, ticker};
use crate::daemon::live::{Folders, Making};
use crate::daemon::wire::SecretPrograms;
use crate::gate::rules::Mode;
use crate::model::incident::HoldScope;
use crate::operator::Operator;
use crate::store::{Store, StoreOptions};
use crate::watch::handle::Handle;
use crate::watch::pulse::Pulse;
use crate::watch::ticker::Command;

/// Which probes a private daemon has from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    /// Those of the config that applies.
    Configured,
    /// None: whoever uses it brings its own.
    None,
}

/// A private daemon under way.
#[derive(Debug)]
pub struct Private {
    pub operator: Arc<Operator>,
    stop: CancellationToken,
    tasks: tokio_util::task::TaskTracker,
    services: JoinSet<()>,
}

/// Builds and starts a daemon in `state`, which is empty. Nobody is told anything by it.
pub async fn start(
    source: Source,
    state: &Path,
    env: &Env,
    probes: Probes,
) -> anyhow::Result<Private> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let pulse = Arc::new(Pulse::default());
    let source = match probes {
        Probes::Configured => source,
        Probes::None => Source::new(EMBEDDED, ""),
    };
    let (assembled, configured) =
        assemble::read(source, env, Arc::clone(&pulse) as _).map_err(|m| anyhow::anyhow!("{m}"))?;
    let folders = Folders::below(state)?;
    // Configured probes only look: whatever the leash, nothing is done about what they see.
    let mode = match probes {
        Probes::Configured => Mode::DryRun,
        Probes::None => Mode::Live,
    };
    let making = Making::new(env.clone(), Arc::clone(&clock), folders.clone(), mode);
    let mut live = making
        .live(&assembled, &SecretPrograms::new(env))
        .await
        .map_err(|why| anyhow::anyhow!(why))?;
    let mut rules = (*live.rules).clone();
    rules.notify.clear();
    live.rules = Arc::new(rules);
    let store =
        Store::open_with(state, StoreOptions { ballast_bytes: 0, ..StoreOptions::default() })
            .map_err(|e| anyhow::anyhow!("{e}"))?;
    let stop = CancellationToken::new();
    let (hand, commands) = Handle::new();
    let started_with = match probes {
        Probes::Configured => configured,
        Probes::None => Vec::new(),
    };
    let (looking, news) = ticker(
        started_with,
        live.hosts.clone(),
        clock.now(),
        Arc::clone(&clock),
        Arc::clone(&pulse),
    );
    let (tool_store, hosts, servers) = (store.clone(), live.hosts.clone(), live.mcp.clone());
    let here = assembled.globals.host_name.clone();
    let built = daemon(Parts {
        here,
        clock,
        store,
        folders,
        live,
        scope: HoldScope::Global,
        tools: Box::new(move |rules: watch::Receiver<_>| {
            making.tools(&assembled, &hosts, &servers, &tool_store, rules)
        }),
        reload: Box::new(|_| {
            Box::new(|| {
                Box::pin(async { Err("a private daemon has no config to reload".to_owned()) })
            })
        }),
        pulse,
        watch: hand,
        stop: stop.clone(),
    });
    // There is no former life: what is there at the first look is known.
    let nothing =
        Command::Seed { triage: BTreeMap::new(), pasts: Vec::new(), known: BTreeMap::new() };
    built.operator.watch.send(nothing).await;
    let mut services = JoinSet::new();
    services.spawn(looking.run(commands, stop.clone()));
    services.spawn(built.responder.run(news));
    services.spawn(built.drain.run());
    Ok(Private { operator: built.operator, stop, tasks: built.tasks, services })
}

impl Private {
    /// Ends it; what was in flight is waited for.
    pub async fn end(mut self) {
        self.stop.cancel();
        while self.services.join_next().await.is_some() {}
        self.tasks.close();
        self.tasks.wait().await;
    }
}
