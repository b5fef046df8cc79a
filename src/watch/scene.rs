//! The incidents as the tree over all signals sees them.

use std::collections::BTreeMap;

use crate::model::incident::{Incident, IncidentState};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Thing};
use crate::policy::tree::{Attention, Cause, Standing};
use crate::watch::ticker::About;

/// What an unresolved incident looks like to the tree. `about` is what the config says of its probe.
pub(crate) fn standing(incident: &Incident, about: Option<&About>) -> Standing {
    Standing {
        signal: incident.signal.clone(),
        severity: incident.severity,
        red_at: (incident.severity == Severity::Red)
            .then(|| incident.red_at.unwrap_or(incident.opened_at)),
        attention: attention(incident),
        cause: cause(&incident.signal),
        parent: about.and_then(|a| a.parent.clone()),
        drill: incident.drill,
    }
}

/// All of them.
pub(crate) fn standings(incidents: &[Incident], about: &BTreeMap<Signal, About>) -> Vec<Standing> {
    incidents.iter().map(|i| standing(i, about.get(&i.signal))).collect()
}

fn attention(incident: &Incident) -> Attention {
    match (&incident.state, incident.acknowledged_at) {
        (_, Some(_)) => Attention::Acknowledged,
        (IncidentState::Escalated { .. }, None) => Attention::Escalated,
        (
            IncidentState::Open
            | IncidentState::Explained { .. }
            | IncidentState::Held { .. }
            | IncidentState::Running { .. }
            | IncidentState::Resolved { .. },
            None,
        ) => Attention::New,
    }
}

/// What a red of this signal explains: a host that is down explains all on it, a host short of
/// something what is no resource on it.
pub(crate) fn cause(signal: &Signal) -> Cause {
    match (signal.probe.as_str(), signal.target.thing()) {
        ("host", Thing::Host) => Cause::HostDown,
        ("disk" | "memory" | "cpu" | "oom", _) => Cause::Resource,
        _ => Cause::Own,
    }
}
