//! Signals as rows: what they are called, what they say, who deals with them.

use std::collections::BTreeMap;

use crate::cli::when::When;
use crate::model::ids::RunId;
use crate::model::incident::{Incident, IncidentState};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Thing};
use crate::operator::view::Signalled;

/// Signals with the names that tell them apart.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) rows: Vec<(String, &'a Signalled)>,
}

impl<'a> Rows<'a> {
    /// Red first, then yellow, unknown and green; each in the order in which they came.
    pub(crate) fn of(signals: &'a [Signalled]) -> Self {
        let hosts = OneHost::of(signals.iter().map(|s| &s.reading.signal));
        let short: Vec<String> = signals.iter().map(|s| label(s, hosts)).collect();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for name in &short {
            *times.entry(name).or_default() += 1;
        }
        let full = |(name, signal): (&String, &'a Signalled)| {
            let alone = times.get(name.as_str()) == Some(&1);
            let name = match alone {
                true => name.clone(),
                false => format!("{name} {}", signal.reading.signal.aspect),
            };
            (name, signal)
        };
        let mut rows: Vec<_> = short.iter().zip(signals).map(full).collect();
        rows.sort_by_key(|(_, signal)| std::cmp::Reverse(rank(signal.reading.severity)));
        Self { rows }
    }

    pub(crate) fn of_severity(&self, severity: Severity) -> Vec<(&str, &'a Signalled)> {
        let fits = |s: &&Signalled| s.reading.severity == severity;
        self.rows.iter().map(|(n, s)| (n.as_str(), *s)).filter(|(_, s)| fits(s)).collect()
    }

    /// The worst of all; unknown where nothing is looked at.
    pub(crate) fn worst(&self) -> Severity {
        let all = self.rows.iter().map(|(_, s)| s.reading.severity);
        all.max().unwrap_or(Severity::Unknown)
    }
}

/// Unknown stands below yellow, but above green.
fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Green => 0,
        Severity::Unknown => 1,
        Severity::Yellow => 2,
        Severity::Red => 3,
    }
}

/// Whether all signals are on one host, which then need not be named in each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OneHost {
    Yes,
    No,
}

impl OneHost {
    pub(crate) fn of<'s>(mut signals: impl Iterator<Item = &'s Signal>) -> Self {
        let Some(first) = signals.next() else { return Self::Yes };
        match signals.all(|s| s.target.on() == first.target.on()) {
            true => Self::Yes,
            false => Self::No,
        }
    }
}

/// `http jellyfin` for what has a name in the config, `disk /var` for what has none.
fn label(signal: &Signalled, hosts: OneHost) -> String {
    match signal.name.split_once('.') {
        Some((kind, name)) => format!("{kind} {name}"),
        None => plain(&signal.reading.signal, hosts),
    }
}

/// `disk /var`, or `disk nas:/var` where there is more than one host.
pub(crate) fn plain(signal: &Signal, hosts: OneHost) -> String {
    let target = &signal.target;
    let name = match (hosts, target.thing()) {
        (OneHost::Yes, Thing::Host) => return signal.probe.to_string(),
        (OneHost::Yes, _) => target.name().to_owned(),
        (OneHost::No, _) => target.to_string(),
    };
    format!("{} {name}", signal.probe)
}

/// `502, 9 of 9` and ` since 08:41`: the words may be cut, the time never is.
pub(crate) fn says(signal: &Signalled, when: &When) -> (String, String) {
    let words = signal.reading.words.first_line();
    let words = if words.is_empty() { signal.reading.reason.as_str() } else { words };
    (words.to_owned(), format!(" since {}", when.at(signal.since)))
}

/// `I-43, waits for A-17`.
pub(crate) fn dealt_with(incident: &Incident, waits: &BTreeMap<RunId, String>) -> String {
    let id = incident.id;
    if incident.acknowledged_at.is_some() {
        return match &incident.care.note {
            Some(note) => format!("{id}, acknowledged: {note}"),
            None => format!("{id}, acknowledged"),
        };
    }
    if incident.care.silent {
        let silence = incident.care.silenced.as_deref().unwrap_or("silenced");
        return format!("{id}, {silence}");
    }
    match &incident.state {
        IncidentState::Open => id.to_string(),
        IncidentState::Explained { by } => {
            format!("{id}, explained by {}", plain(by, OneHost::No))
        }
        IncidentState::Held { .. } => format!("{id}, held"),
        IncidentState::Running { run } => match waits.get(run) {
            Some(question) => format!("{id}, waits for {question}"),
            None => format!("{id}, {run} is on it"),
        },
        IncidentState::Escalated { .. } => format!("{id}, yours"),
        IncidentState::Resolved { .. } => format!("{id}, resolved"),
    }
}
