//! What explains what, and when actions are held: one row a rule.

use super::*;
use crate::model::ids::Word;

/// `disk mini:/var bytes` and so on: `PROBE HOST[:TARGET]`.
fn signal(text: &str) -> Signal {
    let (probe, target) = text.split_once(' ').unwrap();
    Signal {
        probe: Word::new(probe).unwrap(),
        target: target.parse().unwrap(),
        aspect: Word::of("state"),
    }
}

fn minute(n: i64) -> Millis {
    Millis(0) + Span::mins(n)
}

/// A red of minute `at`.
fn red(text: &str, at: i64) -> Standing {
    let signal = signal(text);
    let cause = match signal.probe.as_str() {
        "ping" => Cause::HostDown,
        "disk" | "memory" | "cpu" => Cause::Resource,
        _ => Cause::Own,
    };
    Standing {
        sight: Sight::Seen,
        signal,
        severity: Severity::Red,
        red_at: Some(minute(at)),
        attention: Attention::New,
        cause,
        parent: None,
        depends_on: Vec::new(),
        drill: false,
    }
}

fn with(severity: Severity, text: &str) -> Standing {
    Standing { severity, red_at: None, ..red(text, 0) }
}

fn below(parent: &str, one: Standing) -> Standing {
    Standing { parent: Some(signal(parent)), ..one }
}

fn decide(standings: &[Standing]) -> Decision {
    tree(&Scene { standings, scope: HoldScope::Global, held: None, resumed_at: None }, minute(100))
}

#[track_caller]
fn check(rule: &str, standings: &[Standing], watch: usize, recover: usize, held: usize) {
    let got = decide(standings);
    let counts = (got.watch.len(), got.recover.len(), got.held.len());
    assert_eq!(counts, (watch, recover, held), "{rule}: {got:?}");
    assert_eq!(got.hold.is_some(), 0 < held, "{rule}");
}

#[test]
fn the_tree() {
    let green = || with(Severity::Green, "http nas:endpoint:a");
    let yellow = || with(Severity::Yellow, "http nas:endpoint:b");
    let a = || red("http nas:endpoint:c", 10);
    let b = || red("http mini:endpoint:d", 20);
    check("nothing is watched", &[], 0, 0, 0);
    check("all green is quiet", &[green()], 0, 0, 0);
    check("one yellow: note and watch", &[green(), yellow()], 1, 0, 0);
    check("one red: tell and recover", &[green(), a()], 0, 1, 0);
    check("a red and a yellow", &[a(), yellow()], 1, 1, 0);
    check("several new reds: hold", &[a(), b()], 0, 0, 2);
    check("unknown is no red", &[a(), with(Severity::Unknown, "http mini:endpoint:d")], 0, 1, 0);
    assert!(decide(&[green()]).is_quiet() && !decide(&[yellow()]).is_quiet());
}

#[test]
fn reds_hold_only_when_they_come_together() {
    let b = |at| red("http mini:endpoint:d", at);
    let a = || red("http nas:endpoint:c", 10);
    check("ten minutes apart", &[a(), b(20)], 0, 0, 2);
    check("the other way round", &[b(20), a()], 0, 0, 2);
    let late = Standing { red_at: Some(minute(20) + Span(1)), ..b(0) };
    check("a millisecond more", &[a(), late], 0, 2, 0);
    check("a chain of three", &[a(), b(25), red("dns mini:endpoint:e", 30)], 0, 0, 3);
}

#[test]
fn what_a_human_has_and_drills_do_not_count() {
    let a = || red("http nas:endpoint:c", 10);
    let b = || red("http mini:endpoint:d", 11);
    for attention in
        [Attention::Acknowledged, Attention::Silenced, Attention::Escalated, Attention::Gathering]
    {
        let got = decide(&[a(), Standing { attention, ..b() }]);
        assert_eq!((got.recover.len(), got.hold), (1, None), "{attention:?}");
    }
    let drill = Standing { drill: true, ..b() };
    check("a drill does not count", &[a(), drill.clone()], 0, 2, 0);
    check("a drill is not held", &[a(), red("dns mini:endpoint:e", 12), drill], 0, 1, 2);
}

