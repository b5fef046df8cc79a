//! A small API server on loopback that answers as a real one does, for tests.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::*;
use crate::clients::http::loopback::serve;

/// What the server does with a LIST.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    List(Vec<Json>),
    /// A Status object with this code, reason and message.
    Refuse(u16, &'static str, &'static str),
    /// Its store is frozen: it takes the request and never answers.
    Hang,
    Garbage,
}

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) does: Arc<Mutex<Does>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

/// A Node object: name, status of its Ready condition, cordoned or not.
pub(crate) fn node(name: &str, ready: Option<&str>, cordoned: Option<bool>) -> Json {
    let mut conditions = vec![json!({
        "type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory",
        "lastHeartbeatTime": "2026-11-01T00:00:00Z", "lastTransitionTime": "2026-11-01T00:00:00Z",
    })];
    if let Some(status) = ready {
        let (reason, message) = match status {
            "True" => ("KubeletReady", "kubelet is posting ready status"),
            "False" => ("KubeletNotReady", "container runtime is down"),
            _ => ("NodeStatusUnknown", "Kubelet stopped posting node status."),
        };
        conditions.push(json!({
            "type": "Ready", "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": "2026-11-01T00:00:00Z", "lastTransitionTime": "2026-11-01T00:00:00Z",
        }));
    }
    let mut spec = json!({ "podCIDR": "10.42.0.0/24", "providerID": format!("k3s://{name}") });
    if let Some(cordoned) = cordoned {
        spec["unschedulable"] = cordoned.into();
    }
    json!({
        "metadata": { "name": name, "uid": "0-0", "resourceVersion": "1", "creationTimestamp": "2026-10-01T00:00:00Z" },
        "spec": spec,
        "status": { "conditions": conditions, "addresses": [{ "type": "Hostname", "address": name }] },
    })
}

async fn answer(State(fake): State<Fake>, request: Request) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let token = request.headers().get("authorization").and_then(|v| v.to_str().ok());
    let known = token == Some("Bearer right");
    fake.asked.lock().unwrap().push(path.clone());
    if path == "/readyz" {
        return "ok".into_response();
    }
    let status = |code: u16, reason: &str, message: &str| {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        (StatusCode::from_u16(code).unwrap(), axum::Json(body)).into_response()
    };
    if !known {
        return status(401, "Unauthorized", "Unauthorized");
    }
    if !path.starts_with("/api/v1/nodes?") {
        return status(404, "NotFound", "the server could not find the requested resource");
    }
    let does = fake.does.lock().unwrap().clone();
    match does {
        Does::List(items) => axum::Json(json!({
            "kind": "NodeList", "apiVersion": "v1", "metadata": { "resourceVersion": "42" }, "items": items,
        }))
        .into_response(),
        Does::Refuse(code, reason, message) => status(code, reason, message),
        Does::Hang => std::future::pending().await,
        Does::Garbage => (StatusCode::OK, "<html>").into_response(),
    }
}

/// Starts a server and writes a kubeconfig for it into `dir`.
pub(crate) async fn start(does: Does, dir: &Path, token: &str) -> (Fake, Settings, JoinSet<()>) {
    let fake = Fake { does: Arc::new(Mutex::new(does)), asked: Arc::default() };
    let (base, tasks) = serve(Router::new().fallback(answer).with_state(fake.clone())).await;
    let file = dir.join("kubeconfig.yaml");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "home",
        "clusters": [{ "name": "c", "cluster": { "server": base } }],
        "users": [{ "name": "u", "user": { "token": token } }],
        "contexts": [{ "name": "home", "context": { "cluster": "c", "user": "u" } }],
    });
    // JSON is YAML too.
    std::fs::write(&file, config.to_string()).unwrap();
    let kubeconfig = AbsPath::new(file.to_str().unwrap()).unwrap();
    (fake, Settings { kubeconfig, context: None, timeout: Span::secs(5) }, tasks)
}
