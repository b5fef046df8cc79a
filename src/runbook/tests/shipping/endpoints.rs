//! What the runbooks of endpoints, certificates and name servers do.

use crate::model::ids::Word;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::value::Value;
use crate::runbook::tests::shipping::{acting, one, target, word};
use crate::runbook::tests::stub::{found, reading, step_name};
use crate::runbook::{Bindings, asks, question};

#[test]
fn http_down_restarts_what_the_config_names_and_else_asks() {
    let book = one("http-down");
    for (unit, state, acts) in [
        (Some("mini:unit:nginx.service"), "failed", true),
        (Some("mini:unit:nginx.service"), "active", true),
        (Some("mini:unit:nginx.service"), "inactive", false),
        (None, "", false),
    ] {
        let mut down = reading("http", "mini:endpoint:site", Severity::Red);
        down.values.insert("endpoint".into(), target("mini:endpoint:site"));
        down.values.extend(unit.map(|unit| ("unit".to_owned(), target(unit))));
        let mut bindings = Bindings::new(&book, &down);
        if unit.is_some() {
            bindings.found(&step_name("service"), &found(&[("state", word(state))]));
        }
        let did = acting(&book, &mut bindings);
        assert_eq!(did == ["restart"], acts, "{unit:?} {state}: {did:?}");
        assert_eq!(asks(&book, &bindings, did.len()).unwrap().is_empty(), acts);
    }
}

#[test]
fn http_down_restarts_the_container_that_the_config_names() {
    let book = one("http-down");
    for (state, restartable, acts) in [
        ("running", true, true),
        ("exited", true, true),
        ("exited", false, false),
        ("restarting", false, false),
    ] {
        let mut down = reading("http", "mini:endpoint:site", Severity::Red);
        down.values.insert("endpoint".into(), target("mini:endpoint:site"));
        down.values.insert("container".into(), target("mini:compose:photos/web"));
        let mut bindings = Bindings::new(&book, &down);
        let values = [
            ("container", target("mini:container:photos-web-1")),
            ("state", word(state)),
            ("restartable", Value::Flag(restartable)),
            ("why_not", Value::Text(Tainted::new("somebody stopped it"))),
        ];
        bindings.found(&step_name("box"), &found(&values));
        let did = acting(&book, &mut bindings);
        assert_eq!(did == ["restart-container"], acts, "{state} {restartable}: {did:?}");
        let asked = asks(&book, &bindings, did.len()).unwrap();
        assert_eq!(asked.is_empty(), acts);
        if let Some(ask) = asked.first() {
            let text = question(ask, &bindings);
            assert!(
                text.contains("photos-web-1") && text.contains("somebody stopped it"),
                "{text}"
            );
        }
    }
}

/// Runs the certificate's runbook: what it does, and how many questions it has.
fn certificate(
    method: &'static str,
    reason: &'static str,
    due: bool,
    served: &[(&str, &str)],
) -> (Vec<String>, Vec<String>) {
    let book = one("certificate");
    let mut near = reading("tls", "mini:endpoint:site", Severity::Yellow);
    near.reason = Word::of(reason);
    near.values.insert("endpoint".into(), target("mini:endpoint:site"));
    let mut bindings = Bindings::new(&book, &near);
    let mut values = vec![
        ("method", Value::Word(Word::new(method).unwrap())),
        ("days", Value::Int(9)),
        ("due", Value::Flag(due)),
    ];
    values.extend(served.iter().map(|(name, of)| (*name, target(of))));
    bindings.found(&step_name("seen"), &found(&values));
    let did = acting(&book, &mut bindings);
    let asked = asks(&book, &bindings, did.len()).unwrap();
    (did, asked.into_iter().map(|ask| question(ask, &bindings)).collect())
}

#[test]
fn a_certificate_of_another_program_is_asked_about_once_and_not_renewed() {
    for method in [
        "caddy",
        "traefik",
        "cert-manager",
        "acme-sh",
        "lego",
        "dehydrated",
        "self-signed",
        "unknown",
    ] {
        let served = [("unit", "mini:unit:caddy.service")];
        let (did, asked) = certificate(method, "expiring", true, &served);
        assert!(did.is_empty(), "{method}: {did:?}");
        assert_eq!(asked.len(), 1, "{method}");
        assert!(asked[0].contains("9 days"), "{method}");
    }
}

