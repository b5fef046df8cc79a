//! The drill's scratch folder: filled with old logs, measured, removed. It lies in reef's own state
//! folder, and nothing here reaches outside of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::model::digest::Digest;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};

/// What is planted: many files of a size, old enough to be compressed.
pub(crate) const FILES: u32 = 40;
const FILE_BYTES: usize = 256 << 10;
/// The budget that they exceed.
pub(crate) const BUDGET: u64 = 8 << 20;
const AGE: Span = Span::days(60);
/// Says what the folder is, to whoever finds it.
const LABEL: &str = "reef-drill.txt";

/// What the drill stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ground {
    /// A volume of its own that the logs nearly fill: the fix has to do with hardly any room.
    Volume,
    /// A folder on the state's volume; says why there is no volume of its own.
    Folder(&'static str),
}

/// Fills the folder. Whatever an earlier drill left there is removed first.
pub(crate) fn plant(scratch: &AbsPath, now: Millis) -> anyhow::Result<Ground> {
    let folder = scratch.as_path();
    remove(folder)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {scratch}"))?;
    let ground = volume(folder);
    let label =
        "Planted by `reef drill`: harmless, and removed at its end. You may delete this folder.\n";
    fs::write(folder.join(LABEL), label)?;
    let written_at = std::time::UNIX_EPOCH + (now - AGE).since(Millis(0)).duration();
    for n in 1..=FILES {
        let path = folder.join(format!("app.log.{n}"));
        let mut file =
            fs::File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        file.write_all(&lines(n)).with_context(|| format!("cannot fill {}", path.display()))?;
        file.set_modified(written_at)?;
    }
    Ok(ground)
}

/// Mounts a small tmpfs over the folder, where reef may.
fn volume(folder: &Path) -> Ground {
    if !rustix::process::geteuid().is_root() {
        return Ground::Folder("a volume of its own needs root");
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    match mount("reef-drill", folder, "tmpfs", flags, c"size=11m,mode=0700") {
        Ok(()) => Ground::Volume,
        Err(_) => Ground::Folder("a volume of its own could not be mounted here"),
    }
}

/// Log lines that differ from file to file, so that no two files are alike.
fn lines(file: u32) -> Vec<u8> {
    let mut text = Vec::with_capacity(FILE_BYTES + 128);
    let mut n: u64 = u64::from(file) * 7_919;
    while text.len() < FILE_BYTES {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let line = format!("drill app[{file}]: request {} took {} ms, 200 OK\n", n >> 40, n >> 54);
        text.extend_from_slice(line.as_bytes());
    }
    text
}

/// The digest of every file, by name.
pub(crate) fn digests(scratch: &AbsPath) -> anyhow::Result<BTreeMap<String, Digest>> {
    let mut digests = BTreeMap::new();
    for entry in fs::read_dir(scratch.as_path())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let bytes = fs::read(entry.path())?;
            digests.insert(entry.file_name().to_string_lossy().into_owned(), Digest::of(&bytes));
        }
    }
    Ok(digests)
}

/// Removes the folder, if it is the drill's: it carries the label, or it is empty.
pub(crate) fn remove(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    if !folder.exists() {
        return Ok(());
    }
    // Not mounted is the usual case, and whatever else is wrong shows when the folder is removed.
    let _ = unmount(folder, UnmountFlags::DETACH);
    if fs::read_dir(folder)?.next().is_none() {
        return fs::remove_dir(folder).with_context(|| format!("cannot remove {shown}"));
    }
    if !folder.join(LABEL).exists() {
        anyhow::bail!("{shown} was not planted by a drill; move it away and try again");
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_planted_exceeds_its_budget_and_is_removed_whole() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = AbsPath::new(dir.path().join("drill").to_str().unwrap()).unwrap();
        plant(&scratch, Millis(1_800_000_000_000)).unwrap();
        let planted = digests(&scratch).unwrap();
        assert_eq!(planted.len(), FILES as usize + 1);
        assert!(BUDGET < u64::from(FILES) * FILE_BYTES as u64);
        remove(scratch.as_path()).unwrap();
        assert!(!scratch.as_path().exists());
    }

    #[test]
    fn a_folder_that_no_drill_planted_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine"), "x").unwrap();
        let scratch = AbsPath::new(dir.path().to_str().unwrap()).unwrap();
        assert!(plant(&scratch, Millis(0)).is_err());
        assert!(dir.path().join("mine").exists());
    }
}
