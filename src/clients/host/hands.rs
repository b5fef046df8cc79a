//! Who works on a host by hand, from its processes: people with a terminal, and programs that somebody
//! would not want to be disturbed. utmp is not asked: not every system keeps one any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::fact::NoFact;
use crate::model::hands::{Hands, Person};
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};

/// The most of each that are told.
const MOST: usize = 20;
/// What is read of a command line.
const LINE: usize = 200;
/// Clock ticks a second: USER_HZ, the same on every machine that reef runs on (sysconf(3)).
const TICK: i64 = 10;

/// What is known of a host's processes.
#[derive(Debug, Default)]
pub struct Table {
    /// The texts of /proc/PID/stat.
    pub stats: Vec<String>,
    /// Real user ids, by process.
    pub uids: BTreeMap<u32, u32>,
    /// The beginnings of their command lines, their arguments apart by NUL.
    pub lines: BTreeMap<u32, String>,
    /// Users' names, by id.
    pub names: BTreeMap<u32, String>,
    pub booted_at: Option<Millis>,
}

#[derive(Debug, Clone)]
struct Proc {
    pid: u32,
    parent: u32,
    session: u32,
    terminal: u32,
    start: i64,
    comm: String,
}

fn parse(stat: &str) -> Option<Proc> {
    let (pid, rest) = stat.split_once(" (")?;
    let (comm, rest) = rest.rsplit_once(") ")?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    // Fields by proc(5), where the state is the third: parent 4, session 6, terminal 7, start 22.
    let number = |field: usize| words.get(field - 3).and_then(|w| w.parse::<i64>().ok());
    let small = |field: usize| number(field).and_then(|n| u32::try_from(n).ok());
    Some(Proc {
        pid: pid.trim().parse().ok()?,
        parent: small(4)?,
        session: small(6)?,
        terminal: small(7).unwrap_or(0),
        start: number(22)?,
        comm: comm.to_owned(),
    })
}

/// Terminals of people: pseudo terminals (majors 136 to 143) and the machine's own console (4).
fn is_terminal(device: u32) -> bool {
    matches!((device >> 8) & 0xfff, 4 | 136..=143)
}

/// What waits on a terminal for somebody to log in, or draws a screen.
const NOBODY: &[&str] = &["agetty", "getty", "mingetty", "mgetty", "fgetty", "login", "Xorg", "X"];

/// What keeps terminals that nobody sits at: those of who sits there are seen by themselves.
const KEEPERS: &[&str] = &[
    "tmux: server",
    "screen",
    "SCREEN",
    "dtach",
    "abduco",
    "conmon",
    "containerd-shim",
    "systemd-nspawn",
    "lxc-start",
];

/// Who works by hand. `own` is reef's own process, where it runs on that host: what belongs to it, and
/// the terminal that it was itself started from, do not count.
pub fn judge(table: &Table, own: Option<u32>) -> Hands {
    let procs: BTreeMap<u32, Proc> =
        table.stats.iter().filter_map(|stat| parse(stat)).map(|p| (p.pid, p)).collect();
    let own_session = own.and_then(|own| procs.get(&own)).map(|p| p.session);
    let mut hands = Hands::default();
    let mut seen = BTreeSet::new();
    for proc in procs.values() {
        let line = above(&procs, proc);
        if own.is_some_and(|own| line.iter().any(|p| p.pid == own)) {
            continue;
        }
        let leads = proc.session == proc.pid && is_terminal(proc.terminal);
        if leads
            && Some(proc.session) != own_session
            && !NOBODY.contains(&proc.comm.as_str())
            && !line.iter().any(|p| KEEPERS.iter().any(|keeper| p.comm.starts_with(keeper)))
        {
            let uid = table.uids.get(&proc.pid).copied();
            // Users of the system's own draw the screen on which people log in.
            if uid.is_some_and(|uid| (1..1_000).contains(&uid)) {
                continue;
            }
            let user = match (uid.and_then(|uid| table.names.get(&uid)), uid) {
                (Some(name), _) => name.clone(),
                (None, Some(uid)) => format!("user {uid}"),
                (None, None) => "somebody".to_owned(),
            };
            let since = table.booted_at.map(|at| at + Span(proc.start.saturating_mul(TICK)));
            if hands.people.len() < MOST && seen.insert(user.clone()) {
                hands.people.push(Person { user: Tainted::bounded(&user, 60), since });
            }
        }
        let args = table.lines.get(&proc.pid).map_or("", String::as_str);
        if let Some(work) = work(&proc.comm, args)
            && hands.work.len() < MOST
        {
            hands.work.push(Tainted::bounded(&format!("{work} (pid {})", proc.pid), 80));
        }
    }
    hands
}

