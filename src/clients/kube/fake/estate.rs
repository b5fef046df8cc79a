//! The objects of the fake cluster, their versions, and who may read them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

/// Namespace (empty for none) and name.
pub type Key = (String, String);

/// Who asks, and what it may.
#[derive(Debug, Clone)]
pub struct Account {
    pub user: String,
    /// `verb resource`, either of which may be `*`.
    pub may: Vec<String>,
    /// Only there; everywhere where empty.
    pub namespaces: Vec<String>,
}

impl Account {
    pub fn all() -> Self {
        Self::of(&["* *"])
    }

    pub fn of(may: &[&str]) -> Self {
        Self {
            user: "system:serviceaccount:reef:reef".into(),
            may: may.iter().map(|m| (*m).to_owned()).collect(),
            namespaces: Vec::new(),
        }
    }

    pub fn allows(&self, verb: &str, resource: &str, namespace: Option<&str>) -> bool {
        self.allows_one(verb, resource, namespace, None)
    }

    /// `patch secrets:site-tls` is a right to that one alone.
    pub fn allows_one(
        &self,
        verb: &str,
        resource: &str,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> bool {
        let fits = |rule: &String| {
            let (v, r) = rule.split_once(' ').unwrap();
            let (r, only) = r.split_once(':').map_or((r, None), |(r, only)| (r, Some(only)));
            (v == "*" || v == verb)
                && (r == "*" || r == resource)
                && only.is_none_or(|only| name == Some(only))
        };
        let here = self.namespaces.is_empty()
            || namespace.is_some_and(|n| self.namespaces.iter().any(|own| own == n));
        here && self.may.iter().any(fits)
    }
}

/// One entry of the log that watches read.
#[derive(Debug, Clone)]
pub struct Logged {
    pub version: u64,
    pub kind: &'static str,
    pub resource: String,
    pub object: Json,
}

/// The whole cluster. Time stands still until it is told to pass.
#[derive(Debug)]
pub struct Estate {
    /// Unix seconds.
    pub now: i64,
    version: u64,
    made: u64,
    pub objects: BTreeMap<String, BTreeMap<Key, Json>>,
    pub log: Vec<Logged>,
    /// Versions up to here are no longer kept.
    pub compacted: u64,
    /// So many pages that go on are too old.
    pub expires: u32,
    pub accounts: BTreeMap<String, Account>,
    /// The store hangs; `/readyz` does not know.
    pub frozen: bool,
    /// Answers for one resource in place of the true one: code, reason, message.
    pub broken: BTreeMap<String, (u16, String, String)>,
    /// As `broken`, for one verb: `patch deployments/scale`.
    pub refuses: BTreeMap<String, (u16, String, String)>,
    /// An API server from before evictions.
    pub no_evictions: bool,
    /// Changes are made, and their answers are lost.
    pub swallows: bool,
    /// Pods that fare as another image would, by name: those that replace them do not.
    pub cursed: BTreeMap<String, String>,
    /// Logs by pod, and by `POD previous`.
    pub logs: BTreeMap<String, String>,
    /// Memory that pods use, by name; the cluster has no metrics server where it is empty.
    pub memory: BTreeMap<String, String>,
    /// Pods that a disruption budget protects.
    pub protected: BTreeSet<String>,
    /// What the kubelets say of volumes, by node.
    pub summaries: BTreeMap<String, Json>,
    /// Nodes that died, and when.
    pub dead: BTreeMap<String, i64>,
    pub asked: Vec<String>,
}

impl Default for Estate {
    fn default() -> Self {
        Self {
            // 2026-11-01T00:00:00Z
            now: 1_793_491_200,
            version: 1_000,
            made: 0,
            objects: BTreeMap::new(),
            log: Vec::new(),
            compacted: 0,
            expires: 0,
            accounts: BTreeMap::from([("right".into(), Account::all())]),
            frozen: false,
            broken: BTreeMap::new(),
            refuses: BTreeMap::new(),
            no_evictions: false,
            swallows: false,
            cursed: BTreeMap::new(),
            logs: BTreeMap::new(),
            memory: BTreeMap::new(),
            protected: BTreeSet::new(),
            summaries: BTreeMap::new(),
            dead: BTreeMap::new(),
            asked: Vec::new(),
        }
    }
}

impl Estate {
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The time of the cluster as its objects write it.
    pub fn stamp(&self) -> String {
        stamp(self.now)
    }

    pub fn millis(&self) -> i64 {
        self.now * 1_000
    }

