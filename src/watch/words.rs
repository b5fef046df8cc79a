//! What the human is told about incidents.

use crate::model::incident::Incident;
use crate::model::run::RunState;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::policy::tree::Hold;
use crate::run::announce::{RESOLVED, Words, headline};
use crate::store::runs::RunRow;

/// A yellow that no runbook answers.
pub(crate) fn opened(incident: &Incident) -> Words {
    let body = format!(
        "{}\n{}: no hurry, it is in the next report too.",
        first_line(incident),
        incident.id
    );
    Words { title: headline(incident), body, severity: incident.severity, about: "opened" }
}

/// What may be an intruder's doing.
pub(crate) fn alarm(incident: &Incident) -> Words {
    let host = incident.signal.target.on();
    let body = format!(
        "{}\n{}: reef does nothing about it, and nothing by itself on {host} until `reef ack {}` says that you know it.",
        first_line(incident),
        incident.id,
        incident.id
    );
    Words { title: headline(incident), body, severity: incident.severity, about: "security" }
}

/// It began within a silence, which is over.
pub(crate) fn still_there(incident: &Incident, silence: &str) -> Words {
    let body = format!(
        "{}\n{}: it began within {silence}, which is over.",
        first_line(incident),
        incident.id
    );
    Words { title: headline(incident), body, severity: incident.severity, about: "opened" }
}

/// What was acknowledged for a while, and is still there when that is over.
pub(crate) fn no_longer_known(incident: &Incident) -> Words {
    let body = format!(
        "{}\n{}: your acknowledgement has ended, and it is still there.",
        first_line(incident),
        incident.id
    );
    Words { title: headline(incident), body, severity: incident.severity, about: "known no more" }
}

/// Reef looks and tells and does nothing: a human said so, or several are red.
pub(crate) fn one_held(incident: &Incident, why: &str) -> Words {
    Words {
        title: format!("{}: held", headline(incident)),
        body: format!(
            "{}\n{} is held: {why}. `reef resume` lets reef answer it.",
            first_line(incident),
            incident.id
        ),
        severity: incident.severity,
        about: "opened",
    }
}

/// It was told, and now it is over.
pub(crate) fn resolved(incident: &Incident, last_run: Option<&RunRow>, now: Millis) -> Words {
    let lasted = now.since(incident.opened_at);
    let how = match last_run.map(|run| &run.state) {
        Some(RunState::Ended(ending)) => {
            format!("the last run ended: {} ({})", ending.word(), ending.words())
        }
        Some(RunState::Acting { .. } | RunState::Verifying { .. }) => {
            "while a run of reef's was at work on it".into()
        }
        Some(RunState::Inquiring { .. } | RunState::Waiting { .. }) | None
            if incident.is_security() =>
        {
            "you acknowledged it, and it is known now".into()
        }
        Some(RunState::Inquiring { .. } | RunState::Waiting { .. }) | None => {
            "by itself, or by your hands".into()
        }
    };
    Words {
        title: format!("green {}", incident.signal),
        body: format!("{} after {lasted}; {how}. {}", incident.severity, incident.id),
        severity: Severity::Green,
        about: RESOLVED,
    }
}

/// Several independent reds: a human is needed. Whoever is woken reads what is wrong with each, and what to type.
pub(crate) fn held(hold: &Hold, unresolved: &[Incident]) -> (String, String) {
    let one = |signal: &Signal| match unresolved.iter().find(|i| i.signal == *signal) {
        Some(incident) => format!("- red {signal}: {} ({})", first_line(incident), incident.id),
        None => format!("- red {signal}"),
    };
    let by: Vec<String> = hold.by.iter().map(one).collect();
    let title = format!("{} independent reds: all actions are held", hold.by.len());
    let body = format!(
        "{}\nNothing above low is done until at most one is left: `reef ack I-N` takes one on, `reef resume` lets all \
         be answered.",
        by.join("\n")
    );
    (title, body)
}

fn first_line(incident: &Incident) -> &str {
    incident.reading.words.first_line()
}
