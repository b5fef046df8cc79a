//! One round trip for all facts of a remote host: a constant script, read in sections.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::host::mountinfo::{self, Access};
use crate::clients::host::proc;
use crate::model::fact::{Fact, FactValue, Facts, NoFact, Volume};

/// What runs on the host, over `sh`. It reads only.
pub const SCRIPT: &str = include_str!("collect.sh");

/// The script's output by section.
type Sections<'a> = BTreeMap<&'a str, &'a str>;

/// Answers every wanted fact from what the script printed, which may have been cut off.
pub fn facts(printed: &str, wanted: &BTreeSet<Fact>) -> Facts {
    let sections = sections(printed);
    wanted.iter().map(|fact| (fact.clone(), one(fact, &sections))).collect()
}

fn one(fact: &Fact, sections: &Sections<'_>) -> Result<FactValue, NoFact> {
    let text = |name: &'static str| {
        sections.get(name).copied().filter(|text| !text.is_empty()).ok_or_else(|| {
            NoFact::Failed(format!(
                "the host did not print its {name}: was the collection cut off?"
            ))
        })
    };
    match fact {
        Fact::Memory => {
            let arcstats = sections.get("arcstats").copied().filter(|text| !text.is_empty());
            let memory = proc::memory(text("meminfo")?, arcstats);
            memory.map(FactValue::Memory).map_err(NoFact::Failed)
        }
        Fact::Cpu => {
            let cpu = proc::cpu(text("loadavg")?, text("stat")?);
            cpu.map(FactValue::Cpu).map_err(NoFact::Failed)
        }
        Fact::Uptime => {
            proc::uptime(text("uptime")?).map(FactValue::Uptime).map_err(NoFact::Failed)
        }
        Fact::Volumes => {
            let volumes = volumes(text("mountinfo")?, text("blocks")?, text("inodes")?);
            Ok(FactValue::Volumes(volumes))
        }
        Fact::Folder(_)
        | Fact::Pressure
        | Fact::OomKills
        | Fact::Interfaces
        | Fact::Unit(_)
        | Fact::FailedUnits
        | Fact::Processes(_)
        | Fact::Busiest
        | Fact::Newest(_)
        | Fact::JournalErrors
        | Fact::FileLines(_) => Err(NoFact::Absent("not collected over SSH yet".into())),
    }
}

/// Splits at the marker lines. A section counts only when the next marker ends it: the last one of a
/// cut-off collection may be half there.
fn sections(printed: &str) -> Sections<'_> {
    let mut found = Sections::new();
    let mut rest = printed;
    let mut open: Option<&str> = None;
    while let Some((before, after)) = rest.split_once("==reef ") {
        let Some((name, body)) = after.split_once("==\n") else { break };
        if let Some(name) = open {
            found.insert(name, before.trim_matches('\n'));
        }
        open = Some(name);
        rest = body;
    }
    found
}

/// A row of `df -P`: total and available, by mount point.
struct Row {
    total: u64,
    free: u64,
}

/// Rows of `df -P`. The columns are found by the one with the percent sign, because both the source
/// and the mount point may have spaces.
fn rows(text: &str) -> BTreeMap<&str, Row> {
    text.lines().skip(1).filter_map(row).collect()
}

fn row(line: &str) -> Option<(&str, Row)> {
    let mut words: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for word in line.split_ascii_whitespace() {
        let start = at + line[at..].find(word)?;
        words.push((start, word));
        at = start + word.len();
    }
    // An unknown share is `-`, as for inodes where a file system has no fixed number of them.
    let is_share = |word: &str| {
        word == "-" || word.strip_suffix('%').is_some_and(|n| n.parse::<u32>().is_ok())
    };
    let number = |word: &str| if word == "-" { Some(0) } else { word.parse::<u64>().ok() };
    (4..words.len()).find_map(|i| {
        let (start, share) = words[i];
        let (total, _used) = (number(words[i - 3].1)?, number(words[i - 2].1)?);
        let free = number(words[i - 1].1)?;
        let mount = line[start + share.len()..].trim_start();
        (is_share(share) && mount.starts_with('/')).then_some((mount, Row { total, free }))
    })
}

