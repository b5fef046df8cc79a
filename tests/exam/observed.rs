//! Under observe no shipped runbook does anything at all about its real fault, and what it would have done is on
//! record. Here on the fake estate; where a fault needs a real service, its test is named.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reef::exam::host::FakeHost;
use reef::model::audit::AuditKind;
use reef::model::container::{Container, ContainerState, Ended, Health};
use reef::model::fact::Volume;
use reef::model::ids::{RunbookName, Word};
use reef::model::plan::Leash;
use reef::model::reading::Reading;
use reef::model::severity::Severity;
use reef::model::target::{AbsPath, Signal, Target, Thing};
use reef::model::time::{Millis, Span};
use reef::model::tool::Tier;
use reef::model::value::Value;
use reef::probe::care::Care;
use reef::probe::{How, NetProbe, Past, Probe};
use reef::runbook::{Asked, parse, shipped};

use crate::containers::container;
use crate::house::{House, Setup, mini, unit};
use crate::triage::process;

/// What breaks on the host, the time that it needs beforehand, and what would have been done.
struct Fault {
    book: &'static str,
    config: &'static str,
    before: fn(&FakeHost),
    breaks: fn(&FakeHost, Millis),
    would: &'static [&'static str],
}

fn of_nas(stale: Option<&str>) -> Volume {
    Volume {
        mount: AbsPath::new("/mnt/nas").unwrap(),
        source: "nas:/tank".into(),
        fs: "nfs4".into(),
        total_bytes: if stale.is_some() { 0 } else { 1 << 40 },
        free_bytes: if stale.is_some() { 0 } else { 1 << 39 },
        total_inodes: 0,
        free_inodes: 0,
        read_only: false,
        stale: stale.map(str::to_owned),
    }
}

fn ended(c: &mut Container, code: i32, how: Ended, now: Millis) {
    (c.state, c.exit_code, c.ended) = (ContainerState::Exited, Some(code), how);
    (c.finished_at, c.memory, c.oom_killed) = (Some(now), None, how == Ended::Oom);
}

const FAULTS: &[Fault] = &[
    Fault {
        book: "service-failed",
        config: "",
        before: |_| {},
        breaks: |host, _| host.unit_fails(&unit("web")),
        would: &["restart mini:unit:web.service"],
    },
    Fault {
        book: "log-rotation",
        config: "",
        before: |host| host.unit(&unit("logrotate")),
        breaks: |host, _| host.unit_fails(&unit("logrotate")),
        would: &["restart mini:unit:logrotate.service"],
    },
    Fault {
        book: "memory-pressure",
        config: "[host.this]\nrestartable = [\"mailer.service\"]\n",
        before: |host| {
            host.unit(&unit("mailer"));
            host.process(process("mailer", &unit("mailer")));
        },
        breaks: |host, _| {
            host.memory(3);
            host.memory_pressure(Some(30));
        },
        would: &["restart mini:unit:mailer.service"],
    },
    Fault {
        book: "nas-unreachable",
        config: "[host.this]\nmounts = [\"/mnt/nas\"]\n[host.nas]\n[probe.disk]\nevery = \"1m\"\n",
        before: |host| host.volume(of_nas(None)),
        breaks: |host, _| host.volume(of_nas(Some("has not answered for 20 s"))),
        would: &["detach mini:/mnt/nas", "mount mini:/mnt/nas"],
    },
    Fault {
        book: "container-oom",
        config: "",
        before: |host| host.containers(vec![container("app")]),
        breaks: |host, now| host.container("app", |c| ended(c, 137, Ended::Oom, now)),
        would: &["start app"],
    },
    Fault {
        book: "container-crashloop",
        config: "",
        before: |host| host.containers(vec![container("app")]),
        breaks: |host, now| host.container("app", |c| ended(c, 1, Ended::Own, now)),
        would: &["start app"],
    },
    Fault {
        book: "container-unhealthy",
        config: "",
        before: |host| host.containers(vec![container("app")]),
        breaks: |host, _| {
            host.container("app", |c| c.health = Health::Unhealthy { streak: 9 });
        },
        would: &["restart app"],
    },
];

