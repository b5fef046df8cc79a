//! The drill's scratch folder: filled with old logs, measured, removed. It lies in reef's own state
//! folder, and nothing here reaches outside of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

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

/// Fills the folder. Whatever an earlier drill left there is removed first.
pub(crate) fn plant(scratch: &AbsPath, now: Millis) -> anyhow::Result<()> {
    remove(scratch)?;
    let folder = scratch.as_path();
    fs::create_dir_all(folder).with_context(|| format!("cannot make {scratch}"))?;
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
    Ok(())
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
pub(crate) fn remove(scratch: &AbsPath) -> anyhow::Result<()> {
    let folder: &Path = scratch.as_path();
    if !folder.exists() {
        return Ok(());
    }
    let empty = fs::read_dir(folder)?.next().is_none();
    if !empty && !folder.join(LABEL).exists() {
        anyhow::bail!("{scratch} was not planted by a drill; move it away and try again");
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {scratch}"))
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
        remove(&scratch).unwrap();
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
