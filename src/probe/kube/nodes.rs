//! The nodes of a cluster.

use crate::clients::kube::objects::{Condition, Node, condition};
use crate::model::severity::Severity;
use crate::probe::kube::INTENDED;

/// Conditions that are a fault where they are true.
const PRESSURES: [(&str, &str); 4] = [
    ("DiskPressure", "disk-pressure"),
    ("MemoryPressure", "memory-pressure"),
    ("PIDPressure", "pid-pressure"),
    ("NetworkUnavailable", "network"),
];

/// What a node's `Ready` condition says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    Yes,
    No,
    /// The cluster has not heard from it, or it says nothing of being ready.
    Unheard,
}

pub(super) fn ready(node: &Node) -> Ready {
    match condition(&node.status.conditions, "Ready").map(|c| c.status.as_str()) {
        Some("True") => Ready::Yes,
        Some("False") => Ready::No,
        Some(_) | None => Ready::Unheard,
    }
}

/// Severity, reason and words.
pub(super) fn judge(node: &Node) -> (Severity, &'static str, String) {
    let said = |c: &Condition| match c.message.is_empty() {
        true => c.reason.clone(),
        false => format!("{}: {}", c.reason, c.message),
    };
    let why = condition(&node.status.conditions, "Ready").map(said).unwrap_or_default();
    match ready(node) {
        Ready::No => return (Severity::Red, "not-ready", format!("not ready: {why}")),
        Ready::Unheard => return (Severity::Red, "unheard", format!("not heard of: {why}")),
        Ready::Yes => {}
    }
    let pressed = PRESSURES.into_iter().find_map(|(kind, reason)| {
        let found = condition(&node.status.conditions, kind)?;
        (found.status == "True")
            .then(|| (Severity::Yellow, reason, format!("{kind}: {}", said(found))))
    });
    if let Some(pressed) = pressed {
        return pressed;
    }
    match node.spec.unschedulable {
        // Somebody cordoned it.
        true => (Severity::Green, INTENDED, "ready; cordoned: takes no new work".into()),
        false => (Severity::Green, "ok", "ready".into()),
    }
}
