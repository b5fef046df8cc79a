//! Whatever a model writes, it ends within its bounds.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::scene::{NONCE, TestBench, TestPurse, agent, brief, specs};
use crate::agent::AgentBounds;
use crate::exam::model::{Script, ScriptedModel};
use crate::model::conclusion::Conclusion;
use crate::model::tool::Tier;

/// Names that there are, names that there are not, and noise.
fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "disk_usage",
        "unit_status",
        "unit_logs",
        "web_get",
        "files_clean",
        "conclude_steps",
        "propose",
        "ask",
        "escalate",
        "approve",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => "\\PC{0,12}"]
}

fn json_value() -> impl Strategy<Value = Json> {
    let key = prop::sample::select(vec![
        "path", "unit", "endpoint", "what", "tool", "args", "calls", "steps", "why", "question",
        "options",
    ]);
    let leaf = prop_oneof![
        4 => (0..30u32).prop_map(|n| json!(format!("E{n}"))),
        2 => prop::sample::select(vec!["rotate", "clean", "files_clean", "/etc", ""]).prop_map(|s| json!(s)),
        1 => "\\PC{0,20}".prop_map(Json::String),
        1 => any::<i64>().prop_map(Json::from),
        1 => Just(Json::Null),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner.clone(), 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
            prop::collection::vec(inner, 0..4).prop_map(Json::Array),
        ]
    })
}

fn script() -> impl Strategy<Value = Script> {
    prop_oneof![
        12 => prop::collection::vec((name(), json_value()), 1..5).prop_map(Script::Calls),
        1 => "\\PC{0,40}".prop_map(Script::Text),
        1 => Just(Script::Garbage),
        1 => Just(Script::Down),
        1 => Just(Script::Slow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_ends_within_its_bounds(script in prop::collection::vec(script(), 1..10)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let model = Arc::new(ScriptedModel::new(script));
        let (bench, purse) = (TestBench::usual(), TestPurse::new(u64::MAX));
        let brief = brief();
        let outcome =
            runtime.block_on(agent(model.clone()).investigate(&brief, &bench, &purse, NONCE));
        let bounds = AgentBounds::default();
        prop_assert_eq!(model.violations(), Vec::<String>::new());
        prop_assert!(outcome.turns <= bounds.turns && outcome.took <= bounds.time);
        prop_assert!(outcome.usage.input + outcome.usage.output <= bounds.tokens);
        prop_assert_eq!(purse.books().reserved.len(), purse.books().settled.len());
        prop_assert_eq!(outcome.tools_called.len(), bench.calls().len());
        for call in bench.calls() {
            let low = specs().iter().any(|s| s.name == call.tool && s.max_tier == Tier::Low);
            prop_assert!(low, "{} reached the bench", call);
        }
        if let Ok(Conclusion::Propose { calls, .. }) = outcome.end {
            prop_assert!(calls.iter().all(|call| call.target == brief.incident.signal.target));
        }
    }
}