/// Runbooks whose fault is a real service's: the test that holds them under observe.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "certificate",
        "certificates.rs",
        "a_certificate_ten_days_from_its_end_is_renewed_and_proven_on_the_wire",
    ),
    ("compose-update", "updates.rs", "under_observe_an_update_fetches_nothing_and_changes_nothing"),
    ("disk-full", "disk_full.rs", "under_observe_not_one_byte_changes"),
    ("dns", "units.rs", "a_name_server_that_died_is_started_and_under_observe_left_alone"),
    ("http-down", "../exam/observed.rs", "what_serves_an_endpoint_is_left_alone_under_observe"),
    (
        "kube-node-not-ready",
        "cluster.rs",
        "a_node_whose_host_nobody_knows_is_told_with_its_cause_under_observe_too",
    ),
    (
        "pod-crashloop",
        "cluster.rs",
        "under_observe_a_crash_loop_is_told_and_the_cluster_is_not_touched",
    ),
    (
        "replication-lag",
        "replication.rs",
        "a_standby_that_fell_over_is_started_and_one_that_was_stopped_is_left_alone",
    ),
    ("terraform-drift", "iac.rs", "a_drift_is_found_asked_about_and_cured_by_exactly_that_plan"),
];

fn is_look(tool: &str) -> bool {
    ["process.list", "unit.status", "unit.logs"].contains(&tool)
}

/// An endpoint that a unit serves, and that stops to answer.
struct Served(Arc<AtomicBool>);

impl Served {
    fn probe(down: &Arc<AtomicBool>) -> Probe {
        Probe {
            kind: Word::of("http"),
            name: "http.site".into(),
            host: mini(),
            every: Span::secs(30),
            timeout: Span::secs(10),
            fire_after: 1,
            clear_after: 1,
            wakes: false,
            care: Care::default(),
            parent: None,
            served_by: None,
            how: How::Net(Box::new(Self(Arc::clone(down)))),
        }
    }
}

impl NetProbe for Served {
    fn look<'a>(&'a mut self, _: &'a dyn Past, now: Millis) -> reef::Fut<'a, Vec<Reading>> {
        let target = Target::new(mini(), Thing::Endpoint, "site").unwrap();
        let signal = Signal { probe: Word::of("http"), target, aspect: Word::of("status") };
        let mut reading = match self.0.load(Ordering::SeqCst) {
            true => Reading::new(signal, now, Severity::Red, Word::of("refused"), "refused"),
            false => Reading::new(signal, now, Severity::Green, Word::of("ok"), "200"),
        };
        let by: Target = "mini:unit:web.service".parse().unwrap();
        reading.values.insert("unit".into(), Value::Target(by));
        Box::pin(async move { vec![reading] })
    }

