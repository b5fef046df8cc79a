//! The dialect against a service on loopback.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value as Json, json};

use super::*;
use crate::clients::http::loopback::{nobody, serve};
use crate::model::chat::Usage;

/// What the real API refuses with a 400, in its words.
fn refused(body: &Json) -> Result<(), String> {
    body["model"].as_str().filter(|m| !m.is_empty()).ok_or("you must provide a model parameter")?;
    if body.get("tools").is_some_and(|t| t.as_array().is_none_or(Vec::is_empty)) {
        return Err("[] is too short - 'tools'".into());
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        if tool["type"] != "function" || tool["function"]["parameters"]["type"] != "object" {
            return Err("invalid schema for function".into());
        }
    }
    let messages =
        body["messages"].as_array().filter(|m| !m.is_empty()).ok_or("[] is too short")?;
    let mut open: BTreeSet<String> = BTreeSet::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or("");
        if role == "tool" {
            let id = message["tool_call_id"]
                .as_str()
                .ok_or(format!("messages.[{at}]: missing tool_call_id"))?;
            if !open.remove(id) {
                return Err("messages with role 'tool' must be a response to a preceding message with 'tool_calls'".into());
            }
            if !message["content"].is_string() {
                return Err(format!("messages.[{at}]: invalid content"));
            }
            continue;
        }
        if !open.is_empty() {
            return Err(
                "an assistant message with 'tool_calls' must be followed by tool messages".into()
            );
        }
        match role {
            "system" | "user" if message["content"].is_string() => {}
            "assistant" => {
                let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
                if calls.is_empty() && !message["content"].is_string() {
                    return Err(format!("messages.[{at}]: expected content or tool_calls"));
                }
                for call in calls {
                    if call["type"] != "function" || !call["function"]["arguments"].is_string() {
                        return Err(format!("messages.[{at}]: invalid tool call"));
                    }
                    open.insert(call["id"].as_str().ok_or("a call without an id")?.to_owned());
                }
            }
            _ => return Err(format!("invalid role or content at messages.[{at}]: {role:?}")),
        }
    }
    match open.is_empty() {
        true => Ok(()),
        false => {
            Err("an assistant message with 'tool_calls' must be followed by tool messages".into())
        }
    }
}

type Asked = Arc<Mutex<Vec<Json>>>;

/// A service that answers `reply` to whatever the real one would take, with the key `sk-1`.
async fn service(status: u16, reply: Json) -> (OpenAi, Asked, tokio::task::JoinSet<()>) {
    let asked = Asked::default();
    let keep = Arc::clone(&asked);
    let app = Router::new().route(
        "/v1/chat/completions",
        post(move |headers: HeaderMap, axum::Json(body): axum::Json<Json>| async move {
            let error = |code: u16, words: &str| {
                (
                    StatusCode::from_u16(code).unwrap(),
                    json!({ "error": { "message": words } }).to_string(),
                )
            };
            if headers.get("authorization").and_then(|v| v.to_str().ok()) != Some("Bearer sk-1") {
                return error(401, "Incorrect API key provided: sk-wrong");
            }
            if let Err(words) = refused(&body) {
                return error(400, &words);
            }
            keep.lock().unwrap().push(body);
            let text = reply.as_str().map_or_else(|| reply.to_string(), str::to_owned);
            (StatusCode::from_u16(status).unwrap(), text)
        }),
    );
    let (base, tasks) = serve(app).await;
    (model(&base, "sk-1"), asked, tasks)
}

fn model(base: &str, key: &str) -> OpenAi {
    let settings = Settings {
        url: WebUrl::parse(&format!("{base}/v1")).unwrap(),
        name: "qwen3:8b".into(),
        key: None,
        timeout: Span::secs(5),
        max_output: 900,
    };
    OpenAi::new(settings, Some(SecretString::from(key.to_owned())), Http::new())
}

fn card() -> ToolCard {
    ToolCard {
        name: "disk_usage".into(),
        description: "What fills a path".into(),
        parameters: json!({ "type": "object", "properties": { "path": { "type": "string" } } }),
    }
}

fn user() -> Turn {
    Turn::User { text: "disk mini:/ is red".into() }
}

fn calling() -> Json {
    json!({
        "choices": [{ "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": null, "reasoning": { "signature": "abc==" },
            "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "disk_usage", "arguments": "{\"path\":\"/\"}" } },
                { "id": "c2", "type": "function", "function": { "name": "disk_usage", "arguments": "{\"path\":" } },
            ],
        } }],
        "usage": { "prompt_tokens": 120, "completion_tokens": 30 },
    })
}

