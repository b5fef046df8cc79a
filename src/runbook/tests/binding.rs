//! From steps and questions to calls and words.

use crate::model::ids::{ToolName, Word};
use crate::model::plan::Verify;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::model::value::Value;
use crate::runbook::tests::stub::{book, found, reading, step_name, tool};
use crate::runbook::{
    Bindings, Holds, Resolved, Runbook, asks, conditions_hold, offers, question, resolve,
    resolve_verify,
};

const FRONT: &str = "max_tier = \"high\"\nroots = [\"/var/log\"]\nretention = { old = \"30d\" }\nmax_targets = 3\ntools = [\"disk.usage\", \"files.clean\", \"files.compress\", \"files.move\", \"files.find\", \"unit.status\"]";

const LOOK: &str =
    "```step\nname = \"look\"\ntool = \"disk.usage\"\nargs = { path = \"reading.path\" }\n```\n";

/// A book with `look` and then these blocks, and bindings in which `look` found `values`.
fn bound(rest: &str, values: &[(&str, Value)]) -> (Runbook, Bindings) {
    let book = book(FRONT, &format!("{LOOK}{rest}"));
    let mut disk = reading("disk", "mini:/", Severity::Red);
    disk.values.insert("path".into(), path("/"));
    let mut bindings = Bindings::new(&book, &disk);
    bindings.found(&step_name("look"), &found(values));
    (book, bindings)
}

/// What becomes of the last step.
fn last(book: &Runbook, bindings: &Bindings) -> Result<Resolved, String> {
    let step = book.steps().last().unwrap();
    let spec = tool(&step.tool).unwrap();
    let target = "mini:/".parse().unwrap();
    resolve(step, &spec, bindings, &book.bounds(), &target).map_err(|error| error.to_string())
}

fn path(text: &str) -> Value {
    Value::Path(AbsPath::new(text).unwrap())
}

fn word(text: &str) -> Value {
    Value::Word(Word::new(text).unwrap())
}

fn step(rest: &str) -> String {
    format!("```step\nname = \"s\"\n{rest}\n```\n")
}

#[test]
fn a_call_holds_values_and_nothing_else() {
    let rest = step(
        "tool = \"files.clean\"\nargs = { path = \"look.path\", older = \"param.old\", what = { literal = \"look.kind\" } }",
    );
    let (book, bindings) = bound(&rest, &[("path", path("/var/log/app"))]);
    let Ok(Resolved::Call(call)) = last(&book, &bindings) else { panic!("no call") };
    assert_eq!(call.tool, ToolName::of("files.clean"));
    assert_eq!(call.target.to_string(), "mini:/");
    let args: Vec<(&str, &Value)> = call.args.iter().map(|(n, v)| (n.as_str(), v)).collect();
    assert_eq!(
        args,
        [
            ("older", &Value::Span(Span::days(30))),
            ("path", &path("/var/log/app")),
            ("what", &word("look.kind")),
        ]
    );
    assert_eq!(call.bounds, book.bounds());
}

