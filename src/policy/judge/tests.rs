//! Strictest wins over the whole table, and an approval is good for exactly one plan.

use proptest::prelude::*;

use super::*;
use crate::model::approval::Choice;
use crate::model::ids::{ApprovalId, IncidentId, RunbookName, ToolName};
use crate::model::plan::{OnFailure, Plan, RunbookRef, Verify};
use crate::model::time::Span;
use crate::model::tool::{Repeat, Undo};
use crate::model::value::Value;
use crate::policy::fact::tests::{fact, path, step};
use crate::policy::fact::{Outcome, Proof};

const NOW: Millis = Millis(1_000_000_000);
const TARGET: &str = "mini:unit:web.service";

fn plan() -> Plan {
    let mut first = step("unit.restart", TARGET);
    first.call.args.insert("path".to_owned(), Value::Path(path("/var/log/web")));
    first.undo = Undo::By(step("unit.stop", TARGET).call);
    Plan {
        run: RunId(7),
        round: 0,
        origin: Origin::Incident(IncidentId(1)),
        runbook: Some(RunbookRef {
            name: RunbookName::new("service-failed").unwrap(),
            digest: Digest::of(b"runbook"),
        }),
        steps: vec![first],
        verify: Verify::Not("a test".to_owned()),
        on_failure: OnFailure::Stop,
    }
}

fn facts() -> GateFacts {
    GateFacts {
        paused: None,
        hold: None,
        leash: Leash::Ask,
        source: Source::MatchedRunbook,
        hands: None,
        confirmed: Confirmed::No,
        lease_held_by: None,
        actions: vec![],
        limits: Limits::default(),
        rules: BreakerRules::default(),
        resets: vec![],
        approval: None,
        protected: Protected { paths: vec![path("/var/lib/reef")], scratch: None },
        named: BTreeSet::new(),
        closed: None,
    }
}

fn approved(plan: &Plan) -> Option<ApprovedDigest> {
    let expires_at = NOW + Span::hours(12);
    Some(ApprovedDigest { digest: plan.digest(), expires_at, used: vec![] })
}

fn judged(plan: &Plan, facts: &GateFacts) -> Verdict {
    let step = &plan.steps[0];
    let asked = Asked { run: plan.run, plan: plan.digest(), origin: &plan.origin, step };
    judge(&asked, Ok(facts), NOW)
}

#[track_caller]
fn check(rule: &str, facts: &GateFacts, want: &str) -> String {
    let got = judged(&plan(), facts);
    assert_eq!(got.word(), want, "{rule}: {got:?}");
    got.why().to_owned()
}

/// Another run's action on another service of the same host, not closed yet.
fn elsewhere(run: RunId) -> ActionFact {
    ActionFact {
        run,
        target: "mini:unit:db.service".parse().unwrap(),
        outcome: None,
        proof: Proof::Pending,
        ended_at: None,
        ..fact(run.0, NOW - Span::mins(1))
    }
}

