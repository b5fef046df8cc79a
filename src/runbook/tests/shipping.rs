//! The shipped runbooks: each parses, checks, and does what its text says.

use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::tool::Tier;
use crate::model::value::Value;
use crate::runbook::tests::stub::{found, name, reading, readings, step_name, told, tool};
use crate::runbook::{
    Bindings, Resolved, Runbook, asks, check, knows, leaves, offers, parse, question, resolve,
    select, shipped,
};

fn all() -> Vec<Runbook> {
    let read = |(named, text): (&str, &str)| match parse(name(named), text) {
        Ok(book) => book,
        Err(mistakes) => panic!("{named}:\n{}", told(&mistakes)),
    };
    shipped().into_iter().map(read).collect()
}

fn one(wanted: &str) -> Runbook {
    all().into_iter().find(|book| book.name.as_str() == wanted).unwrap()
}

/// The steps above low that apply, once the low ones found `low`.
fn acting(book: &Runbook, bindings: &mut Bindings) -> Vec<String> {
    let target = "mini:/".parse().unwrap();
    let mut acting = Vec::new();
    for step in book.steps() {
        let spec = tool(&step.tool).unwrap();
        let resolved = resolve(step, &spec, bindings, &book.bounds(), &target).unwrap();
        match resolved {
            Resolved::Skip(why) => bindings.skipped(&step.name, &why),
            Resolved::Call(_) if step.asked == crate::runbook::Asked::Yes => {}
            Resolved::Call(_) if Tier::Low < spec.max_tier => acting.push(step.name.to_string()),
            Resolved::Call(_) => {}
        }
    }
    acting
}

fn word(text: &'static str) -> Value {
    Value::Word(Word::of(text))
}

fn path(text: &str) -> Value {
    Value::Path(AbsPath::new(text).unwrap())
}

fn target(text: &str) -> Value {
    Value::Target(text.parse().unwrap())
}

#[test]
fn each_shipped_runbook_parses_checks_and_has_examples_that_hold() {
    for book in all() {
        let mistakes = check(&book, &tool, &readings);
        assert!(mistakes.is_empty(), "{}:\n{}", book.name, told(&mistakes));
        assert!(!book.must_match.is_empty() && !book.must_not_match.is_empty(), "{}", book.name);
        assert!(!book.prose.contains("```") && 300 < book.prose.len(), "{}", book.name);
    }
}

#[test]
fn every_file_of_the_folder_is_shipped() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let shipped: Vec<String> = shipped().iter().map(|(name, _)| format!("{name}.md")).collect();
    assert_eq!(shipped, files);
}

#[test]
fn each_reading_goes_to_its_runbook() {
    use Severity::{Green, Red, Unknown, Yellow};
    let books = all();
    let mut space = reading("errors", "mini:log:journal", Yellow);
    let line = "open(<*>): No space left on device";
    space.values.insert("template".into(), Value::Text(Tainted::new(line)));
    for (reading, want) in [
        (reading("disk", "mini:/", Red), Some("disk-full")),
        (reading("disk", "mini:/", Yellow), Some("disk-full")),
        (reading("disk", "mini:/", Green), None),
        (reading("disk", "mini:/", Unknown), None),
        (reading("unit", "mini:unit:a.service", Red), Some("service-failed")),
        (reading("http", "mini:endpoint:site", Red), Some("http-down")),
        (reading("http", "mini:endpoint:site", Yellow), None),
        (reading("cpu", "mini", Yellow), Some("cpu")),
        (reading("memory", "mini", Red), Some("memory-pressure")),
        (reading("tls", "mini:endpoint:site", Yellow), Some("certificate")),
        (reading("errors", "mini:log:journal", Yellow), Some("error-spike")),
        (space, Some("error-disk-space")),
        (reading("dns", "mini:endpoint:own", Red), None),
        (of_kube("k3s/media/deployment/jellyfin", Red, "crash-loop"), Some("pod-crashloop")),
        (of_kube("k3s/media/deployment/jellyfin", Yellow, "oom"), Some("pod-crashloop")),
        (of_kube("k3s/media/deployment/jellyfin", Red, "unschedulable"), None),
        (of_kube("k3s/media/deployment/jellyfin", Red, "not-ready"), None),
        (of_kube("k3s:member:pi-1", Red, "not-ready"), Some("kube-node-not-ready")),
        (of_kube("k3s:member:pi-1", Red, "unheard"), Some("kube-node-not-ready")),
        (of_kube("k3s:member:pi-1", Yellow, "disk-pressure"), None),
        (of_kube("k3s", Red, "unreachable"), None),
    ] {
        let got = select(&books, &reading).map(|book| book.name.as_str());
        assert_eq!(got, want, "{} {}", reading.signal, reading.severity);
    }
    assert_eq!(knows(&books, line).map(|book| book.name.as_str()), Some("error-disk-space"));
    assert!(knows(&books, "connection refused").is_none());
}

