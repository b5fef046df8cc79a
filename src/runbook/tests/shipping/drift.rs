//! What the runbook of a drift does.

use crate::model::taint::Tainted;
use crate::model::value::Value;
use crate::runbook::tests::shipping::{acting, drift, one, word};
use crate::runbook::tests::stub::{found, step_name};
use crate::runbook::{Bindings, asks, question};

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
