//! Real requests to a real listener.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Fut;
use crate::model::approval::{Approval, ApprovalState, Choice};
use crate::model::ids::{ActionId, ApprovalId, HostName, IncidentId, RunId, Word};
use crate::model::incident::{Announced, Incident, IncidentState};
use crate::model::plan::Leash;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;
use crate::operator::view::{Signalled, Status};
use crate::report::own::Own;
use crate::store::Store;
use crate::watch::pulse::Pulse;
use crate::web::metrics::{Looks, Metrics, Stored};
use crate::web::{Site, serve};

const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=y>";
const NOW: Millis = Millis(1_772_593_200_000);

struct Stand {
    status: Mutex<Result<Status, String>>,
    healthy: bool,
}

impl Site for Stand {
    fn status(&self) -> Fut<'_, Result<Status, String>> {
        let status = self.status.lock().unwrap().clone();
        Box::pin(async move { status })
    }
    fn report(&self) -> Fut<'_, Result<String, String>> {
        Box::pin(async { Ok(format!("# Wed\n\n**Nothing needs you.**\n\n- {EVIL}\n")) })
    }
    fn metrics(&self) -> Fut<'_, Metrics> {
        Box::pin(async { Metrics { version: "1".into(), ..Metrics::default() } })
    }
    fn healthy(&self) -> bool {
        self.healthy
    }
}

fn signal(probe: &'static str, name: &str) -> Signal {
    let host = HostName::of("mini");
    let target = match Target::new(host.clone(), Thing::Endpoint, name) {
        Ok(target) => target,
        // A path may hold what a name may not.
        Err(_) => Target::path(host, &AbsPath::new(&format!("/{name}")).unwrap()),
    };
    Signal { probe: Word::of(probe), target, aspect: Word::of("status") }
}

fn signalled(name: &str, severity: Severity, words: &str) -> Signalled {
    let reading = Reading::new(signal("http", name), NOW, severity, Word::of("x"), words);
    Signalled { name: format!("http.{name}"), reading, since: NOW - Span::mins(9) }
}

fn incident(id: i64, name: &str, severity: Severity, state: IncidentState) -> Incident {
    Incident {
        id: IncidentId(id),
        signal: signal("http", name),
        severity,
        opened_at: NOW - Span::hours(2),
        red_at: None,
        state,
        reading: signalled(name, severity, "502, 9 of 9").reading,
        acknowledged_at: None,
        announced: Announced::No,
        drill: false,
        attempts: 0,
    }
}

fn approval(id: i64, question: &str, says: &[&str]) -> Approval {
    let choice = |say: &&str| Choice { say: (*say).into(), plan: None, digest: None };
    Approval {
        id: ApprovalId(id),
        run: RunId(1),
        incident: None,
        question: question.into(),
        choices: says.iter().map(choice).collect(),
        tier: Tier::High,
        asked_at: NOW,
        expires_at: NOW + Span::hours(1),
        state: ApprovalState::Pending,
    }
}

fn quiet() -> Status {
    Status {
        now: NOW,
        zone: "Europe/Berlin".into(),
        host: "mini".into(),
        version: "0.1.0".into(),
        pid: 1,
        started_at: NOW - Span::days(3),
        config: None,
        page: None,
        ceiling: Leash::Ask,
        dry_run: false,
        paused: None,
        hold: None,
        approvals: vec![],
        incidents: vec![],
        unknown_actions: vec![],
        breakers: vec![],
        signals: vec![signalled("web", Severity::Green, "200 in 38 ms")],
        last_action: None,
        model: None,
        messages_this_week: 1,
        messages_waiting: 0,
        troubles: vec![],
        absent: vec![],
        findings: vec![],
    }
}

/// Everything at once, and a stranger wrote every text.
fn hostile() -> Status {
    let held = IncidentState::Held { why: EVIL.into() };
    let escalated = IncidentState::Escalated { why: EVIL.into() };
    let explained = IncidentState::Explained { by: signal("http", "nas") };
    Status {
        host: EVIL.into(),
        zone: EVIL.into(),
        version: EVIL.into(),
        config: Some(EVIL.into()),
        paused: Some(EVIL.into()),
        hold: Some(vec![EVIL.into()]),
        approvals: vec![approval(17, EVIL, &[EVIL, EVIL]), approval(18, "Restart?", &["yes"])],
        incidents: vec![
            incident(1, "a", Severity::Red, held),
            incident(2, EVIL, Severity::Yellow, escalated),
            incident(3, "c", Severity::Red, explained),
        ],
        unknown_actions: vec![ActionId(31)],
        breakers: vec![(EVIL.into(), EVIL.into())],
        signals: vec![
            signalled(EVIL, Severity::Red, EVIL),
            signalled("b", Severity::Unknown, EVIL),
            signalled("c", Severity::Green, EVIL),
        ],
        last_action: Some((NOW, EVIL.into())),
        model: Some(EVIL.into()),
        troubles: vec![EVIL.into()],
        findings: vec![EVIL.into()],
        ..quiet()
    }
}

