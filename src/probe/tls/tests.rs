//! Certificates from good to gone, and what is said of them.

use super::*;
use crate::clients::tls::peer::{Peer, Shows, Signed};
use crate::model::ids::HostName;
use crate::probe::ask::NoPast;

const BEGAN: Millis = Millis(1_600_000_000_000);
const FAR: Millis = Millis(3_800_000_000_000);

fn endpoint() -> Target {
    Target::new(HostName::new("mini").unwrap(), Thing::Endpoint, "web").unwrap()
}

fn leaf(life_days: i64) -> Leaf {
    Leaf {
        not_before: BEGAN,
        not_after: BEGAN + Span::days(life_days),
        names: Vec::new(),
        issuer: Tainted::default(),
        serial: "01".into(),
        self_signed: false,
    }
}

#[test]
fn thresholds_bend_to_the_life_of_the_certificate() {
    use Severity::{Green, Red, Yellow};
    let settings = Settings::new(At { host: "a".into(), port: 443 });
    let hours = |n| Span::hours(n);
    for (life, left, want) in [
        // 90 days: yellow under 14 days, red at 3 days.
        (90, hours(14 * 24 + 1), Green),
        (90, hours(14 * 24), Green),
        (90, hours(14 * 24 - 1), Yellow),
        (90, hours(3 * 24 + 1), Yellow),
        (90, hours(3 * 24), Red),
        // 6 days: 20 % is 28.8 h, 5 % is 7.2 h.
        (6, hours(29), Green),
        (6, hours(28), Yellow),
        (6, hours(8), Yellow),
        (6, hours(7), Red),
        (90, Span(0), Red),
    ] {
        let leaf = leaf(life);
        let now = leaf.not_after - left;
        assert_eq!(settings.judge_dates(&leaf, now).0, want, "{life} days, {left} left");
    }
    assert_eq!(days_left(&leaf(10), BEGAN + Span::hours(25)), 8);
    assert_eq!(days_left(&leaf(10), BEGAN + Span(Span::days(10).0 + 1)), -1);
}

async fn look(shows: Shows, name: &str, now: Millis) -> Reading {
    let peer = Peer::start(shows).await;
    let at = At { host: "127.0.0.1".into(), port: peer.port };
    let settings = Settings { name: name.into(), ..Settings::new(at) };
    let mut probe = TlsProbe::new(settings, endpoint(), Tls::trusting(Some(peer.ca_file.clone())));
    probe.look(&NoPast, now).await.remove(0)
}

#[tokio::test]
async fn a_real_handshake_says_what_failed() {
    let good =
        Shows { name: "localhost", not_before: BEGAN, not_after: FAR, signed: Signed::Authority };
    let expired = Shows { not_after: BEGAN + Span::days(1), ..good };
    let stranger = Shows { signed: Signed::Stranger, ..good };
    let own = Shows { signed: Signed::Itself, ..good };
    let now = FAR - Span::days(400);
    for (shows, name, severity, reason, part) in [
        (good, "localhost", Severity::Green, "ok", "400 days left"),
        (expired, "localhost", Severity::Red, "expired", "days ago"),
        (
            good,
            "photos.example",
            Severity::Red,
            "wrong-name",
            "it is for localhost, not for photos",
        ),
        (expired, "photos.example", Severity::Red, "wrong-name", "it is for localhost"),
        (stranger, "localhost", Severity::Red, "unknown-issuer", "chain: "),
        (own, "localhost", Severity::Red, "self-signed", "chain: "),
    ] {
        let reading = look(shows, name, now).await;
        assert_eq!((reading.severity, reading.reason.as_str()), (severity, reason), "{shows:?}");
        assert!(reading.words.as_str().contains(part), "{}", reading.words);
        assert_eq!(reading.values["endpoint"], Value::Target(endpoint()));
        assert!(matches!(reading.values["days"], Value::Int(_)));
    }
    let soon = look(good, "localhost", FAR - Span::days(5)).await;
    assert_eq!((soon.severity, soon.reason.as_str()), (Severity::Yellow, "expiring"));
    assert_eq!(soon.values["days"], Value::Int(5));
}

#[tokio::test]
async fn a_server_that_is_gone_is_red_and_one_that_is_silent_unknown() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    let probe = |timeout| {
        let at = At { host: "127.0.0.1".into(), port };
        TlsProbe::new(Settings { timeout, ..Settings::new(at) }, endpoint(), Tls::new())
    };
    let silent = probe(Span(50)).look(&NoPast, BEGAN).await.remove(0);
    assert_eq!((silent.severity, silent.reason.as_str()), (Severity::Unknown, "timeout"));
    drop(closed);
    let gone = probe(Span::secs(5)).look(&NoPast, BEGAN).await.remove(0);
    assert_eq!((gone.severity, gone.reason.as_str()), (Severity::Red, "refused"));
}

#[test]
fn servers_read_as_people_write_them() {
    let read = |given| At::parse(given).map(|at| (at.host, at.port));
    let is = |host: &str, port| Ok((host.to_owned(), port));
    assert_eq!(read("photos.example"), is("photos.example", 443));
    assert_eq!(read("https://photos.example/"), is("photos.example", 443));
    assert_eq!(read("mail:993"), is("mail", 993));
    assert_eq!(read("[::1]:8443"), is("::1", 8443));
    for wrong in ["", ":443", "a:0", "a:x", "a b", "a:1:2", "http://a/b"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
