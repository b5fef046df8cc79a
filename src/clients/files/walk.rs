//! Walks within one volume, and who has files open there.

use std::collections::BTreeMap;
use std::fs::File;

use rustix::fs::{AtFlags, CWD, Dir, FileType, OFlags, Stat, StatxFlags};
use rustix::io::Errno;
use tokio::time::Instant;

use super::open;
use super::{DeletedOpen, FilesError, Held, Identity, Limits, OpenFiles, Rooted, Visit, Walked};
use crate::model::target::AbsPath;

/// Folders nested deeper than this are not entered: each level holds a descriptor.
const DEEPEST: u32 = 128;

struct Walk {
    limits: Limits,
    until: Instant,
    seen: u64,
    out: Walked,
    visit: Visit,
}

/// Shows every regular file below a path; see [`super::Files::walk`].
pub(super) fn walk(start: &Rooted, limits: Limits, mut visit: Visit) -> Result<Walked, FilesError> {
    let top = open::at(start, OFlags::PATH)?;
    let stat = rustix::fs::fstat(&top).map_err(|e| open::failed("look at", &start.path, e))?;
    let mut out = Walked { dev: stat.st_dev, used: used(&top, &stat), ..Walked::default() };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            out.files = 1;
            visit(open::entry(start.path.clone(), &stat));
            Ok(out)
        }
        FileType::Directory => {
            let dir = open::at(start, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let until = Instant::now() + limits.time.duration();
            let mut walk = Walk { limits, until, seen: 0, out, visit };
            let prefix = start.path.as_str().trim_end_matches('/').to_owned();
            walk.folder(&dir, &prefix, 0);
            Ok(walk.out)
        }
        // PATH and NOFOLLOW open a link itself, where all other opens fail.
        FileType::Symlink => Err(open::failed("open", &start.path, Errno::LOOP)),
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => {
            Err(FilesError::Failed(format!("{} is neither file nor folder", start.path)))
        }
    }
}

/// What is used on the volume that `top` is the top of.
fn used(top: &File, stat: &Stat) -> Option<u64> {
    let up = rustix::fs::statat(top, "..", AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if up.st_dev == stat.st_dev && up.st_ino != stat.st_ino {
        return None;
    }
    let volume = rustix::fs::fstatvfs(top).ok()?;
    Some(volume.f_blocks.saturating_sub(volume.f_bfree).saturating_mul(volume.f_frsize))
}

/// The order of a folder's children: what can be acted upon first and the system last, so that a walk
/// that must end early has seen what counts.
fn rank(name: &str) -> u8 {
    match name {
        "var" | "tmp" | "log" | "logs" => 0,
        "usr" => 2,
        _ => 1,
    }
}

impl Walk {
    /// One folder and what is below it: its files, then its folders.
    fn folder(&mut self, dir: &File, prefix: &str, depth: u32) {
        let mut folders = Vec::new();
        self.entries(dir, prefix, &mut folders);
        folders.sort_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
        for name in folders {
            if self.out.cut.is_some() {
                return;
            }
            if DEEPEST <= depth {
                self.out.unreadable += 1;
                continue;
            }
            match open::child(dir, &name) {
                Ok(child) => self.folder(&child, &format!("{prefix}/{name}"), depth + 1),
                Err(Errno::XDEV) => self.out.mounts += 1,
                Err(_) => self.out.unreadable += 1,
            }
        }
    }

    fn entries(&mut self, dir: &File, prefix: &str, folders: &mut Vec<String>) {
        let Ok(entries) = Dir::read_from(dir) else {
            self.out.unreadable += 1;
            return;
        };
        for entry in entries {
            if self.is_over() {
                return;
            }
            let Ok(entry) = entry else {
                self.out.unreadable += 1;
                return;
            };
            let raw = entry.file_name();
            if raw == c"." || raw == c".." {
                continue;
            }
            let named = raw.to_str().ok().filter(|name| !name.chars().any(char::is_control));
            let Some(name) = named else {
                self.out.unnamed += 1;
                continue;
            };
            self.child(dir, name, prefix, folders);
        }
    }

    fn child(&mut self, dir: &File, name: &str, prefix: &str, folders: &mut Vec<String>) {
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Gone between the listing and the look: nothing to tell of.
            Err(Errno::NOENT) => return,
            Err(_) => {
                self.out.unreadable += 1;
                return;
            }
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_dev == self.out.dev => {
                let Ok(path) = AbsPath::new(&format!("{prefix}/{name}")) else {
                    self.out.unnamed += 1;
                    return;
                };
                self.out.files += 1;
                (self.visit)(open::entry(path, &stat));
            }
            FileType::Directory if stat.st_dev != self.out.dev => self.out.mounts += 1,
            FileType::Directory => folders.push(name.to_owned()),
            // A file of another volume is one that was mounted over this name.
            FileType::RegularFile => self.out.mounts += 1,
            // These take no room worth telling.
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
    }

    fn is_over(&mut self) -> bool {
        if self.out.cut.is_some() {
            return true;
        }
        self.seen += 1;
        if self.limits.entries < self.seen {
            self.out.cut = Some(format!("stopped after {} entries", self.limits.entries));
        } else if self.seen.is_multiple_of(256) && self.until <= Instant::now() {
            self.out.cut = Some(format!("stopped after {}", self.limits.time));
        }
        self.out.cut.is_some()
    }
}

/// Who has files of a volume open; see [`super::Files::open_files`].
pub(super) fn open_files(dev: u64) -> Result<OpenFiles, FilesError> {
    let processes = std::fs::read_dir("/proc")
        .map_err(|e| FilesError::Failed(format!("cannot read /proc: {e}")))?;
    let looked_as = rustix::process::geteuid().as_raw();
    let mut out = OpenFiles { looked_as, ..OpenFiles::default() };
    let mut deleted: BTreeMap<Identity, DeletedOpen> = BTreeMap::new();
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        match std::fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(fds) => {
                for fd in fds.flatten() {
                    let Some(fd) = fd.file_name().to_str().and_then(|n| n.parse().ok()) else {
                        continue;
                    };
                    descriptor(pid, fd, dev, &mut out, &mut deleted);
                }
                mapped(pid, dev, &mut out);
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => out.hidden += 1,
            // It has ended since.
            Err(_) => {}
        }
    }
    out.deleted = deleted.into_values().collect();
    out.deleted.sort_by_key(|d| std::cmp::Reverse(d.on_disk));
    Ok(out)
}

