//! Compressing one file.
//!
//! At no moment is the only copy half made: the original goes after the compressed file was synced and
//! read back. Each compressed file carries the mark of its action in its header, so that an undo needs
//! no list that a full disk may have no room for.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use rustix::fs::{OFlags, Stat};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::open::{self, Place};
use super::{Compress, Compressed, Entry, FilesError, Job, Squeezed};
use crate::model::target::AbsPath;

/// A log that is written to while it is copied is caught up with this often.
const ROUNDS: u32 = 8;
/// The highest number that a rotated log gets.
const ROTATIONS: u32 = 99;

/// An open file that becomes compressed.
struct Source<'a> {
    job: &'a Job,
    place: Place,
    file: File,
    /// As it was when it was opened.
    seen: Stat,
    until: Instant,
}

/// A compressed file in the making.
struct Out {
    place: Place,
    file: File,
    /// How much of the source it holds.
    copied: u64,
}

/// Takes the digest of what is written to it.
pub(super) struct Digesting(pub Sha256);

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// See [`super::Files::compress`].
pub(super) fn compress(job: &Job) -> Result<Compressed, FilesError> {
    let place = Place::of(&job.root, &job.entry.path)?;
    let access = match job.how {
        Compress::Replace => OFlags::RDONLY,
        Compress::CopyTruncate => OFlags::RDWR,
    };
    let (file, seen) = place.open(&job.entry, access)?;
    let grown = job.entry.bytes < open::length(&seen) && job.how == Compress::CopyTruncate;
    if open::length(&seen) != job.entry.bytes && !grown {
        return Err(FilesError::Changed(format!("{} changed since it was counted", place.path)));
    }
    let until = Instant::now() + job.within.duration();
    let source = Source { job, place, file, seen, until };
    match beside(&source) {
        Err(FilesError::NoRoom) => through_spare(source),
        done => done,
    }
}

/// The usual way: the compressed file is made beside the original.
fn beside(source: &Source<'_>) -> Result<Compressed, FilesError> {
    let to = destination(source)?;
    let part = source.place.beside(format!(".{}.reef-part", source.place.name))?;
    let mut out = Out { file: part.create()?, place: part, copied: 0 };
    let done = finish(source, &mut out, Some(&to));
    if done.is_err() && out.place.is_taken()? {
        // Half made: gone again, whatever the reason.
        out.place.unlink()?;
    }
    done.map(|compressed| Compressed { to: to.path.clone(), bytes: out.copied, compressed })
}

/// Where the volume is full to the last page: the compressed file is made on another volume, then the
/// original gives its room, then the compressed file comes home. If it finds no room even then, it stays
/// where it is, and the answer says where.
fn through_spare(source: Source<'_>) -> Result<Compressed, FilesError> {
    let to = destination(&source)?;
    let spare = &source.job.spare;
    std::fs::create_dir_all(spare.as_path()).map_err(|e| open::failed_io("create", spare, &e))?;
    let name = format!("{}-{}.gz", source.job.mark, source.job.entry.id.ino);
    let path = AbsPath::new(&format!("{spare}/{name}"))
        .map_err(|bad| FilesError::Failed(bad.to_string()))?;
    let place = Place::of(spare, &path)?;
    let volume = place.stat_of(&place.dir)?.st_dev;
    if volume == source.job.entry.id.dev {
        return Err(FilesError::NoRoom);
    }
    let mut out = Out { file: place.create()?, place, copied: 0 };
    let compressed = match finish(&source, &mut out, None) {
        Ok(compressed) => compressed,
        Err(why) => {
            out.place.unlink()?;
            return Err(why);
        }
    };
    let bytes = out.copied;
    // A removed file keeps its room until its last descriptor is closed.
    let Source { place, file, .. } = source;
    drop(file);
    match home(&place, &out, &to) {
        Ok(()) => {
            // The file is compressed and home: a copy too many in the spare folder is no failure.
            if let Err(why) = out.place.unlink() {
                tracing::warn!("{why}");
            }
            Ok(Compressed { to: to.path.clone(), bytes, compressed })
        }
        Err(_) => Ok(Compressed { to: out.place.path.clone(), bytes, compressed }),
    }
}

