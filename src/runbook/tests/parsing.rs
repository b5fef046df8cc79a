//! One slip each: what is said about it, and on which line.

use crate::model::message::Urgency;
use crate::model::plan::{Leash, OnFailure};
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::model::tool::Tier;
use crate::runbook::tests::stub::{book, file, mistakes, name, told};
use crate::runbook::{Arg, Asked, Literal, VerifyRule, parse};

const LOOK: &str =
    "```step\nname = \"look\"\ntool = \"disk.usage\"\nargs = { path = \"reading.path\" }\n```\n";

#[test]
fn a_runbook_reads_as_it_is_written() {
    let front = r#"
leash = "auto"
max_tier = "high"
tools = ["disk.usage", "files.clean"]
roots = ["/var/log", "/tmp/"]
retention = { temp = "10d" }
params = { top = 5, where = "/tmp" }
attempts = 3
cooldown = "2h"
escalate = "page"
on_failure = "undo"
peers = ["a:unit:web.service", "b:unit:web.service"]
max_targets = 50"#;
    let body = "# Title\n\nProse.\n\n```step\nname = \"look\"\ntool = \"disk.usage\"\nargs = { path = { literal = \"/a\" }, top = \"param.top\" }\n```\n\nMore.\n\n```sh\ndf -h\n```\n\n```step\nname = \"clean\"\nasked = true\ntool = \"files.clean\"\nargs = { path = \"look.path\", older = \"param.temp\", what = \"temp\" }\n```\n\n```ask\nquestion = \"Clean {{ look.path }}?\"\noptions = [{ say = \"yes\", steps = [\"clean\"] }, { say = \"no\" }]\n```\n\n~~~verify\nwithin = \"10m\"\nstays = \"1m\"\n~~~\n";
    let book = book(front, body);
    assert_eq!(
        (book.leash, book.max_tier, book.attempts, book.cooldown),
        (Leash::Auto, Tier::High, 3, Span::hours(2))
    );
    assert_eq!(
        (book.escalate, book.on_failure, book.max_targets),
        (Urgency::Page, OnFailure::Undo, 50)
    );
    let roots: Vec<&str> = book.roots.iter().map(AbsPath::as_str).collect();
    assert_eq!(roots, ["/var/log", "/tmp"]);
    assert_eq!(book.bounds().peers.len(), 2);
    let steps: Vec<_> = book.steps().map(|step| (step.name.as_str(), step.asked)).collect();
    assert_eq!(steps, [("look", Asked::No), ("clean", Asked::Yes)]);
    let look = book.steps().next().unwrap();
    assert_eq!(look.args["path"], Arg::Literal(Literal::Text("/a".into())));
    assert!(matches!(&look.args["top"], Arg::Ref(r) if r.to_string() == "param.top"));
    assert_eq!(book.verify, VerifyRule::Probe { within: Span::mins(10), stays: Span::mins(1) });
    assert_eq!(book.prose, "# Title\n\nProse.\n\nMore.\n\n```sh\ndf -h\n```");
}

#[test]
fn one_byte_makes_another_digest() {
    let text = file("", LOOK);
    let digest = |text: &str| parse(name("book"), text).unwrap().digest;
    assert_eq!(digest(&text), digest(&text));
    assert_ne!(digest(&text), digest(&format!("{text} ")));
}

/// Front matter begins on line 1, `front` on line 4, and the body follows its `+++`.
#[track_caller]
fn says(front: &str, body: &str, line: usize, want: &str) {
    let text = file(front, body);
    let found = mistakes(&text);
    let hit = found.iter().any(|m| m.line == line && m.to_string().contains(want));
    assert!(hit, "no {want:?} on line {line} in:\n{}\nof:\n{text}", told(&found));
}

