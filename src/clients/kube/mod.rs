//! A Kubernetes cluster through its API server: typed lists and reads, the kubelets' usage of volumes, watches
//! that only ring, and the few changes that reef knows.

pub mod change;
pub mod changes;
pub mod declared;
pub mod grant;
pub mod list;
pub mod manifest;
pub mod objects;
pub mod one;
pub mod pod;
pub mod tls_secret;
pub mod usage;
pub mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

// The library's own bodies are this crate's under another name; it offers no bounded way to read one.
use axum::body::{Body as Bounded, to_bytes};
use axum::http::{Request, Response};
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;

use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// The most that one answer may have: a thousand pods are some 10 MiB.
const LARGEST: usize = 32 << 20;
/// A watch on which nothing came for so long is dead: the server sends a bookmark about every minute.
const WATCH_SILENCE: Span = Span::mins(3);

/// How a cluster is reached, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A kubeconfig, and another context than its current one.
    File { kubeconfig: AbsPath, context: Option<String> },
    /// From a pod of the cluster, with the service account that is mounted at `account`.
    InCluster { server: String, account: PathBuf },
}

impl Way {
    /// As every pod finds its API server.
    pub fn in_cluster() -> Self {
        Self::InCluster {
            server: "https://kubernetes.default.svc".to_owned(),
            account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { kubeconfig, .. } => write!(f, "{kubeconfig}"),
            Self::InCluster { account, .. } => write!(f, "{}", account.display()),
        }
    }
}

/// What a cluster's client goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    pub way: Way,
    /// Of one request.
    pub timeout: Span,
    /// What takes secrets out of what the cluster says.
    pub redactor: Arc<Redactor>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCluster {
    /// The kubeconfig is missing, wrong or names no such context.
    Setup(String),
    Unreachable(String),
    TimedOut(Span),
    /// 401: the token is wrong, or was revoked. Never retried.
    Unknown(String),
    /// 403: the words name verb, resource and account. Never retried.
    Denied(String),
    /// 404: there is no such object, or no such kind of objects.
    Missing(String),
    /// 410: what was asked for is no longer kept; begin anew.
    Gone,
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
            Self::Unknown(_) => "unauthorized",
            Self::Denied(_) => "denied",
            Self::Missing(_) => "missing",
            Self::Gone | Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for NoCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(why) => write!(f, "cannot ask the cluster: {why}"),
            Self::Unreachable(why) => write!(f, "the API server cannot be reached: {why}"),
            Self::TimedOut(after) => write!(f, "the API server did not answer within {after}"),
            Self::Unknown(why) => write!(f, "the API server does not know the account: {why}"),
            Self::Denied(why) => write!(f, "the API server refuses: {why}"),
            Self::Missing(why) => write!(f, "the API server has no such thing: {why}"),
            Self::Gone => f.write_str("the API server no longer keeps what was asked for"),
            Self::Failed(why) => write!(f, "the API server failed: {why}"),
        }
    }
}

impl std::error::Error for NoCluster {}

/// One for questions, which are short, and one for watches, which are long.
#[derive(Clone)]
struct Clients {
    asks: Client,
    watches: Client,
}

/// One cluster. Its clients are built at the first read and kept; a clone shares them.
#[derive(Clone)]
pub struct Cluster {
    settings: Arc<Settings>,
    clients: Arc<Mutex<Option<Clients>>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster of {}", self.settings.way)
    }
}

