//! Queues of servers that answer as recorded. The real ones are in `tests/it`.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;

use super::*;
use crate::clients::http::loopback;
use crate::probe::ask::NoPast;

fn probe(broker: Broker, queue: &str) -> QueueProbe {
    let settings =
        Settings { broker, queue: queue.into(), yellow: 100, red: 1_000, timeout: Span::secs(5) };
    let voice = Voice::new("queue", "mini:endpoint:mail".parse().unwrap());
    QueueProbe::new(settings, voice, Http::new())
}

async fn look(broker: Broker, queue: &str) -> (Severity, String, String) {
    let reading = probe(broker, queue).look(&NoPast, Millis(1)).await.remove(0);
    (reading.severity, reading.reason.to_string(), reading.words.to_string())
}

fn login() -> Login {
    Login { user: "reef".into(), password: None }
}

#[tokio::test]
async fn rabbitmq_counts_what_waits() {
    let queue = |messages: &'static str, consumers: &'static str| {
        get(move |headers: HeaderMap| async move {
            match headers.get("authorization").and_then(|h| h.to_str().ok()) {
                // reef and no password.
                Some("Basic cmVlZjo=") => {
                    let body = format!(
                        "{{\"name\":\"q\",\"messages\":{messages},\"messages_ready\":1,\"consumers\":{consumers}}}"
                    );
                    (StatusCode::OK, body)
                }
                _ => (StatusCode::UNAUTHORIZED, "{\"error\":\"not_authorized\"}".to_owned()),
            }
        })
    };
    let app = Router::new()
        .route("/api/queues/%2F/few", queue("7", "2"))
        .route("/api/queues/%2F/many", queue("500", "2"))
        .route("/api/queues/%2F/unread", queue("7", "0"))
        .route("/api/queues/%2F/new", queue("null", "0"))
        .route("/api/queues/mail/too%20many", queue("1001", "1"));
    let (base, _tasks) = loopback::serve(app).await;
    use Severity::{Green, Red, Unknown, Yellow};
    for (vhost, name, user, want, part) in [
        ("/", "few", "reef", (Green, "ok"), "7 wait in few, 2 consumers"),
        ("/", "many", "reef", (Yellow, "long"), "500 wait"),
        ("/", "unread", "reef", (Yellow, "no-consumer"), "nobody fetches"),
        ("/", "new", "reef", (Unknown, "setup"), "no statistics"),
        ("mail", "too many", "reef", (Red, "long"), "1001"),
        ("/", "none", "reef", (Red, "missing"), "no queue none"),
        ("/", "few", "guest", (Unknown, "denied"), "tag monitoring"),
    ] {
        let login = Login { user: user.into(), ..login() };
        let api = WebUrl::parse(&base).unwrap();
        let broker = Broker::Rabbitmq { api, login, vhost: vhost.into() };
        let (severity, reason, words) = look(broker, name).await;
        assert_eq!((severity, reason.as_str()), want, "{name}: {words}");
        assert!(words.contains(part), "{words}");
    }
    let api = WebUrl::parse(&loopback::nobody().await).unwrap();
    let gone = Broker::Rabbitmq { api, login: login(), vhost: "/".into() };
    assert_eq!(look(gone, "few").await.0, Red);
}

#[tokio::test]
async fn nats_counts_streams_and_consumers() {
    const JSZ: &str = r#"{"server_id":"N","memory":0,"account_details":[{"name":"$G","stream_detail":[
        {"name":"ORDERS","state":{"messages":300,"bytes":9,"consumer_count":1},
         "consumer_detail":[{"stream_name":"ORDERS","name":"worker","num_ack_pending":2,"num_pending":40}]}]}]}"#;
    let app = Router::new()
        .route("/jsz", get(|| async { JSZ }))
        .route("/off/jsz", get(|| async { "{\"disabled\":true}" }))
        .route("/odd/jsz", get(|| async { "<html>" }));
    let (base, _tasks) = loopback::serve(app).await;
    use Severity::{Green, Red, Unknown, Yellow};
    for (path, stream, consumer, want) in [
        ("", "ORDERS", None, (Yellow, "long")),
        ("", "ORDERS", Some("worker"), (Green, "ok")),
        ("", "ORDERS", Some("nobody"), (Red, "missing")),
        ("", "NONE", None, (Red, "missing")),
        ("/off", "ORDERS", None, (Unknown, "setup")),
        ("/odd", "ORDERS", None, (Red, "broken")),
        ("/none", "ORDERS", None, (Red, "broken")),
    ] {
        let monitoring = WebUrl::parse(&format!("{base}{path}")).unwrap();
        let broker = Broker::Nats { monitoring, consumer: consumer.map(str::to_owned) };
        let (severity, reason, words) = look(broker, stream).await;
        assert_eq!((severity, reason.as_str()), want, "{path} {stream} {consumer:?}: {words}");
    }
}
