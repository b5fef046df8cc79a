//! `kube`: a Kubernetes cluster: its API server, its nodes, and each workload as one signal.

mod certificates;
mod config;
mod jobs;
mod nodes;
mod pods;
mod scope;
#[cfg(test)]
mod tests;
mod volumes;
mod warnings;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::Fut;
use crate::clients::kube::list::{Fresh, List, Listed};
use crate::clients::kube::objects::{
    CronJob, DaemonSet, Deployment, Event, Job, Meta, Node, Pod, StatefulSet,
};
use crate::clients::kube::watch::Rests;
use crate::clients::kube::{Cluster, NoCluster};
use crate::model::change::{Change, ChangeKind};
use crate::model::ids::{HostName, Word};
use crate::model::object::{Object, ObjectKind};
use crate::model::reading::{Intent, Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::value::Value;
use crate::policy::redact::Redactor;
use crate::probe::ask::host_signal;
pub use crate::probe::kube::config::{configure, gives};
use crate::probe::kube::jobs::Came;
use crate::probe::kube::pods::{Counters, Fare, keeper};
use crate::probe::kube::scope::{BlindSpots, Scope, api_signal};
use crate::probe::kube::warnings::Warnings;
use crate::probe::kube::workloads::{Verdict, Wanted};
use crate::probe::{Bell, NetProbe, Past};

/// The reason of what stands still because somebody wanted it so: scaled to 0, cordoned, suspended.
const INTENDED: &str = "intended";
/// Signals of one cluster; what lies beyond is told in words.
const MOST: usize = 2_000;

/// Looks at one cluster: one LIST a kind, a look and a namespace.
#[derive(Debug)]
pub struct KubeProbe {
    name: HostName,
    cluster: Cluster,
    scope: Scope,
    redactor: Arc<Redactor>,
    blind: BlindSpots,
    /// Nodes that are hosts of the config: those explain them.
    hosts: BTreeSet<HostName>,
    counters: Counters,
    /// What it spoke of at the last look that could see, with what changed would be worth a note.
    known: BTreeMap<Signal, Known>,
    /// When a rollout without a date was first seen.
    began: BTreeMap<(ObjectKind, String, String), (i64, Millis)>,
    changes: Vec<Change>,
    retired: Vec<Signal>,
    bell: Option<Bell>,
    watches: JoinSet<()>,
}

/// What is remembered of a thing until the next look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    /// The images of a workload, the boot of a node.
    version: String,
    /// Whether somebody switched it off: scaled to 0, cordoned, suspended.
    off: Option<bool>,
}

/// The answers of one look.
struct Seen {
    nodes: Result<List<Node>, NoCluster>,
    pods: Result<List<Pod>, NoCluster>,
    deployments: Result<List<Deployment>, NoCluster>,
    stateful: Result<List<StatefulSet>, NoCluster>,
    daemons: Result<List<DaemonSet>, NoCluster>,
    jobs: Result<List<Job>, NoCluster>,
    crons: Result<List<CronJob>, NoCluster>,
}

/// A reading in the making.
struct Draft {
    reading: Reading,
    known: Known,
    /// Under which names its events run.
    events: Vec<(&'static str, String)>,
    namespace: String,
}

impl KubeProbe {
    fn new(
        name: HostName,
        cluster: Cluster,
        scope: Scope,
        redactor: Arc<Redactor>,
        blind: BlindSpots,
        hosts: BTreeSet<HostName>,
    ) -> Self {
        Self {
            name,
            cluster,
            scope,
            redactor,
            blind,
            hosts,
            counters: Counters::default(),
            known: BTreeMap::new(),
            began: BTreeMap::new(),
            changes: Vec::new(),
            retired: Vec::new(),
            bell: None,
            watches: JoinSet::new(),
        }
    }

