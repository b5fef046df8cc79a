//! Traces as Jaeger and Tempo give them by their search APIs. Reads only.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::clients::answer::NoAnswer;
use crate::clients::json::Api;
use crate::model::ids::Word;
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};

/// Traces of one answer.
const MOST: usize = 50;

/// What keeps the traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    Jaeger,
    Tempo,
}

/// A server of the config, and the services that may be asked for.
#[derive(Debug, Clone)]
pub struct Traces {
    pub api: Api,
    pub flavour: Flavour,
    pub services: Vec<Word>,
}

/// One trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub id: Tainted,
    /// What it began with: `GET /photos`.
    pub root: Tainted,
    pub took: Span,
    pub failed: bool,
    /// The span that failed, or took longest beside the root: service and operation.
    pub worst: Tainted,
}

#[derive(Deserialize)]
struct Found {
    data: Option<Vec<JaegerTrace>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JaegerTrace {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(default)]
    spans: Vec<JaegerSpan>,
    #[serde(default)]
    processes: BTreeMap<String, Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JaegerSpan {
    operation_name: String,
    /// Microseconds since 1970.
    start_time: i64,
    /// Microseconds.
    duration: i64,
    #[serde(default, rename = "processID")]
    process_id: String,
    #[serde(default)]
    references: Vec<Json>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    #[serde(default)]
    service_name: String,
}

#[derive(Deserialize)]
struct Searched {
    #[serde(default)]
    traces: Vec<TempoTrace>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TempoTrace {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(default)]
    root_service_name: String,
    #[serde(default)]
    root_trace_name: String,
    #[serde(default)]
    duration_ms: i64,
}

impl Traces {
    /// How many services it knows; a Tempo only says that it is there.
    pub async fn answers(&self) -> Result<Option<usize>, NoAnswer> {
        match self.flavour {
            Flavour::Jaeger => {
                #[derive(Deserialize)]
                struct Services {
                    data: Option<Vec<String>>,
                }
                let Services { data } = self.api.get("api/services", &[]).await?;
                Ok(Some(data.map_or(0, |all| all.len())))
            }
            Flavour::Tempo => {
                let answer = self.api.answer("ready", &[], Vec::new()).await?;
                match answer.status {
                    200 => Ok(None),
                    401 | 403 => Err(NoAnswer::Denied(format!("it answers {}", answer.status))),
                    status => Err(NoAnswer::Busy(format!("it answers {status}"))),
                }
            }
        }
    }

    /// The newest traces of a service, the failed ones first, then the slowest.
    pub async fn search(
        &self,
        service: &Word,
        since: Span,
        now: Millis,
    ) -> Result<Vec<Trace>, NoAnswer> {
        let mut found = match self.flavour {
            Flavour::Jaeger => self.jaeger(service, since, now).await?,
            Flavour::Tempo => self.tempo(service, since, now).await?,
        };
        found.sort_by_key(|trace| (!trace.failed, std::cmp::Reverse(trace.took)));
        Ok(found)
    }

    async fn jaeger(
        &self,
        service: &Word,
        since: Span,
        now: Millis,
    ) -> Result<Vec<Trace>, NoAnswer> {
        let micros = |at: Millis| at.0.saturating_mul(1_000).to_string();
        let asked = [
            ("service", service.to_string()),
            ("start", micros(now - since)),
            ("end", micros(now)),
            ("limit", MOST.to_string()),
        ];
        let Found { data } = self.api.get("api/traces", &asked).await?;
        Ok(data.unwrap_or_default().iter().take(MOST).filter_map(of_jaeger).collect())
    }

    /// Tempo's answer does not say which failed: it is asked twice.
    async fn tempo(
        &self,
        service: &Word,
        since: Span,
        now: Millis,
    ) -> Result<Vec<Trace>, NoAnswer> {
        let seconds = |at: Millis| at.0.div_euclid(1_000).to_string();
        let mut all: BTreeMap<String, Trace> = BTreeMap::new();
        for (failed, also) in [(false, ""), (true, " && status = error")] {
            let asked = [
                ("q", format!("{{ resource.service.name = \"{service}\"{also} }}")),
                ("start", seconds(now - since)),
                ("end", seconds(now)),
                ("limit", MOST.to_string()),
            ];
            let Searched { traces } = self.api.get("api/search", &asked).await?;
            for one in traces.into_iter().take(MOST) {
                let root = format!("{} {}", one.root_service_name, one.root_trace_name);
                let trace = Trace {
                    id: Tainted::bounded(&one.trace_id, 40),
                    root: Tainted::bounded(root.trim(), 120),
                    took: Span(one.duration_ms.max(0)),
                    failed,
                    worst: Tainted::default(),
                };
                all.insert(one.trace_id, trace);
            }
        }
        Ok(all.into_values().collect())
    }
}

fn of_jaeger(trace: &JaegerTrace) -> Option<Trace> {
    let named = |span: &JaegerSpan| {
        let process = trace.processes.get(&span.process_id);
        let service = process.map_or("", |process| process.service_name.as_str());
        Tainted::bounded(format!("{service} {}", span.operation_name).trim(), 120)
    };
    let is_root = |span: &&JaegerSpan| span.references.is_empty();
    let root = trace.spans.iter().find(is_root).or(trace.spans.first())?;
    let failed = |span: &JaegerSpan| {
        let says = |tag: &Tag| tag.key == "error" && !matches!(tag.value, Json::Bool(false));
        span.tags.iter().any(says)
    };
    // The deepest failure is the one that began last.
    let broken = trace.spans.iter().filter(|span| failed(span)).max_by_key(|span| span.start_time);
    let slow = trace.spans.iter().filter(|span| !is_root(span)).max_by_key(|span| span.duration);
    Some(Trace {
        id: Tainted::bounded(&trace.trace_id, 40),
        root: named(root),
        took: Span((root.duration / 1_000).max(0)),
        failed: broken.is_some(),
        worst: broken.or(slow).map(named).unwrap_or_default(),
    })
}
