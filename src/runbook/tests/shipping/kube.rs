//! What the runbooks of a cluster do.

use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::value::Value;
use crate::runbook::tests::shipping::{acting, of_kube, one, target, word};
use crate::runbook::tests::stub::{found, step_name};
use crate::runbook::{Bindings, asks, question};

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
