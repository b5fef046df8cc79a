//! Everything wrong with a config, in one report.

use std::fmt;

use serde::Serialize;

use crate::config::given::{Place, Source, brief};

/// One thing that is wrong, or one that is worth a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The file as it was named or found.
    pub file: String,
    /// From 1; 0 where it belongs to no line.
    pub line: usize,
    pub column: usize,
    /// The dotted path of the table: `probe.http.x`; empty at the top.
    pub section: String,
    /// What is wrong and what to do, for people.
    pub what: String,
    /// The line as it was written, without what may be a secret.
    pub excerpt: Option<String>,
    #[serde(skip)]
    width: usize,
    weight: Weight,
}

/// How loud a remark is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    #[default]
    Mistake,
    /// Worth a word, and no reason to refuse.
    Finding,
}

impl Mistake {
    pub(super) fn new(
        source: &Source,
        place: Place,
        section: &str,
        what: impl Into<String>,
    ) -> Self {
        Self {
            file: source.name.clone(),
            line: place.line,
            column: place.column,
            section: section.to_owned(),
            what: what.into(),
            excerpt: excerpt(source, place.line),
            width: place.width,
            weight: Weight::Mistake,
        }
    }

    /// The same without what follows the key on its line: a key that nobody knows may hold a secret.
    pub(super) fn without_value(mut self) -> Self {
        let after = |line: &str| {
            let (at, _) = line.char_indices().nth(self.column.saturating_sub(1))?;
            Some(at + line[at..].find('=')? + 1)
        };
        if let Some(line) = &mut self.excerpt
            && let Some(cut) = after(line)
        {
            line.truncate(cut);
            line.push_str(" …");
        }
        self
    }

    /// A mistake that belongs to no line: a file that cannot be read.
    pub fn of_file(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            section: String::new(),
            what: what.into(),
            excerpt: None,
            width: 0,
            weight: Weight::Mistake,
        }
    }
}

impl fmt::Display for Mistake {
    /// `config.toml:12: [probe.http.x] "evry" is not a key here; did you mean "every"?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if 0 < self.line {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(": ")?;
        if self.weight == Weight::Finding {
            f.write_str("no mistake, but: ")?;
        }
        if !self.section.is_empty() {
            write!(f, "[{}] ", self.section)?;
        }
        f.write_str(&self.what)
    }
}

/// All mistakes of one reading, in the order of their lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// `None` without any.
    pub fn new(mut all: Vec<Mistake>) -> Option<Self> {
        all.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        all.dedup();
        (!all.is_empty()).then_some(Self(all))
    }

    /// With what is no mistake and worth a word, at its lines.
    #[must_use]
    pub fn with_findings(self, findings: Vec<Mistake>) -> Self {
        let finding = |one: Mistake| Mistake { weight: Weight::Finding, ..one };
        let all = self.0.into_iter().chain(findings.into_iter().map(finding)).collect();
        Self::new(all).unwrap_or(Self(Vec::new()))
    }

    pub fn one(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }

    pub fn all(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for Mistakes {
    /// Each mistake with its line and a caret under it, their number, and what to do next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.0 {
            writeln!(f, "{mistake}")?;
            let Some(line) = &mistake.excerpt else { continue };
            let number = mistake.line.to_string();
            writeln!(f, "  {number} | {line}")?;
            let (at, length) = (mistake.column.saturating_sub(1), line.chars().count());
            if at < length {
                let carets = "^".repeat(mistake.width.min(length - at));
                writeln!(f, "  {:1$} | {2:at$}{carets}", "", number.len(), "")?;
            }
        }
        let mistakes = self.0.iter().filter(|one| one.weight == Weight::Mistake);
        let count = match mistakes.count() {
            1 => "1 mistake".to_owned(),
            n => format!("{n} mistakes"),
        };
        write!(f, "{count}; nothing was changed. Correct the config, then try `reef config check`.")
    }
}

impl std::error::Error for Mistakes {}

/// Words in a key whose value is not for a terminal or a log.
const SECRET_WORDS: [&str; 8] =
    ["token", "password", "passwd", "passphrase", "secret", "api_key", "apikey", "credential"];

/// The longest line that is repeated, in characters.
const LONGEST: usize = 120;

/// A line of the source with at most 120 characters, cut where a secret may start.
fn excerpt(source: &Source, line: usize) -> Option<String> {
    let text = source.text.lines().nth(line.checked_sub(source.first_line)?)?;
    let lower = text.to_ascii_lowercase();
    let word = SECRET_WORDS.iter().filter_map(|word| lower.find(word)).min();
    let cut = word.and_then(|at| Some(at + lower[at..].find('=')? + 1));
    let (shown, more) = match cut {
        Some(cut) => (&text[..cut], " …"),
        None if LONGEST < text.chars().count() => (text, "…"),
        None => (text, ""),
    };
    // Tabs are one column wide here, so that the caret stands where it should.
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    Some(shown.chars().take(LONGEST).map(plain).chain(more.chars()).collect())
}

/// The option that `given` most likely stands for.
pub fn closest<'a>(given: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let near = |option: &&str| {
        let distance = strsim::damerau_levenshtein(&given, option);
        distance <= option.chars().count().max(3) / 3
            || (3 <= given.len() && option.starts_with(&given))
    };
    let by = |option: &&str| strsim::damerau_levenshtein(&given, option);
    options.into_iter().filter(near).min_by_key(by)
}

/// " did you mean ...?" or the options themselves, to end a message about `given`.
pub fn hint<'a>(given: &str, options: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(option) = closest(&brief(given), options.clone()) {
        return format!("; did you mean \"{option}\"?");
    }
    let all: Vec<&str> = options.into_iter().collect();
    match all.len() {
        0 => String::new(),
        1..=20 => format!("; known are {}", all.join(", ")),
        _ => format!("; known are {}, ...", all[..20].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_near_enough_or_none() {
        let options = ["every", "timeout", "expect", "url"];
        for (given, want) in [
            ("evry", Some("every")),
            ("Every", Some("every")),
            ("timout", Some("timeout")),
            ("tim", Some("timeout")),
            ("uri", Some("url")),
            ("wakes", None),
            ("", None),
        ] {
            assert_eq!(closest(given, options), want, "{given}");
        }
    }

    #[test]
    fn no_line_with_a_secret_is_repeated_beyond_its_key() {
        for (text, want) in [
            ("token = \"hunter2\"", "token = …"),
            ("ntfy = { url = \"x\", api_key = \"hunter2\" }", "ntfy = { url = \"x\", api_key = …"),
            ("TOKEN=\"hunter2", "TOKEN= …"),
            ("every = 1\tx", "every = 1 x"),
        ] {
            assert_eq!(excerpt(&Source::new("c", text), 1).as_deref(), Some(want));
        }
        let long = "x".repeat(500);
        assert_eq!(excerpt(&Source::new("c", &*long), 1).unwrap().chars().count(), 121);
        assert_eq!(excerpt(&Source::new("c", ""), 7), None);
    }
}
