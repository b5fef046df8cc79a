//! The redactor, which knows its secrets only after the config, and with it the probes, was read.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::policy::redact::Redactor;

/// Handed to probes when they are made, filled when the secrets are fetched. Clones share it.
#[derive(Clone, Default)]
pub struct LateRedactor(Arc<OnceLock<Arc<Redactor>>>);

impl fmt::Debug for LateRedactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redactor")
    }
}

impl LateRedactor {
    /// Fills it. The first one stays: a reload makes new probes with a new one.
    pub fn fill(&self, redactor: Arc<Redactor>) {
        self.0.get_or_init(|| redactor);
    }

    /// The redactor; before it is filled one that knows patterns only.
    pub fn get(&self) -> Arc<Redactor> {
        self.0.get().cloned().unwrap_or_else(|| Arc::new(Redactor::new(Vec::new())))
    }
}
