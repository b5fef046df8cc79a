//! A night on one machine, written into a real store.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use crate::Fut;
use crate::clock::Clock;
use crate::clock::zone::Zone;
use crate::model::approval::Choice;
use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::digest::Digest;
use crate::model::ids::{
    ActionId, HostName, IncidentId, RunId, RunbookName, StepName, ToolName, Word,
};
use crate::model::incident::{Incident, IncidentState};
use crate::model::plan::{Ending, OnFailure, Origin, Plan, RunbookRef, Step, Verify};
use crate::model::reading::{Reading, Unit};
use crate::model::run::RunState;
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Bounds, Call, Effect, Repeat, Tier, Undo};
use crate::model::value::{Value, Values};
use crate::report::own::Own;
use crate::report::{Reporter, Standing, Standings, World};
use crate::store::Store;
use crate::store::actions::Drill;
use crate::store::approvals::{Answer, ApprovalDraft};
use crate::store::readings::Sample;

/// Wed 4 March 2026, 04:00 in Berlin.
pub(super) const FOUR: Millis = Millis(1_772_593_200_000);

#[derive(Debug)]
pub(super) struct Hands(AtomicI64);

impl Hands {
    pub(super) fn set(&self, to: Millis) {
        self.0.store(to.0, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
pub(super) struct Lamps(pub(super) Mutex<Vec<Standing>>);

impl Standings for Lamps {
    fn now(&self) -> Fut<'_, Vec<Standing>> {
        let all = self.0.lock().unwrap().clone();
        Box::pin(async move { all })
    }
}

pub(super) struct Scene {
    pub(super) store: Store,
    pub(super) clock: Arc<Hands>,
    pub(super) lamps: Arc<Lamps>,
    pub(super) reporter: Reporter,
}

pub(super) fn berlin() -> Zone {
    Zone::parse("Europe/Berlin").unwrap()
}

pub(super) fn mini() -> HostName {
    HostName::of("mini")
}

impl Scene {
    pub(super) fn over(store: Store, folder: &Path) -> Self {
        let clock = Arc::new(Hands(AtomicI64::new(FOUR.0)));
        let lamps = Arc::new(Lamps::default());
        let own = Own {
            started_at: FOUR - Span::days(3),
            memory: Some(14 << 20),
            cpu: Some(Span::secs(312)),
            written: Some(21 << 20),
            looks: 9_000,
            late: 1,
            missed: 2,
            failed: 0,
        };
        let world = World {
            here: mini(),
            zone: Box::new(berlin),
            standings: Arc::clone(&lamps) as Arc<dyn Standings>,
            own: Box::new(move || own.clone()),
        };
        let reporter = Reporter::new(
            store.clone(),
            Arc::clone(&clock) as Arc<dyn Clock>,
            folder.to_owned(),
            world,
        );
        Self { store, clock, lamps, reporter }
    }

    pub(super) fn new(folder: &Path) -> Self {
        Self::over(Store::in_memory().unwrap(), folder)
    }

    pub(super) fn stand(&self, name: &str, reading: Reading, since: Millis) {
        self.lamps.0.lock().unwrap().push(Standing { name: name.into(), reading, since });
    }

    pub(super) fn open(&self, reading: &Reading, at: Millis) -> Incident {
        self.store.call_now(|db| db.open_incident(reading, Drill::No, at)).unwrap()
    }

    pub(super) fn state(&self, incident: &Incident, state: IncidentState) {
        let changed = Incident { state, ..incident.clone() };
        self.store.call_now(|db| db.save_incident(&changed)).unwrap();
    }

    pub(super) fn run(&self, incident: IncidentId, book: &'static str, at: Millis) -> RunId {
        let book = RunbookRef { name: RunbookName::new(book).unwrap(), digest: Digest::of(b"") };
        let origin = Origin::Incident(incident);
        self.store.call_now(|db| db.new_run(&origin, Some(incident), Some(&book), at)).unwrap()
    }

    pub(super) fn end(&self, run: RunId, ending: Ending, at: Millis) {
        self.store.call_now(|db| db.save_run(run, &RunState::Ended(ending), at)).unwrap();
    }

    pub(super) fn append(&self, kind: AuditKind, at: Millis, payload: AuditPayload) {
        let entry = AuditEntry { at, actor: "gate".into(), kind, payload };
        self.store.call_now(|db| db.append(&entry)).unwrap();
    }

    pub(super) fn dispatch(&self, run: RunId, step: &Step, at: Millis) -> ActionId {
        let payload = AuditPayload { run: Some(run), ..AuditPayload::default() };
        let entry = AuditEntry { at, actor: "gate".into(), kind: AuditKind::Dispatched, payload };
        self.store.call_now(|db| db.dispatched(&entry, run, step, Drill::No)).unwrap()
    }

    pub(super) fn close(
        &self,
        run: RunId,
        action: ActionId,
        outcome: &str,
        said: &str,
        at: Millis,
    ) {
        let payload = AuditPayload {
            run: Some(run),
            action: Some(action),
            tool: Some("files.compress".into()),
            outcome: Some(outcome.into()),
            output_excerpt: Some(said.into()),
            ..AuditPayload::default()
        };
        self.append(AuditKind::Closed, at, payload);
    }

    pub(super) fn ask(
        &self,
        run: RunId,
        question: &str,
        says: &[&str],
        at: Millis,
        until: Millis,
    ) -> crate::model::ids::ApprovalId {
        let choice =
            |say: &&str| Choice { say: (*say).into(), plan: Some(plan(run)), digest: None };
        let draft = ApprovalDraft {
            run,
            incident: None,
            question: question.into(),
            choices: says.iter().map(choice).collect(),
            tier: Tier::High,
            asked_at: at,
            expires_at: until,
        };
        self.store.call_now(|db| db.ask(draft)).unwrap().id
    }

    pub(super) fn say_yes(&self, id: crate::model::ids::ApprovalId, at: Millis) {
        let yes = Answer::Approve { choice: 0 };
        self.store.call_now(|db| db.answer(id, yes, "operator uid 1000", at)).unwrap();
        self.store.call_now(|db| db.use_approval(id, at)).unwrap();
    }

    /// One reading each half hour of a signal, from then to then, by a straight line.
    pub(super) fn history(&self, signal: &Signal, from: Millis, to: Millis, values: (f64, f64)) {
        let readings = self.store.readings();
        let id = readings.intern(signal).unwrap();
        let n = to.since(from).0 / Span::mins(30).0;
        let rows: Vec<Sample> = (0..=n)
            .map(|i| {
                #[expect(clippy::cast_precision_loss, reason = "a week of half hours")]
                let share = i as f64 / n as f64;
                let value = values.0 + (values.1 - values.0) * share;
                let at = Millis(from.0 + i * Span::mins(30).0);
                Sample { signal: id, at, severity: Severity::Green, value: Some(value) }
            })
            .collect();
        readings.add(&rows).unwrap();
    }
}

pub(super) fn disk(mount: &str) -> Signal {
    let target = Target::path(mini(), &AbsPath::new(mount).unwrap());
    Signal { probe: Word::of("disk"), target, aspect: Word::of("bytes") }
}

pub(super) fn signal(probe: &'static str, name: &str, aspect: &'static str) -> Signal {
    let target = Target::new(mini(), Thing::Endpoint, name).unwrap();
    Signal { probe: Word::of(probe), target, aspect: Word::of(aspect) }
}

pub(super) fn reading(signal: Signal, severity: Severity, words: &str) -> Reading {
    Reading::new(signal, FOUR, severity, Word::of("tested"), words)
}

pub(super) fn numbered(
    signal: Signal,
    severity: Severity,
    words: &str,
    value: f64,
    unit: Unit,
) -> Reading {
    let mut values = Values::new();
    values.insert("total".into(), Value::Bytes(100 << 30));
    Reading { value: Some(value), unit: Some(unit), values, ..reading(signal, severity, words) }
}

pub(super) fn step(path: &str) -> Step {
    let target = Target::path(mini(), &AbsPath::new(path).unwrap());
    Step {
        name: StepName::new("compress").unwrap(),
        call: Call {
            tool: ToolName::of("files.compress"),
            target: target.clone(),
            args: Values::new(),
            bounds: Bounds::default(),
        },
        tier: Tier::High,
        effect: Effect {
            words: "compress".into(),
            max_items: 38,
            max_bytes: 1,
            takes: None,
            artifact: None,
        },
        undo: Undo::Impossible("no".into()),
        repeat: Repeat::Never,
        lease: vec![target],
        replicas: None,
        holds: None,
    }
}

fn plan(run: RunId) -> Plan {
    Plan {
        run,
        round: 1,
        origin: Origin::Incident(IncidentId(1)),
        runbook: None,
        steps: vec![step("/var/log")],
        verify: Verify::Not("nothing shows it".into()),
        on_failure: OnFailure::Stop,
    }
}
