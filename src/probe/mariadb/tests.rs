//! Replication from caught up to gone. The real pair is in `tests/it`.

use super::*;
use crate::clients::mysql::Connections;
use crate::model::taint::Tainted;
use crate::probe::ask::NoPast;

const NOW: Millis = Millis(1_700_000_000_000);

fn probe(role: Role, replicas: &[&str]) -> MariadbProbe {
    let place = Place::Tcp { host: "127.0.0.1".into(), port: 1 };
    let mysql = Mysql { place, user: "reef".into(), password: None, encryption: Encryption::Off };
    let replicas = replicas.iter().map(|name| Word::new(*name).unwrap()).collect();
    let settings = Settings { role, replicas, levels: Levels::default(), timeout: Span::secs(1) };
    MariadbProbe::new(settings, Voice::new("mariadb", "mini:endpoint:db".parse().unwrap()), mysql)
}

fn channel() -> Channel {
    Channel {
        name: String::new(),
        io: "Yes".into(),
        sql: "Yes".into(),
        behind: Some(Span(0)),
        delay: Span(0),
        error: Tainted::default(),
    }
}

fn seen(channels: Vec<Channel>, replicas: Vec<Replica>) -> Seen {
    let connections = Connections { used: 3, most: 151 };
    Seen { product: Tainted::new("MariaDB 10.11.14"), connections, channels, replicas }
}

#[test]
fn null_is_broken_and_a_stopped_thread_is_red() {
    use Severity::{Green, Red, Yellow};
    let error = Tainted::new("duplicate key");
    for (channel, want) in [
        (channel(), (Green, "ok")),
        (Channel { behind: None, ..channel() }, (Red, "broken")),
        (Channel { sql: "No".into(), behind: None, error, ..channel() }, (Red, "sql-stopped")),
        (Channel { io: "No".into(), behind: None, ..channel() }, (Red, "io-stopped")),
        (Channel { io: "Connecting".into(), behind: None, ..channel() }, (Red, "disconnected")),
        (Channel { behind: Some(Span::mins(3)), ..channel() }, (Yellow, "behind")),
        (Channel { behind: Some(Span::mins(16)), ..channel() }, (Red, "behind")),
        (
            Channel { behind: Some(Span::mins(61)), delay: Span::hours(1), ..channel() },
            (Green, "ok"),
        ),
    ] {
        let told = probe(Role::Any, &[]).judge(&seen(vec![channel.clone()], Vec::new()), NOW);
        let got = &told[2];
        assert_eq!((got.severity, got.reason.as_str()), want, "{channel:?}");
        assert_eq!(got.signal.to_string(), "mariadb mini:endpoint:db.replication lag");
        assert_eq!(got.words.as_str().contains("duplicate key"), !channel.error.is_empty());
        assert!(gives().iter().all(|g| got.values.get(g.name).is_none_or(|v| v.fits(&g.kind))));
    }
}

#[test]
fn what_should_replicate_and_does_not_is_red() {
    let reasons = |readings: Vec<Reading>| -> Vec<String> {
        readings[2..].iter().map(|r| format!("{} {}", r.severity.as_str(), r.reason)).collect()
    };
    let none = seen(Vec::new(), Vec::new());
    assert_eq!(reasons(probe(Role::Replica, &[]).judge(&none, NOW)), ["red missing"]);
    assert!(reasons(probe(Role::Any, &[]).judge(&none, NOW)).is_empty());
    let mut reset = probe(Role::Any, &[]);
    reset.judge(&seen(vec![channel()], Vec::new()), NOW);
    assert_eq!(reasons(reset.judge(&none, NOW)), ["red missing"]);
    let named = seen(vec![Channel { name: "a".into(), ..channel() }], Vec::new());
    assert_eq!(reasons(probe(Role::Replica, &[]).judge(&named, NOW)), ["green ok"]);
    let one = Replica { server_id: "2".into(), host: "nas".into() };
    let primary = seen(Vec::new(), vec![one]);
    let told = probe(Role::Any, &["2", "nas", "3"]).judge(&primary, NOW);
    assert_eq!(reasons(told), ["green ok", "green ok", "red missing"]);
}

#[tokio::test]
async fn a_server_that_is_gone_is_red_and_the_rest_unknown() {
    let readings = probe(Role::Replica, &["2"]).look(&NoPast, NOW).await;
    assert_eq!((readings[0].severity, readings[0].reason.as_str()), (Severity::Red, "refused"));
    assert!(readings[1..].iter().all(|r| r.severity == Severity::Unknown) && readings.len() == 4);
}