/// Words of the reason, and what brings it about.
type Breaking = (&'static str, fn(&mut GateFacts));

/// Each way in which a rule forbids, alone.
fn forbidding() -> Vec<Breaking> {
    vec![
        ("paused", |f| f.paused = Some("by uid 1000".to_owned())),
        ("reef's own", |f| f.protected.paths.push(path("/var/log"))),
        ("held", |f| f.hold = Some("2 reds".to_owned())),
        ("leash observe", |f| f.leash = Leash::Observe),
        ("outside its hours", |f| f.closed = Some("outside its hours: next at 22:00".to_owned())),
        ("still works on", |f| f.lease_held_by = Some((TARGET.parse().unwrap(), RunId(8)))),
        ("still at work on mini", |f| f.actions = vec![elsewhere(RunId(8))]),
        ("limit", |f| {
            f.actions = (1..=3).map(|run| fact(100 + run, NOW - Span::mins(9))).collect();
        }),
        ("breaker", |f| {
            f.actions = (1..=2).map(|run| fact(100 + run, NOW - Span::mins(5))).collect();
            f.actions.iter_mut().for_each(|a| a.outcome = Some(Outcome::Failed));
        }),
    ]
}

#[test]
fn allow_ask_and_forbid() {
    assert_eq!(check("leash ask", &facts(), "ask"), "leash ask: a human decides");
    check("auto", &GateFacts { leash: Leash::Auto, ..facts() }, "allow");
    check("approved", &GateFacts { approval: approved(&plan()), ..facts() }, "allow");
    for (why, break_it) in forbidding() {
        let mut facts = facts();
        break_it(&mut facts);
        let got = check(why, &facts, "forbid");
        assert!(got.contains(why), "{got}");
    }
}

#[test]
fn an_approval_and_a_free_leash_never_turn_a_no() {
    for (why, break_it) in forbidding() {
        let mut facts = GateFacts { leash: Leash::Auto, approval: approved(&plan()), ..facts() };
        facts.confirmed = Confirmed::Named;
        break_it(&mut facts);
        check(why, &facts, "forbid");
    }
}

#[test]
fn the_strictest_wins_and_the_first_of_them_is_told() {
    let rules = forbidding();
    for (i, (_, first)) in rules.iter().enumerate() {
        for (_, second) in &rules[i + 1..] {
            let mut facts = facts();
            // In any order: what is told does not depend on it.
            second(&mut facts);
            let actions = facts.actions.clone();
            first(&mut facts);
            if !actions.is_empty() {
                facts.actions.extend(actions);
            }
            let got = check("two rules", &facts, "forbid");
            assert!(got.contains(rules[i].0), "{got} does not say {:?}", rules[i].0);
        }
    }
}

#[test]
fn facts_that_cannot_be_read_forbid() {
    let plan = plan();
    let step = &plan.steps[0];
    let asked = Asked { run: plan.run, plan: plan.digest(), origin: &plan.origin, step };
    let got = judge(&asked, Err("the disk is full"), NOW);
    assert_eq!(got.word(), "forbid");
    assert!(got.why().ends_with("the disk is full"));
}

#[test]
fn an_approval_is_unexpired_unused_and_of_this_plan() {
    let with = |change: fn(&mut ApprovedDigest)| {
        let mut approval = approved(&plan()).unwrap();
        change(&mut approval);
        GateFacts { approval: Some(approval), ..facts() }
    };
    check("as it is", &with(|_| ()), "allow");
    check("its last millisecond", &with(|a| a.expires_at = NOW + Span(1)), "allow");
    let expired = check("expired", &with(|a| a.expires_at = NOW), "ask");
    assert!(expired.ends_with("the approval has expired"), "{expired}");
    let other = check("of another plan", &with(|a| a.digest = Digest::of(b"x")), "ask");
    assert!(other.ends_with("what was approved is another plan"), "{other}");
    check("another step used it", &with(|a| a.used = vec![StepName::new("two").unwrap()]), "allow");
    check("this step used it", &with(|a| a.used = vec![StepName::new("one").unwrap()]), "ask");
}

#[test]
fn only_an_approved_choice_with_a_plan_approves() {
    let choice = |plan: Option<Plan>| Choice {
        say: "x".to_owned(),
        digest: plan.as_ref().map(Plan::digest),
        plan,
    };
    let mut approval = Approval {
        id: ApprovalId(1),
        run: RunId(7),
        incident: None,
        question: String::new(),
        choices: vec![choice(None), choice(Some(plan()))],
        tier: Tier::High,
        asked_at: NOW,
        expires_at: NOW + Span::hours(1),
        state: ApprovalState::Pending,
    };
    let by = || "uid 1000".to_owned();
    let picked = |choice| ApprovalState::Approved { choice, by: by(), at: NOW };
    for (state, want) in [
        (ApprovalState::Pending, false),
        (ApprovalState::Denied { by: by(), at: NOW }, false),
        (ApprovalState::Expired { at: NOW }, false),
        (ApprovalState::Void { why: by(), at: NOW }, false),
        (ApprovalState::Used { at: NOW }, false),
        (picked(0), false),
        (picked(1), true),
        (picked(2), false),
    ] {
        approval.state = state;
        assert_eq!(ApprovedDigest::of(&approval, vec![]).is_some(), want, "{:?}", approval.state);
    }
}

#[test]
fn the_run_that_holds_the_lease_goes_on() {
    let held = Some((TARGET.parse().unwrap(), RunId(7)));
    check("its own", &GateFacts { leash: Leash::Auto, lease_held_by: held, ..facts() }, "allow");
}

#[test]
fn one_action_at_a_time_on_a_host_and_the_next_waits_for_its_proof() {
    let with = |actions| GateFacts { leash: Leash::Auto, actions, ..facts() };
    let asks = |facts: &GateFacts| {
        let plan = plan();
        let step = &plan.steps[0];
        let asked = Asked { run: plan.run, plan: plan.digest(), origin: &plan.origin, step };
        let when_free = judge_when_free(&asked, Ok(facts), NOW);
        (judge(&asked, Ok(facts), NOW).word(), when_free.word(), waits(&asked, facts, NOW))
    };
    let other = elsewhere(RunId(8));
    let (now, free, why) = asks(&with(vec![other.clone()]));
    assert_eq!((now, free), ("forbid", "allow"));
    assert!(why.unwrap().contains("R-8 is still at work on mini"));
    let proving = ActionFact { outcome: Some(Outcome::Done), ..other.clone() };
    assert_eq!(asks(&with(vec![proving.clone()])).0, "forbid");
    let just = ActionFact { ended_at: Some(NOW - Span::mins(9)), ..proving.clone() };
    assert_eq!(asks(&with(vec![just.clone()])).0, "forbid");
    for done in [
        // What has to stay green for an hour keeps its host for the first minutes only.
        ActionFact { ended_at: Some(NOW - Span::mins(10)), ..just },
        ActionFact { proof: Proof::Passed, ..proving.clone() },
        ActionFact { run: RunId(7), ..other.clone() },
        ActionFact { drill: true, ..other.clone() },
        ActionFact { target: "nas:unit:db.service".parse().unwrap(), ..other.clone() },
    ] {
        assert_eq!(asks(&with(vec![done])), ("allow", "allow", None));
    }
    // A lease of a run at work passes; one that an ended run left behind does not.
    let held = Some((TARGET.parse().unwrap(), RunId(8)));
    let mut facts = GateFacts { lease_held_by: held, ..with(vec![other]) };
    assert!(asks(&facts).2.unwrap().contains("still works on"));
    facts.actions.clear();
    assert_eq!(asks(&facts), ("forbid", "forbid", None));
    // What is forbidden for another reason too is not waited for.
    let paused = GateFacts { paused: Some("x".into()), ..with(vec![elsewhere(RunId(8))]) };
    assert_eq!(asks(&paused), ("forbid", "forbid", None));
    let ask = GateFacts { leash: Leash::Ask, ..with(vec![elsewhere(RunId(8))]) };
    assert_eq!(asks(&ask), ("forbid", "ask", None));
}

#[test]
fn the_last_healthy_replica_is_never_taken() {
    use crate::model::tool::Replicas;
    for (of, healthy, leaves, want) in [
        (3, 3, 2, "allow"),
        (3, 1, 0, "forbid"),
        (2, 2, 1, "allow"),
        (2, 1, 0, "forbid"),
        (2, 0, 0, "allow"),
        (2, 1, 1, "allow"),
        (1, 1, 0, "allow"),
    ] {
        let mut plan = plan();
        plan.steps[0].replicas = Some(Replicas { of, healthy, leaves });
        let facts = GateFacts { leash: Leash::Auto, approval: approved(&plan), ..facts() };
        let got = judged(&plan, &facts);
        assert_eq!(got.word(), want, "{of} {healthy} {leaves}: {got:?}");
        if want == "forbid" {
            assert!(got.why().contains("last healthy replica"), "{got:?}");
        }
    }
}

#[test]
fn a_drill_passes_hold_limits_and_breaker_but_not_pause_nor_a_lease() {
    let mut plan = plan();
    plan.origin = Origin::Drill;
    let scratch = "mini:/var/lib/reef/drill";
    plan.steps = vec![step("files.clean", scratch)];
    let protected = Protected { scratch: Some(path("/var/lib/reef/drill")), ..facts().protected };
    for (why, break_it) in forbidding() {
        let mut facts = facts();
        break_it(&mut facts);
        facts.protected = protected.clone();
        let strict = ["paused", "outside its hours", "still works on"];
        let want = if strict.contains(&why) { "forbid" } else { "allow" };
        assert_eq!(judged(&plan, &facts).word(), want, "{why}");
    }
    let outside = GateFacts { leash: Leash::Auto, ..facts() };
    assert_eq!(judged(&plan, &outside).word(), "forbid", "no scratch");
    // Its undo is a drill too; that of anything else is not.
    plan.origin = Origin::Undo(ActionId(5));
    let mut observe = GateFacts { leash: Leash::Observe, protected, ..facts() };
    assert_eq!(judged(&plan, &observe).word(), "forbid");
    observe.actions = vec![ActionFact { drill: true, ..fact(5, NOW) }];
    assert_eq!(judged(&plan, &observe).word(), "allow");
}

#[test]
fn a_promised_undo_is_held_back_by_what_a_human_holds_and_not_by_what_failed() {
    let mut plan = plan();
    plan.origin = Origin::Undo(ActionId(5));
    for (why, break_it) in forbidding() {
        let mut facts = GateFacts { source: Source::Promised, ..facts() };
        break_it(&mut facts);
        let strict = [
            "paused",
            "reef's own",
            "held",
            "outside its hours",
            "leash observe",
            "still works on",
            "still at work on mini",
        ];
        let want = if strict.contains(&why) { "forbid" } else { "allow" };
        assert_eq!(judged(&plan, &facts).word(), want, "{why}");
        // An undo that nobody promised is an action like any other.
        facts.source = Source::Neither;
        assert_eq!(judged(&plan, &facts).word(), "forbid", "{why}");
    }
}

#[test]
fn a_query_passes_even_under_pause() {
    let mut plan = plan();
    plan.steps[0].tier = Tier::Low;
    for (why, break_it) in forbidding() {
        let mut facts = facts();
        break_it(&mut facts);
        assert_eq!(judged(&plan, &facts), Verdict::Allow, "{why}");
    }
}

#[test]
fn both_breakers_are_asked() {
    let mut facts = GateFacts { leash: Leash::Auto, ..facts() };
    facts.actions = (1..=2)
        .map(|run| ActionFact {
            tool: ToolName::of("files.clean"),
            target: "nas:/var".parse().unwrap(),
            proof: Proof::Failed,
            ..fact(100 + run, NOW - Span::mins(5))
        })
        .collect();
    assert!(check("all actions", &facts, "forbid").contains("all actions"));
}

type Mutation = (&'static str, fn(&mut Plan));

/// Each single thing that may differ between two plans.
const MUTATIONS: &[Mutation] = &[
    ("run", |p| p.run = RunId(8)),
    ("origin", |p| p.origin = Origin::Incident(IncidentId(2))),
    ("no runbook", |p| p.runbook = None),
    ("runbook", |p| p.runbook.as_mut().unwrap().digest = Digest::of(b"edited")),
    ("runbook's name", |p| {
        p.runbook.as_mut().unwrap().name = RunbookName::new("other").unwrap();
    }),
    ("step's name", |p| p.steps[0].name = StepName::new("two").unwrap()),
    ("tool", |p| p.steps[0].call.tool = ToolName::of("unit.stop")),
    ("target", |p| p.steps[0].call.target = "nas:unit:web.service".parse().unwrap()),
    ("argument", |p| {
        p.steps[0].call.args.insert("path".to_owned(), Value::Path(path("/var/log/wea")));
    }),
    ("argument's name", |p| {
        let value = p.steps[0].call.args.remove("path").unwrap();
        p.steps[0].call.args.insert("paths".to_owned(), value);
    }),
    ("one argument more", |p| {
        p.steps[0].call.args.insert("force".to_owned(), Value::Flag(true));
    }),
    ("roots", |p| p.steps[0].call.bounds.roots.push(path("/var"))),
    ("most targets", |p| p.steps[0].call.bounds.max_targets += 1),
    ("tier", |p| p.steps[0].tier = Tier::Medium),
    ("items", |p| p.steps[0].effect.max_items += 1),
    ("bytes", |p| p.steps[0].effect.max_bytes += 1),
    ("artifact", |p| p.steps[0].effect.artifact = Some(Digest::of(b"list"))),
    ("undo", |p| p.steps[0].undo = Undo::Impossible(String::new())),
    ("repeat", |p| p.steps[0].repeat = Repeat::Safe),
    ("lease", |p| p.steps[0].lease.clear()),
    ("replicas", |p| {
        p.steps[0].replicas = Some(crate::model::tool::Replicas { of: 3, healthy: 3, leaves: 2 });
    }),
    ("what its undo needs is kept for", |p| {
        p.steps[0].holds = Some(crate::model::tool::Holds::For(Span::hours(1)));
    }),
    ("a second step", |p| p.steps.push(p.steps[0].clone())),
    ("verification", |p| p.verify = Verify::Not("other".to_owned())),
    ("on failure", |p| p.on_failure = OnFailure::Undo),
];

#[test]
fn an_approval_of_a_plan_that_differs_in_anything_does_not_help() {
    let facts = GateFacts { approval: approved(&plan()), ..facts() };
    for (what, mutate) in MUTATIONS {
        let mut other = plan();
        mutate(&mut other);
        assert_ne!(judged(&other, &facts), Verdict::Allow, "{what}");
    }
}

proptest! {
    #[test]
    fn no_mixture_of_changes_is_approved(
        changes in prop::collection::vec(prop::sample::select(MUTATIONS), 1..6),
        name in "[a-z]{1,8}", number in any::<i64>(),
    ) {
        let mut other = plan();
        for (_, change) in changes {
            if other.runbook.is_some() && other.steps[0].call.args.contains_key("path") {
                change(&mut other);
            }
        }
        other.steps[0].call.args.insert(format!("x{name}"), Value::Int(number));
        let facts = GateFacts { approval: approved(&plan()), ..facts() };
        prop_assert_ne!(judged(&other, &facts), Verdict::Allow);
    }
}

#[test]
fn somebodys_hands_turn_a_yes_into_a_question_and_nothing_into_a_no() {
    let anna = Some("anna is logged in on nas since 02:10".to_owned());
    let auto = GateFacts { leash: Leash::Auto, hands: anna.clone(), ..facts() };
    check("somebody is there", &auto, "ask");
    let Verdict::Ask { why } = judged(&plan(), &auto) else { panic!() };
    assert!(why.contains("anna"), "{why}");
    check(
        "who said yes knows",
        &GateFacts { approval: approved(&plan()), ..auto.clone() },
        "allow",
    );
    check("what was promised", &GateFacts { source: Source::Promised, ..auto.clone() }, "ask");
    check("observe", &GateFacts { leash: Leash::Observe, ..auto }, "forbid");
    let mut low = plan();
    low.steps[0].tier = Tier::Low;
    assert_eq!(judged(&low, &GateFacts { hands: anna, ..facts() }), Verdict::Allow);
}

/// All of a plan that its digest speaks of: without words for people, how long it should take, and the round.
fn of_digest(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.round = 0;
    for step in &mut plan.steps {
        step.effect.words.clear();
        step.effect.takes = None;
        if let Undo::Impossible(words) = &mut step.undo {
            words.clear();
        }
    }
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    /// The plan as it is stored, with one byte changed: where that still is a plan, and another one, the yes is void.
    #[test]
    fn one_changed_byte_voids_an_approval(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let plan = plan();
        let facts = GateFacts { approval: approved(&plan), ..facts() };
        let mut bytes = serde_json::to_vec(&plan).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(other) = serde_json::from_slice::<Plan>(&bytes)
            && of_digest(&other) != of_digest(&plan)
        {
            prop_assert_ne!(other.digest(), plan.digest());
            prop_assert_ne!(judged(&other, &facts), Verdict::Allow);
        }
    }
}
