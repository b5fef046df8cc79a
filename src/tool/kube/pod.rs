//! `kube.pods` and `kube.pod`: how a workload's pods fare, and what ails one of them.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::objects::{ContainerStatus, Pod, bytes};
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{ToolName, Word};
use crate::model::object::{Object, ObjectKind};
use crate::model::target::{Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values, human_bytes};
use crate::tool::args::{failed, gives, made, required};
use crate::tool::kube::ill::{self, Finding, Ill};
use crate::tool::kube::{LOOK, cluster, object, pods_of, told, unread};
use crate::tool::unit::word;
use crate::tool::world::{KnownCluster, World};

/// Kinds that keep pods, and the pod that nobody keeps.
pub(super) const WORKLOADS: [ObjectKind; 5] = [
    ObjectKind::Deployment,
    ObjectKind::StatefulSet,
    ObjectKind::DaemonSet,
    ObjectKind::Job,
    ObjectKind::Pod,
];
/// Pods that are told one by one.
const TOLD: usize = 20;
/// Evictions are counted over this time.
const DAY: Span = Span::hours(24);

fn pods_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.pods"),
        summary: "List the pods of a workload, the one that fares worst first",
        inputs: vec![required(
            "workload",
            Kind::Target,
            "CLUSTER/NAMESPACE/deployment/NAME, or another kind",
        )],
        gives: vec![
            gives("pod", Kind::Target, "the pod that fares worst"),
            gives("class", Kind::Word, "what ails it, as kube.pod says"),
            gives("count", Kind::Int, "pods in all"),
            gives("ready", Kind::Int, "pods that serve"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a cluster that the config does not name; no right to list pods (`reef install --print k8s-role`)",
        timeout: LOOK,
        example: "tool = \"kube.pods\"\nargs = { workload = \"k3s/media/deployment/jellyfin\" }",
    }
}

fn pod_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.pod"),
        summary: "Describe one pod: state, last end, restarts, owner, limits, and what ails it",
        inputs: vec![required("pod", Kind::Target, "CLUSTER/NAMESPACE/pod/NAME")],
        gives: vec![
            gives(
                "class",
                Kind::Word,
                "memory, crash, image, config, failed, unscheduled, not-ready, starting, ending, none",
            ),
            gives(
                "reason",
                Kind::Word,
                "as the cluster shows it now: CrashLoopBackOff, OOMKilled, Running ...",
            ),
            gives("last_reason", Kind::Word, "how its container ended last: OOMKilled, Error ..."),
            gives("says", Kind::Text, "all of it in one line, for people"),
            gives("exit_code", Kind::Int, "with which code"),
            gives("restarts", Kind::Int, "of that container in all"),
            gives("container", Kind::Word, "the container that it is about"),
            gives("healthy", Kind::Flag, "whether the pod serves"),
            gives("owner", Kind::Target, "the workload that keeps it; itself where nobody does"),
            gives("owner_kind", Kind::Word, "deployment, statefulset, daemonset, job, pod"),
            gives("stateless", Kind::Flag, "whether it mounts no claim and no folder of its node"),
            gives("limit", Kind::Bytes, "the container's memory limit, where it has one"),
            gives("usage", Kind::Bytes, "the memory it uses, where the cluster measures that"),
            gives("node", Kind::Target, "the node that it is on"),
            gives("evictions", Kind::Int, "how often reef evicted a pod of its owner in 24 hours"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a pod that is gone; no right to read pods (`reef install --print k8s-role`)",
        timeout: LOOK,
        example: "tool = \"kube.pod\"\nargs = { pod = \"k3s/media/pod/jellyfin-7d9f-x2x4k\" }",
    }
}

/// `kube.pods`.
pub fn pods(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(pods_spec(), move |args| {
        let (target, workload) = object(args, "workload", &WORKLOADS)?;
        let known = cluster(&world, args)?;
        Ok(Parsed::Query(Box::new(Pods { known, target, workload, now: world.now.now() })))
    })
}

struct Pods {
    known: Arc<KnownCluster>,
    target: Target,
    workload: Object,
    now: Millis,
}

/// The target of a pod of this name; `None` where the cluster gave it a name that no target can have.
fn pod_target(like: &Target, namespace: &str, name: &str) -> Option<Target> {
    let object = Object::new(namespace, ObjectKind::Pod, name).ok()?;
    Some(Target::object(like.on().clone(), &object))
}

fn count(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

impl Query for Pods {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let mut pods = pods_of(&self.known.cluster, &self.workload).await?;
            let now = self.now;
            pods.sort_by_cached_key(|pod| {
                let found = ill::of(pod, now);
                let restarts = found.container.map_or(0, |one| one.restart_count);
                (found.ill, std::cmp::Reverse(restarts), pod.metadata.name.clone())
            });
            let serving = pods.iter().filter(|pod| pod.serves(now)).count();
            let mut values = Values::from([
                ("count".to_owned(), count(pods.len())),
                ("ready".to_owned(), count(serving)),
            ]);
            let mut words = format!("{}: {serving} of {} pods serve", self.target, pods.len());
            if let Some(worst) = pods.first() {
                let ill = ill::of(worst, now).ill;
                values.insert("class".into(), Value::Word(Word::of(ill.word())));
                let target =
                    pod_target(&self.target, self.workload.namespace(), &worst.metadata.name);
                values.extend(target.map(|target| ("pod".to_owned(), Value::Target(target))));
                if ill != Ill::No {
                    words += &format!("; {} fares worst ({})", worst.metadata.name, ill.word());
                }
            }
            for pod in pods.iter().take(TOLD) {
                let found = ill::of(pod, now);
                let restarts = found.container.map_or(0, |one| one.restart_count);
                words += &format!(
                    "\n{}: {}, {restarts} restarts, on {}",
                    pod.metadata.name,
                    found.shown(),
                    pod.spec.node_name
                );
            }
            Ok(Found { values, words: told(&self.known, &words) })
        })
    }
}

