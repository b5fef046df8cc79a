//! The engine's HTTP API over its unix socket, in a version that both sides speak. What is no GET takes a
//! permit.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use reqwest::{Client, Method, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::clients::http;
use crate::clients::http::error::HttpError;
use crate::gate::permit::Permit;
use crate::model::fact::NoFact;
use crate::model::taint::Tainted;
use crate::model::time::Span;

/// More than the list of a thousand containers.
const LONGEST: usize = 16 << 20;
/// For one answer; the engine answers a list within milliseconds unless it is stuck.
const WITHIN: Span = Span::secs(10);
/// The newest version whose answers this client was tried with; an older engine speaks its own.
const NEWEST: Version = Version(1, 47);

/// A version of the API: `1.41`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Why the engine gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// There is no such socket.
    NoSocket(PathBuf),
    /// The socket is not for this user.
    Forbidden(PathBuf),
    /// Nobody listens on the socket.
    Refused(PathBuf),
    TimedOut(Span),
    /// The engine said no: its status and its words.
    Status(u16, String),
    Broken(String),
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSocket(path) => write!(f, "there is no container engine at {}", path.display()),
            Self::Forbidden(path) => write!(
                f,
                "{} is not open to the user that runs reef: let it in with an ACL (setfacl), or write \
                 off = [\"docker\", \"compose\", \"swarm\"] below [probe]",
                path.display()
            ),
            Self::Refused(path) => {
                write!(f, "the container engine does not run: nobody listens on {}", path.display())
            }
            Self::TimedOut(after) => {
                write!(f, "the container engine did not answer within {after}")
            }
            Self::Status(status, words) => write!(f, "the container engine said {status}: {words}"),
            Self::Broken(why) => {
                write!(f, "the container engine's answer is not understood: {why}")
            }
        }
    }
}

impl From<ApiError> for NoFact {
    fn from(error: ApiError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A request that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Post,
    Delete,
}

/// The engine behind one socket. Nothing is connected before it is first asked; the connection is kept.
pub struct Api {
    socket: PathBuf,
    client: OnceLock<Client>,
    /// What both sides speak, once the engine has said what it speaks.
    version: Mutex<Option<Version>>,
    calls: AtomicU64,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container engine at {}", self.socket.display())
    }
}

/// What the engine says where it refuses.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    message: String,
}

