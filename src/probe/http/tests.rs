//! Endpoints that answer, are slow, and blip.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::*;
use crate::clients::http::loopback::{nobody, serve};
use crate::model::ids::HostName;
use crate::probe::ask::NoPast;

fn endpoint() -> Target {
    Target::new(HostName::new("mini").unwrap(), Thing::Endpoint, "web").unwrap()
}

fn quick(url: &str) -> Settings {
    Settings { retry_after: Span(1), ..Settings::new(WebUrl::parse(url).unwrap()) }
}

async fn look(settings: Settings) -> Reading {
    let unit = "mini:unit:nginx.service".parse().unwrap();
    let mut probe = HttpProbe::new(settings, endpoint(), Some(unit), Http::new());
    let mut readings = probe.look(&NoPast, Millis(7)).await;
    assert_eq!(readings.len(), 1);
    readings.remove(0)
}

#[tokio::test]
async fn every_fault_has_its_reason() {
    let app = Router::new()
        .route("/ok", get(|| async { "all is well" }))
        .route("/moved", get(|| async { (StatusCode::FOUND, [("location", "/ok")]) }))
        .route("/broken", get(|| async { (StatusCode::BAD_GATEWAY, "no") }))
        .route("/hang", get(std::future::pending::<()>));
    let (base, _tasks) = serve(app).await;
    let at = |path: &str| quick(&format!("{base}{path}"));
    let contains = |text: &str| Some(Body::Contains(text.into()));
    let matches = |text: &str| Some(Body::Matches(Regex::new(text).unwrap()));
    let only = |from, to| vec![Codes { from, to }];
    let cases = [
        (at("/ok"), Severity::Green, "ok", 200),
        (at("/moved"), Severity::Green, "ok", 200),
        (Settings { redirects: Redirects::Stop, ..at("/moved") }, Severity::Green, "ok", 302),
        (at("/broken"), Severity::Red, "status", 502),
        (at("/nowhere"), Severity::Red, "status", 404),
        (Settings { status: only(404, 404), ..at("/nowhere") }, Severity::Green, "ok", 404),
        (Settings { status: only(200, 204), ..at("/broken") }, Severity::Red, "status", 502),
        (Settings { body: contains("well"), ..at("/ok") }, Severity::Green, "ok", 200),
        (Settings { body: contains("ill"), ..at("/ok") }, Severity::Red, "body", 200),
        (Settings { body: matches("^all .s"), ..at("/ok") }, Severity::Green, "ok", 200),
        (Settings { body: matches("^is"), ..at("/ok") }, Severity::Red, "body", 200),
        (Settings { slow: Span(0), ..at("/ok") }, Severity::Yellow, "slow", 200),
        (
            Settings { slow: Span(0), very_slow: Some(Span(0)), ..at("/ok") },
            Severity::Red,
            "very-slow",
            200,
        ),
        (Settings { timeout: Span(50), ..at("/hang") }, Severity::Red, "timeout", 0),
        (quick(&nobody().await), Severity::Red, "refused", 0),
        (quick("http://no-such-host.invalid/"), Severity::Red, "dns", 0),
    ];
    for (settings, severity, reason, status) in cases {
        let said = format!("{settings:?}");
        let reading = look(settings).await;
        assert_eq!((reading.severity, reading.reason.as_str()), (severity, reason), "{said}");
        assert_eq!(reading.values["status"], Value::Int(status), "{said}");
        assert_eq!(reading.values["endpoint"], Value::Target(endpoint()));
        assert_eq!(reading.values["unit"].to_string(), "mini:unit:nginx.service");
        assert!(reading.severity <= reading.clears);
    }
}

#[tokio::test]
async fn a_blip_is_retried_once_before_it_counts() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let app = Router::new().route(
        "/",
        get(move || {
            let first = count.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if first { StatusCode::BAD_GATEWAY } else { StatusCode::OK } }
        }),
    );
    let (base, _tasks) = serve(app).await;
    assert_eq!(look(quick(&base)).await.severity, Severity::Green);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(look(quick(&base)).await.severity, Severity::Green);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "a good answer is not asked for twice");
}

#[tokio::test]
async fn what_fails_twice_is_red_and_says_both() {
    let url = nobody().await;
    let reading = look(quick(&url)).await;
    assert_eq!(reading.words.as_str(), "connection refused, twice in 1 ms");
}

#[test]
fn the_edge_of_slow_does_not_flap() {
    let settings = quick("http://mini/");
    let probe = HttpProbe::new(settings, endpoint(), None, Http::new());
    let at = |ms| {
        let answer = Answer { status: 200, took: Span(ms), body: Vec::new(), cut: false };
        let judged = probe.judge(&answer);
        (judged.severity, judged.clears)
    };
    use Severity::{Green, Yellow};
    assert_eq!(at(100), (Green, Green));
    assert_eq!(at(1_700), (Green, Yellow));
    assert_eq!(at(2_000), (Yellow, Yellow));
}

#[test]
fn a_machine_that_is_too_busy_is_unknown_not_red() {
    let probe = HttpProbe::new(quick("http://mini/"), endpoint(), None, Http::new());
    let readings = probe.timed_out(Span::secs(26), Millis(1));
    assert_eq!(readings[0].severity, Severity::Unknown);
}

#[test]
fn codes_read_as_they_are_written() {
    let read = |given| Codes::read(&given).map(|codes| codes.show());
    assert_eq!(read(Given::Int(204)), Ok("204".into()));
    assert_eq!(read(Given::Text("200-399".into())), Ok("200-399".into()));
    for wrong in ["99", "600", "399-200", "2xx", "", "200-"] {
        assert!(read(Given::Text(wrong.into())).is_err(), "{wrong}");
    }
}
