//! The four conclusions, and what the model is told when it asks for what it may not.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::scene::{TestBench, agent, brief, investigate, path, target};
use crate::exam::model::{Script, ScriptedModel};
use crate::model::chat::Turn;
use crate::model::conclusion::Conclusion;
use crate::model::ids::{StepName, Word};
use crate::model::taint::Tainted;
use crate::model::tool::Tier;
use crate::model::value::{Value, Values};

/// Plays a script to its end; no request may break a rule of the real APIs.
async fn play(script: Vec<Script>) -> (Result<Conclusion, String>, Vec<Turn>, TestBench) {
    let model = Arc::new(ScriptedModel::new(script));
    let bench = TestBench::usual();
    let outcome = investigate(&agent(model.clone()), &brief(), &bench).await;
    assert_eq!(model.violations(), Vec::<String>::new());
    let turns = model.requests().last().unwrap().turns.clone();
    (outcome.end.map_err(|end| end.to_string()), turns, bench)
}

/// The id that the first turn gives to a value.
fn id_of(source: &str) -> String {
    let evidence = crate::agent::evidence::Evidence::of(&brief());
    let line = evidence.lines().into_iter().find(|line| line.contains(source)).unwrap();
    line.split(' ').next().unwrap().to_owned()
}

fn escalate() -> Script {
    Script::call("escalate", json!({"why": "enough"}))
}

#[tokio::test]
async fn steps_of_the_runbook_come_in_the_runbooks_order() {
    let given = json!({"steps": ["clean", "rotate", "clean"], "why": "logs grew [E1]"});
    let (end, ..) = play(vec![Script::call("conclude_steps", given)]).await;
    let Ok(Conclusion::Steps { steps, why }) = &end else { panic!("{end:?}") };
    assert_eq!(steps.iter().map(StepName::as_str).collect::<Vec<_>>(), ["rotate", "clean"]);
    assert_eq!(why.as_str(), "logs grew [E1]");
}

#[tokio::test]
async fn a_proposal_takes_its_arguments_from_evidence() {
    let args = json!({"path": id_of("largest.path"), "what": id_of("param.what")});
    let given =
        json!({"calls": [{"tool": "files_clean", "args": args}], "why": "rotation stopped"});
    let (end, ..) = play(vec![Script::call("propose", given)]).await;
    let Ok(Conclusion::Propose { calls, .. }) = end else { panic!("{end:?}") };
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    let want = Values::from([
        ("path".to_owned(), path("/var/log/nginx")),
        ("what".to_owned(), Value::Word(Word::of("rotated-logs"))),
    ]);
    assert_eq!((call.tool.as_str(), &call.args), ("files.clean", &want));
    assert_eq!(call.target, target("mini:/var"));
    assert_eq!(call.bounds, brief().runbook.unwrap().bounds());
}

#[tokio::test]
async fn a_question_has_options() {
    let given = json!({"question": "Whose files are these?", "options": ["keep", "delete"]});
    let (end, ..) = play(vec![Script::call("ask", given)]).await;
    let options = vec![Tainted::new("keep"), Tainted::new("delete")];
    assert_eq!(
        end,
        Ok(Conclusion::Ask { question: Tainted::new("Whose files are these?"), options })
    );
}

#[tokio::test]
async fn it_may_look_before_it_hands_over_and_what_it_finds_can_be_named() {
    let first = json!({"path": id_of("largest.path")});
    let (end, turns, bench) = play(vec![
        Script::call("disk_usage", first),
        Script::Text("Let me think.".into()),
        // The finding's path got the next free id.
        Script::call("disk_usage", json!({"path": next_id()})),
        escalate(),
    ])
    .await;
    assert_eq!(end, Ok(Conclusion::Escalate { why: Tainted::new("enough") }));
    let looked: Vec<_> = bench.calls().iter().map(|call| call.args["path"].clone()).collect();
    assert_eq!(looked, [path("/var/log/nginx"), path("/var/log/nginx/access")]);
    assert_eq!(
        turns.iter().filter(|turn| matches!(turn, Turn::ToolResult { ok: true, .. })).count(),
        2
    );
}

fn next_id() -> String {
    format!("E{}", crate::agent::evidence::Evidence::of(&brief()).lines().len() + 1)
}

