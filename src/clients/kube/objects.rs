//! What is read of the objects of a cluster. Everything else in them is left where it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::list::{Listed, Place};
use crate::model::time::Millis;

/// Go writes an empty list, map or text as `null` at times.
pub(in crate::clients::kube) fn nullable<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// Derives what all of these have in common: unknown fields are skipped, missing ones have defaults.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub struct $name {
            $($(#[$of])* #[serde(deserialize_with = "nullable")] pub $field: $type,)*
        }
    };
}

macro_rules! listed {
    ($name:ident, $group:literal, $resource:literal $(, $place:expr)?) => {
        impl Listed for $name {
            const GROUP: &'static str = $group;
            const RESOURCE: &'static str = $resource;
            $(const PLACE: Place = $place;)?
        }
    };
}

/// A time of the API: RFC 3339 in UTC. What cannot be read is no time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Option<Millis>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<String>::deserialize(from)?.as_deref().and_then(instant)))
    }
}

/// `2026-11-01T08:15:00Z`, with or without a fraction.
pub(super) fn instant(text: &str) -> Option<Millis> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |part: &str, by: char| -> Option<Vec<i64>> {
        part.split(by).map(|n| n.parse().ok().filter(|n| (0..10_000).contains(n))).collect()
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let (&[year, month, day], &[hour, minute, second]) = (date.as_slice(), time.as_slice()) else {
        return None;
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || 24 <= hour || 60 <= minute {
        return None;
    }
    // Days since 1970 by the civil calendar, with March as the first month.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(Millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + millis))
}

/// Labels and annotations: only what reef goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// `reef.watch=false`: not to be watched.
    #[serde(rename = "reef.watch")]
    pub watch: Option<String>,
    /// With a ReplicaSet's name it gives the deployment's.
    #[serde(rename = "pod-template-hash")]
    pub template: Option<String>,
    /// Of a pod that a node keeps from a file of its own.
    #[serde(rename = "kubernetes.io/config.mirror")]
    pub mirror: Option<String>,
    /// Of a ReplicaSet: which rollout it was.
    #[serde(rename = "deployment.kubernetes.io/revision")]
    pub revision: Option<String>,
    /// Of an ingress whose certificate cert-manager makes: by whom.
    #[serde(rename = "cert-manager.io/issuer")]
    pub issuer: Option<String>,
    #[serde(rename = "cert-manager.io/cluster-issuer")]
    pub cluster_issuer: Option<String>,
}

object!(
    /// What every object has.
    Meta {
        name: String,
        namespace: String,
        uid: String,
        resource_version: String,
        generation: i64,
        labels: Marks,
        annotations: Marks,
        owner_references: Vec<Owner>,
        creation_timestamp: Time,
        deletion_timestamp: Time,
    }
);

impl Meta {
    /// Whether a label or an annotation says that it is not to be watched.
    pub fn is_left_out(&self) -> bool {
        let no = |marks: &Marks| marks.watch.as_deref() == Some("false");
        no(&self.labels) || no(&self.annotations)
    }

    /// Whoever makes it anew when it is gone.
    pub fn controller(&self) -> Option<&Owner> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

object!(Owner { kind: String, name: String, controller: bool });

object!(
    /// One of an object's conditions.
    Condition {
        #[serde(rename = "type")]
        kind: String,
        /// `True`, `False` or `Unknown`.
        status: String,
        reason: String,
        message: String,
        last_transition_time: Time,
        last_update_time: Time,
    }
);

/// The condition of this kind.
pub fn condition<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    all.iter().find(|condition| condition.kind == kind)
}

object!(Node { metadata: Meta, spec: NodeSpec, status: NodeStatus });
object!(NodeSpec { unschedulable: bool });
object!(NodeStatus { conditions: Vec<Condition>, node_info: NodeInfo, });
object!(NodeInfo {
    /// Another one after each boot.
    #[serde(rename = "bootID")]
    boot_id: String,
    kubelet_version: String,
});
listed!(Node, "/api/v1", "nodes", Place::Cluster);

object!(Pod { metadata: Meta, spec: PodSpec, status: PodStatus });
object!(PodSpec { node_name: String, containers: Vec<Container>, volumes: Vec<Volume> });
object!(
    /// Where its data lie, where they outlive it.
    Volume { persistent_volume_claim: Option<ClaimRef>, host_path: Option<HostFolder> }
);
object!(ClaimRef { claim_name: String });
object!(HostFolder { path: String });
object!(
    PodStatus {
        phase: String,
        reason: String,
        message: String,
        start_time: Time,
        conditions: Vec<Condition>,
        init_container_statuses: Vec<ContainerStatus>,
        container_statuses: Vec<ContainerStatus>,
    }
);
object!(ContainerStatus {
    name: String,
    /// Lags behind: it may say yes of a container that is terminated.
    ready: bool,
    restart_count: u64,
    state: ContainerState,
    last_state: ContainerState,
});
object!(
    /// One of the three, or none yet.
    ContainerState {
        waiting: Option<Waiting>,
        running: Option<Running>,
        terminated: Option<Terminated>,
    }
);
object!(Waiting { reason: String, message: String });
object!(Running { started_at: Time });
object!(Terminated {
    reason: String,
    message: String,
    exit_code: i64,
    started_at: Time,
    finished_at: Time,
});
listed!(Pod, "/api/v1", "pods");

