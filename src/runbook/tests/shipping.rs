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
    let mut stale = reading("disk", "mini:/mnt/photos", Red);
    stale.reason = Word::of("stale");
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
        (docker("unhealthy", Red), Some("container-unhealthy")),
        (docker("unhealthy", Yellow), None),
        (docker("oom", Red), Some("container-oom")),
        (docker("oom", Yellow), Some("container-oom")),
        (docker("restarts", Red), Some("container-crashloop")),
        (docker("exited", Red), Some("container-crashloop")),
        (docker("intended", Yellow), None),
        (reading("compose", "mini:stack:media", Red), None),
        (reading("dns", "mini:endpoint:own", Red), Some("dns")),
        (reading("host", "nas", Red), Some("host-down")),
        (reading("unit", "nas:unit:logrotate.service", Red), Some("log-rotation")),
        (stale, Some("nas-unreachable")),
        (reading("s3", "mini:endpoint:own", Red), None),
        (drift("drift"), Some("terraform-drift")),
        (drift("cannot-look"), None),
        (of_database("postgres", "missing"), Some("replication-lag")),
        (of_database("postgres", "refused"), Some("replication-lag")),
        (of_database("mariadb", "sql-stopped"), Some("replication-lag")),
        (of_database("postgres", "used"), None),
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

fn drift(reason: &'static str) -> Reading {
    let mut of = reading("drift", "mini:terraform:web", Severity::Yellow);
    of.reason = Word::of(reason);
    of
}

fn of_database(probe: &'static str, reason: &'static str) -> Reading {
    let mut of = reading(probe, "mini:endpoint:copy", Severity::Red);
    of.reason = Word::of(reason);
    of.values.insert("endpoint".into(), target("mini:endpoint:copy"));
    of
}

#[test]
fn a_standby_is_restarted_only_where_it_fell_over_and_the_config_lets_it() {
    let book = one("replication-lag");
    for (cause, restartable, acts) in [
        ("standby-down", true, true),
        ("standby-hung", true, true),
        ("standby-down", false, false),
        ("stopped", true, false),
        ("primary-down", true, false),
        ("promoted", true, false),
        ("wal-lost", true, false),
        ("replay-paused", true, false),
        ("disk-full", true, false),
        ("behind", true, false),
    ] {
        let mut bindings = Bindings::new(&book, &of_database("postgres", "refused"));
        bindings.found(
            &step_name("look"),
            &found(&[
                ("cause", word(cause)),
                ("why", Value::Text(Tainted::new("because of it"))),
                ("next", Value::Text(Tainted::new("do this"))),
                ("server", target("mini:endpoint:copy")),
                ("restartable", Value::Flag(restartable)),
            ]),
        );
        let did = acting(&book, &mut bindings);
        assert_eq!(did == ["restart"], acts, "{cause} {restartable}: {did:?}");
        if !acts {
            let why = crate::runbook::escalation(&book, &bindings).unwrap().unwrap();
            assert!(why.contains("because of it") && why.contains("do this"), "{why}");
        }
    }
}

fn docker(reason: &'static str, severity: Severity) -> Reading {
    let mut reading = reading("docker", "mini:container:app", severity);
    reading.reason = Word::of(reason);
    reading.values.insert("container".into(), target("mini:container:app"));
    reading
}

/// What a container's runbook does: the steps, and what it escalates with where there is none.
fn container(
    named: &str,
    reading: &Reading,
    found_by: &[(&str, &[(&str, Value)])],
) -> (Vec<String>, Option<String>) {
    let book = one(named);
    let mut bindings = Bindings::new(&book, reading);
    for (step, values) in found_by {
        bindings.found(&step_name(step), &found(values));
    }
    let did = acting(&book, &mut bindings);
    let why = match did.is_empty() && asks(&book, &bindings, 0).unwrap().is_empty() {
        true => crate::runbook::escalation(&book, &bindings).unwrap(),
        false => None,
    };
    (did, why)
}

#[test]
fn an_unhealthy_container_is_restarted_once_and_what_keeps_data_is_told() {
    let red = docker("unhealthy", Severity::Red);
    for (state, health, restartable, acts) in [
        ("running", "unhealthy", true, true),
        ("running", "unhealthy", false, false),
        ("running", "healthy", true, false),
        ("restarting", "unhealthy", false, false),
        ("exited", "unhealthy", true, false),
    ] {
        let state = [
            ("state", word(state)),
            ("health", word(health)),
            ("restartable", Value::Flag(restartable)),
        ];
        let (did, why) = container("container-unhealthy", &red, &[("state", &state)]);
        assert_eq!((did == ["restart"], why.is_none()), (acts, acts), "{state:?}: {did:?} {why:?}");
    }
}

