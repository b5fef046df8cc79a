//! The way of the command line to the running daemon: HTTP over its unix socket.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use reqwest::{Client, Method};
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::clients::http;
use crate::clients::http::error::HttpError;
use crate::model::time::Span;

/// More than any answer of the daemon.
const LONGEST: usize = 64 << 20;

/// Why the daemon did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDaemon {
    /// No daemon listens on this socket.
    Absent(PathBuf),
    /// The socket is there, but not for this user.
    Forbidden(PathBuf),
    TimedOut(Span),
    Broken(String),
}

impl fmt::Display for NoDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(path) => {
                write!(f, "no reef is running at {}: start it with `reef run`", path.display())
            }
            Self::Forbidden(path) => write!(
                f,
                "{} is not open to this user: run this as the user that runs reef",
                path.display()
            ),
            Self::TimedOut(after) => write!(f, "reef did not answer within {after}"),
            Self::Broken(why) => write!(f, "the connection to reef broke: {why}"),
        }
    }
}

impl std::error::Error for NoDaemon {}

/// Asks the daemon on one unix socket.
pub struct SocketClient {
    path: PathBuf,
    timeout: Span,
    client: OnceLock<Client>,
}

impl fmt::Debug for SocketClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client of {}", self.path.display())
    }
}

impl SocketClient {
    pub fn new(path: &Path, timeout: Span) -> Self {
        Self { path: path.to_owned(), timeout, client: OnceLock::new() }
    }

    /// The status and the JSON of `GET path`; `path` starts with a slash.
    pub async fn get(&self, path: &str) -> Result<(u16, Json), NoDaemon> {
        self.send(Method::GET, path, None).await
    }

    /// The status and the JSON of `POST path`. The daemon's gate judges what it asks for.
    pub async fn post(&self, path: &str, body: &Json) -> Result<(u16, Json), NoDaemon> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<(u16, Json), NoDaemon> {
        let started = Instant::now();
        // The host of this URL is never looked up: the connection goes to the socket.
        let request = self.client()?.request(method, format!("http://reef{path}"));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let asking = async {
            let response = request.send().await.map_err(|e| self.sort(&HttpError::of(&e), &e))?;
            http::read(response, LONGEST, started)
                .await
                .map_err(|e| NoDaemon::Broken(e.to_string()))
        };
        let answer = tokio::time::timeout(self.timeout.duration(), asking)
            .await
            .unwrap_or(Err(NoDaemon::TimedOut(self.timeout)))?;
        let json = match answer.body.is_empty() {
            true => Json::Null,
            false => serde_json::from_slice(&answer.body)
                .map_err(|e| NoDaemon::Broken(format!("its answer is no JSON: {e}")))?,
        };
        Ok((answer.status, json))
    }

    fn client(&self) -> Result<&Client, NoDaemon> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let tls = crate::clients::tls::trust::client_config(rustls::RootCertStore::empty())
            .map_err(NoDaemon::Broken)?;
        let built = http::builder()
            .tls_backend_preconfigured(tls)
            .unix_socket(self.path.clone())
            .build()
            .map_err(|e| NoDaemon::Broken(e.to_string()))?;
        Ok(self.client.get_or_init(|| built))
    }

    fn sort(&self, sorted: &HttpError, raw: &reqwest::Error) -> NoDaemon {
        let denied = std::iter::successors(std::error::Error::source(raw), |e| e.source())
            .filter_map(|e| e.downcast_ref::<std::io::Error>())
            .any(|io| io.kind() == std::io::ErrorKind::PermissionDenied);
        match sorted {
            _ if denied => NoDaemon::Forbidden(self.path.clone()),
            HttpError::Refused | HttpError::Unreachable(_) => NoDaemon::Absent(self.path.clone()),
            HttpError::TimedOut(after) => NoDaemon::TimedOut(*after),
            HttpError::NoName(_)
            | HttpError::Tls(_)
            | HttpError::Broken(_)
            | HttpError::Setup(_) => NoDaemon::Broken(sorted.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn it_asks_over_the_socket_and_explains_an_absent_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reef.sock");
        let client = SocketClient::new(&path, Span::secs(5));
        assert_eq!(client.get("/status").await, Err(NoDaemon::Absent(path.clone())));

        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let app = axum::Router::new()
            .route("/status", get(|| async { axum::Json(json!({"green": 12})) }))
            .route("/echo", post(|axum::Json(body): axum::Json<Json>| async { axum::Json(body) }));
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await });
        assert_eq!(client.get("/status").await, Ok((200, json!({"green": 12}))));
        assert_eq!(client.post("/echo", &json!([1])).await, Ok((200, json!([1]))));
        assert_eq!(client.get("/nowhere").await.map(|(status, _)| status), Ok(404));

        drop(tasks);
        tokio::task::yield_now().await;
        let gone = SocketClient::new(&path, Span::secs(5)).get("/status").await;
        assert_eq!(gone, Err(NoDaemon::Absent(path)));
    }
}
