//! What the runbook of a standby does.

use crate::model::taint::Tainted;
use crate::model::value::Value;
use crate::runbook::Bindings;
use crate::runbook::tests::shipping::{acting, of_database, one, target, word};
use crate::runbook::tests::stub::{found, step_name};

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