object!(Deployment { metadata: Meta, spec: DeploymentSpec, status: DeploymentStatus });
object!(
    DeploymentSpec {
        /// 1 where nothing is said.
        replicas: Option<i64>,
        paused: bool,
        progress_deadline_seconds: Option<i64>,
        template: Template,
    }
);
object!(Template { spec: TemplateSpec });
object!(TemplateSpec { containers: Vec<Container>, });
object!(Container { name: String, image: String, resources: Resources });
object!(Resources { limits: BTreeMap<String, String> });
object!(
    DeploymentStatus {
        observed_generation: i64,
        replicas: i64,
        updated_replicas: i64,
        available_replicas: i64,
        conditions: Vec<Condition>,
    }
);
listed!(Deployment, "/apis/apps/v1", "deployments");

object!(ReplicaSet { metadata: Meta, spec: ReplicaSetSpec, status: ReplicaSetStatus });
object!(ReplicaSetSpec {
    replicas: Option<i64>,
    /// Whole, because a rollback puts it back as it was.
    template: serde_json::Value,
});
object!(ReplicaSetStatus { ready_replicas: i64 });
listed!(ReplicaSet, "/apis/apps/v1", "replicasets");

object!(
    /// How many pods a workload shall have.
    Scale { metadata: Meta, spec: ScaleSpec }
);
object!(ScaleSpec { replicas: i64 });

object!(StatefulSet { metadata: Meta, spec: DeploymentSpec, status: StatefulSetStatus });
object!(StatefulSetStatus {
    observed_generation: i64,
    ready_replicas: i64,
    current_revision: String,
    update_revision: String,
});
listed!(StatefulSet, "/apis/apps/v1", "statefulsets");

object!(DaemonSet { metadata: Meta, spec: DeploymentSpec, status: DaemonSetStatus });
object!(DaemonSetStatus {
    observed_generation: i64,
    desired_number_scheduled: i64,
    updated_number_scheduled: i64,
    number_ready: i64,
});
listed!(DaemonSet, "/apis/apps/v1", "daemonsets");

object!(Job { metadata: Meta, spec: JobSpec, status: JobStatus });
object!(JobSpec { suspend: bool });
object!(
    JobStatus {
        active: i64,
        failed: i64,
        start_time: Time,
        completion_time: Time,
        conditions: Vec<Condition>,
    }
);
listed!(Job, "/apis/batch/v1", "jobs");

object!(CronJob { metadata: Meta, spec: CronJobSpec, status: CronJobStatus });
object!(
    CronJobSpec {
        schedule: String,
        time_zone: Option<String>,
        suspend: bool,
    }
);
object!(
    CronJobStatus {
        active: Vec<ActiveJob>,
        last_schedule_time: Time,
        last_successful_time: Time,
    }
);
object!(ActiveJob { name: String });
listed!(CronJob, "/apis/batch/v1", "cronjobs");

object!(Claim { metadata: Meta, spec: ClaimSpec, status: ClaimStatus });
object!(ClaimSpec { volume_name: String, storage_class_name: Option<String>, });
object!(ClaimStatus { phase: String, capacity: BTreeMap<String, String>, });
listed!(Claim, "/api/v1", "persistentvolumeclaims");

object!(
    /// A Warning or a note. Its count stands in one of three places, or nowhere.
    Event {
        metadata: Meta,
        #[serde(rename = "type")]
        kind: String,
        reason: String,
        message: String,
        involved_object: Involved,
        count: Option<u64>,
        series: Option<Series>,
        first_timestamp: Time,
        last_timestamp: Time,
        event_time: Time,
    }
);
object!(Involved { kind: String, namespace: String, name: String });
object!(Series { count: u64, last_observed_time: Time });
listed!(Event, "/api/v1", "events");

impl Event {
    /// How often it happened: the old form counts itself, the newer one its series, a newer one that
    /// happened once neither.
    pub fn times(&self) -> u64 {
        let series = self.series.as_ref().map(|series| series.count);
        self.count.or(series).unwrap_or(1).max(1)
    }

    /// When it happened last.
    pub fn last(&self) -> Option<Millis> {
        let series = self.series.as_ref().and_then(|series| series.last_observed_time.0);
        [series, self.last_timestamp.0, self.event_time.0, self.metadata.creation_timestamp.0]
            .into_iter()
            .flatten()
            .max()
    }
}

object!(
    /// A secret of type `kubernetes.io/tls`. Its key is not read.
    TlsSecret {
        metadata: Meta,
        data: TlsData,
    }
);
object!(TlsData {
    /// PEM in base64.
    #[serde(rename = "tls.crt")]
    certificate: String,
});
listed!(TlsSecret, "/api/v1", "secrets");

object!(Ingress { metadata: Meta, spec: IngressSpec, status: IngressStatus });
object!(IngressSpec { tls: Vec<IngressTls>, });
object!(IngressTls { hosts: Vec<String>, secret_name: String, });
object!(IngressStatus { load_balancer: LoadBalancer });
object!(LoadBalancer { ingress: Vec<Entrance>, });
object!(Entrance { ip: String, hostname: String });
listed!(Ingress, "/apis/networking.k8s.io/v1", "ingresses");

/// A quantity of bytes: `5Gi`, `500M`, `1073741824`, `1500m`. None for what is none.
pub fn bytes(quantity: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 12] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000),
    ];
    if let Some(thousandths) = quantity.strip_suffix('m') {
        return thousandths.parse::<u64>().ok().map(|n| n.div_ceil(1_000));
    }
    let unit = UNITS.iter().find(|(unit, _)| quantity.ends_with(unit));
    let (number, unit) = match unit {
        Some((unit, n)) => (quantity.strip_suffix(unit)?, *n),
        None => (quantity, 1),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let tenths: u64 = format!("{part:0<1}").get(..1)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(unit.checked_mul(tenths)? / 10)
}
