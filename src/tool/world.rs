//! What tools are given: the machines, the files, and what the config names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::clients::dns::Resolver;
use crate::clients::docker::engine::Engines;
use crate::clients::files::Files;
use crate::clients::files::remote::RemoteFiles;
use crate::clients::host::Hosts;
use crate::clients::http::url::WebUrl;
use crate::clients::provider::Providers;
use crate::clients::signal::Processes;
use crate::clients::tls::TlsServer;
use crate::clock::Clock;
use crate::config::hosts::Ssh;
use crate::config::snapshots::SnapshotBy;
use crate::model::ids::{HostName, ToolName, Word};
use crate::model::message::Urgency;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Call, ToolError};
use crate::tool::network::Web;

/// Everything that tools reach, wired by the composition root. Cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    /// This machine's name, or of the host that files are worked on: [`World::on`].
    pub here: HostName,
    pub hosts: Hosts,
    /// The files of that machine.
    pub files: Arc<dyn Files>,
    /// This machine's processes, for signals.
    pub processes: Arc<dyn Processes>,
    /// The container engines that may be acted on.
    pub engines: Engines,
    /// What was seen before.
    pub history: Arc<dyn History>,
    pub web: Arc<dyn Web>,
    pub outbox: Arc<dyn Outbox>,
    pub deeds: Arc<dyn Deeds>,
    /// Clusters by their names in the config.
    #[cfg(feature = "kube")]
    pub clusters: Clusters,
    /// MCP servers by their names in the config.
    #[cfg(feature = "mcp")]
    pub mcp: crate::clients::mcp::Servers,
    /// Who keeps virtual machines, by their names in the config.
    pub providers: Providers,
    pub inventory: Arc<Inventory>,
    pub now: Arc<dyn Clock>,
    /// Where `files.clean` moves things there. Of this machine: reef's own, until [`World::on`] says what the config names.
    pub quarantine: AbsPath,
    /// Where it was before the config named another: what was moved there is found there.
    pub formerly: Option<AbsPath>,
}

/// Where quarantined files of another host lie, if its config says nothing else.
pub const QUARANTINE: &str = "/var/lib/reef-quarantine";

impl World {
    /// This world, with the files of a host in it: of this machine, or of another one.
    pub fn on(&self, host: &HostName) -> Result<Self, ToolError> {
        if *host == self.here {
            let mut here = self.clone();
            if let Some(named) = self.inventory.quarantines.get(host) {
                here.formerly = Some(std::mem::replace(&mut here.quarantine, named.clone()));
            }
            return Ok(here);
        }
        let Some(link) = self.hosts.get(host) else {
            return Err(ToolError::Refused(format!("the config has no host {host}")));
        };
        let path = |text: &str| AbsPath::new(text).map_err(|e| ToolError::Failed(e.to_string()));
        // What is done to files there is written down here.
        let ledger = path(&format!("{}-of/{host}", self.quarantine))?;
        let quarantine = self.inventory.quarantine_of(host)?;
        let files = Arc::new(RemoteFiles::new(Arc::clone(link), ledger));
        Ok(Self { here: host.clone(), files, quarantine, formerly: None, ..self.clone() })
    }
}

/// The clusters of the config. Their clients are the tools' own: a probe's connections stay the probe's.
#[cfg(feature = "kube")]
pub type Clusters = BTreeMap<HostName, Arc<KnownCluster>>;

/// A cluster with what the config declares of it.
#[cfg(feature = "kube")]
#[derive(Debug)]
pub struct KnownCluster {
    pub cluster: crate::clients::kube::Cluster,
    pub declared: crate::clients::kube::declared::Declared,
}

#[cfg(feature = "kube")]
impl KnownCluster {
    pub fn of(declared: crate::clients::kube::declared::Declared) -> Self {
        let cluster = crate::clients::kube::Cluster::new(declared.settings.clone());
        Self { cluster, declared }
    }
}

/// What reef did before.
pub trait Deeds: Send + Sync + fmt::Debug {
    /// How often a tool acted on a target since then. What was not started does not count.
    fn count<'a>(
        &'a self,
        tool: &'a ToolName,
        target: &'a Target,
        since: Millis,
    ) -> Fut<'a, Result<u32, String>>;

    /// The calls that would undo what these tools did on a target since then, and when that was, oldest first. What
    /// was not started does not count.
    fn undos<'a>(
        &'a self,
        _tools: &'a [ToolName],
        _target: &'a Target,
        _since: Millis,
    ) -> Fut<'a, Result<Vec<(Millis, Call)>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// How long a tool took on a target each time since then that it was done, newest last.
    fn took<'a>(
        &'a self,
        _tool: &'a ToolName,
        _target: &'a Target,
        _since: Millis,
    ) -> Fut<'a, Result<Vec<Span>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// The deeds of one who never did anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDeeds;

