//! What real chat APIs refuse, as one check of a request against the one before it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::exam::model::Request;
use crate::model::chat::Turn;

/// Holds a request against the rules; `before` is the request before it, of whatever conversation.
/// The error says which rule was broken, as a provider's 400 would.
pub fn check(request: &Request, before: Option<&Request>) -> Result<(), String> {
    if request.system.trim().is_empty() {
        return Err("the system prompt is empty".into());
    }
    check_tools(request)?;
    check_turns(&request.turns)?;
    // A conversation that goes on: what was said stays said, and the definitions stay byte for byte.
    match before {
        Some(before) if 1 < request.turns.len() => check_prefix(request, before),
        Some(_) | None => Ok(()),
    }
}

fn check_tools(request: &Request) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for card in &request.tools {
        if !is_name(&card.name) {
            return Err(format!(
                "tool name {:?} does not match ^[a-zA-Z0-9_-]{{1,64}}$",
                card.name
            ));
        }
        if !names.insert(&card.name) {
            return Err(format!("tool {} is defined twice", card.name));
        }
        if card.parameters.get("type").and_then(Json::as_str) != Some("object") {
            return Err(format!("the parameters of {} are no object schema", card.name));
        }
        let required = card.parameters.get("required").and_then(Json::as_array);
        let properties = card.parameters.get("properties").and_then(Json::as_object);
        for name in required.into_iter().flatten().filter_map(Json::as_str) {
            if properties.is_none_or(|properties| !properties.contains_key(name)) {
                return Err(format!("{} requires {name}, which it does not define", card.name));
            }
        }
    }
    Ok(())
}

/// Whether a provider takes this as the name of a tool.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

/// The calls that still wait for their result, by id.
type Open = BTreeMap<String, String>;

fn check_turns(turns: &[Turn]) -> Result<(), String> {
    let mut open = Open::new();
    let mut last = "";
    for (at, turn) in turns.iter().enumerate() {
        match turn {
            Turn::User { text } => {
                check_closed(&open, at)?;
                if last == "user" || text.trim().is_empty() {
                    return Err(format!("turn {at}: two user turns in a row, or an empty one"));
                }
                last = "user";
            }
            Turn::Assistant { raw } => {
                check_closed(&open, at)?;
                if !matches!(last, "user" | "result") {
                    return Err(format!("turn {at}: an assistant turn answers a user or a tool"));
                }
                open = calls(raw, at)?;
                last = "assistant";
            }
            Turn::ToolResult { call_id, name, .. } => {
                let wanted = open.remove(call_id);
                if wanted.as_ref() != Some(name) {
                    return Err(format!(
                        "turn {at}: a result for {call_id}, which was not called so"
                    ));
                }
                last = "result";
            }
        }
    }
    check_closed(&open, turns.len())?;
    match last {
        "user" | "result" => Ok(()),
        _ => Err("the last turn is neither the user's nor a result".into()),
    }
}

fn check_closed(open: &Open, at: usize) -> Result<(), String> {
    match open.keys().next() {
        None => Ok(()),
        Some(id) => Err(format!("turn {at}: call {id} has no result")),
    }
}

/// The calls of an assistant's turn, in the OpenAI-compatible dialect.
fn calls(raw: &Json, at: usize) -> Result<Open, String> {
    let mut open = Open::new();
    let calls = raw.get("tool_calls").and_then(Json::as_array);
    for call in calls.into_iter().flatten() {
        let id = call.get("id").and_then(Json::as_str).unwrap_or_default();
        let name = call.pointer("/function/name").and_then(Json::as_str).unwrap_or_default();
        if id.is_empty() || !is_name(name) {
            return Err(format!("turn {at}: a call without id, or with a bad name"));
        }
        if open.insert(id.to_owned(), name.to_owned()).is_some() {
            return Err(format!("turn {at}: two calls have the id {id}"));
        }
    }
    Ok(open)
}

fn check_prefix(request: &Request, before: &Request) -> Result<(), String> {
    if request.system != before.system {
        return Err("the system prompt changed within a conversation".into());
    }
    if request.tools != before.tools {
        return Err("the tool definitions changed within a conversation".into());
    }
    if !request.turns.starts_with(&before.turns) || request.turns.len() == before.turns.len() {
        return Err("earlier turns changed, or nothing was added".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exam::model::reply;
    use crate::model::chat::ToolCard;

    fn user(text: &str) -> Turn {
        Turn::User { text: text.into() }
    }

    fn called() -> Turn {
        Turn::Assistant { raw: reply(0, "", &[("look".into(), json!({}))]).raw }
    }

    fn result(call_id: &str, name: &str) -> Turn {
        Turn::ToolResult { call_id: call_id.into(), name: name.into(), text: "x".into(), ok: true }
    }

    fn request(turns: Vec<Turn>) -> Request {
        let parameters = json!({"type": "object", "properties": {}, "required": []});
        let card = ToolCard { name: "look".into(), description: String::new(), parameters };
        Request { system: "s".into(), turns, tools: vec![card] }
    }

    #[test]
    fn what_real_apis_refuse_is_refused() {
        let cases = [
            (vec![user("a")], ""),
            (vec![user("a"), called(), result("call_0_0", "look")], ""),
            (vec![], "the last turn"),
            (vec![user(" ")], "empty one"),
            (vec![user("a"), user("b")], "two user turns"),
            (vec![called(), result("call_0_0", "look")], "answers a user"),
            (vec![user("a"), called()], "has no result"),
            (vec![user("a"), called(), user("b")], "has no result"),
            (vec![user("a"), called(), result("call_9_9", "look")], "not called so"),
            (vec![user("a"), called(), result("call_0_0", "other")], "not called so"),
            (vec![user("a"), result("call_0_0", "look")], "not called so"),
            (
                vec![user("a"), called(), result("call_0_0", "look"), result("call_0_0", "look")],
                "not called so",
            ),
        ];
        for (turns, want) in cases {
            let got = check(&request(turns.clone()), None);
            match want {
                "" => assert_eq!(got, Ok(()), "{turns:?}"),
                want => assert!(got.clone().unwrap_err().contains(want), "{turns:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_conversation_only_grows() {
        let first = request(vec![user("a")]);
        let longer = |text: &str| request(vec![user(text), called(), result("call_0_0", "look")]);
        assert_eq!(check(&longer("a"), Some(&first)), Ok(()));
        assert!(check(&longer("b"), Some(&first)).unwrap_err().contains("earlier turns"));
        let mut other = longer("a");
        other.tools[0].description.push('x');
        assert!(check(&other, Some(&first)).unwrap_err().contains("definitions"));
    }
}