/// What is refused is told to the model, which goes on; nothing of it reaches the bench.
#[tokio::test]
async fn what_it_may_not_do_it_is_told() {
    let unit = id_of("reading.served_by");
    let path = id_of("largest.path");
    let outside = id_of("reading.path");
    let propose = |call: Json| ("propose", json!({"calls": [call], "why": "x"}));
    let cases = [
        (("no_such_tool", json!({})), "there is no such tool"),
        (("approve", json!({"id": "A-17"})), "there is no such tool"),
        (("human_message", json!({})), "there is no such tool"),
        (("files_clean", json!({"path": path})), "can only be proposed"),
        // Not in the matched runbook's list of tools.
        (("unit_restart", json!({"unit": unit})), "there is no such tool"),
        (("disk_usage", json!({})), "needs path"),
        (("disk_usage", json!({"path": null})), "needs path"),
        (("disk_usage", json!({"path": "/etc/shadow"})), "must be the id"),
        (("disk_usage", json!({"path": 3})), "must be the id"),
        (("disk_usage", json!({"path": ["E1"]})), "must be the id"),
        (("disk_usage", json!({"path": "E999"})), "must be the id"),
        (("disk_usage", json!({"path": "E0"})), "must be the id"),
        (("disk_usage", json!({"path": "E01"})), "must be the id"),
        (("disk_usage", json!({"path": "E+1"})), "must be the id"),
        (("disk_usage", json!({"path": "E18446744073709551617"})), "must be the id"),
        (("disk_usage", json!({"path": unit})), "must be a path"),
        (("disk_usage", json!({"path": path, "top": 5})), "takes only"),
        (("disk_usage", json!({"path": path, "command": "id"})), "takes only"),
        (("disk_usage", json!("E1")), "must be a JSON object"),
        (("disk_usage", Json::Null), "needs path"),
        (("conclude_steps", Json::Null), "must be a JSON object"),
        (("conclude_steps", json!({"steps": ["format"], "why": "x"})), "some of: rotate, clean"),
        (("conclude_steps", json!({"steps": [], "why": "x"})), "some of: rotate, clean"),
        (("conclude_steps", json!({"steps": "rotate", "why": "x"})), "some of: rotate, clean"),
        (("conclude_steps", json!({"steps": ["rotate"]})), "why must be"),
        (("conclude_steps", json!({"steps": ["rotate"], "why": "x", "yes": 1})), "takes only"),
        (propose(json!({"tool": "unit_restart", "args": {"unit": unit}})), "only these can be"),
        (propose(json!({"tool": "disk_usage", "args": {"path": path}})), "only these can be"),
        (
            propose(json!({"tool": "files_clean", "args": {"path": "/etc", "what": "x"}})),
            "must be the id",
        ),
        (propose(json!({"tool": "files_clean", "args": {"path": path}})), "needs what"),
        (propose(json!({"tool": "files_compress", "args": {"path": outside}})), "below: /var/log"),
        (propose(json!({"tool": "files_clean", "args": [], "target": "nas"})), "calls must be"),
        (("propose", json!({"calls": [], "why": "x"})), "calls must be"),
        (("ask", json!({"question": "?", "options": []})), "options must be"),
        (("ask", json!({"question": " ", "options": ["a"]})), "question must be"),
        (("ask", json!({"question": "?", "options": [{}]})), "an option must be"),
        (("escalate", json!({"why": ["x"]})), "why must be"),
    ];
    for ((tool, arguments), want) in cases {
        let (end, turns, bench) =
            play(vec![Script::call(tool, arguments.clone()), escalate()]).await;
        assert_eq!(
            end,
            Ok(Conclusion::Escalate { why: Tainted::new("enough") }),
            "{tool} {arguments}"
        );
        let Some(Turn::ToolResult { text, ok: false, .. }) = turns.last() else {
            panic!("{tool} {arguments}: {turns:?}")
        };
        assert!(text.contains(want), "{tool} {arguments}: {text}");
        assert_eq!(bench.calls(), vec![], "{tool} {arguments}");
    }
}

#[tokio::test]
async fn contradicting_conclusions_are_sent_back() {
    let two = Script::Calls(vec![
        ("conclude_steps".into(), json!({"steps": ["rotate"], "why": "x"})),
        ("escalate".into(), json!({"why": "y"})),
    ]);
    let (end, turns, _) = play(vec![two, escalate()]).await;
    assert!(matches!(end, Ok(Conclusion::Escalate { .. })));
    assert!(matches!(turns.last(), Some(Turn::ToolResult { text, .. }) if text.contains("once")));
}

#[tokio::test]
async fn values_on_another_host_and_texts_have_no_id() {
    let lines = crate::agent::evidence::Evidence::of(&brief()).lines();
    let shown = lines.join("\n");
    assert!(!shown.contains("nas:") && !shown.contains("fills nothing"), "{shown}");
    assert!(shown.contains("mini:unit:nginx.service"));
}

#[tokio::test]
async fn without_a_runbook_there_is_no_step_and_no_path_to_touch() {
    let model = Arc::new(ScriptedModel::new(vec![escalate()]));
    let mut brief = brief();
    (brief.runbook, brief.offers) = (None, vec![]);
    investigate(&agent(model.clone()), &brief, &TestBench::usual()).await.end.unwrap();
    let tools = &model.requests()[0].tools;
    assert!(tools.iter().all(|card| card.name != "conclude_steps"));
    let propose = tools.iter().find(|card| card.name == "propose").unwrap();
    assert!(propose.description.contains("process_kill(process: target)"));
    assert!(!propose.description.contains("files_"), "no roots are declared");
}

#[tokio::test]
async fn tool_names_and_definitions_hold_for_every_tool_of_the_scene() {
    let model = Arc::new(ScriptedModel::new(vec![escalate()]));
    investigate(&agent(model.clone()), &brief(), &TestBench::usual()).await.end.unwrap();
    let request = &model.requests()[0];
    let names: Vec<_> = request.tools.iter().map(|card| card.name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted, "the order must not depend on the registry's");
    for spec in super::scene::specs().iter().filter(|spec| spec.max_tier != Tier::Low) {
        assert!(!names.contains(&spec.name.as_str().replace('.', "_").as_str()), "{}", spec.name);
    }
    // A usual request leaves room for several turns within 8,000 tokens.
    let tokens = request.bytes().len() / 4;
    assert!(tokens < 2_000, "{tokens} tokens");
}
