//! A question and its answers: early, late, twice, after a restart, and asked anew.

use std::sync::Arc;

use reef::gate::crash::{Point, Points};
use reef::model::approval::{Approval, ApprovalState};
use reef::model::audit::AuditKind;
use reef::model::ids::ApprovalId;
use reef::model::plan::Leash;
use reef::model::time::{Millis, Span};
use reef::operator::order::Order;
use reef::operator::view::Planned;
use reef::store::Store;
use reef::store::approvals::Answer;

use crate::house::{House, Setup, unit};
use crate::restart::life;

fn pending(house: &House) -> Vec<Approval> {
    house.store.call_now(|db| db.pending_approvals()).unwrap()
}

fn all(house: &House) -> Vec<Approval> {
    house.store.call_now(|db| db.approvals_since(Millis(0))).unwrap()
}

async fn asks(house: &House) -> ApprovalId {
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it asks", |h| pending(h).len() == 1).await;
    pending(house)[0].id
}

async fn approve(house: &House, id: ApprovalId) -> Result<serde_json::Value, String> {
    house.order(Order::Approve { id, choice: None, typed: None }).await.map_err(|why| why.why)
}

async fn renew(house: &House, id: ApprovalId) -> Result<Planned, String> {
    let json = house.order(Order::Renew { id }).await.map_err(|why| why.why)?;
    Ok(serde_json::from_value(json).unwrap())
}

/// Says yes at the very moment at which the question is committed, before the run says that it waits.
#[derive(Debug)]
struct Early(Store);

impl Points for Early {
    fn reached(&self, point: Point) {
        if point == Point::ApprovalRequested {
            let id = self.0.call_now(|db| db.pending_approvals()).unwrap()[0].id;
            let yes = Answer::Approve { choice: 0 };
            self.0.call_now(|db| db.answer(id, yes, "a quick human", Millis(0))).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_the_run_waits_counts() {
    let mut setup = Setup::new(Leash::Ask);
    setup.points = Arc::new(Early(setup.store.clone()));
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it is healed", |h| h.ended() == 1).await;
    assert!(house.endings()[0].starts_with("fixed"), "{}", house.story());
    assert_eq!(house.host().effects().len(), 1);
    house.pass(Span::hours(1)).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_at_three_may_be_approved_at_breakfast() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    let id = asks(&house).await;
    assert!(renew(&house, id).await.unwrap_err().contains("still waits"));
    assert!(renew(&house, ApprovalId(99)).await.unwrap_err().contains("no question"));
    house.pass(Span::hours(12)).await;
    house.until("its run ended", |h| h.ended() == 1).await;
    let late = approve(&house, id).await.unwrap_err();
    assert!(late.contains("had expired") && late.contains("reef approvals renew A-1"), "{late}");
    assert_eq!(house.host().effects(), [], "{}", house.story());

    let planned = renew(&house, id).await.unwrap();
    let again = planned.approval.unwrap();
    assert_ne!(again, id);
    assert!(planned.words.contains("restart"), "{}", planned.words);
    // Nothing happens by asking anew, and the old yes is worth nothing.
    house.pass(Span::mins(10)).await;
    assert_eq!(house.host().effects(), []);
    assert!(approve(&house, id).await.is_err());
    let running = renew(&house, id).await.unwrap_err();
    assert!(running.contains("is at it already"), "{running}");
    approve(&house, again).await.unwrap();
    house.until("it is healed", |h| h.unresolved().is_empty()).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.until("its run ended", |h| h.ended() == 2).await;
    // What is over is not asked again, and what was done is not either.
    assert!(renew(&house, again).await.unwrap_err().contains("approved and done"));
    assert!(renew(&house, id).await.unwrap_err().contains("is resolved"));
    let noted = house.audited(AuditKind::Noted);
    let renewed = |r: &&reef::model::audit::AuditRecord| {
        r.payload.as_ref().is_some_and(|p| p.outcome.as_deref() == Some("renewed A-1"))
    };
    assert_eq!(noted.iter().filter(renewed).count(), 1);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_no_may_be_thought_over() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    let id = asks(&house).await;
    house.order(Order::Deny { id }).await.unwrap();
    house.until("its run ended", |h| h.ended() == 1).await;
    let again = renew(&house, id).await.unwrap().approval.unwrap();
    approve(&house, again).await.unwrap();
    house.until("it is healed", |h| h.unresolved().is_empty()).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

/// A question that a human asks for is asked at once, whatever the hour.
#[tokio::test(start_paused = true)]
async fn who_asks_anew_at_night_is_asked_at_night() {
    let mut setup = Setup::new(Leash::Ask);
    setup.config.push_str("[notify]\nquiet = \"23:00-07:00\"\n");
    let house = setup.start().await;
    let id = asks(&house).await;
    house.pass(Span::mins(11 * 60 + 30)).await;
    assert_eq!(house.host().effects(), []);
    house.order(Order::Deny { id }).await.unwrap();
    house.until("its run ended", |h| 0 < h.ended()).await;
    let again = renew(&house, id).await.unwrap();
    assert!(again.approval.is_some(), "{again:?}\n{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_yes_is_void_when_its_reason_is_gone() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    let id = asks(&house).await;
    // Somebody stops it on purpose: the runbook would not restart it any more.
    house.host().unit_stops(&unit("web"));
    approve(&house, id).await.unwrap();
    house.until("its run ended", |h| h.ended() == 1).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    let ending = &house.endings()[0];
    assert!(ending.contains("void by now") && ending.contains("restart:"), "{ending}");
    assert!(matches!(all(&house)[0].state, ApprovalState::Void { .. }));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_yes_to_what_healed_itself_does_nothing() {
    let setup = Setup::new(Leash::Ask);
    let house = setup.start().await;
    let id = asks(&house).await;
    house.host().unit_starts(&unit("web"));
    approve(&house, id).await.unwrap();
    house.until("its run ended", |h| h.ended() == 1).await;
    house.pass(Span::mins(10)).await;
    assert_eq!(house.host().effects(), [], "{}", house.story());
    assert_eq!(house.unresolved(), [], "{}", house.story());
    house.end().await;
}

#[test]
fn answers_after_a_restart_have_one_effect_together() {
    let setup = Setup::new(Leash::Ask);
    let (id, at) = life(&setup, setup.estate.now(), async |house| asks(house).await);
    let ((), _) = life(&setup, at, async |house| {
        let (one, two, no) =
            tokio::join!(approve(house, id), approve(house, id), house.order(Order::Deny { id }));
        let taken = [one.is_ok(), two.is_ok(), no.is_ok()];
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
        house.until("its run ended", |h| h.ended() == 1).await;
        house.pass(Span::hours(1)).await;
        assert!(house.host().effects().len() <= 1, "{}", house.story());
        assert_eq!(house.host().effects().len(), usize::from(taken[0] || taken[1]));
    });
}
