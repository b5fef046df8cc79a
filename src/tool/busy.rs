//! Whether a busy process is a spike, a runaway, or a job that may be busy.

use std::collections::BTreeMap;

use crate::model::fact::Process;
use crate::model::ids::HostName;
use crate::model::time::{Millis, Span};

/// What a busy process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Busy for a short time only: left alone.
    Spike,
    /// Busy for long, unlike its own past.
    Runaway,
    /// A backup, a scrub, a build: left alone.
    Job,
    Unsure,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Runaway => "runaway",
            Self::Job => "job",
            Self::Unsure => "unsure",
        }
    }
}

/// Busy for this long is no spike.
const LONG: Span = Span::mins(10);
/// Looks kept for a name on a host, names kept in all, and for how long.
const LOOKS: usize = 64;
const NAMES: usize = 512;
const KEPT: Span = Span::days(7);
/// Less than half a core is not busy, in hundredths of a percent.
const BUSY: u32 = 5_000;
/// Clock ticks a second in /proc (USER_HZ), the same on every Linux that reef runs on.
const TICKS: i64 = 100;

/// Programs that are busy by right: backups, scrubs, package work, builds, encoding.
const JOBS: &[&str] = &[
    "rsync",
    "restic",
    "borg",
    "rclone",
    "duplicity",
    "kopia",
    "tar",
    "gzip",
    "pigz",
    "xz",
    "zstd",
    "bzip2",
    "vzdump",
    "pg_dump",
    "pg_dumpall",
    "mysqldump",
    "mariadb-dump",
    "zfs",
    "zpool",
    "btrfs",
    "fstrim",
    "e2fsck",
    "xfs_repair",
    "smartctl",
    "apt",
    "apt-get",
    "dpkg",
    "dnf",
    "yum",
    "pacman",
    "zypper",
    "unattended-upgr",
    "snapd",
    "cargo",
    "rustc",
    "make",
    "cmake",
    "ninja",
    "gcc",
    "g++",
    "cc1",
    "cc1plus",
    "clang",
    "ld",
    "lld",
    "go",
    "npm",
    "node-gyp",
    "javac",
    "ffmpeg",
    "HandBrakeCLI",
    "updatedb",
    "mandb",
    "dkms",
];
/// Kernel threads that scrub or rebuild.
const KERNEL_JOBS: &[&str] = &["md", "z_rd_", "z_wr_", "dsl_scan", "txg_sync", "btrfs-scrub"];

/// One look at one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    at: Millis,
    pid: u32,
    start: u64,
    busy: u32,
}

/// What the tool saw before, by host and name.
#[derive(Debug, Default)]
pub struct Past(BTreeMap<(HostName, String), Vec<Look>>);

