//! What the fake API server answers to whom.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt;

use super::estate::{Account, Estate};
use super::{Fake, status};

/// Group, version, resource, kind.
const RESOURCES: [(&str, &str, &str, &str); 17] = [
    ("", "v1", "nodes", "Node"),
    ("", "v1", "namespaces", "Namespace"),
    ("", "v1", "pods", "Pod"),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
    ("", "v1", "events", "Event"),
    ("", "v1", "secrets", "Secret"),
    ("", "v1", "configmaps", "ConfigMap"),
    ("", "v1", "services", "Service"),
    ("apps", "v1", "replicasets", "ReplicaSet"),
    ("apps", "v1", "deployments", "Deployment"),
    ("apps", "v1", "statefulsets", "StatefulSet"),
    ("apps", "v1", "daemonsets", "DaemonSet"),
    ("batch", "v1", "jobs", "Job"),
    ("batch", "v1", "cronjobs", "CronJob"),
    ("networking.k8s.io", "v1", "ingresses", "Ingress"),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    ("metrics.k8s.io", "v1beta1", "pods", "PodMetrics"),
];

/// A path taken apart.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    kind: &'static str,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) sub: Option<String>,
    rest: Vec<String>,
}

fn asked(path: &str) -> Option<Asked> {
    let mut parts = path.trim_start_matches('/').split('/').map(str::to_owned);
    let group = match parts.next()?.as_str() {
        "api" => String::new(),
        "apis" => parts.next()?,
        _ => return None,
    };
    let version = parts.next()?;
    let mut first = parts.next()?;
    let mut namespace = None;
    let mut rest: Vec<String> = parts.collect();
    if first == "namespaces" && 2 <= rest.len() {
        namespace = Some(rest.remove(0));
        first = rest.remove(0);
    }
    let (group, _, resource, kind) =
        RESOURCES.into_iter().find(|(g, v, r, _)| *g == group && *v == version && *r == first)?;
    let mut rest = rest.into_iter();
    let (name, sub) = (rest.next(), rest.next());
    Some(Asked { group, resource, kind, namespace, name, sub, rest: rest.collect() })
}

pub(super) fn refuse(code: u16, reason: &str, message: &str) -> Response {
    let code = StatusCode::from_u16(code).unwrap();
    (code, axum::Json(status(code.as_u16(), reason, message))).into_response()
}

/// A refusal that speaks of one object.
pub(super) fn refuse_one(code: u16, reason: &str, message: &str, name: &str) -> Response {
    let code = StatusCode::from_u16(code).unwrap();
    let mut said = status(code.as_u16(), reason, message);
    said["details"] = json!({ "name": name });
    (code, axum::Json(said)).into_response()
}

