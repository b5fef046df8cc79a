//! The payloads of the log, walked in step with its records (a join would look each one up), and hashed by a thread of
//! their own meanwhile: their digests hang on nothing, where each link of the chain hangs on the one before it.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;

use anyhow::{Context, Result};
use rusqlite::Rows;

use crate::model::digest::Digest;
use crate::store::chain::OF_A_PAYLOAD;

/// How many payloads are hashed in one go: some hundred KiB.
const MANY: usize = 512;
/// One is hashed while the other is read.
const BATCHES: usize = 2;

/// Some payloads in a row. Its room is used again.
#[derive(Debug, Default)]
struct Batch {
    /// One after the other, as they are hashed.
    bytes: Vec<u8>,
    /// The number of each, and where it ends.
    ends: Vec<(i64, usize)>,
    digests: VecDeque<(i64, Digest)>,
    /// What kept the next one from being read.
    failed: Option<rusqlite::Error>,
}

impl Batch {
    fn read(&mut self, rows: &mut Rows<'_>) {
        self.bytes.clear();
        self.ends.clear();
        while self.ends.len() < MANY && self.failed.is_none() {
            match self.one(rows) {
                Ok(Some(seq)) => self.ends.push((seq, self.bytes.len())),
                Ok(None) => break,
                Err(e) => self.failed = Some(e),
            }
        }
    }

    /// Takes the bytes of the next row; its number, or `None` at the end.
    fn one(&mut self, rows: &mut Rows<'_>) -> rusqlite::Result<Option<i64>> {
        let Some(row) = rows.next()? else { return Ok(None) };
        let seq = row.get(0)?;
        self.bytes.push(OF_A_PAYLOAD);
        self.bytes.extend_from_slice(row.get_ref(1)?.as_blob().unwrap_or_default());
        self.bytes.extend_from_slice(row.get_ref(2)?.as_bytes().unwrap_or_default());
        Ok(Some(seq))
    }

    fn hash(&mut self) {
        let mut from = 0;
        for (seq, end) in &self.ends {
            let bytes = self.bytes.get(from..*end).unwrap_or_default();
            self.digests.push_back((*seq, Digest::of(bytes)));
            from = *end;
        }
    }
}

/// The payloads from the first to the last.
pub(super) struct Payloads<'a> {
    rows: Rows<'a>,
    to_hash: Sender<Batch>,
    hashed: Receiver<Batch>,
    now: Batch,
    /// The number and digest of the next one.
    pub(super) next: Option<(i64, Digest)>,
}

impl<'a> Payloads<'a> {
    /// Begins to read `rows` of number, salt and JSON, and stands before the first.
    pub(super) fn begin<'scope>(rows: Rows<'a>, scope: &'scope Scope<'scope, '_>) -> Result<Self> {
        let (to_hash, batches) = channel::<Batch>();
        let (done, hashed) = channel();
        let hashing = move || {
            for mut batch in batches {
                batch.hash();
                if done.send(batch).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("reef-hashing".into())
            .spawn_scoped(scope, hashing)
            .context("cannot begin a thread to hash the log")?;
        let mut payloads = Self { rows, to_hash, hashed, now: Batch::default(), next: None };
        for _ in 0..BATCHES {
            payloads.send(Batch::default());
        }
        Ok(payloads)
    }

    /// Reads what comes next and has it hashed.
    fn send(&mut self, mut batch: Batch) {
        batch.read(&mut self.rows);
        // If the thread is gone, the next batch says so.
        drop(self.to_hash.send(batch));
    }

    /// Goes on to the next one.
    pub(super) fn step(&mut self) -> Result<()> {
        self.next = self.now.digests.pop_front();
        if self.next.is_none() && self.now.failed.is_none() {
            let next = self.hashed.recv().context("the thread that hashes is gone")?;
            let empty = std::mem::replace(&mut self.now, next);
            self.send(empty);
            self.next = self.now.digests.pop_front();
        }
        match (self.next, self.now.failed.take()) {
            (None, Some(e)) => Err(e.into()),
            (_, failed) => {
                self.now.failed = failed;
                Ok(())
            }
        }
    }
}
