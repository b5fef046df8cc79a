//! The fire drill goes the whole way on a private daemon.

use std::time::Duration;

use reef::config::env::Env;
use reef::config::given::Source;
use reef::daemon::private::{Probes, start};
use reef::operator::order::{Order, Who};
use reef::operator::view::{DrillState, DrillView};

#[tokio::test]
async fn a_drill_passes_without_root_network_or_model() {
    let state = tempfile::tempdir().unwrap();
    let private =
        start(Source::new("test", ""), state.path(), &Env::of([]), Probes::None).await.unwrap();
    let who = Who { uid: 0 };
    private.operator.carry_out(Order::Drill, who).await.unwrap();
    let view = loop {
        let view = private.operator.carry_out(Order::DrillProgress, who).await.unwrap();
        let view: DrillView = serde_json::from_value(view).unwrap();
        if view.state != DrillState::Running {
            break view;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for step in &view.steps {
        eprintln!("{} {} {}", step.after, step.word, step.words);
    }
    private.end().await;
    assert_eq!(view.state, DrillState::Passed, "{view:#?}");
    assert!(!state.path().join("drill").exists());
}
