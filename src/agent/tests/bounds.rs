//! Every bound ends it, with nothing left open.

use std::sync::Arc;

use serde_json::json;

use super::scene::{NONCE, TestBench, TestPurse, agent, brief, path};
use crate::agent::{Agent, AgentBounds, Investigation, NoConclusion};
use crate::exam::model::{Script, ScriptedModel, reply};
use crate::model::chat::{Turn, Usage};
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::model::tool::{Found, ToolError};
use crate::model::value::Values;
use crate::policy::budget::Price;

struct Played {
    outcome: Investigation,
    model: Arc<ScriptedModel>,
    bench: TestBench,
    purse: TestPurse,
}

async fn play(script: Vec<Script>, change: impl FnOnce(&mut Agent, &mut TestBench)) -> Played {
    play_with(script, TestPurse::new(u64::MAX), change).await
}

async fn play_with(
    script: Vec<Script>,
    purse: TestPurse,
    change: impl FnOnce(&mut Agent, &mut TestBench),
) -> Played {
    let model = Arc::new(ScriptedModel::new(script));
    let mut bench = TestBench::usual();
    let mut agent = agent(model.clone());
    change(&mut agent, &mut bench);
    let outcome = agent.investigate(&brief(), &bench, &purse, NONCE).await;
    assert_eq!(model.violations(), Vec::<String>::new());
    let books = purse.books();
    assert_eq!(books.reserved.len(), books.settled.len(), "every reservation is settled");
    assert_eq!(books.reserved.len(), model.requests().len(), "every request was reserved before");
    Played { outcome, model, bench, purse }
}

fn look(id: &str) -> Script {
    Script::call("disk_usage", json!({"path": id}))
}

