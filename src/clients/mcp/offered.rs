//! A tool as its server describes it: text from outside, with a digest over all of it.

use rmcp::model::Tool;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::digest::{Canonical, Digest};
use crate::model::ids::{HostName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::value::table_bytes;
use crate::policy::redact::Redactor;

/// What is kept of a description and of a schema, in characters; the digest is over the whole.
const LONGEST: usize = 8_000;

/// One tool of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    pub name: String,
    pub description: Tainted,
    /// The JSON schema of its arguments, as text.
    pub schema: Tainted,
    /// What the server claims of it: `only reads`, `destroys`. For the operator's eyes, and for nothing else.
    pub hints: Vec<String>,
    pub digest: Digest,
}

impl Offered {
    /// `None` for a name that no target can have.
    pub(super) fn of(tool: &Tool, redactor: &Redactor) -> Option<Self> {
        let named = format!("any/{}", tool.name);
        Target::new(HostName::of("any"), Thing::Mcp, &named).ok()?;
        let description = tool.description.as_deref().unwrap_or_default();
        let schema = Json::Object((*tool.input_schema).clone()).to_string();
        let clean = |text: &str| Tainted::bounded(&redactor.redact(text), LONGEST);
        Some(Self {
            name: tool.name.to_string(),
            description: clean(description),
            schema: clean(&schema),
            hints: hints(tool),
            digest: digest(tool),
        })
    }

    /// The tool as a runbook names it: `mcp:files/read_file`.
    pub fn full_name(&self, server: &Word) -> String {
        format!("mcp:{server}/{}", self.name)
    }
}

/// Over all that a model or a human may go by.
fn digest(tool: &Tool) -> Digest {
    let all = serde_json::to_value(tool).unwrap_or_default();
    match all.as_object() {
        Some(all) => table_bytes(Canonical::new("mcp tool"), all).finish(),
        None => Canonical::new("mcp tool").text(&tool.name).finish(),
    }
}

fn hints(tool: &Tool) -> Vec<String> {
    let Some(claims) = &tool.annotations else { return Vec::new() };
    let words = [
        (claims.read_only_hint, "only reads", "changes something"),
        (claims.destructive_hint, "destroys", "destroys nothing"),
        (claims.idempotent_hint, "twice is as once", "twice is not as once"),
        (claims.open_world_hint, "reaches the world", "stays within its own"),
    ];
    let said = words.into_iter().filter_map(|(claim, yes, no)| Some(if claim? { yes } else { no }));
    said.map(str::to_owned).collect()
}
