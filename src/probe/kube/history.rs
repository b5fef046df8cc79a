//! What a look is held against: the looks before it.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::kube::NoCluster;
use crate::clients::kube::objects::Pod;
use crate::model::change::{Change, ChangeKind};
use crate::model::ids::Word;
use crate::model::object::ObjectKind;
use crate::model::reading::Reading;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Millis;
use crate::probe::kube::scope::{api_signal, unknown};
use crate::probe::kube::{Draft, KubeProbe, Seen, kube_signal, severity};

impl KubeProbe {
    /// Holds what there is against what there was: what somebody changed is told, once.
    pub(super) fn remember(&mut self, drafts: &[Draft], now: Millis) {
        for draft in drafts {
            let signal = &draft.reading.signal;
            let (target, after) = (&signal.target, &draft.known);
            let Some(before) = self.known.insert(signal.clone(), after.clone()) else { continue };
            let mut note = |kind, words: &str| {
                self.changes.push(Change::new(now, target.clone(), kind, words));
            };
            let versions = !before.version.is_empty() && !after.version.is_empty();
            if versions && before.version != after.version {
                if target.thing() == Thing::Member {
                    note(ChangeKind::Reboot, "booted anew");
                } else {
                    let words = format!("{} -> {}", before.version, after.version);
                    note(ChangeKind::Image, &words);
                }
            }
            if let (Some(was), Some(is)) = (before.off, after.off)
                && was != is
            {
                note(ChangeKind::Switched, if is { "switched off" } else { "switched on" });
            }
        }
    }

    /// What a former life spoke of, and nothing is remembered of but that.
    pub(super) fn recall_all(&mut self, before: &[Signal]) {
        for signal in before.iter().filter(|s| matches!(s.aspect.as_str(), "ready" | "state")) {
            self.known.entry(signal.clone()).or_default();
        }
    }

    /// What was spoken of and did not come: gone where its list came, else unknown.
    pub(super) fn left_behind(
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
    pub(super) fn unseen(&self, why: &NoCluster, now: Millis) -> Vec<Reading> {
        let (signal, words) = (api_signal(&self.name), why.to_string());
        let api = Reading::new(signal, now, severity(why), Word::of(why.word()), &words);
        let rest = self.known.keys().map(|signal| unknown(signal, why, &self.name, now));
        std::iter::once(api).chain(rest).collect()
    }

    /// Restarts that go with a boot of the node are excused before they are counted.
    pub(super) fn note_boots(&mut self, seen: &Seen, now: Millis) {
        let (Ok(nodes), Ok(pods)) = (&seen.nodes, &seen.pods) else { return };
        for node in &nodes.items {
            let Ok(target) = Target::new(self.name.clone(), Thing::Member, &node.metadata.name)
            else {
                continue;
            };
            let before = self.known.get(&kube_signal(target, "ready")).map(|k| &k.version);
            // Of one that a former life knew nobody knows the boot.
            let same = |boot: &String| boot.is_empty() || *boot == node.status.node_info.boot_id;
            if before.is_none_or(same) {
                continue;
            }
            let on = |pod: &&Pod| pod.spec.node_name == node.metadata.name;
            pods.items.iter().filter(on).for_each(|pod| self.counters.rebooted(pod, now));
        }
    }
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
