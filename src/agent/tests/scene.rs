//! One incident with everything an incident may have, a bench that counts, and a purse that counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::Fut;
use crate::agent::{Agent, AgentBounds, Bench, Brief, Investigation, Offer, Purse};
use crate::llm::Model;
use crate::model::chat::Usage;
use crate::model::digest::Digest;
use crate::model::ids::{IncidentId, RunbookName, StepName, ToolName, Word};
use crate::model::incident::{Announced, Incident, IncidentState};
use crate::model::message::Urgency;
use crate::model::plan::{Leash, OnFailure};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Call, Found, Gives, Input, Need, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values};
use crate::policy::redact::Redactor;
use crate::runbook::{Lines, Literal, Match, Param, Runbook, VerifyRule};

pub(super) const NONCE: [u8; 16] = [7; 16];

pub(super) fn target(text: &str) -> Target {
    text.parse().unwrap()
}

pub(super) fn path(text: &str) -> Value {
    Value::Path(AbsPath::new(text).unwrap())
}

fn step(name: &str) -> StepName {
    StepName::new(name).unwrap()
}

pub(super) fn reading(probe: &'static str, on: &str, severity: Severity, words: &str) -> Reading {
    let signal = Signal { probe: Word::of(probe), target: target(on), aspect: Word::of("state") };
    Reading::new(signal, Millis(1_000_000), severity, Word::of("bytes"), words)
}

fn runbook() -> Runbook {
    let literal = Literal::Text("rotated-logs".into());
    let param = Param { kind: Kind::Word, literal, line: 1 };
    Runbook {
        name: RunbookName::new("disk-full").unwrap(),
        digest: Digest::of(b"disk-full"),
        title: "Disk full".into(),
        matches: Match {
            probe: vec![Word::of("disk")],
            severity: vec![],
            target: None,
            reason: vec![],
            pattern: None,
        },
        leash: Leash::Ask,
        max_tier: Tier::High,
        tools: ["files.clean", "files.compress"].map(ToolName::of).to_vec(),
        commands: Vec::new(),
        peers: Vec::new(),
        roots: vec![AbsPath::new("/var/log").unwrap()],
        attempts: 2,
        cooldown: Span::hours(1),
        escalate: Urgency::Page,
        on_failure: OnFailure::Stop,
        max_targets: 500,
        window: vec![],
        timezone: None,
        at_most: None,
        cause: None,
        params: BTreeMap::from([("what".to_owned(), param)]),
        blocks: vec![],
        leave: vec![],
        escalations: vec![],
        verify: VerifyRule::Probe { within: Span::mins(5), stays: Span::mins(1) },
        prose: "Logs grow when rotation stops. Data growing is not ours to delete: ask.".into(),
        must_match: vec![],
        must_not_match: vec![],
        lines: Lines::default(),
    }
}

/// A full disk with a matched runbook, two offered steps and neighbours on two hosts.
pub(super) fn brief() -> Brief {
    let mut full = reading("disk", "mini:/var", Severity::Red, "93 %, 2 GiB free");
    full.values = Values::from([
        ("path".to_owned(), path("/var")),
        ("used_percent".to_owned(), Value::Int(93)),
        ("free".to_owned(), Value::Bytes(2 << 30)),
        ("served_by".to_owned(), Value::Target(target("mini:unit:nginx.service"))),
        ("elsewhere".to_owned(), Value::Target(target("nas:unit:postgres.service"))),
        ("note".to_owned(), Value::Text(Tainted::new("a text that fills nothing"))),
    ]);
    let found = Found {
        values: Values::from([
            ("path".to_owned(), path("/var/log/nginx")),
            ("kind".to_owned(), Value::Word(Word::of("logs"))),
            ("candidates".to_owned(), Value::List(vec![path("/var/log/a"), path("/var/log/b")])),
        ]),
        words: Tainted::new("/var/log/nginx: 12 GiB of logs, 40 files, growing 1 GiB a day"),
    };
    let offer = |name: &str, words: &str| Offer {
        step: step(name),
        tier: Tier::High,
        words: words.to_owned(),
    };
    Brief {
        incident: Incident {
            id: IncidentId(42),
            signal: full.signal.clone(),
            severity: Severity::Red,
            opened_at: Millis(400_000),
            red_at: Some(Millis(500_000)),
            state: IncidentState::Open,
            reading: full,
            acknowledged_at: None,
            announced: Announced::No,
            drill: false,
            attempts: 0,
            care: crate::model::incident::Care::default(),
        },
        history: vec![
            reading("disk", "mini:/var", Severity::Green, "60 %"),
            reading("disk", "mini:/var", Severity::Yellow, "88 %"),
        ],
        worked_before: vec!["12 days ago: rotate, verified after 40 s".into()],
        related: vec![
            reading("unit", "mini:unit:nginx.service", Severity::Green, "active"),
            reading("http", "nas:endpoint:jellyfin", Severity::Red, "502"),
        ],
        host_state: vec!["load 0.3 per core".into(), "memory 40 % used".into()],
        inventory: "## mini\n- nginx.service: may be down for 10 min".into(),
        recent_changes: vec!["nginx.service restarted 2 h ago".into()],
        runbook: Some(runbook()),
        offers: vec![
            offer("rotate", "compress and empty 3 logs, 12 GiB, to about 900 MiB"),
            offer("clean", "move 14 rotated logs, 3 GiB, to quarantine"),
        ],
        found: vec![(step("largest"), found)],
        now: Millis(1_060_000),
    }
}

