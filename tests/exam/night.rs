//! The opening night: at 3 on a Tuesday morning the model server is killed for want of memory, the backups have not run,
//! and a disk is odd. Three reds hold and page once; as each is acknowledged, the rest heal one at a time.

use reef::model::audit::AuditKind;
use reef::model::ids::{HostName, IncidentId};
use reef::model::incident::IncidentState;
use reef::model::plan::Leash;
use reef::model::time::Span;
use reef::operator::order::Order;
use reef::probe::table;

use crate::house::{House, Setup, mini, nas, unit};

const OLLAMA: &str = "web";
const BACKUPS: &str = "db";

fn of(house: &House, host: &HostName, name: &str) -> Option<IncidentId> {
    let found = house.unresolved().into_iter().find(|incident| {
        incident.signal.target.on() == host && incident.signal.target.name().contains(name)
    });
    found.map(|incident| incident.id)
}

async fn acknowledge(house: &House, incident: IncidentId, lasts: Option<Span>) {
    let note = Some("I know".into());
    house.order(Order::Ack { incident, note, lasts }).await.unwrap();
}

/// At 3 on Tuesday morning: the model server and the backups on mini, the disk on nas.
async fn night() -> (Setup, House) {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start_with(table::of_host(&nas())).await;
    house.pass(Span::hours(15)).await;
    house.host().unit_fails(&unit(OLLAMA));
    house.host().unit_fails(&unit(BACKUPS));
    house.estate.host(&nas()).unwrap().fills("/", 97);
    house.until("three reds", |h| h.unresolved().len() == 3).await;
    (setup, house)
}

#[tokio::test(start_paused = true)]
async fn three_reds_hold_page_once_and_heal_one_at_a_time_as_each_is_acknowledged() {
    let (_setup, house) = night().await;
    let effects = |h: &House| -> Vec<String> {
        h.host().effects().into_iter().map(|ran| ran.argv[2].clone()).collect()
    };
    house.pass(Span::mins(30)).await;
    assert!(house.hold().is_some(), "{}", house.story());
    assert_eq!(house.audited(AuditKind::Dispatched), [], "{}", house.story());
    assert_eq!(house.estate.phone.pages().len(), 1, "{}", house.story());
    assert_eq!(house.estate.phone.heard().len(), 1, "{}", house.story());
    let held = |i: &reef::model::incident::Incident| matches!(i.state, IncidentState::Held { .. });
    assert!(house.unresolved().iter().all(held), "{}", house.story());

    // The disk is the human's: two reds are left, which still hold.
    acknowledge(&house, of(&house, &nas(), "/").unwrap(), None).await;
    house.pass(Span::mins(10)).await;
    assert!(house.hold().is_some(), "{}", house.story());
    assert_eq!(house.audited(AuditKind::Dispatched), [], "{}", house.story());

    // The backups can wait for half an hour: one is left, and that is routine.
    let waits = of(&house, &mini(), BACKUPS).unwrap();
    acknowledge(&house, waits, Some(Span::mins(30))).await;
    house.until("the model server is healed", |h| of(h, &mini(), OLLAMA).is_none()).await;
    assert_eq!(effects(&house), [format!("{OLLAMA}.service")], "{}", house.story());

    // Then the next.
    house.until("the backups are healed", |h| of(h, &mini(), BACKUPS).is_none()).await;
    let both = [OLLAMA, BACKUPS].map(|name| format!("{name}.service"));
    assert_eq!(effects(&house), both, "{}", house.story());

    // The disk stays the human's to the end, and nobody was paged a second time.
    house.pass(Span::hours(1)).await;
    assert_eq!(house.unresolved().len(), 1, "{}", house.story());
    assert_eq!(house.estate.phone.pages().len(), 1, "{}", house.story());
    assert_eq!(effects(&house), both);
    assert_eq!(house.estate.host(&nas()).unwrap().effects(), []);
    house.end().await;
}

/// Lifted by hand, all of one host's are answered, and still only one at a time.
#[tokio::test(start_paused = true)]
async fn on_one_host_they_heal_one_after_the_other() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    for name in ["web", "db", "mail"] {
        house.host().unit_fails(&unit(name));
    }
    house.until("the hold", |h| h.hold().is_some() && h.unresolved().len() == 3).await;
    house.order(Order::Resume).await.unwrap();
    house.until("all are healed", |h| h.unresolved().is_empty()).await;
    house.until("all is proven", |h| h.ended() == 3).await;
    // Each was dispatched after the one before was proven.
    let mut open = 0;
    for record in house.audit() {
        match record.kind {
            AuditKind::Dispatched => {
                assert_eq!(open, 0, "{}", house.story());
                open += 1;
            }
            AuditKind::Verified => open -= 1,
            _ => {}
        }
    }
    assert_eq!(house.host().effects().len(), 3, "{}", house.story());
    let busy = |record: &reef::model::audit::AuditRecord| {
        let errors = record.payload.as_ref().and_then(|p| p.errors.clone()).unwrap_or_default();
        errors.contains("at work")
    };
    let refused = house.audited(AuditKind::Refused);
    assert!(!refused.iter().any(busy), "waiting is no refusal: {}", house.story());
    house.end().await;
}
