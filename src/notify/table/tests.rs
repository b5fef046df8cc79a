//! What the config may say of ways to the human.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use secrecy::SecretString;
use serde_json::Value as Json;

use super::*;
use crate::Fut;
use crate::clients::http::loopback::{nobody, serve};
use crate::config::given::Source;
use crate::config::section::Reader;
use crate::model::ids::IncidentId;
use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::notify::NotSent;

struct NoCommand;

impl SecretCommand for NoCommand {
    fn run<'a>(&'a self, _: &'a [String]) -> Fut<'a, Result<SecretString, String>> {
        Box::pin(async { Err("no program here".into()) })
    }
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn read(text: &str) -> Result<Vec<Settings>, String> {
    let (reader, mut root) = Reader::open(Source::new("config.toml", text), Env::of([]));
    let found = configure(&mut root);
    root.finish();
    reader.done().map(|_| found).map_err(|mistakes| mistakes.to_string())
}

async fn made(text: &str) -> Vec<Box<dyn Notifier>> {
    let settings = read(text).unwrap();
    let paper = Box::new(Paper::default());
    build(&settings, &Env::of([]), &NoCommand, paper, &Http::new()).await.unwrap()
}

fn message() -> Message {
    Message {
        urgency: Urgency::Message,
        title: "red http jellyfin: 502 für alle".into(),
        body: "Since 08:41.\nNothing was done.".into(),
        severity: Severity::Red,
        incident: Some(IncidentId(43)),
        approval: None,
        key: "http nas:endpoint:jellyfin status".into(),
    }
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Json)>>>;

async fn listening(status: u16) -> (String, Seen, tokio::task::JoinSet<()>) {
    let seen = Seen::default();
    let keep = Arc::clone(&seen);
    let app = Router::new().fallback(post(move |headers: HeaderMap, body: String| {
        keep.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
        async move { (StatusCode::from_u16(status).unwrap(), [("location", "/elsewhere")]) }
    }));
    let (base, tasks) = serve(app).await;
    (base, seen, tasks)
}

#[tokio::test]
async fn ntfy_gets_title_priority_tags_and_token() {
    let (base, seen, _tasks) = listening(200).await;
    let text = format!("[notify.phone]\nntfy = {{ url = \"{base}/reef\", token = \"tk_abc\" }}");
    let made = made(&text).await;
    assert_eq!(made.iter().map(|n| n.name()).collect::<Vec<_>>(), ["terminal", "phone"]);
    made[1].send(&message()).await.unwrap();
    made[1].send(&Message { urgency: Urgency::Page, ..message() }).await.unwrap();
    let seen = seen.lock().unwrap();
    let (headers, body) = &seen[0];
    assert_eq!(headers["authorization"], "Bearer tk_abc");
    assert_eq!(body["topic"], "reef");
    assert_eq!(body["title"], "red http jellyfin: 502 für alle");
    assert_eq!(body["message"], "Since 08:41.\nNothing was done.");
    assert_eq!((&body["priority"], &body["tags"][1]), (&Json::from(4), &Json::from("red")));
    assert_eq!(seen[1].1["priority"], 5);
}

#[tokio::test]
async fn a_hook_gets_the_whole_message_and_its_secret() {
    let (base, seen, _tasks) = listening(204).await;
    let text = format!(
        "[notify.hook]\nwebhook = {{ url = \"{base}/in\", secret = \"s3cret\", header = \"X-Key\" }}"
    );
    made(&text).await[1].send(&message()).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].0["x-key"], "s3cret");
    assert_eq!(serde_json::from_value::<Message>(seen[0].1.clone()).unwrap(), message());
}

