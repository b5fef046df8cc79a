//! `kube`: a Kubernetes cluster: its API server, its nodes, and each workload as one signal.

mod certificates;
mod config;
mod history;
mod jobs;
mod judge;
mod nodes;
mod pods;
mod scope;
mod volumes;
mod warnings;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::Fut;
use crate::clients::kube::list::{Fresh, List, Listed};
use crate::clients::kube::objects::{
    CronJob, DaemonSet, Deployment, Event, Job, Node, Pod, StatefulSet,
};
use crate::clients::kube::watch::Rests;
use crate::clients::kube::{Cluster, NoCluster};
use crate::model::change::Change;
use crate::model::ids::{HostName, Word};
use crate::model::object::ObjectKind;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::Kind;
use crate::policy::redact::Redactor;
pub use crate::probe::kube::config::configure;
use crate::probe::kube::pods::Counters;
use crate::probe::kube::scope::{BlindSpots, Scope};
use crate::probe::kube::warnings::Warnings;
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

    fn recall(&mut self, parts: &[Signal]) {
        self.recall_all(parts);
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
        | NoCluster::Missing(_)
        | NoCluster::Gone => Severity::Red,
        NoCluster::Setup(_) | NoCluster::Unknown(_) | NoCluster::Denied(_) => Severity::Unknown,
    }
}

fn kube_signal(target: Target, aspect: &'static str) -> Signal {
    Signal { probe: Word::of("kube"), target, aspect: Word::of(aspect) }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives {
            name: "member",
            kind: Kind::Target,
            doc: "the node that it is about, or that explains it: CLUSTER:member:NAME",
        },
        Gives {
            name: "workload",
            kind: Kind::Target,
            doc: "the object, CLUSTER/NAMESPACE/deployment/NAME",
        },
        Gives { name: "ready", kind: Kind::Int, doc: "its pods that are ready" },
        Gives { name: "desired", kind: Kind::Int, doc: "its pods that somebody wants" },
        Gives {
            name: "restarts",
            kind: Kind::Int,
            doc: "restarts within an hour of its container that restarts most",
        },
        Gives { name: "days", kind: Kind::Int, doc: "whole days that a certificate has left" },
    ]
}

#[cfg(test)]
mod tests;