    pub fn of(&self, resource: &str) -> Vec<Json> {
        self.objects.get(resource).map(|all| all.values().cloned().collect()).unwrap_or_default()
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Json> {
        self.objects.get(resource)?.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Stores an object under a new version, unless nothing about it changed.
    pub fn put(&mut self, resource: &str, mut object: Json) {
        let text = |v: &Json| v.as_str().unwrap_or_default().to_owned();
        let key = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let before = self.objects.get(resource).and_then(|all| all.get(&key));
        if before == Some(&object) {
            return;
        }
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.version += 1;
        if before.is_none() {
            self.made += 1;
            let meta = &mut object["metadata"];
            meta["uid"] = format!("00000000-0000-0000-0000-{:012}", self.made).into();
            if meta["creationTimestamp"].is_null() {
                meta["creationTimestamp"] = stamp(self.now).into();
            }
            if meta["generation"].is_null() {
                meta["generation"] = 1.into();
            }
        }
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.logged(kind, resource, object.clone());
        self.objects.entry(resource.to_owned()).or_default().insert(key, object);
    }

    /// Changes one that there is.
    #[track_caller]
    pub fn edit(&mut self, resource: &str, ns: &str, name: &str, f: impl FnOnce(&mut Json)) {
        let mut object = self.get(resource, ns, name).cloned();
        let object = object.as_mut().unwrap_or_else(|| panic!("no {resource} {ns}/{name}"));
        let spec = object["spec"].clone();
        f(object);
        // A new spec is a new generation; a new status is not.
        if spec != object["spec"] {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(1);
            object["metadata"]["generation"] = (generation + 1).into();
        }
        self.put(resource, object.clone());
    }

    pub fn remove(&mut self, resource: &str, ns: &str, name: &str) -> Option<Json> {
        let key = (ns.to_owned(), name.to_owned());
        let gone = self.objects.get_mut(resource)?.remove(&key)?;
        self.version += 1;
        let mut last = gone.clone();
        last["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.logged("DELETED", resource, last);
        Some(gone)
    }

    /// The store forgets what it kept of the past.
    pub fn compact(&mut self) {
        self.compacted = self.version;
        self.log.clear();
    }

    fn logged(&mut self, kind: &'static str, resource: &str, object: Json) {
        let resource = resource.to_owned();
        self.log.push(Logged { version: self.version, kind, resource, object });
    }

    /// A node that is ready.
    pub fn node(&mut self, name: &str) {
        self.put(
            "nodes",
            json!({
                "metadata": { "name": name },
                "spec": { "podCIDR": "10.42.0.0/24", "providerID": format!("k3s://{name}") },
                "status": {
                    "conditions": [
                        condition("MemoryPressure", "False", "KubeletHasSufficientMemory", &self.stamp()),
                        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", &self.stamp()),
                        condition("PIDPressure", "False", "KubeletHasSufficientPID", &self.stamp()),
                        condition("Ready", "True", "KubeletReady", &self.stamp()),
                    ],
                    "nodeInfo": { "bootID": format!("boot-{name}-1"), "kubeletVersion": "v1.36.1+k3s1" },
                },
            }),
        );
    }

    /// Sets one condition of a node.
    pub fn node_says(&mut self, node: &str, kind: &str, status: &str, reason: &str, words: &str) {
        let now = self.stamp();
        self.edit("nodes", "", node, |node| {
            for one in node["status"]["conditions"].as_array_mut().unwrap() {
                if one["type"] == kind && one["status"] != status {
                    *one = condition(kind, status, reason, &now);
                    one["message"] = words.into();
                }
            }
        });
    }

    /// A controller that keeps pods; what its image is called decides how they fare: `missing` cannot be
    /// pulled, `oom` is killed again and again, `crash` ends with 1, `lazy` never gets ready.
    pub fn keeper(&mut self, resource: &str, ns: &str, name: &str, replicas: i64, image: &str) {
        let mut spec = json!({
            "replicas": replicas, "progressDeadlineSeconds": 600,
            "template": { "spec": { "containers": [{ "name": "app", "image": image }] } },
        });
        if resource == "daemonsets" {
            spec.as_object_mut().unwrap().remove("replicas");
        }
        self.put(
            resource,
            json!({ "metadata": { "namespace": ns, "name": name, "annotations": null }, "spec": spec, "status": {} }),
        );
        self.turn();
    }

    /// A deployment with its pods, up and ready.
    pub fn deployment(&mut self, ns: &str, name: &str, replicas: i64) {
        self.keeper("deployments", ns, name, replicas, &format!("{name}:1"));
        self.pass(10);
    }

    /// A disruption budget over the pods of one workload.
    pub fn budget(&mut self, ns: &str, app: &str, min_available: i64) {
        self.put(
            "poddisruptionbudgets",
            json!({
                "metadata": { "namespace": ns, "name": app },
                "spec": { "minAvailable": min_available, "selector": { "matchLabels": { "app": app } } },
            }),
        );
    }

    pub fn event(&mut self, ns: &str, (kind, name): (&str, &str), reason: &str, words: &str) {
        let now = self.stamp();
        self.put(
            "events",
            json!({
                "metadata": { "namespace": ns, "name": format!("{name}.{reason}") },
                "type": "Warning", "reason": reason, "message": words, "count": 3,
                "involvedObject": { "kind": kind, "namespace": ns, "name": name },
                "lastTimestamp": now,
            }),
        );
    }

    pub fn scale(&mut self, resource: &str, ns: &str, name: &str, replicas: i64) {
        self.edit(resource, ns, name, |one| one["spec"]["replicas"] = replicas.into());
        self.turn();
    }

    pub fn image(&mut self, resource: &str, ns: &str, name: &str, image: &str) {
        self.edit(resource, ns, name, |one| {
            one["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
        });
        self.turn();
    }

    /// The pods whose name begins so, with those that are being deleted.
    pub fn pods(&self, ns: &str, prefix: &str) -> Vec<Json> {
        let name = |pod: &Json| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let of = |pod: &Json| pod["metadata"]["namespace"] == ns && name(pod).starts_with(prefix);
        self.of("pods").into_iter().filter(of).collect()
    }
}

pub fn condition(kind: &str, status: &str, reason: &str, at: &str) -> Json {
    json!({
        "type": kind, "status": status, "reason": reason, "message": "",
        "lastHeartbeatTime": at, "lastTransitionTime": at, "lastUpdateTime": at,
    })
}

/// Unix seconds as RFC 3339.
pub fn stamp(at: i64) -> String {
    let (days, secs) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    // The civil calendar, with March as the first month.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (h, m, s) = (secs / 3_600, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}