/// One descriptor of one process.
fn descriptor(
    pid: u32,
    fd: u32,
    dev: u64,
    out: &mut OpenFiles,
    deleted: &mut BTreeMap<Identity, DeletedOpen>,
) {
    let link = format!("/proc/{pid}/fd/{fd}");
    // Sockets, pipes and the like have no path, and a look at them is wasted.
    if !std::fs::read_link(&link).is_ok_and(|to| to.is_absolute()) {
        return;
    }
    // DONT_SYNC: a file on a network mount that hangs must not hang this.
    let Ok(stat) = rustix::fs::statx(CWD, &link, AtFlags::STATX_DONT_SYNC, StatxFlags::BASIC_STATS)
    else {
        return;
    };
    let its_dev = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    let mode = u32::from(stat.stx_mode);
    if its_dev != dev || FileType::from_raw_mode(mode) != FileType::RegularFile {
        return;
    }
    let id = Identity { dev, ino: stat.stx_ino };
    if stat.stx_nlink == 0 {
        deleted.entry(id).or_insert_with(|| DeletedOpen {
            pid,
            comm: comm(pid),
            on_disk: stat.stx_blocks.saturating_mul(512),
        });
    }
    let held = out.held.entry(id).or_default();
    match flags_of(pid, fd) {
        Some(flags) if flags & 0o3 == 0 => held.readers += 1,
        Some(flags) if flags & 0o2000 != 0 => held.appenders += 1,
        // What cannot be told apart counts as the worst.
        Some(_) | None => held.writers += 1,
    }
}

/// The open flags of a descriptor (proc(5), fdinfo).
fn flags_of(pid: u32, fd: u32) -> Option<u32> {
    let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(flags.trim(), 8).ok()
}

fn comm(pid: u32) -> String {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    comm.trim().to_owned()
}

/// Files that a process has mapped: they may have no descriptor any more.
fn mapped(pid: u32, dev: u64, out: &mut OpenFiles) {
    let Ok(maps) = std::fs::read(format!("/proc/{pid}/maps")) else { return };
    for line in String::from_utf8_lossy(&maps).lines() {
        let mut parts = line.split_ascii_whitespace().skip(1);
        let (Some(perms), Some(_), Some(device), Some(ino)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let Some((major, minor)) = device.split_once(':') else { continue };
        let (Ok(major), Ok(minor), Ok(ino)) =
            (u32::from_str_radix(major, 16), u32::from_str_radix(minor, 16), ino.parse())
        else {
            continue;
        };
        if ino == 0 || rustix::fs::makedev(major, minor) != dev {
            continue;
        }
        let held: &mut Held = out.held.entry(Identity { dev, ino }).or_default();
        if perms.contains('w') && perms.contains('s') {
            held.writers += 1;
        } else {
            held.readers += 1;
        }
    }
}