    /// The nodes first, as the store has them: a small real LIST, because `/readyz` says ok while the
    /// store behind it hangs. What follows may come from the API server's memory.
    async fn see(&self) -> Result<Seen, NoCluster> {
        let nodes = self.cluster.list::<Node>(&[], Fresh::Store, None).await;
        let fresh = match &nodes {
            Ok(_) => Fresh::Memory,
            // Another list must say whether the store answers.
            Err(NoCluster::Denied(_)) => Fresh::Store,
            Err(why) => return Err(why.clone()),
        };
        let pods = self.list(fresh);
        let (pods, deployments, stateful, daemons, jobs, crons) = tokio::join!(
            pods,
            self.list(Fresh::Memory),
            self.list(Fresh::Memory),
            self.list(Fresh::Memory),
            self.list(Fresh::Memory),
            self.list(Fresh::Memory),
        );
        Ok(Seen { nodes, pods, deployments, stateful, daemons, jobs, crons })
    }

    async fn list<T: Listed>(&self, fresh: Fresh) -> Result<List<T>, NoCluster> {
        self.cluster.list(&self.scope.only, fresh, None).await
    }

    fn judge(&mut self, seen: Seen, now: Millis) -> (Vec<Reading>, Vec<Draft>) {
        let lists = [
            ("nodes", seen.nodes.as_ref().err().cloned()),
            ("pods", seen.pods.as_ref().err().cloned()),
            ("deployments", seen.deployments.as_ref().err().cloned()),
            ("statefulsets", seen.stateful.as_ref().err().cloned()),
            ("daemonsets", seen.daemons.as_ref().err().cloned()),
            ("jobs", seen.jobs.as_ref().err().cloned()),
            ("cronjobs", seen.crons.as_ref().err().cloned()),
        ];
        let failed: BTreeMap<&'static str, NoCluster> =
            lists.into_iter().filter_map(|(of, why)| Some((of, why?))).collect();
        let nodes = seen.nodes.unwrap_or_default().items;
        let api = self.api(nodes.len(), &failed, now);
        let mut drafts: Vec<Draft> = nodes.iter().filter_map(|node| self.node(node, now)).collect();
        // Without the pods nobody knows how anything runs.
        if let Ok(pods) = seen.pods {
            let lists = (seen.deployments, seen.stateful, seen.daemons);
            let (of_jobs, mut found) = self.workloads(&pods.items, &nodes, lists, now);
            drafts.append(&mut found);
            drafts.extend(self.jobs(seen.jobs, seen.crons, &of_jobs, now));
        }
        drafts.truncate(MOST);
        let mut readings = vec![api];
        self.remember(&drafts, now);
        readings.extend(self.left_behind(&drafts, &failed, now));
        (readings, drafts)
    }

    /// Whether the API server answers, and what it does not let the account see.
    fn api(&self, nodes: usize, failed: &BTreeMap<&str, NoCluster>, now: Millis) -> Reading {
        let broken = failed.iter().find(|(_, why)| !matches!(why, NoCluster::Denied(_)));
        let signal = api_signal(&self.name);
        if let Some((of, why)) = broken {
            let words = format!("{why} (it was asked for {of})");
            return Reading::new(signal, now, severity(why), Word::of(why.word()), &words);
        }
        if let (Some(why), true) = (failed.get("pods"), failed.len() == 7) {
            let words = why.to_string();
            return Reading::new(signal, now, Severity::Unknown, Word::of(why.word()), &words);
        }
        let mut words = format!("lists {nodes} nodes");
        let mut blind = self.blind.words();
        blind.extend(failed.values().map(ToString::to_string));
        if !blind.is_empty() {
            words += &format!("; does not see: {}", blind.join("; "));
        }
        let mut reading = Reading::new(signal, now, Severity::Green, Word::of("ok"), &words);
        reading.value = u32::try_from(nodes).ok().map(f64::from);
        reading.unit = Some(Unit::Count);
        reading
    }

    fn node(&mut self, node: &Node, now: Millis) -> Option<Draft> {
        let name = &node.metadata.name;
        if node.metadata.is_left_out() {
            return None;
        }
        let target = Target::new(self.name.clone(), Thing::Member, name).ok()?;
        let (severity, reason, words) = nodes::judge(node);
        let mut reading = self.reading(target, (severity, reason, words), now);
        let host = HostName::new(name.as_str()).ok().filter(|name| self.hosts.contains(name));
        reading.parent = host.map(|host| host_signal(&host)).or(reading.parent);
        reading.values.insert("member".into(), Value::Target(reading.signal.target.clone()));
        let version = node.status.node_info.boot_id.clone();
        let known = Known { version, off: Some(node.spec.unschedulable) };
        Some(Draft {
            reading,
            known,
            events: vec![("Node", name.clone())],
            // Events of what has no namespace are kept in this one, and name none.
            namespace: String::new(),
        })
    }

