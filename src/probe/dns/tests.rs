//! Resolvers that answer, lie and keep silent.

use super::*;
use crate::clients::dns::fake;
use crate::probe::ask::NoPast;

fn target() -> Target {
    Target::new(HostName::new("mini").unwrap(), Thing::Endpoint, "pihole").unwrap()
}

async fn look(own: Option<&str>, upstream: &str) -> Vec<(String, Severity, String)> {
    let (at, _tasks) = fake::serve().await;
    let settings = Settings {
        own: own.map(str::to_owned),
        upstream: upstream.into(),
        timeout: Span(600),
        ..Settings::new(Server::At(at))
    };
    let readings = DnsProbe::new(settings, target()).look(&NoPast, Millis(1)).await;
    let told = |r: Reading| (r.signal.aspect.to_string(), r.severity, r.reason.to_string());
    readings.into_iter().map(told).collect()
}

#[tokio::test]
async fn own_names_and_those_of_the_world_are_told_apart() {
    use Severity::{Green, Red};
    for (own, upstream, want) in [
        (Some("ok.home"), "ok.example", [(Green, "ok"), (Green, "ok")]),
        (Some("none.home"), "ok.example", [(Red, "nxdomain"), (Green, "ok")]),
        (Some("ok.home"), "broken.example", [(Green, "ok"), (Red, "servfail")]),
        (None, "denied.example", [(Green, "ok"), (Red, "denied")]),
        (Some("mute.home"), "ok.example", [(Red, "timeout"), (Green, "ok")]),
    ] {
        let got = look(own, upstream).await;
        let want = [("own", want[0]), ("upstream", want[1])]
            .map(|(aspect, (severity, reason))| (aspect.to_owned(), severity, reason.to_owned()));
        assert_eq!(got, want, "{own:?} {upstream}");
    }
}

#[tokio::test]
async fn a_resolver_that_is_gone_is_one_red_and_not_two() {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings { timeout: Span(400), ..Settings::new(Server::At(closed)) };
    let readings = DnsProbe::new(settings, target()).look(&NoPast, Millis(1)).await;
    let severities: Vec<Severity> = readings.iter().map(|r| r.severity).collect();
    assert_eq!(severities, [Severity::Red, Severity::Unknown], "{readings:?}");
    assert!(readings[0].words.as_str().contains("does not listen"), "{}", readings[0].words);
}

#[test]
fn servers_read_as_people_write_them() {
    assert_eq!(Server::parse("system"), Ok(Server::System));
    assert_eq!(Server::parse("192.168.1.3").unwrap().to_string(), "192.168.1.3");
    assert_eq!(Server::parse("[::1]:5353").unwrap().to_string(), "[::1]:5353");
    assert!(Server::parse("pihole").is_err());
}
