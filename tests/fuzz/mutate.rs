//! Damages examples, and runs a parser on what comes of it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use tokio::time::Instant;

/// More than any one case may take, with room for a machine that does ten things besides.
const CASE: Duration = Duration::from_secs(5);
/// How long one target may run in the test command, however slow the machine is.
const TARGET: Duration = Duration::from_secs(2);

/// What numbers, names and quotes are replaced with.
const WORDS: [&str; 24] = [
    "0",
    "-1",
    "18446744073709551615",
    "9223372036854775808",
    "1e999",
    "-0.0",
    "NaN",
    "inf",
    "\0",
    "\n",
    "\r\n",
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "=",
    "|",
    "ä",
    "\u{202e}",
    "${X:-",
    "%",
];

/// xorshift64*: small, seeded, the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `n`; 0 where `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % (n.max(1) as u64)).unwrap()
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let from = self.below(len + 1);
        let most = [4, 32, len][self.below(3)];
        from..(from + self.below(most + 1)).min(len)
    }

    /// One to six changes to one of the examples.
    pub fn damage(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            let range = self.range(bytes.len());
            match self.below(8) {
                0 if !bytes.is_empty() => {
                    let at = self.below(bytes.len());
                    bytes[at] ^= 1 << self.below(8);
                }
                1 => drop(bytes.drain(range)),
                2 => {
                    let again = bytes[range.clone()].to_vec();
                    bytes.splice(range.start..range.start, again.repeat(1 + self.below(20)));
                }
                3 => {
                    let other = &corpus[self.below(corpus.len())];
                    let part = other[self.range(other.len())].to_vec();
                    bytes.splice(range, part);
                }
                4 => bytes.truncate(range.start),
                5 => {
                    let noise: Vec<u8> =
                        (0..self.below(9)).map(|_| self.roll().to_le_bytes()[3]).collect();
                    bytes.splice(range, noise);
                }
                _ => {
                    let word = WORDS[self.below(WORDS.len())];
                    bytes.splice(range, word.bytes());
                }
            }
            // Growing without end says nothing new.
            bytes.truncate(64 << 10);
        }
        bytes
    }
}

/// Runs `parse` on `cases` damaged examples, and on the examples themselves.
#[track_caller]
pub fn bytes(name: &str, cases: u32, corpus: &[Vec<u8>], mut parse: impl FnMut(&[u8])) {
    let more = times();
    let (began, mut dice) = (Instant::now(), Dice::new(7));
    let mut ran = 0;
    let damaged = (0..cases.saturating_mul(more)).map(|_| None);
    for example in corpus.iter().map(Some).chain(damaged) {
        let case = example.cloned().unwrap_or_else(|| dice.damage(corpus));
        let at = Instant::now();
        if let Err(broke) = catch_unwind(AssertUnwindSafe(|| parse(&case))) {
            println!("{name}: case {ran} breaks it: {:?}", String::from_utf8_lossy(&case));
            resume_unwind(broke);
        }
        let took = at.elapsed();
        assert!(
            took < CASE,
            "{name}: case {ran} takes {took:?}: {:?}",
            String::from_utf8_lossy(&case)
        );
        ran += 1;
        if TARGET * more < began.elapsed() {
            break;
        }
    }
    println!("figure | panics and hangs on damaged input: {name} | 0 of {ran}");
}

/// As [`bytes`], for what reads text.
#[track_caller]
pub fn text(name: &str, cases: u32, corpus: &[&str], mut parse: impl FnMut(&str)) {
    let corpus: Vec<Vec<u8>> = corpus.iter().map(|example| example.as_bytes().to_vec()).collect();
    bytes(name, cases, &corpus, |case| parse(&String::from_utf8_lossy(case)));
}

/// `REEF_FUZZ`: how many times as many cases as the test command runs.
pub fn times() -> u32 {
    let given = std::env::vars_os().find(|(name, _)| name == "REEF_FUZZ");
    given.and_then(|(_, times)| times.into_string().ok()?.parse().ok()).unwrap_or(1)
}

#[test]
fn the_same_seed_is_the_same_damage() {
    let corpus = [b"one = 1\n".to_vec(), b"[two]\n".to_vec()];
    let all = |seed| {
        let mut dice = Dice::new(seed);
        (0..50).map(|_| dice.damage(&corpus)).collect::<Vec<_>>()
    };
    assert_eq!(all(3), all(3));
    assert_ne!(all(3), all(4));
    assert!(all(3).iter().any(|case| !corpus.contains(case)));
}
