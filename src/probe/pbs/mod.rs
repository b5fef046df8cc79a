//! `pbs`: a Proxmox Backup Server: room, the newest snapshots, verification, and its jobs.

use std::collections::BTreeMap;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::proxmox::backup::{BackupServer, Snapshot, Usage};
use crate::clients::proxmox::{Outcome, Task};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::human_bytes;
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::parts::{Parts, part};
use crate::probe::spoken::percent;
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, proxmox};

const SERVER: &str = "server";
const LINGER: Span = Span::hours(2);
/// Jobs that ran this long ago say nothing any more.
const BACK: Span = Span::days(31);
/// How many groups are named.
const NAMED: usize = 5;
/// The jobs that are told, as the server calls them, and how bad their failure is.
const JOBS: [(&str, &str, Severity); 7] = [
    ("garbage_collection", "garbage collection", Severity::Yellow),
    ("prune", "prune", Severity::Yellow),
    ("prunejob", "prune", Severity::Yellow),
    ("syncjob", "sync", Severity::Red),
    ("sync", "sync", Severity::Red),
    ("verificationjob", "verification", Severity::Red),
    ("verify", "verification", Severity::Red),
];

/// When a datastore is full, and a group late.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `newest_within`: a group without a snapshot for longer is late, unless its own rhythm is slower; red at
    /// three times as much. Default 26 h.
    pub newest_within: Span,
    /// `ignore`: groups that get no more snapshots: `vm/103`.
    pub ignore: Vec<String>,
    /// `yellow`, `red`: percent used. Default 85 % and 95 %.
    pub levels: (f64, f64),
}

#[derive(Debug)]
pub struct PbsProbe {
    settings: Settings,
    voice: Voice,
    server: BackupServer,
    timeout: Span,
    parts: Parts,
}

/// The snapshots of a store, by namespace.
type Snapshots = Vec<(String, Snapshot)>;

/// All that one look brought.
struct Seen {
    stores: Vec<(Usage, Result<Snapshots, NoAnswer>)>,
    tasks: Result<Vec<Task>, NoAnswer>,
}

impl PbsProbe {
    pub fn new(settings: Settings, voice: Voice, server: BackupServer, timeout: Span) -> Self {
        Self { settings, voice, server, timeout, parts: Parts::lingering(LINGER) }
    }

    async fn ask(&self, now: Millis) -> Result<Seen, NoAnswer> {
        let mut stores = Vec::new();
        for usage in self.server.datastores().await? {
            let snapshots = match usage.error {
                // What is not mounted is not listed.
                Some(_) => Ok(Vec::new()),
                None => self.server.snapshots(&usage.store).await,
            };
            stores.push((usage, snapshots));
        }
        Ok(Seen { stores, tasks: self.server.tasks(now, BACK).await })
    }

    fn judge(&mut self, seen: &Seen, now: Millis) -> Vec<Reading> {
        let mut parts = Vec::new();
        for (usage, snapshots) in &seen.stores {
            let voice = part(&self.voice, &usage.store);
            parts.push(self.used(&voice, usage, now));
            match snapshots {
                Ok(_) if usage.error.is_some() => {}
                Ok(snapshots) => {
                    parts.push(self.newest(&voice, snapshots, now));
                    parts.push(verified(&voice, snapshots, now));
                }
                Err(why) => parts.push(voice.unseen("newest", why, now)),
            }
        }
        match &seen.tasks {
            Ok(tasks) => parts.extend(self.jobs(tasks, now)),
            Err(why) => parts.push(self.voice.unseen("jobs", why, now)),
        }
        let words = format!("{} datastores", seen.stores.len());
        let main = self.voice.reading(SERVER, (Severity::Green, "ok"), &words, now);
        self.parts.seen(main, parts)
    }

    fn used(&self, voice: &Voice, usage: &Usage, now: Millis) -> Reading {
        if let Some(why) = &usage.error {
            let words = format!("{} cannot be used: {why}", usage.store);
            return voice.reading("used", (Severity::Red, "error"), &words, now);
        }
        if usage.total == 0 {
            let words = format!("{} does not say its size", usage.store);
            return voice.reading("used", (Severity::Unknown, "no-size"), &words, now);
        }
        let share = percent(usage.used, usage.total);
        let (yellow, red) = self.settings.levels;
        let levels = Threshold {
            yellow: Some(yellow),
            red: Some(red),
            direction: Direction::Above,
            margin: 2.0,
        };
        let judged = levels.judge(share);
        let reason = if judged.severity == Severity::Green { "ok" } else { "full" };
        let left = human_bytes(usage.total.saturating_sub(usage.used));
        let words = format!("{} is {share:.0} % full, {left} free", usage.store);
        let mut reading = voice.reading("used", (judged.severity, reason), &words, now);
        (reading.clears, reading.value, reading.unit) =
            (judged.clears, Some(share), Some(Unit::Percent));
        reading
    }

