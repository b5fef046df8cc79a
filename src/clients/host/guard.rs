//! What may tell of an intruder on this machine: logins, open ports, guarded files. Each is read from where the last
//! look ended, or only where it changed.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::clients::host::guarded::Digests;
use crate::clients::host::journal::{entry, refused};
use crate::clients::host::logins::{Gathered, Told, wtmp};
use crate::clients::host::mountinfo;
use crate::clients::host::sockets::{Owners, Socket, listening};
use crate::clients::process::{Given, Limits, run_raw};
use crate::model::fact::{Fact, FactValue, Facts, NoFact};
use crate::model::guard::{Logins, Protocol};
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// Where logins are written where there is no journal.
pub const LOGS: [&str; 3] = ["/var/log/auth.log", "/var/log/secure", "/var/log/messages"];
/// Bytes of a log that are read in one look; the first look reads so much of its end.
pub const MOST: u64 = 1 << 20;
/// Bytes of the end of wtmp: some forty sessions.
pub const SESSIONS: u64 = 16_000;
/// The facilities auth and authpriv of the journal.
const FACILITIES: [&str; 2] = ["SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10"];

/// What is kept from look to look.
#[derive(Debug, Default)]
pub struct Guard {
    owners: Owners,
    digests: Digests,
    /// The journal's cursor.
    cursor: Option<String>,
    log: Position,
}

/// How far a log was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Position {
    inode: u64,
    offset: u64,
}

impl Guard {
    pub async fn facts(&mut self, wanted: &BTreeSet<Fact>) -> Facts {
        let mut facts = Facts::new();
        for fact in wanted {
            let found = if let Fact::Logins(log) = fact {
                Ok(FactValue::Logins(self.logins(log.as_ref()).await))
            } else if *fact == Fact::Listening {
                self.listening()
            } else if let Fact::Guarded(more) = fact {
                let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
                let mounts = mountinfo::parse(&String::from_utf8_lossy(&mounts));
                self.digests.look(Path::new("/"), &mounts, more).map(FactValue::Guarded)
            } else {
                continue;
            };
            facts.insert(fact.clone(), found);
        }
        facts
    }

    fn listening(&mut self) -> Result<FactValue, NoFact> {
        let mut sockets: Vec<Socket> = Vec::new();
        let mut read = 0;
        for (name, protocol) in [
            ("tcp", Protocol::Tcp),
            ("tcp6", Protocol::Tcp),
            ("udp", Protocol::Udp),
            ("udp6", Protocol::Udp),
        ] {
            // Without IPv6 half of them are not there.
            if let Ok(table) = std::fs::read_to_string(Path::new("/proc/net").join(name)) {
                sockets.extend(listening(&table, protocol));
                read += 1;
            }
        }
        match read {
            0 => Err(NoFact::Failed("/proc/net tells of no sockets".into())),
            _ => Ok(FactValue::Listening(self.owners.of(Path::new("/proc"), &sockets))),
        }
    }

    async fn logins(&mut self, log: Option<&AbsPath>) -> Logins {
        let mut all = Gathered::default();
        let told = match log {
            Some(log) => self.file(log.as_str(), &mut all),
            None => match self.journal(&mut all).await {
                Ok(()) => Ok(()),
                Err(why) => self.files(&mut all).map_err(|of_files| of_files.unwrap_or(why)),
            },
        };
        if log.is_none() {
            for login in sessions(Path::new("/var/log/wtmp")) {
                all.came(login);
            }
        }
        match told {
            Ok(()) => all.logins(Told::Yes, Vec::new()),
            Err(why) => all.logins(Told::Nowhere, vec![why]),
        }
    }

    /// The first log that is there; `Err(None)` where none is.
    fn files(&mut self, all: &mut Gathered) -> Result<(), Option<String>> {
        let log = LOGS.iter().find(|log| Path::new(log).exists()).ok_or(None)?;
        self.file(log, all).map_err(Some)
    }