#[tokio::test]
async fn only_what_may_pass_is_tried_again() {
    for (status, again) in [
        (500, true),
        (503, true),
        (429, true),
        (403, false),
        (404, false),
        (413, false),
        (302, false),
    ] {
        let (base, _seen, _tasks) = listening(status).await;
        for text in [
            format!("[notify.a]\nntfy = {{ url = \"{base}/t\", token = \"tk_abc\" }}"),
            format!(
                "[notify.a]\nwebhook = {{ url = \"{base}/services/T0/SECRETPATH\", secret = \"tk_abc\" }}"
            ),
        ] {
            let why = made(&text).await[1].send(&message()).await.unwrap_err();
            let (NotSent::Later(words) | NotSent::Never(words)) = &why;
            assert_eq!(matches!(why, NotSent::Later(_)), again, "{status}: {why:?}");
            assert!(words.contains(&status.to_string()), "{words}");
            assert!(!words.contains("SECRETPATH") && !words.contains("tk_abc"), "{words}");
        }
    }
    let gone = nobody().await;
    let text = format!("[notify.a]\nwebhook = {{ url = \"{gone}/\" }}");
    let why = made(&text).await[1].send(&message()).await;
    assert!(matches!(&why, Err(NotSent::Later(words)) if words.contains("refused")), "{why:?}");
}

#[tokio::test]
async fn a_server_that_hangs_is_tried_again_later() {
    let (base, _tasks) = serve(Router::new().fallback(std::future::pending::<()>)).await;
    for way in ["ntfy", "webhook"] {
        let text = format!("[notify.a]\n{way} = {{ url = \"{base}/t\", timeout = \"100ms\" }}");
        let why = made(&text).await[1].send(&message()).await;
        let want = NotSent::Later("127.0.0.1: no answer within 100 ms".into());
        assert_eq!(why, Err(want), "{way}");
    }
}

#[tokio::test]
async fn the_terminal_gets_a_calm_line_without_escapes() {
    let paper = Paper::default();
    let made = build(&[], &Env::of([]), &NoCommand, Box::new(paper.clone()), &Http::new()).await;
    let made = made.unwrap();
    assert_eq!(made.len(), 1);
    let hostile = Message { title: "a\x1b[2Jb\nc".into(), ..message() };
    made[0].send(&hostile).await.unwrap();
    made[0].send(&Message { urgency: Urgency::Page, ..message() }).await.unwrap();
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        text,
        "red     a[2Jb c\n        Since 08:41.\n        Nothing was done.\n\
         page red     http jellyfin: 502 für alle\n        Since 08:41.\n        Nothing was done.\n"
    );
}

#[tokio::test]
async fn a_secret_that_cannot_be_fetched_is_named() {
    let text =
        "[notify.a]\nntfy = { url = \"http://x/t\", token = { command = [\"pass\", \"x\"] } }";
    let settings = read(text).unwrap();
    assert_eq!(secrets(&settings).count(), 1);
    let made =
        build(&settings, &Env::of([]), &NoCommand, Box::new(Paper::default()), &Http::new()).await;
    let wrong = made.unwrap_err();
    assert!(wrong[0].contains("notify.a") && wrong[0].contains("no program here"), "{wrong:?}");
}

#[test]
fn each_mistake_is_told() {
    for (text, part) in [
        ("[notify.a]\nntfi = { url = \"http://x/t\" }", "ntfy: is missing"),
        (
            "[notify.a]\nntfy = { url = \"http://x/t\" }\nwebhook = { url = \"http://x\" }",
            "too many",
        ),
        ("[notify.a]\nntfy = { url = \"http://x\" }", "names no topic"),
        ("[notify.a]\nntfy = { url = \"http://x/a b\" }", "names no topic"),
        ("[notify.a]\nntfy = \"http://x/t\"", "not a table"),
        ("[notify.a]\nwebhook = { url = \"ftp://x\" }", "only http"),
        ("[notify.a]\nwebhook = { url = \"http://x\", header = \"a: b\" }", "header"),
        ("[notify]\nphone = \"x\"", "is no table"),
        ("[notify.terminal]\nntfy = { url = \"http://x/t\" }", "cannot be a name"),
    ] {
        let told = read(text).err().unwrap_or_else(|| panic!("{text} was taken"));
        assert!(told.contains(part), "{text}\n{told}");
    }
}
