//! The finder and the judge of schedules, over hosts as they are.

use super::*;
use crate::model::renewal::OnDisk;

const NAME: &str = "photos.home.example";

fn shown<'a>(names: &'a [String], issuer: &'a str) -> Shown<'a> {
    Shown {
        asked: NAME,
        names,
        issuer,
        serial: "04aa",
        self_signed: false,
        not_before: Millis(0),
        not_after: Millis(0) + Span::days(90),
    }
}

fn lineage(name: &str, disk: Option<(&str, i64, &str)>) -> Lineage {
    let on_disk = disk.map(|(serial, days, names)| OnDisk {
        serial: serial.into(),
        not_after: Millis(0) + Span::days(days),
        names: vec![names.into()],
    });
    Lineage { name: name.into(), on_disk, ..Lineage::default() }
}

fn kept(by: &str, name: &str) -> Kept {
    Kept { by: by.into(), name: name.into(), path: format!("/x/{name}") }
}

#[track_caller]
fn check(host: &Renewals, served_by: Option<&str>, issuer: &str, want: Method, part: &str) {
    let names = [NAME.to_owned()];
    let around = Around { served_by, host: Some(host), issuer_of_cluster: None };
    let found = find(shown(&names, issuer), around);
    assert_eq!(found.method, want, "{found:?}");
    assert!(found.why.contains(part), "{found:?}");
    assert_eq!(found.lineage.is_some(), want == Method::Certbot);
}

#[test]
fn the_method_is_found_by_issuer_files_and_what_serves() {
    let (none, r3) = (Renewals::default(), "C=US, O=Let's Encrypt, CN=R11");
    let own = |method, issuer: &str| check(&none, None, issuer, method, "the issuer is");
    own(Method::Caddy, "CN=Caddy Local Authority - ECC Intermediate");
    own(Method::Traefik, "CN=TRAEFIK DEFAULT CERT");
    own(Method::CertManager, "O=Acme Co, CN=Kubernetes Ingress Controller Fake Certificate");
    check(&none, None, r3, Method::Unknown, "Let's Encrypt issues to programs");
    check(&none, None, "CN=My Company CA", Method::Unknown, "no sign of certbot");
    check(&none, Some("Caddy.service"), r3, Method::Caddy, "caddy.service serves it");
    check(&none, Some("edge-traefik-1"), r3, Method::Traefik, "serves it");
    for (by, method) in [
        ("acme-sh", Method::AcmeSh),
        ("lego", Method::Lego),
        ("dehydrated", Method::Dehydrated),
        ("caddy", Method::Caddy),
    ] {
        for name in [NAME, "*.home.example"] {
            let host = Renewals { kept: vec![kept(by, name)], ..Renewals::default() };
            check(&host, None, r3, method, "it lies in /x/");
        }
        let other = Renewals { kept: vec![kept(by, "a.photos.home.example")], ..none.clone() };
        check(&other, None, r3, Method::Unknown, "");
    }
    for lineages in [
        // By serial, whatever it is called; by the certificate's names; by its own name; by its renewal file.
        lineage("npm-12", Some(("04aa", 90, "x.example"))),
        lineage("home.example", Some(("04bb", 90, "*.home.example"))),
        lineage(NAME, None),
        Lineage { names: vec![NAME.into()], ..lineage("home.example", None) },
    ] {
        let host = Renewals {
            lineages: vec![lineage("other.example", Some(("0", 9, "other.example"))), lineages],
            // certbot's own file is the surer sign.
            kept: vec![kept("lego", NAME)],
            ..Renewals::default()
        };
        check(&host, Some("caddy.service"), r3, Method::Certbot, "/etc/letsencrypt/renewal/");
    }
    let hidden = Renewals { hidden: vec!["/etc/letsencrypt/renewal".into()], ..none.clone() };
    check(&hidden, None, r3, Method::Unknown, "/etc/letsencrypt/renewal may not be read");
}

#[test]
fn what_signs_for_itself_and_what_a_cluster_issues_is_known() {
    let names = [NAME.to_owned()];
    let alone = Shown { self_signed: true, ..shown(&names, "CN=nas") };
    assert_eq!(find(alone, Around::default()).method, Method::SelfSigned);
    let around = Around { issuer_of_cluster: Some("the ingress web/site"), ..Around::default() };
    assert_eq!(find(shown(&names, "CN=R11"), around).method, Method::CertManager);
    let silent = find(shown(&names, "CN=x"), Around::default());
    assert_eq!((silent.method, silent.why.as_str()), (Method::Unknown, "its host did not tell"));
}

#[test]
fn a_newer_one_on_the_disk_is_not_renewed_again() {
    let names = [NAME.to_owned()];
    let of = |lineage: &Lineage| disk(shown(&names, "x"), lineage);
    let at =
        |days| Lineage { changed_at: Some(Millis(0) + Span::days(days)), ..lineage(NAME, None) };
    assert_eq!(of(&lineage(NAME, Some(("04aa", 90, NAME)))), Disk::NotNewer);
    assert_eq!(of(&lineage(NAME, Some(("04bb", 150, NAME)))), Disk::Newer);
    assert_eq!(of(&lineage(NAME, Some(("04bb", 60, NAME)))), Disk::NotNewer);
    // By the time of its file, where the certificate may not be read.
    assert_eq!(of(&at(0)), Disk::NotNewer);
    assert_eq!(of(&at(61)), Disk::Newer);
    assert_eq!(of(&lineage(NAME, None)), Disk::NotNewer);
}

