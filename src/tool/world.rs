//! What tools are given: the machines, the files, and what the config names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::clients::files::Files;
use crate::clients::host::Hosts;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{GetRequest, Http};
use crate::clients::signal::Processes;
use crate::clients::tls::{Leaf, Tls};
use crate::clock::Clock;
use crate::model::ids::{HostName, ToolName};
use crate::model::message::Urgency;
use crate::model::target::{AbsPath, Target};
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
    pub web: Arc<dyn Web>,
    pub outbox: Arc<dyn Outbox>,
    pub deeds: Arc<dyn Deeds>,
    /// Clusters by their names in the config.
    #[cfg(feature = "kube")]
    pub clusters: Clusters,
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
    /// Units that may be restarted for using too much; a failed unit needs no entry.
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
    /// Where certbot keeps its renewal files, commonly `/etc/letsencrypt/renewal`.
    pub certbot: Option<AbsPath>,
    /// The unit behind an endpoint, by the endpoint's name: how `tls.inspect` knows that Caddy or
    /// Traefik renews.
    pub served_by: BTreeMap<String, Target>,
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
}

/// What a GET brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub took: Span,
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

    fn certificate<'a>(&'a self, peer: &'a Peer) -> Fut<'a, Result<Leaf, String>> {
        Box::pin(async move {
            let seen = self.tls.look(&peer.host, peer.port, &peer.name, PATIENCE).await;
            seen.map(|seen| seen.leaf).map_err(|e| format!("{}:{}: {e}", peer.host, peer.port))
        })
    }
}

/// Where messages to the human go.
pub trait Outbox: Send + Sync + fmt::Debug {
    /// Enqueues a message about the open incident of `about`. Its text is composed by the outbox's
    /// owner from that incident: no text comes from a call. Answers what was enqueued.
    fn tell<'a>(&'a self, about: &'a Target, urgency: Urgency) -> Fut<'a, Result<String, String>>;
}
