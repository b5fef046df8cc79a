//! New lines of a file since the last look: through rotation and truncation, bounded a look.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tokio::time::Instant;

use crate::clients::host::lines::{Counted, Errors, cut};
use crate::model::fact::{Lines, NoFact};
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// Bytes read in one look; what is beyond is counted by its size and stepped over.
const MOST: u64 = 1 << 20;

/// A last line that is longer than this is not waited for to end.
const LONGEST: usize = 64 << 10;

/// How much of a file's beginning tells that it is still the same.
const HEAD: usize = 64;

/// A file that is followed.
#[derive(Debug)]
pub struct Tail {
    path: AbsPath,
    /// Device and inode of what was read last.
    file: (u64, u64),
    offset: u64,
    head: Vec<u8>,
    looked_at: Instant,
}

impl Tail {
    /// Starts at the end: what was written before is past.
    pub fn new(path: &AbsPath) -> Result<Self, NoFact> {
        let (file, meta) = open(path.as_path())?;
        Ok(Self {
            path: path.clone(),
            file: (meta.dev(), meta.ino()),
            offset: meta.len(),
            head: head(&file),
            looked_at: Instant::now(),
        })
    }

    /// Counts the error lines that are new.
    pub fn look(&mut self, errors: &Errors, redactor: &Redactor) -> Result<Lines, NoFact> {
        let (file, meta) = open(self.path.as_path())?;
        let now = head(&file);
        let mut counted = Counted::default();
        if self.file != (meta.dev(), meta.ino()) {
            self.finish_rotated(&mut counted, errors, redactor);
            self.offset = 0;
        } else if meta.len() < self.offset || !now.starts_with(&self.head) {
            // Truncated in place; where it has grown past the old end since, its beginning tells.
            self.offset = 0;
        }
        self.file = (meta.dev(), meta.ino());
        self.head = now;
        self.offset = read(&file, self.offset, meta.len(), |line| {
            note(&mut counted, line, errors, redactor);
            counted.errors()
        })
        .map(|read| {
            counted.estimate(read.estimated);
            read.upto
        })
        .map_err(|why| NoFact::Failed(format!("cannot read {}: {why}", self.path)))?;
        let over = Span::from(self.looked_at.elapsed());
        self.looked_at = Instant::now();
        Ok(counted.lines(over))
    }

    /// Reads what was written to the old file after the last look, where rotation left it beside the
    /// new one uncompressed. What it removed at once is lost.
    fn finish_rotated(&self, counted: &mut Counted, errors: &Errors, redactor: &Redactor) {
        let beside = PathBuf::from(format!("{}.1", self.path));
        let Ok((old, meta)) = open(&beside) else { return };
        if self.file != (meta.dev(), meta.ino()) {
            return;
        }
        let read = read(&old, self.offset, meta.len(), |line| {
            note(counted, line, errors, redactor);
            counted.errors()
        });
        if let Ok(read) = read {
            counted.estimate(read.estimated);
        }
    }
}

/// Counts a line where it tells of an error.
pub fn note(counted: &mut Counted, line: &str, errors: &Errors, redactor: &Redactor) {
    if errors.tells(line) {
        counted.add(line, redactor);
    }
}

/// Opens a file without waiting: a pipe in its place would block for ever.
fn open(path: &Path) -> Result<(File, Metadata), NoFact> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let shown = path.display();
    let failed = |why: std::io::Error| {
        let kind = why.kind();
        NoFact::Failed(if kind == ErrorKind::PermissionDenied {
            format!("reef may not read {shown}: add its user to the file's group, often adm")
        } else if kind == ErrorKind::NotFound {
            format!("there is no {shown}")
        } else {
            format!("cannot open {shown}: {why}")
        })
    };
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|why| failed(why.into()))?;
    let file = File::from(file);
    let meta = file.metadata().map_err(failed)?;
    match meta.is_file() {
        true => Ok((file, meta)),
        false => Err(NoFact::Failed(format!("{shown} is no regular file"))),
    }
}

fn head(file: &File) -> Vec<u8> {
    let mut head = vec![0; HEAD];
    let n = file.read_at(&mut head, 0).unwrap_or(0);
    head.truncate(n);
    head
}

/// How far a file was read.
struct Read {
    upto: u64,
    /// Errors in what was stepped over, by the share of them in what was read.
    estimated: u64,
}

/// Hands each whole line between `from` and `size` to `each`, which returns how many errors there are
/// by now. A last line without an end is left for the next look.
fn read(
    file: &File,
    from: u64,
    size: u64,
    mut each: impl FnMut(&str) -> u64,
) -> std::io::Result<Read> {
    let mut bytes = vec![0; usize::try_from(size.saturating_sub(from).min(MOST)).unwrap_or(0)];
    let mut n = 0;
    while n < bytes.len() {
        match file.read_at(&mut bytes[n..], from + n as u64) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    let skipped = size.saturating_sub(from + n as u64);
    let stretch = count(&bytes[..n], skipped, &mut each);
    Ok(Read { upto: from + stretch.used + skipped, estimated: stretch.estimated })
}

/// What a piece of a file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Bytes of whole lines.
    pub used: u64,
    /// Errors in what was stepped over, by the share of them in what was read.
    pub estimated: u64,
}

