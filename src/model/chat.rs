//! A conversation with a model, in no provider's dialect.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One turn. `raw` of an assistant's turn is replayed to the provider byte for byte: parts that
/// reef does not know (signed thinking) must survive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
pub enum Turn {
    User { text: String },
    Assistant { raw: Json },
    ToolResult { call_id: String, name: String, text: String, ok: bool },
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCard {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub parameters: Json,
}

/// A call that the model wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WantedCall {
    pub id: String,
    pub name: String,
    /// As the model wrote it; `Null` where it was no JSON.
    pub arguments: Json,
}

/// A model's reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// To be replayed verbatim as [`Turn::Assistant`].
    pub raw: Json,
    pub text: String,
    pub calls: Vec<WantedCall>,
    pub usage: Usage,
}

/// Tokens of one reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
}
