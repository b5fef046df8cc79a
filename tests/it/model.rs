//! The agent in the daemon: a service that speaks the chat API, takes one key and one model's name, and refuses
//! what the real one refuses.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::lab::{Home, Reef, write_log};
use crate::logs::Logs;

const KEY: &str = "sk-it-only-here";
const NAME: &str = "judge-1";

/// Needs judgement: its only step above low runs when it is picked.
const BOOK: &str = r#"+++
title    = "Disk full"
match    = { probe = "disk", severity = ["red"] }
leash    = "auto"
max_tier = "high"
tools    = ["disk.usage", "files.compress"]
roots    = [FOLDER]
attempts = 1
cooldown = "1s"
escalate = "page"
must_match     = [{ probe = "disk", severity = "red", target = "nas:/var", reason = "bytes" }]
must_not_match = [{ probe = "memory", severity = "red" }]
+++
# Disk full

Somebody has to judge whether these logs may be compressed.

```step
name  = "compress"
asked = true
tool  = "files.compress"
args  = { path = "reading.path" }
```

```ask
question = "{{ reading.target }} is nearly full: {{ reading.words }}. What should I do?"
options  = [{ say = "Compress the logs", steps = ["compress"] }, { say = "I will handle it" }]
```

```verify
within = "10s"
```
"#;

/// What the service answers next, and what it was asked.
#[derive(Default)]
struct Table {
    next: VecDeque<Json>,
    asked: Vec<Json>,
    refused: Vec<String>,
}

struct Service {
    port: u16,
    table: Arc<Mutex<Table>>,
    open: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Service {
    fn new(next: Vec<Json>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let table = Arc::new(Mutex::new(Table { next: next.into(), ..Table::default() }));
        let (open, shared) = (Arc::new(AtomicBool::new(true)), Arc::clone(&table));
        let still = Arc::clone(&open);
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !still.load(Ordering::SeqCst) {
                    return;
                }
                // One that was cut off is the other side's to tell.
                if let Ok(stream) = stream {
                    serve(&stream, &shared);
                }
            }
        });
        Self { port, table, open, serving: Some(serving) }
    }

    fn config(&self, home: &Home, key: &str) -> String {
        let file = home.path().join("key");
        std::fs::write(&file, key).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, private).unwrap();
        format!(
            "[model]\nopenai = {{ url = \"http://127.0.0.1:{}/v1\", name = \"{NAME}\", key_file = {file:?}, \
             timeout = \"5s\" }}\nprice = {{ input = 50.0, output = 100.0 }}\n",
            self.port
        )
    }

    fn asked(&self) -> Vec<Json> {
        self.table.lock().unwrap().asked.clone()
    }

    fn refused(&self) -> Vec<String> {
        self.table.lock().unwrap().refused.clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.open.store(false, Ordering::SeqCst);
        // Wakes the accept.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(serving) = self.serving.take() {
            serving.join().unwrap();
        }
    }
}

/// One request on one connection.
fn serve(stream: &TcpStream, table: &Mutex<Table>) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream);
    let (mut length, mut key, mut first) = (0, String::new(), String::new());
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => key = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, answer) = answer(&first, &key, &body, &mut table.lock().unwrap());
    let text = answer.to_string();
    let mut out = stream;
    write!(
        out,
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
    .ok()
}