#[test]
fn a_hold_goes_on_until_at_most_one_is_left() {
    let far_apart = [red("http nas:endpoint:c", 10), red("http mini:endpoint:d", 40)];
    let held = Hold { since: minute(11), by: BTreeSet::new(), hosts: None };
    let decide = |standings: &[Standing], resumed_at| {
        let held = Some(&held);
        tree(&Scene { standings, scope: HoldScope::Global, held, resumed_at }, minute(100)).hold
    };
    let stands = decide(&far_apart, None).unwrap();
    assert_eq!((stands.since, stands.by.len()), (minute(11), 2));
    assert_eq!(decide(&far_apart[..1], None), None, "one is left");
    assert_eq!(decide(&far_apart, Some(minute(40))), None, "the operator resumed");
    assert_eq!(decide(&far_apart, Some(minute(39))), None, "one of them came later");
    let both_later = decide(&far_apart, Some(minute(9)));
    assert!(both_later.is_some(), "both came after the resume");
}

#[test]
fn a_resume_lets_the_present_reds_recover_and_the_next_ones_hold_anew() {
    let mut reds = vec![red("http nas:endpoint:c", 10), red("http mini:endpoint:d", 11)];
    let at = |standings: &[Standing]| {
        let scene =
            Scene { standings, scope: HoldScope::Global, held: None, resumed_at: Some(minute(12)) };
        tree(&scene, minute(100))
    };
    assert_eq!(at(&reds).recover.len(), 2);
    reds.push(red("dns mini:endpoint:e", 13));
    assert_eq!(at(&reds).hold, None, "one new red");
    reds.push(red("dns nas:endpoint:f", 14));
    let got = at(&reds);
    assert_eq!((got.hold.unwrap().by.len(), got.held.len()), (2, 4), "all actions are held");
}

#[test]
fn the_hold_may_reach_one_host_only() {
    let reds = [
        red("http nas:endpoint:a", 10),
        red("dns nas:endpoint:b", 11),
        red("http mini:endpoint:c", 10),
    ];
    let scene =
        |standings| Scene { standings, scope: HoldScope::Host, held: None, resumed_at: None };
    let got = tree(&scene(&reds), minute(20));
    assert_eq!((got.held.len(), got.recover.len()), (2, 1));
    let hold = got.hold.unwrap();
    let host = |name| HostName::new(name).unwrap();
    assert!(hold.covers(&host("nas")) && !hold.covers(&host("mini")));
    assert_eq!(tree(&scene(&reds[1..]), minute(20)).hold, None, "one a host");
}

#[test]
fn resources_of_a_host_fall_together_and_explain_the_rest() {
    let disk = || red("disk mini:/var", 10);
    let memory = || red("memory mini", 11);
    let web = || red("http mini:endpoint:a", 9);
    check("a resource explains what is on its host", &[disk(), web()], 0, 1, 0);
    check("not what is on another", &[disk(), red("http nas:endpoint:a", 9)], 0, 0, 2);
    check("two resources of one host are one cause", &[disk(), memory()], 0, 2, 0);
    check(
        "and hold with a third elsewhere",
        &[disk(), memory(), red("dns nas:endpoint:a", 9)],
        0,
        0,
        3,
    );
    check("of two hosts they are two", &[disk(), red("disk nas:/var", 12)], 0, 0, 2);
    let yellow = with(Severity::Yellow, "disk mini:/var");
    check("a yellow explains nothing", &[yellow, web()], 1, 1, 0);
    let drill = Standing { drill: true, ..disk() };
    check("nor does a drill", &[drill, web()], 0, 2, 0);
    let known = Standing { attention: Attention::Acknowledged, ..disk() };
    check("an acknowledged one still does", &[known, web()], 0, 0, 0);
    assert_eq!(explained_by(&web(), &[memory(), disk(), web()]), Some(disk().signal), "the older");
}

#[test]
fn a_host_that_is_down_explains_all_on_it() {
    let down = || red("ping nas", 10);
    let all = [
        down(),
        red("disk nas:/var", 11),
        red("http nas:endpoint:a", 9),
        with(Severity::Unknown, "memory nas"),
    ];
    check("one message", &all, 0, 1, 0);
    for one in &all[1..] {
        assert_eq!(explained_by(one, &all), Some(down().signal));
    }
    assert_eq!(explained_by(&down(), &all), None);
}

