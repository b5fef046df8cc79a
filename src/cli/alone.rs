//! A daemon for one command alone, in a folder that is gone afterwards: for drills and looks without a
//! daemon that runs.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::cli::exit::Failure;
use crate::config::env::Env;
use crate::config::given::Source;
use crate::daemon::private::{self, Private, Probes};
use crate::daemon::wire::Orders;

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

/// A folder for one command; whatever happens, it goes.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    pub(crate) fn make(env: &Env) -> Result<Self, Failure> {
        let above = env.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let mut random = [0; 6];
        getrandom::fill(&mut random).map_err(|e| anyhow!("no random name for its folder: {e}"))?;
        let name: String = random.iter().map(|b| format!("{b:02x}")).collect();
        let path = above.join(format!("reef-alone-{name}"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("its folder {} cannot be made", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that stays is in /tmp under a name that says what it was.
        drop(std::fs::remove_dir_all(&self.path));
    }
}