/// Hands each whole line of `bytes` to `each`, which returns how many errors there are by now. `skipped`
/// bytes follow that nobody read.
pub fn count(bytes: &[u8], skipped: u64, each: &mut impl FnMut(&str) -> u64) -> Stretch {
    let before = each("");
    let mut after = before;
    let mut used = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let ended = line.ends_with(b"\n");
        if !ended && skipped == 0 && line.len() < LONGEST {
            break;
        }
        used += line.len() as u64;
        // Decoding a megabyte to look at its first lines would be for nothing.
        let seen = &line[..line.len().min(LONGEST)];
        after = each(cut(String::from_utf8_lossy(seen).trim_end()));
    }
    let estimated = match bytes.len() {
        0 => 0,
        n => (after - before).saturating_mul(skipped) / n as u64,
    };
    Stretch { used, estimated }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    struct Log {
        folder: tempfile::TempDir,
        errors: Errors,
        redactor: Redactor,
    }

    impl Log {
        fn new() -> Self {
            let log = Self {
                folder: tempfile::tempdir().unwrap(),
                errors: Errors::new().unwrap(),
                redactor: Redactor::new(Vec::new()),
            };
            log.write(b"ERROR from before\n");
            log
        }
        fn file(&self) -> PathBuf {
            self.folder.path().join("app.log")
        }
        fn write(&self, bytes: &[u8]) {
            let mut file = File::options().append(true).create(true).open(self.file()).unwrap();
            file.write_all(bytes).unwrap();
        }
        fn tail(&self) -> Tail {
            Tail::new(&AbsPath::new(self.file().to_str().unwrap()).unwrap()).unwrap()
        }
        fn errors(&self, tail: &mut Tail) -> u64 {
            tail.look(&self.errors, &self.redactor).unwrap().errors
        }
    }

    #[test]
    fn new_lines_count_once_and_a_part_waits_for_its_end() {
        let log = Log::new();
        let mut tail = log.tail();
        assert_eq!(log.errors(&mut tail), 0);
        log.write(b"ERROR one\nall well\nERROR tw");
        assert_eq!(log.errors(&mut tail), 1);
        log.write(b"o\n");
        assert_eq!(log.errors(&mut tail), 1);
        assert_eq!(log.errors(&mut tail), 0);
    }

    #[test]
    fn rotation_loses_no_line_and_truncation_starts_anew() {
        let log = Log::new();
        let mut tail = log.tail();
        log.write(b"ERROR last words\n");
        std::fs::rename(log.file(), log.folder.path().join("app.log.1")).unwrap();
        log.write(b"ERROR first words\nERROR second\n");
        assert_eq!(log.errors(&mut tail), 3);
        std::fs::write(log.file(), b"").unwrap();
        log.write(b"ERROR short\n");
        assert_eq!(log.errors(&mut tail), 1);
        // Truncated, and past the old end before the next look.
        std::fs::write(log.file(), b"another beginning\nERROR a\nERROR b\nERROR c\n").unwrap();
        assert_eq!(log.errors(&mut tail), 3);
    }

    #[test]
    fn a_missing_file_is_a_reason_and_the_next_look_goes_on() {
        let log = Log::new();
        let mut tail = log.tail();
        std::fs::remove_file(log.file()).unwrap();
        let gone = tail.look(&log.errors, &log.redactor);
        assert!(matches!(gone, Err(NoFact::Failed(why)) if why.contains("there is no")));
        log.write(b"ERROR anew\n");
        assert_eq!(log.errors(&mut tail), 1);
        let folder = AbsPath::new(log.folder.path().to_str().unwrap()).unwrap();
        assert!(Tail::new(&folder).is_err());
    }

    #[test]
    fn bytes_that_are_no_text_count_like_any() {
        let log = Log::new();
        let mut tail = log.tail();
        log.write(b"\xff\xfe ERROR \xc3\x28 \x00\n\xff\xff\n");
        let lines = tail.look(&log.errors, &log.redactor).unwrap();
        assert_eq!((lines.errors, lines.templates.len()), (1, 1));
    }

    #[test]
    fn a_hundred_megabytes_are_stepped_over_and_estimated() {
        let log = Log::new();
        let mut tail = log.tail();
        // One line of 100 MB: a hole costs no disk.
        let file = File::options().write(true).open(log.file()).unwrap();
        file.set_len(100_000_000).unwrap();
        assert_eq!(log.errors(&mut tail), 0);
        log.write(b"\nERROR after it\n");
        assert_eq!(log.errors(&mut tail), 1);
        log.write(&b"ERROR again and again\n".repeat(200_000));
        let errors = log.errors(&mut tail);
        assert!((190_000..210_000).contains(&errors), "{errors}");
        assert_eq!(log.errors(&mut tail), 0);
    }
}
