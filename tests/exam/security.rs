//! What may be an intruder's doing is for the human: a page at any hour, and no hand on that host until they know it.

use reef::model::incident::{Incident, IncidentState};
use reef::model::message::{Message, Urgency};
use reef::model::plan::Leash;
use reef::model::silence::Pattern;
use reef::model::time::Span;
use reef::operator::order::Order;

use crate::house::{House, Setup, unit};

fn setup(leash: Leash) -> Setup {
    let mut setup = Setup::new(leash);
    setup.config.push_str("[probe.security]\nevery = \"1m\"\nfailures = 10\n");
    setup
}

fn pages(house: &House) -> Vec<Message> {
    let told = house.estate.phone.heard();
    // A page is repeated until somebody has it.
    let first = |m: &Message| m.urgency == Urgency::Page && !m.title.starts_with("still: ");
    told.into_iter().filter(first).collect()
}

fn alarms(house: &House) -> Vec<Incident> {
    house.unresolved().into_iter().filter(Incident::is_security).collect()
}

async fn acknowledge(house: &House) {
    for incident in alarms(house) {
        house.order(Order::Ack { incident: incident.id, note: None, lasts: None }).await.unwrap();
    }
}

async fn watching(setup: &Setup) -> House {
    setup.host().keys("/home/dad/.ssh/authorized_keys", &["a"]);
    setup.host().login("dad", "192.168.1.7");
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    assert_eq!(house.estate.phone.heard(), [], "the first look says nothing: {}", house.story());
    house
}

#[tokio::test(start_paused = true)]
async fn a_security_reading_pages_at_night_and_stays_until_it_is_acknowledged() {
    let mut setup = setup(Leash::Auto);
    setup.config.push_str("[notify]\nquiet = \"00:00-23:59\"\n");
    let house = watching(&setup).await;
    // Not even a silence keeps it back.
    let about = Pattern::parse("mini").unwrap();
    let silence = Order::SilenceAdd { about, lasts: Span::hours(9), note: "moving".into() };
    house.order(silence).await.unwrap();
    setup.host().listens(4_444, "nc");
    house.until("it pages", |h| pages(h).len() == 1).await;
    let page = pages(&house).remove(0);
    assert_eq!(page.title, "red security mini ports");
    assert!(page.body.contains("new listening port: tcp 4444 (nc)"), "{}", page.body);
    assert!(page.body.contains("reef ack I-1"), "{}", page.body);
    let [incident] = &alarms(&house)[..] else { panic!("{}", house.story()) };
    assert!(matches!(incident.state, IncidentState::Escalated { .. }));
    assert_eq!((house.runs().len(), house.model_calls()), (0, 0), "{}", house.story());
    // Closed again, it is not healed.
    setup.host().closes(4_444);
    house.pass(Span::mins(10)).await;
    assert_eq!((alarms(&house).len(), pages(&house).len()), (1, 1), "{}", house.story());
    acknowledge(&house).await;
    assert_eq!(house.unresolved(), [], "{}", house.story());
    house.pass(Span::hours(2)).await;
    assert_eq!(pages(&house).len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_is_known_over_a_restart_and_the_next_change_is_new() {
    let setup = setup(Leash::Observe);
    let keys = "/home/dad/.ssh/authorized_keys";
    let house = watching(&setup).await;
    setup.host().keys(keys, &["a", "b"]);
    house.until("it pages", |h| pages(h).len() == 1).await;
    let told = pages(&house).remove(0).body;
    assert!(told.contains(&format!("{keys} changed: 1 line before, 2 lines now")), "{told}");
    // Neither a restart nor a look tells it twice; what comes to it is told.
    house.end().await;
    let house = setup.start().await;
    house.pass(Span::mins(10)).await;
    assert_eq!(pages(&house).len(), 1, "{}", house.story());
    setup.host().keys(keys, &["a", "b", "c"]);
    house.until("it pages again", |h| pages(h).len() == 2).await;
    acknowledge(&house).await;
    house.until("it is over", |h| h.unresolved().is_empty()).await;
    house.end().await;
    let house = setup.start().await;
    house.pass(Span::mins(10)).await;
    assert_eq!(house.unresolved(), [], "{}", house.story());
    // What changed while nobody looked is told by the next life.
    house.end().await;
    setup.host().keys(keys, &["a"]);
    let house = setup.start().await;
    house.until("it pages", |h| pages(h).len() == 3).await;
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn until_it_is_acknowledged_an_auto_runbook_asks_on_that_host() {
    let setup = setup(Leash::Auto);
    let house = watching(&setup).await;
    setup.host().login("root", "203.0.113.9");
    house.until("it pages", |h| pages(h).len() == 1).await;
    assert!(pages(&house)[0].body.contains("first login from 203.0.113.9: root"));
    setup.host().unit_fails(&unit("web"));
    let pending = |h: &House| h.store.call_now(|db| db.pending_approvals()).unwrap().len();
    house.until("it asks", |h| pending(h) == 1).await;
    house.pass(Span::mins(10)).await;
    assert_eq!(setup.host().effects(), [], "{}", house.story());
    // It is not what holds: one red is answered while the other is the human's.
    assert_eq!(house.hold(), None, "{}", house.story());
    acknowledge(&house).await;
    setup.host().unit_starts(&unit("web"));
    house.until("all is well", |h| h.unresolved().is_empty()).await;
    setup.host().unit_fails(&unit("db"));
    house.until("it is healed", |h| h.host().is_active(&unit("db"))).await;
    assert_eq!(setup.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn failed_logins_and_two_alarms_page_each_and_hold_nothing() {
    let setup = setup(Leash::Observe);
    let house = watching(&setup).await;
    setup.host().logins_fail(9, "203.0.113.9");
    house.pass(Span::mins(11)).await;
    assert_eq!(pages(&house).len(), 0, "{}", house.story());
    setup.host().logins_fail(40, "203.0.113.9");
    setup.host().listens(4_444, "nc");
    house.until("both page", |h| pages(h).len() == 2).await;
    assert!(pages(&house).iter().any(|m| m.body.contains("40 failed logins within 10 min")));
    // The attempts end, and that is no reason to forget them.
    house.pass(Span::mins(30)).await;
    assert_eq!((alarms(&house).len(), house.hold()), (2, None), "{}", house.story());
    acknowledge(&house).await;
    house.until("it is over", |h| h.unresolved().is_empty()).await;
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_probe_nothing_is_told() {
    let mut setup = Setup::new(Leash::Observe);
    setup.config = setup.config.replacen("[probe]\n", "[probe]\noff = [\"security\"]\n", 1);
    let house = setup.start().await;
    house.pass(Span::mins(10)).await;
    setup.host().listens(4_444, "nc");
    house.pass(Span::mins(20)).await;
    assert_eq!(house.incidents(), [], "{}", house.story());
    house.end().await;
}
