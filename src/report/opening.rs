//! The first words of a report, and the message that carries them.

use crate::clock::zone::Zone;
use crate::model::severity::Severity;
use crate::report::morning::{Morning, Need, Stands};
use crate::report::plain::counted;
use crate::report::render::when;

/// Lines of a message: what fits a phone.
const LINES: usize = 8;

/// A report as one message.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) title: String,
    pub(super) lines: Vec<String>,
    pub(super) severity: Severity,
}

/// The opening of the day's message: plain text.
pub(super) fn opening(morning: &Morning, zone: &Zone) -> Opening {
    let mut lines = vec![signals(morning)];
    lines.extend(morning.needs.shown.iter().take(LINES).map(|need| short(need, morning, zone)));
    let more = morning.needs.len().saturating_sub(LINES);
    if 0 < more {
        lines.push(format!("and {more} more"));
    }
    if !morning.fixed.is_empty() {
        lines.push(format!("{} fixed and proven", counted(morning.fixed.len() as u64, "fault")));
    }
    // Off the box: whoever has this message can tell whether the log was cut or made anew.
    if let Some(head) = morning.audit.head {
        lines.push(format!("audit head {}@{}", head.hash, head.seq));
    }
    Opening {
        title: format!("{}: {}", morning.host, needs(morning)),
        lines,
        severity: worst(morning),
    }
}

/// "Nothing needs you", "One thing needs you", "3 things need you".
pub(super) fn needs(morning: &Morning) -> String {
    match morning.needs.len() {
        0 => "Nothing needs you".into(),
        1 => "One thing needs you".into(),
        n => format!("{n} things need you"),
    }
}

/// How the signals stand, as a sentence. Unknown is not green, and nothing watched is not all green.
pub(super) fn signals(morning: &Morning) -> String {
    let signals = morning.signals;
    let total = signals.total();
    if total == 0 {
        return "No signal has been read yet.".into();
    }
    if signals.green == total {
        return format!(
            "All {} green.",
            counted(total, "signal").replace("signals", "signals are")
        )
        .replace("All 1 signal green", "The one signal is green");
    }
    let parts: Vec<String> =
        [(signals.red, "red"), (signals.yellow, "yellow"), (signals.unknown, "unknown")]
            .into_iter()
            .filter(|(n, _)| 0 < *n)
            .map(|(n, word)| format!("{n} {word}"))
            .collect();
    format!("{} of {}.", parts.join(", "), counted(total, "signal"))
}

fn worst(morning: &Morning) -> Severity {
    let of_need = |need: &Need| match need {
        Need::Incident { severity, .. } => *severity,
        Need::Chain { .. } | Need::Trouble { .. } | Need::Hold { .. } | Need::Breaker { .. } => {
            Severity::Red
        }
        Need::Approve { .. } | Need::Settle { .. } | Need::Patched { .. } => Severity::Yellow,
    };
    morning.needs.shown.iter().map(of_need).max().unwrap_or(Severity::Green)
}

fn short(need: &Need, morning: &Morning, zone: &Zone) -> String {
    let at = |then| when(then, morning.until, *zone);
    match need {
        Need::Chain { seq, why } => format!("- the audit log is broken at record {seq}: {why}"),
        Need::Trouble { what } => format!("- {what}"),
        Need::Breaker { what, words } => format!("- reef stopped acting: {what}, {words}"),
        Need::Hold { by } => format!("- all actions are held by {} reds: reef resume", by.len()),
        Need::Approve { id, question, expires_at, .. } => {
            let question = question.lines().next().unwrap_or_default();
            format!("- {id} until {}: {question}", at(*expires_at))
        }
        Need::Patched { words } => format!("- patched, not solved: {words}"),
        Need::Settle { id, call, .. } => format!("- {id} may or may not have run: {call}"),
        Need::Incident { id, severity, signal, words, stands, .. } => {
            let stands = match stands {
                Stands::Escalated => "",
                Stands::Held => ", held",
                Stands::Observed => ", leash observe",
            };
            format!("- {severity} {signal}: {words} ({id}{stands})")
        }
    }
}
