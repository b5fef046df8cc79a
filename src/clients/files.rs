//! Files of this machine, or of another host: walks within one volume, and changes that stay below a
//! declared root.
//!
//! No link is ever followed: every open goes through openat2 with RESOLVE_BENEATH and NO_SYMLINKS from
//! an open root, so a folder that is swapped for a link in the meantime is an error, not a way out. On another host a program of reef's holds the same by its own means.

mod gzip;
mod local;
mod open;
mod quarantine;
mod reading;
mod receiving;
pub mod remote;
mod unzip;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Fut;
use crate::gate::permit::Permit;
use crate::model::ids::Word;
use crate::model::listing::Lot;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};

pub use local::LocalFiles;
pub use reading::Opened;
pub use receiving::Receiving;

/// A path and the declared root that it lies below by name; links are refused when it is opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rooted {
    pub root: AbsPath,
    pub path: AbsPath,
}

/// What tells one file on this machine from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    pub dev: u64,
    pub ino: u64,
}

/// A regular file as a walk saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    pub path: AbsPath,
    pub id: Identity,
    /// Its length.
    pub bytes: u64,
    /// What it takes on the volume: less than its length where it is sparse.
    pub on_disk: u64,
    pub modified: Millis,
    /// The latest of read, write and change of the file or its name.
    pub touched: Millis,
    /// Hard links; the content is freed only when the last is gone.
    pub links: u64,
    pub uid: u32,
}

/// How far a walk may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub entries: u64,
    pub time: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 2_000_000, time: Span::secs(10) }
    }
}

/// What a walk did, beside the entries that it showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// The volume that it stayed on.
    pub dev: u64,
    pub files: u64,
    /// Names that are no UTF-8 or have control characters: skipped.
    pub unnamed: u64,
    /// Mounts of other volumes: not entered.
    pub mounts: u64,
    /// Folders that could not be read.
    pub unreadable: u64,
    /// Why it ended early, where it did.
    pub cut: Option<String>,
    /// What the volume says is used, where the walk began at the volume's top.
    pub used: Option<u64>,
}

/// Takes each file of a walk.
pub type Visit = Box<dyn FnMut(Entry) + Send>;

/// Takes what files that are called alike take together.
pub type Weigh = Box<dyn FnMut(Lot) + Send>;

/// Who has a file open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    pub readers: u32,
    /// Those that write with O_APPEND: they go on at the new end of a truncated file.
    pub appenders: u32,
    /// Those that write at their own offset: truncating would leave a hole before it.
    pub writers: u32,
}

/// What files would take compressed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Squeezed {
    pub bytes: u64,
    /// Those that would stay about as large as they are.
    pub dense: BTreeSet<AbsPath>,
}

/// A deleted file that a process still has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedOpen {
    pub pid: u32,
    pub comm: String,
    pub on_disk: u64,
}

/// The open files of one volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenFiles {
    pub held: BTreeMap<Identity, Held>,
    /// Each deleted file once, with one of its holders; the largest first.
    pub deleted: Vec<DeletedOpen>,
    /// Processes whose files may not be looked at, for lack of rights.
    pub hidden: u64,
    /// The user that looked.
    pub looked_as: u32,
    /// What becomes of files whose holders could not be seen.
    pub unseen: Unseen,
}

/// Whether a file is left alone whose holders cannot be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unseen {
    #[default]
    LeftAlone,
    /// Whoever acts on it has more rights than who looked, and looks again before.
    SeenWhenActing,
}

impl OpenFiles {
    /// Whether all who have the file open can be seen. Root sees all or knows what it does not see. Everybody else
    /// sees their own processes, and with hidepid not even that there are others: good for their own files only.
    pub fn sees(&self, entry: &Entry) -> bool {
        match self.looked_as {
            0 => self.hidden == 0,
            user => entry.uid == user,
        }
    }

    /// Who has the file open; an error where that cannot be known.
    pub fn of(&self, entry: &Entry) -> Result<Held, String> {
        if !self.sees(entry) && self.unseen == Unseen::LeftAlone {
            return Err("cannot see who has it open".into());
        }
        Ok(self.held.get(&entry.id).copied().unwrap_or_default())
    }
}

/// What becomes of a file that is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// NAME becomes NAME.gz.
    Replace,
    /// A copy becomes NAME.1.gz (or the first number free), and NAME, which keeps its inode for its
    /// writers, becomes empty.
    CopyTruncate,
}

impl Compress {
    pub fn word(self) -> &'static str {
        match self {
            Self::Replace => "compress",
            Self::CopyTruncate => "rotate",
        }
    }
}

/// What one compressed file brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compressed {
    pub to: AbsPath,
    pub bytes: u64,
    /// What the compressed file takes.
    pub compressed: u64,
}

/// A compressed file that reef made, found by the mark in its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    pub entry: Entry,
    pub how: Compress,
}

/// What is asked of [`Files::compress`].
#[derive(Debug, Clone)]
pub struct Job {
    pub root: AbsPath,
    pub entry: Entry,
    pub how: Compress,
    /// Written into the compressed file's header, by which an undo finds it.
    pub mark: Word,
    /// A folder, best on another volume, to write to where the volume itself has no room left.
    pub spare: AbsPath,
    /// Gives up, with the half-made file removed, after this.
    pub within: Span,
}

