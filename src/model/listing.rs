//! What lies below a folder of a host, and who has it open: for tools that look for what fills a disk.

use serde::{Deserialize, Serialize};

use crate::model::target::AbsPath;
use crate::model::time::Millis;

/// What is asked of a host's files. Names, sizes and times, never what stands in them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// What takes the room below a folder: files that lie together and are called alike as one.
    Sizes(AbsPath),
    /// Every regular file below a folder.
    Files(AbsPath),
    /// Who has files of this volume open.
    Open(u64),
    /// The volume of a folder, or of its nearest parent that is there.
    Volume(AbsPath),
}

/// The answer to the [`Listing`] of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    Sizes(Below<Lot>),
    Files(Below<File>),
    Open(Open),
    Volume(u64),
}

/// What a walk within one volume found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Below<T> {
    pub found: Vec<T>,
    /// The volume that it stayed on.
    pub dev: u64,
    /// Names that are no UTF-8 or have control characters: skipped.
    pub unnamed: u64,
    /// Files of other volumes: not counted.
    pub mounts: u64,
    /// Folders and files that could not be read.
    pub unreadable: u64,
    /// Why it ended early, where it did.
    pub cut: Option<String>,
    /// What the volume says is used, where the walk began at the volume's top.
    pub used: Option<u64>,
}

/// Files that lie in one folder and are called alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// One of them.
    pub path: AbsPath,
    pub files: u64,
    /// What they take on the volume; of a file with several names each once.
    pub on_disk: u64,
    /// When the newest changed.
    pub newest: Millis,
}

/// A regular file. Its times are in whole seconds: not every host tells more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub path: AbsPath,
    pub ino: u64,
    pub links: u64,
    pub uid: u32,
    pub bytes: u64,
    pub on_disk: u64,
    pub modified: Millis,
    /// The latest of read, write and change of the file or its name.
    pub touched: Millis,
}

/// The open files of one volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The user that looked.
    pub looked_as: u32,
    /// Processes whose files may not be looked at, for lack of rights.
    pub hidden: u64,
    pub held: Vec<Holder>,
    /// Inodes that a process has mapped.
    pub mapped: Vec<(Mapped, u64)>,
}

/// One descriptor of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub ino: u64,
    /// 0: the file is deleted.
    pub links: u64,
    pub on_disk: u64,
    /// The flags of open(2), where they could be read.
    pub flags: Option<u32>,
    pub pid: u32,
    /// The name of the process, of deleted files only.
    pub comm: String,
}

/// How a file is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mapped {
    Reading,
    Writing,
}
