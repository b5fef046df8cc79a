//! The chain's last heads in a file beside the database: truncation is found against them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::model::audit::ChainHead;

const FILE: &str = "audit.head";
/// Enough that a copy of the folder taken while reef writes has one that fits.
const KEPT: usize = 8;
/// With the proofs.
const MOST: usize = 100;

/// The heads in `audit.head`, oldest first; none where there is no file.
pub fn read(dir: &Path) -> Result<Vec<ChainHead>> {
    let path = dir.join(FILE);
    let bytes = match fs::metadata(&path) {
        Ok(meta) if 65_536 < meta.len() => bail!("{} is too large to be reef's", path.display()),
        Ok(_) => fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "{} is damaged, so a log that was cut off cannot be found by it; the reports carry heads too",
            path.display()
        )
    })
}

/// Adds a head. The file is whole at every moment: written beside, synced, then renamed. A head that the log does not
/// have any more (`holds` says no) is never dropped for a newer one: it is the proof that something was cut off.
pub(in crate::store) fn push(
    dir: &Path,
    head: ChainHead,
    holds: impl Fn(&ChainHead) -> bool,
) -> Result<()> {
    let path = dir.join(FILE);
    let mut heads = match read(dir) {
        Ok(heads) => heads,
        Err(e) => {
            // Kept for whoever wants to know what happened to it.
            tracing::warn!("{e:#}");
            fs::rename(&path, dir.join("audit.head.damaged"))
                .with_context(|| format!("cannot move {} away", path.display()))?;
            Vec::new()
        }
    };
    heads.push(head);
    let mut old = heads.len().saturating_sub(KEPT);
    heads.retain(|head| {
        let drop = 0 < old && holds(head);
        old -= usize::from(drop);
        !drop
    });
    heads.truncate(MOST);
    let text = serde_json::to_vec(&heads).context("cannot write the chain's head as JSON")?;
    let beside = dir.join("audit.head.new");
    replace(&beside, &path, &text).with_context(|| format!("cannot write {}", path.display()))
}

/// The folder is not synced: after a power cut an older file may stand there, whose heads are good as well.
fn replace(beside: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;

    fn head(seq: i64) -> ChainHead {
        ChainHead { seq, hash: Digest::of(&seq.to_be_bytes()) }
    }

    #[test]
    fn the_last_few_heads_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), []);
        for seq in 1..=20 {
            push(dir.path(), head(seq), |_| true).unwrap();
        }
        assert_eq!(read(dir.path()).unwrap(), (13..=20).map(head).collect::<Vec<_>>());
    }

    #[test]
    fn a_head_that_the_log_lost_is_never_dropped() {
        let dir = tempfile::tempdir().unwrap();
        push(dir.path(), head(50), |_| true).unwrap();
        for seq in 1..=30 {
            push(dir.path(), head(seq), |head| head.seq != 50).unwrap();
        }
        let kept = read(dir.path()).unwrap();
        assert_eq!(kept[0], head(50));
        assert_eq!(kept.last(), Some(&head(30)));
    }

    #[test]
    fn a_damaged_file_is_said_and_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), b"[{\"seq\":").unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("damaged"));
        push(dir.path(), head(1), |_| true).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [head(1)]);
        assert!(dir.path().join("audit.head.damaged").exists());
    }
}
