//! Finds many short strings in one pass: the test that most text fails before any pattern runs.

use std::ops::Range;

/// Whether letters must agree in case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Any,
    Exact,
}

#[derive(Debug, Clone)]
struct Needle {
    bytes: Vec<u8>,
    case: Case,
    /// The rule that it calls for; `None` is a secret itself.
    rule: Option<usize>,
}

/// Buckets of needles by a hash of their first three bytes in lower case. A bit a bucket says whether it
/// holds any: 512 bytes that stay in the cache answer for nearly all text.
#[derive(Debug, Clone)]
pub(super) struct Needles {
    taken: [u64; WORDS],
    buckets: Vec<Vec<Needle>>,
}

const BUCKETS: usize = 4_096;
const WORDS: usize = BUCKETS / 64;
/// The fewest bytes of a needle.
const HEAD: usize = 3;

impl Default for Needles {
    fn default() -> Self {
        Self { taken: [0; WORDS], buckets: (0..BUCKETS).map(|_| Vec::new()).collect() }
    }
}

impl Needles {
    /// Adds a needle; one under three bytes is left out.
    pub(super) fn add(&mut self, bytes: &[u8], case: Case, rule: Option<usize>) {
        let [a, b, c, ..] = *bytes else { return };
        let bucket = hash(a, b, c);
        self.taken[bucket / 64] |= 1 << (bucket % 64);
        self.buckets[bucket].push(Needle { bytes: bytes.to_vec(), case, rule });
    }

    /// Whether any needle lies in the text.
    pub(super) fn any(&self, text: &[u8]) -> bool {
        text.windows(HEAD).enumerate().any(|(i, head)| {
            let bucket = hash(head[0], head[1], head[2]);
            self.is_taken(bucket)
                && self.buckets[bucket].iter().any(|needle| needle.begins(&text[i..]))
        })
    }

    /// Calls `found` for each needle in the text, overlapping ones too.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(Range<usize>, Option<usize>)) {
        for (i, head) in text.windows(HEAD).enumerate() {
            let bucket = hash(head[0], head[1], head[2]);
            if !self.is_taken(bucket) {
                continue;
            }
            for needle in self.buckets[bucket].iter().filter(|needle| needle.begins(&text[i..])) {
                found(i..i + needle.bytes.len(), needle.rule);
            }
        }
    }

    fn is_taken(&self, bucket: usize) -> bool {
        self.taken[bucket / 64] >> (bucket % 64) & 1 == 1
    }
}

impl Needle {
    fn begins(&self, text: &[u8]) -> bool {
        let Some(head) = text.get(..self.bytes.len()) else { return false };
        match self.case {
            Case::Any => head.eq_ignore_ascii_case(&self.bytes),
            Case::Exact => head == self.bytes,
        }
    }
}

fn hash(a: u8, b: u8, c: u8) -> usize {
    let [a, b, c] = [a, b, c].map(|byte| usize::from(byte.to_ascii_lowercase()));
    (a ^ (b << 4) ^ (c << 7) ^ (b >> 1)) % BUCKETS
}
