//! Containers of the fake estate: a leak and a spike over hours, and what is left alone.

use reef::exam::unit::OnRestart;
use reef::model::container::{Container, ContainerState, Ended, Health, RestartPolicy};
use reef::model::incident::IncidentState;
use reef::model::message::Urgency;
use reef::model::plan::Leash;
use reef::model::time::{Millis, Span};
use reef::operator::order::Order;

use crate::house::{House, MONDAY_NOON, Setup};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 512 * MIB;

pub(crate) fn container(name: &str) -> Container {
    Container {
        name: name.into(),
        id: format!("{name:0<64}"),
        image: format!("{name}:1"),
        image_id: format!("sha256:{}", "0f".repeat(32)),
        image_created_at: None,
        state: ContainerState::Running,
        health: Health::None,
        exit_code: Some(0),
        oom_killed: false,
        error: None,
        restarts: 0,
        created_at: MONDAY_NOON - Span::days(3),
        started_at: Some(MONDAY_NOON - Span::days(3)),
        finished_at: None,
        policy: RestartPolicy::No,
        ended: Ended::Untold,
        privileged: false,
        reaches: Vec::new(),
        memory_limit: Some(LIMIT),
        memory: Some(150 * MIB),
        labels: std::collections::BTreeMap::new(),
    }
}

/// Lets so many minutes pass, in each of which it uses that much.
async fn lives(house: &House, minutes: u64, mib: impl Fn(u64) -> u64) {
    for minute in 0..minutes {
        let used = mib(minute) * MIB;
        house.host().container("app", |c| c.memory = Some(used));
        house.pass(Span::mins(1)).await;
    }
}

fn killed(at: Millis) -> impl FnOnce(&mut Container) {
    move |c| {
        (c.state, c.exit_code, c.oom_killed) = (ContainerState::Exited, Some(137), true);
        (c.ended, c.finished_at, c.memory) = (Ended::Oom, Some(at), None);
    }
}

/// Work that comes and goes.
fn work(minute: u64) -> u64 {
    (minute * 7_919) % 60
}

#[tokio::test(start_paused = true)]
async fn a_generated_spike_is_restarted_and_watched_for_an_hour() {
    let setup = Setup::new(Leash::Auto);
    setup.host().containers(vec![container("app")]);
    let house = setup.start().await;
    lives(&house, 90, |minute| 150 + work(minute)).await;
    house.host().container("app", killed(house.estate.now()));
    house.until("it is started", |house| !house.actions().is_empty()).await;
    house.pass(Span::mins(50)).await;
    assert_eq!(house.endings(), [""; 0], "it is watched still\n{}", house.story());
    house.until("the run ends", |house| house.ended() == 1).await;
    assert!(house.endings()[0].starts_with("fixed"), "{}", house.story());
    let ran: Vec<_> = house.host().effects().into_iter().map(|ran| ran.argv.join(" ")).collect();
    assert_eq!(ran, ["docker start app"]);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_spike_that_comes_again_within_the_hour_is_not_fixed_and_not_restarted_again() {
    let setup = Setup::new(Leash::Auto);
    setup.host().containers(vec![container("app")]);
    let house = setup.start().await;
    lives(&house, 60, |minute| 150 + work(minute)).await;
    house.host().container("app", killed(house.estate.now()));
    house.until("it is started", |house| !house.actions().is_empty()).await;
    house.pass(Span::mins(20)).await;
    house.host().container("app", killed(house.estate.now()));
    house.until("the run ends", |house| house.ended() == 1).await;
    assert!(house.endings()[0].starts_with("not fixed"), "{}", house.story());
    house.pass(Span::hours(3)).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_generated_leak_is_told_with_its_cause_and_never_restarted() {
    let setup = Setup::new(Leash::Auto);
    setup.host().containers(vec![container("app")]);
    let house = setup.start().await;
    // Docker starts it again each time; the third time it stays down.
    for life in 0..3 {
        lives(&house, 100, |minute| 110 + minute * 3 + work(minute) / 3).await;
        let now = house.estate.now();
        house.host().container("app", |c| {
            killed(now)(c);
            if life < 2 {
                (c.state, c.started_at, c.ended) =
                    (ContainerState::Running, Some(now), Ended::Untold);
                (c.restarts, c.memory) = (c.restarts + 1, Some(110 * MIB));
            }
        });
        house.pass(Span::mins(4)).await;
        house.host().container("app", |c| {
            if c.state == ContainerState::Running {
                c.oom_killed = false;
            }
        });
    }
    house.until("it is told", |house| !house.endings().is_empty()).await;
    house.pass(Span::hours(8)).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    let marked = house.unresolved();
    let IncidentState::Escalated { why } = &marked[0].state else { panic!("{}", house.story()) };
    for part in [
        "memory leak in mini:container:app",
        "its floor rose",
        "consider memory limit increase or code fix",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let heard = house.estate.phone.heard();
    let told = heard.iter().find(|m| m.body.contains("consider memory limit increase or code fix"));
    assert!(told.is_some(), "{}", house.story());
    assert!(heard.iter().any(|m| m.urgency == Urgency::Page), "it is down: {}", house.story());
    house.order(Order::Report).await.unwrap();
    let report = house.operator.reporter.latest().await.unwrap();
    assert!(report.contains("memory leak in"), "{report}");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn under_observe_nothing_is_started_and_what_would_have_been_is_told() {
    let setup = Setup::new(Leash::Observe);
    setup.host().containers(vec![container("app")]);
    let house = setup.start().await;
    lives(&house, 60, |minute| 150 + work(minute)).await;
    house.host().container("app", killed(house.estate.now()));
    house.until("the run ends", |house| house.ended() == 1).await;
    assert!(
        house.endings()[0].starts_with("observed") && house.endings()[0].contains("start app"),
        "{}",
        house.story()
    );
    house.pass(Span::hours(1)).await;
    assert_eq!(house.host().effects(), []);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn exit_0_and_nothing_changed_is_a_failure() {
    let setup = Setup::new(Leash::Auto);
    setup.host().containers(vec![container("app")]);
    setup.host().on_container_restart("app", OnRestart::FailsAgain);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    let now = house.estate.now();
    house.host().container("app", |c| {
        (c.state, c.exit_code, c.ended) = (ContainerState::Exited, Some(7), Ended::Own);
        c.finished_at = Some(now);
    });
    house.until("the run ends", |house| house.ended() == 1).await;
    let ending = &house.endings()[0];
    assert!(
        ending.starts_with("not fixed") && ending.contains("ended again with 7"),
        "{}",
        house.story()
    );
    house.pass(Span::hours(2)).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_and_what_docker_restarts_is_left_alone() {
    let setup = Setup::new(Leash::Auto);
    setup.host().containers(vec![container("app"), container("off")]);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    let now = house.estate.now();
    house.host().container("off", |c| {
        (c.state, c.exit_code, c.ended) = (ContainerState::Exited, Some(137), Ended::Asked);
        c.finished_at = Some(now);
    });
    house.host().container("app", |c| {
        (c.state, c.exit_code, c.restarts) = (ContainerState::Restarting, Some(3), 9);
        c.policy = RestartPolicy::Always;
        c.finished_at = Some(now);
    });
    house.until("it is told", |house| house.ended() == 1).await;
    assert!(house.endings()[0].contains("one more restart would not help"), "{}", house.story());
    house.pass(Span::hours(2)).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    assert_eq!(house.incidents().len(), 1, "{}", house.story());
    house.end().await;
}
