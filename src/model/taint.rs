//! Text that came from a machine, a file, the network or a model.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most characters that one piece of tainted text keeps.
pub const LONGEST: usize = 4_096;

/// Text from outside: bounded, without control, zero-width and bidirectional characters. It may be
/// shown and fenced into a prompt; it fills no argument of a tool.
///
/// Secrets are redacted before the bytes come here (`policy::redact`).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Tainted(String);

impl Tainted {
    /// Neutralises and bounds `raw`; what was cut is said.
    pub fn new(raw: &str) -> Self {
        Self::bounded(raw, LONGEST)
    }

    /// As [`Tainted::new`] with a bound of its own, in characters.
    pub fn bounded(raw: &str, longest: usize) -> Self {
        let mut text = String::with_capacity(raw.len().min(longest));
        let mut n = 0;
        for c in raw.chars() {
            let c = match c {
                '\n' => '\n',
                '\t' => ' ',
                '\u{fffd}' => '?',
                c if c.is_control() || is_invisible(c) => continue,
                c => c,
            };
            if n == longest {
                text.push_str(" …(cut)");
                break;
            }
            text.push(c);
            n += 1;
        }
        Self(text)
    }

    /// From bytes that may be no UTF-8.
    pub fn from_bytes(raw: &[u8]) -> Self {
        // Four bytes a character at the most: what lies beyond cannot be kept anyway.
        let end = raw.len().min(LONGEST * 4 + 4);
        Self::new(&String::from_utf8_lossy(&raw[..end]))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first line, for tables and titles.
    pub fn first_line(&self) -> &str {
        self.0.lines().next().unwrap_or("")
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Characters that change how the text around them is read without showing themselves
/// (Unicode TR36, "Bidirectional Text Spoofing", and the tag block used to smuggle text past a reader).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl<'de> Deserialize<'de> for Tainted {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(from)?))
    }
}

impl fmt::Display for Tainted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Tainted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tainted {:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_steers_is_gone() {
        let text = Tainted::new("a\x1b[31mb\u{202e}c\u{200b}d\u{e0041}\r\ne");
        assert_eq!(text.as_str(), "a[31mbcd\ne");
    }

    #[test]
    fn a_flood_is_cut_and_says_so() {
        let text = Tainted::from_bytes(&vec![b'x'; 1_000_000]);
        assert!(text.as_str().len() < LONGEST + 20 && text.as_str().ends_with("(cut)"));
    }
}