#[test]
fn a_certificate_of_certbot_is_renewed_and_read_anew_by_what_serves_it() {
    let unit = [("unit", "mini:unit:nginx.service")];
    let container = [("container", "mini:container:proxy")];
    for (reason, due, served, want) in [
        ("expiring", true, &unit[..], &["renew", "reload"][..]),
        ("expired", true, &container, &["renew", "reload-container"]),
        ("renewal", true, &[], &["renew"]),
        // It lies there already.
        ("renewal", false, &unit, &["reload"]),
        ("renewal", false, &[], &[]),
        // A new one would be as wrong.
        ("name", true, &unit, &[]),
    ] {
        let (did, asked) = certificate("certbot", reason, due, served);
        assert_eq!(did, want, "{reason} {due}");
        assert_eq!(asked.len(), usize::from(want.is_empty()), "{reason} {due}: {asked:?}");
    }
}

#[test]
fn a_certificate_in_a_file_is_told_with_its_cause_and_the_next_step() {
    let book = one("certificate-file");
    for (reason, method, due, part) in [
        ("expiring", Some("certbot"), true, "certbot renews it"),
        ("expiring", Some("certbot"), false, "is an old copy"),
        ("expired", Some("acme-sh"), true, "acme.sh renews it, so I do not"),
        ("expiring", Some("unknown"), true, "I found nothing that renews it"),
        ("expired", Some("self-signed"), true, "I found nothing that renews it"),
        ("missing", None, true, "a link may lead nowhere"),
        ("none", None, true, "the probe's `path`"),
        ("broken", None, true, "Write it anew"),
        ("wrong-name", None, true, "the right name"),
        ("unknown-issuer", None, true, "fullchain.pem"),
        ("self-signed", None, true, "ca_file"),
        ("unreadable", None, true, "give its user that right"),
    ] {
        let mut near = reading("cert", "mini:/etc/ssl/web.pem", Severity::Red);
        near.reason = Word::of(reason);
        let path = AbsPath::new("/etc/ssl/web.pem").unwrap();
        near.values.insert("path".into(), Value::Path(path));
        let mut bindings = Bindings::new(&book, &near);
        let text = |text: &str| Value::Text(Tainted::new(text));
        match method {
            Some(method) => {
                let values = [
                    ("method", word(method)),
                    ("called", text("acme.sh")),
                    ("why", text("a sign")),
                    ("issuer", text("CN=R3")),
                    ("broken", text("nothing is broken")),
                    ("days", Value::Int(2)),
                    ("due", Value::Flag(due)),
                ];
                bindings.found(&step_name("seen"), &found(&values));
            }
            None => bindings.skipped(&step_name("seen"), "not asked"),
        }
        let did = acting(&book, &mut bindings);
        assert!(did.is_empty(), "{did:?}");
        let why = crate::runbook::escalation(&book, &bindings).unwrap().unwrap();
        assert!(why.contains(part) && why.contains("Next: "), "{reason} {method:?}: {why}");
        assert!(why.contains("/etc/ssl/web.pem"), "{why}");
    }
}

#[test]
fn a_name_server_is_restarted_only_where_it_does_not_answer() {
    let book = one("dns");
    let run = |alive: bool, state: Option<&'static str>, aspect: &'static str| {
        let mut dns = reading("dns", "mini:endpoint:own", Severity::Red);
        dns.signal.aspect = Word::of(aspect);
        dns.values.insert("endpoint".into(), target("mini:endpoint:own"));
        if state.is_some() {
            dns.values.insert("unit".into(), target("mini:unit:dnsmasq.service"));
        }
        let mut bindings = Bindings::new(&book, &dns);
        let values = [
            ("alive", Value::Flag(alive)),
            ("upstream", word("timeout")),
            ("own", word("nxdomain")),
        ];
        bindings.found(&step_name("look"), &found(&values));
        if let Some(state) = state {
            bindings.found(&step_name("service"), &found(&[("state", word(state))]));
            bindings.found(&step_name("said"), &found(&[]));
        }
        let steps = acting(&book, &mut bindings);
        (steps, crate::runbook::escalation(&book, &bindings).unwrap().unwrap())
    };
    for state in ["active", "failed", "activating"] {
        assert_eq!(run(false, Some(state), "own").0, ["restart"], "{state}");
    }
    for (alive, state, aspect, part) in [
        (false, Some("inactive"), "own", "somebody stopped it"),
        (false, None, "own", "served_by"),
        (true, Some("active"), "upstream", "uplink"),
        (true, Some("active"), "own", "a record"),
    ] {
        let (steps, why) = run(alive, state, aspect);
        assert!(steps.is_empty() && why.contains(part), "{steps:?} {why}");
    }
}