#[test]
fn slips_in_the_front_matter_are_told_at_their_line() {
    for (front, line, want) in [
        ("lesh = \"ask\"", 4, "did you mean \"leash\"?"),
        ("leash = \"atuo\"", 4, "did you mean \"auto\"?"),
        ("max_tier = \"hihg\"", 4, "did you mean \"high\"?"),
        ("roots = []", 4, "is empty"),
        ("roots = [\"\"]", 4, "is not an absolute path"),
        ("roots = [\"/\"]", 4, "whole machine"),
        ("roots = [\"//.//\"]", 4, "whole machine"),
        ("roots = [\"var/log\"]", 4, "is not an absolute path"),
        ("roots = [\"/var/../etc\"]", 4, "'..'"),
        ("attempts = 0", 4, "at least 1"),
        ("attempts = -1", 4, "whole number"),
        ("max_targets = 0", 4, "at least 1"),
        ("cooldown = \"1 fortnight\"", 4, "is no duration"),
        ("cooldown = 60", 4, "is no duration"),
        ("escalate = \"pager\"", 4, "did you mean \"page\"?"),
        ("on_failure = \"panic\"", 4, "stop, undo"),
        ("tools = [\"disk usage\"]", 4, "white space"),
        ("params = { a = { b = 1 } }", 4, "one value"),
        ("params = { text = \"some free text\" }", 4, "is no number"),
        ("retention = { temp = 10 }", 4, "is no duration"),
        ("retention = { temp = \"/tmp\" }", 4, "is no duration"),
        ("params = { a = 1 }\nretention = { a = \"1d\" }", 5, "under params already"),
        ("must_match = [{ severity = \"red\" }]", 4, "probe: is missing"),
        ("must_match = [{ probe = \"cpu\" }]", 4, "does not take this reading"),
        ("must_not_match = [{ probe = \"disk\" }]", 4, "takes this reading"),
        ("must_match = [{ probe = \"disk\", tagret = \"nas:/\" }]", 4, "did you mean \"target\"?"),
        ("title = \"again\"", 4, "duplicate key"),
        ("a = [", 4, "no TOML"),
    ] {
        says(front, LOOK, line, want);
    }
    for (matches, want) in [
        ("match = {}", "takes every reading"),
        ("match = { severity = [\"red\"] }", "takes every reading"),
        ("match = { probe = \"disk\", severity = [\"green\"] }", "names green"),
        ("match = { probe = \"disk\", severity = [\"rde\"] }", "did you mean \"red\"?"),
        ("match = { probe = \"disk\", target = \"nas:*\" }", "is no target"),
        ("match = { probe = \"disk\", target = \":unit:*\" }", "star"),
        ("match = { probe = \"disk\", pattern = \"(\" }", "is no regular expression"),
        ("match = { probe = \"disk\", pattern = \"a{1000}{1000}\" }", "is no regular expression"),
        ("match = { probe = \"disk\", pattern = \"\" }", "is empty"),
        ("match = { probe = \"disk\", pattern = \"x*\" }", "even an empty line"),
        ("match = { prob = \"disk\" }", "did you mean \"probe\"?"),
        ("match = \"disk\"", "not a table"),
        ("match = { probe = \"dsik\" }", "no probe is called \"dsik\""),
    ] {
        says(matches, LOOK, 3, want);
    }
}

