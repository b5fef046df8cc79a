//! Quarantine: a folder for each call, with a manifest that says where its files came from.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;

use rustix::fs::{AtFlags, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::gzip::Digesting;
use super::open::{self, Place};
use super::{Discard, Entry, FilesError, Manifest, Quarantined};
use crate::model::ids::Word;
use crate::model::target::AbsPath;

const MANIFEST: &str = "manifest.json";

/// A quarantine's own folder. An id that names anything but a child of `folder` is refused.
fn folder_of(folder: &AbsPath, id: &Word) -> Result<AbsPath, FilesError> {
    let plain = id.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match AbsPath::new(&format!("{folder}/{id}")) {
        Ok(path) if plain => Ok(path),
        Ok(_) | Err(_) => Err(FilesError::Failed(format!("{id} is no quarantine's id"))),
    }
}

fn place(folder: &AbsPath, id: &Word, name: &str) -> Result<Place, FilesError> {
    let own = folder_of(folder, id)?;
    let path = AbsPath::new(&format!("{own}/{name}"))
        .map_err(|bad| FilesError::Failed(bad.to_string()))?;
    Place::of(&own, &path)
}

/// See [`super::Files::open_quarantine`].
pub(super) fn open(folder: &AbsPath, manifest: &Manifest) -> Result<(), FilesError> {
    let own = folder_of(folder, &manifest.id)?;
    let create = |path: &AbsPath, recursive| {
        let mut builder = DirBuilder::new();
        builder.mode(0o700).recursive(recursive).create(path.as_path())
    };
    create(folder, true).map_err(|e| open::failed_io("create", folder, &e))?;
    create(&own, false).map_err(|e| open::failed_io("create", &own, &e))?;
    let written = (|| {
        let to = place(folder, &manifest.id, MANIFEST)?;
        let part = to.beside("manifest.part".into())?;
        let mut file = part.create()?;
        let json = serde_json::to_vec(manifest)
            .map_err(|e| FilesError::Failed(format!("cannot write the manifest: {e}")))?;
        file.write_all(&json).map_err(|e| open::failed_io("write", &part.path, &e))?;
        file.sync_all().map_err(|e| open::failed_io("sync", &part.path, &e))?;
        part.rename_to(&to)
    })();
    if written.is_err() {
        // Nothing has moved yet: an empty quarantine would only confuse.
        std::fs::remove_dir_all(own.as_path()).map_err(|e| open::failed_io("remove", &own, &e))?;
    }
    written
}

/// The manifest's entry of an index.
fn entry(manifest: &Manifest, index: usize) -> Result<&Entry, FilesError> {
    manifest.files.get(index).ok_or_else(|| {
        FilesError::Failed(format!("quarantine {} has no file {index}", manifest.id))
    })
}

/// See [`super::Files::put_away`].
pub(super) fn put_away(
    folder: &AbsPath,
    manifest: &Manifest,
    index: usize,
) -> Result<(), FilesError> {
    let entry = entry(manifest, index)?;
    let from = Place::of(&manifest.root, &entry.path)?;
    let (file, seen) = from.open(entry, OFlags::RDONLY)?;
    if open::length(&seen) != entry.bytes {
        return Err(FilesError::Changed(format!("{} changed since it was counted", from.path)));
    }
    let to = place(folder, &manifest.id, &index.to_string())?;
    move_file(&from, &file, &seen, &to)
}

/// See [`super::Files::put_back`].
pub(super) fn put_back(
    folder: &AbsPath,
    manifest: &Manifest,
    index: usize,
) -> Result<(), FilesError> {
    let entry = entry(manifest, index)?;
    let from = place(folder, &manifest.id, &index.to_string())?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&from.dir, &from.name, flags, rustix::fs::Mode::empty())
        .map(File::from)
        .map_err(|e| open::failed("open", &from.path, e))?;
    let seen = from.stat_of(&file)?;
    let to = Place::of(&manifest.root, &entry.path)?;
    move_file(&from, &file, &seen, &to)
}

/// Moves exactly this file onto a free name: by rename, or by a synced and compared copy where the
/// volumes differ.
fn move_file(from: &Place, file: &File, seen: &Stat, to: &Place) -> Result<(), FilesError> {
    let flags = RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(&from.dir, &from.name, &to.dir, &to.name, flags) {
        Ok(()) => {
            let moved = rustix::fs::statat(&to.dir, &to.name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| open::failed("look at", &to.path, e))?;
            if open::identity(&moved) != open::identity(seen) {
                to.rename_to(from)?;
                return Err(FilesError::Changed(format!("{} is another file now", from.path)));
            }
            from.sync_dir()?;
            to.sync_dir()
        }
        Err(Errno::XDEV) => copy_over(from, file, seen, to),
        Err(errno) => Err(open::failed("move to", &to.path, errno)),
    }
}