/// The process and all above it.
fn above<'a>(procs: &'a BTreeMap<u32, Proc>, proc: &'a Proc) -> Vec<&'a Proc> {
    let mut line = vec![proc];
    let mut at = proc.parent;
    while let Some(parent) = procs.get(&at) {
        // What was read at different moments may go round in a circle.
        if line.iter().any(|p| p.pid == parent.pid) {
            break;
        }
        line.push(parent);
        at = parent.parent;
    }
    line
}

/// Programs that change what is installed, or bring data away, as long as they run.
const WORK: &[&str] = &[
    "apt",
    "apt-get",
    "aptitude",
    "dpkg",
    "dnf",
    "dnf5",
    "yum",
    "zypper",
    "pacman",
    "apk",
    "emerge",
    "do-release-upgr",
    "vzdump",
    "restic",
    "borg",
    "borgmatic",
    "duplicity",
    "rsnapshot",
    "snapraid",
    "proxmox-backup-",
    "pg_dump",
    "pg_dumpall",
    "pg_restore",
    "pg_basebackup",
    "mysqldump",
    "mariadb-dump",
    "mariabackup",
    "xtrabackup",
    "mongodump",
    "e2fsck",
    "resize2fs",
];

/// Programs that do so with one of these arguments.
const WORK_WITH: &[(&str, &[&str])] = &[
    ("zfs", &["send", "receive", "recv", "rollback"]),
    ("btrfs", &["send", "receive", "balance"]),
    ("rclone", &["copy", "copyto", "sync", "move", "bisync"]),
    ("kopia", &["snapshot"]),
];

/// What of them only looks.
const LOOKS: &[&str] = &["-s", "-l", "-L", "-S", "--simulate", "--list", "--version", "--help"];

/// The work that a process is, in a word or two. `args` are apart by NUL.
fn work(comm: &str, args: &str) -> Option<String> {
    let args: Vec<&str> = args.split('\0').collect();
    let has = |one: &&str| args.contains(one);
    if comm.starts_with("unattended-upgr") {
        // One of its programs waits from boot to shutdown.
        let works = args.iter().any(|a| a.ends_with("unattended-upgrade"));
        return works.then(|| "unattended-upgrade".to_owned());
    }
    if WORK.contains(&comm) {
        return (!LOOKS.iter().any(has)).then(|| comm.trim_end_matches('-').to_owned());
    }
    if comm == "rsync" {
        return (!has(&"--daemon")).then(|| comm.to_owned());
    }
    if args.first().is_some_and(|a| a.starts_with("task UPID:") && a.contains(":vzdump:")) {
        return Some("vzdump".to_owned());
    }
    let (program, verbs) = WORK_WITH.iter().find(|(program, _)| *program == comm)?;
    let verb = verbs.iter().find(|verb| has(verb))?;
    Some(format!("{program} {verb}"))
}

/// Of this machine. `proc` is /proc.
pub fn here(proc: &Path) -> Result<Hands, NoFact> {
    let failed = |why: &dyn std::fmt::Display| NoFact::Failed(format!("/proc: {why}"));
    let mut table = Table::default();
    let text = |path: &Path| {
        std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    for entry in std::fs::read_dir(proc).map_err(|why| failed(&why))? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end between the listing and the reading.
        let Some(stat) = text(&entry.path().join("stat")) else { continue };
        if let Some(status) = text(&entry.path().join("status"))
            && let Some(uid) = crate::clients::host::pids::uid(&status)
        {
            table.uids.insert(pid, uid);
        }
        if let Some(line) = text(&entry.path().join("cmdline")) {
            table.lines.insert(pid, line.chars().take(LINE).collect());
        }
        table.stats.push(stat);
    }
    if table.stats.is_empty() {
        return Err(failed(&"there is no process in it"));
    }
    table.booted_at = text(&proc.join("stat")).as_deref().and_then(booted);
    table.names = text(Path::new("/etc/passwd")).map(|passwd| names(&passwd)).unwrap_or_default();
    Ok(judge(&table, Some(std::process::id())))
}

/// `btime` of /proc/stat.
pub fn booted(stat: &str) -> Option<Millis> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse::<i64>().ok().map(|seconds| Millis(seconds.saturating_mul(1_000)))
}