/// `kube.pod`.
pub fn pod(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(pod_spec(), move |args| {
        let (target, pod) = object(args, "pod", &[ObjectKind::Pod])?;
        let known = cluster(&world, args)?;
        Ok(Parsed::Query(Box::new(Describe { world: world.clone(), known, target, pod })))
    })
}

struct Describe {
    world: World,
    known: Arc<KnownCluster>,
    target: Target,
    pod: Object,
}

impl Query for Describe {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let (namespace, name) = (self.pod.namespace(), self.pod.name());
            let cluster = &self.known.cluster;
            let pod: Pod = cluster.one(namespace, name).await.map_err(unread)?;
            let now = self.world.now.now();
            let found = ill::of(&pod, now);
            let owner = owner(&self.target, &pod);
            let evict = ToolName::of("kube.evict");
            let evictions = self.world.deeds.count(&evict, &owner, now - DAY).await;
            let evictions = evictions.map_err(failed)?;
            let memory = match found.container {
                Some(one) => Memory {
                    limit: limit(&pod, &one.name),
                    usage: cluster.memory(namespace, name, &one.name).await,
                },
                None => Memory::default(),
            };
            let mut values = values(&pod, &found, memory, now);
            values.insert("owner_kind".into(), Value::Word(word(pod.keeper().0.as_str())));
            values.insert("evictions".into(), Value::Int(evictions.into()));
            let on = Target::new(self.target.on().clone(), Thing::Member, &pod.spec.node_name);
            values.extend(on.ok().map(|on| ("node".to_owned(), Value::Target(on))));
            let says = says(&pod, &found, memory);
            let words = format!("{} of {owner}: {says}", self.target);
            values.insert("owner".into(), Value::Target(owner));
            values.insert("says".into(), Value::Text(told(&self.known, &says)));
            Ok(Found { values, words: told(&self.known, &words) })
        })
    }
}

/// What keeps a pod, as a target.
pub(super) fn owner(pod: &Target, of: &Pod) -> Target {
    let (kind, name) = of.keeper();
    let object = Object::new(&of.metadata.namespace, kind, &name);
    object.map_or_else(|_| pod.clone(), |object| Target::object(pod.on().clone(), &object))
}

#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    limit: Option<u64>,
    usage: Option<u64>,
}

fn limit(pod: &Pod, container: &str) -> Option<u64> {
    let own = pod.spec.containers.iter().find(|one| one.name == container)?;
    bytes(own.resources.limits.get("memory")?)
}

fn values(pod: &Pod, found: &Finding<'_>, memory: Memory, now: Millis) -> Values {
    let mut values = Values::from([
        ("class".to_owned(), Value::Word(Word::of(found.ill.word()))),
        ("reason".to_owned(), Value::Word(word(found.shown()))),
        ("healthy".to_owned(), Value::Flag(pod.serves(now))),
        ("stateless".to_owned(), Value::Flag(pod.is_stateless())),
        ("restarts".to_owned(), Value::Int(0)),
    ]);
    if let Some(one) = found.container {
        values.insert("container".into(), Value::Word(word(&one.name)));
        let restarts = i64::try_from(one.restart_count).unwrap_or(i64::MAX);
        values.insert("restarts".into(), Value::Int(restarts));
        if let Some(end) = one.last_end() {
            values.insert("last_reason".into(), Value::Word(word(&end.reason)));
            values.insert("exit_code".into(), Value::Int(end.exit_code));
        }
    }
    values.extend(memory.limit.map(|n| ("limit".to_owned(), Value::Bytes(n))));
    values.extend(memory.usage.map(|n| ("usage".to_owned(), Value::Bytes(n))));
    values
}

/// All of it in one line: that is what reaches the human.
fn says(pod: &Pod, found: &Finding<'_>, memory: Memory) -> String {
    let mut words = found.ill.word().to_owned();
    match found.container {
        Some(one) => words += &of_container(one, found),
        None => words += &format!(", {}", pod.status.phase),
    }
    let said =
        found.container.and_then(|one| one.state.waiting.as_ref()).map(|w| w.message.as_str());
    let said = said.filter(|said| !said.is_empty()).unwrap_or(&pod.status.message);
    if !said.is_empty() && found.ill != Ill::No {
        words += &format!(" ({said})");
    }
    match (memory.limit, memory.usage) {
        (Some(limit), Some(usage)) => {
            words += &format!("; memory limit {}, uses {}", human_bytes(limit), human_bytes(usage));
        }
        (Some(limit), None) => words += &format!("; memory limit {}", human_bytes(limit)),
        (None, Some(usage)) => words += &format!("; no memory limit, uses {}", human_bytes(usage)),
        (None, None) if found.ill == Ill::Memory => words.push_str("; no memory limit of its own"),
        (None, None) => {}
    }
    if found.ill == Ill::Memory {
        words.push_str(": consider memory limit increase or code fix");
    }
    if !pod.is_stateless() {
        words.push_str("; it keeps state");
    }
    words
}

fn of_container(one: &ContainerStatus, found: &Finding<'_>) -> String {
    let mut words = format!("; {} shows {}", one.name, found.shown());
    if let Some(end) = one.last_end() {
        words += &format!(", ended last with {} (exit code {})", end.reason, end.exit_code);
        if let (Some(from), Some(to)) = (end.started_at.0, end.finished_at.0) {
            words += &format!(" after {}", to.since(from));
        }
    }
    words + &format!(", {} restarts", one.restart_count)
}