impl Cluster {
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), clients: Arc::default() }
    }

    /// The body of a GET. `path` has been built of constants and checked names.
    async fn get(&self, path: &str) -> Result<Vec<u8>, NoCluster> {
        self.fetch(path).await.map_err(NoBody::sorted)
    }

    /// As [`Cluster::get`], where the code of a refusal matters.
    async fn fetch(&self, path: &str) -> Result<Vec<u8>, NoBody> {
        let within = self.settings.timeout;
        let read = async {
            let client = self.clients().await.map_err(NoBody::None)?.asks;
            let response = self.open(&client, path).await?;
            let body = to_bytes(Bounded::new(response.into_body()), LARGEST).await;
            let broken = |e| NoBody::None(NoCluster::Failed(self.words(&chain(&e))));
            body.map(Into::into).map_err(broken)
        };
        let read = tokio::time::timeout(within.duration(), read);
        read.await.unwrap_or(Err(NoBody::None(NoCluster::TimedOut(within))))
    }

    /// Sends a GET; what is no 2xx is sorted by its Status object.
    async fn send(&self, client: &Client, path: &str) -> Result<Response<Body>, NoCluster> {
        self.open(client, path).await.map_err(NoBody::sorted)
    }

    async fn open(&self, client: &Client, path: &str) -> Result<Response<Body>, NoBody> {
        // A log is plain text, and everything else is asked for in JSON.
        let request = Request::get(path)
            .header("accept", "application/json, */*")
            .body(Body::empty())
            .map_err(|e| NoBody::None(NoCluster::Failed(self.words(&e.to_string()))))?;
        let response = client.send(request).await.map_err(|e| NoBody::None(self.sort(&e)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(NoBody::Refused(self.refusal(response).await))
    }

    /// What an answer that is no 2xx says.
    async fn refusal(&self, response: Response<Body>) -> Refusal {
        let code = response.status().as_u16();
        let body = to_bytes(Bounded::new(response.into_body()), 64 << 10).await;
        let body = body.unwrap_or_default();
        // A proxy before the API server answers with text of its own.
        let said: Status = serde_json::from_slice(&body).unwrap_or_default();
        let message = match said.message.is_empty() {
            true => String::from_utf8_lossy(&body).into_owned(),
            false => said.message,
        };
        if code == 401 {
            // The kubeconfig may have been renewed: the next look reads it anew.
            *self.clients.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Refusal { code, words: self.words(&format!("{code}: {message}")), names: said.details.name }
    }

    async fn clients(&self) -> Result<Clients, NoCluster> {
        let known = self.clients.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let made = self.connect().await?;
        *self.clients.lock().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
        Ok(made)
    }

    async fn connect(&self) -> Result<Clients, NoCluster> {
        let way = &self.settings.way;
        let setup = |why: String| NoCluster::Setup(self.words(&format!("{way}: {why}")));
        let mut config = match way {
            Way::File { kubeconfig, context } => {
                let read = Kubeconfig::read_from(kubeconfig.as_path());
                let read = read.map_err(|e| setup(chain(&e)))?;
                let options =
                    KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
                Config::from_custom_kubeconfig(read, &options)
                    .await
                    .map_err(|e| setup(chain(&e)))?
            }
            Way::InCluster { server, account } => {
                let mut config =
                    Config::new(server.parse().map_err(|e| setup(format!("{server}: {e}")))?);
                let (token, ca) = (account.join("token"), account.join("ca.crt"));
                if !token.is_file() {
                    return Err(setup(
                        "has no file of that name; is this a pod with its account?".into(),
                    ));
                }
                // Both are read anew as the cluster renews them.
                config.auth_info = AuthInfo {
                    token_file: Some(token.display().to_string()),
                    ..AuthInfo::default()
                };
                config.root_cert_file = ca.is_file().then_some(ca);
                config
            }
        };
        config.connect_timeout = Some(self.settings.timeout.duration());
        // The next look is the retry: calls stay countable, and a refusal is never repeated.
        config.default_retry = false;
        let mut long = config.clone();
        long.read_timeout = Some(WATCH_SILENCE.duration());
        // Without these a connection that went silent would be kept, and asked again and again.
        config.read_timeout = Some(self.settings.timeout.duration());
        config.reset_reader_on_write = true;
        let client = |config| Client::try_from(config).map_err(|e| setup(chain(&e)));
        Ok(Clients { asks: client(config)?, watches: client(long)? })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the crate's errors change with its features; what has no class is told in its words"
    )]
    fn sort(&self, error: &kube::Error) -> NoCluster {
        let words = self.words(&chain(error));
        match error {
            kube::Error::Auth(_) => NoCluster::Setup(words),
            kube::Error::HyperError(_) | kube::Error::Service(_) => NoCluster::Unreachable(words),
            _ => NoCluster::Failed(words),
        }
    }

    fn words(&self, text: &str) -> String {
        let plain = Tainted::bounded(text, 300);
        self.settings.redactor.redact(plain.as_str()).into_owned()
    }
}

/// What the API server says where it does not give what was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    code: u16,
    #[serde(deserialize_with = "objects::nullable")]
    details: StatusDetails,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusDetails {
    name: String,
}

/// An answer that is no 2xx.
#[derive(Debug, Clone)]
struct Refusal {
    code: u16,
    words: String,
    /// The object that it speaks of; empty where the whole way is unknown to the server.
    names: String,
}

/// Why there is no body.
#[derive(Debug)]
enum NoBody {
    None(NoCluster),
    Refused(Refusal),
}

impl NoBody {
    fn sorted(self) -> NoCluster {
        match self {
            Self::None(why) => why,
            Self::Refused(refusal) => match refusal.code {
                401 => NoCluster::Unknown(refusal.words),
                403 => NoCluster::Denied(refusal.words),
                404 => NoCluster::Missing(refusal.words),
                410 => NoCluster::Gone,
                _ => NoCluster::Failed(refusal.words),
            },
        }
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
pub(crate) mod fake;
#[cfg(test)]
mod tests;
