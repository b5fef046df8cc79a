//! MCP servers: what each offers, and calls of it. Started on first use, ended when idle.
//!
//! What a server says of itself is its own claim: its descriptions are text from outside, its annotations
//! are hints for the operator. Nothing of it sets a tier, and a tool whose description is not the one that
//! the operator accepted is not called.

pub mod host;
mod line;
mod live;
pub mod offered;
pub mod settings;
mod wrap;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, ContentBlock,
    ListToolsRequest, PaginatedRequestParams, ServerResult,
};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use crate::Fut;
use crate::clients::mcp::line::Line;
use crate::clients::mcp::live::Live;
use crate::clients::mcp::offered::Offered;
use crate::clients::mcp::settings::{ReadTool, Ready};
use crate::gate::permit::Permit;
use crate::model::audit::Ran;
use crate::model::digest::Digest;
use crate::model::ids::Word;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// More tools than this are not read of one server.
const MOST_TOOLS: usize = 500;
/// What is kept of an answer for people and models, in characters.
const KEPT: usize = 16_000;
/// What the record of a call keeps of its answer.
const EXCERPT: usize = 500;
/// Where it is written down what servers offered and what of it the operator accepted.
pub trait Book: Send + Sync + fmt::Debug {
    /// Writes down what a server offers now. Answers the accepted digest of each tool that has one.
    fn seen<'a>(
        &'a self,
        server: &'a str,
        offered: &'a [Offered],
    ) -> Fut<'a, Result<BTreeMap<String, Digest>, String>>;
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Redacted, bounded.
    pub words: Tainted,
    pub says: Says,
}

/// Whether the tool says that it worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    Worked,
    Failed,
}

/// As it came: neither redacted nor bounded beyond the transport. For typed parsing only.
struct RawAnswer {
    text: String,
    says: Says,
}

/// Why a call brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// Provably not sent.
    NotSent(String),
    /// The server answered that it does not do it.
    Refused(String),
    /// Sent, and no answer came in time: it may go on there.
    TimedOut(Span),
    /// Sent, and then the connection broke.
    Lost(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) | Self::Refused(why) => f.write_str(why),
            Self::TimedOut(after) => {
                write!(f, "no answer came within {after}; the connection was ended")
            }
            Self::Lost(why) => write!(f, "the server was lost while it worked: {why}"),
        }
    }
}

/// One server of the config. Nothing is started before it is first asked.
pub struct Server {
    line: Line,
    redactor: Arc<Redactor>,
    book: Arc<dyn Book>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mcp server {}", self.line.ready.settings.name)
    }
}

impl Server {
    pub fn new(ready: Ready, redactor: Arc<Redactor>, book: Arc<dyn Book>) -> Self {
        Self { line: Line::new(ready, Arc::clone(&redactor)), redactor, book }
    }

    pub fn name(&self) -> &Word {
        &self.line.ready.settings.name
    }

    pub fn settings(&self) -> &settings::Settings {
        &self.line.ready.settings
    }

    /// What it offers now, written down for the operator to look at.
    pub async fn look(&self) -> Result<Vec<Offered>, String> {
        let (_, offered) = self.offers().await?;
        self.book.seen(self.name().as_str(), &offered).await?;
        Ok(offered)
    }

    /// The tool as it is offered now, if that is what the operator accepted.
    pub async fn accepted(&self, tool: &str) -> Result<Offered, String> {
        self.found(tool).await.map(|(_, found)| found)
    }

    /// All tools as they are offered now that the operator accepted so.
    pub async fn accepted_tools(&self) -> Result<Vec<Offered>, String> {
        let (_, offered) = self.offers().await?;
        let accepted = self.book.seen(self.name().as_str(), &offered).await?;
        let is_it = |one: &Offered| accepted.get(&one.name) == Some(&one.digest);
        Ok(offered.into_iter().filter(is_it).collect())
    }

    /// Calls a tool that the config says only reads; once more where the server was lost.
    pub async fn read(
        &self,
        tool: &ReadTool,
        arguments: &Map<String, Json>,
    ) -> Result<Answer, CallError> {
        let mut said = self.send(tool.name(), arguments, None).await;
        if let Err(CallError::Lost(_)) = said {
            said = self.send(tool.name(), arguments, None).await;
        }
        Ok(self.clean(&said?))
    }

    /// Calls any tool, if its description is still the one that was previewed.
    pub async fn call(
        &self,
        permit: &Permit,
        tool: &str,
        arguments: &Map<String, Json>,
        previewed: Digest,
    ) -> Result<Answer, CallError> {
        let said = self.send(tool, arguments, Some(previewed)).await;
        let said = said.map(|raw| self.clean(&raw));
        permit.note(self.ran(tool, arguments, &said));
        said
    }

    fn ran(
        &self,
        tool: &str,
        arguments: &Map<String, Json>,
        said: &Result<Answer, CallError>,
    ) -> Ran {
        let given = Json::Object(arguments.clone()).to_string();
        let argv =
            vec![format!("mcp:{}/{tool}", self.name()), self.redactor.redact(&given).into_owned()];
        match said {
            Ok(answer) => Ran {
                argv,
                code: None,
                output_digest: Some(Digest::of(answer.words.as_str().as_bytes())),
                output_excerpt: answer.words.as_str().chars().take(EXCERPT).collect(),
            },
            Err(why) => {
                let output_excerpt = why.to_string().chars().take(EXCERPT).collect();
                Ran { argv, code: None, output_digest: None, output_excerpt }
            }
        }
    }