impl Api {
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            client: OnceLock::new(),
            version: Mutex::new(None),
            calls: AtomicU64::new(0),
        }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Requests sent so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The answer to `GET path`, which begins with a slash and has no version.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let body = self.text(path).await?;
        serde_json::from_slice(&body).map_err(|e| broken(&e.to_string()))
    }

    /// The bytes of the answer to `GET path`.
    pub async fn text(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        let asking = async {
            match self.once(path).await {
                // The engine was replaced by one of another age: it says which versions it speaks.
                Err(ApiError::Status(400, words)) if words.contains("client version") => {
                    self.forget();
                    self.once(path).await
                }
                other => other,
            }
        };
        let answered = tokio::time::timeout(WITHIN.duration(), asking).await;
        let answered = answered.unwrap_or(Err(ApiError::TimedOut(WITHIN)));
        if answered.as_ref().is_err_and(|error| !matches!(error, ApiError::Status(..))) {
            self.forget();
        }
        answered
    }

    /// Sends a request that changes something, once. 304 (it is so already) counts as done. What comes after
    /// the request was handed over, a time limit or a broken connection, leaves open whether it happened.
    pub async fn send(
        &self,
        _permit: &Permit,
        how: Sent,
        path: &str,
        within: Span,
    ) -> Result<Vec<u8>, ApiError> {
        // Who cannot be asked which version it speaks was sent nothing.
        let version = tokio::time::timeout(WITHIN.duration(), self.negotiated()).await;
        let version = match version {
            Ok(Ok(version)) => version,
            Ok(Err(ApiError::Broken(_) | ApiError::TimedOut(_))) | Err(_) => {
                return Err(ApiError::Refused(self.socket.clone()));
            }
            Ok(Err(error)) => return Err(error),
        };
        let method = match how {
            Sent::Post => Method::POST,
            Sent::Delete => Method::DELETE,
        };
        let sending = async {
            let started = Instant::now();
            let response = self.request(method, &versioned(version, path)).await?;
            answered(response, started).await
        };
        let sent = tokio::time::timeout(within.duration(), sending).await;
        match sent.unwrap_or(Err(ApiError::TimedOut(within))) {
            Err(ApiError::Status(304, _)) => Ok(Vec::new()),
            other => other,
        }
    }

    /// An answer that goes on for as long as the engine lives: its events. Only its beginning has a
    /// time limit.
    pub async fn stream(&self, path: &str) -> Result<Response, ApiError> {
        let opening = async {
            let version = self.negotiated().await?;
            let response = self.request(Method::GET, &versioned(version, path)).await?;
            match response.status().as_u16() {
                200 => Ok(response),
                status => Err(ApiError::Status(status, String::new())),
            }
        };
        tokio::time::timeout(WITHIN.duration(), opening)
            .await
            .unwrap_or(Err(ApiError::TimedOut(WITHIN)))
    }

    async fn once(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        let version = self.negotiated().await?;
        let started = Instant::now();
        answered(self.request(Method::GET, &versioned(version, path)).await?, started).await
    }

    /// The version to ask in. The engine is asked once, and again after a connection was lost.
    async fn negotiated(&self) -> Result<Version, ApiError> {
        let known = *self.version.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(version) = known {
            return Ok(version);
        }
        let response = self.request(Method::GET, "/_ping").await?;
        let told = response.headers().get("api-version").and_then(|value| value.to_str().ok());
        let version = told.and_then(Version::parse).unwrap_or(NEWEST).min(NEWEST);
        // Read to its end, so that the connection is kept.
        let read = http::read(response, 1 << 10, Instant::now()).await;
        read.map_err(|e| broken(&e.to_string()))?;
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
        Ok(version)
    }

    fn forget(&self) {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn request(&self, method: Method, path: &str) -> Result<Response, ApiError> {
        // The host of this URL is never looked up: the connection goes to the socket.
        let request = self.client()?.request(method, format!("http://docker{path}"));
        self.calls.fetch_add(1, Ordering::Relaxed);
        request.send().await.map_err(|error| self.sort(&error))
    }

    fn client(&self) -> Result<&Client, ApiError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let tls = crate::clients::tls::trust::client_config(rustls::RootCertStore::empty())
            .map_err(ApiError::Broken)?;
        let built = http::builder()
            .tls_backend_preconfigured(tls)
            .unix_socket(self.socket.clone())
            .build()
            .map_err(|e| ApiError::Broken(e.to_string()))?;
        Ok(self.client.get_or_init(|| built))
    }

    fn sort(&self, error: &reqwest::Error) -> ApiError {
        let mut causes =
            std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        let kind = causes
            .find_map(|cause| cause.downcast_ref::<std::io::Error>())
            .map(std::io::Error::kind);
        match kind {
            Some(std::io::ErrorKind::NotFound) => ApiError::NoSocket(self.socket.clone()),
            Some(std::io::ErrorKind::PermissionDenied) => ApiError::Forbidden(self.socket.clone()),
            Some(std::io::ErrorKind::ConnectionRefused) => ApiError::Refused(self.socket.clone()),
            Some(_) | None => ApiError::Broken(HttpError::of(error).to_string()),
        }
    }
}

async fn answered(response: Response, started: Instant) -> Result<Vec<u8>, ApiError> {
    let answer =
        http::read(response, LONGEST, started).await.map_err(|e| broken(&e.to_string()))?;
    match answer.status {
        200..300 if answer.cut => Err(broken("it is too long")),
        200..300 => Ok(answer.body),
        status => {
            let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
            let words = Tainted::bounded(&said.message, 300).first_line().to_owned();
            Err(ApiError::Status(status, words))
        }
    }
}

fn versioned(version: Version, path: &str) -> String {
    format!("/v{version}{path}")
}

fn broken(why: &str) -> ApiError {
    ApiError::Broken(Tainted::bounded(why, 200).first_line().to_owned())
}

/// A value of a query as it may stand in a URL.
pub(super) fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                quoted.push(char::from(byte));
            }
            byte => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_version_of_both_is_spoken() {
        for (told, want) in [("1.41", "1.41"), ("1.24", "1.24"), ("1.52", "1.47"), ("x", "1.47")] {
            let version = Version::parse(told).unwrap_or(NEWEST).min(NEWEST);
            assert_eq!(versioned(version, "/info"), format!("/v{want}/info"), "{told}");
        }
        assert!(Version(1, 9) < Version(1, 10));
    }

    #[test]
    fn filters_stand_in_a_url() {
        assert_eq!(quoted(r#"{"type":["a b"]}"#), "%7B%22type%22%3A%5B%22a%20b%22%5D%7D");
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_told_from_one_that_does_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let api = Api::new(path.clone());
        assert_eq!(api.text("/info").await, Err(ApiError::NoSocket(path.clone())));
        drop(tokio::net::UnixListener::bind(&path).unwrap());
        assert_eq!(Api::new(path.clone()).text("/info").await, Err(ApiError::Refused(path)));
    }
}
