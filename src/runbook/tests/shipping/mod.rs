//! The shipped runbooks: each parses, checks, and does what its text says.

mod containers;
mod database;
mod disks;
mod drift;
mod endpoints;
mod hosts;
mod kube;

use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::tool::Tier;
use crate::model::value::Value;
use crate::runbook::tests::stub::{found, name, reading, readings, step_name, told, tool};
use crate::runbook::{
    Bindings, Limit, Literal, Resolved, Runbook, check, knows, parse, resolve, select, shipped,
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
        .map(|file| file.strip_suffix(".md").unwrap().to_owned())
        .collect();
    files.sort();
    let shipped: Vec<String> = shipped().iter().map(|(name, _)| (*name).to_owned()).collect();
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
        (reading("cert", "mini:/etc/ssl/web.pem", Yellow), Some("certificate-file")),
        (reading("cert", "mini:/etc/ssl/web.pem", Unknown), None),
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

fn docker(reason: &'static str, severity: Severity) -> Reading {
    let mut reading = reading("docker", "mini:container:app", severity);
    reading.reason = Word::of(reason);
    reading.values.insert("container".into(), target("mini:container:app"));
    reading
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
fn every_threshold_of_a_shipped_runbook_is_a_param_that_the_config_can_set() {
    // What a number means by itself is no threshold: exit codes of shells, the first try, any at all.
    let fixed = ["state.exit_code", "reading.attempt"];
    let mut settable = 0;
    for book in all().iter().filter(|book| book.name.as_str() != "disk-full") {
        let of_steps = book.steps().flat_map(|step| &step.when);
        let of_asks = book.questions().flat_map(|ask| &ask.when);
        let of_leave = book.leave.iter().flat_map(|leave| &leave.when);
        let of_escalations = book.escalations.iter().flat_map(|one| &one.when);
        for condition in of_steps.chain(of_asks).chain(of_leave).chain(of_escalations) {
            match condition.test.limit() {
                Some(Limit::Literal(literal)) => {
                    let value = condition.value.to_string();
                    let none = *literal == Literal::Int(0);
                    assert!(none || fixed.contains(&value.as_str()), "{}: {value}", book.name);
                }
                Some(Limit::Param(_)) => settable += 1,
                None => {}
            }
        }
    }
    assert!(9 <= settable, "{settable}");
}

#[test]
fn a_threshold_of_the_config_counts_where_the_runbook_says_it() {
    let mut book = one("log-rotation");
    let mut reading = reading("unit", "mini:unit:logrotate.service", Severity::Red);
    reading.values.insert("unit".into(), target("mini:unit:logrotate.service"));
    let again = |book: &Runbook, used: i64| {
        let mut bindings = Bindings::new(book, &reading);
        let mut low = |step: &str, values: &[(&str, Value)]| {
            bindings.found(&step_name(step), &found(values));
        };
        low("state", &[("state", word("failed"))]);
        low("room", &[("used_percent", Value::Int(used)), ("path", path("/var"))]);
        acting(book, &mut bindings)
    };
    assert_eq!(again(&book, 97), ["again"]);
    assert_eq!(again(&book, 98), [""; 0]);
    book.set_param("full", "90").unwrap();
    assert_eq!(again(&book, 89), ["again"]);
    assert_eq!(again(&book, 90), [""; 0]);
    assert!(book.set_param("full", "much").is_err());
}
