//! How the fake cluster lives: its controllers and kubelets, second by second.

use serde_json::{Value as Json, json};

use super::estate::{Estate, condition, stamp};

/// After so long without a word from its kubelet a node is `Ready=Unknown`.
const UNHEARD: i64 = 47;
/// So long pods stay on a node that is gone before they are deleted.
const TOLERATED: i64 = 300;
/// From being scheduled to being ready.
const STARTS: i64 = 3;

const KEEPERS: [(&str, &str); 3] =
    [("deployments", "ReplicaSet"), ("statefulsets", "StatefulSet"), ("daemonsets", "DaemonSet")];

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// How its image makes a pod fare.
fn fate(image: &str) -> &'static str {
    ["missing", "oom", "crash", "lazy"]
        .into_iter()
        .find(|fate| image.contains(fate))
        .unwrap_or("well")
}

impl Estate {
    /// Lets so many seconds pass.
    pub fn pass(&mut self, secs: i64) {
        // A long time goes by in larger steps: nothing here needs each second.
        let step = if secs <= 20 { 1 } else { 5 };
        let until = self.now + secs;
        while self.now < until {
            self.now = (self.now + step).min(until);
            self.turn();
        }
    }

    /// One round of all controllers and kubelets.
    pub fn turn(&mut self) {
        self.hear();
        self.keep();
        for pod in self.of("pods") {
            let on = text(&pod["spec"]["nodeName"]);
            if !on.is_empty() && !self.dead.contains_key(&on) {
                self.live(pod);
            }
        }
        self.tell();
    }

    /// A node dies: nobody notices for a while.
    pub fn kill(&mut self, node: &str) {
        self.dead.insert(node.to_owned(), self.now);
    }