impl Past {
    pub fn of(&self, host: &HostName, comm: &str) -> &[Look] {
        self.0.get(&(host.clone(), comm.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Keeps a look at every process told of.
    pub fn keep(&mut self, host: &HostName, all: &[Process], now: Millis) {
        for p in all {
            let Some(busy) = p.busy else { continue };
            let looks = self.0.entry((host.clone(), p.comm.clone())).or_default();
            looks.push(Look { at: now, pid: p.pid, start: p.start, busy });
            if LOOKS < looks.len() {
                looks.remove(0);
            }
        }
        self.0.retain(|_, looks| looks.last().is_some_and(|l| now.since(l.at) < KEPT));
        while NAMES < self.0.len() {
            self.0.pop_first();
        }
    }
}

fn is_job(p: &Process) -> bool {
    let kernel = p.rss_bytes == 0 && KERNEL_JOBS.iter().any(|job| p.comm.starts_with(job));
    kernel || JOBS.contains(&p.comm.as_str())
}

/// The verdict over the busiest process, with its reason in words.
pub fn judge(
    first: &Process,
    all: &[Process],
    past: &[Look],
    uptime: Option<Span>,
    now: Millis,
) -> (Verdict, String) {
    let busy = first.busy.unwrap_or(0);
    let name = &first.comm;
    if is_job(first) {
        return (Verdict::Job, format!("{name} is a job that may be busy"));
    }
    if let Some(parent) = all.iter().find(|p| p.pid == first.parent && is_job(p)) {
        return (Verdict::Job, format!("{name} belongs to {}", parent.comm));
    }
    if busy < BUSY {
        return (Verdict::Spike, format!("nothing is busy now; {name} is at {} %", busy / 100));
    }
    if let Some(job) = all.iter().find(|p| is_job(p) && BUSY <= p.busy.unwrap_or(0)) {
        let words = format!("{name} is busiest, and {} runs beside it", job.comm);
        return (Verdict::Unsure, words);
    }
    let same = |look: &&Look| look.pid == first.pid && look.start == first.start;
    let since = past.iter().rev().filter(same).take_while(|l| busy / 2 <= l.busy).last();
    if let Some(since) = since
        && LONG <= now.since(since.at)
    {
        let long = now.since(since.at);
        let mut before: Vec<u32> =
            past.iter().filter(|l| l.at < since.at).map(|l| l.busy).collect();
        before.sort_unstable();
        let usual = before.get(before.len() / 2).copied();
        return match usual {
            Some(usual) if 3 <= before.len() && busy / 5 * 4 <= usual => {
                (Verdict::Unsure, format!("{name} is busy for {long}, as it often is"))
            }
            Some(_) | None => {
                (Verdict::Runaway, format!("{name} is busy for {long} without a job"))
            }
        };
    }
    let started = Span(i64::try_from(first.start).unwrap_or(0).saturating_mul(1_000 / TICKS));
    let Some(age) = uptime.map(|up| Span((up.0 - started.0).max(0))) else {
        return (Verdict::Unsure, format!("{name} is busy, and its age is not known"));
    };
    if age < LONG {
        return (Verdict::Spike, format!("{name} started {age} ago"));
    }
    // Over its whole life, in hundredths of a percent of one core.
    let used = i64::try_from(first.ticks).unwrap_or(i64::MAX).saturating_mul(1_000 / TICKS);
    let mean = used.saturating_mul(10_000) / age.0.max(1);
    if i64::from(busy) / 5 * 4 <= mean {
        return (Verdict::Unsure, format!("{name} is busy all its life of {age}"));
    }
    (
        Verdict::Spike,
        format!("{name} came to {} % lately, over its life {} %", busy / 100, mean / 100),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(100_000_000);
    const UP: Option<Span> = Some(Span::hours(10));

    fn process(comm: &str, busy: u32) -> Process {
        Process {
            pid: 77,
            parent: 1,
            start: 100,
            comm: comm.into(),
            uid: 0,
            ticks: 1_000,
            rss_bytes: 1,
            unit: None,
            busy: Some(busy),
        }
    }

    fn look(before: Span, busy: u32) -> Look {
        Look { at: NOW - before, pid: 77, start: 100, busy }
    }

    #[track_caller]
    fn check(first: &Process, past: &[Look], want: Verdict) {
        let all = [first.clone()];
        assert_eq!(judge(first, &all, past, UP, NOW).0, want);
    }

    #[test]
    fn busy_for_long_without_a_job_is_a_runaway() {
        check(&process("loop", 9_900), &[look(Span::mins(12), 9_800)], Verdict::Runaway);
        let idle =
            [look(Span::hours(3), 100), look(Span::hours(2), 100), look(Span::hours(1), 100)];
        let idle_then_busy = [&idle[..], &[look(Span::mins(12), 9_800)]].concat();
        check(&process("loop", 9_900), &idle_then_busy, Verdict::Runaway);
    }

    #[test]
    fn short_work_and_idle_machines_are_spikes() {
        check(&process("immich", 9_900), &[], Verdict::Spike);
        check(&process("immich", 9_900), &[look(Span::mins(3), 9_800)], Verdict::Spike);
        check(&process("immich", 9_900), &[look(Span::mins(20), 300)], Verdict::Spike);
        check(&process("immich", 1_000), &[look(Span::mins(20), 900)], Verdict::Spike);
    }

    #[test]
    fn jobs_and_their_children_are_left_alone() {
        for job in ["rsync", "restic", "cargo", "ffmpeg", "zfs"] {
            check(&process(job, 9_900), &[look(Span::mins(60), 9_900)], Verdict::Job);
        }
        let (child, mut parent) = (process("sh", 9_900), process("make", 10));
        (parent.pid, parent.parent) = (1, 0);
        let all = [child.clone(), parent];
        assert_eq!(judge(&child, &all, &[], UP, NOW).0, Verdict::Job);
    }

    #[test]
    fn a_habit_or_a_whole_life_of_work_is_unsure() {
        let habit: Vec<_> = (0..4)
            .map(|n| Look { pid: 5, ..look(Span::hours(20 - n), 9_900) })
            .chain([look(Span::mins(12), 9_900)])
            .collect();
        check(&process("miner", 9_900), &habit, Verdict::Unsure);
        let mut old = process("miner", 9_900);
        old.ticks = 3_600_000;
        check(&old, &[], Verdict::Unsure);
        let unknown_age = judge(&process("x", 9_900), &[], &[], None, NOW).0;
        assert_eq!(unknown_age, Verdict::Unsure);
    }

    #[test]
    fn a_new_process_with_an_old_number_has_no_past() {
        let other = Look { start: 9, ..look(Span::mins(30), 9_900) };
        check(&process("loop", 9_900), &[other], Verdict::Spike);
    }
}
