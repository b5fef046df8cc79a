//! What a run goes by that an operator began: no probe fired.

use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Millis;
use crate::model::value::Value;
use crate::runbook::Runbook;

/// What the reading of such a run is of.
const ASPECT: &str = "by-hand";

/// Why no probe can prove what is done about this reading: nothing watches what the operator named.
pub(crate) fn unwatched(reading: &Reading) -> Option<String> {
    let Signal { probe, target, aspect } = &reading.signal;
    (aspect.as_str() == ASPECT).then(|| format!("no {probe} probe watches {target}"))
}

/// The reading that stands for "the operator says so".
pub(crate) fn by_hand(book: &Runbook, on: &Target, now: Millis) -> Reading {
    let probe = book.matches.probe.first().cloned().unwrap_or_else(|| Word::of("operator"));
    let signal = Signal { probe, target: on.clone(), aspect: Word::of(ASPECT) };
    let mut reading =
        Reading::new(signal, now, Severity::Red, Word::of("by-hand"), "started by hand");
    if let Some(path) = on.as_path() {
        reading.values.insert("path".into(), Value::Path(path));
    }
    let name = match on.thing() {
        Thing::Unit => Some("unit"),
        Thing::Container | Thing::Composed => Some("container"),
        Thing::Stack => Some("stack"),
        Thing::Vm => Some("vm"),
        Thing::Host
        | Thing::Path
        | Thing::Process
        | Thing::Endpoint
        | Thing::Interface
        | Thing::Log
        | Thing::Backup
        | Thing::Check
        | Thing::Member
        | Thing::Service
        | Thing::Node
        | Thing::Object
        | Thing::Terraform
        | Thing::Playbook
        | Thing::Mcp
        | Thing::Reef => None,
    };
    if let Some(name) = name {
        reading.values.insert(name.into(), Value::Target(on.clone()));
    }
    reading
}
