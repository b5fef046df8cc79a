//! The hash chain over the audit log.

use std::collections::BTreeMap;

use anyhow::Result;
use rusqlite::{Row, Rows};
use sha2::{Digest as _, Sha256};

use crate::model::audit::{AuditKind, ChainHead};
use crate::model::digest::Digest;
use crate::store::audit::erasure_of;
use crate::store::chain::payloads::Payloads;
use crate::store::db::Db;

mod payloads;

/// What the verification of the whole log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Records that hold.
    pub records: u64,
    /// Those of them whose payload was erased, with a record that says so.
    pub erased: u64,
    pub head: Option<ChainHead>,
    /// The first record that does not hold; `None`: the log is whole.
    pub broken: Option<Broken>,
}

/// The first record that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub seq: i64,
    /// What is wrong with it, for people.
    pub why: String,
}

/// What is hashed first of a record, and of a payload: it keeps them apart.
const OF_A_RECORD: u8 = 0;
const OF_A_PAYLOAD: u8 = 1;

/// What the first record has before it.
pub(in crate::store) const NOTHING: Digest = Digest([0; 32]);

/// The part of a record that the chain covers.
#[derive(Debug)]
pub(in crate::store) struct Link<'a> {
    pub(in crate::store) seq: i64,
    pub(in crate::store) at: i64,
    pub(in crate::store) actor: &'a str,
    pub(in crate::store) kind: &'a str,
    pub(in crate::store) payload: Digest,
}

impl Link<'_> {
    /// `H(0x00 | previous | seq, at, actor, kind, payload digest)`, each text with its length before it. The first byte
    /// keeps records and payloads apart. `bytes` is room that is used again.
    pub(in crate::store) fn hash(&self, previous: &Digest, bytes: &mut Vec<u8>) -> Digest {
        bytes.clear();
        bytes.push(OF_A_RECORD);
        bytes.extend_from_slice(&previous.0);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.at.to_be_bytes());
        for text in [self.actor, self.kind] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&self.payload.0);
        Digest::of(bytes)
    }
}

/// `H(0x01 | salt | json)`. The salt keeps an erased payload from being guessed by its digest.
pub(in crate::store) fn payload_digest(salt: &[u8], json: &[u8]) -> Digest {
    let hasher = Sha256::new().chain_update([OF_A_PAYLOAD]).chain_update(salt).chain_update(json);
    Digest(hasher.finalize().into())
}

/// What walks along the log.
struct Walk<'a> {
    payloads: Payloads<'a>,
    erased: BTreeMap<i64, i64>,
    anchors: BTreeMap<i64, Vec<Digest>>,
    previous: Digest,
    bytes: Vec<u8>,
    report: ChainReport,
}

