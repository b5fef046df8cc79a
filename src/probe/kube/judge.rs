//! From the answers of one look to readings in the making.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::kube::NoCluster;
use crate::clients::kube::list::List;
use crate::clients::kube::objects::{
    CronJob, DaemonSet, Deployment, Job, Meta, Node, Pod, StatefulSet,
};
use crate::model::ids::{HostName, Word};
use crate::model::object::{Object, ObjectKind};
use crate::model::reading::{Intent, Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Millis;
use crate::model::value::Value;
use crate::probe::ask::host_signal;
use crate::probe::kube::jobs::{self, Came};
use crate::probe::kube::pods::Fare;
use crate::probe::kube::scope::api_signal;
use crate::probe::kube::workloads::{Verdict, Wanted};
use crate::probe::kube::{Draft, INTENDED, Known, KubeProbe, kube_signal, nodes, severity};

impl KubeProbe {
    /// Whether the API server answers, and what it does not let the account see.
    pub(super) fn api(
        &self,
        nodes: usize,
        failed: &BTreeMap<&str, NoCluster>,
        now: Millis,
    ) -> Reading {
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

    pub(super) fn node(&mut self, node: &Node, now: Millis) -> Option<Draft> {
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
    pub(super) fn workloads(
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
            let (mut kind, mut name) = pod.keeper();
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

    pub(super) fn jobs(
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
            drafts.extend(self.by_the_way(ObjectKind::CronJob, meta, came, off, now));
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
            drafts.extend(self.by_the_way(ObjectKind::Job, meta, came, None, now));
        }
        drafts
    }

    fn by_the_way(
        &self,
        kind: ObjectKind,
        meta: &Meta,
        came: Came,
        off: Option<bool>,
        now: Millis,
    ) -> Option<Draft> {
        let target = self.object(kind, meta)?;
        let mut reading = self.reading(target.clone(), came, now);
        reading.values.insert("workload".into(), Value::Target(target));
        let event = if kind == ObjectKind::CronJob { "CronJob" } else { "Job" };
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
}
