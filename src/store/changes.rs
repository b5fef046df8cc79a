//! Changes of the estate, recorded as events beside the history of readings.

use anyhow::{Context, Result};

use crate::model::change::{Change, ChangeKind};
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};
use crate::store::readings::Readings;

/// How long they are kept, as long as rolled-up hours are.
const KEPT: Span = Span::days(365);
/// How many are kept; the oldest go first.
const MOST: u32 = 10_000;

impl Readings {
    /// Records changes. One that was recorded before, as when a probe sees it again after a restart of
    /// reef, is not recorded twice.
    pub fn add_changes(&self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.with(|conn| {
            let tx = conn.unchecked_transaction()?;
            for change in changes {
                tx.prepare_cached(
                    "INSERT OR IGNORE INTO change (at, host, target, kind, words)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((
                    change.at,
                    change.host().as_str(),
                    change.target.to_string(),
                    change.kind.as_str(),
                    change.words.as_str(),
                ))?;
            }
            let newest = changes.iter().map(|change| change.at).max().unwrap_or_default();
            tx.execute("DELETE FROM change WHERE at < ?1", [newest - KEPT])?;
            tx.execute(
                "DELETE FROM change WHERE id IN
                   (SELECT id FROM change ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?1)",
                [MOST],
            )?;
            tx.commit()
        })
        .context("cannot record what changed")
    }

    /// What changed from an instant on, oldest first; the newest `limit` of it.
    pub fn changes_since(&self, since: Millis, limit: u32) -> Result<Vec<Change>> {
        let read = |conn: &rusqlite::Connection| {
            let mut statement = conn.prepare_cached(
                "SELECT at, target, kind, words FROM change WHERE ?1 <= at
                  ORDER BY at DESC, id DESC LIMIT ?2",
            )?;
            let rows = statement.query_map((since, limit), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<(Millis, String, String, String)>>>()
        };
        let mut rows = self.with(read).context("cannot read what changed")?;
        rows.reverse();
        rows.into_iter()
            .map(|(at, target, kind, words)| {
                Ok(Change {
                    at,
                    target: target.parse().context("the target of a change")?,
                    kind: ChangeKind::parse(&kind).with_context(|| {
                        format!("{kind:?} in the database is no kind of change")
                    })?,
                    words: Tainted::new(&words),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::memory;

    fn change(at: i64, target: &str, words: &str) -> Change {
        Change::new(Millis(at), target.parse().unwrap(), ChangeKind::Image, words)
    }

    #[test]
    fn changes_are_recorded_once_and_come_back_in_order() {
        let store = memory();
        let readings = store.readings();
        let a = change(10, "mini:check:jellyfin", "1 -> 2");
        let b = change(20, "nas", "rebooted");
        readings.add_changes(&[b.clone(), a.clone()]).unwrap();
        readings.add_changes(std::slice::from_ref(&a)).unwrap();
        assert_eq!(readings.changes_since(Millis(0), 10).unwrap(), [a.clone(), b.clone()]);
        assert_eq!(readings.changes_since(Millis(11), 10).unwrap(), std::slice::from_ref(&b));
        assert_eq!(readings.changes_since(Millis(0), 1).unwrap(), [b]);
        // A year later the old ones are gone.
        readings.add_changes(&[change(20 + KEPT.0, "nas", "later")]).unwrap();
        assert_eq!(readings.changes_since(Millis(0), 10).unwrap().len(), 2);
    }

    #[test]
    fn a_flood_of_changes_is_bounded() {
        let store = memory();
        let flood: Vec<Change> =
            (0..i64::from(MOST) + 50).map(|i| change(i, "mini", &format!("{i}"))).collect();
        store.readings().add_changes(&flood).unwrap();
        let kept = store.readings().changes_since(Millis(0), u32::MAX).unwrap();
        assert_eq!((kept.len(), kept[0].at), (MOST as usize, Millis(50)));
    }

    #[test]
    fn every_kind_comes_back_from_its_word() {
        for kind in ChangeKind::ALL {
            assert_eq!(ChangeKind::parse(kind.as_str()), Some(kind));
        }
    }
}
