//! What the fake API server changes, and what it refuses to: budgets, versions, rights, and kinds of patches.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::Fake;
use super::estate::Estate;
use super::serve::{Asked, refuse, refuse_one};
use super::turns::is_ready;

/// What a body says it is.
struct Sent {
    content: String,
    metadata_only: bool,
    bytes: Vec<u8>,
}

impl Sent {
    fn json(&self) -> Option<Json> {
        serde_json::from_slice(&self.bytes).ok()
    }
}

pub(super) async fn answer(
    fake: &Fake,
    asked: &Asked,
    verb: &str,
    request: Request,
    dry: bool,
) -> Response {
    let (content, accept) = (header(&request, "content-type"), header(&request, "accept"));
    let metadata_only = accept.contains("as=PartialObjectMetadata");
    let bytes = to_bytes(request.into_body(), 1 << 20).await.unwrap().to_vec();
    let sent = Sent { content, metadata_only, bytes };
    match verb {
        "create" => evict(fake, asked, &sent, dry),
        "delete" => {
            let key = names(asked);
            remove(fake, asked.resource, (&key.0, &key.1), &sent.json().unwrap_or_default(), dry)
        }
        "update" => update(fake, asked, &sent, dry),
        _ => patch(fake, asked, &sent, dry),
    }
}

fn header(request: &Request, name: &str) -> String {
    let value = request.headers().get(name).and_then(|v| v.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn names(asked: &Asked) -> (String, String) {
    (asked.namespace.clone().unwrap_or_default(), asked.name.clone().unwrap_or_default())
}

fn evict(fake: &Fake, asked: &Asked, sent: &Sent, dry: bool) -> Response {
    let (Some(namespace), Some(name), Some("eviction")) =
        (&asked.namespace, &asked.name, asked.sub.as_deref())
    else {
        return refuse(405, "MethodNotAllowed", "this server makes nothing");
    };
    if fake.lock().no_evictions {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    }
    let body = sent.json().unwrap_or_default();
    if fake.lock().protected.contains(name) {
        return budget();
    }
    let pod = fake.lock().get("pods", namespace, name).cloned();
    if let Some(pod) = &pod
        && is_protected(&fake.lock(), namespace, pod)
    {
        return budget();
    }
    remove(fake, "pods", (namespace, name), &body["deleteOptions"], dry)
}

fn budget() -> Response {
    let words = "Cannot evict pod as it would violate the pod's disruption budget.";
    refuse(429, "TooManyRequests", words)
}

/// As the default policy has it: a healthy pod goes while more than the minimum are left; one that runs and is
/// not healthy while at least the minimum are.
fn is_protected(estate: &Estate, namespace: &str, pod: &Json) -> bool {
    estate.of("poddisruptionbudgets").iter().any(|budget| {
        let app = &budget["spec"]["selector"]["matchLabels"]["app"];
        if budget["metadata"]["namespace"] != namespace || *app != pod["metadata"]["labels"]["app"]
        {
            return false;
        }
        let of = |other: &&Json| {
            other["metadata"]["namespace"] == namespace
                && other["metadata"]["labels"]["app"] == *app
        };
        let pods = estate.of("pods");
        let healthy = pods.iter().filter(of).filter(|other| is_ready(other)).count();
        let healthy = i64::try_from(healthy).unwrap();
        let least = budget["spec"]["minAvailable"].as_i64().unwrap_or(0);
        match (is_ready(pod), pod["status"]["phase"].as_str()) {
            (true, _) => healthy <= least,
            (false, Some("Running")) => healthy < least,
            (false, _) => false,
        }
    })
}

fn remove(
    fake: &Fake,
    resource: &str,
    (namespace, name): (&str, &str),
    options: &Json,
    dry: bool,
) -> Response {
    let known = fake.lock().get(resource, namespace, name).cloned();
    let Some(known) = known else {
        return refuse_one(404, "NotFound", &format!("{resource} \"{name}\" not found"), name);
    };
    let uid = &options["preconditions"]["uid"];
    if !uid.is_null() && *uid != known["metadata"]["uid"] {
        let words = format!(
            "Operation cannot be fulfilled on {resource} \"{name}\": Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            known["metadata"]["uid"]
        );
        return refuse_one(409, "Conflict", &words, name);
    }
    if !dry {
        fake.with(|estate| {
            estate.remove(resource, namespace, name);
            estate.turn();
        });
    }
    axum::Json(known).into_response()
}

fn conflict(asked: &Asked, name: &str) -> Response {
    let words = format!(
        "Operation cannot be fulfilled on {}.{} \"{name}\": the object has been modified; please apply your changes to the latest version and try again",
        asked.resource, asked.group
    );
    refuse_one(409, "Conflict", &words, name)
}

#[expect(clippy::fn_params_excessive_bools, reason = "what a request says of itself")]
fn stored(
    fake: &Fake,
    asked: &Asked,
    known: &Json,
    object: Json,
    metadata_only: bool,
    dry: bool,
) -> Response {
    let (namespace, name) = names(asked);
    let theirs = &object["metadata"]["resourceVersion"];
    if !theirs.is_null() && *theirs != known["metadata"]["resourceVersion"] {
        return conflict(asked, &name);
    }
    if !dry {
        fake.with(|estate| {
            estate.edit(asked.resource, &namespace, &name, |one| *one = object.clone());
            estate.turn();
        });
    }
    if metadata_only {
        let meta = json!({ "kind": "PartialObjectMetadata", "metadata": object["metadata"] });
        return axum::Json(meta).into_response();
    }
    axum::Json(object).into_response()
}

fn update(fake: &Fake, asked: &Asked, sent: &Sent, dry: bool) -> Response {
    let Some(object) = sent.json() else {
        return refuse(400, "BadRequest", "the object provided is unrecognized");
    };
    let (namespace, name) = names(asked);
    let known = fake.lock().get(asked.resource, &namespace, &name).cloned();
    let Some(known) = known else {
        let words = format!("{} \"{name}\" not found", asked.resource);
        return refuse_one(404, "NotFound", &words, &name);
    };
    stored(fake, asked, &known, object, sent.metadata_only, dry)
}

pub(super) fn scale_of(object: &Json) -> Json {
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"],
            "uid": object["metadata"]["uid"], "resourceVersion": object["metadata"]["resourceVersion"],
        },
        "spec": { "replicas": object["spec"]["replicas"] },
    })
}

