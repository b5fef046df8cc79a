//! When and how much the human is told.

use reef::exam::endpoint::FakeEndpoint;
use reef::model::ids::{IncidentId, SilenceId};
use reef::model::incident::IncidentState;
use reef::model::message::{Message, Urgency};
use reef::model::plan::Leash;
use reef::model::push::Report;
use reef::model::severity::Severity;
use reef::model::silence::Pattern;
use reef::model::time::{Millis, Span};
use reef::operator::order::Order;

use crate::failure::endpoint;
use crate::house::{House, MONDAY_NOON, Setup, mini, unit};

fn heard(house: &House) -> Vec<Message> {
    house.estate.phone.heard()
}

fn at(hour: i64) -> Millis {
    MONDAY_NOON + Span::hours(hour - 12)
}

async fn pass_until(house: &House, when: Millis) {
    house.pass(when.since(house.estate.now())).await;
}

fn quiet(leash: Leash) -> Setup {
    let mut setup = Setup::new(leash);
    setup.config.push_str("[notify]\nquiet = \"23:00-07:00\"\n");
    setup
}

async fn one(setup: &Setup) -> (House, FakeEndpoint) {
    let app = endpoint("app");
    let house = setup.start_with(vec![app.probe("tcp.app", &mini(), None)]).await;
    house.pass(Span::mins(5)).await;
    (house, app)
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_night_come_as_one_in_the_morning() {
    let setup = quiet(Leash::Auto);
    let house = setup.start().await;
    pass_until(&house, at(25)).await;
    // Two faults that reef heals: a calm message each.
    for name in ["web", "db"] {
        house.host().unit_fails(&unit(name));
        house.pass(Span::mins(40)).await;
        assert!(house.host().is_active(&unit(name)), "{}", house.story());
    }
    assert_eq!(heard(&house), [], "{}", house.story());
    pass_until(&house, at(31)).await;
    house.pass(Span::mins(2)).await;
    let told = heard(&house);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].body.contains("fixed: unit mini:unit:web.service"), "{told:#?}");
    assert!(told[0].body.contains("fixed: unit mini:unit:db.service"), "{told:#?}");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_red_at_night_pages_in_the_morning_unless_it_may_wake() {
    let setup = quiet(Leash::Observe);
    let (app, pool) = (endpoint("app"), endpoint("pool"));
    let mut wakes = pool.probe("tcp.pool", &mini(), None);
    wakes.wakes = true;
    let house = setup.start_with(vec![app.probe("tcp.app", &mini(), None), wakes]).await;
    pass_until(&house, at(25)).await;
    app.turns(Severity::Red);
    house.pass(Span::mins(30)).await;
    assert_eq!(heard(&house), [], "{}", house.story());
    pool.turns(Severity::Red);
    house.until("it wakes", |h| !heard(h).is_empty()).await;
    assert!(heard(&house)[0].title.contains("pool"), "{}", house.story());
    pass_until(&house, at(31)).await;
    let of_app = |m: &Message| m.title.contains("app");
    assert!(!heard(&house).iter().any(of_app), "{}", house.story());
    house.pass(Span::mins(3)).await;
    let told: Vec<Message> = heard(&house).into_iter().filter(of_app).collect();
    assert_eq!(told.len(), 1, "{}", house.story());
    assert_eq!(told[0].urgency, Urgency::Page);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_over_by_the_morning_pages_nobody() {
    let setup = quiet(Leash::Observe);
    let (house, app) = one(&setup).await;
    pass_until(&house, at(25)).await;
    app.turns(Severity::Red);
    house.pass(Span::mins(30)).await;
    app.turns(Severity::Green);
    pass_until(&house, at(32)).await;
    assert_eq!(heard(&house), [], "{}", house.story());
    assert_eq!(house.incidents().len(), 1);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_of_the_night_is_planned_and_asked_anew_in_the_morning() {
    let setup = quiet(Leash::Ask);
    let house = setup.start().await;
    pass_until(&house, at(25)).await;
    house.host().unit_fails(&unit("web"));
    house.pass(Span::hours(1)).await;
    let pending = |h: &House| h.store.call_now(|db| db.pending_approvals()).unwrap();
    assert_eq!(pending(&house), [], "{}", house.story());
    assert_eq!(house.runs().len(), 1, "one plan was made and held: {}", house.story());
    assert_eq!(house.unresolved()[0].state, IncidentState::Open, "{}", house.story());
    assert_eq!(heard(&house), [], "{}", house.story());
    pass_until(&house, at(31)).await;
    house.until("it asks", |h| pending(h).len() == 1).await;
    let asked = pending(&house).remove(0);
    assert!(at(31) <= asked.asked_at, "{}", house.story());
    house.pass(Span::mins(1)).await;
    assert_eq!(heard(&house).iter().filter(|m| m.approval.is_some()).count(), 1);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn within_its_tolerance_a_red_pages_nobody() {
    let setup = Setup::new(Leash::Observe);
    let app = endpoint("app");
    let mut probe = app.probe("tcp.app", &mini(), None);
    probe.care.tolerance = Some(Span::mins(20));
    let house = setup.start_with(vec![probe]).await;
    house.pass(Span::mins(5)).await;
    app.turns(Severity::Red);
    house.until("it is red", |h| h.unresolved().len() == 1).await;
    house.pass(Span::mins(15)).await;
    assert_eq!(heard(&house), [], "{}", house.story());
    app.turns(Severity::Green);
    house.pass(Span::mins(30)).await;
    assert_eq!((heard(&house), house.unresolved()), (vec![], vec![]), "{}", house.story());

    app.turns(Severity::Red);
    house.until("it is red again", |h| h.unresolved().len() == 1).await;
    let red = house.estate.now();
    house.until("it pages", |h| !heard(h).is_empty()).await;
    let waited = house.estate.now().since(red);
    assert!(Span::mins(19) <= waited && waited <= Span::mins(21), "{waited}");
    assert_eq!(heard(&house)[0].urgency, Urgency::Page);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_silence_records_and_tells_what_is_left_when_it_ends() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    let about = Pattern::parse("unit.*").unwrap();
    let add = |note: &str| Order::SilenceAdd {
        about: about.clone(),
        lasts: Span::hours(2),
        note: note.into(),
    };
    assert!(house.order(add(" ")).await.is_err(), "a note is required");
    let nothing = Pattern::parse("nothing-like-it").unwrap();
    let wrong = Order::SilenceAdd { about: nothing, lasts: Span::hours(1), note: "x".into() };
    assert!(house.order(wrong).await.is_err());
    house.order(add("moving the rack")).await.unwrap();
    house.host().unit_fails(&unit("web"));
    house.host().unit_fails(&unit("db"));
    house.until("both are recorded", |h| h.unresolved().len() == 2).await;
    house.pass(Span::mins(30)).await;
    assert_eq!(heard(&house), [], "{}", house.story());
    assert_eq!(house.host().effects(), [], "not acted on: {}", house.story());
    assert!(house.hold().is_none(), "{}", house.story());
    house.host().unit_starts(&unit("db"));
    house.pass(Span::mins(10)).await;
    assert_eq!(house.unresolved().len(), 1);
    let report = house.operator.reporter.write().await.unwrap();
    assert!(report.markdown.contains("not told: silence S-1"), "{}", report.markdown);

    house.pass(Span::hours(2)).await;
    assert!(house.host().is_active(&unit("web")), "answered when it ended: {}", house.story());
    assert_eq!(heard(&house).len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_is_ended_by_hand_is_over_at_once() {
    let setup = Setup::new(Leash::Observe);
    let (house, app) = one(&setup).await;
    let about = Pattern::parse("tcp.app").unwrap();
    let add = Order::SilenceAdd { about, lasts: Span::hours(9), note: "update".into() };
    house.order(add).await.unwrap();
    app.turns(Severity::Red);
    house.pass(Span::mins(10)).await;
    assert_eq!(heard(&house), []);
    let listed = house.order(Order::Silences).await.unwrap();
    assert_eq!(listed["silences"][0]["note"], "update");
    house.order(Order::SilenceExpire { id: SilenceId(1) }).await.unwrap();
    house.until("it is told", |h| heard(h).len() == 1).await;
    assert!(house.order(Order::SilenceExpire { id: SilenceId(1) }).await.is_err());
    house.end().await;
}

/// What was told before a silence has its end told within it.
#[tokio::test(start_paused = true)]
async fn a_silence_never_swallows_a_resolve() {
    let setup = Setup::new(Leash::Observe);
    let (house, app) = one(&setup).await;
    app.turns(Severity::Red);
    house.until("it is told", |h| heard(h).len() == 1).await;
    let about = Pattern::parse("tcp.app").unwrap();
    let add = Order::SilenceAdd { about, lasts: Span::hours(9), note: "update".into() };
    house.order(add).await.unwrap();
    house.pass(Span::hours(1)).await;
    assert_eq!(heard(&house).len(), 1, "no page is repeated: {}", house.story());
    app.turns(Severity::Green);
    house.until("its end is told", |h| heard(h).len() == 2).await;
    assert!(heard(&house)[1].title.contains("green"));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_for_a_while_ends() {
    let setup = Setup::new(Leash::Observe);
    let (house, app) = one(&setup).await;
    app.turns(Severity::Red);
    house.until("it is told", |h| heard(h).len() == 1).await;
    let note = Some("disk is ordered".to_owned());
    let ack = Order::Ack { incident: IncidentId(1), note, lasts: Some(Span::hours(4)) };
    house.order(ack).await.unwrap();
    house.pass(Span::hours(3)).await;
    assert_eq!(heard(&house).len(), 1, "{}", house.story());
    let status = house.operator.status().await.unwrap();
    assert_eq!(status.incidents[0].care.note.as_deref(), Some("disk is ordered"));
    house.pass(Span::hours(1) + Span::mins(2)).await;
    assert_eq!(heard(&house).len(), 2, "{}", house.story());
    assert!(house.unresolved()[0].acknowledged_at.is_none());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_answers_is_told_again_twice_a_day() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().memory(6);
    house.host().memory_pressure(Some(20));
    house.until("it is told", |h| heard(h).len() == 1).await;
    pass_until(&house, at(19) + Span::mins(2)).await;
    let reminders = |h: &House| heard(h).iter().filter(|m| m.title.contains("unanswered")).count();
    assert_eq!(reminders(&house), 1, "{}", house.story());
    pass_until(&house, at(31) + Span::mins(2)).await;
    assert_eq!(reminders(&house), 2, "{}", house.story());
    let ack = Order::Ack { incident: IncidentId(1), note: None, lasts: None };
    house.order(ack).await.unwrap();
    pass_until(&house, at(60)).await;
    assert_eq!(reminders(&house), 2, "{}", house.story());
    house.end().await;
}

/// Yellows that have nothing to do with each other, all at once.
#[tokio::test(start_paused = true)]
async fn a_storm_is_a_few_messages_and_one_for_the_rest() {
    let setup = Setup::new(Leash::Observe);
    let apps: Vec<FakeEndpoint> = (0..40).map(|n| endpoint(&format!("app{n}"))).collect();
    let named = |(n, app): (usize, &FakeEndpoint)| app.probe(&format!("tcp.app{n}"), &mini(), None);
    let house = setup.start_with(apps.iter().enumerate().map(named).collect()).await;
    house.pass(Span::mins(5)).await;
    for app in &apps {
        app.turns(Severity::Yellow);
        house.pass(Span::secs(7)).await;
    }
    house.pass(Span::mins(30)).await;
    assert_eq!(house.unresolved().len(), 40, "{}", house.story());
    let told = heard(&house);
    assert!(told.len() <= 14, "{} messages", told.len());
    let all: String = told.iter().map(|m| format!("{}\n{}\n", m.title, m.body)).collect();
    for n in 0..40 {
        assert!(all.contains(&format!("app{n} ")), "app{n} was told of: {all}");
    }
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_on_purpose_is_left_alone() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_stops(&unit("web"));
    house.pass(Span::hours(1)).await;
    assert_eq!((house.incidents(), house.host().effects()), (vec![], vec![]), "{}", house.story());
    house.host().unit_starts(&unit("web"));
    house.pass(Span::mins(5)).await;
    let noted: Vec<String> = house.audit().into_iter().filter_map(|r| r.payload?.outcome).collect();
    for want in ["mini:unit:web.service stopped on purpose", "mini:unit:web.service runs again"] {
        assert!(noted.iter().any(|n| n.starts_with(want)), "{noted:#?}");
    }
    // One that failed and is then stopped by hand is over, and nothing is done any more.
    house.host().unit_fails(&unit("db"));
    house.host().unit_stops(&unit("db"));
    house.pass(Span::mins(10)).await;
    assert_eq!(house.unresolved(), [], "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_reports_in() {
    let mut setup = Setup::new(Leash::Observe);
    setup.config = setup
        .config
        .replace("[probe]\n", "[probe]\npush.vzdump = { every = \"24h\", grace = \"4h\" }\n");
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    let ping =
        |report, said: &str| Order::Ping { name: "vzdump".into(), report, said: said.into() };
    let unknown = Order::Ping { name: "vzdmp".into(), report: Report::Ok, said: String::new() };
    let refusal = house.order(unknown).await.unwrap_err();
    assert!(refusal.why.contains("vzdump"), "{refusal}");
    house.order(ping(Report::Fail, "no space left")).await.unwrap();
    house.until("it is red at once", |h| h.unresolved().len() == 1).await;
    let words = house.unresolved()[0].reading.words.to_string();
    assert!(words.contains("no space left"), "{words}");
    house.order(ping(Report::Ok, "")).await.unwrap();
    house.until("it is over", |h| h.unresolved().is_empty()).await;
    house.pass(Span::hours(28) + Span::mins(5)).await;
    assert_eq!(house.unresolved().len(), 1, "{}", house.story());
    house.end().await;
}
