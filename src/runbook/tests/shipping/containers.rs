//! What a container's runbooks do.

use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::value::Value;
use crate::runbook::tests::shipping::{acting, docker, one, target, word};
use crate::runbook::tests::stub::{found, reading, step_name};
use crate::runbook::{Bindings, asks};

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
