//! The lists and tables within a section.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::given::{Given, Node};
use crate::config::section::{Entry, Origin, Section, Weight};
use crate::config::setting::Setting;

impl Section {
    /// A key with several values; a single one counts as a list of one.
    pub fn list<T: Setting>(&mut self, key: &str) -> Option<Vec<T>> {
        let Some(node) = self.node(key) else {
            self.record(key, String::new(), Origin::Unset);
            return None;
        };
        let items = match &node.value {
            Given::List(items) => items.as_slice(),
            Given::Text(_)
            | Given::Int(_)
            | Given::Float(_)
            | Given::Flag(_)
            | Given::Table(_)
            | Given::Other(_) => std::slice::from_ref(&node),
        };
        // Each wrong item is told, so that nobody has to come back for the second one.
        let read: Vec<Option<T>> = items.iter().map(|item| self.value(key, item)).collect();
        let values: Vec<T> = read.into_iter().flatten().collect();
        if values.len() != items.len() {
            return None;
        }
        let shown = items.iter().zip(&values).map(|(item, value)| self.shown(&item.value, value));
        let shown = format!("[{}]", shown.collect::<Vec<_>>().join(", "));
        self.record(key, shown, Origin::Line(node.key_at.line));
        Some(values)
    }

    /// A list with a default.
    pub fn list_or<T: Setting>(&mut self, key: &str, default: Vec<T>) -> Vec<T> {
        if self.has(key) {
            return self.list(key).unwrap_or(default);
        }
        self.asked.insert(key.to_owned());
        let shown: Vec<String> = default.iter().map(Setting::show).collect();
        self.record(key, format!("[{}]", shown.join(", ")), Origin::Default);
        default
    }

    /// A table within this one; where there is none, an empty one, so that its defaults apply.
    pub fn section(&mut self, key: &str) -> Self {
        let path = self.below(key);
        let Some(node) = self.node(key) else {
            return Self::of(path, self.at, BTreeMap::new(), Arc::clone(&self.shared));
        };
        let kind = node.value.kind();
        match node.value {
            Given::Table(entries) => Self::of(path, node.key_at, entries, Arc::clone(&self.shared)),
            Given::Text(_)
            | Given::Int(_)
            | Given::Float(_)
            | Given::Flag(_)
            | Given::List(_)
            | Given::Other(_) => {
                self.mistake(
                    key,
                    format!("is {kind}, not a table; write [{path}] or {key} = {{ ... }}"),
                );
                Self::of(path, node.key_at, BTreeMap::new(), Arc::clone(&self.shared)).closed()
            }
        }
    }

    /// The tables of a list: `[[key]]` or `key = [{ ... }]`; a single table counts as a list of one.
    pub fn sections(&mut self, key: &str) -> Vec<Self> {
        let items = match self.node(key) {
            None => return Vec::new(),
            Some(Node { value: Given::List(items), .. }) => items,
            Some(single) => vec![single],
        };
        let mut found = Vec::new();
        for item in items {
            let kind = item.value.kind();
            if let Given::Table(entries) = item.value {
                found.push(Self::of(self.below(key), item.at, entries, Arc::clone(&self.shared)));
            } else {
                self.say(
                    Weight::Mistake,
                    item.at,
                    format!("{key}: has {kind} where a table belongs"),
                );
            }
        }
        found
    }

    /// What the tables below a key are called, without reading them.
    pub fn names(&self, key: &str) -> Vec<String> {
        match self.entries.get(key).map(|node| &node.value) {
            Some(Given::Table(tables)) => tables.keys().cloned().collect(),
            Some(_) | None => Vec::new(),
        }
    }

    /// All keys that nobody asked for yet.
    pub fn keys(&self) -> Vec<String> {
        self.entries.keys().filter(|key| !self.asked.contains(*key)).cloned().collect()
    }

    /// The keys that were asked for so far, written or not.
    pub fn known(&self) -> Vec<String> {
        self.asked.iter().cloned().collect()
    }

    /// All keys that nobody asked for yet, with what they hold, for tables keyed by names of the
    /// operator's own.
    pub fn entries(&mut self) -> Vec<(String, Entry)> {
        let mut found = Vec::new();
        for name in self.keys() {
            let entry = match self.entries.get(&name).map(|node| &node.value) {
                Some(Given::Table(_)) => Entry::Table(self.section(&name)),
                Some(Given::Text(_)) => match self.opt::<String>(&name) {
                    Some(text) => Entry::Short(text),
                    // The mistake is told already.
                    None => continue,
                },
                Some(
                    Given::Int(_)
                    | Given::Float(_)
                    | Given::Flag(_)
                    | Given::List(_)
                    | Given::Other(_),
                )
                | None => Entry::Other,
            };
            self.asked.insert(name.clone());
            found.push((name, entry));
        }
        found
    }
}
