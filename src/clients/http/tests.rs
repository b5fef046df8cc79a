//! The client against servers on loopback.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::clients::http::loopback::{nobody, serve};
use crate::clients::tls::trust::TlsFault;

fn request(url: &str) -> GetRequest {
    GetRequest::new(WebUrl::parse(url).unwrap(), Span::secs(5))
}

#[tokio::test]
async fn a_body_is_read_to_its_bound() {
    let app = Router::new()
        .route("/small", get(|| async { "hello" }))
        .route("/large", get(|| async { "x".repeat(1 << 20) }));
    let (base, _tasks) = serve(app).await;
    let http = Http::new();
    let small = http.get(&request(&format!("{base}/small"))).await.unwrap();
    assert_eq!((small.status, small.body.as_slice(), small.cut), (200, &b"hello"[..], false));
    let large = http.get(&request(&format!("{base}/large"))).await.unwrap();
    assert_eq!((large.status, large.body.len(), large.cut), (200, BODY, true));
    let little = GetRequest { max_body: 2, ..request(&format!("{base}/small")) };
    let little = http.get(&little).await.unwrap();
    assert_eq!((little.body.as_slice(), little.cut), (&b"he"[..], true));
}

#[tokio::test]
async fn redirects_end_on_their_host() {
    let moved =
        |to: &'static str| get(move || async move { (StatusCode::FOUND, [("location", to)]) });
    let app = Router::new()
        .route("/a", moved("/b"))
        .route("/b", get(|| async { "here" }))
        .route("/loop", moved("/loop"))
        .route("/away", moved("http://127.0.0.2:9/secret"));
    let (base, _tasks) = serve(app).await;
    let http = Http::new();
    let status = async |path: &str, redirects| {
        let request = GetRequest { redirects, ..request(&format!("{base}{path}")) };
        http.get(&request).await.unwrap().status
    };
    assert_eq!(status("/a", Redirects::SameHost).await, 200);
    assert_eq!(status("/a", Redirects::Stop).await, 302);
    assert_eq!(status("/loop", Redirects::SameHost).await, 302);
    assert_eq!(status("/away", Redirects::SameHost).await, 302);
}

#[tokio::test]
async fn each_failure_has_its_word() {
    let app = Router::new().route("/hang", get(pending::<()>));
    let (base, _tasks) = serve(app).await;
    let closed = nobody().await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute_at = mute.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // Closes each connection without a word.
        while let Ok((stream, _)) = mute.accept().await {
            drop(stream);
        }
    });
    let http = Http::new();
    for (url, want) in [
        (closed, "refused"),
        (format!("{base}/hang"), "timeout"),
        ("http://no-such-host.invalid/".into(), "dns"),
        (format!("http://{mute_at}/"), "broken"),
        (format!("{}/", base.replace("http", "https")), "tls"),
    ] {
        let timeout = if want == "timeout" { Span(100) } else { Span::secs(5) };
        let error = http.get(&GetRequest { timeout, ..request(&url) }).await.unwrap_err();
        assert_eq!(error.word(), want, "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_post_carries_its_headers_and_follows_nothing() {
    let app = Router::new()
        .route(
            "/in",
            post(|headers: HeaderMap, body: String| async move {
                let key = headers.get("x-key").and_then(|v| v.to_str().ok()).unwrap_or("none");
                (StatusCode::CREATED, format!("{key} {body}"))
            }),
        )
        .route(
            "/moved",
            post(|| async { (StatusCode::TEMPORARY_REDIRECT, [("location", "/in")]) }),
        );
    let (base, _tasks) = serve(app).await;
    let http = Http::new();
    let to = |path: &str| PostRequest {
        url: WebUrl::parse(&format!("{base}{path}")).unwrap(),
        headers: vec![("x-key".into(), "k1".into())],
        body: b"hi".to_vec(),
        timeout: Span::secs(5),
        max_body: BODY,
    };
    let answer = http.post(&to("/in")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"k1 hi"[..]));
    assert_eq!(http.post(&to("/moved")).await.unwrap().status, 307);
    let bad = PostRequest { headers: vec![("a b".into(), "x".into())], ..to("/in") };
    assert_eq!(http.post(&bad).await.unwrap_err().word(), "setup");
}

