//! A model that plays a script.
//!
//! It keeps what it was asked and holds each request against the rules that real APIs enforce, so that
//! a conversation which a provider would refuse is refused here too.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};

use crate::Fut;
use crate::exam::protocol;
use crate::llm::{Model, ModelError};
use crate::model::chat::{Reply, ToolCard, Turn, Usage, WantedCall};

/// One request as a model saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub system: String,
    pub turns: Vec<Turn>,
    pub tools: Vec<ToolCard>,
}

impl Request {
    pub fn new(system: &str, turns: &[Turn], tools: &[ToolCard]) -> Self {
        Self { system: system.to_owned(), turns: turns.to_vec(), tools: tools.to_vec() }
    }

    /// Every byte that would have left the house.
    pub fn bytes(&self) -> String {
        let turns = serde_json::to_string(&self.turns).unwrap_or_default();
        let tools = serde_json::to_string(&self.tools).unwrap_or_default();
        format!("{}\n{turns}\n{tools}", self.system)
    }
}

/// What the next reply is.
#[derive(Debug, Clone, PartialEq)]
pub enum Script {
    /// Calls, by tool and arguments.
    Calls(Vec<(String, Json)>),
    /// Words and no call.
    Text(String),
    /// Unreachable.
    Down,
    /// Never answers.
    Slow,
    /// Something that is no reply at all.
    Garbage,
    /// The key is wrong.
    Rejected,
    /// A reply as given: bad ids, odd names, any usage.
    Raw(Reply),
}

impl Script {
    /// One call.
    pub fn call(tool: &str, arguments: Json) -> Self {
        Self::Calls(vec![(tool.to_owned(), arguments)])
    }
}

/// What was asked so far, and which rules of the real APIs a request broke.
#[derive(Debug, Default)]
struct Record {
    requests: Vec<Request>,
    violations: Vec<String>,
}

/// A locked [`Record`]: a model is shared and answers through `&self`.
#[derive(Debug, Default)]
pub(in crate::exam) struct Recorder(Mutex<Record>);

impl Recorder {
    /// Keeps a request and refuses it as a provider would. Gives its number, from 0.
    pub(in crate::exam) fn take(&self, request: Request) -> Result<usize, ModelError> {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let checked = protocol::check(&request, record.requests.last());
        record.requests.push(request);
        match checked {
            Ok(()) => Ok(record.requests.len() - 1),
            Err(why) => {
                record.violations.push(why.clone());
                Err(ModelError::Rejected(why))
            }
        }
    }

    pub(in crate::exam) fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    pub(in crate::exam) fn violations(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).violations.clone()
    }
}

/// Plays its script, a reply to each request; the last one again and again.
#[derive(Debug)]
pub struct ScriptedModel {
    script: Vec<Script>,
    record: Recorder,
}

impl ScriptedModel {
    pub fn new(script: Vec<Script>) -> Self {
        Self { script, record: Recorder::default() }
    }

    /// What it was asked, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.record.requests()
    }

    /// What a real API would have refused.
    pub fn violations(&self) -> Vec<String> {
        self.record.violations()
    }

    async fn play(&self, request: Request) -> Result<Reply, ModelError> {
        let n = self.record.take(request)?;
        match self.script.get(n).or(self.script.last()) {
            None | Some(Script::Down) => Err(ModelError::Down("connection refused".into())),
            Some(Script::Slow) => std::future::pending().await,
            Some(Script::Garbage) => Err(ModelError::Malformed("no JSON: <html>".into())),
            Some(Script::Rejected) => Err(ModelError::Rejected("401: bad key".into())),
            Some(Script::Text(text)) => Ok(reply(n, text, &[])),
            Some(Script::Calls(calls)) => Ok(reply(n, "", calls)),
            Some(Script::Raw(reply)) => Ok(reply.clone()),
        }
    }
}

impl Model for ScriptedModel {
    fn name(&self) -> &str {
        "scripted"
    }

    fn reply<'a>(
        &'a self,
        system: &'a str,
        turns: &'a [Turn],
        tools: &'a [ToolCard],
    ) -> Fut<'a, Result<Reply, ModelError>> {
        Box::pin(self.play(Request::new(system, turns, tools)))
    }
}

/// A reply in the dialect of the OpenAI-compatible chat API; `n` keeps ids apart between replies.
pub fn reply(n: usize, text: &str, calls: &[(String, Json)]) -> Reply {
    let id = |at: usize| format!("call_{n}_{at}");
    let wanted = calls.iter().enumerate().map(|(at, (name, arguments))| WantedCall {
        id: id(at),
        name: name.clone(),
        arguments: arguments.clone(),
    });
    let raw_calls = calls.iter().enumerate().map(|(at, (name, arguments))| {
        let function = json!({"name": name, "arguments": arguments.to_string()});
        json!({"id": id(at), "type": "function", "function": function})
    });
    let raw = match calls {
        [] => json!({"role": "assistant", "content": text}),
        _ => {
            json!({"role": "assistant", "content": text, "tool_calls": raw_calls.collect::<Vec<_>>()})
        }
    };
    let usage = Usage { input: 900, output: 60 };
    Reply { raw, text: text.to_owned(), calls: wanted.collect(), usage }
}
