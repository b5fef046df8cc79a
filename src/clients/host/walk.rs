//! How large a folder is and which of its files is newest: here where a local disk answers, by a
//! child that can be killed where a server does.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use crate::clients::host::lines::Splitter;
use crate::clients::host::mountinfo::{self, Mount, Reach};
use crate::clients::process::{Given, Limits, run_into};
use crate::model::fact::{Newest, NoFact};
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};

/// Files and folders that are looked at.
const MOST: u64 = 1_000_000;

/// How long a walk may take.
const LIMIT: Span = Span::secs(20);

/// What lies below a folder.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Below {
    /// Sizes of all files; one with several names counts once where a local disk tells.
    pub bytes: u64,
    pub files: u64,
    pub newest: Option<(AbsPath, Millis, u64)>,
}

impl Below {
    fn add(&mut self, path: &str, changed_at: Millis, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.files += 1;
        if self.newest.as_ref().is_none_or(|(_, at, _)| *at < changed_at)
            && let Ok(path) = AbsPath::new(path)
        {
            self.newest = Some((path, changed_at, bytes));
        }
    }

    /// The newest file, where there is one.
    pub fn newest(self) -> Option<Newest> {
        let files = self.files;
        self.newest.map(|(path, changed_at, bytes)| Newest { path, changed_at, bytes, files })
    }
}

/// Walks everything below `root` that lies on the same file system; links are not followed.
pub async fn below(root: &AbsPath, mounts: &[Mount]) -> Result<Below, NoFact> {
    match reach(root, mounts) {
        Reach::Local => {
            let root = root.clone();
            let walked = tokio::task::spawn_blocking(move || walk(&root)).await;
            walked.unwrap_or_else(|why| Err(NoFact::Failed(format!("the walk broke off: {why}"))))
        }
        Reach::Remote => find(root, LIMIT).await,
    }
}

/// Whether looking at this path may hang. A link could lead to a server, so it is the child's as well.
fn reach(root: &AbsPath, mounts: &[Mount]) -> Reach {
    let link = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
    // Only where no part lies on a server may the parts be looked at for links.
    if served(root, mounts) || root.as_path().ancestors().any(link) {
        return Reach::Remote;
    }
    Reach::Local
}

/// Whether a server answers for this path, by its name alone.
pub fn served(path: &AbsPath, mounts: &[Mount]) -> bool {
    let on = mountinfo::holding(mounts, path);
    on.is_some_and(|m| m.fs == "autofs" || mountinfo::reach(&m.fs) == Some(Reach::Remote))
}

fn walk(root: &AbsPath) -> Result<Below, NoFact> {
    let failed = |why| NoFact::Failed(format!("cannot look at {root}: {why}"));
    let deadline = Instant::now() + LIMIT.duration();
    let top = std::fs::metadata(root.as_path()).map_err(failed)?;
    let mut below = Below::default();
    if !top.is_dir() {
        below.add(root.as_str(), changed(&top), top.len());
        return Ok(below);
    }
    let mut linked = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![root.as_path().into()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let inside = match std::fs::read_dir(&folder) {
            Ok(inside) => inside,
            // What reef may not see it must not pretend to have counted.
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                let folder = folder.display();
                return Err(NoFact::Failed(format!("cannot look at {folder}: {why}")));
            }
            Err(_) => continue,
        };
        for entry in inside.flatten() {
            seen += 1;
            if MOST < seen || (seen % 1_024 == 0 && deadline < Instant::now()) {
                return Err(NoFact::Failed(format!(
                    "{root} has more files than can be counted in {LIMIT}"
                )));
            }
            // `DirEntry::metadata` does not follow links.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() && meta.dev() == top.dev() {
                folders.push(entry.path());
            } else if meta.is_file() && (meta.nlink() < 2 || linked.insert(meta.ino())) {
                below.add(&entry.path().to_string_lossy(), changed(&meta), meta.len());
            }
        }
    }
    Ok(below)
}

