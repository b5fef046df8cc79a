//! How full claimed volumes are, where the kubelets say so and the account may ask them.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use crate::Fut;
use crate::clients::kube::list::Fresh;
use crate::clients::kube::objects::{Claim, Node, bytes};
use crate::clients::kube::usage::Usage;
use crate::clients::kube::{Cluster, NoCluster};
use crate::model::ids::{HostName, Word};
use crate::model::object::{Object, ObjectKind};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::value::{Value, human_bytes};
use crate::policy::threshold::{Judged, Threshold};
use crate::probe::kube::nodes::{Ready, ready};
use crate::probe::kube::scope::{BlindSpots, Scope, api_signal, unknown};
use crate::probe::{NetProbe, Past, spoken};

/// Nodes whose kubelets are asked.
const MOST: usize = 50;

/// Looks at the claims of one cluster.
#[derive(Debug)]
pub(super) struct VolumesProbe {
    pub(super) name: HostName,
    pub(super) cluster: Cluster,
    pub(super) scope: Scope,
    pub(super) blind: BlindSpots,
    pub(super) threshold: Threshold,
    pub(super) known: BTreeSet<Signal>,
    pub(super) retired: Vec<Signal>,
}

impl VolumesProbe {
    async fn see(&self) -> Result<(Vec<Claim>, BTreeMap<(String, String), Usage>), NoCluster> {
        let nodes = self.cluster.list::<Node>(&[], Fresh::Memory, None).await?;
        let claims = self.cluster.list::<Claim>(&self.scope.only, Fresh::Memory, None).await?;
        let mut asking = JoinSet::new();
        for node in nodes.items.into_iter().filter(|node| ready(node) == Ready::Yes).take(MOST) {
            let cluster = self.cluster.clone();
            asking.spawn(async move { cluster.usage(&node.metadata.name).await });
        }
        let mut found = BTreeMap::new();
        while let Some(said) = asking.join_next().await {
            match said {
                Ok(Ok(usages)) => found.extend(
                    usages.into_iter().map(|u| ((u.namespace.clone(), u.claim.clone()), u)),
                ),
                Ok(Err(NoCluster::Denied(why))) => return Err(NoCluster::Denied(why)),
                // One kubelet that does not answer hides its own volumes only; its node tells why.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Ok((claims.items, found))
    }

    fn judge(
        &mut self,
        claims: &[Claim],
        usage: &BTreeMap<(String, String), Usage>,
        now: Millis,
    ) -> Vec<Reading> {
        let mut readings = Vec::new();
        let mut there = BTreeSet::new();
        for claim in claims.iter().filter(|claim| self.scope.has(&claim.metadata)) {
            let meta = &claim.metadata;
            let Ok(object) = Object::new(&meta.namespace, ObjectKind::Claim, &meta.name) else {
                continue;
            };
            let target = Target::object(self.name.clone(), &object);
            let signal = Signal { probe: Word::of("kube"), target, aspect: Word::of("usage") };
            there.insert(signal.clone());
            let used = usage.get(&(meta.namespace.clone(), meta.name.clone()));
            let asked = claim.status.capacity.get("storage").and_then(|text| bytes(text));
            let reading = match (claim.status.phase.as_str(), used) {
                ("Lost", _) => {
                    let words = "its volume is gone";
                    Some(Reading::new(signal.clone(), now, Severity::Red, Word::of("lost"), words))
                }
                // A folder of a larger volume: how full that is says nothing of this claim, and its
                // node or its NAS tells it once.
                (_, Some(used)) if asked.is_some_and(|n| n.saturating_mul(2) < used.capacity) => {
                    None
                }
                (_, Some(used)) => Some(self.used(signal.clone(), used, now)),
                (_, None) => self.known.contains(&signal).then(|| {
                    let words = "no kubelet speaks of it: nothing mounts it now";
                    let mut reading =
                        Reading::new(signal.clone(), now, Severity::Green, Word::of("idle"), words);
                    // Whoever mounted it may be on a node that does not answer.
                    if claim.status.phase != "Bound" {
                        reading.severity = Severity::Unknown;
                        reading.clears = Severity::Unknown;
                    }
                    reading
                }),
            };
            if let Some(mut reading) = reading {
                reading.parent = Some(api_signal(&self.name));
                let target = Value::Target(signal.target.clone());
                reading.values.insert("workload".into(), target);
                self.known.insert(signal);
                readings.push(reading);
            }
        }
        let gone: Vec<Signal> = self.known.difference(&there).cloned().collect();
        self.known.retain(|signal| there.contains(signal));
        self.retired.extend(gone);
        readings
    }

    fn used(&self, signal: Signal, used: &Usage, now: Millis) -> Reading {
        let share = |all: u64, free: u64| spoken::percent(all.saturating_sub(free), all);
        let (by_bytes, by_inodes) =
            (share(used.capacity, used.available), share(used.inodes, used.inodes_free));
        let (percent, reason) =
            if by_inodes <= by_bytes { (by_bytes, "bytes") } else { (by_inodes, "inodes") };
        let Judged { severity, clears } = self.threshold.judge(percent);
        let reason = if severity == Severity::Green { "ok" } else { reason };
        let free = human_bytes(used.available);
        let words = match reason {
            "inodes" => format!("{percent:.0} % of its inodes, {free} free"),
            _ => format!("{percent:.0} %, {free} free"),
        };
        let mut reading = Reading::new(signal, now, severity, Word::of(reason), &words);
        reading.clears = clears;
        reading.value = Some(percent);
        reading.unit = Some(Unit::Percent);
        reading
    }

    fn unseen(&self, why: &NoCluster, now: Millis) -> Vec<Reading> {
        self.known.iter().map(|signal| unknown(signal, why, &self.name, now)).collect()
    }
}

impl NetProbe for VolumesProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let seen = self.see().await;
            self.blind.note_denied("the usage of volumes", &seen);
            match seen {
                Ok((claims, usage)) => self.judge(&claims, &usage, now),
                Err(why) => self.unseen(&why, now),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        self.unseen(&NoCluster::TimedOut(after), now)
    }

    fn retired(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.retired)
    }

    fn recall(&mut self, parts: &[Signal]) {
        let own = parts.iter().filter(|signal| signal.aspect.as_str() == "usage");
        self.known.extend(own.cloned());
    }
}