/// The record beside quarantined files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub id: Word,
    pub root: AbsPath,
    pub at: Millis,
    /// The file of index `n` lies beside the manifest under the name `n`.
    pub files: Vec<Entry>,
}

/// A quarantine as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub manifest: Manifest,
    /// Indices of the files that are there.
    pub present: BTreeSet<usize>,
}

/// Why a file was not changed. In each case but [`FilesError::Unknown`] it is as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesError {
    /// No room on the volume.
    NoRoom,
    /// The file is not what the walk saw: grown, replaced, linked, gone.
    Changed(String),
    /// Anything else, with what to do.
    Failed(String),
    /// Another host was not reached, or does not let reef do it: the next file would fare no better.
    NotStarted(String),
    /// The host was asked, and what became of it is not known.
    Unknown(String),
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => f.write_str("no room left on the volume"),
            Self::Changed(why) | Self::Failed(why) | Self::NotStarted(why) | Self::Unknown(why) => {
                f.write_str(why)
            }
        }
    }
}

impl std::error::Error for FilesError {}

/// The files of this machine or of another host.
pub trait Files: Send + Sync + fmt::Debug {
    /// Shows every regular file below a path, without leaving its volume and without following links. A
    /// path that is a file is shown alone.
    fn walk(
        &self,
        start: &Rooted,
        limits: Limits,
        visit: Visit,
    ) -> Fut<'_, Result<Walked, FilesError>>;
    /// What takes the room below a path, as [`Files::walk`] goes; a file with several names takes it once.
    fn sizes(
        &self,
        start: &Rooted,
        limits: Limits,
        weigh: Weigh,
    ) -> Fut<'_, Result<Walked, FilesError>>;
    /// Opens a file for reading, if it is still as the entry says.
    fn open<'a>(
        &'a self,
        root: &'a AbsPath,
        entry: &'a Entry,
    ) -> Fut<'a, Result<Opened, FilesError>>;
    /// Who has files of a volume open.
    fn open_files(&self, dev: u64) -> Fut<'_, Result<OpenFiles, FilesError>>;
    /// The volume of a folder, or of its nearest parent that is there.
    fn volume(&self, folder: &AbsPath) -> Fut<'_, Result<u64, FilesError>>;
    /// What is free for reef on the volume of a folder, or of its nearest parent that is there; `None` where that is
    /// not told.
    fn room(&self, _folder: &AbsPath) -> Fut<'_, Result<Option<u64>, FilesError>> {
        Box::pin(async { Ok(None) })
    }
    /// What these files would take compressed, from samples; `None` where none are taken.
    fn estimate(
        &self,
        root: &AbsPath,
        entries: Vec<Entry>,
    ) -> Fut<'_, Result<Option<Squeezed>, FilesError>>;
    /// The compressed files below a path that carry a mark.
    fn marked(&self, start: &Rooted, mark: &Word) -> Fut<'_, Result<Vec<Marked>, FilesError>>;
    /// The quarantines in a folder, oldest first, and how many could not be read.
    fn quarantines(&self, folder: &AbsPath)
    -> Fut<'_, Result<(Vec<Quarantined>, u64), FilesError>>;

    /// Compresses one file, if it is still as the entry says. The original goes only after the copy was
    /// synced and read back.
    fn compress<'a>(
        &'a self,
        permit: &'a Permit,
        job: Job,
    ) -> Fut<'a, Result<Compressed, FilesError>>;
    /// Makes room for a file of so many bytes under a name that is free, and takes its bytes. It has no name before it is kept.
    fn receive<'a>(
        &'a self,
        permit: &'a Permit,
        to: &'a Rooted,
        bytes: u64,
    ) -> Fut<'a, Result<Receiving, FilesError>>;
    /// Undoes [`Files::compress`] for one file; answers the bytes that came back.
    fn decompress<'a>(
        &'a self,
        permit: &'a Permit,
        root: &'a AbsPath,
        file: Marked,
    ) -> Fut<'a, Result<u64, FilesError>>;
    /// Makes a quarantine's folder and its manifest, before anything moves.
    fn open_quarantine<'a>(
        &'a self,
        permit: &'a Permit,
        folder: &'a AbsPath,
        manifest: Manifest,
    ) -> Fut<'a, Result<(), FilesError>>;
    /// Moves one file of a manifest into its quarantine, if it is still as its entry says.
    fn put_away<'a>(
        &'a self,
        permit: &'a Permit,
        folder: &'a AbsPath,
        manifest: &'a Arc<Manifest>,
        index: usize,
    ) -> Fut<'a, Result<(), FilesError>>;
    /// Moves one file back to where it was, if that name is free.
    fn put_back<'a>(
        &'a self,
        permit: &'a Permit,
        folder: &'a AbsPath,
        manifest: &'a Arc<Manifest>,
        index: usize,
    ) -> Fut<'a, Result<(), FilesError>>;
    /// Deletes a quarantine with what is in it; answers files and bytes. With
    /// [`Discard::IfEmpty`] one that still holds files stays.
    fn discard<'a>(
        &'a self,
        permit: &'a Permit,
        folder: &'a AbsPath,
        id: &'a Word,
        what: Discard,
    ) -> Fut<'a, Result<(u64, u64), FilesError>>;
}

/// How much of a quarantine is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    IfEmpty,
    All,
}
