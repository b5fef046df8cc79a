//! The collector: one `sh` program of constant sections that prints all that is wanted of a host in one
//! go. It is sent over SSH, or lies on the host for a key that may do nothing else; what programs tell of
//! this machine comes by it too.
//!
//! What is wanted goes to its standard input, one line a section; nothing is ever spliced into the
//! program. A new fact takes a file in `sections/`, a row in [`sections`], and its arms in `facts`.

pub mod facts;
pub mod followed;
pub mod guard;
pub mod listings;
pub mod processes;
pub mod renewals;
pub mod sections;
pub mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::collector::sections::ALL;
use crate::model::fact::NoFact;
use crate::model::ids::UnitName;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;

const PRELUDE: &str = include_str!("prelude.sh");
const MAIN: &str = include_str!("main.sh");

/// The name under which the program runs on a host, and under which a restricted key asks for it.
pub const CALLED: &str = "reef-collect";

/// Codes by which a section ends beside those of its programs.
const NO_SUCH_SECTION: u32 = 99;
const NONE_THERE: u32 = 100;
const LATE: u32 = 137;

/// A constant piece of the program: the shell function `s_NAME`, which gets its argument as `$1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Section {
    /// Letters and `_`.
    pub name: &'static str,
    /// The file that defines it; several sections may share one.
    pub text: &'static str,
}

/// The argument of a section, checked by its type: it is one line, and no shell ever reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arg(String);

impl Arg {
    pub fn none() -> Self {
        Self(String::new())
    }

    /// A path is absolute and has no control characters by its type.
    pub fn path(path: &AbsPath) -> Self {
        Self(path.as_str().to_owned())
    }

    /// Numbers, then a path.
    pub fn numbers_and_path(numbers: &[u64], path: &AbsPath) -> Self {
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        Self(format!("{} {path}", numbers.join(" ")))
    }

    /// A journal's cursor, or `-`, then numbers.
    pub fn cursor_and_numbers(cursor: &str, numbers: &[u64]) -> Self {
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        Self(format!("{} {}", Self::word(cursor).0, numbers.join(" ")))
    }

