//! Views made by hand.

use std::collections::BTreeMap;

use crate::model::approval::{Approval, ApprovalState, Choice};
use crate::model::audit::{AuditKind, AuditPayload, AuditRecord};
use crate::model::digest::Digest;
use crate::model::ids::{ActionId, ApprovalId, IncidentId, RunId, StepName, ToolName, Word};
use crate::model::incident::{Announced, Incident, IncidentState};
use crate::model::plan::{Leash, OnFailure, Origin, Plan, Step, Verify};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::model::tool::{Bounds, Call, Effect, Repeat, Tier, Undo};
use crate::operator::view::{DrillState, DrillStep, DrillTimes, DrillView, Signalled, Status};

/// Tue 3 March 2026, 08:50 in Berlin.
pub(crate) const NOW: Millis = Millis(1_772_524_200_000);

pub(crate) fn ago(span: Span) -> Millis {
    NOW - span
}

pub(crate) fn signal(probe: &'static str, target: &str, aspect: &'static str) -> Signal {
    let (probe, aspect) = (Word::of(probe), Word::of(aspect));
    Signal { probe, target: target.parse().unwrap(), aspect }
}

/// A signal as `NAME SEVERITY WORDS`, with the probe's kind as the first part of its name.
pub(crate) fn signalled(name: &str, target: &str, severity: Severity, words: &str) -> Signalled {
    let kind: &'static str = match name.split('.').next().unwrap() {
        "http" => "http",
        "disk" => "disk",
        "unit" => "unit",
        "backup" => "backup",
        "smart" => "smart",
        "memory" => "memory",
        other => panic!("{other} is no kind of these tests"),
    };
    let aspect = if words.contains("inodes") { "inodes" } else { "status" };
    let signal = signal(kind, target, aspect);
    let reading = Reading::new(signal, NOW, severity, Word::of("ok"), words);
    Signalled { name: name.into(), reading, since: ago(Span::mins(9)) }
}

pub(crate) fn greens(host: &str, n: usize) -> impl Iterator<Item = Signalled> + use<'_> {
    (0..n).map(move |i| {
        signalled("unit", &format!("{host}:unit:u{i}.service"), Severity::Green, "active")
    })
}

/// All green on one machine under observe.
pub(crate) fn all_green() -> Status {
    let mut signals = vec![signalled("disk", "mini:/", Severity::Green, "52 %, 43 GiB free")];
    signals.extend(greens("mini", 17));
    Status {
        now: NOW,
        zone: "Europe/Berlin".into(),
        host: "mini".into(),
        version: "0.1.0".into(),
        pid: 4711,
        started_at: ago(Span::days(3)),
        config: None,
        page: Some("http://127.0.0.1:7333".into()),
        ceiling: Leash::Observe,
        dry_run: false,
        paused: None,
        hold: None,
        approvals: vec![],
        incidents: vec![],
        unknown_actions: vec![],
        breakers: vec![],
        signals,
        last_action: None,
        model: None,
        messages_this_week: 0,
        messages_waiting: 0,
        troubles: vec![],
        absent: vec![],
        findings: vec![],
    }
}

/// The lab on the morning that the operator described.
pub(crate) fn morning() -> Status {
    let mut signals = vec![
        signalled("http.jellyfin", "nas:endpoint:jellyfin", Severity::Red, "502, 9 of 9"),
        signalled("backup.photos", "nas:backup:photos", Severity::Yellow, "31 h old, normal 24 h"),
        signalled("disk", "pve1:/", Severity::Yellow, "86 %, 9 GiB free"),
        signalled(
            "smart",
            "pve1:check:smart",
            Severity::Unknown,
            "smartctl is not installed there: apt install smartmontools",
        ),
    ];
    signals.extend(greens("mini", 14));
    signals.extend(greens("nas", 18));
    let jellyfin = &signals[0].reading;
    let (run, incidents) =
        (RunId(9), vec![incident(43, jellyfin, IncidentState::Running { run: RunId(9) })]);
    let mut photos = incident(42, &signals[1].reading, IncidentState::Open);
    photos.severity = Severity::Yellow;
    Status {
        ceiling: Leash::Ask,
        config: Some("/etc/reef/config.toml".into()),
        approvals: vec![question(17, run)],
        incidents: incidents.into_iter().chain([photos]).collect(),
        last_action: Some((
            ago(Span::mins(38)),
            "files.decompress mini:/var/lib/reef/drill (done)".into(),
        )),
        model: Some("qwen3:8b".into()),
        messages_this_week: 1,
        signals,
        ..all_green()
    }
}

pub(crate) fn incident(id: i64, reading: &Reading, state: IncidentState) -> Incident {
    Incident {
        id: IncidentId(id),
        signal: reading.signal.clone(),
        severity: reading.severity,
        opened_at: ago(Span::mins(9)),
        red_at: None,
        state,
        reading: reading.clone(),
        acknowledged_at: None,
        announced: Announced::No,
        drill: false,
        attempts: 0,
        care: crate::model::incident::Care::default(),
    }
}

