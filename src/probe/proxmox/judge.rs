//! What a Proxmox cluster's facts come to: nodes, guests, storages, pools, replication and backups.

use std::collections::BTreeMap;

use crate::clients::answer::NoAnswer;
use crate::clients::proxmox::{
    BackupJob, Guest, Member, Outcome, Replication, Resource, Storage, Task, ThinPool, Uncovered,
    ZfsPool,
};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::parts::part;
use crate::probe::spoken::percent;
use crate::probe::voice::Voice;

use super::Settings;

/// All that one look brought.
#[derive(Debug, Default)]
pub struct Cluster {
    pub members: Vec<Member>,
    pub resources: Vec<Resource>,
    /// Of guests that do not run: whether they start at boot, and what was done to them last.
    pub stopped: BTreeMap<u64, Result<Stopped, NoAnswer>>,
}

/// A guest that does not run.
#[derive(Debug, Clone)]
pub struct Stopped {
    pub onboot: bool,
    pub last: Option<Task>,
}

/// The backup jobs, and the guests that are in none of them.
pub type Cover = (Vec<BackupJob>, Vec<Uncovered>);

/// What takes a node longer to say and changes seldom.
#[derive(Debug, Default)]
pub struct Slow {
    pub nodes: BTreeMap<String, Node>,
    pub cover: Option<Result<Cover, NoAnswer>>,
}

/// Of one node.
#[derive(Debug)]
pub struct Node {
    pub replication: Result<Vec<Replication>, NoAnswer>,
    pub thin: Result<Vec<ThinPool>, NoAnswer>,
    pub zfs: Result<Vec<ZfsPool>, NoAnswer>,
    /// Tasks of vzdump, newest first.
    pub backups: Result<Vec<Task>, NoAnswer>,
}

const STORAGE: (f64, f64) = (85.0, 95.0);

/// Says what a cluster's facts come to.
#[derive(Debug)]
pub struct Judge<'a> {
    pub voice: &'a Voice,
    pub settings: &'a Settings,
    pub now: Millis,
}

