//! The processes of this machine: one scan of /proc a collection, and only when one is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use crate::clients::host::pids;
use crate::model::fact::Process;

/// The processes that are told of each: those with most CPU time since the last scan, and those with
/// most memory.
const TOP: usize = 15;

/// Clock ticks a second: USER_HZ, the same on every machine that reef runs on (sysconf(3)).
const TICKS: f64 = 100.0;

/// A process by its pid and when it started.
type Id = (u32, u64);

/// What is remembered from scan to scan.
#[derive(Debug, Default)]
pub struct Scan {
    page: Option<u64>,
    at: Option<Instant>,
    /// CPU time by then, and the program's name where it was asked for once.
    known: BTreeMap<Id, Known>,
    /// The same, of the scan in which `busy` was worked out.
    all: Vec<Process>,
}

#[derive(Debug, Default)]
struct Known {
    ticks: u64,
    program: Option<String>,
}

impl Scan {
    /// Reads every process once. `proc` is /proc.
    pub fn scan(&mut self, proc: &Path) -> std::io::Result<()> {
        let page = *self.page.get_or_insert_with(|| {
            std::fs::read(proc.join("self/auxv"))
                .ok()
                .and_then(|a| pids::page_size(&a))
                .unwrap_or(4_096)
        });
        let entries = std::fs::read_dir(proc)?;
        let mut round = self.begin();
        let mut buffer = [0; 1_024];
        for entry in entries {
            let Ok(entry) = entry else { continue };
            let is_pid =
                entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit);
            if !is_pid {
                continue;
            }
            // A process may end between the listing and the reading.
            if let Some(text) = read(entry.path().join("stat"), &mut buffer) {
                round.note(&text, page);
            }
        }
        self.end(round);
        Ok(())
    }

    /// Begins a scan whose texts are handed in one by one, wherever they were read.
    pub fn begin(&mut self) -> Round {
        let now = Instant::now();
        let over = self.at.map(|at| now.saturating_duration_since(at).as_secs_f64());
        let before = std::mem::take(&mut self.known);
        Round { now, over, before, known: BTreeMap::new(), all: Vec::new() }
    }

    /// Keeps what a scan brought.
    pub fn end(&mut self, round: Round) {
        (self.known, self.all, self.at) = (round.known, round.all, Some(round.now));
    }

    /// Those whose name, or whose program by `program`, equals `name`, without their owners.
    pub fn matching(&mut self, name: &str, program: impl Fn(u32) -> String) -> Vec<Process> {
        let mut found = Vec::new();
        for process in &self.all {
            if process.comm == name
                || self.known.get_mut(&(process.pid, process.start)).is_some_and(|known| {
                    known.program.get_or_insert_with(|| program(process.pid)) == name
                })
            {
                found.push(process.clone());
            }
        }
        found
    }

    /// Those whose name, or whose program's file name, equals `name`.
    pub fn named(&mut self, proc: &Path, name: &str) -> Vec<Process> {
        let found = self.matching(name, |pid| program(proc, pid));
        found.into_iter().map(|p| with_owner(proc, p)).collect()
    }

    /// Those that use most CPU time, and those that use most memory, the busiest first.
    pub fn busiest(&self, proc: &Path) -> Vec<Process> {
        self.top().into_iter().map(|p| with_owner(proc, p)).collect()
    }

    /// As [`Scan::busiest`], without their owners.
    pub fn top(&self) -> Vec<Process> {
        let mut by_memory: Vec<&Process> = self.all.iter().collect();
        by_memory.sort_by_key(|p| (std::cmp::Reverse(p.rss_bytes), p.pid));
        let mut by_time = by_memory.clone();
        by_time.sort_by_key(|p| std::cmp::Reverse((p.busy, p.ticks)));
        let mut told = BTreeSet::new();
        let top = by_time.iter().take(TOP).chain(by_memory.iter().take(TOP));
        top.filter(|p| told.insert(p.pid)).map(|p| (*p).clone()).collect()
    }
}