fn volumes(mounts: &str, blocks: &str, inodes: &str) -> Vec<Volume> {
    let (blocks, inodes) = (rows(blocks), rows(inodes));
    let mounts = mountinfo::parse(mounts);
    let volumes = mountinfo::volumes(&mounts).into_iter();
    volumes
        .filter_map(|(mount, _reach)| {
            // What df leaves out is a server's: its own host watches it.
            let room = blocks.get(mount.path.as_str())?;
            let files = inodes.get(mount.path.as_str());
            Some(Volume {
                total_bytes: room.total.saturating_mul(1_024),
                free_bytes: room.free.saturating_mul(1_024),
                total_inodes: files.map_or(0, |row| row.total),
                free_inodes: files.map_or(0, |row| row.free),
                read_only: matches!(mount.access, Access::ReadOnly | Access::Fallen),
                stale: None,
                mount: mount.path,
                source: mount.source,
                fs: mount.fs,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Span;

    const PRINTED: &str = "\
\n==reef meminfo==\nMemTotal:        8000000 kB\nMemAvailable:    6000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n\
\n==reef arcstats==\n\
\n==reef loadavg==\n0.10 0.20 0.30 1/100 4242\n\
\n==reef stat==\ncpu  10 0 10 70 10 0 0 0 0 0\ncpu0 10 0 10 70 10 0 0 0 0 0\nctxt 99\n\
\n==reef uptime==\n86400.50 1000.00\n\
\n==reef mountinfo==\n\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
23 22 8:2 / /srv/my\\040data rw,relatime shared:2 - btrfs /dev/sda2 rw\n\
24 22 0:40 / /mnt/nfs rw,relatime shared:3 - nfs4 nas:/x rw\n\
\n==reef blocks==\n\
Filesystem     1024-blocks    Used Available Capacity Mounted on\n\
/dev/sda1         10000000 9000000    900000      91% /\n\
/dev/sda2         20000000 1000000  19000000       5% /srv/my data\n\
\n==reef inodes==\n\
Filesystem      Inodes  IUsed   IFree IUse% Mounted on\n\
/dev/sda1       600000 100000  500000   17% /\n\
/dev/sda2            0      0       0     - /srv/my data\n\
\n==reef end==\n";

    fn wanted() -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Memory, Fact::Cpu, Fact::Uptime, Fact::Volumes, Fact::FailedUnits])
    }

    #[test]
    fn one_round_trip_answers_every_wanted_fact() {
        let facts = facts(PRINTED, &wanted());
        assert_eq!(facts.len(), 5);
        assert_eq!(facts[&Fact::Uptime], Ok(FactValue::Uptime(Span::days(1))));
        let Ok(FactValue::Memory(memory)) = &facts[&Fact::Memory] else { panic!("{facts:?}") };
        assert_eq!(memory.available, 6_000_000 << 10);
        let Ok(FactValue::Cpu(cpu)) = &facts[&Fact::Cpu] else { panic!("{facts:?}") };
        assert_eq!((cpu.cores, cpu.switches), (1, 99));
        let absent = NoFact::Absent("not collected over SSH yet".into());
        assert_eq!(facts[&Fact::FailedUnits], Err(absent));
        let Ok(FactValue::Volumes(volumes)) = &facts[&Fact::Volumes] else { panic!("{facts:?}") };
        let told: Vec<_> = volumes
            .iter()
            .map(|v| (v.mount.as_str(), v.free_bytes >> 10, v.total_inodes, v.free_inodes))
            .collect();
        assert_eq!(
            told,
            [("/", 900_000, 600_000, 500_000), ("/srv/my data", 19_000_000, 0, 0)],
            "the server's volume is left to its own host"
        );
    }

    #[test]
    fn what_was_cut_off_is_missing_and_not_guessed() {
        let end = PRINTED.find("==reef inodes==").unwrap() + 120;
        for end in [0, 30, PRINTED.find("==reef stat==").unwrap() + 20, end] {
            let facts = facts(&PRINTED[..end], &wanted());
            assert_eq!(facts.len(), 5, "each wanted fact is answered");
            assert!(matches!(facts[&Fact::Volumes], Err(NoFact::Failed(_))), "{end}");
        }
        assert!(facts("garbage ==reef x", &wanted()).values().all(Result::is_err));
    }

    #[test]
    fn the_script_is_valid_and_its_sections_are_those_that_are_read() {
        for name in [
            "meminfo",
            "arcstats",
            "loadavg",
            "stat",
            "uptime",
            "mountinfo",
            "blocks",
            "inodes",
            "end",
        ] {
            assert!(SCRIPT.contains(&format!("section {name}\n")), "{name}");
        }
        assert!(!SCRIPT.contains("{}"), "nothing is spliced in");
    }
}
