//! Events of type Warning, as context of what is not green. They judge nothing.

use std::collections::BTreeMap;

use crate::clients::kube::objects::Event;
use crate::model::time::{Millis, Span};

/// Older ones explain nothing of now.
const LATELY: Span = Span::hours(1);

/// The newest warning of each object, by namespace, kind and name as events write them.
#[derive(Debug, Default)]
pub(super) struct Warnings(BTreeMap<(String, String, String), (Millis, String)>);

impl Warnings {
    pub(super) fn of(events: &[Event], now: Millis) -> Self {
        let mut newest: BTreeMap<_, (Millis, String)> = BTreeMap::new();
        for event in events.iter().filter(|event| event.kind == "Warning") {
            let Some(at) = event.last().filter(|at| now.since(*at) < LATELY) else { continue };
            let of = &event.involved_object;
            let key = (of.namespace.clone(), of.kind.clone(), of.name.clone());
            let times = match event.times() {
                1 => String::new(),
                n => format!(" ({n} times)"),
            };
            let words = format!("{}: {}{times}", event.reason, event.message);
            match newest.get(&key) {
                Some((known, _)) if at <= *known => {}
                Some(_) | None => drop(newest.insert(key, (at, words))),
            }
        }
        Self(newest)
    }

    /// The newest warning of any of these.
    pub(super) fn about<'a>(
        &self,
        namespace: &str,
        of: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Option<&str> {
        of.into_iter()
            .filter_map(|(kind, name)| {
                self.0.get(&(namespace.to_owned(), kind.to_owned(), name.to_owned()))
            })
            .max_by_key(|(at, _)| *at)
            .map(|(_, words)| words.as_str())
    }
}
