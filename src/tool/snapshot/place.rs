//! A file system that has snapshots: how it is now, and the commands that change it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clients::host::HostLink;
use crate::config::snapshots::{Dataset, SnapshotBy};
use crate::model::target::{AbsPath, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::ToolError;
use crate::tool::args::{failed, refused};
use crate::tool::command::{output, read, read_only};
use crate::tool::snapshot::files::{Files, SLOTS};

/// A look at it.
const LOOK: Span = Span::secs(20);

/// One file system of the config.
#[derive(Debug, Clone)]
pub struct Place {
    pub link: Arc<dyn HostLink>,
    pub at: Target,
    pub of: Files,
}

/// A snapshot of reef's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    pub name: String,
    /// When it was taken, where the file system tells.
    pub at: Option<Millis>,
}

/// How the file system is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub own: Vec<Own>,
    /// Names of reef's that something else has.
    pub taken: BTreeSet<String>,
    /// The newest snapshot, whoever took it, where the order matters.
    pub newest: Option<String>,
    /// What was written since the newest snapshot, in bytes, where it is told.
    pub written: Option<u64>,
    /// Other mounts below it.
    pub below: Vec<String>,
}

impl Seen {
    pub fn find(&self, name: &str) -> Option<&Own> {
        self.own.iter().find(|own| own.name == name)
    }

    /// The first name that nothing has.
    pub fn free(&self) -> Option<&'static str> {
        SLOTS.into_iter().find(|name| self.find(name).is_none() && !self.taken.contains(*name))
    }
}

impl Place {
    /// "the btrfs subvolume nas:/srv/web", "the ZFS dataset tank/web (nas:/srv/web)".
    pub fn words(&self) -> String {
        match &self.of.by {
            SnapshotBy::Btrfs => format!("the btrfs subvolume {}", self.at),
            SnapshotBy::Zfs(dataset) => format!("the ZFS dataset {dataset} ({})", self.at),
        }
    }

    /// Looks. Refuses what is not as the config says.
    pub async fn look(&self) -> Result<Seen, ToolError> {
        match &self.of.by {
            SnapshotBy::Btrfs => self.look_at_subvolume().await,
            SnapshotBy::Zfs(dataset) => self.look_at_dataset(dataset).await,
        }
    }

    async fn look_at_dataset(&self, dataset: &Dataset) -> Result<Seen, ToolError> {
        let (link, name) = (self.link.as_ref(), dataset.to_string());
        let parts = ["zfs", "list", "-Hp", "-o", "written,mountpoint", &name];
        let said = read(link, &read_only(&parts)?, LOOK).await?;
        let line = said.stdout.as_str().lines().next().unwrap_or_default().trim();
        let (written, mounted) = line.split_once(' ').unwrap_or((line, ""));
        let mut seen = Seen { written: written.parse().ok(), ..Seen::default() };

        // Where others take many, only the newest of all is of interest.
        let newest = [
            "zfs",
            "list",
            "-Hp",
            "-o",
            "name",
            "-t",
            "snapshot",
            "-d",
            "1",
            "-S",
            "createtxg",
            &name,
        ];
        let said = read(link, &read_only(&newest)?, LOOK).await?;
        let newest = said.stdout.as_str().lines().next();
        seen.newest =
            newest.and_then(|line| line.trim().split_once('@')).map(|(_, s)| s.to_owned());

        let names = SLOTS.map(|slot| format!("{name}@{slot}"));
        let mut parts = vec!["zfs", "list", "-Hp", "-o", "creation,name", "-t", "snapshot"];
        parts.extend(names.iter().map(String::as_str));
        // What is not there makes it end with 1: the names that are there are told all the same.
        let said = output(link, &read_only(&parts)?, LOOK).await?;
        for line in said.stdout.as_str().lines() {
            let Some((created, of)) = line.trim().split_once(' ') else { continue };
            let Some(slot) = SLOTS.into_iter().zip(&names).find(|(_, name)| *name == of) else {
                continue;
            };
            let at = created.parse::<i64>().ok().and_then(|secs| secs.checked_mul(1_000));
            seen.own.push(Own { name: slot.0.to_owned(), at: at.map(Millis) });
        }
        match mounted {
            "" => Err(failed(format!("zfs list on {} did not tell of {name}", self.at.on()))),
            // Mounted by fstab, which zfs does not tell.
            "legacy" => Ok(seen),
            mount if mount == self.of.path.as_str() => Ok(seen),
            other => Err(refused(format!(
                "{name} is mounted at {other} on {0}; write snapshots.\"{other}\" under [host.{0}]",
                self.at.on()
            ))),
        }
    }

    async fn look_at_subvolume(&self) -> Result<Seen, ToolError> {
        let (link, path) = (self.link.as_ref(), self.of.path.as_str());
        let mounts = read_only(&["findmnt", "-rn", "-o", "TARGET,FSTYPE"])?;
        let said = read(link, &mounts, LOOK).await?;
        let (mut seen, mut fs) = (Seen::default(), (0, String::new()));
        for line in said.stdout.as_str().lines() {
            let Some((target, kind)) = line.trim().rsplit_once(' ') else { continue };
            // A blank is written so in this form.
            let Ok(target) = AbsPath::new(&target.replace("\\x20", " ")) else { continue };
            if self.of.path.is_below(&target) {
                // The later of two mounts on one path is seen.
                if fs.0 <= target.as_str().len() {
                    fs = (target.as_str().len(), kind.to_owned());
                }
            } else if target.is_below(&self.of.path) {
                seen.below.push(target.as_str().to_owned());
            }
        }
        if fs.1 != "btrfs" {
            return Err(refused(format!(
                "{} lies on {}, which has no snapshots; a ZFS dataset is named by zfs = \"tank/web\"",
                self.at,
                if fs.1.is_empty() { "nothing that is mounted" } else { &fs.1 }
            )));
        }
        let names: Vec<String> = SLOTS.iter().map(|name| self.of.lies(name)).collect();
        let mut parts = vec!["stat", "-c", "%i %n", path];
        parts.extend(names.iter().map(String::as_str));
        // What is not there makes it end with 1: the names that are there are told all the same.
        let said = output(link, &read_only(&parts)?, LOOK).await?;
        let mut root = None;
        for line in said.stdout.as_str().lines() {
            let Some((inode, name)) = line.split_once(' ') else { continue };
            if name == path {
                root = Some(inode.to_owned());
            }
            let Some(slot) = SLOTS.into_iter().find(|slot| self.of.lies(slot) == name) else {
                continue;
            };
            match inode {
                SUBVOLUME => seen.own.push(Own { name: slot.to_owned(), at: None }),
                _ => drop(seen.taken.insert(slot.to_owned())),
            }
        }
        match root.as_deref() {
            Some(SUBVOLUME) => Ok(seen),
            Some(_) => Err(refused(format!(
                "{} is a folder and no subvolume of btrfs: only a whole subvolume has snapshots",
                self.at
            ))),
            None => Err(failed(format!("{}: {}", self.at, said.stderr.first_line()))),
        }
    }
}

/// The inode of every subvolume's root, and of nothing else on btrfs.
const SUBVOLUME: &str = "256";
