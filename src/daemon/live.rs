//! What the config decides and a reload swaps: rules, runbooks, tools, notifiers, the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;

use crate::agent::{Agent, AgentBounds};
use crate::clients::files::LocalFiles;
use crate::clients::host::Hosts;
use crate::clients::http::Http;
use crate::clients::signal::LocalProcesses;
use crate::clock::Clock;
use crate::config::env::Env;
use crate::config::globals::Listen;
use crate::config::hosts::HostSection;
use crate::config::secret::SecretCommand;
use crate::config::snapshots::{FileSystem, Holds};
use crate::daemon::assemble::Assembled;
#[cfg(feature = "mcp")]
use crate::daemon::looked::Looked;
use crate::daemon::providers;
use crate::daemon::reach::{Servers, engines};
use crate::daemon::wire::{Seen, StoreDeeds, ToolOutbox};
use crate::gate::rules::{Covers, Mode, Rules, SnapshotRule};
use crate::gate::tool::Tool;
use crate::model::ids::{HostName, RunbookName, ToolName};
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::Span;
use crate::model::value::Value;
use crate::notify::drain::Notifiers;
use crate::operator::Facts;
use crate::policy::breaker::BreakerRules;
use crate::policy::budget::Caps;
use crate::policy::forbidden::Protected;
use crate::policy::hours::Hours;
use crate::policy::limits::Limits;
use crate::run::runner::Books;
use crate::store::Store;
use crate::tool::network::Network;
use crate::tool::world::World;

/// Where reef's own things lie.
#[derive(Debug, Clone)]
pub struct Folders {
    pub state: AbsPath,
    /// The drill's scratch.
    pub scratch: AbsPath,
    pub quarantine: AbsPath,
}

impl Folders {
    /// All below the state folder.
    pub fn below(state: &Path) -> anyhow::Result<Self> {
        let text = state.to_str().ok_or_else(|| {
            anyhow::anyhow!("the state folder's name is no UTF-8: {}", state.display())
        })?;
        let path = |rest: &str| {
            AbsPath::new(&format!("{text}{rest}"))
                .map_err(|e| anyhow::anyhow!("the state folder: {e}"))
        };
        Ok(Self { state: path("")?, scratch: path("/drill")?, quarantine: path("/quarantine")? })
    }
}

/// The swappable parts, as one config made them.
pub struct Live {
    pub rules: Arc<Rules>,
    pub books: Books,
    pub agent: Option<Arc<Agent>>,
    pub notifiers: Notifiers,
    pub facts: Arc<Facts>,
    pub caps: Caps,
    pub hosts: Hosts,
    pub mcp: Servers,
    /// Where this machine's container engine says what happens.
    pub engine: Option<PathBuf>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "live config with {} runbooks", self.books.len())
    }
}

/// What making it needs beside the config.
#[derive(Debug, Clone)]
pub struct Making {
    pub env: Env,
    pub clock: Arc<dyn Clock>,
    pub folders: Folders,
    pub mode: Mode,
    /// What MCP servers offered.
    #[cfg(feature = "mcp")]
    pub looked: Arc<Looked>,
}

impl Making {
    pub fn new(env: Env, clock: Arc<dyn Clock>, folders: Folders, mode: Mode) -> Self {
        #[cfg(feature = "mcp")]
        let looked = Arc::new(Looked::new(Arc::clone(&clock)));
        Self {
            env,
            clock,
            folders,
            mode,
            #[cfg(feature = "mcp")]
            looked,
        }
    }

