//! What is known against what is there.

use crate::model::guard::Known;
use crate::model::starred::starred;
use crate::model::taint::Tainted;

/// What counts as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// What was not there before: a port that comes back is no news.
    New,
    /// What is new, changed or gone.
    All,
}

/// Something that is not as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) before: Option<String>,
    /// Empty where it is gone.
    pub(super) now: String,
}

/// What differs, in the order of names. What cannot be looked at is not gone.
pub(super) fn differences(
    known: &Known,
    there: &Known,
    counts: Counts,
    hidden: &[String],
) -> Vec<Item> {
    let item = |(name, now): (&String, &String)| {
        let before = known.get(name);
        let differs = match counts {
            Counts::New => before.is_none(),
            Counts::All => before != Some(now),
        };
        differs.then(|| Item { name: name.clone(), before: before.cloned(), now: now.clone() })
    };
    let mut all: Vec<Item> = there.iter().filter_map(item).collect();
    if counts == Counts::All {
        let out_of_sight = |name: &str| {
            hidden.iter().any(|path| {
                name.strip_prefix(path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let gone = known.iter().filter(|(name, _)| !there.contains_key(*name));
        all.extend(gone.filter(|(name, _)| !out_of_sight(name)).map(|(name, before)| Item {
            name: name.clone(),
            before: Some(before.clone()),
            now: String::new(),
        }));
        all.sort_by(|a, b| a.name.cmp(&b.name));
    }
    all
}

/// A name as it is known and told: bounded, in one line, and without what parts it from its state.
pub(super) fn clean(name: &str) -> String {
    Tainted::bounded(name, 160).first_line().replace(" = ", " ")
}

/// Whether an item is meant by a pattern: itself, its name before what is said of it in brackets, or with a star at the
/// end its beginning.
pub(super) fn matches(pattern: &str, item: &str) -> bool {
    starred(pattern, item) || item.split(" (").next() == Some(pattern)
}
