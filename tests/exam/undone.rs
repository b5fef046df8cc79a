//! What did not help is undone where its runbook wants that: once, whoever died in between, and the human hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reef::exam::host::Reach;
use reef::gate::crash::{Point, Points};
use reef::model::message::{Message, Urgency};
use reef::model::time::Span;

use crate::debug::{BOOK, levels, web_fails, with};
use crate::house::{House, Setup};
use crate::restart::life;

/// A look closer that does not make the probe green, and is taken back for that.
fn setup() -> Setup {
    with(&BOOK.replace("attempts = 1", "attempts = 1\non_failure = \"undo\""))
}

fn told(house: &House, title: &str) -> Vec<Message> {
    let mut heard = house.estate.phone.heard();
    heard.retain(|message| message.title.starts_with(title));
    heard
}

#[tokio::test(start_paused = true)]
async fn what_did_not_help_is_undone_at_once_and_that_is_told_calmly() {
    let house = setup().start().await;
    web_fails(&house).await;
    house.until("it is undone", |h| levels(h) == ["debug", "info"]).await;
    house.until("it is told", |h| !told(h, "undone: debug.enable").is_empty()).await;
    let message = told(&house, "undone:").remove(0);
    assert_eq!(message.urgency, Urgency::Message);
    assert!(message.incident.is_some() && message.body.contains("does not help"), "{message:?}");
    // Its promise to be switched off after twenty minutes has nothing left to do.
    house.pass(Span::mins(40)).await;
    assert_eq!(levels(&house), ["debug", "info"], "{}", house.story());
    house.end().await;
}

/// Kills whoever is about to store the second plan: that of the undo.
#[derive(Debug, Default)]
struct Second(AtomicUsize);

impl Points for Second {
    fn reached(&self, point: Point) {
        if point == Point::BeforeIntent && self.0.fetch_add(1, Ordering::Relaxed) == 1 {
            panic!("dies here, as planned");
        }
    }
}

#[test]
fn an_undo_that_died_before_its_plan_was_stored_is_made_by_the_next_life() {
    let mut setup = setup();
    let second = Arc::new(Second::default());
    setup.points = Arc::clone(&second) as _;
    let ((), at) = life(&setup, setup.estate.now(), async |house| {
        web_fails(house).await;
        house.until("it dies", |_| second.0.load(Ordering::Relaxed) == 2).await;
        assert_eq!(levels(house), ["debug"], "{}", house.story());
    });
    let ((), _) = life(&setup, at + Span::mins(1), async |house| {
        house.until("it is undone", |h| levels(h) == ["debug", "info"]).await;
        house.until("it is told", |h| !told(h, "undone: debug.enable").is_empty()).await;
        house.pass(Span::hours(1)).await;
        assert_eq!(levels(house), ["debug", "info"], "once: {}", house.story());
    });
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_cannot_be_made_pages_and_says_what_stands() {
    let house = setup().start().await;
    web_fails(&house).await;
    house.until("it is on", |h| levels(h) == ["debug"]).await;
    house.host().reach(Reach::Down);
    house.until("it is told", |h| !told(h, "not undone: debug.enable").is_empty()).await;
    let message = told(&house, "not undone:").remove(0);
    assert_eq!(message.urgency, Urgency::Page);
    for part in ["the undo cannot be done", "stands", "tries again"] {
        assert!(message.body.contains(part), "{part}: {}", message.body);
    }
    assert_eq!(levels(&house), ["debug"]);
    house.end().await;
}
