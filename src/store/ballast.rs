//! Room kept back in the state folder, so that a full disk can still be healed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::model::value::human_bytes;

/// How the ballast stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BallastState {
    /// The file is there.
    Held,
    /// It was given up because the disk was full.
    Released,
    /// It could not be made; says why.
    Missing(String),
    /// A store in memory, or one opened for reading, has none.
    None,
}

/// The ballast of one state folder.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
}

/// Whether there was something to let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    Now,
    Before,
}

impl Ballast {
    pub fn new(dir: &Path, bytes: u64) -> Self {
        Self { path: dir.join("ballast"), bytes }
    }

    /// Gives the room back to the disk.
    pub fn release(&self) -> Released {
        match fs::remove_file(&self.path) {
            Ok(()) => Released::Now,
            Err(_) => Released::Before,
        }
    }

    /// Makes the file where it is not there and the disk has twice the room for it.
    pub fn restore(&self) -> BallastState {
        if fs::metadata(&self.path).is_ok_and(|meta| meta.len() == self.bytes) {
            return BallastState::Held;
        }
        match self.make() {
            Ok(()) => BallastState::Held,
            Err(e) => {
                // Half a ballast would only make the disk fuller.
                self.release();
                BallastState::Missing(e.to_string())
            }
        }
    }

    fn make(&self) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let disk = statvfs(dir)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < self.bytes.saturating_mul(2) {
            return Err(io::Error::other(format!(
                "only {} are free, and it wants twice its {}",
                human_bytes(free),
                human_bytes(self.bytes)
            )));
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.path)?;
        // Reserves the blocks at once where the file system can; where it cannot, writing them does.
        if let Err(e) = fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            tracing::debug!("the ballast is written without being reserved: {e}");
        }
        // Random, because a compressing file system keeps no room back for zeros.
        let mut block = vec![0; 256 << 10];
        getrandom::fill(&mut block).map_err(|e| io::Error::other(e.to_string()))?;
        let mut left = self.bytes;
        while 0 < left {
            let n = left.min(block.len() as u64);
            file.write_all(&block[..usize::try_from(n).unwrap_or(block.len())])?;
            left -= n;
        }
        file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_room_is_really_taken_and_really_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let ballast = Ballast::new(dir.path(), 1 << 20);
        assert_eq!(ballast.restore(), BallastState::Held);
        let meta = fs::metadata(dir.path().join("ballast")).unwrap();
        assert_eq!(meta.len(), 1 << 20);
        assert!(1 << 20 <= meta.blocks() * 512, "a hole keeps nothing back");
        assert_eq!(ballast.release(), Released::Now);
        assert_eq!(ballast.release(), Released::Before);
        assert_eq!(ballast.restore(), BallastState::Held);
    }

    #[test]
    fn a_disk_without_room_is_not_filled_by_it() {
        let dir = tempfile::tempdir().unwrap();
        let ballast = Ballast::new(dir.path(), 1 << 60);
        assert!(matches!(ballast.restore(), BallastState::Missing(why) if why.contains("free")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
