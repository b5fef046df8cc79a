//! Logs of another host that are followed: where the last look ended is kept here, and handed over as
//! an argument.

use tokio::time::Instant;

use crate::clients::collector::sections::{JOURNAL, LINES};
use crate::clients::collector::{Arg, Ask, Piece};
use crate::clients::host::journal::{Found, refused};
use crate::clients::host::lines::{Counted, Errors};
use crate::clients::host::tail::{count, note};
use crate::model::fact::{Lines, NoFact};
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// The blocks that offsets are rounded down to, because `dd` steps over whole blocks.
const BLOCK: u64 = 4_096;

/// A file that is followed.
#[derive(Debug, Clone)]
pub struct Tail {
    path: AbsPath,
    /// 0 before the first look.
    inode: u64,
    offset: u64,
    head: Vec<u8>,
    looked_at: Instant,
}

impl Tail {
    pub fn new(path: AbsPath) -> Self {
        Self { path, inode: 0, offset: 0, head: Vec::new(), looked_at: Instant::now() }
    }

    pub fn ask(&self) -> Ask {
        let numbers = [self.inode, self.offset / BLOCK];
        Ask::with(LINES, Arg::numbers_and_path(&numbers, &self.path))
    }

    /// Counts the error lines that are new; none at the first look.
    pub fn look(
        &mut self,
        piece: &Piece,
        errors: &Errors,
        redactor: &Redactor,
    ) -> Result<Lines, NoFact> {
        let odd = || NoFact::Failed(format!("the host did not tell of {}", self.path));
        let (inode, size) = listed(&piece.text("list")).ok_or_else(odd)?;
        let head = piece.bytes("head").to_vec();
        let over = Span::from(self.looked_at.elapsed());
        self.looked_at = Instant::now();
        let mut counted = Counted::default();
        if self.inode == 0 {
            (self.inode, self.offset, self.head) = (inode, size, head);
            return Ok(counted.lines(Span(0)));
        }
        let mut each = |line: &str| {
            note(&mut counted, line, errors, redactor);
            counted.errors()
        };
        let mut estimated = 0;
        let mut from = self.offset;
        let replaced = inode != self.inode;
        if replaced {
            if let Some((_, size)) = listed(&piece.text("listold")) {
                let (bytes, skipped) = stretch(piece.bytes("old"), from, size);
                estimated += count(bytes, skipped, &mut each).estimated;
            }
            from = 0;
        } else if size < from || !head.starts_with(&self.head) {
            // Truncated in place: what the host sent began too late, so the next look reads it all.
            (self.offset, self.head) = (0, head);
            return Ok(counted.lines(over));
        }
        let (bytes, skipped) = stretch(piece.bytes("new"), from, size);
        let read = count(bytes, skipped, &mut each);
        counted.estimate(estimated + read.estimated);
        (self.inode, self.offset, self.head) = (inode, from + read.used + skipped, head);
        Ok(counted.lines(over))
    }
}

/// The new bytes in what was sent from a whole block on, and how many follow that were not sent.
fn stretch(sent: &[u8], from: u64, size: u64) -> (&[u8], u64) {
    let before = usize::try_from(from % BLOCK).unwrap_or(0).min(sent.len());
    // It may have grown since it was listed; that is for the next look.
    let upto = usize::try_from(size.saturating_sub(from / BLOCK * BLOCK)).unwrap_or(usize::MAX);
    let bytes = &sent[before..upto.clamp(before, sent.len())];
    (bytes, size.saturating_sub(from + bytes.len() as u64))
}

/// Inode and size in a line of `ls -liLn`.
fn listed(line: &str) -> Option<(u64, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Some((words.first()?.parse().ok()?, words.get(5)?.parse().ok()?))
}

/// The journal of another host.
#[derive(Debug, Clone)]
pub struct Journal {
    cursor: Option<String>,
    looked_at: Instant,
}

impl Default for Journal {
    fn default() -> Self {
        Self { cursor: None, looked_at: Instant::now() }
    }
}

impl Journal {
    pub fn ask(&self) -> Ask {
        Ask::with(JOURNAL, Arg::word(self.cursor.as_deref().unwrap_or("-")))
    }

    /// Counts the entries of priority err and worse that are new; none at the first look.
    pub fn look(&mut self, piece: &Piece, redactor: &Redactor) -> Result<Lines, NoFact> {
        if let Some(why) = refused(&piece.text("newest")) {
            return Err(why);
        }
        let newest = Found::of(piece.bytes("newest"), None, redactor).cursor;
        let over = Span::from(self.looked_at.elapsed());
        self.looked_at = Instant::now();
        let Some(known) = self.cursor.take() else {
            self.cursor = newest;
            return Ok(Counted::default().lines(Span(0)));
        };
        let entries = piece.bytes("entries");
        let found = Found::of(entries, Some(&known), redactor);
        // After a flood the newest of all is where the next look begins.
        let cut = found.cut || (1 << 20) <= entries.len();
        self.cursor = if cut { newest } else { found.cursor.or(Some(known)) };
        Ok(found.counted.lines(over))
    }
}