#[test]
fn after_an_oom_kill_a_spike_is_started_and_a_leak_is_told() {
    for (state, verdict, kills, acts, says) in [
        ("exited", "spike", 1, true, ""),
        ("exited", "host", 1, true, ""),
        ("exited", "spike", 3, false, "killed 3 times within a day"),
        ("exited", "leak", 1, false, "consider memory limit increase or code fix"),
        ("running", "leak", 2, false, "consider memory limit increase or code fix"),
        ("restarting", "leak", 2, false, "consider memory limit increase or code fix"),
        ("exited", "start", 1, false, "cannot even start"),
        ("exited", "unsure", 1, false, "asks"),
        ("running", "unsure", 1, false, "it is running now"),
    ] {
        let of_state = [("state", word(state)), ("restartable", Value::Flag(state == "exited"))];
        let of_memory = [("verdict", word(verdict)), ("kills", Value::Int(kills))];
        let by = [("state", &of_state[..]), ("memory", &of_memory[..])];
        let (did, why) = container("container-oom", &docker("oom", Severity::Red), &by);
        assert_eq!(did == ["start"], acts, "{state} {verdict} {kills}: {did:?}");
        match why {
            Some(why) => assert!(why.contains(says), "{state} {verdict} {kills}: {why}"),
            None => assert!(acts || says == "asks", "{state} {verdict} {kills}"),
        }
    }
    // What keeps data is not started by a runbook that does not name it.
    let of_state = [("state", word("exited")), ("restartable", Value::Flag(false))];
    let of_memory = [("verdict", word("spike")), ("kills", Value::Int(1))];
    let by = [("state", &of_state[..]), ("memory", &of_memory[..])];
    let (did, why) = container("container-oom", &docker("oom", Severity::Red), &by);
    assert!(did.is_empty() && why.is_some(), "{did:?}");
}

#[test]
fn a_crash_is_started_once_only_where_that_can_help() {
    for (reason, state, code, restartable, acts) in [
        ("exited", "exited", 1, true, Some("start")),
        ("exited", "exited", 139, true, Some("start-after-signal")),
        ("exited", "exited", 127, true, None),
        ("exited", "exited", 125, true, None),
        ("exited", "exited", 1, false, None),
        ("restarts", "restarting", 1, false, None),
        ("restarts", "running", 1, true, None),
        ("start", "created", 127, false, None),
    ] {
        let of_state = [
            ("state", word(state)),
            ("exit_code", Value::Int(code)),
            ("restartable", Value::Flag(restartable)),
        ];
        let red = docker(reason, Severity::Red);
        let (did, why) = container("container-crashloop", &red, &[("state", &of_state)]);
        assert_eq!(did.first().map(String::as_str), acts, "{reason} {state} {code}");
        assert!(
            did.len() < 2 && why.is_some() == acts.is_none(),
            "{reason} {state} {code}: {why:?}"
        );
    }
}

#[test]
fn an_update_wants_a_declared_project_that_is_well_and_room() {
    for (declared, compose, gib, healthy, acts) in [
        (true, "plugin", 40, true, true),
        (true, "apart", 3, true, true),
        (false, "plugin", 40, true, false),
        (true, "none", 40, true, false),
        (true, "plugin", 1, true, false),
        (true, "plugin", 40, false, false),
    ] {
        let mut by_hand = reading("compose", "mini:stack:media", Severity::Red);
        by_hand.values.insert("stack".into(), target("mini:stack:media"));
        let before = [
            ("declared", Value::Flag(declared)),
            ("compose", word(compose)),
            ("free", Value::Bytes(gib << 30)),
        ];
        let well = [("healthy", Value::Flag(healthy))];
        let by = [("before", &before[..]), ("well", &well[..])];
        let (did, why) = container("compose-update", &by_hand, &by);
        assert_eq!(did == ["pull", "up"], acts, "{declared} {compose} {gib} {healthy}: {did:?}");
        assert_eq!(why.is_none(), acts, "{why:?}");
    }
}