    /// It comes back: what was to be deleted on it is, everything else was restarted once.
    pub fn reboot(&mut self, node: &str) {
        self.dead.remove(node);
        self.node_says(node, "Ready", "True", "KubeletReady", "kubelet is posting ready status");
        let boot = format!("boot-{node}-{}", self.now);
        self.edit("nodes", "", node, |node| {
            node["status"]["nodeInfo"]["bootID"] = boot.as_str().into();
        });
        let end = json!({ "terminated": {
            "reason": "Unknown", "exitCode": 255, "finishedAt": self.stamp(),
        } });
        for pod in self.of("pods") {
            if pod["spec"]["nodeName"] != node {
                continue;
            }
            let (ns, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
            if !pod["metadata"]["deletionTimestamp"].is_null() {
                self.remove("pods", &ns, &name);
                continue;
            }
            let now = self.stamp();
            self.edit("pods", &ns, &name, |pod| {
                let one = &mut pod["status"]["containerStatuses"][0];
                one["restartCount"] = (one["restartCount"].as_i64().unwrap() + 1).into();
                one["lastState"] = end.clone();
                one["state"] = json!({ "running": { "startedAt": now } });
            });
            self.ready(&ns, &name, true);
        }
        self.turn();
    }

    fn hear(&mut self) {
        for (node, since) in self.dead.clone() {
            if self.now < since + UNHEARD {
                continue;
            }
            let words = "Kubelet stopped posting node status.";
            self.node_says(&node, "Ready", "Unknown", "NodeStatusUnknown", words);
            for pod in self.of("pods") {
                if pod["spec"]["nodeName"] != node.as_str() {
                    continue;
                }
                let (ns, name) =
                    (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
                // Its containers still show as running and ready: nobody is there to say otherwise.
                self.ready(&ns, &name, false);
                let bound = pod["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet";
                if since + UNHEARD + TOLERATED <= self.now && !bound {
                    let now = self.stamp();
                    self.edit("pods", &ns, &name, |pod| {
                        if pod["metadata"]["deletionTimestamp"].is_null() {
                            pod["metadata"]["deletionTimestamp"] = now.into();
                        }
                    });
                }
            }
        }
    }

    fn ready(&mut self, ns: &str, name: &str, ready: bool) {
        let (word, now) = (if ready { "True" } else { "False" }, self.stamp());
        self.edit("pods", ns, name, |pod| {
            let all = pod["status"]["conditions"].as_array_mut().unwrap();
            for one in all.iter_mut().filter(|one| one["type"] == "Ready") {
                if one["status"] != word {
                    *one = condition("Ready", word, "", &now);
                }
            }
        });
    }

    /// The controllers: so many pods of the newest template, the old ones until those are ready.
    fn keep(&mut self) {
        for (resource, owner) in KEEPERS {
            for keeper in self.of(resource) {
                let (ns, name) =
                    (text(&keeper["metadata"]["namespace"]), text(&keeper["metadata"]["name"]));
                let image = text(&keeper["spec"]["template"]["spec"]["containers"][0]["image"]);
                let hash = template_hash(&keeper);
                if resource == "deployments" {
                    self.replica_set(&keeper, &hash);
                }
                let places: Vec<Option<String>> = match resource {
                    "daemonsets" => self
                        .of("nodes")
                        .iter()
                        .map(|n| Some(text(&n["metadata"]["name"])))
                        .collect(),
                    _ => {
                        let wanted = keeper["spec"]["replicas"].as_i64().unwrap_or(1);
                        (0..wanted).map(|_| None).collect()
                    }
                };
                let pods = self.pods(&ns, &format!("{name}-"));
                let own = |pod: &&Json| text(&pod["metadata"]["labels"]["app"]) == name;
                let alive: Vec<&Json> = pods
                    .iter()
                    .filter(own)
                    .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
                    .collect();
                let new =
                    |pod: &&&Json| text(&pod["metadata"]["labels"]["pod-template-hash"]) == hash;
                let (mut fresh, mut old): (Vec<&Json>, Vec<&Json>) =
                    alive.into_iter().partition(|pod| new(&pod));
                while places.len() < fresh.len() {
                    let one = fresh.pop().unwrap();
                    self.remove("pods", &ns, &text(&one["metadata"]["name"]));
                }
                let up = fresh.iter().filter(|pod| is_ready(pod)).count();
                if places.len() <= up {
                    for one in old.drain(..) {
                        self.remove("pods", &ns, &text(&one["metadata"]["name"]));
                    }
                }
                for (i, place) in places.into_iter().enumerate() {
                    let taken = match (resource, &place) {
                        ("daemonsets", Some(node)) => {
                            pods.iter().filter(own).any(|p| p["spec"]["nodeName"] == node.as_str())
                        }
                        ("statefulsets", _) => {
                            self.get("pods", &ns, &format!("{name}-{i}")).is_some()
                        }
                        _ => i < fresh.len(),
                    };
                    if !taken {
                        let pod = match resource {
                            "statefulsets" => format!("{name}-{i}"),
                            _ => format!("{name}-{hash}-{:05}", self.version() % 100_000),
                        };
                        let by = if owner == "ReplicaSet" {
                            format!("{name}-{hash}")
                        } else {
                            name.clone()
                        };
                        self.pod((&ns, &pod), Some((owner, &by)), &name, &image, place);
                        let template = keeper["spec"]["template"]["spec"].clone();
                        self.edit("pods", &ns, &pod, |pod| {
                            pod["metadata"]["labels"]["pod-template-hash"] = hash.as_str().into();
                            for (key, value) in template.as_object().into_iter().flatten() {
                                pod["spec"][key.as_str()] = value.clone();
                            }
                        });
                    }
                }
            }
        }
    }

    /// A deployment's ReplicaSet for its present template; the revision counts up when it becomes the present one.
    fn replica_set(&mut self, keeper: &Json, hash: &str) {
        let ns = text(&keeper["metadata"]["namespace"]);
        let (name, own) = (
            text(&keeper["metadata"]["name"]),
            format!("{}-{hash}", text(&keeper["metadata"]["name"])),
        );
        let revision = |set: &Json| {
            let at = &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
            at.as_str().and_then(|n| n.parse::<i64>().ok()).unwrap_or(0)
        };
        let sets: Vec<Json> = self
            .of("replicasets")
            .into_iter()
            .filter(|set| set["metadata"]["namespace"] == ns.as_str())
            .filter(|set| set["metadata"]["ownerReferences"][0]["name"] == name.as_str())
            .collect();
        let newest = sets.iter().map(revision).max().unwrap_or(0);
        let known = sets.iter().find(|set| set["metadata"]["name"] == own.as_str());
        if known.is_some_and(|set| revision(set) == newest) {
            return;
        }
        let mut template = keeper["spec"]["template"].clone();
        template["metadata"]["labels"]["pod-template-hash"] = hash.into();
        let next = (newest + 1).to_string();
        let mut set = json!({
            "metadata": {
                "namespace": ns, "name": own, "labels": { "pod-template-hash": hash },
                "ownerReferences": [{ "kind": "Deployment", "name": name, "controller": true }],
            },
            "spec": { "replicas": keeper["spec"]["replicas"], "template": template },
            "status": {},
        });
        if let Some(known) = known {
            set = known.clone();
        }
        set["metadata"]["annotations"] = json!({ "deployment.kubernetes.io/revision": next });
        self.put("replicasets", set);
    }

    /// A pod, scheduled where there is a node for it.
    pub fn pod(
        &mut self,
        (ns, name): (&str, &str),
        owner: Option<(&str, &str)>,
        app: &str,
        image: &str,
        place: Option<String>,
    ) {
        let fits = |node: &Json| {
            let ready = node["status"]["conditions"].as_array().unwrap().iter();
            let up = ready.clone().any(|c| c["type"] == "Ready" && c["status"] == "True");
            (up && node["spec"]["unschedulable"] != true).then(|| text(&node["metadata"]["name"]))
        };
        let node = place.or_else(|| self.of("nodes").iter().find_map(fits));
        let now = self.stamp();
        let mut meta = json!({
            "namespace": ns, "name": name,
            "labels": { "app": app, "pod-template-hash": hash(image) },
        });
        if let Some((kind, by)) = owner {
            meta["ownerReferences"] = json!([{ "kind": kind, "name": by, "controller": true }]);
        }
        let (scheduled, why, conditions_words) = match &node {
            Some(_) => ("True", "", ""),
            None => {
                ("False", "Unschedulable", "0/1 nodes are available: 1 node(s) were unschedulable.")
            }
        };
        let mut is_scheduled = condition("PodScheduled", scheduled, why, &now);
        is_scheduled["message"] = conditions_words.into();
        let mut status = json!({
            "phase": "Pending",
            "conditions": [is_scheduled, condition("Ready", "False", "ContainersNotReady", &now)],
        });
        let mut spec = json!({ "containers": [{ "name": "app", "image": image }] });
        if let Some(node) = node {
            spec["nodeName"] = node.into();
            status["startTime"] = now.into();
            status["containerStatuses"] = json!([{
                "name": "app", "image": image, "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": "ContainerCreating" } }, "lastState": {},
            }]);
        }
        self.put("pods", json!({ "metadata": meta, "spec": spec, "status": status }));
    }

    /// A kubelet's second with one pod.
    fn live(&mut self, mut pod: Json) {
        let meta = &pod["metadata"];
        let (ns, name) = (text(&meta["namespace"]), text(&meta["name"]));
        let age = self.now - seconds(&text(&pod["status"]["startTime"]));
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        if age < STARTS || ended {
            return;
        }
        let image = text(&pod["spec"]["containers"][0]["image"]);
        let running = json!({ "running": { "startedAt": self.stamp() } });
        let one = &mut pod["status"]["containerStatuses"][0];
        let mut phase = "Running";
        let fresh = one["state"]["running"].is_null();
        // A pod that is cursed fares as that other image would.
        let fares = self.cursed.get(&name).cloned().unwrap_or(image.clone());
        let ready = match fate(&fares) {
            "missing" => {
                // The two take turns.
                let reason = if age % 30 < 8 { "ErrImagePull" } else { "ImagePullBackOff" };
                let words = format!("Back-off pulling image \"{image}\": not found");
                one["state"] = json!({ "waiting": { "reason": reason, "message": words } });
                phase = "Pending";
                false
            }
            "oom" => self.again_and_again(one, age - STARTS, "OOMKilled", 137),
            "crash" => self.again_and_again(one, age - STARTS, "Error", 1),
            fate => {
                if fresh {
                    one["state"] = running;
                }
                one["ready"] = (fate == "well").into();
                fate == "well"
            }
        };
        pod["status"]["phase"] = phase.into();
        self.put("pods", pod);
        self.ready(&ns, &name, ready);
    }

    /// A crash loop as it shows: one second running and ready, many terminated, then the back-off.
    fn again_and_again(&self, one: &mut Json, age: i64, reason: &str, code: i64) -> bool {
        let (mut left, mut restarts) = (age, 0_i64);
        loop {
            let pause = (10 << restarts.min(5)).min(300);
            if left < 1 + pause {
                let ended = |at: i64| json!({ "terminated": { "reason": reason, "exitCode": code, "finishedAt": stamp(at) } });
                let began = self.now - left;
                one["restartCount"] = restarts.into();
                if 0 < restarts {
                    let before = (10 << (restarts - 1).min(5)).min(300);
                    one["lastState"] = ended(began - before);
                }
                // `ready` lags behind for two seconds.
                one["ready"] = (left < 3).into();
                one["state"] = match left {
                    0 => json!({ "running": { "startedAt": stamp(began) } }),
                    _ if left <= pause * 4 / 5 => ended(began + 1),
                    _ => json!({ "waiting": {
                        "reason": "CrashLoopBackOff",
                        "message": format!("back-off {pause}s restarting failed container=app"),
                    } }),
                };
                if left != 0 && pause * 4 / 5 < left {
                    one["lastState"] = ended(began + 1);
                }
                return left == 0;
            }
            left -= 1 + pause;
            restarts += 1;
        }
    }

    /// The controllers say how they stand.
    fn tell(&mut self) {
        for (resource, _) in KEEPERS {
            for mut keeper in self.of(resource) {
                let (ns, name) =
                    (text(&keeper["metadata"]["namespace"]), text(&keeper["metadata"]["name"]));
                let pods = self.pods(&ns, &format!("{name}-"));
                let own = |pod: &&Json| {
                    text(&pod["metadata"]["labels"]["app"]) == name
                        && pod["metadata"]["deletionTimestamp"].is_null()
                };
                let pods: Vec<&Json> = pods.iter().filter(own).collect();
                let hash = template_hash(&keeper);
                let new =
                    |pod: &&&Json| text(&pod["metadata"]["labels"]["pod-template-hash"]) == hash;
                let (all, up) = (pods.len(), pods.iter().filter(|pod| is_ready(pod)).count());
                let updated = pods.iter().filter(new).count();
                let updated_up = pods.iter().filter(new).filter(|pod| is_ready(pod)).count();
                let wanted = match resource {
                    "daemonsets" => self.of("nodes").len(),
                    _ => usize::try_from(keeper["spec"]["replicas"].as_i64().unwrap_or(1))
                        .unwrap_or(0),
                };
                let generation = keeper["metadata"]["generation"].clone();
                let status = &mut keeper["status"];
                let began = status["observedGeneration"] != generation;
                status["observedGeneration"] = generation;
                match resource {
                    "deployments" => {
                        status["replicas"] = all.into();
                        status["updatedReplicas"] = updated.into();
                        status["availableReplicas"] = up.into();
                        let progress = self.progress(status, began, wanted <= updated_up);
                        status["conditions"] = json!([progress]);
                    }
                    "statefulsets" => {
                        status["readyReplicas"] = up.into();
                        status["updateRevision"] = hash.as_str().into();
                        if wanted <= updated_up || status["currentRevision"].is_null() {
                            status["currentRevision"] = hash.as_str().into();
                        }
                    }
                    _ => {
                        status["desiredNumberScheduled"] = wanted.into();
                        status["updatedNumberScheduled"] = updated.into();
                        status["numberReady"] = up.into();
                    }
                }
                self.put(resource, keeper);
            }
        }
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "what the controller itself asks")]
    fn progress(&self, status: &Json, began: bool, complete: bool) -> Json {
        let before = &status["conditions"][0];
        if !began && before["reason"] == "NewReplicaSetAvailable" {
            // What is lost later is no rollout.
            return before.clone();
        }
        if complete {
            return condition("Progressing", "True", "NewReplicaSetAvailable", &self.stamp());
        }
        if began || before.is_null() {
            return condition("Progressing", "True", "ReplicaSetUpdated", &self.stamp());
        }
        if before["status"] == "True" && seconds(&text(&before["lastUpdateTime"])) + 600 < self.now
        {
            return condition("Progressing", "False", "ProgressDeadlineExceeded", &self.stamp());
        }
        before.clone()
    }
}

pub fn is_ready(pod: &Json) -> bool {
    let all = pod["status"]["conditions"].as_array().unwrap();
    all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// Another one for another template.
fn template_hash(keeper: &Json) -> String {
    let template = &keeper["spec"]["template"];
    let image = text(&template["spec"]["containers"][0]["image"]);
    let mark = &template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
    hash(&format!("{image}{}", text(mark)))
}

/// Another one for another image.
fn hash(image: &str) -> String {
    let sum = image.bytes().fold(7_u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(b)));
    format!("{:08x}", sum & 0xffff_ffff)
}

/// RFC 3339 as Unix seconds.
fn seconds(text: &str) -> i64 {
    let parts: Vec<i64> =
        text.split(['-', 'T', ':', 'Z']).filter_map(|part| part.parse().ok()).collect();
    let &[year, month, day, h, m, s] = parts.as_slice() else { return i64::MAX / 2 };
    // Days since 1970 by the civil calendar, with March as the first month.
    let (y, from_march) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + h) * 60 + m) * 60 + s
}
