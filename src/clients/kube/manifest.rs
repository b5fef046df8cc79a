//! Manifests that the operator declared: read, and held to the kinds that may be applied.

use serde_json::Value as Json;

use crate::model::object::{Object, ObjectKind};

/// A manifest is no larger.
pub const LARGEST: u64 = 1 << 20;
/// Documents of one file.
const MOST: usize = 100;

/// What a manifest may speak of: what runs, and what it is reached by. Whatever is not here is refused.
const KINDS: [(&str, &str, &str); 13] = [
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "Service", "services"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("networking.k8s.io/v1", "Ingress", "ingresses"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("traefik.io/v1alpha1", "IngressRoute", "ingressroutes"),
];

/// One of the kinds that may be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    pub kind: &'static str,
    resource: &'static str,
    place: &'static str,
}

impl Applied {
    pub(super) fn place(self) -> (&'static str, &'static str) {
        (self.place, self.resource)
    }
}

/// One object that a manifest wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub kind: Applied,
    pub namespace: String,
    pub name: String,
    /// As the file has it, with its namespace.
    pub body: Json,
}

/// The documents of a manifest in YAML or JSON, in its order. An error says which one is refused, and why.
pub fn documents(text: &str) -> Result<Vec<Document>, String> {
    let all: Vec<Json> = serde_saphyr::from_multiple(text)
        .map_err(|e| format!("it is no proper YAML: {}", first_line(&e.to_string())))?;
    let all: Vec<Json> = all.into_iter().filter(|one| !one.is_null()).collect();
    match all.len() {
        0 => return Err("it holds no object".into()),
        n if MOST < n => return Err(format!("it holds {n} objects, and {MOST} are enough")),
        _ => {}
    }
    all.into_iter()
        .enumerate()
        .map(|(n, one)| document(one).map_err(|why| format!("object {}: {why}", n + 1)))
        .collect()
}

fn document(mut body: Json) -> Result<Document, String> {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&body["apiVersion"]), text(&body["kind"]));
    if version.starts_with("rbac.") || kind.contains("Role") || kind == "ServiceAccount" {
        return Err(format!("{kind}: rights in a cluster are a human's alone"));
    }
    if kind == "Namespace" {
        return Err("Namespace: namespaces are a human's alone".into());
    }
    if kind == "Secret" {
        return Err("Secret: secrets are not applied from files".into());
    }
    let known = KINDS.iter().find(|(v, k, _)| *v == version && *k == kind);
    let Some((version, kind, resource)) = known else {
        let kinds: Vec<&str> = KINDS.iter().map(|(_, kind, _)| *kind).collect();
        return Err(format!(
            "{version} {kind} is not applied by reef; these are: {}",
            kinds.join(", ")
        ));
    };
    let meta = &body["metadata"];
    if !meta["generateName"].is_null() {
        return Err("generateName makes another object each time: give it a name".into());
    }
    let namespace = match text(&meta["namespace"]) {
        none if none.is_empty() => "default".to_owned(),
        namespace => namespace,
    };
    // Checked as every name is that becomes part of a path.
    let object = Object::new(&namespace, ObjectKind::Pod, &text(&meta["name"]))
        .map_err(|e| e.to_string())?;
    if is_system(object.namespace()) {
        return Err(format!("{namespace} is the cluster's own namespace"));
    }
    let name = object.name().to_owned();
    body["metadata"]["namespace"] = namespace.clone().into();
    let place = PLACES.iter().find(|(v, _)| v == version).map_or("/api/v1", |(_, place)| *place);
    Ok(Document { kind: Applied { kind, resource, place }, namespace, name, body })
}

const PLACES: [(&str, &str); 7] = [
    ("v1", "/api/v1"),
    ("apps/v1", "/apis/apps/v1"),
    ("batch/v1", "/apis/batch/v1"),
    ("networking.k8s.io/v1", "/apis/networking.k8s.io/v1"),
    ("policy/v1", "/apis/policy/v1"),
    ("autoscaling/v2", "/apis/autoscaling/v2"),
    ("traefik.io/v1alpha1", "/apis/traefik.io/v1alpha1"),
];

/// Namespaces in which the cluster itself runs.
pub fn is_system(namespace: &str) -> bool {
    matches!(namespace, "kube-system" | "kube-public" | "kube-node-lease")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

impl std::fmt::Display for Document {
    /// `Deployment media/jellyfin`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind.kind, self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_place() {
        for (version, kind, resource) in KINDS {
            let text = format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: a, namespace: b }}\n"
            );
            let one = documents(&text).unwrap().remove(0);
            let (place, of) = one.kind.place();
            assert_eq!(of, resource);
            assert!(place.ends_with(&format!("/{version}")), "{version}: {place}");
            assert_eq!(one.to_string(), format!("{kind} b/a"));
        }
    }

    #[test]
    fn namespaces_rights_and_secrets_are_refused_wherever_they_stand() {
        let good = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\n";
        for (version, kind, why) in [
            ("v1", "Namespace", "a human's alone"),
            ("rbac.authorization.k8s.io/v1", "Role", "a human's alone"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding", "a human's alone"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", "a human's alone"),
            ("rbac.authorization.k8s.io/v1beta1", "ClusterRoleBinding", "a human's alone"),
            ("v1", "ServiceAccount", "a human's alone"),
            ("v1", "Secret", "secrets"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "is not applied"),
            ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "is not applied"),
            ("v1", "Pod", "is not applied"),
            ("v1", "List", "is not applied"),
        ] {
            let text =
                format!("{good}apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: a }}\n");
            let said = documents(&text).unwrap_err();
            assert!(said.starts_with("object 2: ") && said.contains(why), "{kind}: {said}");
        }
    }

    #[test]
    fn what_is_no_manifest_is_told() {
        let of = |meta: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {meta}\n");
        for (text, why) in [
            (String::new(), "no object"),
            ("a: [".into(), "no proper YAML"),
            (of("{ name: \"../x\" }"), "no Kubernetes name"),
            (of("{}"), "no Kubernetes name"),
            (of("{ generateName: a- }"), "generateName"),
            (of("{ name: a, namespace: kube-system }"), "the cluster's own"),
        ] {
            let said = documents(&text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
        assert_eq!(documents(&of("{ name: a }")).unwrap()[0].namespace, "default");
    }
}
