//! Picks the files that an action is about: by kind, age, holders and what is protected.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::files::{Entry, Held, Limits, Rooted, Walked};
use crate::model::digest::{Canonical, Digest};
use crate::model::ids::Word;
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::{Call, Effect, ToolError};
use crate::model::value::human_bytes;
use crate::tool::args::{failed, refused};
use crate::tool::kinds::{self, In};
use crate::tool::world::{Inventory, World};

/// A file that fits into one block gives nothing back when it is compressed.
const BLOCK: u64 = 4_096;

/// The folders of the operating system: no root may lie in them.
const SYSTEM: &[&str] =
    &["/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/proc", "/sys", "/dev"];

/// Which files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Logs in use, to be emptied in place: nobody may write to them at an offset of their own.
    CurrentLogs,
    /// Of those, what somebody has open to append to: the others can be replaced instead.
    HeldLogs,
    /// Logs, to be replaced: nobody may write to them.
    Logs,
    /// As `Logs`, those already rotated only.
    RotatedLogs,
    /// Already rotated logs, compressed ones too, to be moved away.
    OldLogs,
    /// Rotated logs that are compressed already, to be moved away.
    CompressedLogs,
    /// Anything in a folder of temporary files that nobody has open at all.
    Temp,
    /// Packages that can be fetched again.
    PackageCache,
    /// Whatever nobody has open.
    Anything,
}

/// What is picked, and what is left alone.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub start: Rooted,
    pub which: Which,
    pub older: Option<Span>,
    /// More than this is an error.
    pub most: u32,
}

impl Wanted {
    /// `, all older than 30 d`; empty where the age is no matter.
    pub fn aged(&self) -> String {
        self.older.map(|older| format!(", all older than {older}")).unwrap_or_default()
    }
}

/// The files picked, smallest first, and what was left alone.
#[derive(Debug, Clone, Default)]
pub struct Picked {
    pub files: Vec<Entry>,
    pub walked: Walked,
    left: Left,
    /// Names of compressed files that are there: they tell two rotations of the same logs apart.
    compressed: BTreeSet<AbsPath>,
}

/// Counts of what was left alone, by reason.
#[derive(Debug, Clone, Default)]
struct Left {
    linked: u64,
    open: u64,
    unclear: u64,
    protected: u64,
    small: u64,
    dense: u64,
    idle: u64,
    young: u64,
    beyond: u64,
}

/// Refuses a place that no action may touch: the system's folders, and what is protected.
pub fn guard(inventory: &Inventory, quarantine: &AbsPath, start: &Rooted) -> Result<(), ToolError> {
    let path = &start.path;
    let of_system = SYSTEM.iter().find(|s| path.as_str() == **s || is_below(path, s));
    if let Some(system) = of_system {
        return Err(refused(format!("{} lies in {system}, which is the system's own", start.path)));
    }
    if is_protected(inventory, quarantine, &start.path) {
        return Err(refused(format!("{} is protected: no tool touches it", start.path)));
    }
    Ok(())
}