    /// Units' names, which have no white space and no leading dash by their type.
    pub fn units<'a>(names: impl Iterator<Item = &'a UnitName>) -> Self {
        Self(names.map(UnitName::as_str).collect::<Vec<_>>().join(" "))
    }

    /// A word of letters, digits and `-_.:=;/@`; anything else becomes the section's `-`.
    pub fn word(word: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:=;/@".contains(c);
        match !word.is_empty() && word.chars().all(plain) {
            true => Self(word.to_owned()),
            false => Self("-".to_owned()),
        }
    }

    /// Absolute places, in which a star stands for any name; one with anything else in it is left out.
    pub fn places(places: &[String]) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./*".contains(c);
        let fits = |place: &&String| place.starts_with('/') && place.chars().all(plain);
        Self(places.iter().filter(fits).map(String::as_str).collect::<Vec<_>>().join(" "))
    }

    /// Paths that hang, each with the process that waits for it, as `served` takes them.
    pub fn hanging<'a>(pending: impl Iterator<Item = (u32, &'a AbsPath)>) -> Self {
        Self(pending.map(|(pid, path)| format!("{pid} {path}")).collect::<Vec<_>>().join("//"))
    }
}

/// One section to print.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    pub section: Section,
    pub arg: Arg,
}

impl Ask {
    pub fn of(section: Section) -> Self {
        Self { section, arg: Arg::none() }
    }

    pub fn with(section: Section, arg: Arg) -> Self {
        Self { section, arg }
    }
}

/// What one collection asks: each section once for each argument.
#[derive(Debug, Clone)]
pub struct Request {
    word: String,
    asks: Vec<Ask>,
}

impl Request {
    /// In this order, without what is asked twice.
    pub fn new(asks: impl IntoIterator<Item = Ask>) -> Result<Self, String> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|why| format!("no random numbers: {why}"))?;
        let word = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut seen = BTreeSet::new();
        let asks = asks.into_iter().filter(|ask| seen.insert(ask.clone())).collect();
        Ok(Self { word, asks })
    }

    /// The program with the sections that are asked for.
    pub fn program(&self) -> String {
        let texts: BTreeSet<&str> = self.asks.iter().map(|ask| ask.section.text).collect();
        [PRELUDE].into_iter().chain(texts).chain([MAIN]).collect()
    }

    /// What goes to its standard input.
    pub fn input(&self) -> String {
        let mut input = format!("{}\n", self.word);
        for ask in &self.asks {
            // An argument is one line whatever its maker overlooked.
            let arg: String = ask.arg.0.chars().filter(|c| !c.is_control()).collect();
            input.push_str(&format!("{} {arg}\n", ask.section.name));
        }
        input
    }

    /// Cuts what the program printed, which may have been cut off anywhere.
    pub fn read(&self, printed: &[u8]) -> Printed {
        let mark = format!("\n@{} ", self.word);
        let mut read = Printed::default();
        let mut open: Option<(usize, Piece)> = None;
        let mut name = String::new();
        let mut rest = printed;
        while let Some(at) = find(rest, mark.as_bytes()) {
            let (before, after) = (&rest[..at], &rest[at + mark.len()..]);
            let Some(end) = after.iter().position(|b| *b == b'\n') else { break };
            if let Some((_, piece)) = &mut open {
                piece.parts.push((std::mem::take(&mut name), before.to_vec()));
            }
            let line = String::from_utf8_lossy(&after[..end]);
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["hello", _, how] => read.installed = how == "installed",
                ["open", n] => open = n.parse().ok().map(|n: usize| (n, Piece::default())),
                // The name may have a path in it.
                ["part", ..] => line.trim_start_matches("part ").clone_into(&mut name),
                ["shut", n, code] => {
                    if let Some((of, mut piece)) = open.take()
                        && n.parse() == Ok(of)
                        && let Some(ask) = of.checked_sub(1).and_then(|i| self.asks.get(i))
                    {
                        piece.code = code.parse().unwrap_or(1);
                        read.pieces.insert(ask.clone(), piece);
                    }
                }
                ["done"] => read.whole = true,
                _ => {}
            }
            rest = &after[end + 1..];
        }
        read
    }

    /// Whether all has come: what runs on does not matter any more.
    pub fn is_whole(&self, printed: &[u8]) -> bool {
        printed.ends_with(format!("\n@{} done\n", self.word).as_bytes())
    }
}

/// The whole program as it is installed on a host, with the paths that it may look at.
pub fn to_install(paths: &BTreeSet<AbsPath>) -> String {
    let texts: BTreeSet<&str> = ALL.iter().map(|section| section.text).collect();
    let listed: Vec<String> =
        paths.iter().map(|path| path.as_str().replace('\'', "'\\''")).collect();
    let allowed =
        format!("\n# What may be looked at of its files.\nallowed='{}'\n\n", listed.join("\n"));
    let head = format!("#!/bin/sh\n{PRELUDE}{allowed}");
    [head.as_str()].into_iter().chain(texts).chain([MAIN]).collect()
}

/// What came back.
#[derive(Debug, Default)]
pub struct Printed {
    pieces: BTreeMap<Ask, Piece>,
    /// The program that answered lies on the host.
    pub installed: bool,
    /// It came to its end.
    pub whole: bool,
}

/// What one section printed, by its parts; the first part has no name.
#[derive(Debug, Default, Clone)]
pub struct Piece {
    code: u32,
    parts: Vec<(String, Vec<u8>)>,
}

impl Printed {
    /// What a section printed, or why it did not; its own failure is left to the reader.
    pub fn piece(&self, ask: &Ask) -> Result<&Piece, NoFact> {
        let name = ask.section.name;
        let piece = self.pieces.get(ask).ok_or_else(|| {
            NoFact::Failed(format!(
                "the host did not print its {name}: was the collection cut off?"
            ))
        })?;
        match piece.code {
            NO_SUCH_SECTION => Err(NoFact::Failed(format!(
                "the collector on that host is older than this reef and knows no {name}: install what \
                 `reef host authorize` prints"
            ))),
            NONE_THERE => Err(NoFact::Absent(piece.said())),
            _ => Ok(piece),
        }
    }

    /// As [`Printed::piece`], and it ended well.
    pub fn good(&self, ask: &Ask) -> Result<&Piece, NoFact> {
        let piece = self.piece(ask)?;
        match piece.code {
            0 => Ok(piece),
            LATE => {
                Err(NoFact::Failed(format!("{} did not answer in time there", ask.section.name)))
            }
            code => {
                let said = piece.said();
                Err(NoFact::Failed(match said.is_empty() {
                    true => format!("{} ended with {code} there", ask.section.name),
                    false => said,
                }))
            }
        }
    }
}

impl Piece {
    pub fn code(&self) -> u32 {
        self.code
    }

    /// The bytes of a part; nothing where there is no such part.
    pub fn bytes(&self, part: &str) -> &[u8] {
        self.parts.iter().find(|(name, _)| name == part).map_or(&[], |(_, bytes)| bytes)
    }

    pub fn has(&self, part: &str) -> bool {
        self.parts.iter().any(|(name, _)| name == part)
    }

    /// A part as text.
    pub fn text(&self, part: &str) -> String {
        String::from_utf8_lossy(self.bytes(part)).into_owned()
    }

    /// All parts whose name begins so, with the rest of the name.
    pub fn all<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, String)> {
        self.parts.iter().filter_map(move |(name, bytes)| {
            Some((name.strip_prefix(prefix)?, String::from_utf8_lossy(bytes).into_owned()))
        })
    }

    /// The last line that says something, bounded: why it failed.
    fn said(&self) -> String {
        let (_, last) = match self.parts.iter().rev().find(|(_, bytes)| !bytes.is_empty()) {
            Some(last) => last,
            None => return String::new(),
        };
        let text = String::from_utf8_lossy(last);
        let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
        Tainted::bounded(line.trim(), 300).as_str().to_owned()
    }
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests;
