//! Opening below a root without following any link, and what a failed call means in words.

use std::fs::File;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{Entry, FilesError, Identity, Rooted};
use crate::model::target::AbsPath;
use crate::model::time::Millis;

/// No link in any part, no way up, no /proc magic.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// A named file in an open folder.
#[derive(Debug)]
pub(super) struct Place {
    pub dir: File,
    pub name: String,
    pub path: AbsPath,
}

/// What an errno means for `path`.
pub(super) fn failed(what: &str, path: &AbsPath, errno: Errno) -> FilesError {
    match errno {
        Errno::NOSPC | Errno::DQUOT => FilesError::NoRoom,
        Errno::LOOP => FilesError::Failed(format!(
            "{path} is, or leads through, a symbolic link: reef follows none, name the real path"
        )),
        Errno::XDEV => FilesError::Failed(format!("{path} leaves its root")),
        Errno::NOENT => FilesError::Changed(format!("{path} is not there")),
        Errno::EXIST => FilesError::Changed(format!("{path} is there already")),
        Errno::NOSYS => FilesError::Failed(
            "openat2 is not to be had (Linux 5.6 brought it; RestrictSUIDSGID= of a systemd unit takes it away): without it reef touches no file"
                .into(),
        ),
        errno => FilesError::Failed(format!("cannot {what} {path}: {errno}")),
    }
}

/// As [`failed`], for the standard library's errors.
pub(super) fn failed_io(what: &str, path: &AbsPath, error: &std::io::Error) -> FilesError {
    match Errno::from_io_error(error) {
        Some(errno) => failed(what, path, errno),
        None => FilesError::Failed(format!("cannot {what} {path}: {error}")),
    }
}

/// Opens a declared root: a folder without a link in its own path.
pub(super) fn root(root: &AbsPath) -> Result<File, FilesError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(CWD, root.as_path(), flags, Mode::empty(), resolve)
        .map(File::from)
        .map_err(|errno| failed("open", root, errno))
}

/// The part of a path below its root, `.` for the root itself.
fn below(start: &Rooted) -> Result<&Path, FilesError> {
    match start.path.as_path().strip_prefix(start.root.as_path()) {
        Ok(rest) if rest.as_os_str().is_empty() => Ok(Path::new(".")),
        Ok(rest) => Ok(rest),
        Err(_) => Err(FilesError::Failed(format!("{} lies outside of {}", start.path, start.root))),
    }
}

/// Opens what lies at a rooted path.
pub(super) fn at(start: &Rooted, flags: OFlags) -> Result<File, FilesError> {
    let root = root(&start.root)?;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat2(&root, below(start)?, flags, Mode::empty(), RESOLVE)
        .map(File::from)
        .map_err(|errno| failed("open", &start.path, errno))
}

/// Opens a folder's child folder on the same volume; bind mounts are other volumes too.
pub(super) fn child(dir: &File, name: &str) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat2(dir, name, flags, Mode::empty(), RESOLVE | ResolveFlags::NO_XDEV)
        .map(File::from)
}

impl Place {
    /// Opens the folder of a file below a root.
    pub(super) fn of(root: &AbsPath, path: &AbsPath) -> Result<Self, FilesError> {
        let outside = || FilesError::Failed(format!("{path} lies outside of {root}"));
        let (folder, name) = path.as_str().rsplit_once('/').ok_or_else(outside)?;
        let folder = AbsPath::new(if folder.is_empty() { "/" } else { folder })
            .map_err(|bad| FilesError::Failed(bad.to_string()))?;
        if name.is_empty() || !folder.is_below(root) {
            return Err(outside());
        }
        let start = Rooted { root: root.clone(), path: folder };
        let dir = at(&start, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Self { dir, name: name.to_owned(), path: path.clone() })
    }

    /// Opens the file itself: a regular one with one name, the very one that a walk saw.
    pub(super) fn open(&self, entry: &Entry, flags: OFlags) -> Result<(File, Stat), FilesError> {
        // Without NONBLOCK a pipe put in the file's place would hang the open.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::openat2(&self.dir, &self.name, flags, Mode::empty(), RESOLVE)
            .map(File::from)
            .map_err(|errno| failed("open", &self.path, errno))?;
        let stat = self.stat_of(&file)?;
        if identity(&stat) != entry.id {
            return Err(FilesError::Changed(format!("{} is another file now", self.path)));
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
            return Err(FilesError::Changed(format!(
                "{} is no plain file with one name",
                self.path
            )));
        }
        Ok((file, stat))
    }

    pub(super) fn stat_of(&self, file: &File) -> Result<Stat, FilesError> {
        rustix::fs::fstat(file).map_err(|errno| failed("look at", &self.path, errno))
    }

    /// The same folder, another name.
    pub(super) fn beside(&self, name: String) -> Result<Self, FilesError> {
        let dir = self.dir.try_clone().map_err(|e| failed_io("open", &self.path, &e))?;
        let folder = self.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = AbsPath::new(&format!("{folder}/{name}"))
            .map_err(|bad| FilesError::Failed(bad.to_string()))?;
        Ok(Self { dir, name, path })
    }