fn is_below(path: &AbsPath, folder: &str) -> bool {
    path.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn is_protected(inventory: &Inventory, quarantine: &AbsPath, path: &AbsPath) -> bool {
    let in_scratch = inventory.scratch.as_ref().is_some_and(|scratch| path.is_below(scratch));
    let protected = || inventory.protected.iter().any(|p| path.is_below(p));
    path.is_below(quarantine) || (!in_scratch && protected())
}

/// Walks and picks. Reads only.
pub async fn pick(world: &World, wanted: &Wanted) -> Result<Picked, ToolError> {
    let found = Arc::new(Mutex::new(Picked::default()));
    let into = found.clone();
    let (inventory, quarantine) = (world.inventory.clone(), world.quarantine.clone());
    let (filter, now) = (wanted.clone(), world.now.now());
    let most = usize::try_from(wanted.most).unwrap_or(usize::MAX);
    let visit = move |entry: Entry| {
        let mut picked = into.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds::is_compressed(entry.path.as_str()) && picked.compressed.len() < 100_000 {
            picked.compressed.insert(entry.path.clone());
        }
        if !filter.which.takes(entry.path.as_str()) {
            return;
        }
        let since = match filter.which {
            Which::Temp | Which::PackageCache | Which::Anything => entry.touched,
            Which::CurrentLogs
            | Which::HeldLogs
            | Which::Logs
            | Which::RotatedLogs
            | Which::OldLogs
            | Which::CompressedLogs => entry.modified,
        };
        if filter.older.is_some_and(|older| now.since(since) < older) {
            picked.left.young += 1;
        } else if is_protected(&inventory, &quarantine, &entry.path) {
            picked.left.protected += 1;
        } else if entry.links != 1 {
            picked.left.linked += 1;
        } else if filter.which.compresses() && entry.bytes <= BLOCK {
            picked.left.small += 1;
        } else if most < picked.files.len() {
            picked.left.beyond += 1;
        } else {
            picked.files.push(entry);
        }
    };
    let walked = world.files.walk(&wanted.start, Limits::default(), Box::new(visit)).await;
    let walked = walked.map_err(failed)?;
    let mut picked = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    if most < picked.files.len() {
        let n = picked.files.len() as u64 + picked.left.beyond;
        return Err(refused(format!(
            "{n} files match below {}, more than the {most} allowed: name a smaller folder",
            wanted.start.path
        )));
    }
    picked.walked = walked;
    if !picked.files.is_empty() {
        let open = world.files.open_files(picked.walked.dev).await.map_err(failed)?;
        let left = &mut picked.left;
        picked.files.retain(|entry| match open.of(entry) {
            // Who acts sees more than who looks: it may be held by somebody after all.
            Ok(held) if wanted.which.allows(held) && held.appenders == 0 && open.sees(entry) => {
                left.idle += u64::from(wanted.which == Which::HeldLogs);
                wanted.which != Which::HeldLogs
            }
            Ok(held) if wanted.which.allows(held) => true,
            Ok(_) => {
                left.open += 1;
                false
            }
            Err(_) => {
                left.unclear += 1;
                false
            }
        });
        picked.files.sort_by(|a, b| (a.bytes, &a.path).cmp(&(b.bytes, &b.path)));
    }
    Ok(picked)
}

impl Which {
    /// Whether a file of this path is meant.
    pub fn takes(self, path: &str) -> bool {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        if name.contains(".reef-part") || name.contains(".reef-gone") {
            return false;
        }
        let place = In::of(path);
        let rotated = || kinds::is_rotated_log(name, place);
        let current = || kinds::is_current_log(name, place);
        let plain = || !kinds::is_compressed(name) && !name.ends_with(".journal");
        match self {
            Self::CurrentLogs | Self::HeldLogs => current(),
            Self::Logs => plain() && (rotated() || current()),
            Self::RotatedLogs => plain() && rotated(),
            Self::OldLogs => rotated(),
            Self::CompressedLogs => kinds::is_compressed(name) && rotated(),
            Self::Temp => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                folder.split('/').any(|part| matches!(part, "tmp" | "temp"))
            }
            Self::PackageCache => {
                kinds::package_cache(path).is_some()
                    && name != "lock"
                    && !path.contains("/partial/")
            }
            Self::Anything => true,
        }
    }

    /// Whether it may be done to a file that is held like this.
    fn allows(self, held: Held) -> bool {
        match self {
            // Readers and appenders go on with the emptied file; a writer at its own offset would
            // leave a hole as large as the log was.
            Self::CurrentLogs | Self::HeldLogs => held.writers == 0,
            // Readers keep the removed file; a writer's lines would be lost with it.
            Self::Logs
            | Self::RotatedLogs
            | Self::OldLogs
            | Self::CompressedLogs
            | Self::PackageCache => held.writers == 0 && held.appenders == 0,
            Self::Temp | Self::Anything => held == Held::default(),
        }
    }

    fn compresses(self) -> bool {
        match self {
            Self::CurrentLogs | Self::HeldLogs | Self::Logs | Self::RotatedLogs => true,
            Self::OldLogs
            | Self::CompressedLogs
            | Self::Temp
            | Self::PackageCache
            | Self::Anything => false,
        }
    }
}

