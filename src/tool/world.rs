//! What tools are given: the machines, the files, and what the config names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::clients::banner;
use crate::clients::dns::{Dns, NoAddress, Server};
use crate::clients::docker::engine::Engines;
use crate::clients::files::Files;
use crate::clients::host::Hosts;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{GetRequest, Http};
use crate::clients::ping::{Echoes, ping};
use crate::clients::provider::Providers;
use crate::clients::signal::Processes;
use crate::clients::ssh::keys;
use crate::clients::tls::{Leaf, Tls};
use crate::clock::Clock;
use crate::config::hosts::Ssh;
use crate::model::ids::{HostName, ToolName, Word};
use crate::model::message::Urgency;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::time::{Millis, Span};

/// Everything that tools reach, wired by the composition root. Cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    /// This machine's name: file tools and `process.kill` work here only.
    pub here: HostName,
    pub hosts: Hosts,
    /// This machine's files.
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
    /// The folder that `files.clean` moves things into, a folder of its own for each call.
    pub quarantine: AbsPath,
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
    /// Where plan files are kept; none: nothing can be planned.
    pub plans: Option<AbsPath>,
    /// Buckets, databases and other servers that tools may use, by their endpoints.
    pub servers: crate::clients::declared::All,
    /// Places of compose files that reef may apply, by host: `/opt/stacks/*`.
    pub stacks: BTreeMap<HostName, Vec<String>>,
}

/// A network endpoint that the config names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// What to fetch, where it speaks HTTP.
    pub url: Option<WebUrl>,
    /// Its TLS server, where it has one.
    pub tls: Option<Peer>,
}

/// A TLS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub host: String,
    pub port: u16,
    /// The name that the certificate is asked for.
    pub name: String,
    /// What certbot calls its certificate, where the config says so.
    pub lineage: Option<String>,
}

/// A name server, and the two names that it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    pub server: Server,
    /// A name that it knows by itself.
    pub own: Option<String>,
    /// A name of the world.
    pub upstream: String,
}

/// Where a log's lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// The system journal.
    Journal,
    File(AbsPath),
}

/// Requests to endpoints of the inventory. GET only.
pub trait Web: Send + Sync + fmt::Debug {
    fn get<'a>(&'a self, url: &'a WebUrl) -> Fut<'a, Result<Answer, String>>;
    /// The certificate that a server presents, whether or not it is trusted.
    fn certificate<'a>(&'a self, peer: &'a Peer) -> Fut<'a, Result<Leaf, String>>;
    /// One word for each of a resolver's two names: `ok`, `nxdomain`, `refused`, `timeout` ... `None` where
    /// it has no name of its own that could be asked.
    fn resolve<'a>(&'a self, resolver: &'a Resolver) -> Fut<'a, Resolved>;
    /// Whether a port opens and whether the machine answers a ping.
    fn knock<'a>(&'a self, host: &'a HostName, ssh: &'a Ssh) -> Fut<'a, Knocked>;
}

/// What a GET brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub took: Span,
}

/// What a resolver said to each of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub own: Option<&'static str>,
    pub upstream: &'static str,
}

/// What a machine said to a knock, in one word each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knocked {
    /// `open`, `refused`, `timeout`, `unreachable`, `dns`; `behind` where another host leads to it.
    pub port: &'static str,
    /// `answers`, `silent` or `unknown`, where this machine may not ping.
    pub ping: &'static str,
}

/// The real network.
#[derive(Debug, Clone, Default)]
pub struct Network {
    pub http: Http,
    pub tls: Tls,
}

/// For a look that a runbook waits for.
const PATIENCE: Span = Span::secs(10);

impl Web for Network {
    fn get<'a>(&'a self, url: &'a WebUrl) -> Fut<'a, Result<Answer, String>> {
        Box::pin(async move {
            let request = GetRequest::new(url.clone(), PATIENCE);
            let answer = self.http.get(&request).await.map_err(|e| format!("{url}: {e}"))?;
            Ok(Answer { status: answer.status, took: answer.took })
        })
    }

    fn resolve<'a>(&'a self, resolver: &'a Resolver) -> Fut<'a, Resolved> {
        Box::pin(async move {
            let dns = Dns::new(resolver.server, Span::secs(5));
            let word = |answer: &Result<_, NoAddress>| match answer {
                Ok(_) => "ok",
                Err(why) => why.word(),
            };
            let upstream = dns.addresses(&resolver.upstream);
            let (own, upstream) = match &resolver.own {
                Some(name) => {
                    let (own, upstream) = tokio::join!(dns.addresses(name), upstream);
                    (Some(word(&own)), upstream)
                }
                None => (None, upstream.await),
            };
            Resolved { own, upstream: word(&upstream) }
        })
    }

    fn knock<'a>(&'a self, host: &'a HostName, ssh: &'a Ssh) -> Fut<'a, Knocked> {
        Box::pin(async move {
            let Ok(route) = keys::route(host, ssh).await else {
                return Knocked { port: "setup", ping: "unknown" };
            };
            if route.jump.is_some() {
                // Only the host that is gone through can tell.
                return Knocked { port: "behind", ping: "unknown" };
            }
            let echoes = Echoes { count: 2, wait: Span::secs(1) };
            let (port, ping) = tokio::join!(
                banner::look(&route.hostname, route.port, None, Span::secs(4)),
                ping(&route.hostname, echoes)
            );
            let port = match port {
                Ok(_) => "open",
                Err(why) => why.word(),
            };
            let ping = match ping {
                Ok(echoed) if !echoed.took.is_empty() => "answers",
                Ok(_) => "silent",
                Err(_) => "unknown",
            };
            Knocked { port, ping }
        })
    }

    fn certificate<'a>(&'a self, peer: &'a Peer) -> Fut<'a, Result<Leaf, String>> {
        Box::pin(async move {
            let seen = self.tls.look(&peer.host, peer.port, &peer.name, PATIENCE).await;
            seen.map(|seen| seen.leaf).map_err(|e| format!("{}:{}: {e}", peer.host, peer.port))
        })
    }
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
