//! The files of this machine that say who may come in and what runs by itself: digests, and never what stands in
//! them. A file that did not change is not read again.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::clients::host::mountinfo::Mount;
use crate::clients::host::walk;
use crate::model::digest::Digest;
use crate::model::fact::NoFact;
use crate::model::guard::{Guarded, GuardedFile, Guards};
use crate::model::target::AbsPath;

/// Bytes that are read of a file; its size stands beside the digest.
const LONGEST: u64 = 1 << 20;
/// More files than these are not watched one by one.
const MOST: usize = 500;

const KEYS: [&str; 1] = ["/etc/dropbear/authorized_keys"];
const KEY_FOLDERS: [&str; 2] = ["/etc/ssh/authorized_keys", "/etc/ssh/authorized_keys.d"];
const SUDOERS: [&str; 2] = ["/etc/sudoers", "/etc/doas.conf"];
const SUDOERS_FOLDERS: [&str; 2] = ["/etc/sudoers.d", "/etc/doas.d"];
const CRON: [&str; 2] = ["/etc/crontab", "/etc/anacrontab"];
const CRON_FOLDERS: [&str; 13] = [
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/etc/crontabs",
    "/etc/periodic/15min",
    "/etc/periodic/hourly",
    "/etc/periodic/daily",
    "/etc/periodic/weekly",
    "/etc/periodic/monthly",
    "/var/spool/cron",
    "/var/spool/cron/crontabs",
];

/// An account as /etc/passwd has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    name: String,
    home: AbsPath,
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    Login,
    None,
}

/// Those that may log in, and the names of those with uid 0.
fn accounts(passwd: &str) -> (Vec<Account>, Vec<String>) {
    let (mut accounts, mut roots) = (Vec::new(), Vec::new());
    for line in passwd.lines() {
        let words: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, shell] = words[..] else { continue };
        if uid == "0" {
            roots.push(name.chars().take(60).collect());
        }
        let program = shell.rsplit('/').next().unwrap_or("");
        let shell = match program {
            "nologin" | "false" | "sync" | "halt" | "shutdown" => Shell::None,
            _ => Shell::Login,
        };
        if let Ok(home) = AbsPath::new(home) {
            accounts.push(Account { name: name.to_owned(), home, shell });
        }
    }
    (accounts, roots)
}

/// The digests of the last look, by what tells that a file changed.
#[derive(Debug, Default)]
pub struct Digests {
    known: BTreeMap<PathBuf, (Stamp, String, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            file: (meta.dev(), meta.ino()),
            size: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
            modified: (meta.mtime(), meta.mtime_nsec()),
        }
    }
}

impl Digests {
    /// Looks below `root`, which is `/`. `more` are watched as keys.
    pub fn look(
        &mut self,
        root: &Path,
        mounts: &[Mount],
        more: &[AbsPath],
    ) -> Result<Guarded, NoFact> {
        let passwd = std::fs::read(inside(root, "/etc/passwd"))
            .map_err(|why| NoFact::Failed(format!("cannot read /etc/passwd: {why}")))?;
        let (accounts, roots) = accounts(&String::from_utf8_lossy(&passwd));
        let known = std::mem::take(&mut self.known);
        let mut look = Look { root, mounts, known, digests: self, found: Guarded::default() };
        look.found.roots = roots;
        for account in accounts.iter().filter(|account| account.shell == Shell::Login) {
            for name in ["authorized_keys", "authorized_keys2"] {
                let home = account.home.as_str().trim_end_matches('/');
                look.file(Guards::Keys, &format!("{home}/.ssh/{name}"));
            }
        }
        for path in more {
            look.file(Guards::Keys, path.as_str());
        }
        for (guards, files, folders) in [
            (Guards::Keys, &KEYS[..], &KEY_FOLDERS[..]),
            (Guards::Sudoers, &SUDOERS, &SUDOERS_FOLDERS),
            (Guards::Cron, &CRON, &CRON_FOLDERS),
        ] {
            files.iter().for_each(|file| look.file(guards, file));
            folders.iter().for_each(|folder| look.folder(guards, folder));
        }
        let mut found = look.found;
        // Two accounts may share a home.
        found.files.sort_by(|a, b| (a.guards, &a.path).cmp(&(b.guards, &b.path)));
        found.files.dedup();
        found.hidden.sort();
        found.hidden.dedup();
        Ok(found)
    }
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

struct Look<'a> {
    root: &'a Path,
    mounts: &'a [Mount],
    known: BTreeMap<PathBuf, (Stamp, String, u64)>,
    digests: &'a mut Digests,
    found: Guarded,
}

