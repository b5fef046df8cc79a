//! A file that is being received: written beside its place under a name of reef's own, and given its name only when it is whole.

use std::fs::File;
use std::io::Write;

use rustix::fs::{Mode, Timespec, Timestamps};
use sha2::{Digest as _, Sha256};

use super::open::{self, Place};
use super::{FilesError, Rooted};
use crate::model::time::Millis;

/// Left free on the volume at the least: a log that is brought back must not fill it.
const SPARE: u64 = 256 << 20;

/// See [`super::Files::receive`]. Dropped before it is kept, it leaves nothing behind.
#[derive(Debug)]
pub struct Receiving {
    part: Place,
    to: Place,
    file: File,
    digest: Sha256,
    bytes: u64,
    kept: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    No,
    Yes,
}

/// Begins to receive so many bytes.
pub(super) fn begin(to: &Rooted, bytes: u64) -> Result<Receiving, FilesError> {
    let place = Place::of(&to.root, &to.path)?;
    if place.is_taken()? {
        return Err(FilesError::Changed(format!("{} is there already", place.path)));
    }
    let about = rustix::fs::fstatvfs(&place.dir)
        .map_err(|errno| open::failed("look at the volume of", &place.path, errno))?;
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    if free < bytes.saturating_add(SPARE.min(bytes.saturating_mul(4))) {
        return Err(FilesError::NoRoom);
    }
    let part = place.beside(format!(".{}.reef-part", place.name))?;
    let file = part.create()?;
    Ok(Receiving { part, to: place, file, digest: Sha256::new(), bytes: 0, kept: Kept::No })
}

impl Receiving {
    /// Adds a piece to its end.
    pub async fn add(mut self, piece: Vec<u8>) -> Result<Self, FilesError> {
        super::local::blocking(move || {
            let write = |error| open::failed_io("write", &self.part.path, &error);
            (&self.file).write_all(&piece).map_err(write)?;
            self.digest.update(&piece);
            self.bytes += piece.len() as u64;
            Ok(self)
        })
        .await
    }

    /// How much came, and its digest in hex.
    pub fn is(&self) -> (u64, String) {
        let digest = self.digest.clone().finalize();
        (self.bytes, digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Gives it its name, if that is still free. It is for reef's own user alone: who might read the first one is not known.
    pub async fn keep(self, modified: Option<Millis>) -> Result<(), FilesError> {
        super::local::blocking(move || {
            // As a whole: a closure would take a copy of what says whether it is kept.
            let mut whole = self;
            whole.finish(modified)?;
            whole.kept = Kept::Yes;
            Ok(())
        })
        .await
    }

    fn finish(&self, modified: Option<Millis>) -> Result<(), FilesError> {
        let path = &self.part.path;
        rustix::fs::fchmod(&self.file, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| open::failed("set the mode of", path, errno))?;
        if let Some(at) = modified {
            let time = Timespec { tv_sec: at.0.div_euclid(1_000), tv_nsec: 0 };
            let times = Timestamps { last_access: time, last_modification: time };
            rustix::fs::futimens(&self.file, &times)
                .map_err(|errno| open::failed("set the time of", path, errno))?;
        }
        self.file.sync_all().map_err(|error| open::failed_io("sync", path, &error))?;
        self.part.rename_to(&self.to)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.kept == Kept::No
            && let Err(why) = self.part.unlink()
        {
            tracing::warn!("{why}");
        }
    }
}
