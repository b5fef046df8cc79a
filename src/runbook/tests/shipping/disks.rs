//! What the runbooks of a full disk and of its logs do.

use crate::model::ids::Word;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::value::Value;
use crate::runbook::tests::shipping::{acting, one, path, target, word};
use crate::runbook::tests::stub::{found, reading, step_name};
use crate::runbook::{Bindings, asks, offers, question};

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
        ("ok", &["compress", "rotate", "archive", "empty-archived"][..]),
        ("none", &["compress", "rotate", "old-logs", "empty-logs"]),
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
    let cache = ("package-cache", "/var/cache/apt/archives", true);
    let journal = ("journal", "/var/log/journal", true);
    let many = ["old-logs", "many-temp", "many-var-temp", "empty-logs", "empty-many-temp"];
    let many = [&many[..], &["empty-many-var-temp"]].concat();
    let cases: [(&'static str, Severity, u32, Largest, &[&str]); 13] = [
        ("bytes", Red, 1, logs, &["compress", "rotate", "old-logs", "empty-logs"]),
        ("bytes", Red, 2, logs, &["compress", "rotate", "old-logs", "empty-logs"]),
        ("bytes", Yellow, 1, logs, &[]),
        ("inodes", Red, 1, logs, &many),
        ("bytes", Red, 1, ("logs", "/opt/app/logs", true), &[]),
        ("bytes", Red, 1, ("logs", "/var/log/app", false), &[]),
        ("bytes", Red, 1, ("temp", "/tmp/build", true), &["old-temp", "empty-temp"]),
        ("bytes", Red, 1, cache, &["old-packages", "empty-packages"]),
        ("bytes", Red, 1, journal, &["vacuum"]),
        ("bytes", Yellow, 1, journal, &[]),
        ("bytes", Red, 1, ("journal", "/srv/old/log/journal", true), &[]),
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
    let text = |words: &str| Value::Text(Tainted::new(words));
    let groups = ["old backups in /srv/old: 5 GiB", "database files in /srv/db: 2 GiB"].map(text);
    bindings.found(
        &step_name("largest"),
        &found(&[
            ("path", path("/srv/old")),
            ("kind", word("backups")),
            ("size", Value::Bytes(5 << 30)),
            ("safe", Value::Flag(false)),
            ("ambiguous", Value::Flag(true)),
            ("holds", text("old backups, database files")),
            ("found", Value::List(groups.to_vec())),
        ]),
    );
    assert!(acting(&book, &mut bindings).is_empty());
    let asked = asks(&book, &bindings, 0).unwrap();
    assert_eq!(asked.len(), 1);
    let text = question(asked[0], &bindings);
    assert!(text.contains("It holds old backups, database files: what should I do?"), "{text}");
    let said: Vec<String> =
        offers(asked[0], &bindings).unwrap().into_iter().map(|o| o.say).collect();
    assert_eq!(
        said,
        [
            "I take care of old backups in /srv/old: 5 GiB",
            "I take care of database files in /srv/db: 2 GiB",
            "I take care of it in another way",
        ]
    );
}

#[test]
fn disk_full_tells_what_stood_in_its_way() {
    let book = one("disk-full");
    let mut disk = reading("disk", "mini:/var", Severity::Red);
    disk.values.insert("path".into(), path("/var"));
    for (state, want) in [("none", "old or large enough"), ("denied", "make that bucket answer")] {
        let mut bindings = Bindings::new(&book, &disk);
        bindings.found(
            &step_name("largest"),
            &found(&[
                ("path", path("/var/log/app")),
                ("kind", word("logs")),
                ("size", Value::Bytes(5 << 30)),
                ("ambiguous", Value::Flag(false)),
            ]),
        );
        bindings.found(&step_name("store"), &found(&[("state", word(state))]));
        let why = crate::runbook::escalation(&book, &bindings).unwrap().unwrap();
        assert!(why.contains(want) && why.contains("/var/log/app: 5 GiB of logs"), "{why}");
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