fn of_kube(target: &str, severity: Severity, reason: &'static str) -> Reading {
    let mut of = reading("kube", target, severity);
    of.reason = Word::of(reason);
    of
}

/// Kind, place, and whether it is safe to touch.
type Largest = (&'static str, &'static str, bool);

/// Runs disk-full: the reason, the severity, the attempt, and what the largest group is.
fn disk_full(
    reason: &'static str,
    severity: Severity,
    attempt: u32,
    largest: Largest,
) -> Vec<String> {
    let book = one("disk-full");
    let mut disk = reading("disk", "mini:/", severity);
    disk.reason = Word::of(reason);
    disk.values.insert("path".into(), path("/"));
    let mut bindings = Bindings::new(&book, &disk).on_attempt(attempt);
    let (kind, at, safe) = largest;
    bindings.found(
        &step_name("largest"),
        &found(&[
            ("path", path(at)),
            ("kind", word(kind)),
            ("safe", Value::Flag(safe)),
            ("ambiguous", Value::Flag(false)),
        ]),
    );
    acting(&book, &mut bindings)
}

#[test]
fn disk_full_makes_room_only_where_that_is_routine() {
    use Severity::{Red, Yellow};
    let logs = ("logs", "/var/log/app", true);
    let cases: [(&'static str, Severity, u32, Largest, &[&str]); 10] = [
        ("bytes", Red, 1, logs, &["compress", "rotate", "old-logs"]),
        ("bytes", Red, 2, logs, &["compress", "rotate", "old-logs", "empty"]),
        ("bytes", Yellow, 1, logs, &[]),
        ("inodes", Red, 1, logs, &["old-logs", "many-temp", "many-var-temp"]),
        ("bytes", Red, 1, ("logs", "/opt/app/logs", true), &[]),
        ("bytes", Red, 1, ("logs", "/var/log/app", false), &[]),
        ("bytes", Red, 1, ("temp", "/tmp/build", true), &["old-temp"]),
        ("bytes", Red, 1, ("package-cache", "/var/cache/apt/archives", true), &["old-packages"]),
        ("bytes", Red, 1, ("database", "/var/lib/postgresql", false), &[]),
        ("bytes", Red, 2, ("backups", "/srv/backups", false), &[]),
    ];
    for (reason, severity, attempt, largest, want) in cases {
        let got = disk_full(reason, severity, attempt, largest);
        assert_eq!(got, want, "{reason} {severity} {attempt} {largest:?}");
    }
}

#[test]
fn disk_full_asks_with_the_candidates_when_it_is_ambiguous() {
    let book = one("disk-full");
    let mut disk = reading("disk", "mini:/srv", Severity::Red);
    disk.values.insert("path".into(), path("/srv"));
    let mut bindings = Bindings::new(&book, &disk);
    let candidates = ["backups", "database", "crash-dumps"].map(word).to_vec();
    bindings.found(
        &step_name("largest"),
        &found(&[
            ("path", path("/srv/old")),
            ("kind", word("backups")),
            ("size", Value::Bytes(5 << 30)),
            ("safe", Value::Flag(false)),
            ("ambiguous", Value::Flag(true)),
            ("candidates", Value::List(candidates)),
        ]),
    );
    assert!(acting(&book, &mut bindings).is_empty());
    let asked = asks(&book, &bindings, 0).unwrap();
    assert_eq!(asked.len(), 1);
    let text = question(asked[0], &bindings);
    assert!(text.contains("backups, database, crash-dumps"), "{text}");
    assert!(text.contains("/srv/old with 5 GiB"), "{text}");
    let said: Vec<String> =
        offers(asked[0], &bindings).unwrap().into_iter().map(|o| o.say).collect();
    assert_eq!(
        said,
        [
            "Nothing: I will look after the backups",
            "Nothing: I will look after the database",
            "Nothing: I will look after the crash-dumps",
            "Empty the quarantine now",
            "I will handle it",
        ]
    );
}

#[test]
fn cpu_leaves_a_spike_offers_a_restart_and_asks_when_unsure() {
    let book = one("cpu");
    for (verdict, restartable, left, offered) in [
        ("spike", true, true, vec![]),
        ("job", false, true, vec![]),
        (
            "runaway",
            true,
            false,
            vec!["Restart mini:unit:app.service", "Leave it: it is meant to work"],
        ),
        ("runaway", false, false, vec!["I will handle it", "Leave it: it is meant to work"]),
        ("unsure", true, false, vec!["It is meant to work", "I will handle it"]),
    ] {
        let mut bindings = Bindings::new(&book, &reading("cpu", "mini", Severity::Yellow));
        bindings.found(
            &step_name("busiest"),
            &found(&[
                ("verdict", word(verdict)),
                ("name", word("app")),
                ("busy_percent", Value::Int(98)),
                ("busiest", target("mini:pid:7@100")),
                ("unit", target("mini:unit:app.service")),
                ("restartable", Value::Flag(restartable)),
            ]),
        );
        // Nothing is done without a human, whatever the verdict.
        assert!(acting(&book, &mut bindings).is_empty());
        assert_eq!(leaves(&book, &bindings).unwrap().is_some(), left, "{verdict}");
        let asked = asks(&book, &bindings, 0).unwrap();
        let said: Vec<String> = asked
            .iter()
            .flat_map(|ask| offers(ask, &bindings).unwrap())
            .map(|offer| offer.say)
            .collect();
        assert_eq!(said, offered, "{verdict}");
    }
}

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
fn a_certificate_is_asked_about_once_by_its_method() {
    let book = one("certificate");
    for method in ["certbot", "caddy", "traefik", "self-signed", "unknown"] {
        let mut near = reading("tls", "mini:endpoint:site", Severity::Yellow);
        near.values.insert("endpoint".into(), target("mini:endpoint:site"));
        let mut bindings = Bindings::new(&book, &near);
        bindings.found(
            &step_name("seen"),
            &found(&[("method", Value::Word(Word::new(method).unwrap())), ("days", Value::Int(9))]),
        );
        let asked = asks(&book, &bindings, 0).unwrap();
        assert_eq!(asked.len(), 1, "{method}");
        assert!(question(asked[0], &bindings).contains("9 days"), "{method}");
    }
}

#[test]
fn service_failed_restarts_what_failed_and_leaves_what_was_stopped() {
    let book = one("service-failed");
    for (state, result, want) in [
        ("failed", "exit-code", &["restart"][..]),
        ("activating", "exit-code", &["restart"]),
        ("active", "success", &["restart"]),
        ("inactive", "oom-kill", &["start-again"]),
        ("inactive", "success", &[]),
        ("not-found", "success", &[]),
    ] {
        let mut failed = reading("unit", "mini:unit:app.service", Severity::Red);
        failed.values.insert("unit".into(), target("mini:unit:app.service"));
        let mut bindings = Bindings::new(&book, &failed);
        let values = [("state", word(state)), ("result", word(result))];
        bindings.found(&step_name("state"), &found(&values));
        let did = acting(&book, &mut bindings);
        assert_eq!(did, want, "{state} {result}");
        assert_eq!(asks(&book, &bindings, did.len()).unwrap().is_empty(), !want.is_empty());
    }
}

#[test]
fn memory_restarts_only_what_was_killed_or_is_declared_restartable() {
    let book = one("memory-pressure");
    for (reason, killed, restartable, want) in [
        ("oom", Some("failed"), false, &["revive"][..]),
        ("oom", Some("active"), true, &[]),
        ("oom", None, true, &[]),
        ("low", None, true, &["relieve"]),
        ("low", None, false, &[]),
    ] {
        let mut red = reading("memory", "mini", Severity::Red);
        red.reason = Word::of(reason);
        if killed.is_some() {
            red.values.insert("unit".into(), target("mini:unit:db.service"));
        }
        let mut bindings = Bindings::new(&book, &red);
        bindings.found(
            &step_name("largest"),
            &found(&[
                ("unit", target("mini:unit:app.service")),
                ("restartable", Value::Flag(restartable)),
            ]),
        );
        if let Some(state) = killed {
            bindings.found(&step_name("killed"), &found(&[("state", word(state))]));
        }
        let did = acting(&book, &mut bindings);
        assert_eq!(did, want, "{reason} {killed:?} {restartable}");
        assert_eq!(asks(&book, &bindings, did.len()).unwrap().is_empty(), !want.is_empty());
    }
}

#[test]
fn a_crash_loop_is_answered_by_what_ails_the_pod() {
    use Severity::{Red, Yellow};
    let book = one("pod-crashloop");
    // Class, owner, whether it serves, whether it is stateless, evictions of the day; what is done.
    for (class, owner, healthy, stateless, evictions, want) in [
        ("crash", "deployment", false, true, 0, Some("evict")),
        ("crash", "deployment", false, true, 1, Some("evict")),
        ("crash", "deployment", false, true, 2, None),
        ("crash", "deployment", true, true, 0, None),
        ("crash", "deployment", false, false, 0, None),
        ("crash", "statefulset", false, true, 0, None),
        ("crash", "daemonset", false, true, 0, None),
        ("crash", "pod", false, true, 0, None),
        ("memory", "deployment", false, true, 0, Some("relieve")),
        ("memory", "deployment", false, true, 1, None),
        ("image", "deployment", false, true, 0, None),
        ("config", "deployment", false, true, 0, None),
        ("failed", "deployment", false, true, 0, None),
        ("none", "deployment", true, true, 0, None),
    ] {
        for severity in [Yellow, Red] {
            let mut loops = of_kube("k3s/media/deployment/jellyfin", severity, "crash-loop");
            loops.values.insert("workload".into(), target("k3s/media/deployment/jellyfin"));
            let mut bindings = Bindings::new(&book, &loops);
            bindings.found(&step_name("worst"), &found(&[("pod", target("k3s/media/pod/j-1"))]));
            bindings.found(
                &step_name("pod"),
                &found(&[
                    ("class", word(class)),
                    ("owner_kind", word(owner)),
                    ("healthy", Value::Flag(healthy)),
                    ("stateless", Value::Flag(stateless)),
                    ("evictions", Value::Int(evictions)),
                    ("restarts", Value::Int(7)),
                ]),
            );
            let did = acting(&book, &mut bindings);
            let want: Vec<&str> = want.into_iter().collect();
            assert_eq!(did, want, "{class} {owner} {healthy} {stateless} {evictions}");
        }
    }
}

#[test]
fn a_node_is_cordoned_only_where_that_helps_and_somebody_says_so() {
    let book = one("kube-node-not-ready");
    for (cause, cordoned, asked) in [
        ("kubelet", false, true),
        ("runtime", false, true),
        ("network", false, true),
        ("pressure", false, true),
        ("kubelet", true, false),
        ("host-down", false, false),
        ("unheard", false, false),
        ("none", false, false),
    ] {
        let mut red = of_kube("k3s:member:pi-1", Severity::Red, "not-ready");
        red.values.insert("member".into(), target("k3s:member:pi-1"));
        let mut bindings = Bindings::new(&book, &red);
        bindings.found(
            &step_name("node"),
            &found(&[
                ("cause", word(cause)),
                ("cordoned", Value::Flag(cordoned)),
                ("pods", Value::Int(4)),
                ("host_answers", word("yes")),
                ("says", Value::Text(Tainted::new("container runtime is down"))),
            ]),
        );
        assert!(acting(&book, &mut bindings).is_empty(), "{cause}");
        let asks = asks(&book, &bindings, 0).unwrap();
        assert_eq!(!asks.is_empty(), asked, "{cause} {cordoned}");
        if let Some(ask) = asks.first() {
            let text = question(ask, &bindings);
            assert!(text.contains(cause) && text.contains("container runtime is down"), "{text}");
        }
    }
}