struct Running {
    port: u16,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Running {
    async fn with(status: Result<Status, String>) -> Self {
        Self::of(Stand { status: Mutex::new(status), healthy: true }).await
    }

    async fn of(site: Stand) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::new(site), stop.clone()));
        Self { port, stop, tasks }
    }

    /// The whole answer to one raw request.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn ask(&self, method: &str, path: &str, host: &str) -> String {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.raw(&head).await
    }

    async fn get(&self, path: &str) -> String {
        self.ask("GET", path, &format!("127.0.0.1:{}", self.port)).await
    }
}

#[tokio::test]
async fn a_quiet_machine_says_that_nothing_needs_anybody() {
    let page = Running::with(Ok(quiet())).await.get("/").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("<strong>Nothing needs you</strong>"), "{page}");
    assert!(page.contains("1 green signal"), "{page}");
    assert!(!page.contains("Needs you</h2>"), "{page}");
}

#[tokio::test]
async fn unknown_is_not_green_and_nothing_seen_is_not_quiet() {
    let blind = Status { signals: vec![], ..quiet() };
    let page = Running::with(Ok(blind)).await.get("/").await;
    assert!(page.contains("nothing is known to be green"), "{page}");
    assert!(page.contains("verdict blind"), "{page}");
}

#[tokio::test]
async fn what_needs_a_human_comes_first_with_the_command_to_type() {
    let page = Running::with(Ok(hostile())).await.get("/").await;
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not in {page}"));
    for command in [
        "<code>reef approve A-17 2</code>",
        "<code>reef approve A-18</code>",
        "<code>reef deny A-17</code>",
        "<code>reef settle D-31 ran|did-not-run --note HOW</code>",
        "<code>reef ack I-1</code>",
    ] {
        at(command);
    }
    assert!(at("6 things need you") < at("<h2>Needs you"));
    assert!(at("<h2>Needs you") < at("<h2>Not green"));
    assert!(at("<h2>Not green") < at("<h2>Open incidents"));
    assert!(at("<h2>Open incidents") < at("1 green signal"));
    assert!(at("explained by http mini:nas") > at("<h2>Open incidents"));
    // Collapsed: the green ones are there for whoever wants them.
    assert!(page.contains("<details><summary>"), "{page}");
}

#[tokio::test]
async fn text_of_strangers_stays_text_on_every_page() {
    let site = Running::with(Ok(hostile())).await;
    for path in ["/", "/report"] {
        let page = site.get(path).await;
        assert!(page.contains("&lt;script&gt;"), "{page}");
        for bad in ["<script", "<img", "src=\"", "http://", "https://"] {
            assert!(!page.contains(bad), "{bad} is in {path}: {page}");
        }
    }
    let broken = Running::with(Err(EVIL.into())).await.get("/").await;
    assert!(broken.starts_with("HTTP/1.1 503 "), "{broken}");
    assert!(broken.contains("&lt;script&gt;") && !broken.contains("<script"), "{broken}");
}

#[tokio::test]
async fn every_answer_carries_its_fences() {
    let site = Running::with(Ok(quiet())).await;
    let port = site.port;
    let evil = site.ask("GET", "/", "evil.example").await;
    for answer in [
        site.get("/").await,
        site.get("/report").await,
        site.get("/metrics").await,
        site.get("/healthz").await,
        site.get("/nowhere").await,
        site.ask("POST", "/", &format!("localhost:{port}")).await,
        evil,
    ] {
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        for want in [
            "content-security-policy: default-src 'none'; style-src 'unsafe-inline';",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(want), "{want} is not in {head}");
        }
        for bad in ["set-cookie", "access-control-allow"] {
            assert!(!head.contains(bad), "{bad} is in {head}");
        }
    }
}

#[tokio::test]
async fn only_loopback_names_are_answered() {
    let site = Running::with(Ok(quiet())).await;
    for host in ["localhost", "127.0.0.1", "[::1]:7333"] {
        assert!(site.ask("GET", "/", host).await.starts_with("HTTP/1.1 200 "), "{host}");
    }
    for host in ["evil.example", "reef.lan:7333", "192.168.1.2"] {
        let answer = site.ask("GET", "/metrics", host).await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{host}: {answer}");
        assert!(!answer.contains("reef_"), "{host}: {answer}");
    }
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ] {
        let answer = site.raw(request).await;
        assert!(!answer.contains(" 200 "), "{request}: {answer}");
    }
}

