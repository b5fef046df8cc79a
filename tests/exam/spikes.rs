//! A busy machine: a spike is left alone, and what goes on being busy is found.

use reef::model::fact::Process;
use reef::model::ids::UnitName;
use reef::model::incident::IncidentState;
use reef::model::plan::Leash;
use reef::model::time::Span;
use reef::operator::order::Order;

use crate::house::{House, Setup};

/// A house in which web.service may be restarted for using too much, with two quiet hours behind it.
async fn quiet() -> House {
    let mut setup = Setup::new(Leash::Ask);
    setup.config.push_str("[host.this]\nrestartable = [\"web.service\"]\n");
    let house = setup.start().await;
    house.host().process(Process {
        pid: 77,
        parent: 1,
        start: 100,
        comm: "web".into(),
        uid: 33,
        ticks: 2_000,
        rss_bytes: 90 << 20,
        unit: Some(UnitName::new("web.service").unwrap()),
        busy: Some(200),
    });
    house.pass(Span::hours(3)).await;
    assert!(house.incidents().is_empty(), "{}", house.story());
    house
}

async fn gets_busy(house: &House) {
    house.host().busy(77, 9_900);
    house.host().load(6.0);
    house.until("it was looked at", |h| h.ended() == 1).await;
    assert!(house.endings()[0].starts_with("nothing to do: "), "{}", house.story());
}

#[tokio::test(start_paused = true)]
async fn a_spike_is_left_alone_and_nobody_is_told() {
    let house = quiet().await;
    gets_busy(&house).await;
    house.pass(Span::mins(5)).await;
    house.host().busy(77, 200);
    house.host().load(0.2);
    house.until("it is over", |h| h.unresolved().is_empty()).await;
    house.pass(Span::hours(1)).await;
    assert_eq!(house.ended(), 1, "{}", house.story());
    assert!(house.actions().is_empty() && house.estate.phone.heard().is_empty());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_runaway_is_found_when_it_does_not_end_and_its_unit_is_offered_to_be_restarted() {
    let house = quiet().await;
    gets_busy(&house).await;
    assert_eq!(house.unresolved()[0].state, IncidentState::Open, "{}", house.story());
    house.until("it was looked at again", |h| h.runs().len() == 2).await;
    let second = house.runs().into_iter().map(|run| run.id).max().unwrap();
    let asked = || house.store.call_now(|db| db.approvals_of(second)).unwrap();
    house.until("a question", |_| !asked().is_empty()).await;
    let approval = asked().remove(0);
    assert!(approval.question.contains("web in a unit uses 99 %"), "{}", approval.question);
    assert_eq!(approval.choices[0].say, "Restart mini:unit:web.service");
    assert!(house.actions().is_empty());
    let yes = Order::Approve { id: approval.id, choice: Some(1), typed: None };
    house.order(yes).await.unwrap();
    house.until("it is restarted", |h| h.actions().len() == 1).await;
    house.host().busy(77, 200);
    house.host().load(0.2);
    house.until("it is over", |h| h.unresolved().is_empty()).await;
    assert_eq!(house.actions()[0].tool.as_str(), "unit.restart");
    house.end().await;
}