impl Picked {
    /// Bytes of all picked files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|e| e.bytes).sum()
    }

    /// Leaves these files out: compressing would not make them smaller.
    pub fn leave_dense(&mut self, dense: &BTreeSet<AbsPath>) {
        let before = self.files.len();
        self.files.retain(|entry| !dense.contains(&entry.path));
        self.left.dense += (before - self.files.len()) as u64;
    }

    /// A name for this very pick: the same for an unchanged world, another after it was acted upon.
    pub fn mark(&self, tool: &str) -> Word {
        mark(&self.digest(tool))
    }

    /// Over what is picked, for a tool.
    pub fn digest(&self, tool: &str) -> Digest {
        let to = Canonical::new("reef pick 1").text(tool);
        let to = to.list(self.files.iter(), |to, e| {
            to.text(e.path.as_str()).bytes(&e.id.dev.to_be_bytes()).bytes(&e.id.ino.to_be_bytes())
        });
        let to = to.list(self.compressed.iter(), |to, path| to.text(path.as_str()));
        to.finish()
    }

    /// `38 files, 61 MiB`.
    pub fn counted(&self) -> String {
        counted(self.files.len() as u64, self.bytes())
    }

    /// What was left alone and why; empty where nothing was.
    pub fn left(&self) -> String {
        let (left, walked) = (&self.left, &self.walked);
        let reasons = [
            (left.open, "open for writing"),
            (left.unclear, "whose users cannot be seen (that takes root)"),
            (left.linked, "with several names"),
            (left.protected, "protected"),
            (left.small, "too small to matter"),
            (left.dense, "that would not become smaller"),
            (left.idle, "that nobody has open"),
            (left.young, "too young"),
            (walked.unnamed, "with unreadable names"),
            (walked.mounts, "other volumes"),
            (walked.unreadable, "unreadable folders"),
        ];
        let mut said: Vec<String> =
            reasons.iter().filter(|(n, _)| 0 < *n).map(|(n, why)| format!("{n} {why}")).collect();
        said.extend(walked.cut.clone());
        if said.is_empty() { String::new() } else { format!("; left alone: {}", said.join(", ")) }
    }
}

/// The name that goes with a pick's digest.
pub fn mark(digest: &Digest) -> Word {
    let digest = digest.to_string();
    digest.get(..16).and_then(|d| Word::new(d).ok()).unwrap_or_else(|| Word::of("pick"))
}

/// `38 files, 61 MiB`.
pub fn counted(files: u64, bytes: u64) -> String {
    format!("{files} file{}, {}", if files == 1 { "" } else { "s" }, human_bytes(bytes))
}

/// A bound for bytes that grow while a plan waits: a quarter more, rounded up in steps of an eighth, so
/// that the same logs a minute later have the same bound.
pub fn headroom(bytes: u64) -> u64 {
    let wanted = bytes.saturating_add(bytes / 4).max(1 << 20);
    let step = (wanted.next_power_of_two() / 8).max(1);
    wanted.div_ceil(step).saturating_mul(step)
}

/// How many of the picked files, smallest first, lie within what the preview said.
pub fn within(files: &[Entry], effect: &Effect) -> usize {
    let mut bytes = 0_u64;
    let most = usize::try_from(effect.max_items).unwrap_or(usize::MAX);
    files
        .iter()
        .take(most)
        .take_while(|entry| {
            bytes = bytes.saturating_add(entry.bytes);
            bytes <= effect.max_bytes
        })
        .count()
}

/// The lease of an action below a root.
pub fn lease(call: &Call, start: &Rooted) -> Vec<Target> {
    vec![Target::path(call.target.on().clone(), &start.root)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_log_keeps_its_bound() {
        let before = headroom(100 << 20);
        assert_eq!(before, headroom((100 << 20) + 4_096));
        assert!(((125 << 20)..=(150 << 20)).contains(&before));
    }
}