fn query(request: &Request) -> Vec<(String, String)> {
    let raw = request.uri().query().unwrap_or_default();
    let plain = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(b) = rest.next() {
            match b {
                b'%' => {
                    let hex: Vec<u8> = rest.by_ref().take(2).collect();
                    let hex = String::from_utf8(hex).unwrap();
                    bytes.push(u8::from_str_radix(&hex, 16).unwrap());
                }
                b => bytes.push(b),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (plain(key), plain(value)))
        .collect()
}

pub(super) async fn answer(State(fake): State<Fake>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().as_str().to_owned();
    let whole = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    fake.lock().asked.push(format!("{method} {whole}"));
    // They know nothing of the store.
    if matches!(path.as_str(), "/readyz" | "/livez" | "/healthz") {
        return "ok".into_response();
    }
    let token = request.headers().get("authorization").and_then(|v| v.to_str().ok());
    let token = token.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let Some(account) = fake.lock().accounts.get(&token).cloned() else {
        return refuse(401, "Unauthorized", "Unauthorized");
    };
    if path == "/version" {
        return axum::Json(json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.1+k3s1" }))
            .into_response();
    }
    if let Some(list) = discovery(&path) {
        return axum::Json(list).into_response();
    }
    if path.ends_with("/selfsubjectaccessreviews") && method == "POST" {
        return review(&account, request).await;
    }
    let Some(asked) = asked(&path) else {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    };
    let query = query(&request);
    let of = |key: &str| query.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    let watching = of("watch").is_some_and(|v| v == "1" || v == "true");
    let verb = match (method.as_str(), &asked.name) {
        ("GET", Some(_)) => "get",
        ("GET", None) if watching => "watch",
        ("GET", None) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", _) => "delete",
        _ => return refuse(405, "MethodNotAllowed", "the server does not allow this method"),
    };
    if let Some(no) = refused(&account, verb, &asked) {
        return no;
    }
    if let Some((code, reason, words)) = fake.lock().broken.get(asked.resource).cloned() {
        return refuse(code, &reason, &words);
    }
    let from_memory = verb == "list" && of("resourceVersion").as_deref() == Some("0");
    // What the server remembers it gives; everything else waits for the store.
    while fake.lock().frozen && !from_memory && asked.sub.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let right = match &asked.sub {
        Some(sub) => format!("{verb} {}/{sub}", asked.resource),
        None => format!("{verb} {}", asked.resource),
    };
    if let Some((code, reason, words)) = fake.lock().refuses.get(&right).cloned() {
        return refuse(code, &reason, &words);
    }
    let dry = of("dryRun").as_deref() == Some("All");
    if matches!(verb, "create" | "delete" | "update" | "patch") {
        let done = super::write::answer(&fake, &asked, verb, request, dry).await;
        if fake.lock().swallows && !dry {
            std::future::pending::<()>().await;
        }
        return done;
    }
    match verb {
        "list" => list(&mut fake.lock(), &asked, &of, from_memory),
        "watch" => watch(fake, asked, of("resourceVersion")),
        "get" => get(&fake.lock(), &asked, &of),
        _ => refuse(405, "MethodNotAllowed", "the server does not allow this method"),
    }
}

fn refused(account: &Account, verb: &str, asked: &Asked) -> Option<Response> {
    let resource = match &asked.sub {
        Some(sub) => format!("{}/{sub}", asked.resource),
        None => asked.resource.to_owned(),
    };
    let name = asked.name.as_deref();
    if account.allows_one(verb, &resource, asked.namespace.as_deref(), name) {
        return None;
    }
    let place = match &asked.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let words = format!(
        "{} is forbidden: User \"{}\" cannot {verb} resource \"{resource}\" in API group \"{}\" {place}",
        asked.resource, account.user, asked.group
    );
    Some(refuse(403, "Forbidden", &words))
}

fn discovery(path: &str) -> Option<Json> {
    let of = path.strip_prefix("/apis/").or_else(|| (path == "/api/v1").then_some("v1"))?;
    let (group, version) = of.split_once('/').unwrap_or(("", of));
    let all: Vec<Json> = RESOURCES
        .iter()
        .filter(|(g, v, ..)| *g == group && *v == version)
        .map(|(_, _, name, kind)| json!({ "name": name, "kind": kind, "verbs": ["get", "list", "watch"] }))
        .collect();
    (!all.is_empty())
        .then(|| json!({ "kind": "APIResourceList", "groupVersion": of, "resources": all }))
}

async fn review(account: &Account, request: Request) -> Response {
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let mut asked: Json = serde_json::from_slice(&body).unwrap_or_default();
    let of = asked["spec"]["resourceAttributes"].clone();
    let word = |key: &str| of[key].as_str().map(str::to_owned);
    let allowed = account.allows(
        &word("verb").unwrap_or_default(),
        &word("resource").unwrap_or_default(),
        word("namespace").as_deref(),
    );
    asked["status"] = json!({ "allowed": allowed });
    (StatusCode::CREATED, axum::Json(asked)).into_response()
}

fn get(estate: &Estate, asked: &Asked, of: &dyn Fn(&str) -> Option<String>) -> Response {
    let name = asked.name.as_deref().unwrap_or_default();
    let namespace = asked.namespace.as_deref().unwrap_or("");
    if asked.group == "metrics.k8s.io" {
        return match estate.memory.get(name) {
            Some(used) => axum::Json(json!({
                "kind": "PodMetrics", "metadata": { "name": name },
                "containers": [{ "name": "app", "usage": { "cpu": "1m", "memory": used } }],
            }))
            .into_response(),
            None => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
        };
    }
    if asked.resource == "pods" && asked.sub.as_deref() == Some("log") {
        return log(estate, (namespace, name), of);
    }
    if asked.sub.as_deref() == Some("scale") {
        return match estate.get(asked.resource, namespace, name) {
            Some(object) => axum::Json(super::write::scale_of(object)).into_response(),
            None => refuse_one(404, "NotFound", "not found", name),
        };
    }
    if asked.resource == "nodes" && asked.sub.as_deref() == Some("proxy") {
        return match (asked.rest.join("/").as_str(), estate.summaries.get(name)) {
            ("stats/summary", Some(summary)) if !estate.dead.contains_key(name) => {
                axum::Json(summary).into_response()
            }
            _ => refuse(
                503,
                "ServiceUnavailable",
                "error trying to reach service: dial tcp: i/o timeout",
            ),
        };
    }
    match estate.get(asked.resource, asked.namespace.as_deref().unwrap_or(""), name) {
        Some(object) => axum::Json(object).into_response(),
        None => {
            let words = format!("{} \"{name}\" not found", asked.resource);
            refuse_one(404, "NotFound", &words, name)
        }
    }
}

fn log(
    estate: &Estate,
    (namespace, name): (&str, &str),
    of: &dyn Fn(&str) -> Option<String>,
) -> Response {
    let Some(pod) = estate.get("pods", namespace, name) else {
        return refuse_one(404, "NotFound", &format!("pods \"{name}\" not found"), name);
    };
    let previous = of("previous").as_deref() == Some("true");
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0);
    if previous && restarts == 0 {
        let words = format!("previous terminated container \"app\" in pod \"{name}\" not found");
        return refuse(400, "BadRequest", &words);
    }
    let key = if previous { format!("{name} previous") } else { name.to_owned() };
    estate.logs.get(&key).cloned().unwrap_or_default().into_response()
}

fn list(
    estate: &mut Estate,
    asked: &Asked,
    of: &dyn Fn(&str) -> Option<String>,
    from_memory: bool,
) -> Response {
    let Ok(limit) = of("limit").map_or(Ok(0), |n| n.parse::<usize>()) else {
        return refuse(400, "BadRequest", "strconv.ParseInt: parsing \"limit\": invalid syntax");
    };
    let mut items = estate.of(asked.resource);
    if let Some(namespace) = &asked.namespace {
        items.retain(|one| one["metadata"]["namespace"] == namespace.as_str());
    }
    if let Some(selector) = of("fieldSelector") {
        let (key, value) = selector.split_once('=').unwrap_or((&selector, ""));
        match key {
            "type" if matches!(asked.resource, "events" | "secrets") => {
                items.retain(|one| one["type"] == value);
            }
            "metadata.name" => items.retain(|one| one["metadata"]["name"] == value),
            "spec.nodeName" if asked.resource == "pods" => {
                items.retain(|one| one["spec"]["nodeName"] == value);
            }
            _ => {
                let words = format!("field label not supported: {key}");
                return refuse(400, "BadRequest", &words);
            }
        }
    }
    let mut from = 0;
    if let Some(next) = of("continue") {
        if of("resourceVersion").is_some() {
            let words = "specifying resource version is not allowed when using continue";
            return refuse(400, "BadRequest", words);
        }
        let parts =
            next.split_once('+').and_then(|(v, n)| Some((v.parse().ok()?, n.parse().ok()?)));
        let Some((version, at)): Option<(u64, usize)> = parts else {
            return refuse(400, "BadRequest", "continue key is not valid");
        };
        if version < estate.compacted || 0 < estate.expires {
            estate.expires = estate.expires.saturating_sub(1);
            let words =
                "The provided continue parameter is too old to display a consistent list result.";
            return refuse(410, "Expired", words);
        }
        from = at;
    }
    let mut meta = json!({ "resourceVersion": estate.version().to_string() });
    let total = items.len();
    // What is served from memory comes whole.
    if 0 < limit && !from_memory && from + limit < total {
        meta["continue"] = format!("{}+{}", estate.version(), from + limit).into();
        meta["remainingItemCount"] = (total - from - limit).into();
        items.truncate(from + limit);
    }
    let items: Vec<Json> = items.into_iter().skip(from).collect();
    let api = if asked.group.is_empty() { "v1".into() } else { format!("{}/v1", asked.group) };
    // Go writes an empty list so.
    let items = if items.is_empty() { Json::Null } else { items.into() };
    axum::Json(json!({
        "kind": format!("{}List", asked.kind), "apiVersion": api, "metadata": meta, "items": items,
    }))
    .into_response()
}

fn watch(fake: Fake, asked: Asked, version: Option<String>) -> Response {
    let (mut to, from) = tokio::io::duplex(1 << 20);
    let line = |kind: &str, object: &Json| {
        format!("{}\n", json!({ "type": kind, "object": object })).into_bytes()
    };
    let pumping = async move {
        let mut news = fake.changed.subscribe();
        let known: u64 = version.as_deref().unwrap_or("").parse().unwrap_or(0);
        let mut at = known;
        if known == 0 {
            at = fake.lock().version();
            let all = fake.lock().of(asked.resource);
            for object in all {
                if to.write_all(&line("ADDED", &object)).await.is_err() {
                    return;
                }
            }
        }
        loop {
            let mut lines = Vec::new();
            {
                let estate = fake.lock();
                if at < estate.compacted {
                    let words = format!("too old resource version: {at} ({})", estate.compacted);
                    lines = line("ERROR", &status(410, "Expired", &words));
                    at = u64::MAX;
                } else {
                    let mine = |l: &&super::estate::Logged| {
                        at < l.version
                            && l.resource == asked.resource
                            && asked
                                .namespace
                                .as_ref()
                                .is_none_or(|n| l.object["metadata"]["namespace"] == n.as_str())
                    };
                    for one in estate.log.iter().filter(mine) {
                        lines.extend(line(one.kind, &one.object));
                    }
                    at = estate.version();
                    let mark = json!({ "kind": asked.kind, "metadata": { "resourceVersion": at.to_string() } });
                    lines.extend(line("BOOKMARK", &mark));
                }
            }
            if to.write_all(&lines).await.is_err() || at == u64::MAX {
                return;
            }
            if news.changed().await.is_err() {
                return;
            }
        }
    };
    let stream =
        tokio_util::io::ReaderStream::new(Pumped { from, pump: Box::pin(pumping), over: false });
    (StatusCode::OK, [("content-type", "application/json")], Body::from_stream(stream))
        .into_response()
}

/// Reads what a future writes, and drives it meanwhile: it ends with the connection.
struct Pumped {
    from: tokio::io::DuplexStream,
    pump: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
    over: bool,
}

impl tokio::io::AsyncRead for Pumped {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let this = &mut *self;
        if !this.over {
            this.over = this.pump.as_mut().poll(cx).is_ready();
        }
        std::pin::Pin::new(&mut this.from).poll_read(cx, into)
    }
}