impl Judge<'_> {
    /// The cluster itself, and then its parts.
    pub fn all(&self, seen: &Cluster, slow: &Slow) -> (Reading, Vec<Reading>) {
        let mut parts = Vec::new();
        let mut running = 0_usize;
        for member in &seen.members {
            if let Member::Node { name, online } = member {
                let judged = match online {
                    true => ((Severity::Green, "ok"), "online"),
                    false => ((Severity::Red, "offline"), "offline"),
                };
                parts.push(self.node(name).reading("node", judged.0, judged.1, self.now));
            }
        }
        let mut storages: BTreeMap<String, Reading> = BTreeMap::new();
        for resource in &seen.resources {
            match resource {
                Resource::Qemu(guest) if !guest.template => {
                    running += usize::from(guest.status == "running");
                    parts.push(self.guest("vm", guest, seen));
                }
                Resource::Lxc(guest) if !guest.template => {
                    running += usize::from(guest.status == "running");
                    parts.push(self.guest("ct", guest, seen));
                }
                Resource::Qemu(_) | Resource::Lxc(_) | Resource::Other => {}
                Resource::Storage(storage) => {
                    let (name, reading) = self.storage(storage, seen);
                    // Of a storage that all nodes share, the worst that any of them sees.
                    let worse = storages.get(&name).is_none_or(|s| s.severity < reading.severity);
                    if worse {
                        storages.insert(name, reading);
                    }
                }
            }
        }
        parts.extend(storages.into_values());
        for (name, node) in &slow.nodes {
            parts.extend(self.slow(name, node));
        }
        parts.extend(slow.cover.iter().map(|cover| self.cover(cover)));
        (self.cluster(seen, running), parts)
    }

    fn cluster(&self, seen: &Cluster, running: usize) -> Reading {
        let (mut nodes, mut online, mut cluster) = (0, 0, None);
        for member in &seen.members {
            match member {
                Member::Node { online: is, .. } => {
                    nodes += 1;
                    online += usize::from(*is);
                }
                Member::Cluster { name, quorate } => cluster = Some((name, *quorate)),
            }
        }
        let count = format!("{online} of {nodes} nodes online, {running} guests run");
        let (judged, words) = match cluster {
            Some((name, false)) => {
                ((Severity::Red, "no-quorum"), format!("{name} has no quorum: {count}"))
            }
            Some((name, true)) => ((Severity::Green, "ok"), format!("{name}: {count}")),
            None => ((Severity::Green, "ok"), count),
        };
        self.voice.reading("cluster", judged, &words, self.now)
    }

    pub(super) fn node(&self, name: &str) -> Voice {
        part(self.voice, &format!("node-{name}"))
    }

    /// The node explains what lies on it.
    pub(super) fn on(&self, node: &str, reading: Reading) -> Reading {
        Reading { parent: Some(self.node_signal(node)), ..reading }
    }

    fn node_signal(&self, node: &str) -> Signal {
        self.node(node).signal("node")
    }

    fn guest(&self, sort: &str, guest: &Guest, seen: &Cluster) -> Reading {
        let what = match guest.name.as_str() {
            "" => format!("{sort} {} on {}", guest.vmid, guest.node),
            name => format!("{name} ({sort} {} on {})", guest.vmid, guest.node),
        };
        let (judged, is) = match guest.status.as_str() {
            _ if matches!(guest.hastate.as_str(), "error" | "fence") => {
                ((Severity::Red, "ha-error"), format!("the HA manager says {}", guest.hastate))
            }
            "running" => ((Severity::Green, "ok"), "runs".to_owned()),
            "paused" | "suspended" => ((Severity::Yellow, "paused"), "is paused".to_owned()),
            "stopped" => self.stopped(guest, seen.stopped.get(&guest.vmid)),
            _ => ((Severity::Unknown, "unseen"), "is not seen, because its node is not".to_owned()),
        };
        let voice = part(self.voice, &format!("{sort}-{}", guest.vmid));
        let reading = voice.reading("guest", judged, &format!("{what} {is}"), self.now);
        self.on(&guest.node, reading)
    }

    /// Off on purpose, or not.
    fn stopped(
        &self,
        guest: &Guest,
        known: Option<&Result<Stopped, NoAnswer>>,
    ) -> ((Severity, &'static str), String) {
        let meant = |words: String| ((Severity::Green, "stopped"), words);
        if self.settings.off.contains(&guest.vmid) {
            return meant("is off, as it may be".into());
        }
        if !guest.lock.is_empty() {
            return ((Severity::Green, "locked"), format!("is off while {} holds it", guest.lock));
        }
        if matches!(guest.hastate.as_str(), "stopped" | "disabled" | "ignored") {
            return meant(format!("is off: HA has it as {}", guest.hastate));
        }
        let stopped = match known {
            Some(Ok(stopped)) => stopped,
            Some(Err(why)) => {
                let words = format!("is off, and whether that is meant was not seen: {why}");
                return ((Severity::Unknown, why.word()), words);
            }
            None => return ((Severity::Unknown, "unseen"), "is off".into()),
        };
        if !stopped.onboot && guest.hastate != "started" {
            return meant("is off, and does not start at boot".into());
        }
        match &stopped.last {
            Some(task) if ends(&task.kind) && task.outcome() != Outcome::Failed => {
                let at = Millis(task.endtime.unwrap_or(task.starttime).saturating_mul(1_000));
                let ago = self.now.since(at);
                meant(format!("was stopped by {} {ago} ago", task.user))
            }
            Some(task) if task.outcome() == Outcome::Failed => (
                (Severity::Red, "failed"),
                format!("is off: {} failed: {}", task.kind, task.status.as_deref().unwrap_or("")),
            ),
            Some(_) | None => (
                (Severity::Red, "down"),
                "is off, though it starts at boot and nobody stopped it here; if that is meant, name it in off".into(),
            ),
        }
    }

    fn storage(&self, storage: &Storage, seen: &Cluster) -> (String, Reading) {
        let name = match storage.shared {
            true => format!("storage-{}", storage.storage),
            false => format!("storage-{}-{}", storage.node, storage.storage),
        };
        let voice = part(self.voice, &name);
        let what = format!("{} on {}", storage.storage, storage.node);
        let online = seen.members.iter().any(
            |member| matches!(member, Member::Node { name, online: true } if *name == storage.node),
        );
        let reading = match storage.status.as_str() {
            "available" => {
                self.filled(&voice, "used", &what, (storage.disk, storage.maxdisk), STORAGE)
            }
            _ if online => {
                let words = format!("{what} is not available there");
                voice.reading("used", (Severity::Red, "inactive"), &words, self.now)
            }
            _ => {
                let words = format!("{what} is not seen, because its node is not");
                voice.reading("used", (Severity::Unknown, "unseen"), &words, self.now)
            }
        };
        (name, self.on(&storage.node, reading))
    }

    /// A share against two levels.
    pub(super) fn filled(
        &self,
        voice: &Voice,
        aspect: &'static str,
        what: &str,
        (used, total): (u64, u64),
        (yellow, red): (f64, f64),
    ) -> Reading {
        if total == 0 {
            let words = format!("{what} has no size");
            return voice.reading(aspect, (Severity::Unknown, "no-size"), &words, self.now);
        }
        let share = percent(used, total);
        let levels = Threshold {
            yellow: Some(yellow),
            red: Some(red),
            direction: Direction::Above,
            margin: 2.0,
        };
        let judged = levels.judge(share);
        let reason = if judged.severity == Severity::Green { "ok" } else { "full" };
        let words = format!("{what} is {share:.0} % full");
        let mut reading = voice.reading(aspect, (judged.severity, reason), &words, self.now);
        (reading.clears, reading.value, reading.unit) =
            (judged.clears, Some(share), Some(Unit::Percent));
        reading
    }
}

/// Tasks after which a guest is off because somebody wanted it.
fn ends(kind: &str) -> bool {
    matches!(
        kind,
        "qmstop" | "qmshutdown" | "qmsuspend" | "vzstop" | "vzshutdown" | "vzsuspend" | "hastop"
    )
}

/// Tasks that turn a guest on or off.
pub fn turns(kind: &str) -> bool {
    ends(kind)
        || matches!(
            kind,
            "qmstart" | "qmresume" | "qmreboot" | "vzstart" | "vzresume" | "vzreboot" | "hastart"
        )
}
