//! Silences: what is looked at and recorded as ever, and not told for a while.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::SilenceId;
use crate::model::starred::starred;
use crate::model::target::Signal;
use crate::model::time::Millis;

/// What a silence is about: a probe by its name (`http.jellyfin`), a kind (`disk`), a host (`nas`), or a target
/// (`nas:unit:nginx.service`). A `*` at its end stands for anything: `http.*`, `nas:/srv*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
}

/// The fewest characters before a star: less would silence nearly everything.
const LEAST: usize = 2;

impl Pattern {
    /// The error is a clause that follows the text.
    pub fn parse(given: &str) -> Result<Self, String> {
        let text = given.trim();
        let before = text.strip_suffix('*').unwrap_or(text);
        let why = if text.is_empty() {
            "is empty"
        } else if 255 < text.len() {
            "is longer than 255 bytes"
        } else if before.contains('*') {
            "has a star that is not at its end"
        } else if before.len() < text.len() && before.chars().count() < LEAST {
            "would silence nearly everything; name a probe, a kind, a host or a target"
        } else if text.chars().any(char::is_control) {
            "has a control character"
        } else {
            return Ok(Self { text: text.to_owned() });
        };
        Err(why.to_owned())
    }

    /// Whether it is about this signal of the probe of this name.
    pub fn is_about(&self, signal: &Signal, name: &str) -> bool {
        let fits = |text: &str| starred(&self.text, text);
        fits(name)
            || fits(signal.probe.as_str())
            || fits(signal.target.on().as_str())
            || fits(&signal.target.to_string())
            || fits(&signal.to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;
    fn try_from(given: String) -> Result<Self, String> {
        Self::parse(&given)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// One that a human typed. It ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    pub id: SilenceId,
    pub about: Pattern,
    /// Why, in the human's words.
    pub note: String,
    pub by: String,
    pub from: Millis,
    pub until: Millis,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "silence {} ({})", self.id, self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::Word;

    #[test]
    fn a_pattern_is_about_a_probe_a_kind_a_host_or_a_target() {
        let signal = |probe: &'static str, target: &str| Signal {
            probe: Word::of(probe),
            target: target.parse().unwrap(),
            aspect: Word::of("state"),
        };
        let web = signal("unit", "nas:unit:web.service");
        for (pattern, want) in [
            ("unit.web", true),
            ("unit.*", true),
            ("unit", true),
            ("nas", true),
            ("nas:unit:web.service", true),
            ("nas:unit:w*", true),
            ("unit nas:unit:web.service state", true),
            ("web", false),
            ("na", false),
            ("mini", false),
            ("http.*", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().is_about(&web, "unit.web"),
                want,
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_pattern_that_widens_is_refused() {
        for wrong in ["", " ", "*", "n*", "n*s", "**", "a\u{7}b"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(serde_json::from_str::<Pattern>("\"*\"").is_err());
    }
}
