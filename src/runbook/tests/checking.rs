//! Each rule of check: one slip, what is said about it, and on which line.

use crate::model::tool::Tier;
use crate::runbook::check;
use crate::runbook::tests::stub::{book, file, mistakes, readings, told, tool};

const FRONT: &str = "max_tier = \"high\"\nroots = [\"/var/log\"]\nparams = { top = 5, old = \"30d\", kinds = [\"logs\"], where = \"/etc\" }\ntools = [\"disk.usage\", \"files.clean\", \"files.compress\", \"files.move\", \"files.find\", \"unit.status\", \"unit.restart\", \"unit.logs\"]";

/// `look` from line 9 on, and then a step `s` whose own lines begin with 16.
fn two_steps(rest: &str) -> String {
    let body = format!(
        "```step\nname = \"look\"\ntool = \"disk.usage\"\nargs = {{ path = \"reading.path\" }}\n```\n```step\nname = \"s\"\n{rest}\n```\n"
    );
    file(FRONT, &body)
}

#[track_caller]
fn says(text: &str, line: usize, want: &str) {
    let found = mistakes(text);
    let hit = found.iter().any(|m| m.line == line && m.to_string().contains(want));
    assert!(hit, "no {want:?} on line {line} in:\n{}\nof:\n{text}", told(&found));
}

#[test]
fn what_fits_is_not_complained_about() {
    for rest in [
        "tool = \"files.clean\"\nargs = { path = \"look.path\", older = \"param.old\", what = \"temp\" }",
        "tool = \"files.clean\"\nargs = { path = \"/var/log/app\", older = \"30d\", what = { literal = \"look.kind\" } }",
        "tool = \"disk.usage\"\nargs = { path = \"/etc\", top = \"param.top\" }",
        "tool = \"files.compress\"\nargs = { path = \"look.path\", what = \"look.kind\" }",
        "tool = \"unit.status\"\nargs = { unit = \"unit:nginx.service\" }",
        "tool = \"unit.status\"\nargs = { unit = \"reading.target\" }\ntarget = \"reading.path\"",
        "tool = \"files.compress\"\nargs = { path = \"look.path\" }\nwhen = [{ value = \"look.kind\", in = [\"logs\", \"temp\"] }, { value = \"look.size\", above = \"1 GiB\" }, { value = \"look.age\", below = \"30d\" }, { value = \"reading.used_percent\", above = 90 }, { value = \"look.safe\", is = true }, { value = \"look.candidates\", is = \"logs\" }, { value = \"reading.severity\", is = \"red\" }]",
    ] {
        let text = two_steps(rest);
        assert_eq!(told(&mistakes(&text)), "", "{text}");
    }
}

#[test]
fn each_rule_over_tools_and_values_is_told_at_its_line() {
    for (rest, line, want) in [
        ("tool = \"disk.usge\"\nargs = { path = \"/a\" }", 16, "did you mean \"disk.usage\"?"),
        (
            "tool = \"http.get\"\nargs = { endpoint = \"reading.target\" }",
            16,
            "is not listed in tools; add \"http.get\"",
        ),
        (
            "tool = \"files.destroy\"\nargs = { path = \"/var/log\" }",
            16,
            "can be critical, above max_tier, high",
        ),
        ("tool = \"disk.usage\"", 14, "disk.usage needs path"),
        ("tool = \"disk.usage\"\nargs = { pth = \"/a\" }", 17, "did you mean \"path\"?"),
        ("tool = \"disk.usage\"\nargs = { path = \"a\" }", 17, "is not an absolute path"),
        ("tool = \"disk.usage\"\nargs = { path = 7 }", 17, "is no path"),
        (
            "tool = \"disk.usage\"\nargs = { path = \"/a\", top = \"10\" }",
            17,
            "is no number; write 10",
        ),
        ("tool = \"disk.usage\"\nargs = { path = \"look.pth\" }", 17, "did you mean \"path\"?"),
        ("tool = \"disk.usage\"\nargs = { path = \"reading.pat\" }", 17, "did you mean \"path\"?"),
        (
            "tool = \"disk.usage\"\nargs = { path = \"reading.endpoint\" }",
            17,
            "this reading gives no \"endpoint\"",
        ),
        (
            "tool = \"disk.usage\"\nargs = { path = \"look.size\" }",
            17,
            "look.size is a size, not a path",
        ),
        (
            "tool = \"disk.usage\"\nargs = { path = \"param.top\" }",
            17,
            "param.top is a number, not a path",
        ),
        (
            "tool = \"files.compress\"\nargs = { path = \"look.path\", what = \"look.size\" }",
            17,
            "write { literal = \"look.size\" }",
        ),
        (
            "tool = \"disk.usage\"\nargs = { path = \"reading.source\" }",
            17,
            "text from outside, which fills no argument",
        ),
        ("tool = \"files.compress\"\nargs = { path = \"/etc\" }", 17, "/etc lies outside roots"),
        ("tool = \"files.compress\"\nargs = { path = \"/var/logs\" }", 17, "lies outside roots"),
        (
            "tool = \"files.move\"\nargs = { paths = [\"/var/log/a\", \"/etc\"] }",
            17,
            "/etc lies outside roots",
        ),
        (
            "tool = \"files.move\"\nargs = { paths = \"look.path\" }",
            17,
            "is a path, not a list of paths",
        ),
        ("tool = \"unit.status\"\nargs = { unit = \"unit:*\" }", 17, "star"),
        (
            "tool = \"unit.status\"\nargs = { unit = \"reading.path\" }",
            17,
            "is a path, not a target",
        ),
        (
            "tool = \"disk.usage\"\nargs = { path = \"/a\" }\ntarget = \"look.size\"",
            18,
            "neither target nor path",
        ),
        (
            "tool = \"disk.usage\"\nargs = { path = \"/a\" }\nasked = true",
            14,
            "no option picks step",
        ),
    ] {
        says(&two_steps(rest), line, want);
    }
}

