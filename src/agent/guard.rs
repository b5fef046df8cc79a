//! What every word passes on its way to the model: redaction, neutralising, a bound and the fence.

use std::fmt;
use std::sync::Arc;

use crate::policy::fence::Fence;
use crate::policy::redact::Redactor;

/// Redacts and fences for one investigation.
pub(super) struct Guard {
    pub(super) fence: Fence,
    redactor: Arc<Redactor>,
}

impl Guard {
    pub(super) fn new(nonce: [u8; 16], redactor: Arc<Redactor>) -> Self {
        Self { fence: Fence::new(nonce), redactor }
    }

    /// Machine text as the model may see it: at most so many characters between the fence lines.
    pub(super) fn fenced(&self, label: &'static str, text: &str, longest: usize) -> String {
        self.fence.fence(label, &self.redactor.redact(text), longest)
    }

    /// The model's own words, before they are kept.
    pub(super) fn redacted(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("guard")
    }
}