    fn file(&mut self, log: &str, all: &mut Gathered) -> Result<(), String> {
        let unread = |why: std::io::Error| {
            if why.kind() == std::io::ErrorKind::PermissionDenied {
                return format!(
                    "reef may not read {log}: add its user to the file's group, often adm"
                );
            }
            format!("cannot read {log}: {why}")
        };
        let file = File::open(log).map_err(unread)?;
        let meta = file.metadata().map_err(unread)?;
        let first = self.log.inode == 0;
        if self.log.inode != meta.ino() || meta.len() < self.log.offset {
            // What rotation left beside it is read to its end first.
            if let Ok(old) = File::open(format!("{log}.1"))
                && let Ok(of_old) = old.metadata()
                && of_old.ino() == self.log.inode
            {
                lines(&old, self.log.offset, of_old.len(), all).map_err(unread)?;
            }
            let offset = if first { meta.len().saturating_sub(MOST / 4) } else { 0 };
            self.log = Position { inode: meta.ino(), offset };
        }
        let mut of_first = Gathered::default();
        let into = if first { &mut of_first } else { &mut *all };
        self.log.offset = lines(&file, self.log.offset, meta.len(), into).map_err(unread)?;
        // What failed before reef looked is past; who came then is known from now on.
        for login in of_first.logins(Told::Yes, Vec::new()).accepted {
            all.came(login);
        }
        Ok(())
    }

    async fn journal(&mut self, all: &mut Gathered) -> Result<(), String> {
        if !Path::new("/run/systemd/journal").is_dir() {
            return Err("this host keeps no journal, and no log of logins is there".into());
        }
        let mut argv: Vec<String> =
            ["journalctl", "--no-pager", "-o", "json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"]
                .into_iter()
                .chain(FACILITIES)
                .map(str::to_owned)
                .collect();
        match &self.cursor {
            Some(cursor) => argv.push(format!("--cursor={cursor}")),
            None => argv.extend(["--since=-24h", "-n", "2000"].map(str::to_owned)),
        }
        let limits = Limits { timeout: Span::secs(8), max_output: 4 << 20 };
        let raw = run_raw(&argv, limits, &Given::default())
            .await
            .map_err(|why| format!("journalctl {why}"))?;
        if let Some(why) = refused(&String::from_utf8_lossy(&raw.stderr)) {
            return Err(why.to_string());
        }
        self.cursor = entries(&raw.stdout, self.cursor.as_deref(), all);
        Ok(())
    }
}

/// Takes what journalctl printed; the cursor that is known is where the last look ended. Gives where this one does.
pub fn entries(printed: &[u8], known: Option<&str>, all: &mut Gathered) -> Option<String> {
    let mut before = Gathered::default();
    let into = if known.is_some() { &mut *all } else { &mut before };
    let mut cursor = known.map(str::to_owned);
    for line in printed.split(|b| *b == b'\n').filter(|line| line.starts_with(b"{")) {
        let Some((at, text)) = entry(line) else { continue };
        if known == Some(at.as_str()) {
            continue;
        }
        into.line(&text);
        cursor = Some(at);
    }
    for login in before.logins(Told::Yes, Vec::new()).accepted {
        all.came(login);
    }
    cursor
}

fn sessions(path: &Path) -> Vec<crate::model::guard::Login> {
    let read = || {
        let file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        let from = size.saturating_sub(SESSIONS);
        let mut bytes = vec![0; usize::try_from(size - from).ok()?];
        file.read_exact_at(&mut bytes, from).ok()?;
        Some(wtmp(&bytes, size))
    };
    read().unwrap_or_default()
}