#[tokio::test]
async fn nothing_but_reading_is_answered() {
    let site = Running::with(Ok(quiet())).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer = site.ask(method, "/", "localhost").await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
    }
    let head = site.ask("HEAD", "/", "localhost").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn health_is_the_watchdogs_own_word() {
    let site = Running::with(Ok(quiet())).await;
    let well = site.get("/healthz").await;
    assert!(well.starts_with("HTTP/1.1 200 ") && well.ends_with("\r\n\r\nok\n"), "{well}");
    let sick = Stand { status: Mutex::new(Ok(quiet())), healthy: false };
    let sick = Running::of(sick).await.get("/healthz").await;
    assert!(sick.starts_with("HTTP/1.1 503 "), "{sick}");
    assert!(sick.contains("the tick loop does not move"), "{sick}");
}

#[tokio::test]
async fn the_end_comes_although_a_client_never_finishes() {
    let mut site = Running::with(Ok(quiet())).await;
    let mut slow = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    site.get("/healthz").await;
    site.stop.cancel();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), site.tasks.join_next());
    ended.await.expect("it went on serving").unwrap().unwrap().unwrap();
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let value = |name: &str, severity, value| {
        let mut of = signalled(name, severity, "x");
        of.reading.value = value;
        of
    };
    let path = AbsPath::new("/a\\b\"c").unwrap();
    let mut odd = value("x", Severity::Unknown, Some(f64::NAN));
    odd.reading.signal.target = Target::path(HostName::of("mini"), &path);
    let metrics = Metrics {
        version: "0.1.0".into(),
        signals: vec![
            value("web", Severity::Red, Some(0.5)),
            value("tls", Severity::Green, None),
            odd,
        ],
        looks: Looks { looks: 9, missed: 2, ..Looks::default() },
        own: Own {
            started_at: Millis(1_500),
            memory: Some(14 << 20),
            cpu: Some(Span(2_250)),
            ..Own::default()
        },
        stored: Some(Stored {
            incidents: BTreeMap::from([(Severity::Red, 2)]),
            approvals_pending: 1,
            actions: BTreeMap::from([("done".into(), 3), ("not started".into(), 1)]),
            audit_records: 31,
            outbox_waiting: 4,
            model_calls: 1,
            model_tokens: 3_114,
            model_micros: 12_400,
        }),
    };
    let text = metrics.render();
    for line in [
        "# HELP reef_signal_severity How a signal stands: 0 green, 1 yellow, 2 red, 3 unknown.",
        "# TYPE reef_signal_severity gauge",
        "reef_build_info{version=\"0.1.0\"} 1",
        "reef_signal_severity{probe=\"http\",target=\"mini:endpoint:web\",aspect=\"status\"} 2",
        "reef_signal_severity{probe=\"http\",target=\"mini:/a\\\\b\\\"c\",aspect=\"status\"} 3",
        "reef_signal_value{probe=\"http\",target=\"mini:endpoint:web\",aspect=\"status\"} 0.5",
        "reef_signal_value{probe=\"http\",target=\"mini:/a\\\\b\\\"c\",aspect=\"status\"} NaN",
        "# TYPE reef_looks_total counter",
        "reef_looks_total 9",
        "reef_looks_missed_total 2",
        "reef_incidents_open{severity=\"red\"} 2",
        "reef_incidents_open{severity=\"yellow\"} 0",
        "reef_approvals_pending 1",
        "reef_actions_total{outcome=\"not started\"} 1",
        "reef_audit_records_total 31",
        "reef_outbox_waiting 4",
        "reef_model_calls_total 1",
        "reef_model_tokens_total 3114",
        "reef_model_cost_total 0.0124",
        "process_resident_memory_bytes 14680064",
        "process_cpu_seconds_total 2.25",
        "process_start_time_seconds 1.5",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    well_formed(&text);
}

/// Every sample belongs to the family above it, and no family comes twice.
#[track_caller]
fn well_formed(text: &str) {
    let mut families = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap().to_owned();
            assert!(!families.contains(&name), "{name} comes twice");
            families.push(name);
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(families.last().map(String::as_str), Some(name), "{line}");
        }
    }
}

#[tokio::test]
async fn metrics_come_from_the_store_and_the_loop() {
    let store = Store::in_memory().unwrap();
    store
        .call_now(|db| {
            db.open_incident(
                &signalled("web", Severity::Red, "502").reading,
                crate::store::actions::Drill::No,
                NOW,
            )
        })
        .unwrap();
    let pulse = Pulse::default();
    pulse.add(&pulse.looks, 7);
    let metrics = Metrics::gather(&store, &pulse, Own::of_this_process(NOW), vec![]).await;
    let stored = metrics.stored.clone().unwrap();
    assert_eq!(stored.incidents, BTreeMap::from([(Severity::Red, 1)]));
    assert_eq!((metrics.looks.looks, stored.audit_records), (7, 0));
    well_formed(&metrics.render());
}
