//! Bringing back what was compressed or rotated, found by the mark in its header.

use std::fs::File;
use std::io::{self, BufReader};

use flate2::read::MultiGzDecoder;
use rustix::fs::{OFlags, Stat};

use super::open::{self, Place};
use super::{Compress, Entry, FilesError, Marked, Rooted};
use crate::model::target::AbsPath;

/// How the file was made, where its header carries the mark.
pub(super) fn made_by(start: &Rooted, entry: &Entry, mark: &str) -> Option<Compress> {
    let place = Place::of(&start.root, &entry.path).ok()?;
    let (file, _) = place.open(entry, OFlags::RDONLY).ok()?;
    let gz = MultiGzDecoder::new(BufReader::with_capacity(1_024, file));
    let comment = std::str::from_utf8(gz.header()?.comment()?).ok()?;
    [Compress::Replace, Compress::CopyTruncate]
        .into_iter()
        .find(|how| comment == format!("reef {} {mark}", how.word()))
}

/// See [`super::Files::decompress`].
pub(super) fn decompress(root: &AbsPath, marked: &Marked) -> Result<u64, FilesError> {
    let from = Place::of(root, &marked.entry.path)?;
    let (gz, seen) = from.open(&marked.entry, OFlags::RDONLY)?;
    let odd = || FilesError::Failed(format!("{} has no name that reef gave it", from.path));
    let plain = from.name.strip_suffix(".gz").ok_or_else(odd)?;
    match marked.how {
        Compress::Replace => {
            let to = from.beside(plain.to_owned())?;
            let bytes = unpack(&from, &gz, &seen, &to, &Rest::Nothing)?;
            from.remove_exactly(&gz, &seen)?;
            Ok(bytes)
        }
        Compress::CopyTruncate => {
            let (name, _) = plain.rsplit_once('.').ok_or_else(odd)?;
            let to = from.beside(name.to_owned())?;
            let bytes = if to.is_taken()? {
                refill(&from, &gz, &seen, &to)?
            } else {
                unpack(&from, &gz, &seen, &to, &Rest::Nothing)?
            };
            from.remove_exactly(&gz, &seen)?;
            Ok(bytes)
        }
    }
}

/// What follows the unpacked content in the new file.
enum Rest<'a> {
    Nothing,
    /// The lines written since: the file that the new one takes the name of.
    Of(&'a File),
}

/// Unpacks into a new file, which takes the name `to` when it is whole.
fn unpack(
    from: &Place,
    gz: &File,
    like: &Stat,
    to: &Place,
    rest: &Rest<'_>,
) -> Result<u64, FilesError> {
    let part = to.beside(format!(".{}.reef-part", to.name))?;
    let mut file = part.create()?;
    let done = (|| {
        let write = |e: io::Error| open::failed_io("unpack", &from.path, &e);
        let mut back = MultiGzDecoder::new(BufReader::new(gz));
        let bytes = io::copy(&mut back, &mut file).map_err(write)?;
        if let Rest::Of(mut rest) = *rest {
            let since = io::copy(&mut rest, &mut file).map_err(write)?;
            if since != open::length(&to.stat_of(rest)?) {
                return Err(FilesError::Changed(format!("{} is being written to", to.path)));
            }
        }
        open::like(&file, &part.path, like)?;
        file.sync_all().map_err(write)?;
        match rest {
            Rest::Nothing => part.rename_to(to)?,
            Rest::Of(_) => {
                rustix::fs::renameat(&part.dir, &part.name, &to.dir, &to.name)
                    .map_err(|e| open::failed("replace", &to.path, e))?;
                to.sync_dir()?;
            }
        }
        Ok(bytes)
    })();
    if done.is_err() {
        part.unlink()?;
    }
    done
}

/// Brings a rotated log's earlier lines back before those written since. The caller made sure that
/// nobody writes to it.
fn refill(from: &Place, gz: &File, like: &Stat, to: &Place) -> Result<u64, FilesError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mode = rustix::fs::Mode::empty();
    let file = rustix::fs::openat(&to.dir, &to.name, flags, mode)
        .map(File::from)
        .map_err(|e| open::failed("open", &to.path, e))?;
    let now = to.stat_of(&file)?;
    if rustix::fs::FileType::from_raw_mode(now.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(FilesError::Changed(format!("{} is no plain file now", to.path)));
    }
    if 0 < now.st_size {
        return unpack(from, gz, &now, to, &Rest::Of(&file));
    }
    // Still empty: filled in place, so that it keeps its inode for whoever comes to write.
    let mut back = MultiGzDecoder::new(BufReader::new(gz));
    let mut into = &file;
    match io::copy(&mut back, &mut into).and_then(|n| file.sync_all().map(|()| n)) {
        Ok(bytes) => {
            open::like(&file, &to.path, like)?;
            Ok(bytes)
        }
        Err(error) => {
            rustix::fs::ftruncate(&file, 0).map_err(|e| open::failed("empty", &to.path, e))?;
            Err(open::failed_io("write", &to.path, &error))
        }
    }
}