/// Takes the whole lines between `from` and `size`, `MOST` bytes at the most; says how far it came.
fn lines(file: &File, from: u64, size: u64, all: &mut Gathered) -> std::io::Result<u64> {
    let start = from.max(size.saturating_sub(MOST));
    let mut bytes = vec![0; usize::try_from(size.saturating_sub(start)).unwrap_or(0)];
    let mut n = 0;
    while n < bytes.len() {
        match file.read_at(&mut bytes[n..], start + n as u64)? {
            0 => break,
            more => n += more,
        }
    }
    bytes.truncate(n);
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    for line in bytes[..end].split(|b| *b == b'\n') {
        all.line(&String::from_utf8_lossy(line));
    }
    Ok(start + end as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn failed(source: &str) -> String {
        format!("Failed password for root from {source} port 1 ssh2\n")
    }

    #[tokio::test]
    async fn a_log_is_read_once_through_its_rotation_and_what_was_before_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("auth.log");
        let write = |text: &str| {
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        write("Accepted publickey for dad from 192.168.1.7 port 1 ssh2\n");
        write(&failed("203.0.113.9"));
        let wanted =
            BTreeSet::from([Fact::Logins(Some(AbsPath::new(log.to_str().unwrap()).unwrap()))]);
        let mut guard = Guard::default();
        let mut look = async || match guard.facts(&wanted).await.into_values().next() {
            Some(Ok(FactValue::Logins(logins))) => logins,
            other => panic!("{other:?}"),
        };
        let first = look().await;
        assert_eq!((first.failed, first.accepted.len()), (Some(0), 1));
        write(&failed("203.0.113.9"));
        write("Failed password for root from 203.0.113.9 po");
        assert_eq!(look().await.failed, Some(1));
        write("rt 2 ssh2\n");
        std::fs::rename(&log, folder.path().join("auth.log.1")).unwrap();
        write(&failed("198.51.100.1"));
        let then = look().await;
        assert_eq!((then.failed, then.failed_from.len()), (Some(2), 2));
        assert_eq!(look().await.failed, Some(0));
        std::fs::remove_file(&log).unwrap();
        let gone = look().await;
        assert_eq!((gone.failed, gone.unseen.len()), (None, 1));
    }

    #[test]
    fn the_journal_is_taken_from_its_cursor_on() {
        let entry = |cursor: &str, message: &str| {
            format!(
                "{{\"__CURSOR\":\"{cursor}\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"MESSAGE\":\"{message}\"}}\n"
            )
        };
        let bad = "Failed password for root from 203.0.113.9 port 1 ssh2";
        let good = "Accepted password for dad from 192.168.1.7 port 1 ssh2";
        let text = [entry("a", bad), entry("b", good), "-- No entries --\n".into()].concat();
        let mut all = Gathered::default();
        assert_eq!(entries(text.as_bytes(), None, &mut all).as_deref(), Some("b"));
        let first = all.logins(Told::Yes, Vec::new());
        assert_eq!((first.failed, first.accepted.len()), (Some(0), 1));
        let text = [entry("b", good), entry("c", bad)].concat();
        let mut all = Gathered::default();
        assert_eq!(entries(text.as_bytes(), Some("b"), &mut all).as_deref(), Some("c"));
        let then = all.logins(Told::Yes, Vec::new());
        assert_eq!((then.failed, then.accepted.len()), (Some(1), 0));
        let mut all = Gathered::default();
        assert_eq!(entries(b"", Some("c"), &mut all).as_deref(), Some("c"));
    }

    #[tokio::test]
    async fn this_machine_answers() {
        let wanted =
            BTreeSet::from([Fact::Listening, Fact::Guarded(Vec::new()), Fact::Logins(None)]);
        let facts = Guard::default().facts(&wanted).await;
        assert!(matches!(&facts[&Fact::Listening], Ok(FactValue::Listening(_))));
        let Ok(FactValue::Guarded(guarded)) = &facts[&Fact::Guarded(Vec::new())] else { panic!() };
        assert!(guarded.roots.contains(&"root".to_owned()));
        assert!(matches!(&facts[&Fact::Logins(None)], Ok(FactValue::Logins(_))));
    }
}