#[test]
fn a_lineage_is_called_only_what_the_config_says() {
    assert_eq!(lineage_names(None, NAME), [NAME, "home.example"]);
    assert_eq!(lineage_names(Some("npm-12"), NAME), ["npm-12"]);
    for none in ["127.0.0.1", "::1", "a b", ""] {
        assert!(lineage_names(None, none).is_empty(), "{none}");
    }
}

fn timer(name: &str, active: &str, result: &str) -> Timer {
    let enabled = if active == "active" { "enabled" } else { "disabled" };
    Timer {
        name: name.into(),
        active: active.into(),
        enabled: enabled.into(),
        result: result.into(),
    }
}

fn cron(line: &str, missing: &[&str]) -> CronLine {
    let missing = missing.iter().map(|m| (*m).to_owned()).collect();
    CronLine { file: "/etc/cron.d/certbot".into(), line: line.into(), missing }
}

#[test]
fn what_is_broken_about_a_schedule_is_said() {
    const DEBIAN: &str = "0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew";
    const OWN: &str = "17 3 * * * root /usr/local/bin/certbot -q renew";
    let active = || vec![timer("certbot.timer", "active", "success")];
    let (systemd, cron_runs) = (true, true);
    let none = Renewals::default;
    for (host, starts, part) in [
        (Renewals { timers: active(), ..none() }, Starts::Timer, ""),
        (
            Renewals { timers: active(), crons: vec![cron(OWN, &["x"])], ..none() },
            Starts::Timer,
            "",
        ),
        (
            Renewals { timers: vec![timer("certbot.timer", "inactive", "")], ..none() },
            Starts::Broken,
            "certbot.timer is inactive and not enabled: `systemctl enable --now certbot.timer`",
        ),
        (
            Renewals { timers: vec![timer("certbot.timer", "active", "exit-code")], ..none() },
            Starts::Broken,
            "the last run of its service ended with exit-code: `journalctl -u certbot.service`",
        ),
        (
            Renewals { crons: vec![cron(OWN, &["/usr/local/bin/certbot"])], cron_runs, ..none() },
            Starts::Broken,
            "the line of cron in /etc/cron.d/certbot calls /usr/local/bin/certbot, which is missing",
        ),
        (Renewals { crons: vec![cron(OWN, &[])], cron_runs, ..none() }, Starts::Cron, ""),
        (Renewals { crons: vec![cron(OWN, &[])], ..none() }, Starts::Broken, "no cron daemon runs"),
        // Debian's line is for machines without systemd.
        (Renewals { crons: vec![cron(DEBIAN, &[])], cron_runs, ..none() }, Starts::Cron, ""),
        (
            Renewals { crons: vec![cron(DEBIAN, &[])], cron_runs, systemd, ..none() },
            Starts::Nothing,
            "nothing starts certbot",
        ),
        (none(), Starts::Nothing, "nothing starts certbot: no timer, no line of cron"),
        // What may not be read may well be what starts it.
        (
            Renewals { hidden: vec!["/var/spool/cron/crontabs".into()], ..none() },
            Starts::Unknown,
            "",
        ),
        (
            Renewals { timers: vec![timer("lego.timer", "active", "")], ..none() },
            Starts::Nothing,
            "nothing",
        ),
    ] {
        let found = schedule(Method::Certbot, Some(&host));
        assert_eq!(found.starts, starts, "{host:?}: {found:?}");
        assert_eq!(found.broken.is_empty(), part.is_empty(), "{found:?}");
        assert!(found.broken.join("; ").contains(part), "{found:?}");
    }
    let mend = |timers: &[&str], crons: &[&str]| {
        let timers = timers.iter().map(|active| timer("certbot.timer", active, "")).collect();
        let crons = crons.iter().map(|line| cron(line, &["/usr/local/bin/certbot"])).collect();
        let host = Renewals { timers, crons, cron_runs, ..none() };
        schedule(Method::Certbot, Some(&host)).to_mend()
    };
    for (said, begin) in [
        (mend(&["inactive"], &[]), "fix the timer: certbot.timer is inactive"),
        (mend(&[], &[OWN]), "fix the cron: the line of cron in"),
        (mend(&["inactive"], &[OWN]), "fix the timer and the cron: certbot.timer is inactive"),
        (mend(&[], &[]), "fix what should start it: nothing starts certbot"),
    ] {
        assert!(said.as_ref().is_some_and(|said| said.starts_with(begin)), "{said:?}");
    }
    assert_eq!(mend(&["active"], &[]), None);
    // What renews while it serves needs no schedule.
    assert!(schedule(Method::Caddy, Some(&Renewals::default())).broken.is_empty());
}
