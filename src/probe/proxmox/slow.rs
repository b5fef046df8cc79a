//! What a node says only now and then: replication, pools, backups; and which guests no job backs up.

use std::collections::BTreeSet;

use crate::clients::answer::NoAnswer;
use crate::clients::proxmox::{
    BackupJob, Outcome, Replication, Task, ThinPool, Uncovered, ZfsPool,
};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::probe::parts::part;
use crate::probe::proxmox::judge::{Judge, Node};
use crate::probe::spoken::percent;

/// Thin pools that are full take their guests' file systems with them.
const THIN: (f64, f64) = (80.0, 90.0);
/// A pool whose metadata is full is broken, however much room its data has.
const METADATA: (f64, f64) = (70.0, 85.0);
/// A failed job is told for as long, whatever ran since.
const DAY: Span = Span::hours(25);
/// How many guests are named.
const NAMED: usize = 5;

impl Judge<'_> {
    /// What lies on one node.
    pub(super) fn slow(&self, name: &str, node: &Node) -> Vec<Reading> {
        let mut readings = Vec::new();
        let unseen = |aspect, why: &NoAnswer| self.node(name).unseen(aspect, why, self.now);
        match &node.replication {
            Ok(jobs) => readings.extend(jobs.iter().map(|job| self.replication(job))),
            Err(why) => readings.push(unseen("replication", why)),
        }
        match &node.thin {
            Ok(pools) => readings.extend(pools.iter().flat_map(|pool| self.thin(name, pool))),
            Err(why) => readings.push(unseen("thin", why)),
        }
        match &node.zfs {
            Ok(pools) => readings.extend(pools.iter().map(|pool| self.zfs(name, pool))),
            Err(why) => readings.push(unseen("zfs", why)),
        }
        match &node.backups {
            Ok(tasks) => readings.extend(self.backup(name, tasks)),
            Err(why) => readings.push(unseen("backup", why)),
        }
        readings.into_iter().map(|reading| self.on(name, reading)).collect()
    }

    fn replication(&self, job: &Replication) -> Reading {
        let voice = part(self.voice, &format!("replication-{}", job.id));
        let error = job.error.as_deref().unwrap_or_default();
        let to = format!("replication {} to {}", job.id, job.target);
        let last = match job.last_sync {
            0 => "never synced".to_owned(),
            at => {
                let at = Millis(i64::try_from(at).unwrap_or(0).saturating_mul(1_000));
                format!("last synced {} ago", self.now.since(at))
            }
        };
        let (judged, words) = match job.fail_count {
            _ if job.disable => ((Severity::Green, "disabled"), format!("{to} is disabled")),
            0 if error.is_empty() => ((Severity::Green, "ok"), format!("{to}: {last}")),
            n => {
                let severity = if 3 <= n { Severity::Red } else { Severity::Yellow };
                ((severity, "failed"), format!("{to} failed {n} times, {last}: {error}"))
            }
        };
        voice.reading("replication", judged, &words, self.now)
    }

    fn thin(&self, node: &str, pool: &ThinPool) -> [Reading; 2] {
        let voice = part(self.voice, &format!("thin-{node}-{}-{}", pool.vg, pool.lv));
        let what = |of: &str| format!("{of} of {}/{} on {node}", pool.vg, pool.lv);
        [
            self.filled(&voice, "data", &what("data"), (pool.used, pool.lv_size), THIN),
            self.filled(
                &voice,
                "metadata",
                &what("metadata"),
                (pool.metadata_used, pool.metadata_size),
                METADATA,
            ),
        ]
    }

    fn zfs(&self, node: &str, pool: &ZfsPool) -> Reading {
        let voice = part(self.voice, &format!("zfs-{node}-{}", pool.name));
        let share = percent(pool.alloc, pool.size);
        let judged = match pool.health.as_str() {
            "ONLINE" if 90.0 < share => (Severity::Yellow, "full"),
            "ONLINE" => (Severity::Green, "ok"),
            "" => (Severity::Unknown, "no-health"),
            "DEGRADED" => (Severity::Red, "degraded"),
            _ => (Severity::Red, "faulted"),
        };
        let words = format!("{} on {node} is {}, {share:.0} % allocated", pool.name, pool.health);
        voice.reading("health", judged, &words, self.now)
    }

    /// How the node's backups went; nothing where there were none.
    fn backup(&self, node: &str, tasks: &[Task]) -> Option<Reading> {
        let done: Vec<&Task> =
            tasks.iter().filter(|task| task.outcome() != Outcome::Running).collect();
        let newest = done.first()?;
        let ended =
            |task: &Task| Millis(task.endtime.unwrap_or(task.starttime).saturating_mul(1_000));
        // A job of many has no number: another job that went well says nothing about it. A guest's own
        // backup is made good by its next one.
        let stands = |at: usize, task: &Task| match task.id.as_deref() {
            None | Some("") => at == 0 || self.now.since(ended(task)) < DAY,
            id => !done[..at]
                .iter()
                .any(|later| later.id.as_deref() == id && later.outcome() != Outcome::Failed),
        };
        let failed = done
            .iter()
            .enumerate()
            .find(|(at, task)| task.outcome() == Outcome::Failed && stands(*at, task));
        let (judged, words) = match failed {
            Some((_, task)) => {
                let of = match task.id.as_deref() {
                    None | Some("") => "a backup job".to_owned(),
                    Some(id) => format!("the backup of {id}"),
                };
                let (ago, why) =
                    (self.now.since(ended(task)), task.status.as_deref().unwrap_or("failed"));
                ((Severity::Red, "failed"), format!("{of} on {node} failed {ago} ago: {why}"))
            }
            None => {
                let ago = self.now.since(ended(newest));
                let how = match newest.outcome() {
                    Outcome::Warned => ", with warnings",
                    Outcome::Good | Outcome::Running | Outcome::Failed => "",
                };
                ((Severity::Green, "ok"), format!("{node} backed up {ago} ago{how}"))
            }
        };
        Some(self.node(node).reading("backup", judged, &words, self.now))
    }

    /// Guests that no job backs up.
    pub(super) fn cover(
        &self,
        cover: &Result<(Vec<BackupJob>, Vec<Uncovered>), NoAnswer>,
    ) -> Reading {
        const COVER: &str = "cover";
        let (jobs, bare) = match cover {
            Ok(cover) => cover,
            Err(why) => return self.voice.unseen(COVER, why, self.now),
        };
        let jobs = jobs.iter().filter(|job| job.enabled).count();
        let spared: BTreeSet<u64> = self.settings.uncovered.iter().copied().collect();
        let bare: Vec<String> = bare
            .iter()
            .filter(|guest| !spared.contains(&guest.vmid))
            .map(|guest| format!("{} ({})", guest.name, guest.vmid))
            .collect();
        let named = bare.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = match bare.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let (judged, words) = match (bare.is_empty(), jobs) {
            (true, _) => {
                ((Severity::Green, "ok"), format!("every guest is in one of {jobs} backup jobs"))
            }
            (false, 0) => {
                ((Severity::Yellow, "no-job"), format!("no backup job is enabled: {named}{more}"))
            }
            (false, _) => {
                ((Severity::Yellow, "uncovered"), format!("in no backup job: {named}{more}"))
            }
        };
        self.voice.reading(COVER, judged, &words, self.now)
    }
}