fn answer(first: &str, key: &str, body: &[u8], table: &mut Table) -> (u16, Json) {
    let mut refuse = |status, why: &str| {
        table.refused.push(why.to_owned());
        (status, json!({ "error": { "message": why } }))
    };
    if !first.starts_with("POST /v1/chat/completions ") {
        return refuse(404, "no such route");
    }
    if key != format!("Bearer {KEY}") {
        return refuse(401, "Incorrect API key provided");
    }
    let Ok(body) = serde_json::from_slice::<Json>(body) else { return refuse(400, "no JSON") };
    if body["model"] != NAME {
        return refuse(404, "The model does not exist");
    }
    if let Err(why) = in_order(&body) {
        return refuse(400, &why);
    }
    let Some(next) = table.next.pop_front() else { return refuse(500, "nothing more to say") };
    let offered: Vec<&str> = body["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tool| tool["function"]["name"].as_str())
        .collect();
    let name = next["name"].as_str().unwrap();
    if !offered.contains(&name) {
        return refuse(500, &format!("the test wants {name}, offered are {offered:?}"));
    }
    table.asked.push(body);
    let id = format!("call_{}", table.asked.len());
    let function = json!({ "name": name, "arguments": next["arguments"].to_string() });
    let call = json!({ "id": id, "type": "function", "function": function });
    let message = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
    let usage = json!({ "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100 });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "tool_calls" });
    (200, json!({ "id": "c", "object": "chat.completion", "choices": [choice], "usage": usage }))
}

/// Each call of a tool is answered before anything else is said.
fn in_order(body: &Json) -> Result<(), String> {
    let mut open = BTreeSet::new();
    for message in body["messages"].as_array().ok_or("no messages")? {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().ok_or("missing tool_call_id")?;
            if !open.remove(id) {
                return Err(format!("{id} answers no call"));
            }
        } else if !open.is_empty() {
            return Err("tool_calls must be followed by tool messages".into());
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            open.insert(call["id"].as_str().ok_or("a call without an id")?);
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err("tool_calls must be followed by tool messages".into())
    }
}

/// A folder of logs that runs over, whose runbook needs judgement, and the service to ask.
fn stage(service: &Service, key: &str) -> Logs {
    let logs = Logs::new("auto");
    let config = service.config(&logs.home, key);
    let logs = logs.with(&config);
    let folder = format!("{:?}", logs.folder());
    let book = logs.home.path().join("runbooks/disk-full.md");
    std::fs::write(book, BOOK.replace("FOLDER", &folder)).unwrap();
    logs
}

fn pending(reef: &Reef) -> Json {
    reef.until("it asks", |reef| {
        reef.approvals().into_iter().find(|a| a["state"]["state"] == "pending")
    })
}

#[test]
fn a_model_looks_and_picks_and_only_a_yes_acts() {
    let service = Service::new(vec![
        json!({ "name": "disk_usage", "arguments": { "path": "E4" } }),
        json!({ "name": "conclude_steps", "arguments": { "steps": ["compress"], "why": "they are rotated logs" } }),
    ]);
    let logs = stage(&service, KEY);
    let reef = logs.start();
    assert_eq!(reef.json(&["status"])["model"], NAME);
    write_log(&logs.folder().join("old.log.1"), 1_500_000).unwrap();
    let asked = pending(&reef);
    let question = asked["question"].as_str().unwrap();
    assert!(question.contains("model, unproven: they are rotated logs"), "{question}");
    assert_eq!(service.refused(), Vec::<String>::new());
    let turns = service.asked();
    assert_eq!(turns.len(), 2);
    let looked = turns[1]["messages"].as_array().unwrap().last().unwrap();
    assert!(
        looked["role"] == "tool" && looked.to_string().contains("disk.usage.size: 1.4 MiB"),
        "{looked:#}"
    );
    assert!(reef.records("dispatched").is_empty(), "nothing is done before the yes");

    let id = format!("A-{}", asked["id"]);
    reef.reef(&["approve", &id, "1", "--yes"]).ok();
    reef.until_incident("resolved");
    assert_eq!(logs.counted(), (1, 0));
    assert_eq!(service.asked().len(), 2, "a yes runs it without another turn");
    let report = reef.reef(&["report"]).ok().out;
    assert!(report.contains("2 model calls") && report.contains("0.12"), "{report}");
    // Its key is in nothing that people or files are shown.
    for shown in [report, reef.reef(&["config", "show"]).ok().out, reef.log()] {
        assert!(!shown.contains(KEY), "{shown}");
    }
    let stored = std::fs::read(logs.home.state().join("reef.db")).unwrap();
    assert!(!stored.windows(KEY.len()).any(|part| part == KEY.as_bytes()));
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn a_model_that_refuses_or_is_gone_changes_nothing_about_the_runbook() {
    let service = Service::new(Vec::new());
    let mut port = 0;
    for gone in [false, true] {
        let logs = stage(&service, "sk-of-somebody-else");
        if gone {
            // A port on which nobody listens any more.
            let config = std::fs::read_to_string(logs.home.config()).unwrap();
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            port = free.local_addr().unwrap().port();
            let old = format!("127.0.0.1:{}/v1", service.port);
            logs.home.configure(&config.replace(&old, &format!("127.0.0.1:{port}/v1")));
        }
        let reef = logs.start();
        write_log(&logs.folder().join("old.log.1"), 1_500_000).unwrap();
        let asked = pending(&reef);
        let question = asked["question"].as_str().unwrap();
        assert!(question.contains("is nearly full"), "{question}");
        assert!(!question.contains("model"), "{question}");
        let concluded = reef.records("decided").into_iter().find(|r| r["actor"] == "agent");
        let outcome = concluded.unwrap()["payload"]["outcome"].clone();
        let why = if gone { "no conclusion: down" } else { "no conclusion: refused" };
        assert_eq!(outcome, why);
        // That does not end by itself, so it is told.
        let told =
            reef.records("noted").iter().any(|r| r.to_string().contains("Incorrect API key"));
        assert_eq!(told, !gone);
    }
    assert!(port != 0 && service.asked().is_empty());
    assert_eq!(service.refused(), ["Incorrect API key provided"]);
}
