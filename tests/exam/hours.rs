//! Runbooks act within their hours; what falls outside waits, and the human is told when they begin.

use reef::model::audit::AuditKind;
use reef::model::plan::Leash;
use reef::model::time::{Millis, Span};
use reef::operator::order::Order;

use crate::gate::{act, plan, refused};
use crate::house::{House, MONDAY_NOON, Setup, mini, unit};

/// It is Monday, 12:00 in UTC.
fn at(hour: i64) -> Millis {
    MONDAY_NOON + Span::hours(hour - 12)
}

fn with(leash: Leash, keys: &str) -> Setup {
    let mut setup = Setup::new(leash);
    let table = "[runbook.service-failed]\n";
    setup.config = setup.config.replace(table, &format!("{table}{keys}\n"));
    setup
}

async fn pass_until(house: &House, when: Millis) {
    house.pass(when.since(house.estate.now())).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_outside_its_hours_waits_and_is_told_once() {
    let setup = with(Leash::Auto, "window = \"22:00-06:00\"");
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it says that it waits", |h| !h.estate.phone.heard().is_empty()).await;
    pass_until(&house, at(21) + Span::mins(30)).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    let heard = house.estate.phone.heard();
    let waits: Vec<_> = heard.iter().filter(|m| m.title.contains("waits for its hours")).collect();
    assert_eq!(waits.len(), 1, "{heard:#?}");
    assert!(waits[0].body.contains("22:00-06:00 UTC") && waits[0].body.contains("begin at 22:00"));
    // The gate itself says no, whoever asks it.
    let direct = plan(&house, "db").await;
    refused(&act(&house, &direct).await, "outside its hours (22:00-06:00 UTC)");
    house.until("its hours begin, and it is healed", |h| h.unresolved().is_empty()).await;
    let effects = house.host().effects();
    assert_eq!(effects.len(), 1, "{}", house.story());
    assert!(at(22) <= effects[0].at, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn hours_are_on_the_wall_of_their_zone_and_a_human_is_not_bound_by_them() {
    // Noon in UTC is 13:00 in Berlin in March.
    let keys = "window = \"13:30-14:00\"\ntimezone = \"Europe/Berlin\"";
    let setup = with(Leash::Ask, keys);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.pass(Span::mins(20)).await;
    assert_eq!(house.store.call_now(|db| db.pending_approvals()).unwrap(), []);
    // By hand it may be begun at any hour.
    let order = Order::RunbookRun {
        name: reef::model::ids::RunbookName::new("service-failed").unwrap(),
        on: format!("{}:unit:db.service", mini()).parse().unwrap(),
        set: vec![],
        dry_run: true,
    };
    let planned = house.order(order).await.unwrap();
    assert_eq!(planned["verdict"]["verdict"], "ask", "{planned}");
    house
        .until("it asks within its hours", |h| {
            h.store.call_now(|db| db.pending_approvals()).unwrap().len() == 1
        })
        .await;
    assert!(at(12) + Span::mins(30) <= house.estate.now());
    house.end().await;
}

/// The restart should take 5 s: not in the last 4 s of the hours, and not where 3 s are allowed in all.
#[tokio::test(start_paused = true)]
async fn what_would_not_end_in_time_is_not_begun() {
    let setup = with(Leash::Auto, "at_most = \"3s\"");
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it is left to the human", |h| h.ended() == 1).await;
    assert!(house.endings()[0].contains("its runbook allows 3.0 s in all"), "{}", house.story());
    assert_eq!(house.host().effects(), []);
    house.end().await;

    let setup = with(Leash::Auto, "window = \"00:00-12:30\"");
    let house = setup.start().await;
    pass_until(&house, at(12) + Span::mins(30) - Span::secs(4)).await;
    let late = plan(&house, "db").await;
    refused(&act(&house, &late).await, "too soon for 5.0 s");
    assert_eq!(house.audited(AuditKind::Dispatched), []);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn under_observe_it_is_recorded_at_any_hour() {
    let setup = with(Leash::Observe, "window = \"22:00-06:00\"");
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it is recorded", |h| h.ended() == 1).await;
    assert!(house.endings()[0].starts_with("observed"), "{}", house.story());
    house.end().await;
}
