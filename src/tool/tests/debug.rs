//! Debug logging for a while: a unit's level on a fake host, and commands of the operator's on this machine.

use std::path::Path;
use std::sync::Arc;

use super::stage::{Stage, done, here, target, undone_by, word};
use crate::clients::switch::{How, State, Switch};
use crate::model::ids::{HostName, UnitName, Word};
use crate::model::time::Span;
use crate::model::tool::{Call, Tier};
use crate::model::value::Value;
use crate::policy::argv::Argv;
use crate::policy::redact::Redactor;

/// `[debug.web]`, a unit.
pub(super) fn switch() -> Switch {
    Switch {
        name: Word::of("web"),
        host: here(),
        how: How::Unit(UnitName::new("web.service").unwrap()),
        longest: Span::days(1),
        redactor: Arc::new(Redactor::new(Vec::new())),
    }
}

fn sh(line: &str) -> Argv {
    Argv::new(["/bin/sh", "-c", line].map(str::to_owned).to_vec()).unwrap()
}

/// By commands, of which the last prints what lies in a file. The fake host runs what switches; what looks is run for real.
fn by_commands(dir: &Path) -> Switch {
    let state = State::AsWritten(sh(&format!("cat {}", dir.join("state").display())));
    let how = How::Commands { on: sh("on"), off: sh("off"), state: Some(state) };
    Switch { how, ..switch() }
}

fn enable(stage: &Stage, span: Span) -> Call {
    stage.call("debug.enable", &[("debug", word("web")), ("for", Value::Span(span))])
}

fn says(stage: &Stage, words: &str) {
    *stage.host.said.lock().unwrap() = Ok((0, words.to_owned()));
}

#[tokio::test]
async fn a_units_level_is_raised_and_its_undo_is_the_level_of_before() {
    let stage = Stage::new();
    let call = enable(&stage, Span::mins(10));
    assert_eq!(stage.action(&call).tier(), Tier::Medium);
    says(&stage, "notice\n");
    let (effect, undo) = stage.preview(&call).await.unwrap();
    for part in ["for 10 min", "off, at the level notice", "again by itself"] {
        assert!(effect.words.contains(part), "{part}: {}", effect.words);
    }
    let back = undone_by(&undo);
    assert_eq!(back.tool.as_str(), "debug.disable");
    assert_eq!(back.args["level"], word("notice"));
    // The host says the same whatever is run: it ended well, and nothing changed.
    let result = stage.act_as(&call, effect.clone(), undo.clone()).await;
    assert_eq!(result.word(), "failed");
    assert!(result.words().contains("nothing changed: it is off, at the level notice"));
    let ran = stage.host.commands.lock().unwrap().clone();
    assert!(ran.contains(&"systemctl service-log-level web.service debug".to_owned()), "{ran:?}");

    // Another level than the one that the promise names: planned anew.
    says(&stage, "info");
    let result = stage.act_as(&call, effect, undo).await;
    assert_eq!(result.word(), "not started", "{result:?}");

    // It is on already, by somebody else: that is not reef's to switch off.
    says(&stage, "debug");
    let (nothing, _) = stage.preview(&call).await.unwrap();
    assert_eq!(nothing.max_items, 0);
    let (effect, _) = stage.preview(&back).await.unwrap();
    assert!(effect.words.contains("switch off debug logging of web on mini"), "{}", effect.words);

    says(&stage, "loud");
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("\"loud\", which tells no state"), "{why}");
    *stage.host.said.lock().unwrap() = Ok((1, "Unit web.service does not have BusName".into()));
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("does not have BusName"), "{why}");
}

#[tokio::test]
async fn commands_are_run_as_written_and_proven_by_the_one_that_looks() {
    let stage = Stage::with(|inventory, dir| {
        inventory.switches = [(Word::of("web"), Arc::new(by_commands(dir)))].into();
    });
    let state = |text: &str| std::fs::write(stage.dir.path().join("state"), text).unwrap();
    let call = enable(&stage, Span::mins(10));
    state("off\n");
    let (undo, result) = stage.act(&call).await;
    assert!(result.words().contains("nothing changed: it is off"), "{result:?}");
    assert_eq!(*stage.host.commands.lock().unwrap(), ["/bin/sh -c on"]);
    state("on\n");
    let back = undone_by(&undo);
    let (_, result) = stage.act(&back).await;
    assert!(result.words().contains("nothing changed: it is on"), "{result:?}");
    state("perhaps\n");
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("tells no state"), "{why}");
    let with_level = {
        let mut call = back.clone();
        call.args.insert("level".into(), word("info"));
        call
    };
    assert!(stage.parse(&with_level).err().unwrap().to_string().contains("no unit"));

    // Where nothing tells, nothing is claimed.
    let silent = Stage::with(|inventory, dir| {
        let how = match by_commands(dir).how {
            How::Commands { on, off, .. } => How::Commands { on, off, state: None },
            How::Unit(_) => panic!(),
        };
        inventory.switches = [(Word::of("web"), Arc::new(Switch { how, ..switch() }))].into();
    });
    let (_, result) = silent.act(&enable(&silent, Span::mins(10))).await;
    assert!(done(&result).contains("nothing tells whether it is so"), "{result:?}");
}

#[test]
fn what_is_not_declared_too_long_or_elsewhere_is_refused() {
    let stage = Stage::with(|inventory, _| {
        let far = Switch { host: HostName::of("nas"), name: Word::of("far"), ..switch() };
        inventory.switches.insert(Word::of("far"), Arc::new(far));
    });
    let with = |name: &str, span: Span| {
        let mut call = enable(&stage, span);
        call.args.insert("debug".into(), word(name));
        call
    };
    for (call, words) in [
        (with("other", Span::mins(5)), "declares no [debug.other]"),
        (with("web", Span::days(2)), "the longest of [debug.web]"),
        (with("web", Span::mins(1)), "for is 2 min"),
        (with("far", Span::mins(5)), "write target = \"nas\""),
    ] {
        let why = stage.parse(&call).err().unwrap().to_string();
        assert!(why.contains(words), "{words}: {why}");
    }
    // What switches off does not wait for what switches on.
    let on = stage.action(&with("web", Span::mins(5))).lease();
    let off = stage.action(&stage.call("debug.disable", &[("debug", word("web"))])).lease();
    assert_eq!(
        (on, off),
        (vec![target("mini:check:debug.web")], vec![target("mini:check:debug.web.off")])
    );
}
