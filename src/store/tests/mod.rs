//! The store as a whole, on real files; and the values that its tests share.

use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::ids::{StepName, ToolName, Word};
use crate::model::plan::{OnFailure, Origin, Plan, Step, Verify};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::model::tool::{Bounds, Call, Effect, Repeat, Tier, Undo};
use crate::model::value::Values;
use crate::store::{Store, StoreOptions};

mod files;
mod full_disk;
mod tamper;

/// Small, so that a test does not write 16 MiB.
pub(in crate::store) const SMALL: StoreOptions =
    StoreOptions { ballast_bytes: 256 << 10, readings_bytes: 1 << 20 };

pub(in crate::store) fn memory() -> Store {
    Store::in_memory().unwrap()
}

pub(in crate::store) fn signal(target: &str) -> Signal {
    Signal { probe: Word::of("disk"), target: target.parse().unwrap(), aspect: Word::of("bytes") }
}

pub(in crate::store) fn reading(target: &str, severity: Severity) -> Reading {
    let mut reading =
        Reading::new(signal(target), Millis(1_000), severity, Word::of("bytes"), "93 %");
    reading.value = Some(93.25);
    reading
}

pub(in crate::store) fn entry(kind: AuditKind, at: i64, payload: AuditPayload) -> AuditEntry {
    AuditEntry { at: Millis(at), actor: "gate".into(), kind, payload }
}

pub(in crate::store) fn call(target: &str) -> Call {
    Call {
        tool: ToolName::of("files.compress"),
        target: target.parse().unwrap(),
        args: Values::new(),
        bounds: Bounds::default(),
    }
}

pub(in crate::store) fn step(target: &str) -> Step {
    Step {
        name: StepName::new("compress").unwrap(),
        call: call(target),
        tier: Tier::High,
        effect: Effect {
            words: "compress 38 files".into(),
            max_items: 38,
            max_bytes: 61 << 20,
            takes: None,
            artifact: None,
        },
        undo: Undo::By(call(target)),
        repeat: Repeat::Never,
        lease: vec![target.parse().unwrap()],
        replicas: None,
        holds: None,
    }
}

pub(in crate::store) fn plan(target: &str) -> Plan {
    Plan {
        run: crate::model::ids::RunId(1),
        round: 1,
        origin: Origin::Operator { uid: 1_000 },
        runbook: None,
        steps: vec![step(target)],
        verify: Verify::Not("nothing shows it".into()),
        on_failure: OnFailure::Stop,
    }
}

/// Says loudly that a test could not be run: mounting needs root.
#[expect(clippy::print_stderr, reason = "the only way a test can say that it was skipped")]
fn skipped(e: &rustix::io::Errno) {
    eprintln!("SKIPPED: no tmpfs can be mounted here: {e}");
}
