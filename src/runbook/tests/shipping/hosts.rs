//! What the runbooks of a host, its units and its mounts do.

use crate::model::ids::Word;
use crate::model::severity::Severity;
use crate::model::value::Value;
use crate::runbook::tests::shipping::{acting, one, target, word};
use crate::runbook::tests::stub::{found, reading, step_name, told};
use crate::runbook::{Bindings, asks, leaves, offers};

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
