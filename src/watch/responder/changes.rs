//! What changed just before an incident, in the words of its reading.

use crate::model::reading::Reading;
use crate::model::taint::Tainted;
use crate::policy::coincide::{BEFORE_INCIDENT, coinciding};
use crate::watch::responder::Responder;

impl Responder {
    /// Adds to its words what changed just before: `image changed 08:38`. Whoever reads of the incident,
    /// wherever, reads that first.
    pub(super) async fn with_change(&self, reading: Reading) -> Reading {
        let since = reading.at - BEFORE_INCIDENT.before;
        let read = self.runner.store.readings().call(move |r| r.changes_since(since, 500)).await;
        let changes = read.unwrap_or_else(|error| {
            tracing::warn!("what changed before cannot be read: {error:#}");
            Vec::new()
        });
        let found = coinciding(&changes, &reading.signal.target, reading.at, BEFORE_INCIDENT);
        let Some(change) = found else { return reading };
        let (what, at) = (change.kind.phrase(), (self.runner.hm)(change.at));
        let first = reading.words.first_line();
        let words = format!("{first}; {what} {at}: {}", change.words.first_line());
        Reading { words: Tainted::bounded(&words, 400), ..reading }
    }
}