/// Copies a finished compressed file from the spare folder to its place.
fn home(place: &Place, out: &Out, to: &Place) -> Result<(), FilesError> {
    let part = place.beside(format!(".{}.reef-part", place.name))?;
    let mut file = part.create()?;
    let copied = (|| {
        let mut from = &out.file;
        from.seek(SeekFrom::Start(0)).map_err(|e| open::failed_io("read", &out.place.path, &e))?;
        io::copy(&mut from, &mut file).map_err(|e| open::failed_io("write", &part.path, &e))?;
        let like = rustix::fs::fstat(&out.file)
            .map_err(|e| open::failed("look at", &out.place.path, e))?;
        open::like(&file, &part.path, &like)?;
        file.sync_all().map_err(|e| open::failed_io("sync", &part.path, &e))?;
        part.rename_to(to)
    })();
    if copied.is_err() {
        part.unlink()?;
    }
    copied
}

/// The name of the compressed file; it must be free.
fn destination(source: &Source<'_>) -> Result<Place, FilesError> {
    let name = &source.place.name;
    match source.job.how {
        Compress::Replace => {
            let to = source.place.beside(format!("{name}.gz"))?;
            if to.is_taken()? {
                return Err(FilesError::Changed(format!("{} is there already", to.path)));
            }
            Ok(to)
        }
        Compress::CopyTruncate => {
            for n in 1..=ROTATIONS {
                let to = source.place.beside(format!("{name}.{n}.gz"))?;
                if !to.is_taken()? && !source.place.beside(format!("{name}.{n}"))?.is_taken()? {
                    return Ok(to);
                }
            }
            Err(FilesError::Failed(format!(
                "{} has {ROTATIONS} rotated copies: remove old ones first",
                source.place.path
            )))
        }
    }
}

/// Fills the compressed file, publishes it under `to` where one is given, and takes the original away.
/// Answers the size of the compressed file.
fn finish(source: &Source<'_>, out: &mut Out, to: Option<&Place>) -> Result<u64, FilesError> {
    let mut published = None;
    let done = follow(source, out, to, &mut published);
    if let (Err(_), Some(to)) = (&done, published) {
        // The original stayed, so its published copy goes.
        to.unlink()?;
    }
    done
}

fn follow<'a>(
    source: &Source<'_>,
    out: &mut Out,
    to: Option<&'a Place>,
    published: &mut Option<&'a Place>,
) -> Result<u64, FilesError> {
    for _ in 0..ROUNDS {
        member(source, out)?;
        let seen = source.place.stat_of(&source.file)?;
        // Asked before anything goes: samples do not tell it of every file.
        if published.is_none() && 0 < out.copied && is_dense(out.copied, size(out)?) {
            let path = &source.place.path;
            return Err(FilesError::Changed(format!("{path} does not become smaller")));
        }
        open::like(&out.file, &out.place.path, &seen)?;
        out.file.sync_all().map_err(|e| open::failed_io("sync", &out.place.path, &e))?;
        match to {
            Some(to) if published.is_none() => {
                out.place.rename_to(to)?;
                *published = Some(to);
            }
            Some(_) => {}
            None => out.place.sync_dir()?,
        }
        // Asked before the original goes: nothing may fail after that.
        let compressed = size(out)?;
        let path = &source.place.path;
        match source.job.how {
            Compress::Replace => {
                if !open::same_content(&seen, &source.seen) {
                    return Err(FilesError::Changed(format!("{path} changed meanwhile")));
                }
                source.place.remove_exactly(&source.file, &seen)?;
                return Ok(compressed);
            }
            Compress::CopyTruncate => {
                // The last look before the cut: whatever was appended until here is in the copy, and a
                // log that went on goes through another round.
                if open::length(&source.place.stat_of(&source.file)?) == out.copied {
                    rustix::fs::ftruncate(&source.file, 0)
                        .map_err(|e| open::failed("empty", path, e))?;
                    return Ok(compressed);
                }
            }
        }
    }
    Err(FilesError::Changed(format!(
        "{} is written to faster than it can be copied",
        source.place.path
    )))
}