/// A plain yes or no.
pub(crate) fn question(id: i64, run: RunId) -> Approval {
    let mut plan = plan(Tier::High);
    plan.run = run;
    Approval {
        id: ApprovalId(id),
        run,
        incident: Some(IncidentId(43)),
        question: "restart jellyfin.service on nas".into(),
        tier: plan.tier(),
        choices: vec![Choice { say: "yes".into(), digest: Some(plan.digest()), plan: Some(plan) }],
        asked_at: ago(Span::mins(6)),
        expires_at: NOW + Span::mins(24),
        state: ApprovalState::Pending,
    }
}

/// A question of a runbook with three choices, one of them critical.
pub(crate) fn choices(id: i64) -> Approval {
    let choice = |say: &str, plan: Option<Plan>| Choice {
        say: say.into(),
        digest: plan.as_ref().map(Plan::digest),
        plan,
    };
    Approval {
        question: "/var holds 8.4 GiB of data. What now?".into(),
        choices: vec![
            choice("compress what is older than 30 days", Some(plan(Tier::High))),
            choice("move all of it away", Some(plan(Tier::Critical))),
            choice("I will handle it", None),
        ],
        tier: Tier::Critical,
        ..question(id, RunId(9))
    }
}

/// One step of this tier on `mini:/var/log`.
pub(crate) fn plan(tier: Tier) -> Plan {
    let call = Call {
        tool: ToolName::of("files.compress"),
        target: "mini:/var/log".parse().unwrap(),
        args: BTreeMap::new(),
        bounds: Bounds::default(),
    };
    let undo = Call { tool: ToolName::of("files.decompress"), ..call.clone() };
    let words = "compress 38 files, 61 MiB, to about 4 MiB".into();
    Plan {
        run: RunId(9),
        round: 0,
        origin: Origin::Operator { uid: 1000 },
        runbook: None,
        steps: vec![Step {
            name: StepName::new("compress").unwrap(),
            call,
            tier,
            effect: Effect {
                words,
                max_items: 38,
                max_bytes: 61 << 20,
                takes: Some(Span::secs(4)),
                artifact: None,
            },
            undo: Undo::By(undo),
            repeat: Repeat::Never,
            lease: vec![],
            replicas: None,
            holds: None,
        }],
        verify: Verify::Probe {
            signal: signal("disk", "mini:/var/log", "bytes"),
            within: Span::mins(5),
            stays: Span(0),
        },
        on_failure: OnFailure::Stop,
    }
}

pub(crate) fn record(seq: i64, kind: AuditKind, payload: AuditPayload) -> AuditRecord {
    AuditRecord {
        seq,
        // 2026-02-24T03:47:12Z.
        at: Millis(1_771_904_832_000) + Span::secs(seq - 31),
        actor: "runbook disk-full".into(),
        kind,
        payload: Some(payload),
        hash: Digest::of(&seq.to_be_bytes()),
    }
}

/// What the gate writes before it dispatches.
pub(crate) fn dispatched() -> AuditPayload {
    AuditPayload {
        incident: Some(IncidentId(4)),
        run: Some(RunId(9)),
        approval: Some(ApprovalId(17)),
        runbook: Some("disk-full".into()),
        tool: Some("logs.rotate".into()),
        tier: Some(Tier::High),
        target: Some("mini:/var/log/nginx".into()),
        call: Some("logs.rotate mini:/var/log/nginx older=30 d".into()),
        digest: Some(Digest([0xab; 32])),
        reason: "red disk mini:/var: 98 %, 1.2 GiB free".into(),
        effect: Some(
            "rotate and compress 3 files, 8.9 GiB, to about 500 MiB, all older than 30 d".into(),
        ),
        tools_called: vec!["disk.usage".into(), "disk.kinds".into()],
        trigger: Some("incident I-4".into()),
        host: Some("mini".into()),
        runbook_digest: Some(Digest([0xcd; 32])),
        undo: Some("files.decompress mini:/var/log/nginx id=x".into()),
        undo_until: Some(Millis(1_771_904_832_000) + Span::days(7)),
        ..AuditPayload::default()
    }
}

/// A later record of the same action.
pub(crate) fn of_action(outcome: &str) -> AuditPayload {
    AuditPayload {
        action: Some(ActionId(31)),
        outcome: Some(outcome.into()),
        tool: Some("logs.rotate".into()),
        target: Some("mini:/var/log/nginx".into()),
        ..AuditPayload::default()
    }
}

pub(crate) fn drill(state: DrillState) -> DrillView {
    let step = |ms, word: &str, words: &str| DrillStep {
        after: Span(ms),
        word: word.into(),
        words: words.into(),
    };
    let mut steps = vec![
        step(0, "planted", "40 old logs in /var/lib/reef/drill, over their budget of 8 MiB"),
        step(2_140, "red", "disk mini:/var/lib/reef/drill bytes: 125 % of 8 MiB"),
    ];
    let times = DrillTimes {
        detect: Span(2_140),
        act: Span(400),
        verify: Span(1_100),
        undo: Span(420),
        audit: (12, 17),
    };
    let times = match state {
        DrillState::Passed => {
            steps.push(step(2_150, "plan", "disk-full / rotate: compress 38 files, 61 MiB, to about 4 MiB (high), undo for 24 h"));
            steps.push(step(12_300, "removed", "the scratch folder and its probe"));
            Some(times)
        }
        DrillState::Failed => {
            steps.push(step(22_000, "failed", "no plan came within 20 s"));
            None
        }
        DrillState::Running => None,
    };
    DrillView { steps, state, times }
}