fn copy_over(from: &Place, file: &File, seen: &Stat, to: &Place) -> Result<(), FilesError> {
    if to.is_taken()? {
        return Err(FilesError::Changed(format!("{} is there already", to.path)));
    }
    let part = to.beside(format!(".{}.reef-part", to.name))?;
    let copy = part.create()?;
    let copied = (|| {
        let write = |e: io::Error| open::failed_io("write", &part.path, &e);
        let mut source = file;
        let mut sink = &copy;
        let n = io::copy(&mut source, &mut sink).map_err(write)?;
        open::like(&copy, &part.path, seen)?;
        copy.sync_all().map_err(write)?;
        if n != open::length(seen) || !same_bytes(file, &copy).map_err(write)? {
            return Err(FilesError::Changed(format!("{} changed meanwhile", from.path)));
        }
        part.rename_to(to)
    })();
    if copied.is_err() {
        part.unlink()?;
        return copied;
    }
    if let Err(why) = from.remove_exactly(file, seen) {
        to.unlink()?;
        return Err(why);
    }
    Ok(())
}

fn same_bytes(a: &File, b: &File) -> io::Result<bool> {
    use sha2::{Digest as _, Sha256};
    let digest = |mut file: &File| {
        file.seek(SeekFrom::Start(0))?;
        let mut digest = Digesting(Sha256::new());
        io::copy(&mut file, &mut digest)?;
        Ok::<_, io::Error>(digest.0.finalize())
    };
    Ok(digest(a)? == digest(b)?)
}

/// See [`super::Files::quarantines`].
pub(super) fn list(folder: &AbsPath) -> Result<(Vec<Quarantined>, u64), FilesError> {
    let folders = match std::fs::read_dir(folder.as_path()) {
        Ok(folders) => folders,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(e) => return Err(open::failed_io("read", folder, &e)),
    };
    let (mut found, mut unreadable) = (Vec::new(), 0);
    for child in folders.flatten() {
        let name = child.file_name();
        let Some(id) = name.to_str().and_then(|n| Word::new(n).ok()) else { continue };
        // The spare folder of compressing lies here too, and is no quarantine.
        if folder_of(folder, &id).is_err() || !child.path().join(MANIFEST).exists() {
            continue;
        }
        match read(folder, &id) {
            Ok(quarantined) => found.push(quarantined),
            Err(_) => unreadable += 1,
        }
    }
    found.sort_by(|a, b| (a.manifest.at, &a.manifest.id).cmp(&(b.manifest.at, &b.manifest.id)));
    Ok((found, unreadable))
}

fn read(folder: &AbsPath, id: &Word) -> Result<Quarantined, FilesError> {
    let own = folder_of(folder, id)?;
    let path = own.as_path().join(MANIFEST);
    let json = std::fs::read(&path).map_err(|e| open::failed_io("read", &own, &e))?;
    let manifest: Manifest = serde_json::from_slice(&json)
        .map_err(|e| FilesError::Failed(format!("the manifest of {own} is damaged: {e}")))?;
    if manifest.id != *id {
        return Err(FilesError::Failed(format!("the manifest of {own} names {}", manifest.id)));
    }
    let names = std::fs::read_dir(own.as_path()).map_err(|e| open::failed_io("read", &own, &e))?;
    let present: BTreeSet<usize> =
        names.flatten().filter_map(|n| n.file_name().to_str()?.parse().ok()).collect();
    Ok(Quarantined { manifest, present })
}

/// See [`super::Files::discard`].
pub(super) fn discard(
    folder: &AbsPath,
    id: &Word,
    what: Discard,
) -> Result<(u64, u64), FilesError> {
    let quarantined = read(folder, id)?;
    if what == Discard::IfEmpty && !quarantined.present.is_empty() {
        return Ok((0, 0));
    }
    let (mut files, mut bytes) = (0, 0);
    for index in &quarantined.present {
        place(folder, id, &index.to_string())?.unlink()?;
        files += 1;
        bytes += quarantined.manifest.files.get(*index).map_or(0, |e| e.bytes);
    }
    place(folder, id, MANIFEST)?.unlink()?;
    let own = folder_of(folder, id)?;
    std::fs::remove_dir(own.as_path()).map_err(|e| open::failed_io("remove", &own, &e))?;
    Ok((files, bytes))
}