#[test]
fn a_red_parent_explains_its_children() {
    let router = || red("ping router", 10);
    let nas = || below("ping router", red("ping nas", 11));
    let web = || below("ping nas", red("http web:endpoint:a", 12));
    let all = [router(), nas(), web()];
    assert_eq!(explained_by(&nas(), &all), Some(router().signal));
    assert_eq!(explained_by(&web(), &all), Some(router().signal), "the last in the chain");
    check("a parent and its line", &all, 0, 1, 0);
    let mut many: Vec<_> = (0..30)
        .map(|n| below("ping router", red(&format!("http web:endpoint:a{n}"), 11)))
        .collect();
    many.push(router());
    check("a parent with thirty children is one message", &many, 0, 1, 0);

    let unseen = below("ping router", with(Severity::Unknown, "ping nas"));
    let all = [router(), unseen, web()];
    assert_eq!(explained_by(&web(), &all), Some(router().signal), "through an unseen parent");
    let reached = below("ping router", with(Severity::Green, "ping nas"));
    let all = [router(), reached, web()];
    assert_eq!(explained_by(&web(), &all), None, "a green parent is reached");
    assert_eq!(explained_by(&web(), &[web()]), None, "the parent is not known");
}

#[test]
fn a_ring_of_parents_leaves_one_to_tell() {
    let a = below("http b:endpoint:x", red("http a:endpoint:x", 10));
    let b = below("http a:endpoint:x", red("http b:endpoint:x", 11));
    let c = below("http b:endpoint:x", red("http c:endpoint:x", 12));
    let all = [a.clone(), b.clone(), c.clone()];
    assert_eq!(explained_by(&a, &all), None);
    assert_eq!(explained_by(&b, &all), Some(a.signal.clone()));
    assert_eq!(explained_by(&c, &all), Some(a.signal.clone()));
    let own = below("http a:endpoint:x", red("http a:endpoint:x", 10));
    assert_eq!(explained_by(&own, std::slice::from_ref(&own)), None);
}

#[test]
fn hosts_that_boot_at_once_share_one_grace() {
    let grace = |from, until| Some(Grace { from: minute(from), until: minute(until) });
    let boots = [minute(0), minute(2), minute(-5_000)];
    let cut = |before, parents, now| power_cut(before, &boots, parents, minute(now));
    assert_eq!(cut(None, Parents::None, 3), grace(0, 12));
    assert_eq!(power_cut(None, &boots[1..], Parents::None, minute(3)), None, "one host");
    assert_eq!(cut(None, Parents::None, 10), None, "long ago");
    assert_eq!(cut(None, Parents::NotGreen, 3), grace(0, 60));
    let running = grace(0, 60);
    assert_eq!(cut(running, Parents::NotGreen, 30), grace(0, 60));
    assert_eq!(cut(running, Parents::NotGreen, 60), None, "an hour at the most");
    assert_eq!(cut(running, Parents::GreenSince(minute(20)), 29), grace(0, 30));
    assert_eq!(cut(running, Parents::GreenSince(minute(20)), 30), None);
    assert_eq!(cut(running, Parents::GreenSince(minute(-99)), 5), grace(0, 12), "a UPS");
}

#[test]
fn a_hold_names_its_reds() {
    let got = decide(&[red("http nas:endpoint:c", 10), red("http mini:endpoint:d", 11)]);
    assert_eq!(
        got.hold.unwrap().words(),
        "2 independent reds at once: http mini:endpoint:d state, http nas:endpoint:c state"
    );
}

#[test]
fn any_red_that_it_depends_on_explains_it_nearest_and_oldest_first() {
    let needs = |on: &[&str], one: Standing| Standing {
        depends_on: on.iter().map(|s| signal(s)).collect(),
        ..one
    };
    let app = || {
        needs(
            &["http mini:endpoint:db", "http mini:endpoint:auth"],
            red("http mini:endpoint:app", 9),
        )
    };
    let auth = |at| red("http mini:endpoint:auth", at);
    let db = |at| red("http mini:endpoint:db", at);
    let by = |all: &[Standing]| explained_by(&all[0], all).map(|s| s.to_string());
    assert_eq!(by(&[app(), auth(3)]), Some(signal("http mini:endpoint:auth").to_string()));
    let both = [app(), auth(3), db(2)];
    assert_eq!(by(&both), Some(signal("http mini:endpoint:db").to_string()));
    // A green one beside a red one explains nothing away.
    let green = with(Severity::Green, "http mini:endpoint:db");
    assert_eq!(by(&[app(), green, auth(3)]), Some(signal("http mini:endpoint:auth").to_string()));
    // Through one that cannot be seen.
    let blind =
        below("http mini:endpoint:switch", with(Severity::Unknown, "http mini:endpoint:db"));
    let switch = red("http mini:endpoint:switch", 1);
    assert_eq!(by(&[app(), blind, switch]), Some(signal("http mini:endpoint:switch").to_string()));
    let ring = needs(&["http mini:endpoint:app"], with(Severity::Unknown, "http mini:endpoint:db"));
    assert_eq!(by(&[app(), ring]), None);
}
