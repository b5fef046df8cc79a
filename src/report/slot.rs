//! Which day's report is written, and from when on it tells.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock::zone::Zone;
use crate::model::time::{Millis, Span};
use crate::store::Store;

/// The switch of the store that remembers the last report.
const LAST: &str = "report";
/// A report tells of at least this much.
const LEAST: Span = Span::hours(24);
/// And of this much at the most: single readings are kept no longer.
const MOST: Span = Span::days(7);

/// The report of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// `2026-03-04`, in the operator's zone.
    pub(super) day: String,
    /// It tells from here on.
    pub(super) since: Millis,
    /// When it was written for the first time.
    pub(super) written_at: Millis,
}

impl Slot {
    /// The slot of a report that is written now. Where the day has one already that is brought up to
    /// date; else it tells from the last report on, so that no night falls between two reports.
    pub(super) async fn read(store: &Store, folder: &Path, zone: Zone, now: Millis) -> Self {
        let last = store.call(|db| db.flag(LAST)).await;
        let last = match last {
            Ok(text) => text.and_then(|text| serde_json::from_str::<Self>(&text).ok()),
            Err(error) => {
                tracing::warn!("cannot read when the last report was written: {error:#}");
                None
            }
        };
        let day = zone.day(now);
        let is_there = folder.join(format!("{day}.md")).exists();
        Self::after(last.as_ref(), day, now, is_there.into())
    }

    fn after(last: Option<&Self>, day: String, now: Millis, there: There) -> Self {
        match last {
            Some(last) if last.day == day && there == There::Yes && last.written_at <= now => {
                last.clone()
            }
            last => {
                let since = last.map_or(now, |last| last.written_at);
                let since = since.min(now - LEAST).max(now - MOST);
                Self { day, since, written_at: now }
            }
        }
    }

    /// Remembers it. Where that fails the next report of the day begins anew, which is no loss.
    pub(super) async fn save(&self, store: &Store, now: Millis) {
        let text = match serde_json::to_string(self) {
            Ok(text) => text,
            Err(error) => return tracing::warn!("cannot note the report: {error}"),
        };
        let saved = store.call(move |db| db.set_flag(LAST, Some(&text), now)).await;
        if let Err(error) = saved {
            tracing::warn!("cannot note when the report was written: {error:#}");
        }
    }
}

/// Whether the day's file is where it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    Yes,
    No,
}

impl From<bool> for There {
    fn from(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn slot(day: &str, since: i64, written_at: i64) -> Slot {
        Slot { day: day.into(), since: Millis(since), written_at: Millis(written_at) }
    }

    #[test]
    fn no_time_falls_between_two_reports() {
        let now = Millis(100 * DAY);
        let four = slot("d99", 98 * DAY, 99 * DAY);
        let cases = [
            // The first ever tells of a day.
            (None, There::No, slot("d100", 99 * DAY, now.0)),
            // Yesterday's, on time.
            (Some(four), There::No, slot("d100", 99 * DAY, now.0)),
            // Yesterday's, late in the evening: still a whole day is told.
            (Some(slot("d99", 0, 100 * DAY - 1)), There::No, slot("d100", 99 * DAY, now.0)),
            // reef was off for three days, and for a year.
            (Some(slot("d97", 0, 97 * DAY)), There::No, slot("d100", 97 * DAY, now.0)),
            (Some(slot("d1", 0, DAY)), There::No, slot("d100", 93 * DAY, now.0)),
            // The second of the day, and the second where somebody took the first away.
            (
                Some(slot("d100", 98 * DAY, now.0 - 9)),
                There::Yes,
                slot("d100", 98 * DAY, now.0 - 9),
            ),
            (Some(slot("d100", 98 * DAY, now.0 - 9)), There::No, slot("d100", 99 * DAY, now.0)),
            // The clock jumped back behind the first.
            (Some(slot("d100", 98 * DAY, now.0 + 9)), There::Yes, slot("d100", 99 * DAY, now.0)),
        ];
        for (last, there, want) in cases {
            assert_eq!(Slot::after(last.as_ref(), "d100".into(), now, there), want, "{last:?}");
        }
    }
}