#[tokio::test]
async fn the_connection_is_kept_and_no_authority_loaded_for_plain_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (peers, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let app = Router::new().route(
        "/",
        get(
            move |axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<
                std::net::SocketAddr,
            >| {
                let peers = peers.clone();
                async move { peers.send(peer).map_err(|_| StatusCode::GONE) }
            },
        ),
    );
    let mut tasks = JoinSet::new();
    let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tasks.spawn(async move { axum::serve(listener, service).await.unwrap() });
    let http = Http::new();
    for _ in 0..3 {
        http.get(&request(&base)).await.unwrap();
    }
    let first = seen.recv().await.unwrap();
    assert_eq!((seen.recv().await, seen.recv().await), (Some(first), Some(first)));
    assert!(http.shared.tls.get().is_none());
}

#[test]
fn faults_are_sorted_apart() {
    use rustls::CertificateError as E;
    for (error, want) in [
        (E::Expired, TlsFault::Expired),
        (E::NotValidForName, TlsFault::WrongName),
        (E::UnknownIssuer, TlsFault::UnknownIssuer),
        (E::NotValidYet, TlsFault::NotYetValid),
    ] {
        assert_eq!(TlsFault::of(&rustls::Error::InvalidCertificate(error)), want);
    }
}

#[test]
fn a_login_is_coded_as_everybody_codes_it() {
    for (user, password, want) in [
        ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("a", "b", "Basic YTpi"),
        ("a", "bc", "Basic YTpiYw=="),
        ("a", "bcd", "Basic YTpiY2Q="),
    ] {
        assert_eq!(basic(user, password).1, want);
    }
}

/// A server that answers each connection `answers` times and then closes it; counts connections.
async fn closing_after(answers: usize) -> (String, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&opened);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut each = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            each.spawn(async move {
                let mut buffer = [0_u8; 1024];
                for _ in 0..answers {
                    if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                        break;
                    }
                    let said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    stream.write_all(said).await.unwrap();
                }
            });
        }
    });
    (base, opened, tasks)
}

#[tokio::test]
async fn a_connection_is_kept_between_looks_and_opened_anew_when_the_server_closed_it() {
    for (answers, want) in [(100, 1), (1, 4), (2, 2)] {
        let (base, opened, _tasks) = closing_after(answers).await;
        let http = Http::new();
        for _ in 0..4 {
            assert_eq!(http.get(&request(&base)).await.unwrap().body, b"ok");
            tokio::task::yield_now().await;
        }
        assert_eq!(opened.load(Ordering::Relaxed), want, "{answers} answers a connection");
    }
}

#[tokio::test]
async fn a_post_goes_out_once_over_a_connection_of_its_own() {
    let (base, opened, _tasks) = closing_after(100).await;
    let http = Http::new();
    http.get(&request(&base)).await.unwrap();
    let url = WebUrl::parse(&base).unwrap();
    let post = PostRequest {
        url,
        headers: Vec::new(),
        body: b"hello".to_vec(),
        timeout: Span::secs(5),
        max_body: BODY,
    };
    http.post(&post).await.unwrap();
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_the_url_carries_logs_in() {
    let said = |headers: HeaderMap| async move {
        headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("none").to_owned()
    };
    let (base, _tasks) = serve(Router::new().route("/", get(said))).await;
    let base = base.replace("http://", "http://anna:p%40ss@");
    let answer = Http::new().get(&request(&format!("{base}/"))).await.unwrap();
    assert_eq!(answer.body, b"Basic YW5uYTpwQHNz");
}
