//! Standbys from caught up to gone, as a primary and they themselves see it. The real pair is in
//! `tests/it`.

use super::judge::{At, Expected};
use super::*;
use crate::clients::postgres::{Connections, Receiver, Slot, Standby};
use crate::config::given::Given;
use crate::config::setting::Setting;
use crate::model::taint::Tainted;
use crate::model::value::Value;
use crate::probe::ask::NoPast;

const NOW: Millis = Millis(1_700_000_000_000);
const MIB: u64 = 1 << 20;

fn voice() -> Voice {
    Voice::new("postgres", "mini:endpoint:main".parse().unwrap())
}

fn settings(standbys: &[&str]) -> Settings {
    let standbys = standbys.iter().map(|name| Word::new(*name).unwrap()).collect();
    let slots = Bytes(5 << 30);
    Settings { standbys, levels: Levels::default(), slots, timeout: Span::secs(1) }
}

fn url(text: &str) -> Result<PgUrl, String> {
    PgUrl::read(&Given::Text(text.into()))
}

fn probe(standbys: &[&str]) -> PostgresProbe {
    let nobody = url("postgres://reef@127.0.0.1:1/x").unwrap();
    let postgres = Postgres::new(nobody, None, Encryption::Off, Span::secs(1));
    PostgresProbe::new(settings(standbys), voice(), postgres)
}

fn streams(name: &str, replayed: u64) -> Standby {
    let state = Some("streaming".to_owned());
    Standby { name: name.into(), state, replayed: Some(replayed), measured: None }
}

fn primary(position: u64, standbys: Vec<Standby>, slots: Vec<Slot>) -> Seen {
    let connections = Connections { used: 5, most: 97 };
    let role = Role::Primary { position, standbys, slots };
    Seen { version: Tainted::new("15.14"), connections, role }
}

fn told(readings: &[Reading]) -> Vec<(String, Severity, &str)> {
    let one = |r: &Reading| (format!("{} {}", r.signal.target.name(), r.signal.aspect), r.severity);
    readings.iter().map(|r| (one(r).0, one(r).1, r.reason.as_str())).collect()
}

#[test]
fn a_missing_standby_is_red_and_not_a_lag_of_zero() {
    use Severity::{Green, Red, Yellow};
    let mut probe = probe(&["one", "two"]);
    let both =
        vec![streams("one", 100 * MIB), streams("two", 80 * MIB), streams("guest", 100 * MIB)];
    let first = probe.judge(&primary(100 * MIB, both, Vec::new()), NOW);
    let green = |what: &str| (what.to_owned(), Green, "ok");
    assert_eq!(
        told(&first),
        [
            green("main server"),
            green("main connections"),
            green("main slots"),
            green("main.one lag"),
            ("main.two lag".to_owned(), Yellow, "behind"),
            green("main.guest lag"),
        ]
    );
    assert!(first[4].words.as_str().contains("20 MiB"), "{}", first[4].words);
    let none = probe.judge(&primary(100 * MIB, Vec::new(), Vec::new()), NOW + Span::mins(1));
    let missing = |what: &str, severity| (what.to_owned(), severity, "missing");
    assert_eq!(
        told(&none)[3..],
        [
            missing("main.one lag", Red),
            missing("main.two lag", Red),
            missing("main.guest lag", Yellow)
        ]
    );
    for reading in first.iter().chain(&none) {
        let known = gives();
        assert!(
            reading.values.iter().all(|(name, value)| {
                known.iter().any(|g| g.name == name && value.fits(&g.kind))
            })
        );
    }
}

#[test]
fn time_behind_is_measured_by_positions() {
    let mut probe = probe(&["one"]);
    let stuck = |position| primary(position, vec![streams("one", 10)], Vec::new());
    let lag = |readings: Vec<Reading>| (readings[3].values["lag"].clone(), readings[3].severity);
    assert_eq!(lag(probe.judge(&stuck(10), NOW)), (Value::Span(Span(0)), Severity::Green));
    probe.judge(&stuck(20), NOW + Span::mins(1));
    // A few bytes that nobody replays for twenty minutes.
    let late = lag(probe.judge(&stuck(20), NOW + Span::mins(21)));
    assert_eq!(late, (Value::Span(Span::mins(20)), Severity::Red));
}