fn spec(
    name: &'static str,
    max_tier: Tier,
    inputs: &[(&'static str, Kind, Need)],
    gives: &[(&'static str, Kind)],
) -> ToolSpec {
    let input = |(name, kind, need): &(&'static str, Kind, Need)| Input {
        name,
        kind: kind.clone(),
        need: *need,
        doc: name,
    };
    ToolSpec {
        name: ToolName::of(name),
        summary: "Does what its name says",
        inputs: inputs.iter().map(input).collect(),
        gives: gives
            .iter()
            .map(|(name, kind)| Gives { name, kind: kind.clone(), doc: name })
            .collect(),
        max_tier,
        tiers: "",
        undo: "",
        errors: "",
        timeout: Span::secs(10),
        example: "",
    }
}

pub(super) fn specs() -> Vec<ToolSpec> {
    use Need::{Optional, Required};
    let unit = [("unit", Kind::Target, Required)];
    vec![
        spec(
            "disk.usage",
            Tier::Low,
            &[("path", Kind::Path, Required), ("top", Kind::Int, Optional)],
            &[("path", Kind::Path), ("kind", Kind::Word)],
        ),
        spec("unit.status", Tier::Low, &unit, &[("state", Kind::Word)]),
        spec("unit.logs", Tier::Low, &unit, &[("template", Kind::Text)]),
        spec(
            "web.get",
            Tier::Low,
            &[("endpoint", Kind::Target, Required)],
            &[("status", Kind::Int)],
        ),
        spec("human.message", Tier::Low, &[("urgency", Kind::Word, Optional)], &[]),
        spec(
            "files.clean",
            Tier::High,
            &[("path", Kind::Path, Required), ("what", Kind::Word, Required)],
            &[],
        ),
        spec(
            "files.compress",
            Tier::High,
            &[("path", Kind::Path, Required), ("older", Kind::Span, Optional)],
            &[],
        ),
        spec("files.quarantine", Tier::Critical, &[("path", Kind::Path, Required)], &[]),
        spec("unit.restart", Tier::High, &unit, &[]),
        spec("process.kill", Tier::High, &[("process", Kind::Target, Required)], &[]),
    ]
}

/// Answers every look with the same finding and keeps the calls.
#[derive(Debug)]
pub(super) struct TestBench {
    pub(super) calls: Mutex<Vec<Call>>,
    pub(super) answer: Result<Found, ToolError>,
    pub(super) takes: Span,
}

impl TestBench {
    pub(super) fn new(answer: Result<Found, ToolError>) -> Self {
        Self { calls: Mutex::default(), answer, takes: Span(0) }
    }

    /// Finds one deeper folder.
    pub(super) fn usual() -> Self {
        let values = Values::from([
            ("path".to_owned(), path("/var/log/nginx/access")),
            ("kind".to_owned(), Value::Word(Word::of("logs"))),
        ]);
        let words = Tainted::new("/var/log/nginx/access: 11 GiB of logs");
        Self::new(Ok(Found { values, words }))
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Bench for TestBench {
    fn specs(&self) -> Vec<ToolSpec> {
        specs()
    }

    fn query<'a>(&'a self, call: &'a Call) -> Fut<'a, Result<Found, ToolError>> {
        Box::pin(async move {
            self.calls.lock().unwrap().push(call.clone());
            tokio::time::sleep(self.takes.duration()).await;
            self.answer.clone()
        })
    }
}

/// Reserves up to `cap` tokens in all.
#[derive(Debug)]
pub(super) struct TestPurse {
    cap: u64,
    books: Mutex<Books>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Books {
    pub(super) reserved: Vec<u64>,
    pub(super) settled: Vec<(i64, Usage, i64)>,
}

impl TestPurse {
    pub(super) fn new(cap: u64) -> Self {
        Self { cap, books: Mutex::default() }
    }

    pub(super) fn books(&self) -> Books {
        self.books.lock().unwrap().clone()
    }
}

impl Purse for TestPurse {
    fn reserve<'a>(&'a self, tokens: u64, _micros: i64) -> Fut<'a, Result<i64, String>> {
        Box::pin(async move {
            let mut books = self.books.lock().unwrap();
            let used: u64 =
                books.settled.iter().map(|(_, usage, _)| usage.input + usage.output).sum();
            if self.cap < used + tokens {
                return Err("today's tokens are spent".to_owned());
            }
            books.reserved.push(tokens);
            Ok(i64::try_from(books.reserved.len()).unwrap())
        })
    }

    fn settle<'a>(&'a self, reservation: i64, usage: Usage, micros: i64) -> Fut<'a, ()> {
        Box::pin(
            async move { self.books.lock().unwrap().settled.push((reservation, usage, micros)) },
        )
    }
}

pub(super) fn agent(model: Arc<dyn Model>) -> Agent {
    let redactor = Arc::new(Redactor::new(vec![]));
    Agent { model, bounds: AgentBounds::default(), price: None, redactor }
}

/// Investigates the usual incident on the usual bench.
pub(super) async fn investigate(agent: &Agent, brief: &Brief, bench: &TestBench) -> Investigation {
    agent.investigate(brief, bench, &TestPurse::new(u64::MAX), NONCE).await
}