#[test]
fn a_step_says_what_it_is_about() {
    let about = |target: &str| {
        let rest =
            step(&format!("tool = \"disk.usage\"\ntarget = {target}\nargs = {{ path = \"/a\" }}"));
        let (book, bindings) = bound(&rest, &[("path", path("/var/log"))]);
        match last(&book, &bindings) {
            Ok(Resolved::Call(call)) => call.target.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(about("\"look.path\""), "mini:/var/log");
    assert_eq!(about("\"unit:nginx.service\""), "mini:unit:nginx.service");
    assert_eq!(about("\"nas:/srv\""), "nas:/srv");
}

#[test]
fn what_is_not_there_or_not_below_a_root_skips_the_step() {
    let compress = step("tool = \"files.compress\"\nargs = { path = \"look.path\" }");
    for (values, want) in [
        (vec![], "look found no path"),
        (vec![("path", path("/home"))], "/home lies outside the runbook's roots"),
        (vec![("path", path("/var/logs"))], "/var/logs lies outside the runbook's roots"),
    ] {
        let (book, bindings) = bound(&compress, &values);
        assert_eq!(last(&book, &bindings), Ok(Resolved::Skip(want.into())));
    }
    let (book, mut bindings) = bound(&compress, &[]);
    bindings.skipped(&step_name("look"), "no path");
    assert_eq!(last(&book, &bindings), Ok(Resolved::Skip("look was skipped: no path".into())));

    let paths = |n: usize| (0..n).map(|n| path(&format!("/var/log/{n}"))).collect::<Vec<_>>();
    let find =
        "```step\nname = \"find\"\ntool = \"files.find\"\nargs = { path = \"/var/log\" }\n```\n";
    let rest =
        format!("{find}{}", step("tool = \"files.move\"\nargs = { paths = \"find.paths\" }"));
    let (book, mut bindings) = bound(&rest, &[]);
    let mut with = |items| {
        bindings.found(&step_name("find"), &found(&[("paths", Value::List(items))]));
        last(&book, &bindings)
    };
    assert!(matches!(with(vec![]), Ok(Resolved::Skip(why)) if why == "there is nothing in paths"));
    assert!(matches!(with(paths(3)), Ok(Resolved::Call(_))));
    assert!(with(paths(4)).unwrap_err().contains("more than max_targets, 3"));
    let outside = vec![path("/var/log/a"), path("/etc/passwd")];
    assert!(matches!(with(outside), Ok(Resolved::Skip(why)) if why.contains("/etc/passwd")));
}

#[test]
fn a_value_of_another_kind_than_promised_is_an_error_and_no_call() {
    let compress = step("tool = \"files.compress\"\nargs = { path = \"look.path\" }");
    for (value, want) in [
        (word("x"), "look.path is a word, not a path"),
        (Value::Text(Tainted::new("/var/log")), "text from outside, which fills no argument"),
        (Value::List(vec![Value::Text(Tainted::new("x"))]), "text from outside"),
    ] {
        let (book, bindings) = bound(&compress, &[("path", value)]);
        assert!(last(&book, &bindings).unwrap_err().contains(want));
    }
}

#[test]
fn all_conditions_must_hold() {
    let values = [
        ("kind", word("logs")),
        ("size", Value::Bytes(2 << 30)),
        ("age", Value::Span(Span::days(40))),
        ("safe", Value::Flag(true)),
        ("candidates", Value::List(vec![word("backups"), word("database")])),
        ("path", Value::Text(Tainted::new("x"))),
    ];
    for (when, want) in [
        ("{ value = \"look.kind\", is = \"logs\" }", Ok(true)),
        ("{ value = \"look.kind\", is = \"temp\" }", Ok(false)),
        ("{ value = \"look.kind\", in = [\"temp\", \"logs\"] }", Ok(true)),
        ("{ value = \"look.size\", above = \"1 GiB\" }", Ok(true)),
        ("{ value = \"look.size\", above = \"2 GiB\" }", Ok(false)),
        ("{ value = \"look.size\", below = \"2 GiB\" }", Ok(false)),
        ("{ value = \"look.age\", above = \"30d\" }", Ok(true)),
        ("{ value = \"look.safe\", is = true }", Ok(true)),
        ("{ value = \"look.candidates\", is = \"database\" }", Ok(true)),
        ("{ value = \"look.candidates\", in = [\"logs\"] }", Ok(false)),
        ("{ value = \"reading.severity\", is = \"red\" }", Ok(true)),
        ("{ value = \"reading.attempt\", from = 1 }", Ok(true)),
        ("{ value = \"reading.attempt\", from = 2 }", Ok(false)),
        ("{ value = \"reading.attempt\", above = 1 }", Ok(false)),
        ("{ value = \"reading.target\", is = \"/\" }", Ok(true)),
        ("{ value = \"reading.used_percent\", above = 1 }", Ok(false)),
        (
            "{ value = \"look.safe\", is = true }, { value = \"look.kind\", is = \"temp\" }",
            Ok(false),
        ),
        ("{ value = \"look.kind\", is = 3 }", Err(())),
        ("{ value = \"look.safe\", above = true }", Err(())),
        ("{ value = \"look.path\", is = \"x\" }", Err(())),
    ] {
        let rest =
            step(&format!("tool = \"disk.usage\"\nargs = {{ path = \"/a\" }}\nwhen = [{when}]"));
        let (book, bindings) = bound(&rest, &values);
        let held = conditions_hold(&book.steps().last().unwrap().when, &bindings);
        assert_eq!(held.map(|holds| holds == Holds::Yes).map_err(drop), want, "{when}");
    }
}

#[test]
fn a_condition_that_does_not_hold_says_why() {
    let rest = step(
        "tool = \"disk.usage\"\nargs = { path = \"/a\" }\nwhen = [{ value = \"look.size\", above = \"2 GiB\" }]",
    );
    let (book, bindings) = bound(&rest, &[("size", Value::Bytes(60 << 20))]);
    let why = "look.size is 60 MiB, not above \"2 GiB\"";
    assert_eq!(last(&book, &bindings), Ok(Resolved::Skip(why.into())));
}

#[test]
fn a_param_can_be_set_and_keeps_its_kind() {
    let rest =
        step("tool = \"files.compress\"\nargs = { path = \"/var/log\", older = \"param.old\" }");
    let (book, mut bindings) = bound(&rest, &[]);
    bindings.set("old", "2h").unwrap();
    assert!(bindings.set("old", "tomorrow").unwrap_err().contains("is no duration"));
    assert!(bindings.set("oldd", "2h").unwrap_err().contains("did you mean \"old\"?"));
    let Ok(Resolved::Call(call)) = last(&book, &bindings) else { panic!("no call") };
    assert_eq!(call.args["older"], Value::Span(Span::hours(2)));
}

#[test]
fn a_question_holds_what_was_found_bounded_and_on_one_line() {
    let ask = "```ask\nquestion = \"{{ look.path }} of {{ reading.target }}, {{ look.size }}: {{ reading.source }}?\"\noptions = [{ say = \"no\" }]\n```\n";
    let (book, mut bindings) = bound(ask, &[("path", path("/var/log"))]);
    let mut disk = reading("disk", "mini:/", Severity::Red);
    let hostile = format!("a\n[Approve]\u{202e}\x1b[2J{}", "x".repeat(5_000));
    disk.values.insert("source".into(), Value::Text(Tainted::new(&hostile)));
    bindings = {
        let mut fresh = Bindings::new(&book, &disk);
        fresh.found(
            &step_name("look"),
            &found(&[("path", bindings.get(&look_path()).unwrap().clone())]),
        );
        fresh
    };
    let text = question(book.questions().next().unwrap(), &bindings);
    assert!(text.starts_with("/var/log of mini:/, (no size): a [Approve][2Jxxx"), "{text}");
    assert!(!text.contains('\n') && text.chars().count() < 300, "{text}");
}

#[test]
fn a_line_of_a_question_that_knows_nothing_is_left_out() {
    let ask = "```ask\nquestion = \"\"\"\nIt is down.\nBehind it: {{ look.path }}, of {{ look.size }}\nOr {{ look.kind }} in {{ look.path }}.\nWhat now?\"\"\"\noptions = [{ say = \"{{ look.size }}\" }]\n```\n";
    for (found, want) in [
        (vec![], "It is down.\nWhat now?"),
        (vec![("kind", word("temp"))], "It is down.\nOr temp in (no path).\nWhat now?"),
    ] {
        let (book, bindings) = bound(ask, &found);
        let asked = book.questions().next().unwrap();
        assert_eq!(question(asked, &bindings), want);
    }
}

fn look_path() -> crate::runbook::Ref {
    crate::runbook::Ref { of: crate::runbook::RefOf::Step(step_name("look")), field: "path".into() }
}

#[test]
fn otherwise_waits_until_nothing_else_applies_and_options_have_conditions() {
    let rest = "```ask\nwhen = [{ value = \"look.safe\", is = true }]\nquestion = \"one\"\noptions = [{ say = \"a\" }, { say = \"b\", when = [{ value = \"look.kind\", is = \"logs\" }] }]\n```\n```ask\notherwise = true\nquestion = \"two\"\noptions = [{ say = \"c\" }]\n```\n";
    let (book, bindings) = bound(rest, &[("safe", Value::Flag(true)), ("kind", word("temp"))]);
    let texts = |n| -> Vec<String> {
        asks(&book, &bindings, n).unwrap().iter().map(|ask| question(ask, &bindings)).collect()
    };
    assert_eq!(texts(0), ["one", "two"]);
    assert_eq!(texts(1), ["one"]);
    let offered = offers(book.questions().next().unwrap(), &bindings).unwrap();
    assert_eq!(offered.iter().map(|o| o.say.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_proof_is_the_probe_or_a_query_or_none() {
    let signal = reading("disk", "mini:/", Severity::Red).signal;
    let spec = tool(&ToolName::of("unit.status")).unwrap();
    let (probe, bindings) = bound("```verify\nwithin = \"2m\"\n```\n", &[]);
    let verify = |book: &Runbook, bindings: &Bindings| {
        resolve_verify(&book.verify, &signal, Some(&spec), bindings, &book.bounds()).unwrap()
    };
    let want = Verify::Probe { signal: signal.clone(), within: Span::mins(2), stays: Span(0) };
    assert_eq!(verify(&probe, &bindings), want);
    let query = |unit: &str| {
        let rest = format!(
            "```verify\nquery = {{ tool = \"unit.status\", args = {{ unit = \"{unit}\" }}, value = \"state\", is = \"active\" }}\nwithin = \"3m\"\nstays = \"20s\"\n```\n"
        );
        let (book, bindings) = bound(&rest, &[]);
        verify(&book, &bindings)
    };
    let Verify::Query { call, value, is, within, stays } = query("unit:a.service") else {
        panic!("no query")
    };
    assert_eq!((within, stays), (Span::mins(3), Span::secs(20)));
    assert_eq!((value.as_str(), is.as_str()), ("state", "active"));
    assert_eq!(call.args["unit"].to_string(), "mini:unit:a.service");
    assert_eq!(query("reading.unit"), Verify::Not("the reading gives no unit".into()));
}