#[test]
fn each_rule_over_conditions_is_told_at_its_line() {
    for (condition, want) in [
        ("{ value = \"look.knd\", is = \"logs\" }", "did you mean \"kind\"?"),
        ("{ value = \"look.kind\", above = 3 }", "which has no order"),
        ("{ value = \"look.size\", above = \"big\" }", "is no size"),
        ("{ value = \"look.age\", below = 3 }", "is no duration"),
        ("{ value = \"look.safe\", is = \"yes\" }", "without quotes"),
        ("{ value = \"look.kind\", in = [\"logs\", 3] }", "is no word"),
        ("{ value = \"reading.severity\", is = \"rde\" }", "did you mean \"red\"?"),
        ("{ value = \"reading.source\", is = \"x\" }", "text from outside, which decides nothing"),
        ("{ value = \"look.candidates\", is = 3 }", "is no word"),
    ] {
        let rest = format!(
            "tool = \"disk.usage\"\nargs = {{ path = \"/a\" }}\nwhen = [\n  {{ value = \"look.safe\", is = true }},\n  {condition},\n]"
        );
        says(&two_steps(&rest), 20, want);
    }
}

#[test]
fn no_value_comes_from_a_step_above_low() {
    let body = |rest: &str| {
        file(
            FRONT,
            &format!(
                "```step\nname = \"moved\"\ntool = \"files.move\"\nargs = {{ paths = [\"/var/log/a\"] }}\n```\n{rest}"
            ),
        )
    };
    for (rest, line) in [
        (
            "```step\nname = \"s\"\ntool = \"disk.usage\"\nargs = { path = \"/a\", top = \"moved.moved\" }\n```\n",
            17,
        ),
        (
            "```step\nname = \"s\"\ntool = \"disk.usage\"\nargs = { path = \"/a\" }\nwhen = [{ value = \"moved.moved\", above = 1 }]\n```\n",
            18,
        ),
        ("```ask\nquestion = \"{{ moved.moved }}?\"\noptions = [{ say = \"x\" }]\n```\n", 14),
    ] {
        says(&body(rest), line, "is above low; only low steps");
    }
}

