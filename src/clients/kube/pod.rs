//! What a pod's object says of the pod: who keeps it, whether it serves, and whether its data outlive it.

use super::objects::{ContainerStatus, Pod, Terminated, condition};
use crate::model::object::ObjectKind;
use crate::model::time::{Millis, Span};

/// A container that came back from a bad end is believed after this long: in a crash loop each round shows
/// a second in which all is well.
const SETTLED: Span = Span::mins(1);

impl Pod {
    /// Who keeps it, as its labels and owners tell. A ReplicaSet's name is the deployment's with the hash of
    /// its template.
    pub fn keeper(&self) -> (ObjectKind, String) {
        let own = || (ObjectKind::Pod, self.metadata.name.clone());
        let Some(owner) = self.metadata.controller() else { return own() };
        match owner.kind.as_str() {
            "ReplicaSet" => {
                let hash = self.metadata.labels.template.as_deref();
                let name = hash.and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-'));
                name.map_or_else(own, |name| (ObjectKind::Deployment, name.to_owned()))
            }
            "StatefulSet" => (ObjectKind::StatefulSet, owner.name.clone()),
            "DaemonSet" => (ObjectKind::DaemonSet, owner.name.clone()),
            "Job" => (ObjectKind::Job, owner.name.clone()),
            // Of a node's own files, or of an operator that reef does not know.
            _ => own(),
        }
    }

    /// All of its containers, those that run before the others too.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.status.init_container_statuses.iter().chain(&self.status.container_statuses)
    }

    pub fn is_ending(&self) -> bool {
        self.metadata.deletion_timestamp.0.is_some()
    }

    pub fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Whether a node keeps it from a file of its own: deleting it does nothing to it.
    pub fn is_mirror(&self) -> bool {
        let of_node = self.metadata.owner_references.iter().any(|owner| owner.kind == "Node");
        of_node || self.metadata.annotations.mirror.is_some()
    }

    /// Whether it serves: ready, every container of it running, and none of them only just back from a bad
    /// end. What its node says of it is believed; whoever counts looks at the node too.
    pub fn serves(&self, now: Millis) -> bool {
        let ready = condition(&self.status.conditions, "Ready").is_some_and(|c| c.status == "True");
        ready
            && !self.is_ending()
            && !self.is_over()
            && self.status.container_statuses.iter().all(|one| one.is_steady(now))
    }

    /// Whether nothing that it keeps outlives it: it mounts no claim and no folder of its node.
    pub fn is_stateless(&self) -> bool {
        self.spec
            .volumes
            .iter()
            .all(|volume| volume.persistent_volume_claim.is_none() && volume.host_path.is_none())
    }
}

impl ContainerStatus {
    fn is_steady(&self, now: Millis) -> bool {
        let Some(running) = &self.state.running else { return false };
        // The cluster's clock and ours may differ by a little either way.
        let young =
            running.started_at.0.is_some_and(|at| now.since(at).max(at.since(now)) < SETTLED);
        let fell = self.last_state.terminated.as_ref().is_some_and(Terminated::is_bad);
        self.ready && !(young && fell)
    }

    /// How it ended last, where it did.
    pub fn last_end(&self) -> Option<&Terminated> {
        [&self.state, &self.last_state].into_iter().find_map(|state| state.terminated.as_ref())
    }

    /// The reason that it gives for waiting.
    pub fn waits_for(&self) -> Option<&str> {
        self.state.waiting.as_ref().map(|waiting| waiting.reason.as_str())
    }
}

impl Terminated {
    pub fn is_bad(&self) -> bool {
        self.exit_code != 0 || self.reason == "OOMKilled"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Millis = Millis(1_793_491_200_000);

    fn pod(one: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "x" },
            "status": {
                "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
                "containerStatuses": [one],
            },
        }))
        .unwrap()
    }

    #[test]
    fn the_one_good_second_of_a_crash_loop_is_not_serving() {
        let bad = json!({ "terminated": { "reason": "Error", "exitCode": 1 } });
        let good = json!({ "terminated": { "reason": "Completed", "exitCode": 0 } });
        let up = |at: &str, last: &serde_json::Value| json!({ "name": "a", "ready": true, "state": { "running": { "startedAt": at } }, "lastState": last });
        let none = json!({});
        for (one, serves) in [
            (up("2026-10-31T23:59:59Z", &none), true),
            (up("2026-10-31T23:59:59Z", &good), true),
            (up("2026-10-31T23:59:59Z", &bad), false),
            // The cluster's clock runs ahead.
            (up("2026-11-01T00:00:20Z", &bad), false),
            (up("2026-10-31T23:58:00Z", &bad), true),
            (json!({ "name": "a", "ready": true, "state": bad, "lastState": {} }), false),
        ] {
            assert_eq!(pod(&one).serves(NOW), serves, "{one}");
        }
    }

    #[test]
    fn a_claim_and_a_folder_of_the_node_are_state() {
        for (volumes, stateless) in [
            (json!(null), true),
            (
                json!([{ "name": "a", "emptyDir": {} }, { "name": "b", "configMap": { "name": "c" } }]),
                true,
            ),
            (json!([{ "name": "a", "persistentVolumeClaim": { "claimName": "d" } }]), false),
            (json!([{ "name": "a", "hostPath": { "path": "/srv" } }]), false),
        ] {
            let pod: Pod =
                serde_json::from_value(json!({ "spec": { "volumes": volumes } })).unwrap();
            assert_eq!(pod.is_stateless(), stateless, "{volumes}");
        }
    }
}
