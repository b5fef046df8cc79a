//! A daemon for one command alone, in a folder that is gone afterwards: for drills and looks without a
//! daemon that runs.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::cli::exit::Failure;
use crate::config::env::Env;
use crate::config::given::Source;
use crate::daemon::private::{self, Private, Probes};
use crate::daemon::wire::Orders;
use crate::operator::drill;

/// The daemon and its folder.
pub(crate) struct Alone {
    private: Private,
    /// Removed after the daemon has ended.
    scratch: Scratch,
}

impl Alone {
    pub(crate) async fn start(source: Source, env: &Env, probes: Probes) -> Result<Self, Failure> {
        let scratch = Scratch::make(env)?;
        let started = Box::pin(private::start(source, &scratch.path, env, probes)).await;
        let private = started.context("a reef for this command alone did not start")?;
        Ok(Self { private, scratch })
    }

    pub(crate) fn orders(&self) -> Orders {
        Orders(Arc::clone(&self.private.operator))
    }

    /// Ends it; what was in flight is waited for.
    pub(crate) async fn end(self) {
        self.private.end().await;
        drop(self.scratch);
    }
}

/// What the folder's name begins with; its process's number follows.
const NAME: &str = "reef-alone-";

/// A folder for one command; whatever happens, it goes: a killed one's with the next.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn make(env: &Env) -> Result<Self, Failure> {
        let above = env.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let mut random = [0; 6];
        getrandom::fill(&mut random).map_err(|e| anyhow!("no random name for its folder: {e}"))?;
        let name: String = random.iter().map(|b| format!("{b:02x}")).collect();
        sweep(&above);
        let path = above.join(format!("{NAME}{}-{name}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("its folder {} cannot be made", path.display()))?;
        Ok(Self { path })
    }
}

/// Removes the folders of commands that were killed: of this user, and of processes that are gone. What cannot be removed
/// stays, under a name that says what it was.
fn sweep(above: &Path) {
    let Ok(entries) = std::fs::read_dir(above) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(NAME)?.split_once('-'));
        let gone = |pid: u32| !Path::new(&format!("/proc/{pid}")).exists();
        let left = pid.and_then(|(pid, _)| pid.parse().ok()).is_some_and(gone);
        // Not followed: in a folder that all may write to, a link may point anywhere.
        let own = |found: std::fs::Metadata| {
            found.is_dir() && found.uid() == rustix::process::geteuid().as_raw()
        };
        if left && entry.metadata().is_ok_and(own) {
            drop(drill::remove(&entry.path().join("drill")));
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that stays is in /tmp under a name that says what it was.
        drop(std::fs::remove_dir_all(&self.path));
    }
}