impl Look<'_> {
    fn file(&mut self, guards: Guards, path: &str) {
        if MOST <= self.found.files.len() {
            self.hidden(guards, path);
            return;
        }
        // What a server answers for could keep every look of this machine waiting.
        if AbsPath::new(path).is_ok_and(|path| walk::served(&path, self.mounts)) {
            self.hidden(guards, path);
            return;
        }
        let place = inside(self.root, path);
        let meta = match std::fs::metadata(&place) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => return,
            Err(why) if why.kind() == ErrorKind::NotFound => return,
            Err(why) if why.kind() == ErrorKind::NotADirectory => return,
            Err(_) => return self.hidden(guards, path),
        };
        let stamp = Stamp::of(&meta);
        let before = self.known.remove(&place).filter(|(old, ..)| *old == stamp);
        let Some((digest, lines)) =
            before.map(|(_, digest, lines)| (digest, lines)).or_else(|| read(&place))
        else {
            return self.hidden(guards, path);
        };
        self.digests.known.insert(place, (stamp, digest.clone(), lines));
        let path = path.to_owned();
        self.found.files.push(GuardedFile { guards, path, digest, lines });
    }

    fn folder(&mut self, guards: Guards, folder: &str) {
        let entries = match std::fs::read_dir(inside(self.root, folder)) {
            Ok(entries) => entries,
            Err(why) if why.kind() == ErrorKind::NotFound => return,
            Err(why) if why.kind() == ErrorKind::NotADirectory => return,
            Err(_) => return self.hidden(guards, folder),
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        for name in names {
            self.file(guards, &format!("{folder}/{name}"));
        }
    }

    fn hidden(&mut self, guards: Guards, path: &str) {
        self.found.hidden.push((guards, path.to_owned()));
    }
}

/// Digest and lines of a file, without waiting for a pipe in its place.
fn read(path: &Path) -> Option<(String, u64)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count();
    let digest: String = Digest::of(&bytes).to_string().chars().take(16).collect();
    Some((digest, lines as u64))
}

/// What the collector's section `guarded` prints of another host: lines `root NAME`, `file KIND DIGEST LINES PATH`
/// and `hidden KIND PATH`.
pub fn printed(text: &str) -> Guarded {
    let mut found = Guarded::default();
    for line in text.lines() {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "root" => found.roots.push(rest.chars().take(60).collect()),
            "hidden" => found.hidden.extend(
                rest.split_once(' ')
                    .and_then(|(kind, path)| Some((Guards::parse(kind)?, path.to_owned()))),
            ),
            "file" if found.files.len() < MOST => found.files.extend(file(rest)),
            _ => {}
        }
    }
    found
}