fn size(out: &Out) -> Result<u64, FilesError> {
    let metadata = out.file.metadata();
    metadata.map(|m| m.len()).map_err(|e| open::failed_io("look at", &out.place.path, &e))
}

/// Appends what the source has beyond what was copied, as a gzip member of its own, and reads it back:
/// gzip's own CRC and length, and our digest over what was read the first time.
fn member(source: &Source<'_>, out: &mut Out) -> Result<(), FilesError> {
    let path = &source.place.path;
    let begin = size(out)?;
    let at = |e: &io::Error| open::failed_io("write", &out.place.path, e);
    out.file.seek(SeekFrom::Start(begin)).map_err(|e| at(&e))?;
    let mtime = u32::try_from(source.seen.st_mtime).unwrap_or(0);
    let comment = format!("reef {} {}", source.job.how.word(), source.job.mark);
    let mut gz = GzBuilder::new()
        .mtime(mtime)
        .filename(source.place.name.as_bytes())
        .comment(comment)
        .write(&out.file, Compression::default());
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let from = out.copied;
    loop {
        let n = source
            .file
            .read_at(&mut buffer, out.copied)
            .map_err(|e| open::failed_io("read", path, &e))?;
        if n == 0 {
            break;
        }
        digest.update(&buffer[..n]);
        gz.write_all(&buffer[..n]).map_err(|e| at(&e))?;
        out.copied += n as u64;
        if source.until <= Instant::now() {
            return Err(FilesError::Failed(format!(
                "{path} could not be compressed within {}",
                source.job.within
            )));
        }
    }
    gz.finish().map_err(|e| at(&e))?;
    out.file.sync_data().map_err(|e| at(&e))?;

    out.file.seek(SeekFrom::Start(begin)).map_err(|e| at(&e))?;
    let mut back = MultiGzDecoder::new(BufReader::new(&out.file));
    let mut again = Digesting(Sha256::new());
    let length = io::copy(&mut back, &mut again)
        .map_err(|e| open::failed_io("read back", &out.place.path, &e))?;
    if length != out.copied - from || again.0.finalize() != digest.finalize() {
        return Err(FilesError::Failed(format!(
            "{} was not written as it was read",
            out.place.path
        )));
    }
    Ok(())
}

/// Whether what is left after compressing is no less than nine tenths of what there was: not worth a new file.
fn is_dense(bytes: u64, compressed: u64) -> bool {
    bytes.saturating_mul(9) <= compressed.saturating_mul(10)
}

/// What files would take compressed, from the first part of up to 16 of the largest.
pub(super) fn estimate(root: &AbsPath, mut entries: Vec<Entry>) -> Result<Squeezed, FilesError> {
    let mut dense = BTreeSet::new();
    let mut total: u64 = entries.iter().map(|e| e.bytes).sum();
    entries.sort_by_key(|e| std::cmp::Reverse(e.bytes));
    let (mut raw, mut small) = (0, 0);
    for entry in entries.iter().take(16) {
        let place = Place::of(root, &entry.path)?;
        let Ok((file, _)) = place.open(entry, OFlags::RDONLY) else { continue };
        let mut sample = Vec::new();
        file.take(256 * 1024)
            .read_to_end(&mut sample)
            .map_err(|e| open::failed_io("read", &entry.path, &e))?;
        let mut gz = GzBuilder::new().write(Vec::new(), Compression::default());
        let squeezed = gz.write_all(&sample).and_then(|()| gz.finish());
        let squeezed = squeezed.map_err(|e| open::failed_io("compress", &entry.path, &e))?;
        if is_dense(sample.len() as u64, squeezed.len() as u64) {
            dense.insert(entry.path.clone());
            total -= entry.bytes;
            continue;
        }
        raw += sample.len() as u64;
        small += squeezed.len() as u64;
    }
    let share = u128::from(total) * u128::from(small) / u128::from(raw.max(1));
    Ok(Squeezed { bytes: u64::try_from(share).unwrap_or(u64::MAX), dense })
}