#[test]
fn what_a_standby_says_is_judged() {
    use Severity::{Green, Red, Unknown, Yellow};
    let at = At { position: 100, behind: Some(Span(0)), now: NOW };
    let judge = |standby: Standby| {
        let known = ("one", Expected::Named);
        judge::standby(&voice(), known, Some(&standby), &settings(&[]), at)
    };
    let hidden = Standby { state: None, replayed: None, ..streams("one", 0) };
    let catching = Standby { state: Some("catchup".into()), ..streams("one", 90) };
    let idle = Standby { measured: Some(Span::hours(5)), ..streams("one", 100) };
    let slow = Standby { measured: Some(Span::mins(5)), ..streams("one", 99) };
    for (standby, want) in [
        (hidden, (Unknown, "denied")),
        (catching, (Yellow, "catching-up")),
        (idle, (Green, "ok")),
        (slow, (Yellow, "behind")),
        (streams("one", 200), (Green, "ok")),
    ] {
        let got = judge(standby.clone());
        assert_eq!((got.severity, got.reason.as_str()), want, "{standby:?}: {}", got.words);
    }
    let base = Receiver {
        connected: true,
        from_archive: false,
        paused: false,
        bytes: Some(0),
        age: Some(Span::days(2)),
    };
    for (receiver, want) in [
        (base, (Green, "ok")),
        (Receiver { bytes: Some(1), paused: true, ..base }, (Red, "behind")),
        (Receiver { connected: false, ..base }, (Red, "disconnected")),
        (
            Receiver { connected: false, from_archive: true, age: Some(Span::mins(3)), ..base },
            (Yellow, "behind"),
        ),
    ] {
        let got = judge::receiver(&voice(), receiver, &settings(&[]), NOW);
        assert_eq!((got.severity, got.reason.as_str()), want, "{receiver:?}: {}", got.words);
    }
}

#[test]
fn slots_and_connections_have_levels() {
    use Severity::{Green, Red, Yellow};
    let slot = |active, retained, status: &str| Slot {
        name: Tainted::new("s"),
        active,
        retained,
        status: status.into(),
    };
    for (slots, want) in [
        (vec![], (Green, "ok")),
        (vec![slot(true, 900 << 30, "reserved")], (Green, "ok")),
        (vec![slot(false, MIB, "reserved")], (Green, "ok")),
        (vec![slot(false, 17 * MIB, "reserved")], (Yellow, "unused")),
        (vec![slot(false, 6 << 30, "extended")], (Red, "unused")),
        (vec![slot(false, 0, "lost"), slot(true, 0, "reserved")], (Red, "lost")),
    ] {
        let got = judge::slots(&voice(), &slots, &settings(&[]), NOW);
        assert_eq!((got.severity, got.reason.as_str()), want, "{slots:?}: {}", got.words);
    }
    for (used, want) in [(10, Green), (85, Yellow), (97, Red)] {
        let got = judge::connections(&voice(), Connections { used, most: 100 }, NOW);
        assert_eq!(got.severity, want, "{used}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_red_and_its_standbys_are_unknown() {
    let readings = probe(&["one"]).look(&NoPast, NOW).await;
    assert_eq!((readings[0].severity, readings[0].reason.as_str()), (Severity::Red, "refused"));
    assert!(readings[1..].iter().all(|r| r.severity == Severity::Unknown), "{readings:?}");
    assert_eq!(readings.len(), 3);
}

#[test]
fn a_url_names_a_user_and_holds_no_password() {
    for good in ["postgres://reef@nas/postgres", "postgresql://reef@%2Frun%2Fpostgresql/x"] {
        assert!(url(good).is_ok(), "{good}");
    }
    for (wrong, part) in [
        ("nas", "is no URL"),
        ("postgres://nas/x", "names no user"),
        ("postgres://reef:hunter2@nas/x", "password_file"),
        ("postgres://reef@a,b/x", "is no URL"),
    ] {
        let why = url(wrong).unwrap_err();
        assert!(why.contains(part) && !why.contains("hunter2"), "{wrong}: {why}");
    }
}