fn file(rest: &str) -> Option<GuardedFile> {
    let mut words = rest.splitn(4, ' ');
    let guards = Guards::parse(words.next()?)?;
    let digest =
        words.next().filter(|d| d.len() == 64 && d.chars().all(|c| c.is_ascii_hexdigit()))?;
    let lines = words.next()?.parse().ok()?;
    let path = AbsPath::new(words.next()?).ok()?.as_str().to_owned();
    Some(GuardedFile { guards, path, digest: digest[..16].to_owned(), lines })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(root: &Path, path: &str, text: &str) {
        let place = inside(root, path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    }

    fn paths(found: &Guarded) -> Vec<(&str, u64)> {
        found.files.iter().map(|file| (file.path.as_str(), file.lines)).collect()
    }

    #[test]
    fn keys_sudoers_and_crontabs_are_digested_and_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(
            root,
            "/etc/passwd",
            "root:x:0:0:root:/home/root:/bin/bash\ntoor:x:0:0::/home/toor:/bin/sh\n\
             dad:x:1000:1000::/home/dad:\nwww:x:33:33::/var/www:/usr/sbin/nologin\nbroken\n",
        );
        write(root, "/home/dad/.ssh/authorized_keys", "ssh-ed25519 AAAA dad\n\nssh-rsa BBBB x");
        write(root, "/var/www/.ssh/authorized_keys", "nobody logs in here\n");
        write(root, "/etc/sudoers.d/dad", "dad ALL=(ALL) ALL\n");
        write(root, "/etc/cron.d/x", "* * * * * root true\n");
        write(root, "/etc/cron.d/y/z", "a folder in it is none");
        write(root, "/srv/keys", "more\n");
        let more = [AbsPath::new("/srv/keys").unwrap()];
        let mut digests = Digests::default();
        let first = digests.look(root, &[], &more).unwrap();
        assert_eq!(first.roots, ["root", "toor"]);
        assert_eq!(
            paths(&first),
            [
                ("/home/dad/.ssh/authorized_keys", 2),
                ("/srv/keys", 1),
                ("/etc/sudoers.d/dad", 1),
                ("/etc/cron.d/x", 1)
            ]
        );
        assert!(!format!("{first:?}").contains("AAAA"));
        assert_eq!(digests.look(root, &[], &more).unwrap(), first);
        write(root, "/home/dad/.ssh/authorized_keys", "ssh-ed25519 AAAA dad\n\nssh-rsa CCCC x");
        std::fs::remove_file(inside(root, "/etc/cron.d/x")).unwrap();
        let then = digests.look(root, &[], &more).unwrap();
        assert_ne!(then.files[0].digest, first.files[0].digest);
        assert_eq!((then.files[0].lines, then.files.len()), (2, 3));
    }

    #[test]
    fn what_may_not_be_read_is_named() {
        if rustix::process::geteuid().is_root() {
            // Root reads everything; a link that leads round is a refusal that it gets as well.
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), "/etc/passwd", "root:x:0:0:root:/r:/bin/sh\n");
            std::fs::create_dir_all(inside(folder.path(), "/r")).unwrap();
            std::os::unix::fs::symlink(".ssh", inside(folder.path(), "/r/.ssh")).unwrap();
            let found = Digests::default().look(folder.path(), &[], &[]).unwrap();
            assert_eq!(found.hidden[0], (Guards::Keys, "/r/.ssh/authorized_keys".to_owned()));
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "/etc/passwd", "root:x:0:0:root:/r:/bin/sh\n");
        write(folder.path(), "/etc/cron.d/x", "x");
        write(folder.path(), "/etc/sudoers", "x");
        let close = |path: &str| {
            let closed = std::fs::Permissions::from_mode(0o000);
            std::fs::set_permissions(inside(folder.path(), path), closed).unwrap();
        };
        close("/etc/cron.d");
        close("/etc/sudoers");
        let found = Digests::default().look(folder.path(), &[], &[]).unwrap();
        let named = [(Guards::Sudoers, "/etc/sudoers"), (Guards::Cron, "/etc/cron.d")];
        assert_eq!(found.hidden, named.map(|(guards, path)| (guards, path.to_owned())));
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(inside(folder.path(), "/etc/cron.d"), open).unwrap();
    }

    #[test]
    fn what_another_host_prints_is_read_and_odd_lines_are_none() {
        let digest = "ab".repeat(32);
        let text = format!(
            "root root\nfile keys {digest} 3 /home/dad/.ssh/a b\nfile keys xx 3 /x\nfile what {digest} 1 /x\n\
             file cron {digest} 1 relative\nhidden sudoers /etc/sudoers\nhidden\n"
        );
        let found = printed(&text);
        assert_eq!(paths(&found), [("/home/dad/.ssh/a b", 3)]);
        assert_eq!(found.files[0].digest.len(), 16);
        assert_eq!(found.hidden, [(Guards::Sudoers, "/etc/sudoers".to_owned())]);
        assert_eq!(found.roots, ["root"]);
    }
}