#[tokio::test]
async fn a_conversation_with_tools_is_one_that_the_real_api_takes() {
    let (model, asked, _tasks) = service(200, calling()).await;
    let reply = model.reply("be calm", &[user()], &[card()]).await.unwrap();
    assert_eq!(reply.usage, Usage { input: 120, output: 30 });
    assert_eq!(reply.calls[0].arguments, json!({ "path": "/" }));
    assert_eq!(reply.calls[1].arguments, Json::Null, "arguments that are no JSON");
    assert_eq!(reply.raw["reasoning"]["signature"], "abc==");

    let result = |id: &str| Turn::ToolResult {
        call_id: id.into(),
        name: "disk_usage".into(),
        text: "/var/log 9 GiB".into(),
        ok: true,
    };
    let assistant = Turn::Assistant { raw: reply.raw.clone() };
    let turns = [user(), assistant.clone(), result("c1"), result("c2")];
    model.reply("be calm", &turns, &[card()]).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked[1]["messages"][2], reply.raw, "what the model said goes back verbatim");
    assert_eq!(asked[1]["messages"][0]["role"], "system");
    assert_eq!(asked[0]["tools"], asked[1]["tools"]);
    assert_eq!(asked[0]["max_tokens"], 900);

    // The fake is as strict as the real one: what breaks the rules is told as rejected.
    for turns in [
        vec![user(), result("c1")],
        vec![user(), assistant.clone(), result("c1")],
        vec![user(), assistant.clone(), result("c1"), result("c9")],
        vec![user(), Turn::Assistant { raw: json!({ "role": "robot" }) }],
    ] {
        let told = model.reply("be calm", &turns, &[card()]).await;
        assert!(
            matches!(&told, Err(ModelError::Rejected(why)) if why.starts_with("400: ")),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn without_tools_none_are_offered() {
    let plain = json!({ "choices": [{ "message": { "role": "assistant", "content": [{ "type": "text", "text": "hm" }] } }] });
    let (model, asked, _tasks) = service(200, plain).await;
    let reply = model.reply("be calm", &[user()], &[]).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.calls.len(), reply.usage), ("hm", 0, Usage::default()));
    assert!(asked.lock().unwrap()[0].get("tools").is_none());
}

#[tokio::test]
async fn a_call_without_an_id_gets_one_that_its_result_can_name() {
    let bare = json!({ "choices": [{ "message": { "role": "assistant", "content": "", "tool_calls": [
        { "function": { "name": "disk_usage", "arguments": { "path": "/" } } },
    ] } }] });
    let (model, ..) = service(200, bare).await;
    let body = json!({ "choices": [{ "message": { "role": "assistant", "tool_calls": [
        { "function": { "name": "disk_usage", "arguments": { "path": "/" } } }, { "id": "", "function": { "name": "x" } },
    ] } }] });
    let reply = dialect::reply(body.to_string().as_bytes()).unwrap();
    assert_eq!((reply.calls[0].id.as_str(), reply.calls[1].id.as_str()), ("call_1", "call_2"));
    assert_eq!(reply.raw["tool_calls"][0]["id"], "call_1");
    assert_eq!(reply.calls[0].arguments, json!({ "path": "/" }));
    assert_eq!(model.name(), "qwen3:8b");
}

#[tokio::test]
async fn each_failure_has_its_class() {
    let down = |e: &ModelError| matches!(e, ModelError::Down(_));
    let rejected = |e: &ModelError| matches!(e, ModelError::Rejected(_));
    let malformed = |e: &ModelError| matches!(e, ModelError::Malformed(_));
    let slow = |e: &ModelError| *e == ModelError::Slow;
    type Is = fn(&ModelError) -> bool;
    let cases: [(u16, Json, Is); 14] = [
        (500, json!({ "error": { "message": "oops" } }), down),
        (503, json!("<html>"), down),
        (429, json!({ "error": { "message": "slow down" } }), down),
        (504, json!(""), slow),
        (403, json!({ "error": "no" }), rejected),
        (404, json!({ "detail": "no such model" }), rejected),
        (302, json!(""), rejected),
        (200, json!("no json"), malformed),
        (200, json!({}), malformed),
        (200, json!({ "choices": [] }), malformed),
        (200, json!({ "choices": [{ "message": { "role": "user", "content": "x" } }] }), malformed),
        (
            200,
            json!({ "choices": [{ "message": { "role": "assistant", "tool_calls": [{ "id": "a" }] } }] }),
            malformed,
        ),
        (200, json!({ "error": { "code": 502, "message": "upstream" } }), down),
        (200, json!({ "error": { "code": 400, "message": "bad" } }), rejected),
    ];
    for (status, body, is) in cases {
        let (model, _asked, _tasks) = service(status, body.clone()).await;
        let error = model.reply("be calm", &[user()], &[]).await.unwrap_err();
        assert!(is(&error), "{status} {body}: {error:?}");
    }
    let gone = model(&nobody().await, "sk-1").reply("be calm", &[user()], &[]).await;
    assert!(matches!(gone, Err(ModelError::Down(why)) if why.contains("refused")));
}

#[tokio::test]
async fn a_model_that_hangs_is_slow_and_a_wrong_key_is_not_repeated() {
    let (base, _hanging) = serve(Router::new().fallback(std::future::pending::<()>)).await;
    let mut hanging = model(&base, "sk-1");
    hanging.settings.timeout = Span(80);
    assert_eq!(hanging.reply("be calm", &[user()], &[]).await, Err(ModelError::Slow));

    let (right, _asked, _tasks) = service(200, calling()).await;
    let base = right.settings.url.to_string();
    let wrong = model(base.trim_end_matches("/v1"), "sk-wrong");
    let told = wrong.reply("be calm", &[user()], &[]).await;
    let want = "401: Incorrect API key provided: [redacted]";
    assert_eq!(told, Err(ModelError::Rejected(want.into())));
    assert!(!format!("{wrong:?}").contains("sk-wrong"));
}