/// A scan under way.
#[derive(Debug)]
pub struct Round {
    now: Instant,
    over: Option<f64>,
    before: BTreeMap<Id, Known>,
    known: BTreeMap<Id, Known>,
    all: Vec<Process>,
}

impl Round {
    /// Takes one /proc/PID/stat; `page` is the size of a page in bytes.
    pub fn note(&mut self, text: &str, page: u64) {
        if pids::is_zombie(text) {
            return;
        }
        let Some(mut process) = pids::stat(text, page) else { return };
        let before = self.before.remove(&(process.pid, process.start));
        // One that was not there at the last scan has used all its time since.
        let used = match (&before, self.over) {
            (Some(before), Some(_)) => Some(process.ticks.saturating_sub(before.ticks)),
            (None, Some(_)) => Some(process.ticks),
            (_, None) => None,
        };
        process.busy = used.zip(self.over).map(|(used, over)| share(used, over));
        let program = before.and_then(|b| b.program);
        self.known.insert((process.pid, process.start), Known { ticks: process.ticks, program });
        self.all.push(process);
    }

    /// Memory by process, where it was told in bytes and not in pages.
    pub fn memory(&mut self, rss: &BTreeMap<u32, u64>) {
        for process in &mut self.all {
            process.rss_bytes = rss.get(&process.pid).copied().unwrap_or(0);
        }
    }
}

/// Hundredths of one core.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to what a machine with 10,000 cores could use"
)]
fn share(ticks: u64, over: f64) -> u32 {
    (ticks as f64 / TICKS / over.max(0.01) * 100.0).clamp(0.0, 1_000_000.0) as u32
}

/// Reads a small file of /proc in one call.
fn read(path: PathBuf, buffer: &mut [u8; 1_024]) -> Option<String> {
    let n = File::open(path).ok()?.read(buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

/// The program's file name; empty for kernel threads and those that ended.
fn program(proc: &Path, pid: u32) -> String {
    let path = proc.join(pid.to_string()).join("cmdline");
    read(path, &mut [0; 1_024]).and_then(|text| pids::program(text.as_bytes())).unwrap_or_default()
}

/// Adds whose it is, which takes two more files.
fn with_owner(proc: &Path, process: Process) -> Process {
    let folder = proc.join(process.pid.to_string());
    let text = |name| std::fs::read_to_string(folder.join(name)).ok();
    let uid = text("status").and_then(|t| pids::uid(&t));
    let unit = text("cgroup").and_then(|t| pids::unit(&t));
    Process { uid: uid.unwrap_or(u32::MAX), unit, ..process }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_and_its_work_shows() {
        let proc = Path::new("/proc");
        let me = std::process::id();
        let mut scan = Scan::default();
        scan.scan(proc).unwrap();
        let first = scan.all.iter().find(|p| p.pid == me).unwrap().clone();
        assert!(first.busy.is_none() && 0 < first.rss_bytes);
        let until = Instant::now() + std::time::Duration::from_millis(120);
        while Instant::now() < until {}
        scan.scan(proc).unwrap();
        let busy = scan.all.iter().find(|p| p.pid == me).unwrap().busy;
        assert!(busy.is_some_and(|share| 0 < share), "{busy:?}");
        let exe = std::env::current_exe().unwrap();
        let name = exe.file_name().unwrap().to_str().unwrap();
        let named = scan.named(proc, name);
        assert!(named.iter().any(|p| p.pid == me && p.uid == rustix::process::getuid().as_raw()));
        assert!(scan.named(proc, "no-such-program-anywhere").is_empty());
        let busiest = scan.busiest(proc);
        assert!(!busiest.is_empty() && busiest.len() <= 2 * TOP);
        assert!(busiest.windows(2).take(TOP - 1).all(|w| w[1].busy <= w[0].busy));
    }
}