/// What fence, what in it, and what is said on which line: the fence is on line 6, its first key on 7.
const SLIPS: &[(&str, &str, usize, &str)] = &[
    ("step", "nmae = \"a\"\ntool = \"disk.usage\"", 7, "did you mean \"name\"?"),
    ("step", "name = \"a\"", 6, "tool: is missing"),
    ("step", "name = \"a b\"\ntool = \"x\"", 7, "white space"),
    ("step", "name = \"a.b\"\ntool = \"x\"", 7, "cannot be called \"a.b\""),
    ("step", "name = \"reading\"\ntool = \"x\"", 7, "cannot be called \"reading\""),
    ("step", "name = \"look\"\ntool = \"x\"", 11, "called \"look\" too"),
    ("step", "name = \"a\"\ntool = \"x\"\nasked = \"maybe\"", 9, "is not true or false"),
    ("step", "name = \"a\"\ntool = \"x\"\nasked = true", 6, "no option picks step \"a\""),
    ("step", "name = \"a\"\ntool = \"x\"\nargs = { p = \"a.path\" }", 9, "refers to itself"),
    ("step", "name = \"a\"\ntool = \"x\"\nargs = { p = \"look.path\" }", 9, "comes later"),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nargs = { p = \"readng.path\" }",
        9,
        "did you mean \"reading.path\"?",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nargs = { p = \"param.x\" }",
        9,
        "no param is called \"x\"",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nargs = { p = \"{{ reading.path }}\" }",
        9,
        "only in questions",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nargs = { p = [\"reading.path\"] }",
        9,
        "a list goes whole",
    ),
    ("step", "name = \"a\"\ntool = \"x\"\nargs = { p = 1.5 }", 9, "is no text, whole number"),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nargs = { p = { litral = \"x\" } }",
        9,
        "did you mean \"literal\"?",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nwhen = [{ value = \"reading.path\" }]",
        9,
        "compared with nothing",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nwhen = [{ value = \"reading.free\", above = 1, below = 2 }]",
        9,
        "one comparison too many",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nwhen = [{ value = \"reading.free\", iss = 1 }]",
        9,
        "did you mean \"is\"?",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nwhen = [{ value = \"reading.free\", or = 1 }]",
        9,
        "not a key here",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nwhen = [{ value = \"red\", is = \"red\" }]",
        9,
        "is no reference",
    ),
    (
        "step",
        "name = \"a\"\ntool = \"x\"\nwhen = [{ value = \"reading.free\", in = [] }]",
        9,
        "at least one",
    ),
    ("step", "name = \"a\"\ntool = \"x\"\nwhen = [\"reading.free\"]", 9, "where a table belongs"),
    ("step", "name = \"a\"\ntool = \"x\"\nwhile = 1", 9, "not a key here"),
    ("step", "not toml at all", 7, "no TOML"),
    ("ask", "question = \"Well?\"\noptions = []", 8, "has none"),
    ("ask", "options = [{ say = \"x\" }]", 6, "question: is missing"),
    (
        "ask",
        "question = \"{{ readng.path }}?\"\noptions = [{ say = \"x\" }]",
        7,
        "did you mean \"reading.path\"?",
    ),
    ("ask", "question = \"{{ path }}?\"\noptions = [{ say = \"x\" }]", 7, "is no reference"),
    (
        "ask",
        "question = \"?\"\noptions = [{ say = \"x\", steps = [\"look\"] }]",
        8,
        "runs by itself",
    ),
    (
        "ask",
        "question = \"?\"\noptions = [{ say = \"x\", steps = [\"lok\"] }]",
        8,
        "did you mean \"look\"?",
    ),
    ("ask", "question = \"?\"\noptions = [{ say = \"{{ each }}\" }]", 8, "has no each"),
    ("leave", "why = \"x\"", 6, "nothing would ever be done"),
    ("leave", "when = []\nwhy = \"x\"", 6, "nothing would ever be done"),
    ("verify", "wihtin = \"5m\"", 7, "did you mean \"within\"?"),
    ("verify", "within = \"0s\"", 7, "no time at all"),
    ("verify", "stays = \"1 moment\"\nquery = { tool = \"disk.usage\" }", 7, "1 moment"),
    ("stpe", "name = \"a\"", 6, "did you mean \"step\"?"),
    ("Step", "name = \"a\"", 6, "did you mean \"step\"?"),
    ("step one", "name = \"a\"", 6, "did you mean \"step\"?"),
];

#[test]
fn slips_in_blocks_are_told_at_their_line() {
    for (kind, toml, line, want) in SLIPS {
        let text = file("", &format!("```{kind}\n{toml}\n```\n{LOOK}"));
        let found = mistakes(&text);
        let hit = found.iter().any(|m| m.line == *line && m.to_string().contains(want));
        assert!(hit, "no {want:?} on line {line} in:\n{}\nof:\n{text}", told(&found));
    }
}

#[test]
fn what_is_no_runbook_is_told() {
    for (text, want) in [
        ("", "is empty"),
        ("# Just Markdown\n", "does not begin with front matter"),
        ("+++\ntitle = \"x\"\n", "has no end"),
        ("+++\n+++\n", "title: is missing"),
        (&file("", "Only prose."), "no step and no question"),
        (&file("", "```step\nname = \"a\"\ntool = \"disk.usage\"\n"), "is not closed"),
        (&file("", &format!("{LOOK}\n```verify\n```\n```verify\n```\n")), "a verify block already"),
    ] {
        let found = mistakes(text);
        assert!(told(&found).contains(want), "{text:?}: {}", told(&found));
    }
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_the_file() {
    let front = "lesh = 1\nroots = [\"/\"]";
    let body =
        "```step\nname = \"a\"\ntol = \"x\"\n```\n```ask\nquestion = \"\"\n```\n```verfy\n```\n";
    let found = mistakes(&file(front, body));
    let lines: Vec<usize> = found.iter().map(|m| m.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    for want in [4, 5, 9, 12, 14] {
        assert!(lines.contains(&want), "line {want} is not in:\n{}", told(&found));
    }
}

#[test]
fn only_a_block_of_its_own_is_for_the_machine() {
    // Quoted in a longer fence, hidden in a comment, indented, or within a line: all of it is prose.
    let body = format!(
        "````markdown\n```step\nnot toml\n```\n````\n\n<!--\n```step\nnot toml\n```\n-->\n\nText ```step``` text.\n\n    ```step\n    not toml\n    ```\n\n{LOOK}"
    );
    let read = book("", &body);
    assert_eq!(read.steps().count(), 1);
    assert!(read.prose.contains("not toml"));
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let text = file("attempts = 2", LOOK);
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let read = parse(name("book"), &windows).unwrap_or_else(|m| panic!("{}", told(&m)));
    assert_eq!((read.attempts, read.steps().count()), (2, 1));
    let wrong = mistakes(&windows.replace("attempts = 2", "attmpts = 2"));
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].line, 4);
}
