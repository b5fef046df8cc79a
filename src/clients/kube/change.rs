//! Changes: rehearsed by the API server itself (`dryRun=All`), or made once under a permit.

use std::fmt;

use axum::body::{Body as Bounded, to_bytes};
use axum::http::{Method, Request};
use kube::client::Body;

use super::grant::Right;
use super::{Cluster, NoBody, NoCluster, Refusal, chain};
use crate::gate::permit::Permit;
use crate::model::tool::ActionResult;

/// Who the API server writes down as the author of a field.
pub(super) const MANAGER: &str = "reef";
/// The answer to a change is an object, or what was wrong with it.
const ANSWER: usize = 4 << 20;

/// One request that changes something, made by the functions of [`super::changes`] alone: method, path and
/// body are of constants, checked names and declared files.
#[derive(Clone)]
pub struct Change {
    pub(super) method: Method,
    pub(super) path: String,
    /// Of the body.
    pub(super) content: &'static str,
    pub(super) body: Vec<u8>,
    /// Whether the answer may be read: that of a secret holds the secret.
    pub(super) answer: Answer,
    pub(super) right: Right,
}

/// What is asked for in return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Whole,
    /// Name and version alone: what else is in the object stays where it is.
    Metadata,
}

impl Answer {
    fn accept(self) -> &'static str {
        match self {
            Self::Whole => "application/json",
            Self::Metadata => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        }
    }
}

impl fmt::Debug for Change {
    /// Not the body: it may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Change {
    /// What an account must be allowed for it.
    pub fn right(&self) -> &Right {
        &self.right
    }
}

/// Whether a change is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dry {
    Yes,
    No,
}

/// Why a change was not made, or why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotChanged {
    /// Nothing was sent.
    NotSent(String),
    /// 401.
    Unknown(String),
    /// 403: names verb, resource and account, and the narrow grant that would do.
    Denied(String),
    /// 404: it is gone.
    Missing(String),
    /// 404 or 405 for the way itself: this API server has no such thing to offer.
    NotOffered(String),
    /// 409: it was changed meanwhile.
    Conflict(String),
    /// 429: a disruption budget, or the server has enough to do. That means stop, not again.
    Held(String),
    /// Any other 4xx: the API server takes no such change.
    Invalid(String),
    /// A 5xx, a lost connection or no answer in time: it was sent, and nobody knows.
    Lost(String),
}

impl NotChanged {
    /// As an action's end: only what was never taken is provably not done.
    pub fn result(self) -> ActionResult {
        if let Self::Lost(why) = self {
            return ActionResult::Unknown(why);
        }
        ActionResult::NotStarted(self.to_string())
    }
}

impl fmt::Display for NotChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) | Self::Lost(why) => f.write_str(why),
            Self::Unknown(why) => write!(f, "the API server does not know the account: {why}"),
            Self::Denied(why) => write!(f, "the API server refuses: {why}"),
            Self::Missing(why) => write!(f, "it is gone: {why}"),
            Self::NotOffered(why) => write!(f, "this API server does not offer that: {why}"),
            Self::Conflict(why) => {
                write!(f, "it was changed meanwhile, so nothing was done: {why}")
            }
            Self::Held(why) => write!(f, "the cluster says stop: {why}"),
            Self::Invalid(why) => write!(f, "the API server takes no such change: {why}"),
        }
    }
}

impl std::error::Error for NotChanged {}

impl Cluster {
    /// What the API server would say to a change: admission, rights, budgets and conflicts, and nothing is
    /// changed.
    pub async fn rehearse(&self, change: &Change) -> Result<(), NotChanged> {
        self.write(change, Dry::Yes).await
    }

    /// Makes a change, once: nothing here tries again.
    pub async fn change(&self, permit: &Permit, change: &Change) -> Result<(), NotChanged> {
        let made = self.write(change, Dry::No).await;
        match &made {
            Err(NotChanged::NotSent(_)) => permit.unreached(),
            Err(NotChanged::Unknown(_) | NotChanged::Denied(_)) => permit.denied(),
            Ok(())
            | Err(
                NotChanged::Missing(_)
                | NotChanged::NotOffered(_)
                | NotChanged::Conflict(_)
                | NotChanged::Held(_)
                | NotChanged::Invalid(_)
                | NotChanged::Lost(_),
            ) => permit.reached(),
        }
        made
    }

    async fn write(&self, change: &Change, dry: Dry) -> Result<(), NotChanged> {
        let not_sent = |why: NoCluster| NotChanged::NotSent(why.to_string());
        let client = self.clients().await.map_err(not_sent)?.asks;
        let path = match (dry, change.path.contains('?')) {
            (Dry::No, _) => change.path.clone(),
            (Dry::Yes, true) => format!("{}&dryRun=All", change.path),
            (Dry::Yes, false) => format!("{}?dryRun=All", change.path),
        };
        let request = Request::builder()
            .method(change.method.clone())
            .uri(path)
            .header("accept", change.answer.accept())
            .header("content-type", change.content)
            .body(Body::from(change.body.clone()))
            .map_err(|e| NotChanged::NotSent(self.words(&e.to_string())))?;
        let sent = async {
            let response = client.send(request).await.map_err(|e| self.broken(&e))?;
            if !response.status().is_success() {
                let refusal = self.refusal(response).await;
                return Err(refused(refusal, &change.right));
            }
            // Read to its end, so that the connection can be used again; what it says is not needed.
            let read = to_bytes(Bounded::new(response.into_body()), ANSWER).await;
            drop(read);
            Ok(())
        };
        let within = self.settings.timeout;
        tokio::time::timeout(within.duration(), sent).await.unwrap_or_else(|_| {
            Err(NotChanged::Lost(format!(
                "the API server did not answer within {within}: nobody knows whether it was done"
            )))
        })
    }

    /// Whether a request that ended in an error can have reached the server.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the crate's errors change with its features; what is not known to be unsent may have been sent"
    )]
    fn broken(&self, error: &kube::Error) -> NotChanged {
        let words = self.words(&chain(error));
        match error {
            kube::Error::Auth(_) => NotChanged::NotSent(NoCluster::Setup(words).to_string()),
            _ if is_refused(error) => {
                NotChanged::NotSent(NoCluster::Unreachable(words).to_string())
            }
            _ => NotChanged::Lost(format!(
                "the connection to the API server broke: {words}: nobody knows whether it was done"
            )),
        }
    }
}

/// Whether there was no connection at all.
fn is_refused(error: &kube::Error) -> bool {
    let mut last: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = last {
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        last = cause.source();
    }
    false
}

fn refused(refusal: Refusal, right: &Right) -> NotChanged {
    let Refusal { code, words, names } = refusal;
    match code {
        401 => NotChanged::Unknown(words),
        403 => {
            let grant = right.grant(&words);
            NotChanged::Denied(format!("{words}. It needs {right}: {grant}"))
        }
        404 if names.is_empty() => NotChanged::NotOffered(words),
        404 => NotChanged::Missing(words),
        405 => NotChanged::NotOffered(words),
        409 => NotChanged::Conflict(words),
        429 => NotChanged::Held(words),
        400..500 => NotChanged::Invalid(words),
        _ => NotChanged::Lost(format!(
            "the API server failed: {words}: nobody knows whether it was done"
        )),
    }
}

impl From<NoBody> for NotChanged {
    /// A read before a change that failed: nothing was sent.
    fn from(why: NoBody) -> Self {
        Self::NotSent(why.sorted().to_string())
    }
}