fn changed(meta: &std::fs::Metadata) -> Millis {
    Millis(meta.mtime().saturating_mul(1_000).saturating_add(meta.mtime_nsec() / 1_000_000))
}

/// The same by `find`, which may be killed while a server does not answer.
async fn find(root: &AbsPath, limit: Span) -> Result<Below, NoFact> {
    // The slash makes find enter a root that is a link.
    let argv = ["find", &format!("{root}/"), "-xdev", "-type", "f", "-printf", "%T@ %s %p\\n"];
    let argv = argv.map(str::to_owned);
    let mut below = Below::default();
    let mut splitter = Splitter::new(8_192);
    let mut sink = |piece: &[u8]| {
        splitter.take(piece, |line| {
            let text = String::from_utf8_lossy(line);
            let mut words = text.splitn(3, ' ');
            let at = words.next().and_then(|w| w.split('.').next()?.parse::<i64>().ok());
            let bytes = words.next().and_then(|w| w.parse::<u64>().ok());
            if let (Some(at), Some(bytes), Some(path)) = (at, bytes, words.next()) {
                below.add(path, Millis(at.saturating_mul(1_000)), bytes);
            }
        });
        0
    };
    let limits = Limits { timeout: limit, max_output: 4_096 };
    let raw = run_into(&argv, limits, &Given::default(), &mut sink).await;
    let raw = raw.map_err(|why| NoFact::Failed(format!("looking through {root}: find {why}")))?;
    match raw.code {
        Some(0) => Ok(below),
        Some(_) | None => {
            let why = String::from_utf8_lossy(&raw.stderr);
            let why: String = why.lines().next().unwrap_or("failed").chars().take(200).collect();
            Err(NoFact::Failed(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, AbsPath) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        for (name, bytes) in [("one", 10), ("a/two", 200), ("a/b/three", 3_000)] {
            std::fs::write(folder.path().join(name), vec![1; bytes]).unwrap();
        }
        let old = std::fs::File::options().write(true).open(folder.path().join("a/two")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000))
            .unwrap();
        let root = AbsPath::new(folder.path().to_str().unwrap()).unwrap();
        (folder, root)
    }

    #[tokio::test]
    async fn both_ways_find_the_same() {
        let (folder, root) = tree();
        let here = below(&root, &[]).await.unwrap();
        assert_eq!((here.bytes, here.files), (3_210, 3));
        let newest = here.clone().newest().unwrap();
        assert_eq!((newest.changed_at, newest.bytes), (Millis(4_000_000_000_000), 200));
        assert!(newest.path.as_str().ends_with("/a/two"));
        assert_eq!(find(&root, LIMIT).await.unwrap(), here);
        // A second name adds nothing, and neither does a link that leads outside.
        std::fs::hard_link(folder.path().join("one"), folder.path().join("again")).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("usr")).unwrap();
        assert_eq!(below(&root, &[]).await.unwrap().bytes, 3_210);
    }

    #[tokio::test]
    async fn what_cannot_be_looked_at_is_no_empty_folder() {
        let none = AbsPath::new("/no/such/folder").unwrap();
        assert!(below(&none, &[]).await.unwrap_err().to_string().contains("/no/such/folder"));
        assert!(find(&none, LIMIT).await.unwrap_err().to_string().contains("/no/such/folder"));
    }

    #[test]
    fn links_and_servers_are_the_childs() {
        let (folder, root) = tree();
        assert_eq!(reach(&root, &[]), Reach::Local);
        std::os::unix::fs::symlink(folder.path().join("a"), folder.path().join("link")).unwrap();
        assert_eq!(reach(&AbsPath::new(&format!("{root}/link/b")).unwrap(), &[]), Reach::Remote);
        let served = mountinfo::parse(&format!("1 1 0:9 / {root} rw - nfs4 nas:/x rw\n"));
        assert_eq!(reach(&root, &served), Reach::Remote);
    }
}