#[test]
fn questions_leaves_and_proofs_are_checked_too() {
    let look = "```step\nname = \"look\"\ntool = \"disk.usage\"\nargs = { path = \"reading.path\" }\n```\n";
    let body = |rest: &str| file(FRONT, &format!("{look}{rest}"));
    for (rest, line, want) in [
        (
            "```ask\nquestion = \"{{ look.pth }}?\"\noptions = [{ say = \"x\" }]\n```\n",
            14,
            "did you mean \"path\"?",
        ),
        (
            "```ask\nquestion = \"?\"\noptions = [\n  { say = \"{{ each }}\", each = \"look.path\" },\n]\n```\n",
            17,
            "is a path, not a list",
        ),
        (
            "```ask\nquestion = \"?\"\noptions = [\n  { say = \"x\" },\n  { say = \"y\", when = [{ value = \"look.nope\", is = 1 }] },\n]\n```\n",
            18,
            "gives no \"nope\"",
        ),
        (
            "```leave\nwhen = [{ value = \"look.nope\", is = 1 }]\nwhy = \"x\"\n```\n",
            15,
            "gives no \"nope\"",
        ),
        (
            "```verify\nquery = { tool = \"unit.status\", args = { unit = \"unit:a.service\" }, value = \"stat\", is = \"active\" }\n```\n",
            14,
            "did you mean \"state\"?",
        ),
        (
            "```verify\nquery = { tool = \"unit.restart\", args = { unit = \"unit:a.service\" }, value = \"x\", is = \"y\" }\n```\n",
            14,
            "a proof changes nothing",
        ),
        (
            "```verify\nquery = { tool = \"unit.status\", args = {}, value = \"state\", is = \"active\" }\n```\n",
            14,
            "needs unit",
        ),
        (
            "```verify\nquery = { tool = \"unit.status\", args = { unit = \"unit:a.service\" }, value = \"state\", is = 3 }\n```\n",
            14,
            "is no word",
        ),
        (
            "```verify\nquery = { tool = \"unit.logs\", args = { unit = \"unit:a.service\" }, value = \"template\", is = \"x\" }\n```\n",
            14,
            "which proves nothing",
        ),
        (
            "```step\nname = \"s\"\nasked = true\ntool = \"disk.usage\"\nargs = { path = \"/a\" }\n```\n```ask\nquestion = \"?\"\noptions = [{ say = \"x\", steps = [\"s\"] }]\n```\n",
            16,
            "changes nothing; leave out asked",
        ),
    ] {
        says(&body(rest), line, want);
    }
}

#[test]
fn a_tool_above_the_runbooks_tier_is_refused_even_if_only_listed() {
    let look = "```step\nname = \"look\"\ntool = \"disk.usage\"\nargs = { path = \"reading.path\" }\n```\n";
    let text = file("tools = [\"disk.usage\", \"files.clean\"]", look);
    says(&text, 4, "files.clean can be high, above max_tier, low");
    says(
        &file("tools = [\"disk.usage\", \"files.clear\"]", look),
        4,
        "no tool is called \"files.clear\"",
    );
    says(&file("tools = [\"disk.usage\", \"disk.usage\"]", look), 4, "twice");
}

#[test]
fn a_step_above_low_needs_roots_for_its_paths() {
    let text = file(
        "max_tier = \"high\"\ntools = [\"disk.usage\", \"files.compress\"]",
        "```step\nname = \"look\"\ntool = \"disk.usage\"\nargs = { path = \"reading.path\" }\n```\n```step\nname = \"s\"\ntool = \"files.compress\"\nargs = { path = \"look.path\" }\n```\n",
    );
    says(&text, 15, "there are no roots");
}

#[test]
fn with_several_probes_only_what_all_of_them_give_is_there() {
    let step = |r: &str| {
        format!("```step\nname = \"s\"\ntool = \"unit.status\"\nargs = {{ unit = \"{r}\" }}\n```\n")
    };
    let front = "match = { probe = [\"http\", \"memory\"] }\ntools = [\"unit.status\"]";
    assert_eq!(told(&mistakes(&file(front, &step("reading.unit")))), "");
    says(&file(front, &step("reading.endpoint")), 9, "gives no \"endpoint\"");
}

#[test]
fn a_tool_that_left_the_registry_is_told_after_the_fact() {
    let book = book(
        "tools = [\"disk.usage\"]",
        "```step\nname = \"look\"\ntool = \"disk.usage\"\nargs = { path = \"/a\" }\n```\n",
    );
    assert_eq!(book.max_tier, Tier::Low);
    assert_eq!(told(&check(&book, &tool, &readings)), "");
    assert!(told(&check(&book, &|_| None, &readings)).contains("no tool is called \"disk.usage\""));
}

#[test]
fn what_is_declared_comes_before_raw_commands() {
    let front = "max_tier = \"critical\"\ntools = [\"host.exec\", \"ansible.run\"]";
    let raw = "```step\nname = \"raw\"\ntool = \"host.exec\"\nargs = { argv = [\"zpool\", \"clear\", \"tank\"] }\n```\n";
    let play =
        "```step\nname = \"play\"\ntool = \"ansible.run\"\nargs = { playbook = \"site\" }\n```\n";
    let of = |body: &str| told(&mistakes(&file(front, body)));
    let said = of(&format!("{raw}{play}"));
    assert!(said.contains("host.exec stands before ansible.run"), "{said}");
    assert!(said.contains("move play above it"), "{said}");
    assert!(!of(&format!("{play}{raw}")).contains("stands before"));
    assert!(!of(raw).contains("stands before"));
}