    /// One signal for all groups of a datastore: what stops one backup stops them all.
    fn newest(&self, voice: &Voice, snapshots: &[(String, Snapshot)], now: Millis) -> Reading {
        let mut groups: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (space, snapshot) in snapshots {
            let group = format!("{}/{}", snapshot.backup_type, snapshot.backup_id);
            let name = if space.is_empty() { group } else { format!("{space}/{group}") };
            groups.entry(name).or_default().push(snapshot.backup_time);
        }
        groups.retain(|name, _| !self.settings.ignore.contains(name));
        let mut late = Vec::new();
        for (name, times) in &mut groups {
            times.sort_unstable();
            let Some(newest) = times.last() else { continue };
            let age = now.since(Millis(newest.saturating_mul(1_000)));
            let within = self.settings.newest_within.max(rhythm(times));
            if within < age {
                late.push((age, within, name.as_str()));
            }
        }
        late.sort_unstable_by(|a, b| b.cmp(a));
        let judged = match late.iter().any(|(age, within, _)| within.0.saturating_mul(3) < age.0) {
            true => (Severity::Red, "late"),
            false if late.is_empty() => (Severity::Green, "ok"),
            false => (Severity::Yellow, "late"),
        };
        let named: Vec<String> =
            late.iter().take(NAMED).map(|(age, _, name)| format!("{name} {age} ago")).collect();
        let more = match late.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let words = match late.is_empty() {
            true => format!("all {} groups have a new snapshot", groups.len()),
            false => format!(
                "{} of {} groups are late: {}{more}; name what gets no more in ignore",
                late.len(),
                groups.len(),
                named.join(", ")
            ),
        };
        voice.reading("newest", judged, &words, now)
    }

    /// The newest of each job that is told.
    fn jobs(&self, tasks: &[Task], now: Millis) -> Vec<Reading> {
        let mut newest: BTreeMap<(&str, &str), (&Task, Severity)> = BTreeMap::new();
        for task in tasks.iter().filter(|task| task.outcome() != Outcome::Running) {
            let Some((_, name, bad)) = JOBS.iter().find(|(kind, ..)| *kind == task.kind) else {
                continue;
            };
            let of = newest.entry((name, task.id.as_deref().unwrap_or(""))).or_insert((task, *bad));
            if of.0.starttime < task.starttime {
                *of = (task, *bad);
            }
        }
        let told = newest.into_iter().map(|((name, id), (task, bad))| {
            let ago =
                now.since(Millis(task.endtime.unwrap_or(task.starttime).saturating_mul(1_000)));
            let of = if id.is_empty() { name.to_owned() } else { format!("{name} of {id}") };
            let status = task.status.as_deref().unwrap_or_default();
            let (judged, words) = match task.outcome() {
                Outcome::Failed => ((bad, "failed"), format!("{of} failed {ago} ago: {status}")),
                Outcome::Warned => {
                    ((Severity::Green, "warned"), format!("{of} ended {ago} ago with {status}"))
                }
                Outcome::Good | Outcome::Running => {
                    ((Severity::Green, "ok"), format!("{of} went well {ago} ago"))
                }
            };
            part(&self.voice, &format!("{} {id}", name.replace(' ', "-")))
                .reading("job", judged, &words, now)
        });
        told.collect()
    }
}

/// Twice the usual time between two snapshots: a group with its own rhythm is late by that.
fn rhythm(times: &[i64]) -> Span {
    let mut gaps: Vec<i64> = times.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    gaps.sort_unstable();
    match gaps.get(gaps.len() / 2) {
        // Two gaps are no habit yet.
        Some(gap) if 2 < gaps.len() => Span::secs(gap.saturating_mul(2)),
        Some(_) | None => Span(0),
    }
}

fn verified(voice: &Voice, snapshots: &[(String, Snapshot)], now: Millis) -> Reading {
    let state = |snapshot: &Snapshot| snapshot.verification.as_ref().map(|v| v.state == "ok");
    let failed: Vec<String> = snapshots
        .iter()
        .filter(|(_, snapshot)| state(snapshot) == Some(false))
        .map(|(_, snapshot)| format!("{}/{}", snapshot.backup_type, snapshot.backup_id))
        .collect();
    let never = snapshots.iter().filter(|(_, snapshot)| state(snapshot).is_none()).count();
    let (judged, words) = match failed.len() {
        0 => {
            let words =
                format!("{} of {} snapshots verified", snapshots.len() - never, snapshots.len());
            ((Severity::Green, "ok"), words)
        }
        n => {
            let mut named = failed;
            named.dedup();
            named.truncate(NAMED);
            let words = format!("{n} snapshots failed verification: {}", named.join(", "));
            ((Severity::Red, "failed"), words)
        }
    };
    voice.reading("verified", judged, &words, now)
}

impl NetProbe for PbsProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.timeout, self.ask(now)).await {
                Ok(seen) => self.judge(&seen, now),
                Err(why) => self.parts.unseen(self.voice.unanswered(SERVER, &why, now), &why),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        self.parts.unseen(self.voice.unseen(SERVER, &why, now), &why)
    }

    fn retired(&mut self) -> Vec<Signal> {
        self.parts.retired()
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.parts.recall(&self.voice.signal("part"), parts);
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![voice::endpoint()]
}

/// `pbs.NAME = { url, token_id, token_secret }` with `fingerprint` or `ca_file`, `newest_within`, `ignore`, `yellow`, `red`,
/// and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(mut api) = proxmox::api(ask, ("PBSAPIToken=", ':')) else { return Vec::new() };
    let share = |ask: &mut Ask<'_>, key: &str, default: f64| {
        ask.or(key, crate::config::setting::Percent(default)).0
    };
    let levels = (share(ask, "yellow", 85.0), share(ask, "red", 95.0));
    if levels.1 < levels.0 {
        ask.mistake("yellow", "is above red: yellow comes first");
    }
    let settings = Settings {
        newest_within: ask.or("newest_within", Span::hours(26)),
        ignore: ask.list("ignore").unwrap_or_default(),
        levels,
    };
    let common = Common::with(Span::mins(15), Span::secs(90));
    let host = api.url.host().to_owned();
    let Some(placed) = voice::place(ask, "pbs", &host, common) else { return Vec::new() };
    let timeout = placed.common.timeout;
    // Thousands of snapshots take a while to list.
    api.timeout = timeout;
    let probe = PbsProbe::new(settings, placed.voice.clone(), BackupServer { api }, timeout);
    placed.draft(ask, SERVER, probe)
}

#[cfg(test)]
mod tests;