    /// Fetches the secrets and makes what the config asks for. The error tells every secret that could
    /// not be fetched.
    pub async fn live(
        &self,
        assembled: &Assembled,
        commands: &dyn SecretCommand,
    ) -> Result<Live, String> {
        self.learn_secrets(assembled, commands).await?;
        let redactor = Arc::clone(&assembled.redactor);
        let http = Http::new();
        let notifiers = crate::notify::table::build(
            &assembled.notify,
            &self.env,
            commands,
            Box::new(std::io::stderr()),
            &http,
        )
        .await
        .map_err(|wrong| wrong.join("\n"))?;
        let notify = notifiers.iter().map(|n| n.name().to_owned()).collect();
        let agent = match &assembled.model {
            Some(settings) => {
                let model: Arc<dyn crate::llm::Model> =
                    settings.build(&self.env, commands, &http).await?.into();
                Some(Arc::new(Agent {
                    model,
                    bounds: bounds(settings),
                    price: settings.price,
                    redactor: Arc::clone(&redactor),
                }))
            }
            None => None,
        };
        let mut books = assembled.shelf.books.clone();
        let drill =
            crate::operator::drill::runbook(&self.folders.scratch, &assembled.globals.host_name);
        books.push(
            drill.map_err(|m| m.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?,
        );
        #[cfg(feature = "mcp")]
        let servers = self.servers(assembled, commands).await?;
        #[cfg(not(feature = "mcp"))]
        let servers = ();
        Ok(Live {
            rules: Arc::new(self.rules(assembled, notify)),
            facts: Arc::new(facts(assembled, agent.as_deref(), &servers)),
            books: Arc::new(books),
            agent,
            notifiers: Arc::new(notifiers),
            caps: assembled.model.as_ref().map(|model| model.caps).unwrap_or_default(),
            hosts: self.hosts(&assembled.globals, &redactor, &servers),
            mcp: servers,
            engine: Some(assembled.globals.docker.socket.clone()),
        })
    }

    async fn learn_secrets(
        &self,
        assembled: &Assembled,
        commands: &dyn SecretCommand,
    ) -> Result<(), String> {
        let mut known: Vec<SecretString> = Vec::new();
        let mut wrong = Vec::new();
        for secret in assembled.secrets() {
            match secret.resolve(&self.env, commands).await {
                Ok(value) => known.push(value),
                Err(why) => wrong.push(why),
            }
        }
        // A probe whose key is missing says so; what the others watch is watched all the same.
        for key in assembled.keys.all() {
            known.extend(key.fetch(&self.env, commands).await.cloned());
        }
        assembled.redactor.learn(&known);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    fn rules(&self, assembled: &Assembled, notify: Vec<String>) -> Rules {
        let globals = &assembled.globals;
        let ceiling =
            |(host, section): (&HostName, &HostSection)| section.ceiling.map(|c| (host.clone(), c));
        let mut leashes = BTreeMap::new();
        for (name, section) in &globals.runbooks {
            leashes.extend(section.leash.map(|leash| ((name.clone(), None), leash)));
            leashes.extend(
                section
                    .leash_on
                    .iter()
                    .map(|(host, leash)| ((name.clone(), Some(host.clone())), *leash)),
            );
        }
        Rules {
            mode: self.mode,
            ceiling: globals.ceiling,
            host_ceilings: globals.hosts.iter().filter_map(ceiling).collect(),
            runbook_ceilings: globals
                .runbooks
                .iter()
                .filter_map(|(n, s)| s.ceiling.map(|c| (n.clone(), c)))
                .collect(),
            starts: assembled.shelf.books.iter().map(|b| (b.name.clone(), b.leash)).collect(),
            leashes,
            named: assembled.shelf.books.iter().map(|b| (b.name.clone(), b.named())).collect(),
            hours: hours(assembled),
            at_most: at_most(assembled),
            disturb: globals
                .hosts
                .iter()
                .filter(|(_, section)| section.disturb)
                .map(|(host, _)| host.clone())
                .collect(),
            snapshots: globals.hosts.iter().flat_map(snapshots).collect(),
            limits: Limits {
                per_service_hour: globals.limits.per_service_hour,
                per_service_day: globals.limits.per_service_day,
                per_hour: globals.limits.per_hour,
                tools: globals.limits.tools.clone(),
            },
            breaker: BreakerRules {
                failures: globals.breaker.failures,
                within: globals.breaker.within,
                pause: globals.breaker.pause,
                in_a_row: globals.breaker.give_up,
            },
            protected: Protected {
                paths: vec![self.folders.state.clone()],
                scratch: Some(self.folders.scratch.clone()),
            },
            page_repeat: globals.pages_repeat,
            telling: assembled.telling.clone(),
            notify,
            ..Rules::default()
        }
    }

    /// The tools over what the config names.
    pub fn tools(
        &self,
        assembled: &Assembled,
        hosts: &Hosts,
        servers: &Servers,
        store: &Store,
        rules: watch::Receiver<Arc<Rules>>,
    ) -> Vec<Box<dyn Tool>> {
        #[cfg(feature = "mcp")]
        self.looked.open(store);
        let world = World {
            here: assembled.globals.host_name.clone(),
            hosts: hosts.clone(),
            files: Arc::new(LocalFiles),
            processes: Arc::new(LocalProcesses),
            engines: engines(assembled, hosts),
            history: Arc::new(Seen(store.clone())),
            // A client of their own: a probe's connections stay the probes'.
            web: Arc::new(Network::default()),
            outbox: Arc::new(ToolOutbox {
                store: store.clone(),
                clock: Arc::clone(&self.clock),
                rules,
            }),
            deeds: Arc::new(StoreDeeds { store: store.clone() }),
            #[cfg(feature = "kube")]
            clusters: assembled.clusters(),
            #[cfg(feature = "mcp")]
            mcp: servers.clone(),
            providers: providers::known(assembled, hosts),
            inventory: Arc::new(assembled.inventory(&self.folders.state, &self.folders.scratch)),
            now: Arc::clone(&self.clock),
            quarantine: self.folders.quarantine.clone(),
            formerly: None,
        };
        let mut tools = crate::tool::table::table(&world);
        // A model is not shown what there is nothing for.
        if assembled.without_servers() {
            tools.retain(|tool| !tool.spec().name.as_str().starts_with("mcp."));
        }
        tools
    }
}

/// What is taken before a step of tier high on a host: of file systems first, whose rollback takes less back than that
/// of the whole machine.
fn snapshots((host, section): (&HostName, &HostSection)) -> Vec<SnapshotRule> {
    let rule = |covers, tool, arg: &str, target: Target, run_as| SnapshotRule {
        host: host.clone(),
        covers,
        tool: ToolName::of(tool),
        args: [(arg.to_owned(), Value::Target(target.clone()))].into(),
        target,
        run_as,
        keep: section.snapshot_keep,
    };
    let of_files = section.snapshots.iter().map(|files| {
        let target = Target::path(host.clone(), &files.path);
        rule(covers(host, files), "snapshot.create", "of", target, "mark")
    });
    let of_machine = section
        .snapshot
        .iter()
        .map(|of| rule(Covers::All, "vm.snapshot", "vm", of.clone(), "name"));
    of_files.chain(of_machine).collect()
}

/// What lives on a file system.
fn covers(host: &HostName, files: &FileSystem) -> Covers {
    let (mut below, mut things) = (vec![files.path.clone()], BTreeSet::new());
    for holds in &files.holds {
        let thing = |thing: Thing, name: &str| Target::new(host.clone(), thing, name).ok();
        match holds {
            Holds::Everything => return Covers::All,
            Holds::Path(path) => below.push(path.clone()),
            Holds::Unit(unit) => things.extend(thing(Thing::Unit, unit.as_str())),
            Holds::Container(name) => things.extend(thing(Thing::Container, name)),
            Holds::Stack(name) => things.extend(thing(Thing::Stack, name)),
        }
    }
    Covers::These { below, things }
}

/// When each runbook may act: the config's word, else its front matter's.
fn hours(assembled: &Assembled) -> BTreeMap<RunbookName, Hours> {
    let of_book = |book: &crate::runbook::Runbook| {
        let section = assembled.globals.runbooks.get(&book.name);
        let windows = section.and_then(|s| s.window.clone()).unwrap_or_else(|| book.window.clone());
        let zone = section.and_then(|s| s.timezone).or(book.timezone);
        let zone = zone.unwrap_or(assembled.globals.timezone);
        (!windows.is_empty()).then(|| (book.name.clone(), Hours { windows, zone }))
    };
    assembled.shelf.books.iter().filter_map(of_book).collect()
}

/// How long the actions of one run of each runbook may take together.
fn at_most(assembled: &Assembled) -> BTreeMap<RunbookName, Span> {
    let of_book = |book: &crate::runbook::Runbook| {
        let section = assembled.globals.runbooks.get(&book.name);
        let most = section.and_then(|s| s.at_most).or(book.at_most)?;
        Some((book.name.clone(), most))
    };
    assembled.shelf.books.iter().filter_map(of_book).collect()
}

fn bounds(model: &crate::llm::table::Settings) -> AgentBounds {
    let cap = model.caps.incident;
    let free = AgentBounds::default();
    AgentBounds {
        turns: model.turns,
        tokens: cap.tokens.unwrap_or(free.tokens),
        micros: cap.micros.unwrap_or(free.micros),
        time: model.time,
        reply: model.max_output.into(),
        ..free
    }
}

fn facts(assembled: &Assembled, agent: Option<&Agent>, servers: &Servers) -> Facts {
    #[cfg(not(feature = "mcp"))]
    let () = servers;
    Facts {
        #[cfg(feature = "mcp")]
        mcp: servers.clone(),
        zone: assembled.globals.timezone,
        config: assembled.path.clone(),
        page: match &assembled.globals.web {
            Listen::At(at) => Some(format!("http://{at}/")),
            Listen::Off => None,
        },
        model: agent.map(|agent| agent.model.name().to_owned()),
        findings: assembled.outcome.findings.iter().map(ToString::to_string).collect(),
        hosts: assembled.globals.hosts.keys().cloned().collect(),
        books: assembled.shelf.origins.clone(),
    }
}
