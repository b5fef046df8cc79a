//! The chat API's JSON: requests as it wants them, replies as they come.

use serde_json::{Value as Json, json};

use crate::llm::ModelError;
use crate::model::chat::{Reply, ToolCard, Turn, Usage, WantedCall};

/// How many tokens a reply may have, and whose service it is: OpenAI itself has another name for it.
#[derive(Debug)]
pub struct Limit<'a> {
    pub host: &'a str,
    pub tokens: u32,
}

/// The body of a request. An assistant's turn goes in as it came.
pub fn request(
    model: &str,
    limit: &Limit<'_>,
    system: &str,
    turns: &[Turn],
    tools: &[ToolCard],
) -> Json {
    let mut messages = vec![json!({ "role": "system", "content": system })];
    messages.extend(turns.iter().map(|turn| match turn {
        Turn::User { text } => json!({ "role": "user", "content": text }),
        Turn::Assistant { raw } => raw.clone(),
        Turn::ToolResult { call_id, text, .. } => {
            json!({ "role": "tool", "tool_call_id": call_id, "content": text })
        }
    }));
    let mut body = json!({ "model": model, "messages": messages, "stream": false });
    let field = match limit.host {
        "api.openai.com" => "max_completion_tokens",
        _ => "max_tokens",
    };
    body[field] = limit.tokens.into();
    // An empty list is refused by some services.
    if !tools.is_empty() {
        body["tools"] = tools
            .iter()
            .map(|tool| {
                json!({
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                })
            })
            .collect();
    }
    body
}

/// The reply in a body that came with a good status.
pub fn reply(body: &[u8]) -> Result<Reply, ModelError> {
    let malformed = |why: &str| ModelError::Malformed(why.to_owned());
    let json: Json =
        serde_json::from_slice(body).map_err(|e| malformed(&format!("it is no JSON: {e}")))?;
    if let Some(error) = json.get("error").filter(|error| !error.is_null()) {
        return Err(complained(error));
    }
    let choice = json.pointer("/choices/0").ok_or_else(|| malformed("it has no choices"))?;
    let mut raw = choice.get("message").cloned().ok_or_else(|| malformed("it has no message"))?;
    if raw.get("role").and_then(Json::as_str) != Some("assistant") {
        return Err(malformed("its message is not the assistant's"));
    }
    let calls = match raw.get_mut("tool_calls") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(calls)) => calls
            .iter_mut()
            .enumerate()
            .map(|(n, call)| wanted(n, call))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(malformed("its tool_calls are no list")),
    };
    let count = |name: &str| json.pointer(name).and_then(Json::as_u64).unwrap_or(0);
    let usage =
        Usage { input: count("/usage/prompt_tokens"), output: count("/usage/completion_tokens") };
    Ok(Reply { text: text(&raw), raw, calls, usage })
}

/// One call. A missing id is filled in where the call stands, because its result must name it.
fn wanted(n: usize, call: &mut Json) -> Result<WantedCall, ModelError> {
    let malformed = |why: &str| ModelError::Malformed(format!("tool call {}: {why}", n + 1));
    let name = call
        .pointer("/function/name")
        .and_then(Json::as_str)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| malformed("it names no function"))?
        .to_owned();
    let arguments = match call.pointer("/function/arguments") {
        // The API says text; some services send the object itself.
        Some(Json::String(text)) if text.trim().is_empty() => Json::Object(serde_json::Map::new()),
        Some(Json::String(text)) => serde_json::from_str(text).unwrap_or(Json::Null),
        Some(object @ Json::Object(_)) => object.clone(),
        Some(_) | None => Json::Null,
    };
    let given = call.get("id").and_then(Json::as_str).filter(|id| !id.is_empty());
    let id = match given {
        Some(id) => id.to_owned(),
        None => {
            let id = format!("call_{}", n + 1);
            let fields = call.as_object_mut().ok_or_else(|| malformed("it is no object"))?;
            fields.insert("id".into(), Json::String(id.clone()));
            fields.entry("type").or_insert_with(|| "function".into());
            id
        }
    };
    Ok(WantedCall { id, name, arguments })
}

/// The text of a message: a string, or a list of parts.
fn text(message: &Json) -> String {
    match message.get("content") {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Json::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        Some(_) | None => String::new(),
    }
}

/// An error in a body with a good status, as routers send it when the service behind them failed.
fn complained(error: &Json) -> ModelError {
    let words = message(error);
    match error.get("code").and_then(Json::as_u64) {
        Some(429 | 500..=599) => ModelError::Down(words),
        Some(408) => ModelError::Slow,
        Some(400..=499) => ModelError::Rejected(words),
        Some(_) | None => ModelError::Down(words),
    }
}

/// What a service says about a request that it refused.
pub fn complaint(body: &[u8]) -> String {
    match serde_json::from_slice::<Json>(body) {
        Ok(json) => message(json.get("error").unwrap_or(&json)),
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(1_000)]).into_owned(),
    }
}

/// `{"message": …}`, a bare text, or whatever it is.
fn message(error: &Json) -> String {
    let named = error.get("message").or_else(|| error.get("detail")).unwrap_or(error);
    named.as_str().map_or_else(|| named.to_string(), str::to_owned)
}
