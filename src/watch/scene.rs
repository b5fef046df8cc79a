//! The incidents as the tree over all signals sees them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::incident::{Incident, IncidentState};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Thing};
use crate::model::time::{Millis, Span};
use crate::policy::tree::{Attention, Cause, Sight, Standing};
use crate::watch::ticker::{About, Above};

/// How long it is waited for something above that is bad, and not yet often enough to say.
const UNDECIDED_AT_MOST: Span = Span::mins(5);
/// What was explained has this long, beyond the group's wait, to be green again after what explained it.
const FREED: Span = Span::mins(1);
/// How often that is looked at meanwhile.
const LOOK_AGAIN: Span = Span::secs(15);

/// What an unresolved incident looks like to the tree. `about` is what the config says of its probe.
fn standing(incident: &Incident, about: Option<&About>, attention: Attention) -> Standing {
    Standing {
        signal: incident.signal.clone(),
        severity: incident.severity,
        sight: sight(incident),
        red_at: (incident.severity == Severity::Red)
            .then(|| incident.red_at.unwrap_or(incident.opened_at)),
        attention,
        cause: cause(&incident.signal),
        parent: about.and_then(|a| a.parent.clone()),
        depends_on: about.map(|a| a.depends_on.clone()).unwrap_or_default(),
        drill: incident.drill,
    }
}

/// All of them, and what they hang on where that has no incident: a chain goes through what cannot be seen.
pub(crate) fn standings(
    incidents: &[Incident],
    about: &BTreeMap<Signal, About>,
    above: &BTreeMap<Signal, Above>,
    gathering: &BTreeMap<Signal, Millis>,
) -> Vec<Standing> {
    let known: BTreeSet<&Signal> = incidents.iter().map(|i| &i.signal).collect();
    let without = above.iter().filter(|(signal, _)| !known.contains(signal));
    let without = without.map(|(signal, above)| Standing {
        signal: signal.clone(),
        severity: above.severity,
        sight: above.sight,
        red_at: None,
        // It is nothing to be answered.
        attention: Attention::Acknowledged,
        cause: cause(signal),
        parent: above.about.parent.clone(),
        depends_on: above.about.depends_on.clone(),
        drill: false,
    });
    let of = |i: &Incident| {
        let attention = match gathering.contains_key(&i.signal) {
            true => Attention::Gathering,
            false => attention(i),
        };
        standing(i, about.get(&i.signal), attention)
    };
    incidents.iter().map(of).chain(without).collect()
}

/// The young incidents that wait for what they hang on, and when each is to be looked at again: half a minute for the
/// group, and longer while something above is bad and not confirmed.
pub(crate) fn gathering(
    incidents: &[Incident],
    about: &BTreeMap<Signal, About>,
    above: &BTreeMap<Signal, Above>,
    group_wait: Span,
    now: Millis,
) -> BTreeMap<Signal, Millis> {
    let mut found = BTreeMap::new();
    for incident in incidents {
        let hangs = about.get(&incident.signal).is_some_and(|a| a.above().next().is_some());
        let untouched = matches!(
            incident.state,
            IncidentState::Open | IncidentState::Held { .. } | IncidentState::Explained { .. }
        );
        if !hangs || !untouched || incident.drill {
            continue;
        }
        let from = incident.red_at.unwrap_or(incident.opened_at);
        let freed = incident.care.freed_at.filter(|at| now < *at + group_wait + FREED);
        if freed.is_some() || is_freed_now(incident, above, about) {
            found.insert(incident.signal.clone(), now + LOOK_AGAIN);
        } else if now < from + group_wait {
            found.insert(incident.signal.clone(), from + group_wait);
        } else if undecided(&incident.signal, about, above) && now < from + UNDECIDED_AT_MOST {
            found.insert(incident.signal.clone(), now + LOOK_AGAIN);
        }
    }
    found
}

/// Whether it is an incident because nobody could look.
fn sight(incident: &Incident) -> Sight {
    match incident.reading.severity {
        Severity::Unknown => Sight::Blind,
        Severity::Green | Severity::Yellow | Severity::Red => Sight::Seen,
    }
}

/// Explained so far, and nothing above is red any more: it is set free with this very look at the picture.
fn is_freed_now(
    incident: &Incident,
    above: &BTreeMap<Signal, Above>,
    about: &BTreeMap<Signal, About>,
) -> bool {
    let IncidentState::Explained { .. } = incident.state else { return false };
    let hangs_on = about.get(&incident.signal).into_iter().flat_map(About::above);
    let blind = sight(incident) == Sight::Blind;
    let explains =
        |above: &Above| above.severity == Severity::Red || blind && above.sight == Sight::Blind;
    !hangs_on.filter_map(|one| above.get(one)).any(explains)
}

/// Whether anything above it, directly or further up, is bad and not confirmed.
fn undecided(
    signal: &Signal,
    about: &BTreeMap<Signal, About>,
    above: &BTreeMap<Signal, Above>,
) -> bool {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&Signal> = about.get(signal).into_iter().flat_map(About::above).collect();
    while let Some(one) = next.pop() {
        let Some(above) = above.get(one).filter(|_| seen.insert(one)) else { continue };
        if above.undecided {
            return true;
        }
        next.extend(above.about.above());
    }
    false
}

fn attention(incident: &Incident) -> Attention {
    match (&incident.state, incident.acknowledged_at) {
        (_, Some(_)) => Attention::Acknowledged,
        (_, None) if incident.care.silent => Attention::Silenced,
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