    fn clean(&self, raw: &RawAnswer) -> Answer {
        Answer { words: Tainted::bounded(&self.redactor.redact(&raw.text), KEPT), says: raw.says }
    }

    /// What it offers now. A connection that stood while the server went away is made anew once.
    async fn offers(&self) -> Result<(Arc<Live>, Vec<Offered>), String> {
        let live = self.line.live().await?;
        let listed = match self.list(&live).await {
            Err(CallError::Lost(_) | CallError::NotSent(_)) => {
                self.line.leave(&live).await;
                let live = self.line.live().await?;
                self.list(&live).await.map(|offered| (live, offered))
            }
            other => other.map(|offered| (live, offered)),
        };
        listed.map_err(|why| format!("mcp:{}: {why}", self.name()))
    }

    async fn found(&self, tool: &str) -> Result<(Arc<Live>, Offered), String> {
        let server = self.name();
        let (live, offered) = self.offers().await?;
        let accepted = self.book.seen(server.as_str(), &offered).await?;
        let Some(found) = offered.into_iter().find(|offered| offered.name == tool) else {
            return Err(format!(
                "mcp:{server} offers no tool {tool}; `reef tools` shows what it does"
            ));
        };
        match accepted.get(tool) {
            Some(digest) if *digest == found.digest => Ok((live, found)),
            Some(_) => Err(format!(
                "mcp:{server}/{tool} is not described as it was when it was accepted: look at it with \
                 `reef tools show mcp:{server}/{tool}`, then `reef tools accept mcp:{server}/{tool}`"
            )),
            None => Err(format!(
                "mcp:{server}/{tool} was never accepted: look at it with `reef tools show \
                 mcp:{server}/{tool}`, then `reef tools accept mcp:{server}/{tool}`"
            )),
        }
    }

    async fn list(&self, live: &Arc<Live>) -> Result<Vec<Offered>, CallError> {
        let deadline = Instant::now() + self.line.ready.settings.timeout.duration();
        let mut all: BTreeMap<String, Offered> = BTreeMap::new();
        let mut cursor = None;
        loop {
            let params = PaginatedRequestParams::default().with_cursor(cursor.take());
            // Not by the library's own listing, which may answer from its cache.
            let request = ListToolsRequest::with_param(params);
            let came =
                self.line.ask(live, ClientRequest::ListToolsRequest(request), deadline).await?;
            let ServerResult::ListToolsResult(page) = came else {
                return Err(CallError::Refused("it did not answer with a list of tools".into()));
            };
            for tool in &page.tools {
                // A name that no target can have is none that anybody could call.
                if let Some(one) = Offered::of(tool, &self.redactor)
                    && all.len() < MOST_TOOLS
                {
                    all.insert(one.name.clone(), one);
                }
            }
            cursor = page.next_cursor;
            if cursor.is_none() || page.tools.is_empty() || MOST_TOOLS <= all.len() {
                return Ok(all.into_values().collect());
            }
        }
    }

    /// Sends a call of an accepted tool.
    async fn send(
        &self,
        tool: &str,
        arguments: &Map<String, Json>,
        previewed: Option<Digest>,
    ) -> Result<RawAnswer, CallError> {
        let (live, found) = self.found(tool).await.map_err(CallError::NotSent)?;
        if previewed.is_some_and(|previewed| previewed != found.digest) {
            return Err(CallError::NotSent(format!(
                "mcp:{}/{tool} is described otherwise than when this was planned",
                self.name()
            )));
        }
        self.send_over(&live, tool, arguments, self.line.ready.settings.timeout).await
    }

    /// Carries a command of the host that this server is the way to: judged and noted by [`host::McpHost`].
    async fn carry(
        &self,
        tool: &str,
        arguments: &Map<String, Json>,
        timeout: Span,
    ) -> Result<RawAnswer, CallError> {
        let (live, _) = self.found(tool).await.map_err(CallError::NotSent)?;
        self.send_over(&live, tool, arguments, timeout).await
    }

    async fn send_over(
        &self,
        live: &Arc<Live>,
        tool: &str,
        arguments: &Map<String, Json>,
        timeout: Span,
    ) -> Result<RawAnswer, CallError> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments.clone());
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let deadline = Instant::now() + timeout.duration();
        match self.line.ask(live, request, deadline).await {
            Ok(ServerResult::CallToolResult(result)) => Ok(answer(&result)),
            Ok(_) => Err(CallError::Refused(
                "it wants more than it was given, which reef does not do".into(),
            )),
            Err(CallError::TimedOut(_)) => Err(CallError::TimedOut(timeout)),
            Err(why) => Err(why),
        }
    }
}

fn answer(result: &CallToolResult) -> RawAnswer {
    let mut text = String::new();
    for block in &result.content {
        if !text.is_empty() {
            text.push('\n');
        }
        if let ContentBlock::Text(said) = block {
            text.push_str(&said.text);
        } else if let ContentBlock::Image(image) = block {
            text.push_str(&format!("({}, {} bytes)", image.mime_type, image.data.len()));
        } else {
            // Sound, and what lies elsewhere: nothing that reef could read.
            text.push_str("(content that is no text)");
        }
    }
    if let (true, Some(structured)) = (text.is_empty(), &result.structured_content) {
        text = structured.to_string();
    }
    let says = if result.is_error == Some(true) { Says::Failed } else { Says::Worked };
    RawAnswer { text, says }
}

/// The servers of the config, by name.
pub type Servers = BTreeMap<Word, Arc<Server>>;

#[cfg(test)]
mod tests;
