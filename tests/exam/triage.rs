//! From looks to incidents, runs and messages.

use reef::exam::endpoint::{Face, FakeEndpoint};
use reef::exam::host::Reach;
use reef::exam::unit::OnRestart;
use reef::model::audit::AuditKind;
use reef::model::incident::IncidentState;
use reef::model::message::Urgency;
use reef::model::plan::Leash;
use reef::model::severity::Severity;
use reef::model::time::Span;
use reef::probe::{Probe, table};
use reef::watch::pulse::Pulse;

use crate::house::{House, Setup, mini, nas, unit};
use crate::week::endpoint;

fn titles(house: &House) -> Vec<String> {
    house.estate.phone.heard().into_iter().map(|m| m.title).collect()
}

#[tokio::test(start_paused = true)]
async fn a_single_bad_look_does_nothing() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    for _ in 0..5 {
        house.host().unit_fails(&unit("web"));
        house.pass(Span::secs(60)).await;
        house.host().unit_starts(&unit("web"));
        // Four bad looks of ten would be a fault.
        house.pass(Span::secs(240)).await;
    }
    assert_eq!(house.incidents(), [], "{}", house.story());
    assert_eq!(titles(&house), [""; 0]);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_yellow_is_noted_then_an_incident_with_one_calm_message() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().memory(6);
    house.host().memory_pressure(Some(20));
    house.pass(Span::mins(3)).await;
    assert_eq!(house.incidents(), [], "three looks are a note");
    assert_eq!(titles(&house), [""; 0]);
    house.pass(Span::mins(2)).await;
    let incidents = house.unresolved();
    assert_eq!(incidents.len(), 1, "{}", house.story());
    assert_eq!(incidents[0].severity, Severity::Yellow);
    house.pass(Span::hours(3)).await;
    let heard = house.estate.phone.heard();
    assert_eq!(heard.len(), 1, "{}", house.story());
    assert_eq!(heard[0].urgency, Urgency::Message);
    assert_eq!(house.host().effects(), []);

    house.host().memory(50);
    house.host().memory_pressure(Some(0));
    house.pass(Span::mins(5)).await;
    assert_eq!(house.unresolved(), []);
    assert_eq!(house.estate.phone.heard().len(), 2, "a resolved for each that was told");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_red_is_recovered_told_and_proven_by_the_probe_that_fired() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("the run ended", |h| h.ended() == 1).await;
    assert!(house.endings()[0].starts_with("fixed: the probe that fired"), "{}", house.story());
    let effects = house.host().effects();
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0].argv, ["systemctl", "restart", "web.service"]);
    let actions = house.actions();
    assert_eq!(actions.len(), 1);
    assert_eq!(actions[0].verified, Some(true));
    house.pass(Span::mins(5)).await;
    assert_eq!(house.unresolved(), [], "{}", house.story());
    assert!(house.host().is_active(&unit("web")));
    let heard = house.estate.phone.heard();
    assert_eq!(heard.len(), 1, "{}", house.story());
    assert_eq!(heard[0].urgency, Urgency::Message);
    assert!(heard[0].title.starts_with("fixed"), "{}", heard[0].title);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn exit_code_zero_proves_nothing() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().on_restart(&unit("web"), OnRestart::FailsAgain);
    house.host().unit_fails(&unit("web"));
    house.until("the first run ended", |h| h.ended() == 1).await;
    assert!(house.endings()[0].starts_with("not fixed"), "{}", house.story());
    assert_eq!(house.actions()[0].verified, Some(false));
    // The second attempt comes after the cooldown, and asks: the leash was shortened.
    house.until("the second run waits", |h| h.audited(AuditKind::Asked).len() == 1).await;
    assert_eq!(house.host().effects().len(), 1);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_action_nobody_knows_of_pages_and_is_not_tried_again() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().on_restart(&unit("web"), OnRestart::LostUnheard);
    house.host().unit_fails(&unit("web"));
    house.until("the run ended", |h| h.ended() == 1).await;
    assert!(house.endings()[0].starts_with("not fixed"), "{}", house.story());
    house.pass(Span::mins(1)).await;
    assert_eq!(house.estate.phone.pages().len(), 1, "{}", house.story());
    house.pass(Span::hours(20)).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    assert_eq!(house.store.call_now(|db| db.unsettled()).unwrap().len(), 1);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_action_nobody_heard_of_is_settled_by_the_probe() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().on_restart(&unit("web"), OnRestart::HealsUnheard);
    house.host().unit_fails(&unit("web"));
    house.until("the run ended", |h| h.ended() == 1).await;
    assert!(house.endings()[0].starts_with("fixed"), "{}", house.story());
    assert_eq!(house.store.call_now(|db| db.unsettled()).unwrap(), []);
    let leases = house.store.call_now(|db| db.leases()).unwrap();
    assert!(leases.is_empty(), "{leases:?}");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_red_parent_explains_its_children_over_a_restart_too() {
    let setup = Setup::new(Leash::Ask);
    let (router, app) = (endpoint("router"), endpoint("app"));
    let probes = |router: &FakeEndpoint, app: &FakeEndpoint| {
        vec![
            router.probe("http.router", &mini(), None),
            app.probe("http.app", &mini(), Some(router.signal().clone())),
        ]
    };
    let house = setup.start_with(probes(&router, &app)).await;
    house.pass(Span::mins(5)).await;
    router.turns(Severity::Red);
    house.until("the parent is red", |h| h.unresolved().len() == 1).await;
    let told = house.estate.phone.heard().len();
    app.turns(Severity::Red);
    house
        .until("the child is explained", |h| {
            h.unresolved().iter().any(|i| matches!(i.state, IncidentState::Explained { .. }))
        })
        .await;
    house.pass(Span::mins(5)).await;
    let runs = house.runs().len();
    assert!(house.hold().is_none(), "one cause is no hold");
    house.end().await;

    let house = setup.start_with(probes(&router, &app)).await;
    house.pass(Span::mins(15)).await;
    let explained =
        |i: &&reef::model::incident::Incident| matches!(i.state, IncidentState::Explained { .. });
    assert_eq!(house.unresolved().iter().filter(explained).count(), 1, "{}", house.story());
    assert_eq!(house.runs().len(), runs, "{}", house.story());
    let of_child = house.estate.phone.heard();
    let of_child = of_child.iter().filter(|m| m.title.contains("app")).count();
    assert_eq!(of_child, 0, "{told} before\n{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_down_is_one_incident() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start_with(table::of_host(&nas())).await;
    house.pass(Span::mins(5)).await;
    setup.estate.host(&nas()).unwrap().reach(Reach::Down);
    house.pass(Span::hours(3)).await;
    let open: Vec<_> = house
        .unresolved()
        .into_iter()
        .filter(|i| !matches!(i.state, IncidentState::Explained { .. }))
        .collect();
    assert_eq!(open.len(), 1, "{}", house.story());
    let keys: std::collections::BTreeSet<_> =
        house.estate.phone.heard().into_iter().filter_map(|m| m.incident).collect();
    assert_eq!(keys.len(), 1, "{}", house.story());
    // It comes back: all is green once each was looked at twice, the clock every 15 minutes.
    setup.estate.host(&nas()).unwrap().reach(Reach::Up);
    house.pass(Span::mins(50)).await;
    assert_eq!(house.unresolved(), [], "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_hangs_delays_no_other() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start_with(table::of_host(&nas())).await;
    house.pass(Span::mins(5)).await;
    setup.estate.host(&nas()).unwrap().reach(Reach::Hangs);
    house.host().unit_fails(&unit("web"));
    let began = house.estate.now();
    house.until("mini is healed", |h| h.ended() == 1).await;
    let took = house.estate.now().since(began);
    assert!(took <= Span::mins(6), "{took}");
    assert_eq!(house.host().effects().len(), 1);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_look_that_was_asked_for_makes_none_of_the_grid_missed_and_one_that_hangs_does() {
    let setup = Setup::new(Leash::Auto);
    let (site, slow) = (endpoint("site"), endpoint("slow"));
    let probe = site.probe("http.site", &mini(), None);
    let patient = Probe { timeout: Span::secs(150), ..slow.probe("http.slow", &mini(), None) };
    let house = setup.start_with(vec![probe, patient]).await;
    house.pass(Span::mins(5)).await;
    let missed = || Pulse::count(&house.operator.pulse.missed);
    // Ten seconds each, at all times of the minute: some are under way when the grid's own is due.
    site.face(Face::Hangs);
    for _ in 0..12 {
        house.hand.look_all().await;
        house.pass(Span::secs(5)).await;
    }
    assert_eq!(missed(), 0);
    slow.face(Face::Hangs);
    house.pass(Span::mins(10)).await;
    let hung = missed();
    assert!((5..=8).contains(&hung), "of ten looks every third hangs over the next two: {hung}");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_for_over_an_hour_is_a_yellow() {
    let setup = Setup::new(Leash::Auto);
    let site = endpoint("site");
    let house = setup.start_with(vec![site.probe("http.site", &mini(), None)]).await;
    house.pass(Span::mins(5)).await;
    site.turns(Severity::Unknown);
    house.pass(Span::mins(58)).await;
    assert_eq!(house.incidents(), []);
    house.pass(Span::mins(10)).await;
    let incidents = house.unresolved();
    assert_eq!(incidents.len(), 1, "{}", house.story());
    assert_eq!(incidents[0].severity, Severity::Yellow);
    let heard = house.estate.phone.heard();
    assert_eq!(heard.len(), 1, "{}", house.story());
    assert_eq!(heard[0].urgency, Urgency::Message);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn memory_is_red_only_with_pressure() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().memory(3);
    house.pass(Span::hours(1)).await;
    assert_eq!(house.incidents(), [], "used well is no fault");
    // A kernel that tells no pressure: yellow at the most.
    house.host().memory_pressure(None);
    house.pass(Span::mins(10)).await;
    assert_eq!(house.unresolved()[0].severity, Severity::Yellow, "{}", house.story());
    house.host().memory_pressure(Some(30));
    house.until("it is red", |h| h.unresolved()[0].severity == Severity::Red).await;
    // No process is known: it is the human's.
    house.until("it was answered", |h| !h.runs().is_empty()).await;
    house.pass(Span::mins(10)).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_oom_kill_is_red_at_once_and_its_unit_is_brought_back() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().process(process("db", &unit("db")));
    house.host().oom_kills(&unit("db"));
    house.until("a run ended", |h| 1 <= h.ended()).await;
    house.pass(Span::mins(10)).await;
    let effects = house.host().effects();
    assert_eq!(effects.len(), 1, "{}", house.story());
    assert_eq!(effects[0].argv, ["systemctl", "restart", "db.service"]);
    assert_eq!(house.unresolved(), [], "{}", house.story());
    assert!(house.hold().is_none());
    house.end().await;
}

pub(crate) fn process(comm: &str, unit: &reef::model::ids::UnitName) -> reef::model::fact::Process {
    reef::model::fact::Process {
        pid: 4_000,
        parent: 1,
        start: 100,
        comm: comm.into(),
        uid: 999,
        ticks: 10,
        rss_bytes: 1 << 30,
        unit: Some(unit.clone()),
        busy: Some(10),
    }
}
