//! What every word passes on its way to the model: redaction, neutralising, a bound and the fence.

use std::fmt;
use std::sync::Arc;

use crate::model::taint::Tainted;
use crate::policy::fence::Fence;
use crate::policy::redact::Redactor;

/// The longest line, in characters.
const LONGEST_LINE: usize = 160;
/// The most lines of one quoted text.
const MOST_LINES: usize = 40;

/// Redacts and fences for one investigation.
pub(super) struct Guard {
    fence: Fence,
    redactor: Arc<Redactor>,
}

impl Guard {
    pub(super) fn new(nonce: [u8; 16], redactor: Arc<Redactor>) -> Self {
        Self { fence: Fence::new(nonce), redactor }
    }

    /// Clean text between the fence lines: at most so many characters.
    pub(super) fn fenced(&self, label: &'static str, text: &str, longest: usize) -> String {
        self.fence.fence(label, &self.redactor.redact(text), longest)
    }

    /// One line of machine text. Redacted before it is cut, or half a secret would be none to find.
    pub(super) fn line(&self, text: &str) -> String {
        self.clean(&text.replace(['\n', '\r'], " "), LONGEST_LINE)
    }

    /// Several lines of machine text, set in, so that none can pass for a heading or for evidence.
    pub(super) fn quote(&self, text: &str, longest: usize) -> String {
        let clean = self.clean(text, longest);
        let lines = clean.lines().filter(|line| !line.trim().is_empty());
        lines.take(MOST_LINES).map(|line| format!("  {line}\n")).collect()
    }

    /// The first turn: what the fence means, and the fenced incident.
    pub(super) fn opening(&self, body: &str, longest: usize) -> String {
        format!("{}\n{}", self.fence.words(), self.fenced("incident", body, longest))
    }

    fn clean(&self, text: &str, longest: usize) -> String {
        let shown = Tainted::new(text);
        let redacted = self.redactor.redact(shown.as_str());
        match redacted.char_indices().nth(longest) {
            None => redacted.into_owned(),
            Some((end, _)) => format!("{} (cut)", &redacted[..end]),
        }
    }

    /// The model's own words, before they are kept.
    pub(super) fn redacted(&self, text: &str) -> String {
        self.redactor.redact(Tainted::new(text).as_str()).into_owned()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("guard")
    }
}