    fn timed_out(&self, _: Span, _: Millis) -> Vec<Reading> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn what_serves_an_endpoint_is_left_alone_under_observe() {
    for (leash, effects) in [(Leash::Observe, 0), (Leash::Auto, 1)] {
        let down = Arc::new(AtomicBool::new(false));
        let house = Setup::new(leash).start_with(vec![Served::probe(&down)]).await;
        house.pass(Span::mins(10)).await;
        down.store(true, Ordering::SeqCst);
        house.until("the run ends", |house| 0 < house.ended()).await;
        let ending = &house.endings()[0];
        assert_eq!(house.host().effects().len(), effects, "{}", house.story());
        if leash == Leash::Observe {
            assert!(ending.starts_with("observed"), "{}", house.story());
            assert!(ending.contains("restart mini:unit:web.service"), "{ending}");
            house.pass(Span::hours(2)).await;
            assert_eq!((house.host().effects(), house.actions()), (vec![], vec![]));
        }
        house.end().await;
    }
}

async fn broken(fault: &Fault, leash: Leash) -> House {
    let mut setup = Setup::new(leash);
    if fault.book == "log-rotation" {
        let more = "unit.web = \"web.service\"\nunit.logrotate = \"logrotate.service\"";
        setup.config = setup.config.replace("unit.web = \"web.service\"", more);
    }
    setup.config.push_str(fault.config);
    for book in ["log-rotation", "nas-unreachable"] {
        setup.config.push_str(&format!("[runbook.{book}]\nleash = \"{leash}\"\n"));
    }
    (fault.before)(setup.host());
    let house = setup.start().await;
    house.pass(Span::mins(30)).await;
    (fault.breaks)(house.host(), house.estate.now());
    house.until(fault.book, |house| 0 < house.ended() || !house.actions().is_empty()).await;
    house
}

#[tokio::test(start_paused = true)]
async fn no_shipped_runbook_does_anything_under_observe_and_each_says_what_it_would_have() {
    for fault in FAULTS {
        let house = broken(fault, Leash::Observe).await;
        let ending = house.endings()[0].clone();
        let book = RunbookName::new(fault.book).unwrap();
        let of_book =
            |run: &reef::store::runs::RunRow| run.runbook.as_ref().is_some_and(|r| r.name == book);
        assert!(house.runs().iter().all(of_book), "{}: {}", fault.book, house.story());
        assert!(ending.starts_with("observed"), "{}: {}", fault.book, house.story());
        for would in fault.would {
            assert!(ending.contains(would), "{}: {would}: {ending}", fault.book);
        }
        house.pass(Span::hours(2)).await;
        assert_eq!(house.host().effects(), [], "{}", fault.book);
        assert_eq!((house.actions(), house.audited(AuditKind::Dispatched)), (vec![], vec![]));
        assert!(!house.audited(AuditKind::Would).is_empty(), "{}", fault.book);
        // It stands beside what a human does then by hand.
        let kept = |incident: reef::model::incident::Incident| {
            house.store.call_now(move |db| db.open_shadows(incident.id)).unwrap()
        };
        let shadows: Vec<_> = house.incidents().into_iter().flat_map(kept).collect();
        assert!(shadows.iter().any(|s| s.runbook == book), "{}: {shadows:?}", fault.book);
        house.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_faults_are_acted_on_where_that_is_allowed() {
    // Without this the test above would hold for a fault that no runbook answers.
    for fault in FAULTS {
        let house = broken(fault, Leash::Auto).await;
        assert!(
            !house.audited(AuditKind::Dispatched).is_empty(),
            "{}: {}",
            fault.book,
            house.story()
        );
        house.end().await;
    }
}

#[test]
fn every_shipped_runbook_that_can_act_has_its_test_under_observe() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for (name, text) in shipped() {
        let book = parse(RunbookName::new(name).unwrap(), text).unwrap();
        let here = FAULTS.iter().any(|fault| fault.book == name);
        let there = ELSEWHERE.iter().find(|(book, ..)| *book == name);
        match there {
            Some((_, file, test)) => {
                let source = std::fs::read_to_string(tests.join(file)).unwrap();
                let at = source
                    .find(&format!("fn {test}("))
                    .unwrap_or_else(|| panic!("{name}: no {test}"));
                let body = &source[at..];
                let body = &body[..body.find("\n}\n").unwrap()];
                assert!(body.to_lowercase().contains("observe"), "{name}: {test}");
            }
            // Where each step waits for an answer, nothing happens by itself under any leash.
            None => {
                let asks = book.steps().all(|s| s.asked == Asked::Yes || is_look(s.tool.as_str()));
                assert!(
                    here || book.max_tier == Tier::Low || asks,
                    "{name} has no test under observe"
                );
            }
        }
    }
}