/// Users' names of /etc/passwd, or of its first and third field alone.
pub fn names(passwd: &str) -> BTreeMap<u32, String> {
    let one = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let uid = if fields.len() <= 2 { fields.get(1) } else { fields.get(2) };
        Some((uid?.parse().ok()?, (*fields.first()?).to_owned()))
    };
    passwd.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTS: u32 = 136 << 8;
    const TTY1: u32 = (4 << 8) | 1;

    /// `PID PARENT SESSION TERMINAL COMM`.
    fn table(procs: &[(u32, u32, u32, u32, &str)]) -> Table {
        let stat = |&(pid, parent, session, terminal, comm): &(u32, u32, u32, u32, &str)| {
            format!(
                "{pid} ({comm}) S {parent} {pid} {session} {terminal} -1 0 0 0 0 0 1 1 0 0 20 0 1 0 6000 0 0"
            )
        };
        Table {
            stats: procs.iter().map(stat).collect(),
            names: BTreeMap::from([(1_000, "anna".to_owned())]),
            booted_at: Some(Millis(1_000_000)),
            ..Table::default()
        }
    }

    fn people(hands: &Hands) -> Vec<String> {
        hands.people.iter().map(|person| person.user.to_string()).collect()
    }

    #[test]
    fn who_has_a_terminal_is_there() {
        let mut table = table(&[
            (1, 0, 1, 0, "systemd"),
            (10, 1, 10, 0, "sshd"),
            (11, 10, 11, 0, "sshd"),
            (12, 11, 12, PTS, "bash"),
            (13, 12, 12, PTS, "vim"),
            (20, 1, 20, TTY1, "agetty"),
            (30, 1, 30, PTS + 1, "zsh"),
            (40, 1, 40, 0, "tmux: server"),
            (41, 40, 41, PTS + 2, "bash"),
            (50, 1, 50, 0, "containerd-shim-runc-v2"),
            (51, 50, 51, PTS, "nginx"),
            (60, 1, 60, TTY1 + 1, "gdm-x-session"),
        ]);
        table.uids = BTreeMap::from([(12, 1_000), (30, 1_001), (41, 1_000), (51, 0), (60, 120)]);
        let hands = judge(&table, None);
        assert_eq!(people(&hands), ["anna", "user 1001"]);
        assert_eq!(hands.people[0].since, Some(Millis(1_000_000 + 60_000)));
        assert!(hands.work.is_empty());
    }

    #[test]
    fn reefs_own_tree_and_terminal_do_not_count() {
        let mut table = table(&[
            (12, 1, 12, PTS, "bash"),
            (15, 12, 12, PTS, "reef"),
            (16, 15, 16, 0, "restic"),
            (17, 1, 17, 0, "restic"),
        ]);
        table.uids = BTreeMap::from([(12, 1_000)]);
        let hands = judge(&table, Some(15));
        assert!(hands.people.is_empty(), "{hands:?}");
        assert_eq!(hands.work, [Tainted::new("restic (pid 17)")]);
        assert_eq!(people(&judge(&table, None)), ["anna"]);
    }

    #[test]
    fn work_is_known_by_its_program_and_what_it_was_told() {
        for (comm, args, want) in [
            ("apt-get", "apt-get\0upgrade", Some("apt-get")),
            ("apt-get", "apt-get\0-s\0-q\0dist-upgrade", None),
            ("dpkg", "dpkg\0-l", None),
            ("dpkg", "/usr/bin/dpkg\0--configure\0-a", Some("dpkg")),
            (
                "unattended-upgr",
                "python3\0/usr/share/unattended-upgrades/unattended-upgrade-shutdown\0--wait-for-signal",
                None,
            ),
            (
                "unattended-upgr",
                "/usr/bin/python3\0/usr/bin/unattended-upgrade",
                Some("unattended-upgrade"),
            ),
            ("zfs", "zfs\0send\0tank@a", Some("zfs send")),
            ("zfs", "zfs\0list", None),
            ("rsync", "rsync\0--daemon\0--no-detach", None),
            ("rsync", "rsync\0-a\0/a\0/b", Some("rsync")),
            ("rclone", "rclone\0mount\0x:", None),
            ("rclone", "rclone\0sync\0a\0b:", Some("rclone sync")),
            ("perl", "task UPID:pve:00:vzdump:100:root@pam:", Some("vzdump")),
            ("proxmox-backup-", "proxmox-backup-client\0backup", Some("proxmox-backup")),
            ("nginx", "nginx: worker", None),
        ] {
            assert_eq!(work(comm, args).as_deref(), want, "{comm} {args:?}");
        }
    }

    #[test]
    fn names_are_read_of_whole_lines_and_of_two_fields() {
        let names = names("root:x:0:0:root:/root:/bin/sh\nanna:1000\nbad\n");
        assert_eq!(names, BTreeMap::from([(0, "root".into()), (1_000, "anna".into())]));
        assert_eq!(booted("cpu 1\nbtime 1700000000\n"), Some(Millis(1_700_000_000_000)));
    }

    #[test]
    fn this_machine_tells() {
        assert!(here(Path::new("/proc")).is_ok());
        assert!(here(Path::new("/no/proc")).is_err());
    }
}
