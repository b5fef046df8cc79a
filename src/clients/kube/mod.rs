//! The members of a Kubernetes cluster, read from its API server. Reads only.

#[cfg(test)]
pub(crate) mod fake;

use std::fmt;

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::sync::OnceCell;

use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// No home has more members; a list that goes on is read no further.
const MOST: u32 = 500;

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub kubeconfig: AbsPath,
    /// Another context than the file's current one.
    pub context: Option<String>,
    /// Of one read with its retries.
    pub timeout: Span,
}

/// What the cluster says about one member (a Node object).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub ready: Ready,
    /// The condition's reason and message, as the cluster tells them.
    pub why: Tainted,
    /// Cordoned: no new work is put there.
    pub schedulable: Schedulable,
}

/// The member's `Ready` condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    Yes,
    No,
    /// The cluster has not heard from it, or it says nothing of being ready.
    Unheard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedulable {
    Yes,
    No,
}

/// Why there is no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCluster {
    /// The kubeconfig is missing, wrong or names no such context.
    Setup(String),
    Unreachable(String),
    TimedOut(Span),
    /// 401 or 403; the words name verb, resource and account. Never retried.
    Denied(String),
    /// Another error of the API server.
    Failed(String),
}

impl NoCluster {
    /// One word that a runbook can match.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Setup(_) => "setup",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut(_) => "timeout",
            Self::Denied(_) => "denied",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for NoCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(why) => write!(f, "cannot ask the cluster: {why}"),
            Self::Unreachable(why) => write!(f, "the API server cannot be reached: {why}"),
            Self::TimedOut(after) => write!(f, "the API server did not answer within {after}"),
            Self::Denied(why) => write!(f, "the API server refuses: {why}"),
            Self::Failed(why) => write!(f, "the API server failed: {why}"),
        }
    }
}

impl std::error::Error for NoCluster {}

/// One cluster. Its client is built at the first read and kept.
pub struct Cluster {
    settings: Settings,
    client: OnceCell<Client>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster of {}", self.settings.kubeconfig)
    }
}

impl Cluster {
    pub fn new(settings: Settings) -> Self {
        Self { settings, client: OnceCell::new() }
    }

    /// A real LIST, because `/readyz` says ok while the store behind it hangs.
    pub async fn members(&self) -> Result<Vec<Member>, NoCluster> {
        let timeout = self.settings.timeout;
        tokio::time::timeout(timeout.duration(), self.list())
            .await
            .unwrap_or(Err(NoCluster::TimedOut(timeout)))
    }

    async fn list(&self) -> Result<Vec<Member>, NoCluster> {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        let nodes: Api<Node> = Api::all(client.clone());
        let found = nodes.list(&ListParams::default().limit(MOST)).await.map_err(|e| sort(&e))?;
        Ok(found.items.iter().filter_map(member).collect())
    }

    async fn connect(&self) -> Result<Client, NoCluster> {
        let setup = |why: String| NoCluster::Setup(Tainted::bounded(&why, 300).as_str().to_owned());
        let file = &self.settings.kubeconfig;
        let read = Kubeconfig::read_from(file.as_path())
            .map_err(|e| setup(format!("{file}: {}", chain(&e))))?;
        let options =
            KubeConfigOptions { context: self.settings.context.clone(), ..Default::default() };
        let mut config = Config::from_custom_kubeconfig(read, &options)
            .await
            .map_err(|e| setup(format!("{file}: {}", chain(&e))))?;
        // Without these a connection that went silent would be kept, and asked again and again.
        config.connect_timeout = Some(self.settings.timeout.duration());
        config.read_timeout = Some(self.settings.timeout.duration());
        config.reset_reader_on_write = true;
        Client::try_from(config).map_err(|e| setup(chain(&e)))
    }
}

fn member(node: &Node) -> Option<Member> {
    let name = node.metadata.name.clone()?;
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let condition = conditions.into_iter().flatten().find(|c| c.type_ == "Ready");
    let ready = match condition.map(|c| c.status.as_str()) {
        Some("True") => Ready::Yes,
        Some("False") => Ready::No,
        Some(_) | None => Ready::Unheard,
    };
    let why = condition.map_or_else(String::new, |c| {
        let said = [c.reason.as_deref(), c.message.as_deref()];
        said.into_iter().flatten().collect::<Vec<_>>().join(": ")
    });
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
    let schedulable = if cordoned { Schedulable::No } else { Schedulable::Yes };
    Some(Member { name, ready, why: Tainted::bounded(&why, 200), schedulable })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate's errors change with its features; what has no class is told in its words"
)]
fn sort(error: &kube::Error) -> NoCluster {
    let words = |text: &str| Tainted::bounded(text, 300).as_str().to_owned();
    match error {
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
            NoCluster::Denied(words(&format!("{}: {}", status.code, status.message)))
        }
        kube::Error::Api(status) => {
            NoCluster::Failed(words(&format!("{}: {}", status.code, status.message)))
        }
        kube::Error::Auth(_) => NoCluster::Setup(words(&chain(error))),
        kube::Error::HyperError(_) | kube::Error::Service(_) => {
            NoCluster::Unreachable(words(&chain(error)))
        }
        other => NoCluster::Failed(words(&chain(other))),
    }
}

/// The innermost cause, which says what happened.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests;
