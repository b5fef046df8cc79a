//! Processes of another host, from what its collector printed of all of them.

use std::collections::BTreeMap;

use crate::clients::collector::Piece;
use crate::clients::host::{hands, pids, scan::Scan};
use crate::model::fact::Process;
use crate::model::ids::UnitName;

/// Whose a process is and what runs in it.
#[derive(Debug, Default)]
pub struct Table {
    uids: BTreeMap<u32, u32>,
    units: BTreeMap<u32, UnitName>,
    programs: BTreeMap<u32, String>,
}

/// Takes a scan of all processes, and the rest that is known of them.
pub fn read(piece: &Piece, scan: &mut Scan) -> Table {
    let mut round = scan.begin();
    for line in piece.text("stat").lines() {
        // Memory is told in bytes beside it, because the size of a page is not.
        round.note(line, 0);
    }
    let mut table = Table::default();
    let mut rss = BTreeMap::new();
    for line in piece.text("about").lines() {
        let Some((pid, rest)) = of_pid(line, "status") else { continue };
        if let Some(kib) = rest.strip_prefix("VmRSS:") {
            let kib = kib.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
            rss.insert(pid, kib.unwrap_or(0).saturating_mul(1_024));
        } else if let Some(uid) = pids::uid(rest) {
            table.uids.insert(pid, uid);
        }
    }
    round.memory(&rss);
    scan.end(round);
    for line in piece.text("cgroup").lines() {
        if let Some((pid, rest)) = of_pid(line, "cgroup")
            && let Some(unit) = pids::unit(rest)
        {
            table.units.entry(pid).or_insert(unit);
        }
    }
    table.programs = programs(piece.bytes("programs"));
    table
}

impl Table {
    pub fn program(&self, pid: u32) -> String {
        self.programs.get(&pid).cloned().unwrap_or_default()
    }

    /// Adds whose they are.
    pub fn with_owners(&self, processes: Vec<Process>) -> Vec<Process> {
        let owned = |process: Process| Process {
            uid: self.uids.get(&process.pid).copied().unwrap_or(u32::MAX),
            unit: self.units.get(&process.pid).cloned(),
            ..process
        };
        processes.into_iter().map(owned).collect()
    }
}

/// `/proc/12/status:Uid: 0` as grep prints it.
fn of_pid<'a>(line: &'a str, file: &str) -> Option<(u32, &'a str)> {
    let (pid, rest) = line.strip_prefix("/proc/")?.split_once('/')?;
    Some((pid.parse().ok()?, rest.strip_prefix(file)?.strip_prefix(':')?))
}

/// The same as who works by hand is judged of.
pub fn hands(piece: &Piece) -> hands::Table {
    let mut table = hands::Table {
        stats: piece.text("stat").lines().map(str::to_owned).collect(),
        lines: lines(piece.bytes("programs")),
        ..hands::Table::default()
    };
    for line in piece.text("about").lines() {
        if let Some((pid, rest)) = of_pid(line, "status")
            && let Some(uid) = pids::uid(rest)
        {
            table.uids.insert(pid, uid);
        }
    }
    table
}

fn programs(printed: &[u8]) -> BTreeMap<u32, String> {
    let lines = lines(printed).into_iter();
    lines.filter_map(|(pid, line)| Some((pid, pids::program(line.as_bytes())?))).collect()
}

/// What `head -c` prints of several files: `==> /proc/12/cmdline <==`, then its beginning.
fn lines(printed: &[u8]) -> BTreeMap<u32, String> {
    let text = String::from_utf8_lossy(printed);
    let mut found = BTreeMap::new();
    for piece in text.split("==> /proc/") {
        let Some((head, line)) = piece.split_once(" <==\n") else { continue };
        if let Some(pid) = head.strip_suffix("/cmdline").and_then(|pid| pid.parse().ok()) {
            // The first is the real one: what comes after may be the text of a command line.
            found.entry(pid).or_insert_with(|| line.trim_end_matches('\n').to_owned());
        }
    }
    found
}