/// Kind, place, and whether it is safe to touch.
type Largest = (&'static str, &'static str, bool);

/// Runs disk-full: the reason, the severity, the attempt, and what the largest group is.
fn disk_full(
    reason: &'static str,
    severity: Severity,
    attempt: u32,
    largest: Largest,
    store: &'static str,
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
    bindings.found(&step_name("store"), &found(&[("state", word(store))]));
    acting(&book, &mut bindings)
}

#[test]
fn disk_full_archives_where_a_store_answers_and_moves_no_log_where_it_does_not() {
    let logs = ("logs", "/var/log/app", true);
    for (store, want) in [
        ("ok", &["compress", "rotate", "archive"][..]),
        ("none", &["compress", "rotate", "old-logs"]),
        ("missing", &["compress", "rotate"]),
        ("denied", &["compress", "rotate"]),
        ("several", &["compress", "rotate"]),
    ] {
        assert_eq!(disk_full("bytes", Severity::Red, 1, logs, store), want, "{store}");
    }
    let data = ("database", "/var/lib/postgresql", false);
    assert!(disk_full("bytes", Severity::Red, 1, data, "ok").is_empty());
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
        let got = disk_full(reason, severity, attempt, largest, "none");
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
    let leave = "Leave it: it is meant to work";
    for (verdict, place, restartable, left, offered) in [
        ("spike", "unit", true, true, vec![]),
        ("job", "unit", false, true, vec![]),
        ("runaway", "unit", true, false, vec!["Restart mini:unit:app.service", leave]),
        ("runaway", "container", true, false, vec!["Restart mini:container:app", leave]),
        ("runaway", "unit", false, false, vec!["I will handle it", leave]),
        ("unsure", "none", true, false, vec!["It is meant to work", "I will handle it"]),
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
                ("container", target("mini:container:app")),
                ("place", word(place)),
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

/// Runs nas-unreachable: what the look found.
fn nas(found_there: &[(&str, Value)]) -> (Vec<String>, Option<String>) {
    let book = one("nas-unreachable");
    let mut disk = reading("disk", "mini:/mnt/photos", Severity::Red);
    disk.reason = Word::of("stale");
    let mut bindings = Bindings::new(&book, &disk);
    bindings.found(&step_name("look"), &found(found_there));
    let steps = acting(&book, &mut bindings);
    (steps, crate::runbook::escalation(&book, &bindings).unwrap())
}

#[test]
fn a_mount_is_made_anew_only_where_it_is_declared_and_its_server_answers() {
    let stale = ("state", word("stale"));
    let server = ("server", target("nas"));
    let open = ("server_port", word("open"));
    let declared = |yes| ("declared", Value::Flag(yes));
    let (steps, _) = nas(&[stale.clone(), declared(true), server.clone(), open.clone()]);
    assert_eq!(steps, ["detach", "mount"]);
    for (found_there, part) in [
        (vec![stale.clone(), declared(false), server.clone(), open], "add it to `mounts`"),
        (
            vec![stale.clone(), declared(true), server, ("server_port", word("timeout"))],
            "because its server nas does not",
        ),
        (vec![stale, declared(true)], "is no host of the config"),
    ] {
        let (steps, why) = nas(&found_there);
        assert!(steps.is_empty(), "{steps:?}");
        assert!(why.as_ref().is_some_and(|why| why.contains(part)), "{why:?}");
    }
}

#[test]
fn each_cause_of_a_host_that_is_down_has_its_next_step() {
    let book = one("host-down");
    for (port, ping, part) in [
        ("open", "answers", "does not get in"),
        ("refused", "unknown", "systemctl start ssh"),
        ("dns", "unknown", "has no address"),
        ("timeout", "answers", "it hangs"),
        ("behind", "unknown", "the host before it"),
        ("timeout", "silent", "its power"),
        ("unreachable", "unknown", "its power"),
    ] {
        let mut bindings = Bindings::new(&book, &reading("host", "nas", Severity::Red));
        let values = [("port", word(port)), ("ping", word(ping))];
        bindings.found(&step_name("reach"), &found(&values));
        assert!(acting(&book, &mut bindings).is_empty());
        let why = crate::runbook::escalation(&book, &bindings).unwrap().unwrap();
        assert!(why.contains(part) && why.contains("Next: "), "{port} {ping}: {why}");
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

#[test]
fn a_rotation_is_run_again_once_and_only_with_room_for_it() {
    let book = one("log-rotation");
    let run = |state: &'static str, percent: i64, attempt: u32| {
        let mut unit = reading("unit", "mini:unit:logrotate.service", Severity::Red);
        unit.values.insert("unit".into(), target("mini:unit:logrotate.service"));
        let mut bindings = Bindings::new(&book, &unit).on_attempt(attempt);
        bindings.found(&step_name("state"), &found(&[("state", word(state))]));
        bindings.found(&step_name("said"), &found(&[]));
        let room = [("used_percent", Value::Int(percent)), ("path", path("/var"))];
        bindings.found(&step_name("room"), &found(&room));
        (acting(&book, &mut bindings), crate::runbook::escalation(&book, &bindings).unwrap())
    };
    assert_eq!(run("failed", 60, 1).0, ["again"]);
    assert!(run("failed", 60, 2).0.is_empty());
    assert!(run("inactive", 60, 1).0.is_empty());
    let (steps, why) = run("failed", 99, 1);
    assert!(steps.is_empty() && why.unwrap().contains("/var is full"));
}

#[test]
fn a_command_stands_in_a_runbook_to_the_letter_and_comes_from_nowhere_else() {
    use crate::runbook::tests::stub::{book, mistakes};
    let front = "max_tier = \"critical\"\ntools = [\"host.exec\", \"disk.usage\"]\n\
                 commands = [[\"sh\", \"-c\", \"sync; echo 1\"]]";
    let step = |argv: &str| {
        format!("```step\nname = \"do\"\ntool = \"host.exec\"\nargs = {{ argv = {argv} }}\n```\n")
    };
    let good = book(front, &step("[\"sh\", \"-c\", \"sync; echo 1\"]"));
    assert_eq!(good.bounds().commands, [["sh", "-c", "sync; echo 1"]]);
    for (argv, part) in [
        ("\"reading.path\"", "not a command"),
        ("[]", "names no program"),
        ("[\"\", \"x\"]", "names no program"),
        ("[\"echo\", 1]", "list of texts"),
        ("[\"echo\", \"reading.path\"]", "a reference in a list"),
    ] {
        let text = crate::runbook::tests::stub::file(front, &step(argv));
        let said = told(&mistakes(&text));
        assert!(said.contains(part), "{argv}: {said}");
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
            let why = crate::runbook::escalation(&book, &bindings).unwrap().unwrap();
            let says = match (class, stateless, evictions) {
                ("image" | "config", ..) => "no restart cures this",
                ("memory", ..) => "onsider memory limit increase or code fix",
                (_, _, 2..) => "crashes repeatedly",
                (_, false, _) => "keeps state",
                _ if owner != "deployment" => "is not evicted by me",
                _ => "the worst is",
            };
            assert!(why.contains(says), "{class} {owner} {stateless} {evictions}: {why}");
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

#[test]
fn a_drift_is_asked_about_and_what_it_destroys_is_named() {
    let book = one("terraform-drift");
    let asked = |changes: i64, destroyed: i64| {
        let mut drifted = drift("drift");
        drifted.values.insert("stack".into(), word("web"));
        let mut bindings = Bindings::new(&book, &drifted);
        let text = |text: &str| Value::Text(Tainted::new(text));
        bindings.found(
            &step_name("plan"),
            &found(&[
                ("plan", word("abc")),
                ("changes", Value::Int(changes)),
                ("destroyed", Value::Int(destroyed)),
                ("counted", text("1 of a kind")),
                ("lines", text("REPLACE a.b")),
            ]),
        );
        let by_itself = acting(&book, &mut bindings);
        let ask = asks(&book, &bindings, by_itself.len()).unwrap();
        assert!(ask.len() <= 1, "{changes} {destroyed}");
        (by_itself, ask.first().map(|ask| question(ask, &bindings)))
    };
    let (by_itself, question) = asked(2, 1);
    let question = question.unwrap();
    assert!(by_itself.is_empty() && question.contains("DESTROY 1"), "{question}");
    assert!(question.contains("REPLACE a.b"), "{question}");
    let (by_itself, question) = asked(2, 0);
    assert!(by_itself.is_empty() && !question.unwrap().contains("DESTROY"));
    assert_eq!(asked(0, 0), (vec![], None));
}