fn patch(fake: &Fake, asked: &Asked, sent: &Sent, dry: bool) -> Response {
    let (namespace, name) = names(asked);
    let known = fake.lock().get(asked.resource, &namespace, &name).cloned();
    let Some(body) = sent.json() else {
        return refuse(400, "BadRequest", "the patch is no JSON");
    };
    if sent.content == "application/apply-patch+yaml" {
        return apply(fake, asked, &body, known, dry);
    }
    let Some(known) = known else {
        let words = format!("{} \"{name}\" not found", asked.resource);
        return refuse_one(404, "NotFound", &words, &name);
    };
    let mut object = known.clone();
    match sent.content.as_str() {
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            let by_name = sent.content.contains("strategic");
            merge(&mut object, &body, by_name);
        }
        "application/json-patch+json" => {
            if let Err(why) = steps(&mut object, &body) {
                return refuse_one(422, "Invalid", &why, &name);
            }
        }
        _ => {
            let words = "the body of the request was in an unknown format";
            return refuse(415, "UnsupportedMediaType", words);
        }
    }
    if asked.sub.is_some() && asked.sub.as_deref() != Some("scale") {
        return refuse(404, "NotFound", "the server could not find the requested resource");
    }
    for fixed in ["/metadata/name", "/metadata/namespace", "/metadata/uid", "/type"] {
        if object.pointer(fixed) != known.pointer(fixed) {
            return refuse_one(422, "Invalid", &format!("{fixed}: field is immutable"), &name);
        }
    }
    if object["spec"]["replicas"].as_i64().is_some_and(|n| n < 0) {
        let words = "spec.replicas: Invalid value: must be greater than or equal to 0";
        return refuse_one(422, "Invalid", words, &name);
    }
    stored(fake, asked, &known, object, sent.metadata_only, dry)
}

/// A new object, or the fields of one that nobody else manages.
fn apply(fake: &Fake, asked: &Asked, body: &Json, known: Option<Json>, dry: bool) -> Response {
    let (namespace, name) = names(asked);
    if body["metadata"]["name"] != name.as_str() || body["kind"].is_null() {
        return refuse(400, "BadRequest", "name and kind of the object must be those of the URL");
    }
    let theirs =
        known.as_ref().map(|known| known["metadata"]["annotations"]["managed-elsewhere"].clone());
    if theirs.is_some_and(|theirs| !theirs.is_null()) {
        let words =
            "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas";
        return refuse_one(409, "Conflict", words, &name);
    }
    let mut object = known.unwrap_or_else(|| json!({ "metadata": {}, "status": {} }));
    merge(&mut object, body, true);
    if !dry {
        fake.with(|estate| {
            let there = estate.get(asked.resource, &namespace, &name).is_some();
            match there {
                true => estate.edit(asked.resource, &namespace, &name, |one| *one = object.clone()),
                false => estate.put(asked.resource, object.clone()),
            }
            estate.turn();
        });
    }
    axum::Json(object).into_response()
}

/// RFC 7386; with `by_name`, lists of named things are merged thing by thing.
fn merge(into: &mut Json, patch: &Json, by_name: bool) {
    match (patch, &mut *into) {
        (Json::Object(fields), _) => {
            if !into.is_object() {
                *into = json!({});
            }
            for (key, value) in fields {
                match value.is_null() {
                    true => drop(into.as_object_mut().unwrap().remove(key)),
                    false => merge(&mut into[key.as_str()], value, by_name),
                }
            }
        }
        (Json::Array(items), Json::Array(own))
            if by_name && items.iter().all(|item| item["name"].is_string()) =>
        {
            for item in items {
                match own.iter_mut().find(|one| one["name"] == item["name"]) {
                    Some(one) => merge(one, item, by_name),
                    None => own.push(item.clone()),
                }
            }
        }
        _ => *into = patch.clone(),
    }
}

/// RFC 6902, as far as anybody here goes.
fn steps(object: &mut Json, patch: &Json) -> Result<(), String> {
    for step in patch.as_array().ok_or("a JSON patch is a list")? {
        let path = step["path"].as_str().ok_or("a step without a path")?;
        let found = object.pointer_mut(path);
        match (step["op"].as_str(), found) {
            (Some("test"), Some(at)) if *at == step["value"] => {}
            (Some("test"), _) => return Err(format!("testing value {path} failed")),
            (Some("replace"), Some(at)) => *at = step["value"].clone(),
            (Some("replace"), None) => return Err(format!("replace operation: {path} is missing")),
            (op, _) => return Err(format!("this server takes no {op:?}")),
        }
    }
    Ok(())
}