/// A new call each time: never the same, never an end.
fn endless() -> Vec<Script> {
    (1..=60).map(|n| look(&format!("E{n}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_is_no_conclusion() {
    let cases = [
        (Script::Down, "down"),
        (Script::Rejected, "refused"),
        (Script::Garbage, "malformed"),
        (Script::Slow, "slow"),
    ];
    for (script, want) in cases {
        let played = play(vec![script.clone()], |_, _| ()).await;
        let end = played.outcome.end.unwrap_err();
        assert_eq!(end.word(), want, "{script:?}");
        assert!(played.outcome.took <= AgentBounds::default().time, "{:?}", played.outcome.took);
    }
}

#[tokio::test]
async fn what_may_have_been_charged_is_counted_and_what_was_refused_is_not() {
    let refused = play(vec![Script::Down], |_, _| ()).await;
    assert_eq!(refused.outcome.usage, Usage::default());
    let maybe = play(vec![Script::Garbage], |_, _| ()).await;
    let books = maybe.purse.books();
    let (_, usage, _) = books.settled[0];
    assert_eq!(usage.input + usage.output, books.reserved[0]);
    assert_eq!(maybe.outcome.usage, usage);
}

#[tokio::test]
async fn turns_are_bounded_and_the_last_one_is_announced() {
    let played = play(endless(), |_, _| ()).await;
    assert_eq!(played.outcome.end, Err(NoConclusion::TooManyTurns));
    let requests = played.model.requests();
    assert_eq!((requests.len(), played.outcome.turns), (8, 8));
    let announced = |n: usize| match requests[n].turns.last() {
        Some(Turn::ToolResult { text, .. }) => text.contains("last turn"),
        _ => false,
    };
    assert!(announced(7) && !announced(6));
}

#[tokio::test]
async fn the_same_call_three_times_is_the_end() {
    let played = play(vec![look("E3")], |_, _| ()).await;
    let paths = || path("/var");
    let evidence = crate::agent::evidence::Evidence::of(&brief());
    let id =
        (1..20).map(|n| format!("E{n}")).find(|id| evidence.get(id) == Some(&paths())).unwrap();
    assert_eq!(played.outcome.end, Err(NoConclusion::Repeated));
    let played = play(vec![look(&id)], |_, _| ()).await;
    assert_eq!(played.outcome.end, Err(NoConclusion::Repeated));
    assert_eq!(played.bench.calls().len(), 2, "the third is not made");
    assert_eq!(played.outcome.tools_called, ["disk.usage", "disk.usage"]);
    let refused = play(vec![Script::call("approve", json!({}))], |_, _| ()).await;
    assert_eq!(refused.outcome.end, Err(NoConclusion::Repeated));
}

#[tokio::test]
async fn words_alone_are_reminded_once() {
    let played = play(vec![Script::Text("I think it is the logs.".into())], |_, _| ()).await;
    assert_eq!(played.outcome.end.unwrap_err().word(), "malformed");
    assert_eq!(played.model.requests().len(), 2);
    let last = played.model.requests()[1].turns.last().cloned();
    assert!(matches!(last, Some(Turn::User { text }) if text.contains("tool call only")));
}

#[tokio::test]
async fn tokens_are_bounded_by_what_the_next_request_may_take() {
    let bounds = AgentBounds { tokens: 6_000, turns: 50, ..AgentBounds::default() };
    let played = play(endless(), |agent, _| agent.bounds = bounds).await;
    assert_eq!(played.outcome.end.unwrap_err().word(), "over budget");
    let used = played.outcome.usage.input + played.outcome.usage.output;
    assert!(used <= 6_000 && !played.model.requests().is_empty(), "{used}");
    let none = play(endless(), |agent, _| agent.bounds.tokens = 100).await;
    assert_eq!(none.model.requests().len(), 0);
}

#[tokio::test]
async fn money_is_bounded() {
    // 900 tokens in and 60 out at 100 and 1000 a million are 0.15 a reply.
    let price = Price { input: 100_000_000, output: 1_000_000_000 };
    let played = play(endless(), |agent, _| {
        agent.price = Some(price);
        agent.bounds.micros = 2_500_000;
    })
    .await;
    assert_eq!(played.outcome.end.unwrap_err().word(), "over budget");
    assert!(0 < played.outcome.micros && played.outcome.micros <= 2_500_000);
    let (_, usage, micros) = played.purse.books().settled[0];
    assert_eq!((usage, micros), (Usage { input: 900, output: 60 }, 150_000));
}

#[tokio::test]
async fn an_empty_purse_is_no_call() {
    let played = play_with(endless(), TestPurse::new(10), |_, _| ()).await;
    let end = played.outcome.end.unwrap_err();
    assert_eq!(end, NoConclusion::OverBudget("today's tokens are spent".into()));
    assert_eq!(played.model.requests().len(), 0);
}

#[tokio::test]
async fn a_provider_that_counts_nothing_is_counted_by_its_bytes() {
    let mut silent = reply(0, "", &[("escalate".into(), json!({"why": "enough"}))]);
    silent.usage = Usage::default();
    let played = play(vec![Script::Raw(silent)], |_, _| ()).await;
    assert!(played.outcome.end.is_ok());
    assert!(400 < played.outcome.usage.input && 10 < played.outcome.usage.output);
}

#[tokio::test(start_paused = true)]
async fn time_bounds_the_tools_too() {
    let slow = |_: &mut Agent, bench: &mut TestBench| bench.takes = Span::hours(1);
    let evidence = crate::agent::evidence::Evidence::of(&brief());
    let id = (1..20).map(|n| format!("E{n}")).find(|id| evidence.get(id) == Some(&path("/var")));
    let played = play(vec![look(&id.unwrap())], slow).await;
    assert_eq!(played.outcome.end, Err(NoConclusion::Slow));
    assert_eq!(played.outcome.took, Span::mins(2));
}

#[tokio::test]
async fn a_reply_that_no_provider_would_see_again_ends_it() {
    let call = |name: &str| (name.to_owned(), json!({}));
    let mut no_id = reply(0, "", &[call("ask")]);
    no_id.calls[0].id.clear();
    let mut double = reply(0, "", &[call("ask"), call("escalate")]);
    double.calls[1].id = double.calls[0].id.clone();
    for bad in [no_id, double, reply(0, "", &[call("rm -rf /")]), reply(0, "", &[call("")])] {
        let played = play(vec![Script::Raw(bad.clone())], |_, _| ()).await;
        assert_eq!(played.outcome.end.unwrap_err().word(), "malformed", "{bad:?}");
        assert_eq!(played.model.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_hundred_calls_at_once_are_answered_and_few_are_made() {
    let many = (1..=100).map(|n| ("disk_usage".to_owned(), json!({"path": format!("E{n}")})));
    let end = Script::call("escalate", json!({"why": "enough"}));
    let played = play(vec![Script::Calls(many.collect()), end], |_, _| ()).await;
    assert!(played.outcome.end.is_ok());
    assert!(played.bench.calls().len() <= 8);
}

#[tokio::test]
async fn a_flood_from_a_tool_is_cut() {
    let flood = Tainted::new(&"x y ".repeat(100_000));
    let values = (0..200).map(|n| (format!("value-{n}"), path(&format!("/{}{n}", "x".repeat(90)))));
    let answers = [
        Ok(Found { values: Values::new(), words: flood.clone() }),
        Ok(Found { values: Values::new(), words: Tainted::new(&"a\n".repeat(100_000)) }),
        Ok(Found { values: values.collect(), words: Tainted::new(&"<\n\n".repeat(100_000)) }),
        Err(ToolError::Failed(flood.to_string())),
    ];
    for answer in answers {
        let all = (1..12).map(|n| ("disk_usage".to_owned(), json!({"path": format!("E{n}")})));
        let end = Script::call("escalate", json!({"why": "enough"}));
        let played = play(vec![Script::Calls(all.collect()), end], |_, bench| {
            bench.answer = answer.clone();
        })
        .await;
        assert!(!played.bench.calls().is_empty());
        for turn in &played.model.requests()[1].turns {
            if let Turn::ToolResult { text, .. } = turn {
                assert!(text.chars().count() <= 2_000, "{}", text.len());
            }
        }
    }
}

#[tokio::test]
async fn a_flood_in_the_brief_is_cut() {
    let mut brief = brief();
    let long = "w".repeat(100_000);
    brief.host_state = vec![long.clone(); 1_000];
    brief.recent_changes = vec![long.clone(); 1_000];
    brief.inventory = long.repeat(1_000);
    brief.worked_before = vec![long.clone(); 1_000];
    brief.history = vec![brief.incident.reading.clone(); 10_000];
    brief.related = vec![brief.incident.reading.clone(); 10_000];
    brief.found = vec![brief.found[0].clone(); 1_000];
    brief.offers[0].words = long.clone();
    if let Some(book) = &mut brief.runbook {
        book.prose = long;
    }
    let end = Script::call("escalate", json!({"why": "enough"}));
    let model = Arc::new(ScriptedModel::new(vec![end]));
    let purse = TestPurse::new(u64::MAX);
    agent(model.clone()).investigate(&brief, &TestBench::usual(), &purse, NONCE).await.end.unwrap();
    assert!(model.requests()[0].bytes().len() < 8_000 * 4, "{}", model.requests()[0].bytes().len());
}