impl Deeds for NoDeeds {
    fn count<'a>(
        &'a self,
        _tool: &'a ToolName,
        _target: &'a Target,
        _since: Millis,
    ) -> Fut<'a, Result<u32, String>> {
        Box::pin(async { Ok(0) })
    }
}

impl Inventory {
    /// Where quarantined files of another host lie.
    pub fn quarantine_of(&self, host: &HostName) -> Result<AbsPath, ToolError> {
        match self.quarantines.get(host) {
            Some(folder) => Ok(folder.clone()),
            None => AbsPath::new(QUARANTINE).map_err(|e| ToolError::Failed(e.to_string())),
        }
    }
}

/// What the config names, so that no model and no machine has to.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Endpoints by their name in the config.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// The host that each endpoint is on.
    pub places: BTreeMap<String, HostName>,
    /// Units and containers that may be restarted for using too much; a failed one needs no entry.
    pub restartable: BTreeSet<Target>,
    /// Logs by their name in the config.
    pub logs: BTreeMap<String, LogSource>,
    /// Folders that no action touches: reef's own state, and what the operator adds.
    pub protected: Vec<AbsPath>,
    /// The drill's scratch folder: lies within the protected state, and may be touched.
    pub scratch: Option<AbsPath>,
    /// Names of database processes beside the well-known ones.
    pub databases: BTreeSet<String>,
    /// Log templates that runbooks match (`pattern` in their front matter).
    pub patterns: Vec<String>,
    /// Name servers of the config, by the name of their endpoint.
    pub resolvers: BTreeMap<String, Resolver>,
    /// How each other host of the config is reached.
    pub ways: BTreeMap<HostName, Ssh>,
    /// Mount points that the config lets reef mount and unmount.
    pub mounts: BTreeSet<Target>,
    /// File systems of which snapshots may be taken, and by what.
    pub filesystems: BTreeMap<Target, SnapshotBy>,
    /// Folders whose files may be read at their end.
    pub tails: BTreeSet<Target>,
    /// Git working trees whose commits may be told.
    pub repositories: BTreeSet<Target>,
    /// The command that reboots a host.
    pub reboots: BTreeMap<HostName, Vec<String>>,
    /// The unit or container behind an endpoint, by the endpoint's name: how `tls.inspect` knows that Caddy
    /// or Traefik renews, and `compose.health` whom to ask.
    pub served_by: BTreeMap<String, Target>,
    /// Ansible playbooks by their names in the config.
    pub playbooks: crate::clients::ansible::declared::Playbooks,
    /// Folders of Terraform by their names in the config.
    pub terraforms: BTreeMap<Word, Arc<crate::clients::terraform::Stack>>,
    /// Debug logging that may be switched on for a while, by its names in the config.
    pub switches: crate::clients::switch::Switches,
    /// Backups that may be made, by their names in the config.
    pub backups: crate::clients::backup::Backups,
    /// DNS zones whose records may be set, by their names in the config.
    pub zones: crate::clients::dns::declared::Zones,
    /// Where plan files are kept; none: nothing can be planned.
    pub plans: Option<AbsPath>,
    /// Buckets, databases and other servers that tools may use, by their endpoints.
    pub servers: crate::clients::declared::All,
    /// Places of compose files that reef may apply, by host: `/opt/stacks/*`.
    pub stacks: BTreeMap<HostName, Vec<String>>,
    /// Where quarantined files of a host lie, where its config says so.
    pub quarantines: BTreeMap<HostName, AbsPath>,
}

/// A network endpoint that the config names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// What to fetch, where it speaks HTTP.
    pub url: Option<WebUrl>,
    /// Its TLS server, where it has one.
    pub tls: Option<TlsServer>,
}

/// Where a log's lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// The system journal.
    Journal,
    File(AbsPath),
}

/// What was seen before.
pub trait History: Send + Sync + fmt::Debug {
    /// The numbers of a signal since then, oldest first.
    fn since<'a>(&'a self, signal: &'a Signal, since: Millis) -> Fut<'a, Result<Numbers, String>>;
}

/// Numbers at their instants.
pub type Numbers = Vec<(Millis, f64)>;

/// A world in which nothing was seen before.
#[derive(Debug)]
pub struct NoHistory;

impl History for NoHistory {
    fn since<'a>(&'a self, _: &'a Signal, _: Millis) -> Fut<'a, Result<Numbers, String>> {
        Box::pin(async { Ok(Numbers::new()) })
    }
}

/// Where messages to the human go.
pub trait Outbox: Send + Sync + fmt::Debug {
    /// Enqueues a message about the open incident of `about`. Its text is composed by the outbox's
    /// owner from that incident: no text comes from a call. Answers what was enqueued.
    fn tell<'a>(&'a self, about: &'a Target, urgency: Urgency) -> Fut<'a, Result<String, String>>;
}
