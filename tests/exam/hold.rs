//! Several independent reds: one page, and nothing above low.

use reef::exam::endpoint::FakeEndpoint;
use reef::exam::unit::OnRestart;
use reef::model::ids::HostName;
use reef::model::incident::IncidentState;
use reef::model::message::Urgency;
use reef::model::plan::Leash;
use reef::model::severity::Severity;
use reef::model::time::Span;
use reef::operator::order::Order;
use reef::operator::view::{DrillState, DrillView};

use reef::probe::table;

use crate::house::{House, Setup, mini, nas, unit};
use crate::week::endpoint;

/// Two units fail within the same minute.
async fn held(setup: &Setup) -> House {
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.host().unit_fails(&unit("db"));
    house.until("the hold", |h| h.hold().is_some()).await;
    house
}

#[tokio::test(start_paused = true)]
async fn two_reds_hold_page_once_and_act_on_nothing() {
    let setup = Setup::new(Leash::Auto);
    let house = held(&setup).await;
    house.pass(Span::mins(20)).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    let pages = house.estate.phone.pages();
    assert_eq!(pages.len(), 1, "{}", house.story());
    assert_eq!(house.estate.phone.heard().len(), 1, "{}", house.story());
    let holds = |i: &reef::model::incident::Incident| matches!(i.state, IncidentState::Held { .. });
    assert!(house.unresolved().iter().all(holds), "{}", house.story());
    // At most one is left: that one is recovered.
    house.host().unit_starts(&unit("db"));
    house.until("the hold ends", |h| h.hold().is_none()).await;
    house.until("the one that is left is recovered", |h| h.host().is_active(&unit("web"))).await;
    house.pass(Span::mins(10)).await;
    let effects = house.host().effects();
    assert_eq!(effects.len(), 1, "{}", house.story());
    assert_eq!(effects[0].argv[2], "web.service");
    assert_eq!(house.unresolved(), [], "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_red_that_joins_a_hold_is_told_once_and_calmly() {
    let setup = Setup::new(Leash::Auto);
    let house = held(&setup).await;
    house.pass(Span::mins(3)).await;
    house.host().unit_fails(&unit("mail"));
    house.until("it is told", |h| h.estate.phone.heard().len() == 2).await;
    let told = house.estate.phone.heard().pop().unwrap();
    assert_eq!(told.urgency, Urgency::Message, "{told:?}");
    for part in ["mail.service", "several independent reds", "reef resume"] {
        assert!(format!("{}\n{}", told.title, told.body).contains(part), "{part}: {told:?}");
    }
    house.pass(Span::mins(20)).await;
    assert_eq!(house.estate.phone.heard().len(), 2, "{}", house.story());
    assert_eq!(house.host().effects(), [], "{}", house.story());
    // What was told has its end told.
    house.host().unit_starts(&unit("mail"));
    house.until("its end is told", |h| h.estate.phone.heard().len() == 3).await;
    assert!(house.estate.phone.heard()[2].title.contains("green"), "{}", house.story());
    assert!(house.hold().is_some(), "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn resume_lifts_the_hold() {
    let setup = Setup::new(Leash::Auto);
    let house = held(&setup).await;
    house.pass(Span::mins(3)).await;
    assert_eq!(house.host().effects(), []);
    house.order(Order::Resume).await.unwrap();
    house.pass(Span::mins(10)).await;
    let mut units: Vec<String> =
        house.host().effects().into_iter().map(|ran| ran.argv[2].clone()).collect();
    units.sort();
    assert_eq!(units, ["db.service", "web.service"], "{}", house.story());
    assert_eq!(house.unresolved(), [], "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_outlives_a_restart() {
    let setup = Setup::new(Leash::Auto);
    let house = held(&setup).await;
    house.end().await;
    let house = setup.start().await;
    house.pass(Span::mins(20)).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    assert_eq!(house.estate.phone.pages().len(), 1, "{}", house.story());
    house.end().await;
}

/// The first red's run is about to act when the second appears: it is held, not handed over, because
/// a red that is handed over no longer counts, and the second would be acted on.
#[tokio::test(start_paused = true)]
async fn a_run_that_a_hold_stops_waits_with_the_others() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house
        .until("it asks", |h| h.store.call_now(|db| db.pending_approvals()).unwrap().len() == 1)
        .await;
    house.host().unit_fails(&unit("db"));
    house.until("the hold", |h| h.hold().is_some()).await;
    house.pass(Span::mins(30)).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    assert!(house.hold().is_some(), "{}", house.story());
    assert_eq!(house.estate.phone.pages().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn reds_far_apart_do_not_hold() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.host().on_restart(&unit("web"), OnRestart::Refuses);
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("web was tried", |h| h.host().effects().len() == 1).await;
    house.pass(Span::mins(15)).await;
    house.host().unit_fails(&unit("db"));
    house.until("db is healed", |h| h.host().is_active(&unit("db"))).await;
    assert!(house.hold().is_none(), "{}", house.story());
    house.end().await;
}

async fn drill(house: &House) -> DrillView {
    house.order(Order::Drill).await.unwrap();
    for _ in 0..600 {
        let view = house.order(Order::DrillProgress).await.unwrap();
        let view: DrillView = serde_json::from_value(view).unwrap();
        if view.state != DrillState::Running {
            return view;
        }
        house.pass(Span(100)).await;
    }
    panic!("the drill does not end\n{}", house.story());
}

#[tokio::test(start_paused = true)]
async fn a_drill_neither_counts_for_the_hold_nor_is_held() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().on_restart(&unit("web"), OnRestart::FailsAgain);
    house.host().unit_fails(&unit("web"));
    house.until("one red", |h| h.unresolved().len() == 1).await;
    let view = drill(&house).await;
    assert_eq!(view.state, DrillState::Passed, "{view:#?}\n{}", house.story());
    assert!(house.hold().is_none(), "a drill's red and one more are no two: {}", house.story());

    house.host().unit_fails(&unit("db"));
    house.host().unit_fails(&unit("mail"));
    house.until("the hold", |h| h.hold().is_some()).await;
    let view = drill(&house).await;
    assert_eq!(view.state, DrillState::Passed, "{view:#?}\n{}", house.story());
    assert!(house.hold().is_some());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_drill_under_a_pause_is_refused_before_anything_is_planted() {
    let setup = Setup::new(Leash::Observe);
    let house = setup.start().await;
    house.order(Order::Pause { note: None }).await.unwrap();
    let why = house.order(Order::Drill).await.unwrap_err();
    assert!(format!("{why:?}").contains("reef resume"), "{why:?}");
    assert!(!house.operator.scratch.as_path().exists());
    house.end().await;
}

/// What a power cut does to these hosts: they boot, and nothing on them is up yet.
fn power_cut(house: &House, hosts: &[HostName], services: &[FakeEndpoint]) {
    for host in hosts {
        let host = house.estate.host(host).unwrap();
        host.boots();
        for name in ["web", "db", "mail"] {
            host.unit_fails(&unit(name));
        }
    }
    for service in services {
        service.turns(Severity::Red);
    }
}

/// Two hosts, and two services behind a router.
async fn estate(setup: &Setup) -> (House, FakeEndpoint, Vec<FakeEndpoint>) {
    let router = endpoint("router");
    let services = vec![endpoint("photos"), endpoint("music")];
    let mut more = table::of_host(&nas());
    more.push(router.probe("http.router", &mini(), None));
    for (n, service) in services.iter().enumerate() {
        let behind = Some(router.signal().clone());
        more.push(service.probe(&format!("http.service{n}"), &mini(), behind));
    }
    let house = setup.start_with(more).await;
    house.pass(Span::mins(20)).await;
    (house, router, services)
}

#[tokio::test(start_paused = true)]
async fn after_a_power_cut_there_is_one_grace_and_no_storm() {
    let setup = Setup::new(Leash::Auto);
    let (house, router, services) = estate(&setup).await;
    power_cut(&house, &[mini(), nas()], &services);
    router.turns(Severity::Red);
    // What others depend on takes its time, and so does all that depends on it.
    house.pass(Span::mins(14)).await;
    assert_eq!(house.incidents(), [], "{}", house.story());
    router.turns(Severity::Green);
    house.pass(Span::mins(8)).await;
    assert_eq!(house.incidents(), [], "{}", house.story());
    for name in ["web", "mail"] {
        house.host().unit_starts(&unit(name));
    }
    for name in ["web", "db", "mail"] {
        house.estate.host(&nas()).unwrap().unit_starts(&unit(name));
    }
    for service in &services {
        service.turns(Severity::Green);
    }
    // The one that did not come up by itself is an ordinary red once the grace is over.
    house.until("it is recovered", |h| h.host().is_active(&unit("db"))).await;
    house.pass(Span::mins(5)).await;
    let incidents = house.incidents();
    assert_eq!(incidents.len(), 1, "{}", house.story());
    assert_eq!(incidents[0].signal.target.name(), "db.service");
    assert_eq!(house.unresolved(), []);
    assert!(house.hold().is_none());
    assert_eq!(house.estate.phone.pages().len(), 0, "{}", house.story());
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_breaks_during_the_grace_after_it_was_green_is_a_fault() {
    let setup = Setup::new(Leash::Auto);
    let (house, _, services) = estate(&setup).await;
    power_cut(&house, &[mini(), nas()], &services[..1]);
    house.pass(Span::mins(2)).await;
    for name in ["web", "db", "mail"] {
        house.host().unit_starts(&unit(name));
    }
    services[0].turns(Severity::Green);
    house.pass(Span::mins(2)).await;
    house.host().unit_fails(&unit("web"));
    house.pass(Span::mins(5)).await;
    assert!(house.host().is_active(&unit("web")), "{}", house.story());
    assert_eq!(house.incidents().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_host_that_boots_is_no_power_cut() {
    let setup = Setup::new(Leash::Auto);
    let (house, _, services) = estate(&setup).await;
    power_cut(&house, &[mini()], &services);
    house.until("the hold", |h| h.hold().is_some()).await;
    assert_eq!(house.estate.phone.pages().len(), 1, "{}", house.story());
    house.end().await;
}