    #[expect(clippy::type_complexity, reason = "three lists of three kinds, used once")]
    fn workloads(
        &mut self,
        pods: &[Pod],
        nodes: &[Node],
        lists: (
            Result<List<Deployment>, NoCluster>,
            Result<List<StatefulSet>, NoCluster>,
            Result<List<DaemonSet>, NoCluster>,
        ),
        now: Millis,
    ) -> (BTreeMap<(String, String), Vec<Fare>>, Vec<Draft>) {
        let down: BTreeSet<&str> = nodes
            .iter()
            .filter(|node| nodes::ready(node) != nodes::Ready::Yes)
            .map(|node| node.metadata.name.as_str())
            .collect();
        self.counters.keep(pods);
        let mut wanted = self.wanted(lists, now);
        let there: BTreeSet<(ObjectKind, &str, &str)> = wanted
            .iter()
            .map(|w| (w.kind, w.meta.namespace.as_str(), w.meta.name.as_str()))
            .collect();
        let mut fares: BTreeMap<(ObjectKind, String, String), Vec<Fare>> = BTreeMap::new();
        let mut alone: Vec<Meta> = Vec::new();
        for pod in pods.iter().filter(|pod| self.scope.has(&pod.metadata)) {
            let (mut kind, mut name) = keeper(pod);
            let of = (kind, pod.metadata.namespace.as_str(), name.as_str());
            // A ReplicaSet of its own, or of a deployment that the account may not see.
            if kind == ObjectKind::Deployment && !there.contains(&of) {
                (kind, name) = (ObjectKind::Pod, pod.metadata.name.clone());
            }
            if kind == ObjectKind::Pod {
                alone.push(pod.metadata.clone());
            }
            let fare = self.counters.fare(pod, |node| down.contains(node), now);
            fares.entry((kind, pod.metadata.namespace.clone(), name)).or_default().push(fare);
        }
        drop(there);
        // Only now: the pods of one that is left out are not alone.
        wanted.retain(|one| self.scope.has(&one.meta));
        wanted.extend(alone.into_iter().map(Wanted::pod));
        let mut of_jobs = BTreeMap::new();
        let mut drafts = Vec::new();
        for one in wanted {
            let key = (one.kind, one.meta.namespace.clone(), one.meta.name.clone());
            let own = fares.remove(&key).unwrap_or_default();
            drafts.extend(self.workload(&one, &own, now));
        }
        for ((kind, namespace, name), fares) in fares {
            if kind == ObjectKind::Job {
                of_jobs.insert((namespace, name), fares);
            }
        }
        (of_jobs, drafts)
    }

    #[expect(clippy::type_complexity, reason = "three lists of three kinds, used once")]
    fn wanted(
        &mut self,
        (deployments, stateful, daemons): (
            Result<List<Deployment>, NoCluster>,
            Result<List<StatefulSet>, NoCluster>,
            Result<List<DaemonSet>, NoCluster>,
        ),
        now: Millis,
    ) -> Vec<Wanted> {
        let before = std::mem::take(&mut self.began);
        let mut after = BTreeMap::new();
        let mut began = |kind: ObjectKind, meta: &Meta| {
            let key = (kind, meta.namespace.clone(), meta.name.clone());
            let known = before.get(&key).filter(|(generation, _)| *generation == meta.generation);
            let (_, since) = *after.entry(key).or_insert(*known.unwrap_or(&(meta.generation, now)));
            since
        };
        let mut wanted: Vec<Wanted> = Vec::new();
        for one in deployments.unwrap_or_default().items {
            wanted.push(Wanted::deployment(one, now));
        }
        for one in stateful.unwrap_or_default().items {
            wanted.push(Wanted::stateful(one, &mut began, now));
        }
        for one in daemons.unwrap_or_default().items {
            wanted.push(Wanted::daemon(one, &mut began, now));
        }
        self.began = after;
        wanted
    }

