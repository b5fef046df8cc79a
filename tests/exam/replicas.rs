//! The last healthy one of several is never taken away: of a compose service, and of what a runbook calls peers.

use reef::gate::Acted;
use reef::model::container::Health;
use reef::model::ids::{StepName, ToolName};
use reef::model::plan::{Leash, Plan, Step};
use reef::model::target::Target;
use reef::model::tool::{Bounds, Call};
use reef::model::value::Value;

use crate::containers::container;
use crate::gate::{act, ended, plan, refused};
use crate::house::{House, Setup, unit};

const LAST: &str = "the last healthy replica";

/// A plan of one step, as the gate makes it of this call.
async fn plan_of(house: &House, call: &Call) -> Plan {
    let gate = &house.operator.runner.gate;
    let step: Step = gate.preview(&StepName::new("restart").unwrap(), call).await.unwrap();
    Plan { steps: vec![step], ..plan(house, "web").await }
}

fn restart(name: &str) -> Call {
    let target: Target = format!("mini:container:{name}").parse().unwrap();
    Call {
        tool: ToolName::of("container.restart"),
        target: target.clone(),
        args: [("container".to_owned(), Value::Target(target))].into(),
        bounds: Bounds::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_service_with_several_containers_the_last_one_that_is_well_stays() {
    let setup = Setup::new(Leash::Auto);
    let of_service = |name: &str, service: &str| {
        let mut c = container(name);
        c.labels.insert("com.docker.compose.project".into(), "shop".into());
        c.labels.insert("com.docker.compose.service".into(), service.into());
        c
    };
    let (mut sick, single) = (of_service("web-2", "web"), of_service("cron-1", "cron"));
    sick.health = Health::Unhealthy { streak: 5 };
    setup.host().containers(vec![of_service("web-1", "web"), sick, single, container("alone")]);
    let house = setup.start().await;
    let last = plan_of(&house, &restart("web-1")).await;
    refused(&act(&house, &last).await, LAST);
    assert_eq!(house.host().effects(), []);
    // The one that is not well may be restarted, and what has no replica too.
    for name in ["web-2", "cron-1", "alone"] {
        let plan = plan_of(&house, &restart(name)).await;
        let acted = act(&house, &plan).await;
        assert!(matches!(acted, Acted::Ended(_)), "{name}: {acted:?}");
        ended(&house, plan.run);
    }
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn of_the_units_that_a_runbook_calls_peers_the_last_one_that_runs_stays() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    let peers = |names: &[&str]| -> Vec<Target> {
        names.iter().map(|name| format!("mini:unit:{name}.service").parse().unwrap()).collect()
    };
    let with = |peers: Vec<Target>| {
        let call = crate::gate::call("unit.restart", "web");
        Call { bounds: Bounds { peers, ..Bounds::default() }, ..call }
    };
    house.host().unit_stops(&unit("db"));
    let last = plan_of(&house, &with(peers(&["web", "db"]))).await;
    refused(&act(&house, &last).await, LAST);
    // One more that runs, or none that was declared: it may.
    for peers in [peers(&["web", "db", "mail"]), peers(&["db", "mail"]), Vec::new()] {
        let plan = plan_of(&house, &with(peers)).await;
        let acted = act(&house, &plan).await;
        assert!(matches!(acted, Acted::Ended(_)), "{acted:?}");
        ended(&house, plan.run);
        house.pass(reef::model::time::Span::hours(1)).await;
    }
    house.end().await;
}