    /// Whether the name is taken, by whatever it is.
    pub(super) fn is_taken(&self) -> Result<bool, FilesError> {
        match rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(failed("look at", &self.path, errno)),
        }
    }

    /// Makes a new file under this name. A leftover of an earlier attempt gives way: only reef uses
    /// such names, and the lease keeps a second reef action away.
    pub(super) fn create(&self) -> Result<File, FilesError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let make = || {
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::openat2(&self.dir, &self.name, flags, mode, RESOLVE).map(File::from)
        };
        let made = match make() {
            Err(Errno::EXIST) => {
                self.unlink()?;
                make()
            }
            made => made,
        };
        made.map_err(|errno| failed("create", &self.path, errno))
    }

    pub(super) fn unlink(&self) -> Result<(), FilesError> {
        rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty())
            .map_err(|errno| failed("remove", &self.path, errno))
    }

    /// Renames onto a free name, and makes the name durable.
    pub(super) fn rename_to(&self, to: &Self) -> Result<(), FilesError> {
        let flags = RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&self.dir, &self.name, &to.dir, &to.name, flags)
            .map_err(|errno| failed("rename to", &to.path, errno))?;
        to.sync_dir()
    }

    pub(super) fn sync_dir(&self) -> Result<(), FilesError> {
        rustix::fs::fsync(&self.dir).map_err(|errno| failed("sync", &self.path, errno))
    }

    /// Removes exactly the file that `file` is: moved aside first, so that a file which took its name
    /// in the meantime is put back instead of deleted.
    pub(super) fn remove_exactly(&self, file: &File, seen: &Stat) -> Result<(), FilesError> {
        let aside = self.beside(format!(".{}.reef-gone", self.name))?;
        if aside.is_taken()? {
            return Err(FilesError::Failed(format!(
                "{} is left from an attempt that broke off: compare it with {} and remove one",
                aside.path, self.path
            )));
        }
        self.rename_to(&aside)?;
        let moved = rustix::fs::statat(&aside.dir, &aside.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| failed("look at", &aside.path, errno))?;
        if identity(&moved) != identity(seen) || !same_content(&self.stat_of(file)?, seen) {
            aside.rename_to(self)?;
            return Err(FilesError::Changed(format!("{} changed meanwhile", self.path)));
        }
        aside.unlink()?;
        // From here on it is gone, whatever else fails: an unlink that a crash undoes leaves one file
        // too many, but an error would make the caller drop the only copy.
        if let Err(why) = self.sync_dir() {
            tracing::warn!("{why}");
        }
        Ok(())
    }
}

/// Gives a new file the owner, the mode and the time of another.
pub(super) fn like(file: &File, path: &AbsPath, model: &Stat) -> Result<(), FilesError> {
    use rustix::fs::{Gid, Timespec, Timestamps, Uid};
    let (uid, gid) = (Uid::from_raw(model.st_uid), Gid::from_raw(model.st_gid));
    rustix::fs::fchown(file, Some(uid), Some(gid))
        .map_err(|errno| failed("keep the owner of", path, errno))?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(model.st_mode))
        .map_err(|errno| failed("keep the mode of", path, errno))?;
    let time = Timespec {
        tv_sec: model.st_mtime,
        tv_nsec: i64::try_from(model.st_mtime_nsec).unwrap_or(0),
    };
    rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })
        .map_err(|errno| failed("keep the time of", path, errno))
}

pub(super) fn identity(stat: &Stat) -> Identity {
    Identity { dev: stat.st_dev, ino: stat.st_ino }
}

/// Same length, same time of change.
pub(super) fn same_content(a: &Stat, b: &Stat) -> bool {
    a.st_size == b.st_size && a.st_mtime == b.st_mtime && a.st_mtime_nsec == b.st_mtime_nsec
}

pub(super) fn length(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn millis(secs: i64, nanos: u64) -> Millis {
    let nanos = i64::try_from(nanos).unwrap_or(0);
    Millis(secs.saturating_mul(1_000).saturating_add(nanos / 1_000_000))
}

/// Hard links, whose count is not as wide everywhere.
#[allow(clippy::useless_conversion, reason = "32 bits on aarch64, 64 on x86-64")]
fn links(stat: &Stat) -> u64 {
    u64::from(stat.st_nlink)
}

/// The entry of a regular file.
pub(super) fn entry(path: AbsPath, stat: &Stat) -> Entry {
    let modified = millis(stat.st_mtime, stat.st_mtime_nsec);
    Entry {
        path,
        id: identity(stat),
        bytes: length(stat),
        on_disk: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
        modified,
        touched: modified
            .max(millis(stat.st_ctime, stat.st_ctime_nsec))
            .max(millis(stat.st_atime, stat.st_atime_nsec)),
        links: links(stat),
        uid: stat.st_uid,
    }
}
