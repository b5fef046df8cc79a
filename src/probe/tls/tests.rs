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

fn seen(leaf: Leaf) -> Seen {
    Seen { leaf, chain: 1, faults: Vec::new() }
}

#[test]
fn a_renewal_that_does_not_come_is_yellow_in_words() {
    let settings = Settings::new(At { host: "a".into(), port: 443 });
    let mut probe = TlsProbe::new(settings, endpoint(), Tls::default());
    let old = leaf(90);
    let at = |days: i64| BEGAN + Span::days(days);
    let look = |probe: &mut TlsProbe, leaf: &Leaf, now| {
        probe.note(leaf, now);
        let reading = probe.judge(&seen(leaf.clone()), &NoPast, now);
        (reading.severity, reading.reason.as_str().to_owned(), reading.words.to_string())
    };
    assert_eq!(look(&mut probe, &old, at(59)).0, Severity::Green);
    assert_eq!(look(&mut probe, &old, at(62)).0, Severity::Green, "in progress");
    let (severity, reason, words) = look(&mut probe, &old, at(66));
    assert_eq!((severity, reason.as_str()), (Severity::Yellow, "renewal"));
    assert!(
        words.contains("24 days left; renewal fails: it was due 6 d ago, with 30 d left"),
        "{words}"
    );
    assert_eq!(probe.changes(), []);
    // Renewed at last, and from then on known to come with 24 days left.
    let new = Leaf { serial: "02".into(), not_before: at(66), not_after: at(156), ..leaf(90) };
    assert_eq!(look(&mut probe, &new, at(66)).0, Severity::Green);
    let changes = probe.changes();
    assert_eq!((changes.len(), changes[0].kind), (1, ChangeKind::Certificate));
    assert_eq!(probe.changes(), [], "each is handed up once");
    assert_eq!(
        look(&mut probe, &new, at(130)).0,
        Severity::Green,
        "26 days left: not yet its habit"
    );
    assert_eq!(look(&mut probe, &new, at(138)).1, "renewal");
}

#[test]
fn what_nobody_renews_by_program_has_only_its_dates() {
    let settings = Settings::new(At { host: "a".into(), port: 443 });
    let probe = TlsProbe::new(settings.clone(), endpoint(), Tls::default());
    let at = |leaf: &Leaf, days: i64| {
        probe.judge(&seen(leaf.clone()), &NoPast, leaf.not_after - Span::days(days))
    };
    assert_eq!(at(&leaf(365), 20).severity, Severity::Green);
    let own = Leaf { self_signed: true, ..leaf(90) };
    assert_eq!(at(&own, 20).severity, Severity::Green);
    // It is for a human to think of, as one that somebody bought for a year; what a program renews is not.
    for (leaf, by_hand) in [(&own, true), (&leaf(365), true), (&leaf(90), false)] {
        let reading = at(leaf, 31);
        assert_eq!(reading.values["by_hand"], Value::Flag(by_hand));
        assert_eq!(reading.values["ends"], Value::Int(leaf.not_after.0 / 1_000));
    }
    let said = Settings { renews: Some(Span::days(60)), ..settings };
    let probe = TlsProbe::new(said, endpoint(), Tls::default());
    let year = leaf(365);
    let got = probe.judge(&seen(year.clone()), &NoPast, year.not_after - Span::days(20));
    assert_eq!(got.reason.as_str(), "renewal");
}
