//! Registries on loopback that answer as real ones did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::clients::http::Http;
use crate::clients::http::loopback;
use crate::probe::ask::NoPast;

/// 2026-11-20.
const NOW: Millis = Millis(1_795_132_800_000);

/// An RDAP server for `.test`, shortened from an answer of a registry.
struct Rdap {
    url: WebUrl,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

async fn rdap() -> Rdap {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (status, asked) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicU32::new(0)));
    let (answers, counts) = (Arc::clone(&status), Arc::clone(&asked));
    let list = format!(
        "{{\"version\":\"1.0\",\"services\":[[[\"com\",\"test\"],[\"{base}/rdap/\"]],[[\"x\"],[]]]}}"
    );
    let domain = move |Path(name): Path<String>| async move {
        counts.fetch_add(1, Ordering::SeqCst);
        let code = StatusCode::from_u16(answers.load(Ordering::SeqCst)).unwrap();
        let (date, state) = match name.as_str() {
            "far.test" => ("2027-08-13T04:00:00Z", "client transfer prohibited"),
            "soon.test" => ("2026-12-10T04:00:00Z", "active"),
            "late.test" => ("2026-11-25T04:00:00Z", "active"),
            "held.test" => ("2027-08-13T04:00:00Z", "client hold"),
            "gone.test" => ("2026-11-01T04:00:00Z", "redemption period"),
            _ => return (StatusCode::NOT_FOUND, "{\"errorCode\":404}".to_owned()),
        };
        let body = format!(
            "{{\"objectClassName\":\"domain\",\"ldhName\":\"{name}\",\"status\":[\"{state}\"],\
             \"events\":[{{\"eventAction\":\"registration\",\"eventDate\":\"1995-08-14T04:00:00Z\"}},\
             {{\"eventAction\":\"expiration\",\"eventDate\":\"{date}\"}}]}}"
        );
        (code, body)
    };
    let app = Router::new()
        .route("/dns.json", get(|| async move { list }))
        .route("/rdap/domain/{name}", get(domain));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let url = WebUrl::parse(&format!("{base}/dns.json")).unwrap();
    Rdap { url, status, asked, _tasks: tasks }
}

/// A whois server that refers to itself, then answers `text`.
async fn whois(text: &'static str) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for n in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut asked = [0; 100];
            let _some = stream.read(&mut asked).await;
            let refer = format!("% IANA WHOIS server\n\nrefer:        127.0.0.1:{port}\n");
            let answer = if n % 2 == 0 { refer.as_str() } else { text };
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, tasks)
}

fn probe(name: &str, bootstrap: &WebUrl, whois: u16) -> DomainProbe {
    let settings = Settings {
        name: name.into(),
        yellow: Span::days(30),
        red: Span::days(7),
        timeout: Span::secs(5),
    };
    let voice = Voice::new("domain", "mini:endpoint:home".parse().unwrap());
    let registry = Registry::new(Http::new(), bootstrap.clone(), ("127.0.0.1".into(), whois));
    DomainProbe::new(settings, voice, registry)
}

fn told(readings: &[Reading]) -> (Severity, &str) {
    (readings[0].severity, readings[0].reason.as_str())
}

#[tokio::test]
async fn a_registry_says_how_long() {
    use Severity::{Green, Red, Yellow};
    let rdap = rdap().await;
    for (name, want, part) in [
        ("far.test", (Green, "ok"), "266 more days"),
        ("soon.test", (Yellow, "expiring"), "20 more days"),
        ("late.test", (Red, "expiring"), "5 more days"),
        ("held.test", (Red, "held"), "client hold"),
        ("gone.test", (Red, "ending"), "redemption period"),
        ("none.test", (Red, "unregistered"), "not registered"),
    ] {
        let mut probe = probe(name, &rdap.url, 1);
        let readings = probe.look(&NoPast, NOW).await;
        assert_eq!(told(&readings), want, "{name}: {}", readings[0].words);
        assert!(readings[0].words.as_str().contains(part), "{}", readings[0].words);
    }
}

#[tokio::test]
async fn it_is_asked_once_a_day_and_its_absence_is_never_red() {
    use Severity::{Green, Unknown, Yellow};
    let rdap = rdap().await;
    let mut probe = probe("soon.test", &rdap.url, 1);
    for hour in 0..24 {
        let readings = probe.look(&NoPast, NOW + Span::hours(hour)).await;
        assert_eq!(told(&readings), (Yellow, "expiring"));
    }
    assert_eq!(rdap.asked.load(Ordering::SeqCst), 1);
    // What was said last counts for a week, and the days go on.
    rdap.status.store(503, Ordering::SeqCst);
    let later = probe.look(&NoPast, NOW + Span::days(3)).await;
    assert_eq!(told(&later), (Yellow, "expiring"));
    assert!(later[0].words.as_str().contains("17 more days"), "{}", later[0].words);
    let blind = probe.look(&NoPast, NOW + Span::days(8)).await;
    assert_eq!(told(&blind).0, Unknown, "{}", blind[0].words);
    rdap.status.store(200, Ordering::SeqCst);
    assert_eq!(told(&probe.look(&NoPast, NOW - Span::days(60)).await).0, Green);

    let nobody = WebUrl::parse(&format!("{}/dns.json", loopback::nobody().await)).unwrap();
    let readings = self::probe("far.test", &nobody, 1).look(&NoPast, NOW).await;
    assert_eq!(told(&readings), (Unknown, "refused"), "{}", readings[0].words);
}

#[tokio::test]
async fn whois_answers_where_rdap_does_not() {
    use Severity::{Green, Red, Unknown};
    let rdap = rdap().await;
    for (text, want, part) in [
        (
            "Domain Name: X.NET\nRegistry Expiry Date: 2027-02-01T05:00:00Z\nDomain Status: clientTransferProhibited https://icann.org/epp#x\n",
            (Green, "ok"),
            "73 more days",
        ),
        ("domain: x\npaid-till: 2026-11-24T21:00:00Z\n", (Red, "expiring"), "4 more days"),
        (
            "Domain: x.de\nNserver: ns1.x.de\nStatus: connect\n",
            (Green, "no-date"),
            "publishes no date",
        ),
        (
            "Domain Status: clientHold https://icann.org/epp#clientHold\nExpiry date:  01-Feb-2027\n",
            (Red, "held"),
            "client hold",
        ),
        ("No match for domain \"X.NET\".\n", (Red, "unregistered"), "not registered"),
        ("% you ask too often\n", (Unknown, "broken"), "neither a date"),
    ] {
        let (port, _tasks) = whois(text).await;
        let readings = probe("x.net", &rdap.url, port).look(&NoPast, NOW).await;
        assert_eq!(told(&readings), want, "{text}: {}", readings[0].words);
        assert!(readings[0].words.as_str().contains(part), "{}", readings[0].words);
    }
    // Where port 43 is closed, what RDAP said counts.
    let readings = probe("x.net", &rdap.url, 1).look(&NoPast, NOW).await;
    assert_eq!(told(&readings), (Unknown, "setup"), "{}", readings[0].words);
}
