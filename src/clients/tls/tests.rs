//! Certificates that are good, expired, or of nobody we know.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{GetRequest, Http};
use crate::clients::tls::peer::{Peer, Shows, Signed};
use crate::model::taint::Tainted;
use crate::model::time::Millis;

const DAY: i64 = 86_400_000;
const BEGAN: Millis = Millis(1_600_000_000_000);
/// 2090: after any run of this test.
const FAR: Millis = Millis(3_800_000_000_000);
const GOOD: Shows =
    Shows { name: "localhost", not_before: BEGAN, not_after: FAR, signed: Signed::Authority };

async fn look(peer: &Peer, name: &str) -> Seen {
    let tls = Tls::trusting(Some(peer.ca_file.clone()));
    tls.look("127.0.0.1", peer.port, name, Span::secs(5)).await.unwrap()
}

#[tokio::test]
async fn a_good_certificate_shows_its_dates_and_names() {
    let peer = Peer::start(GOOD).await;
    let seen = look(&peer, "localhost").await;
    assert_eq!(seen.faults, []);
    assert_eq!((seen.leaf.not_before, seen.leaf.not_after), (BEGAN, FAR));
    assert_eq!(seen.leaf.names.iter().map(Tainted::as_str).collect::<Vec<_>>(), ["localhost"]);
    assert!(seen.leaf.issuer.as_str().contains("Known CA"), "{}", seen.leaf.issuer);
    assert!(!seen.leaf.serial.is_empty() && seen.chain == 1);
}

#[tokio::test]
async fn each_fault_is_said() {
    let expired = Shows { not_after: Millis(BEGAN.0 + DAY), ..GOOD };
    let early = Shows { not_before: Millis(FAR.0 - DAY), ..GOOD };
    let stranger = Shows { signed: Signed::Stranger, ..GOOD };
    let own = Shows { signed: Signed::Itself, ..GOOD };
    for (shows, name, want) in [
        (expired, "localhost", vec![TlsFault::Expired]),
        (expired, "other.example", vec![TlsFault::Expired, TlsFault::WrongName]),
        (early, "localhost", vec![TlsFault::NotYetValid]),
        (GOOD, "other.example", vec![TlsFault::WrongName]),
        (stranger, "localhost", vec![TlsFault::UnknownIssuer]),
        (own, "localhost", vec![TlsFault::SelfSigned]),
    ] {
        let peer = Peer::start(shows).await;
        let seen = look(&peer, name).await;
        assert_eq!(seen.faults, want, "{shows:?} as {name}");
        assert_eq!(seen.leaf.not_after, shows.not_after);
    }
}

#[tokio::test]
async fn what_shows_no_certificate_has_its_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap().port();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _gone = stream.write_all(b"220 mail.example ESMTP\r\n").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let peer = Peer::start(GOOD).await;
    let tls = Tls::trusting(Some(peer.ca_file.clone()));
    for (host, port, timeout, want) in [
        ("127.0.0.1", plain, Span::secs(5), "handshake"),
        ("127.0.0.1", closed, Span::secs(5), "refused"),
        ("127.0.0.1", silent.local_addr().unwrap().port(), Span(100), "timeout"),
        ("no-such-host.invalid", 443, Span::secs(5), "dns"),
    ] {
        let why = tls.look(host, port, "localhost", timeout).await.unwrap_err();
        assert_eq!(why.word(), want, "{why:?}");
    }
    let nowhere = Tls::trusting(Some("/nonexistent/ca.pem".into()));
    let why = nowhere.look("127.0.0.1", peer.port, "localhost", Span::secs(5)).await.unwrap_err();
    assert!(why.to_string().contains("/nonexistent/ca.pem"), "{why}");
}

#[tokio::test]
async fn real_traffic_over_tls_is_verified() {
    let peer = Peer::start(GOOD).await;
    let get = |host: &str| {
        let url = WebUrl::parse(&format!("https://{host}:{}/", peer.port)).unwrap();
        GetRequest::new(url, Span::secs(5))
    };
    let trusting = Http::trusting(Some(peer.ca_file.clone()));
    assert_eq!(trusting.get(&get("localhost")).await.unwrap().body, b"ok");
    let wrong = trusting.get(&get("127.0.0.1")).await.unwrap_err();
    assert_eq!(wrong, crate::clients::http::error::HttpError::Tls(TlsFault::WrongName));
    let stranger = Http::new().get(&get("localhost")).await.unwrap_err();
    assert_eq!(stranger, crate::clients::http::error::HttpError::Tls(TlsFault::UnknownIssuer));
}

#[tokio::test]
async fn one_certificate_is_trusted_by_its_fingerprint_and_no_other() {
    use crate::clients::http::error::HttpError;
    use crate::clients::http::url::WebUrl;
    use crate::clients::http::{GetRequest, Http};
    use crate::clients::tls::pin::Pin;
    use crate::config::given::Given;
    use crate::config::setting::Setting;

    // Its name is another, it has expired, and nobody but itself signed it.
    let shows = Shows { signed: Signed::Itself, name: "elsewhere.example", ..GOOD };
    let (peer, other) = (Peer::start(shows).await, Peer::start(shows).await);
    let url = WebUrl::parse(&format!("https://127.0.0.1:{}/", peer.port)).unwrap();
    let get = GetRequest::new(url, Span::secs(5));
    assert_eq!(Http::pinned(peer.pin).get(&get).await.unwrap().body, b"ok");
    let refused = Http::pinned(other.pin).get(&get).await.unwrap_err();
    assert_eq!(refused, HttpError::Tls(TlsFault::OtherThanPinned));
    assert_eq!(Http::new().get(&get).await.unwrap_err().word(), "tls");

    let shown = peer.pin.to_string();
    assert_eq!(shown.len(), 95);
    let plain = shown.replace(':', "").to_lowercase();
    for text in [shown, plain] {
        assert_eq!(Pin::read(&Given::Text(text)), Ok(peer.pin));
    }
    for wrong in ["", "AA:BB", &"zz".repeat(32)] {
        assert!(Pin::read(&Given::Text(wrong.to_owned())).is_err(), "{wrong}");
    }
}