impl Db {
    /// Reads the whole log once and checks every hash, every payload and the `anchors` (heads seen earlier).
    pub fn verify_chain(&self, anchors: &[ChainHead]) -> Result<ChainReport> {
        let mut by_seq: BTreeMap<i64, Vec<Digest>> = BTreeMap::new();
        for head in anchors {
            by_seq.entry(head.seq).or_default().push(head.hash);
        }
        let erased =
            self.rows("SELECT seq, by FROM erased", &[], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let mut records = self
            .conn
            .prepare("SELECT seq, at, actor, kind, payload_digest, hash FROM audit ORDER BY seq")?;
        let mut payloads = self.conn.prepare("SELECT seq, salt, json FROM payload ORDER BY seq")?;
        let walked = std::thread::scope(|scope| {
            let mut walk = Walk {
                payloads: Payloads::begin(payloads.query([])?, scope)?,
                erased: erased.into_iter().collect(),
                anchors: by_seq,
                previous: NOTHING,
                bytes: Vec::new(),
                report: ChainReport::default(),
            };
            walk.report.broken = walk.along(records.query([])?).or_else(|| walk.ends());
            anyhow::Ok((walk.report, walk.erased))
        });
        let (mut report, erased) = walked?;
        if report.broken.is_none() {
            report.broken = self.bad_erasure(&erased)?;
        }
        Ok(report)
    }

    /// An erasure counts only if the record that it names says so; that one is covered by the chain.
    fn bad_erasure(&self, erased: &BTreeMap<i64, i64>) -> Result<Option<Broken>> {
        for (seq, by) in erased {
            let said = self.audit(*by)?.filter(|r| r.kind == AuditKind::Noted);
            let call = said.and_then(|r| r.payload).and_then(|p| p.call);
            if *by <= *seq || call != Some(erasure_of(*seq)) {
                let why = "its payload is gone, and no record says who erased it".into();
                return Ok(Some(Broken { seq: *seq, why }));
            }
        }
        Ok(None)
    }
}

impl Walk<'_> {
    fn along(&mut self, mut records: Rows<'_>) -> Option<Broken> {
        let unreadable =
            |seq, e: anyhow::Error| Some(Broken { seq, why: format!("it cannot be read: {e:#}") });
        if let Err(e) = self.payloads.step() {
            return unreadable(1, e);
        }
        loop {
            let seq = self.report.head.map_or(0, |head| head.seq) + 1;
            match records.next() {
                Ok(None) => return None,
                Ok(Some(row)) => match self.record(seq, row) {
                    Ok(None) => {}
                    Ok(Some(why)) => return Some(Broken { seq, why }),
                    Err(e) => return unreadable(seq, e),
                },
                Err(e) => return unreadable(seq, e.into()),
            }
        }
    }

    /// One record; says what is wrong with it.
    fn record(&mut self, want: i64, row: &Row<'_>) -> Result<Option<String>> {
        let seq: i64 = row.get(0)?;
        if seq != want {
            return Ok(Some(format!("it is missing; the next one is {seq}")));
        }
        let link = Link {
            seq,
            at: row.get(1)?,
            actor: row.get_ref(2)?.as_str()?,
            kind: row.get_ref(3)?.as_str()?,
            payload: row.get(4)?,
        };
        let hash = link.hash(&self.previous, &mut self.bytes);
        if hash != row.get(5)? {
            return Ok(Some("its hash does not fit: it, or one before it, was changed".into()));
        }
        if let Some(known) = self.anchors.get(&seq)
            && known.iter().any(|known| *known != hash)
        {
            return Ok(Some("it is another one than the head that was kept of it".into()));
        }
        if let Some(why) = self.payload(seq, link.payload)? {
            return Ok(Some(why));
        }
        self.previous = hash;
        self.report.records += 1;
        self.report.head = Some(ChainHead { seq, hash });
        Ok(None)
    }

    fn payload(&mut self, seq: i64, want: Digest) -> Result<Option<String>> {
        match self.payloads.next {
            Some((n, _)) if n < seq => Ok(Some(format!("a payload {n} stands without its record"))),
            Some((n, found)) if n == seq => {
                self.payloads.step()?;
                Ok((found != want).then(|| "its payload was changed".into()))
            }
            Some(_) | None if self.erased.contains_key(&seq) => {
                self.report.erased += 1;
                Ok(None)
            }
            Some(_) | None => Ok(Some("its payload is gone, and nobody erased it".into())),
        }
    }

    /// After the last record: what the anchors know and the log does not have.
    fn ends(&self) -> Option<Broken> {
        let last = self.report.head.map_or(0, |head| head.seq);
        let (known, _) = self.anchors.last_key_value().unzip();
        match known {
            Some(known) if last < *known => Some(Broken {
                seq: last + 1,
                why: format!(
                    "it is missing: the log ends at {last}, but a head of {known} was kept"
                ),
            }),
            _ => self.payloads.next.map(|(n, _)| Broken {
                seq: last + 1,
                why: format!("it is missing: a payload {n} stands without its record"),
            }),
        }
    }
}