    fn workload(&self, one: &Wanted, pods: &[Fare], now: Millis) -> Option<Draft> {
        let Verdict { judged, reason, words, ready, restarts, node } = one.judge(pods);
        let target = self.object(one.kind, &one.meta)?;
        let mut reading = self.reading(target.clone(), (judged.severity, reason, words), now);
        reading.clears = judged.clears;
        reading.value = i32::try_from(ready).ok().map(f64::from);
        reading.unit = Some(Unit::Count);
        let values = &mut reading.values;
        values.insert("workload".into(), Value::Target(target));
        values.insert("ready".into(), Value::Int(ready));
        values.insert("desired".into(), Value::Int(one.desired));
        values.insert("restarts".into(), Value::Int(restarts.into()));
        if let Some(node) =
            node.and_then(|name| Target::new(self.name.clone(), Thing::Member, &name).ok())
        {
            reading.parent = Some(kube_signal(node.clone(), "ready"));
            reading.values.insert("member".into(), Value::Target(node));
        }
        let of = match one.kind {
            ObjectKind::Deployment => Some("Deployment"),
            ObjectKind::StatefulSet => Some("StatefulSet"),
            ObjectKind::DaemonSet => Some("DaemonSet"),
            ObjectKind::Job
            | ObjectKind::CronJob
            | ObjectKind::Pod
            | ObjectKind::Claim
            | ObjectKind::Secret
            | ObjectKind::Ingress => None,
        };
        let mut events: Vec<(&'static str, String)> =
            of.map(|kind| (kind, one.meta.name.clone())).into_iter().collect();
        let bad = pods.iter().filter(|pod| pod.trouble.is_some());
        events.extend(bad.map(|pod| ("Pod", pod.name.clone())));
        let off = (one.kind != ObjectKind::Pod).then_some(one.desired == 0);
        let known = Known { version: one.images.clone(), off };
        Some(Draft { reading, known, events, namespace: one.meta.namespace.clone() })
    }

    fn jobs(
        &self,
        jobs: Result<List<Job>, NoCluster>,
        crons: Result<List<CronJob>, NoCluster>,
        pods: &BTreeMap<(String, String), Vec<Fare>>,
        now: Millis,
    ) -> Vec<Draft> {
        let jobs = jobs.unwrap_or_default().items;
        let crons = crons.unwrap_or_default().items;
        let mut drafts = Vec::new();
        let of = |job: &Job| {
            let by = job.metadata.controller().filter(|owner| owner.kind == "CronJob");
            by.map(|owner| owner.name.clone())
        };
        for cron in crons.iter().filter(|cron| self.scope.has(&cron.metadata)) {
            let meta = &cron.metadata;
            let own: Vec<&Job> = jobs
                .iter()
                .filter(|job| job.metadata.namespace == meta.namespace)
                .filter(|job| of(job).as_ref() == Some(&meta.name))
                .collect();
            let of_own: BTreeMap<String, Vec<Fare>> = pods
                .iter()
                .filter(|((namespace, _), _)| *namespace == meta.namespace)
                .map(|((_, job), fares)| (job.clone(), fares.clone()))
                .collect();
            let came = jobs::cron_job(cron, &own, &of_own, now);
            let off = Some(cron.spec.suspend);
            drafts.extend(self.by_the_way(ObjectKind::CronJob, "CronJob", meta, came, off, now));
        }
        // Of a cron job that is not in the list nothing more is known than of any job.
        let orphan = |job: &&Job| {
            let by = of(job);
            !crons.iter().any(|cron| {
                cron.metadata.namespace == job.metadata.namespace
                    && by.as_ref() == Some(&cron.metadata.name)
            })
        };
        for job in jobs.iter().filter(orphan).filter(|job| self.scope.has(&job.metadata)) {
            let meta = &job.metadata;
            let own = pods.get(&(meta.namespace.clone(), meta.name.clone()));
            let came = jobs::job(job, own.map_or(&[][..], Vec::as_slice));
            drafts.extend(self.by_the_way(ObjectKind::Job, "Job", meta, came, None, now));
        }
        drafts
    }

    fn by_the_way(
        &self,
        kind: ObjectKind,
        event: &'static str,
        meta: &Meta,
        came: Came,
        off: Option<bool>,
        now: Millis,
    ) -> Option<Draft> {
        let target = self.object(kind, meta)?;
        let mut reading = self.reading(target.clone(), came, now);
        reading.values.insert("workload".into(), Value::Target(target));
        let events = vec![(event, meta.name.clone())];
        let known = Known { version: String::new(), off };
        Some(Draft { reading, known, events, namespace: meta.namespace.clone() })
    }

    /// `None` where the cluster gave it a name that no target can have.
    fn object(&self, kind: ObjectKind, meta: &Meta) -> Option<Target> {
        let object = Object::new(&meta.namespace, kind, &meta.name).ok()?;
        Some(Target::object(self.name.clone(), &object))
    }

    fn reading(&self, target: Target, came: Came, now: Millis) -> Reading {
        let (severity, reason, words) = came;
        let plain = Tainted::bounded(&words, 400);
        let words = self.redactor.redact(plain.as_str());
        let aspect = if target.thing() == Thing::Member { "ready" } else { "state" };
        let signal = kube_signal(target, aspect);
        let mut reading = Reading::new(signal, now, severity, Word::of(reason), &words);
        reading.parent = Some(api_signal(&self.name));
        if reason == INTENDED {
            reading.intent = Intent::Deliberate;
        }
        reading
    }

    /// Holds what there is against what there was: what somebody changed is told, once.
    fn remember(&mut self, drafts: &[Draft], now: Millis) {
        for draft in drafts {
            let signal = &draft.reading.signal;
            let (target, after) = (&signal.target, &draft.known);
            let Some(before) = self.known.insert(signal.clone(), after.clone()) else { continue };
            let mut note = |kind, words: &str| {
                self.changes.push(Change::new(now, target.clone(), kind, words));
            };
            let versions = !before.version.is_empty() && !after.version.is_empty();
            if versions && before.version != after.version {
                match target.thing() {
                    Thing::Member => note(ChangeKind::Reboot, "booted anew"),
                    _ => {
                        note(ChangeKind::Image, &format!("{} -> {}", before.version, after.version))
                    }
                }
            }
            if let (Some(was), Some(is)) = (before.off, after.off)
                && was != is
            {
                note(ChangeKind::Switched, if is { "switched off" } else { "switched on" });
            }
        }
    }

    /// What was spoken of and did not come: gone where its list came, else unknown.
    fn left_behind(
        &mut self,
        drafts: &[Draft],
        failed: &BTreeMap<&'static str, NoCluster>,
        now: Millis,
    ) -> Vec<Reading> {
        let told: BTreeSet<&Signal> = drafts.iter().map(|draft| &draft.reading.signal).collect();
        let mut unseen = Vec::new();
        let mut gone = Vec::new();
        for signal in self.known.keys().filter(|signal| !told.contains(signal)) {
            let own = resource(&signal.target);
            let needs = if own == "nodes" { [own, own] } else { [own, "pods"] };
            match needs.iter().find_map(|list| failed.get(list)) {
                Some(why) => unseen.push(unknown(signal, why, &self.name, now)),
                None => gone.push(signal.clone()),
            }
        }
        for signal in &gone {
            self.known.remove(signal);
        }
        self.retired.append(&mut gone);
        unseen
    }

    /// Nothing could be seen: the API server is what is wrong, and everything else is unknown.
    fn unseen(&self, why: &NoCluster, now: Millis) -> Vec<Reading> {
        let (signal, words) = (api_signal(&self.name), why.to_string());
        let api = Reading::new(signal, now, severity(why), Word::of(why.word()), &words);
        let rest = self.known.keys().map(|signal| unknown(signal, why, &self.name, now));
        std::iter::once(api).chain(rest).collect()
    }

    /// Adds the newest warning to what is not green, for one more LIST that only then is needed.
    async fn explain(&mut self, drafts: &mut [Draft], now: Millis) {
        if drafts.iter().all(|draft| draft.reading.severity == Severity::Green) {
            return;
        }
        let only = Some("type=Warning");
        let Ok(events) = self.cluster.list::<Event>(&self.scope.only, Fresh::Store, only).await
        else {
            return;
        };
        let warnings = Warnings::of(&events.items, now);
        for draft in drafts.iter_mut().filter(|d| d.reading.severity != Severity::Green) {
            let names = draft.events.iter().map(|(kind, name)| (*kind, name.as_str()));
            if let Some(warning) = warnings.about(&draft.namespace, names) {
                let all = format!("{}; {warning}", draft.reading.words);
                let plain = Tainted::bounded(&all, 400);
                draft.reading.words = Tainted::new(&self.redactor.redact(plain.as_str()));
            }
        }
    }

    /// Restarts that go with a boot of the node are excused before they are counted.
    fn note_boots(&mut self, seen: &Seen, now: Millis) {
        let (Ok(nodes), Ok(pods)) = (&seen.nodes, &seen.pods) else { return };
        for node in &nodes.items {
            let Ok(target) = Target::new(self.name.clone(), Thing::Member, &node.metadata.name)
            else {
                continue;
            };
            let before = self.known.get(&kube_signal(target, "ready")).map(|k| &k.version);
            if before.is_none_or(|boot| *boot == node.status.node_info.boot_id) {
                continue;
            }
            let on = |pod: &&Pod| pod.spec.node_name == node.metadata.name;
            pods.items.iter().filter(on).for_each(|pod| self.counters.rebooted(pod, now));
        }
    }

    /// Begins to watch pods and nodes from where the lists ended. An event only rings.
    fn watch(&mut self, seen: &Seen) {
        let Some(bell) = self.bell.take() else { return };
        if let Ok(nodes) = &seen.nodes {
            let (cluster, bell, version) =
                (self.cluster.clone(), bell.clone(), nodes.version.clone());
            self.watches.spawn(async move {
                cluster.watch::<Node>(None, version, Rests::default(), || bell.ring()).await;
            });
        }
        let everywhere = self.scope.only.is_empty().then_some(None);
        for namespace in everywhere.into_iter().chain(self.scope.only.iter().cloned().map(Some)) {
            let Ok(pods) = &seen.pods else { return };
            let (cluster, bell, version) =
                (self.cluster.clone(), bell.clone(), pods.version.clone());
            self.watches.spawn(async move {
                cluster.watch::<Pod>(namespace, version, Rests::default(), || bell.ring()).await;
            });
        }
    }
}

impl NetProbe for KubeProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let seen = match self.see().await {
                Ok(seen) => seen,
                Err(why) => return self.unseen(&why, now),
            };
            self.watch(&seen);
            self.note_boots(&seen, now);
            let (mut readings, mut drafts) = self.judge(seen, now);
            self.explain(&mut drafts, now).await;
            readings.extend(drafts.into_iter().map(|draft| draft.reading));
            readings
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        self.unseen(&NoCluster::TimedOut(after), now)
    }

    fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn retired(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.retired)
    }

    fn listen(&mut self, bell: Bell) {
        self.watches = JoinSet::new();
        self.bell = Some(bell);
    }
}

/// An API server that does not answer is itself what is wrong; one that refuses leaves us blind.
fn severity(why: &NoCluster) -> Severity {
    match why {
        NoCluster::Unreachable(_)
        | NoCluster::TimedOut(_)
        | NoCluster::Failed(_)
        | NoCluster::Gone => Severity::Red,
        NoCluster::Setup(_) | NoCluster::Unknown(_) | NoCluster::Denied(_) => Severity::Unknown,
    }
}

fn kube_signal(target: Target, aspect: &'static str) -> Signal {
    Signal { probe: Word::of("kube"), target, aspect: Word::of(aspect) }
}

fn unknown(signal: &Signal, why: &NoCluster, cluster: &HostName, now: Millis) -> Reading {
    let mut reading = Reading::unknown(signal.clone(), now, Word::of("unseen"), &why.to_string());
    reading.parent = Some(api_signal(cluster));
    reading
}

/// The list that a target comes from.
fn resource(target: &Target) -> &'static str {
    match target.as_object().map(|object| object.kind()) {
        None => "nodes",
        Some(ObjectKind::Deployment) => "deployments",
        Some(ObjectKind::StatefulSet) => "statefulsets",
        Some(ObjectKind::DaemonSet) => "daemonsets",
        Some(ObjectKind::Job) => "jobs",
        Some(ObjectKind::CronJob) => "cronjobs",
        Some(ObjectKind::Pod) => "pods",
        Some(ObjectKind::Claim) => "persistentvolumeclaims",
        Some(ObjectKind::Secret) => "secrets",
        Some(ObjectKind::Ingress) => "ingresses",
    }
}
