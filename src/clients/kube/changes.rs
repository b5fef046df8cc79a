//! The changes that reef knows. There is none for namespaces and none for rights.

use axum::http::Method;
use serde_json::{Value as Json, json};

use super::change::{Answer, Change, MANAGER};
use super::grant::Right;
use super::manifest::Document;
use crate::model::object::Object;

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const STEPS: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// `apps` of `/apis/apps/v1`; empty for the core.
fn group(place: &str) -> String {
    place.strip_prefix("/apis/").and_then(|rest| rest.split('/').next()).unwrap_or("").to_owned()
}

fn of(object: &Object, part: &str, verb: &'static str) -> (String, Right) {
    let (place, resource) = object.kind().place();
    let part = if part.is_empty() { String::new() } else { format!("/{part}") };
    let (namespace, name) = (object.namespace(), object.name());
    let path = format!("{place}/namespaces/{namespace}/{resource}/{name}{part}");
    let right = Right {
        verb,
        resource: format!("{resource}{part}"),
        group: group(place),
        namespace: Some(namespace.to_owned()),
        only: Some(name.to_owned()),
    };
    (path, right)
}

fn patch(object: &Object, part: &str, content: &'static str, body: &Json) -> Change {
    let (path, right) = of(object, part, "patch");
    Change {
        method: Method::PATCH,
        path: format!("{path}?fieldManager={MANAGER}"),
        content,
        body: body.to_string().into_bytes(),
        answer: Answer::Whole,
        right,
    }
}

impl Change {
    /// Evicts one pod, if it is still the one of this uid: disruption budgets have a say.
    pub fn evict(pod: &Object, uid: &str) -> Self {
        let (path, right) = of(pod, "eviction", "create");
        let body = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "namespace": pod.namespace(), "name": pod.name() },
            "deleteOptions": { "preconditions": { "uid": uid } },
        });
        Self {
            method: Method::POST,
            path,
            content: JSON,
            body: body.to_string().into_bytes(),
            answer: Answer::Whole,
            // Pods have new names each time: a right to one of them would be none.
            right: Right { only: None, ..right },
        }
    }

    /// Deletes one pod, if it is still the one of this uid: only where evictions are not offered.
    pub fn delete_pod(pod: &Object, uid: &str) -> Self {
        let (path, right) = of(pod, "", "delete");
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid },
        });
        Self {
            method: Method::DELETE,
            path,
            content: JSON,
            body: body.to_string().into_bytes(),
            answer: Answer::Whole,
            right: Right { only: None, ..right },
        }
    }

    /// Brings a workload's pods out anew, as `kubectl rollout restart` does: by a mark on their template.
    pub fn restart(workload: &Object, version: &str, at: &str) -> Self {
        let marks = json!({ "kubectl.kubernetes.io/restartedAt": at });
        let body = json!({
            "metadata": { "resourceVersion": version },
            "spec": { "template": { "metadata": { "annotations": marks } } },
        });
        patch(workload, "", MERGE, &body)
    }

    /// Sets how many pods a workload shall have.
    pub fn scale(workload: &Object, version: &str, replicas: i64) -> Self {
        let body = json!({
            "metadata": { "resourceVersion": version }, "spec": { "replicas": replicas },
        });
        patch(workload, "scale", MERGE, &body)
    }

    /// Puts a former template of a deployment back, as `kubectl rollout undo` does.
    pub fn roll_back(deployment: &Object, version: &str, template: &Json) -> Self {
        let body = json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
            { "op": "replace", "path": "/spec/template", "value": template },
        ]);
        patch(deployment, "", STEPS, &body)
    }

    /// Patches an object with what a declared file says; null where the file says no JSON object.
    pub fn declared(object: &Object, version: &str, mut body: Json) -> Self {
        if let Some(fields) = body.as_object_mut() {
            let meta = fields.entry("metadata").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("resourceVersion".into(), version.into());
            }
        }
        patch(object, "", STRATEGIC, &body)
    }

    /// Lets a node take new work, or not.
    pub fn cordon(node: &str, version: &str, unschedulable: Cordon) -> Self {
        let body = json!({
            "metadata": { "resourceVersion": version },
            "spec": { "unschedulable": unschedulable == Cordon::On },
        });
        Self {
            method: Method::PATCH,
            path: format!("/api/v1/nodes/{node}?fieldManager={MANAGER}"),
            content: MERGE,
            body: body.to_string().into_bytes(),
            answer: Answer::Whole,
            right: Right {
                verb: "patch",
                resource: "nodes".into(),
                group: String::new(),
                namespace: None,
                only: Some(node.to_owned()),
            },
        }
    }

    /// Server-side apply of one document of a declared manifest. Fields of others are not taken from them.
    pub fn apply(document: &Document) -> Self {
        let (place, resource) = document.kind.place();
        let (namespace, name) = (&document.namespace, &document.name);
        Self {
            method: Method::PATCH,
            path: format!(
                "{place}/namespaces/{namespace}/{resource}/{name}?fieldManager={MANAGER}&force=false"
            ),
            content: APPLY,
            body: document.body.to_string().into_bytes(),
            answer: Answer::Whole,
            right: Right {
                verb: "patch",
                resource: resource.to_owned(),
                group: group(place),
                namespace: Some(namespace.clone()),
                only: Some(name.clone()),
            },
        }
    }

    /// Whether this TLS secret could be patched, without showing anybody a key.
    pub(super) fn is_tls_secret(secret: &Object) -> Self {
        let body = json!([{ "op": "test", "path": "/type", "value": "kubernetes.io/tls" }]);
        Self { answer: Answer::Metadata, ..patch(secret, "", STEPS, &body) }
    }

    /// Replaces certificate and key of one TLS secret that there is, both in base64.
    pub(super) fn tls_secret(secret: &Object, certificate: &str, key: &str) -> Self {
        let body = json!([
            { "op": "test", "path": "/type", "value": "kubernetes.io/tls" },
            { "op": "replace", "path": "/data/tls.crt", "value": certificate },
            { "op": "replace", "path": "/data/tls.key", "value": key },
        ]);
        Self { answer: Answer::Metadata, ..patch(secret, "", STEPS, &body) }
    }
}

/// Whether a node shall take new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cordon {
    /// It takes none.
    On,
    Off,
}
