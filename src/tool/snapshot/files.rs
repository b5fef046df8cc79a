//! The commands by which snapshots of a file system are taken, rolled back to and removed.

use crate::config::snapshots::SnapshotBy;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::model::tool::ToolError;
use crate::policy::argv::Argv;
use crate::tool::command::argv;

/// The names of reef's own snapshots: it makes and touches no other. They are few, so that a key may be authorized for
/// each to the letter.
pub const SLOTS: [&str; 8] =
    ["reef-1", "reef-2", "reef-3", "reef-4", "reef-5", "reef-6", "reef-7", "reef-8"];
/// Taking and removing a snapshot, which does not copy.
pub const SHORT: Span = Span::secs(60);
/// Rolling back.
pub const LONG: Span = Span::mins(30);

/// A file system of the config, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub path: AbsPath,
    pub by: SnapshotBy,
    /// What lies below it and is never rolled back: reef's own state.
    pub protected: Vec<AbsPath>,
}

impl Files {
    /// Where a snapshot of a subvolume lies: within it, which is the one place that surely has the same file system.
    pub(super) fn lies(&self, name: &str) -> String {
        format!("{}/.{name}", self.path)
    }

    /// What takes a snapshot.
    pub fn take(&self, name: &str) -> Result<Argv, ToolError> {
        match &self.by {
            SnapshotBy::Btrfs => argv(&[
                "btrfs",
                "subvolume",
                "snapshot",
                "-r",
                self.path.as_str(),
                &self.lies(name),
            ]),
            SnapshotBy::Zfs(dataset) => argv(&["zfs", "snapshot", &format!("{dataset}@{name}")]),
        }
    }

    /// What removes one.
    pub fn forget(&self, name: &str) -> Result<Argv, ToolError> {
        match &self.by {
            SnapshotBy::Btrfs => argv(&["btrfs", "subvolume", "delete", &self.lies(name)]),
            SnapshotBy::Zfs(dataset) => argv(&["zfs", "destroy", &format!("{dataset}@{name}")]),
        }
    }

    /// What brings everything back. Of ZFS never with `-r`, which would destroy newer snapshots. A mounted subvolume
    /// cannot be exchanged for another, so its files are copied back, those that differ.
    pub fn back(&self, name: &str) -> Result<Argv, ToolError> {
        match &self.by {
            SnapshotBy::Btrfs => self.copy(name, &[]),
            SnapshotBy::Zfs(dataset) => argv(&["zfs", "rollback", &format!("{dataset}@{name}")]),
        }
    }

    /// What tells by which files the present still differs, where the file system does not tell by itself.
    pub fn differs(&self, name: &str) -> Result<Option<Argv>, ToolError> {
        match &self.by {
            SnapshotBy::Btrfs => self.copy(name, &["--dry-run", "--itemize-changes"]).map(Some),
            SnapshotBy::Zfs(_) => Ok(None),
        }
    }

    /// `-xx`: subvolumes and mounts within are neither copied nor touched.
    fn copy(&self, name: &str, more: &[&str]) -> Result<Argv, ToolError> {
        let (from, to) = (format!("{}/", self.lies(name)), format!("{}/", self.path));
        let kept: Vec<String> = self
            .protected
            .iter()
            .filter_map(|own| own.as_str().strip_prefix(self.path.as_str()))
            .map(|rest| format!("--exclude={rest}"))
            .collect();
        let mut parts = vec!["rsync", "-aHAX", "-xx", "--delete", "--exclude=/.reef-[1-8]"];
        parts.extend(kept.iter().map(String::as_str));
        parts.extend(more);
        parts.extend([from.as_str(), to.as_str()]);
        argv(&parts)
    }

    /// Every command for it that acts, with its time: what a key has to be authorized for.
    pub fn commands(&self) -> Vec<(Argv, Span)> {
        let mut all = Vec::new();
        for name in SLOTS {
            all.extend([(self.take(name), SHORT), (self.forget(name), SHORT)]);
            all.push((self.back(name), LONG));
            all.extend(self.differs(name).transpose().map(|argv| (argv, LONG)));
        }
        all.into_iter().filter_map(|(argv, time)| Some((argv.ok()?, time))).collect()
    }
}
