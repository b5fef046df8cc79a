//! A file that was opened for reading, and whether it is still what it was.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{OFlags, Stat};
use sha2::{Digest as _, Sha256};

use super::open::{self, Place};
use super::{Entry, FilesError};
use crate::model::target::AbsPath;

/// What is read at once.
const PIECE: usize = 128 << 10;

/// The very file that a walk saw, open: it stays this file whatever becomes of its name.
#[derive(Debug)]
pub struct Opened {
    place: Place,
    file: File,
    seen: Stat,
}

/// See [`super::Files::open`].
pub(super) fn open(root: &AbsPath, entry: &Entry) -> Result<Opened, FilesError> {
    let place = Place::of(root, &entry.path)?;
    let (file, seen) = place.open(entry, OFlags::RDONLY)?;
    let is = open::entry(entry.path.clone(), &seen);
    if (is.bytes, is.modified) != (entry.bytes, entry.modified) {
        return Err(FilesError::Changed(format!("{} changed since it was counted", entry.path)));
    }
    Ok(Opened { place, file, seen })
}

impl Opened {
    pub fn bytes(&self) -> u64 {
        open::length(&self.seen)
    }

    /// Another handle of the same file.
    pub fn file(&self) -> Result<File, FilesError> {
        self.file.try_clone().map_err(|e| open::failed_io("open", &self.place.path, &e))
    }

    /// The digest of what it holds, in hex.
    pub async fn sha256(&self) -> Result<String, FilesError> {
        let (file, path) = (self.file()?, self.place.path.clone());
        super::local::blocking(move || {
            let (mut digest, mut buffer, mut at) = (Sha256::new(), vec![0; PIECE], 0);
            loop {
                let read = file.read_at(&mut buffer, at);
                let n = read.map_err(|e| open::failed_io("read", &path, &e))?;
                let Some(piece) = buffer.get(..n).filter(|piece| !piece.is_empty()) else { break };
                digest.update(piece);
                at += n as u64;
            }
            Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
        })
        .await
    }

    /// Whether nobody wrote to it since it was opened.
    pub fn is_as_it_was(&self) -> Result<(), FilesError> {
        match open::same_content(&self.place.stat_of(&self.file)?, &self.seen) {
            true => Ok(()),
            false => Err(FilesError::Changed(format!("{} changed meanwhile", self.place.path))),
        }
    }
}
