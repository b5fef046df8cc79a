//! Who is at the other end of the socket: what the kernel says, and whether reef started it.

use std::io::Read;
use std::path::Path;

use tokio::net::unix::UCred;

/// A peer of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) descent: Descent,
}

/// How a process stands to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descent {
    /// The daemon's own process.
    Own,
    /// Somebody else started it.
    Stranger,
    /// The daemon, or something that the daemon started, started it.
    Child,
    /// It cannot be seen: gone already, in another process namespace, or hidden.
    Unclear,
}

/// Chains of processes are short; a longer one is somebody's trick.
const DEEPEST: usize = 256;

impl Peer {
    /// Asks the kernel. Looks up the process at once: later its number may be another's.
    pub(crate) fn of(cred: std::io::Result<UCred>) -> Option<Self> {
        let cred = cred.ok()?;
        let own = std::process::id();
        let descent = match cred.pid().and_then(|pid| u32::try_from(pid).ok()) {
            Some(pid) => descent(Path::new("/proc"), pid, own),
            None => Descent::Unclear,
        };
        Some(Self { uid: cred.uid(), descent })
    }
}

/// Walks from `pid` towards init by the parents that `proc` tells.
pub(crate) fn descent(proc: &Path, pid: u32, own: u32) -> Descent {
    if pid == own {
        return Descent::Own;
    }
    let mut at = pid;
    for _ in 0..DEEPEST {
        match parent(proc, at) {
            // 0: the first process of this namespace, or one that entered it from outside.
            Some(0) => return Descent::Stranger,
            Some(parent) if parent == own => return Descent::Child,
            Some(parent) => at = parent,
            None => return Descent::Unclear,
        }
    }
    Descent::Unclear
}

/// The parent in `/proc/PID/stat`: the second field after the name, which stands in parentheses and may
/// hold anything, parentheses too (proc_pid_stat(5)).
fn parent(proc: &Path, pid: u32) -> Option<u32> {
    let mut text = Vec::new();
    let file = std::fs::File::open(proc.join(pid.to_string()).join("stat")).ok()?;
    file.take(4_096).read_to_end(&mut text).ok()?;
    let after = text.iter().rposition(|b| *b == b')')?;
    let fields = std::str::from_utf8(text.get(after + 1..)?).ok()?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(processes: &[(u32, &str)]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        for (pid, stat) in processes {
            let folder = proc.path().join(pid.to_string());
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("stat"), stat).unwrap();
        }
        proc
    }

    #[test]
    fn the_way_to_init_tells_who_started_it() {
        let proc = fake(&[
            (1, "1 (systemd) S 0 1 1"),
            (100, "100 (reef) S 1 100 100"),
            (110, "110 (sh) S 100 110 110"),
            (111, "111 (a) S 1 (b) R 110 111 111"),
            (200, "200 (bash) S 1 200 200"),
            (201, "201 (reef) S 200 200 200"),
            (300, "300 (x) S 299 300 300"),
            (400, "400 (loop) S 401 4 4"),
            (401, "401 (loop) S 400 4 4"),
            (500, "no stat at all"),
        ]);
        for (pid, want) in [
            (100, Descent::Own),
            (110, Descent::Child),
            // A name that looks like the fields behind it.
            (111, Descent::Child),
            (200, Descent::Stranger),
            (201, Descent::Stranger),
            (1, Descent::Stranger),
            (300, Descent::Unclear),
            (400, Descent::Unclear),
            (500, Descent::Unclear),
            (9_999, Descent::Unclear),
            (0, Descent::Unclear),
        ] {
            assert_eq!(descent(proc.path(), pid, 100), want, "pid {pid}");
        }
    }

    #[test]
    fn this_test_was_started_by_its_parent() {
        let own = std::process::id();
        let parent = parent(Path::new("/proc"), own).unwrap();
        assert_eq!(descent(Path::new("/proc"), own, parent), Descent::Child);
        assert_eq!(descent(Path::new("/proc"), own, own), Descent::Own);
    }
}
