//! Debug logging for a stated time: on, and off again by itself, whoever died in between and however often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reef::gate::crash::{Point, Points};
use reef::model::plan::Leash;
use reef::model::time::{Millis, Span};

use crate::house::{House, Setup, unit};
use crate::restart::life;

pub(crate) const BOOK: &str = r#"+++
title    = "Service failed"
match    = { probe = "unit", severity = ["red"] }
leash    = "auto"
max_tier = "medium"
tools    = ["debug.enable"]
attempts = 1
cooldown = "30m"
escalate = "message"
+++
# Service failed

```step
name = "closer"
tool = "debug.enable"
args = { debug = "db", for = "20m" }
```

```verify
within = "1m"
```
"#;

/// A house that looks closer at db when web fails.
fn setup() -> Setup {
    with(BOOK)
}

/// A house with this runbook for what fails, and with db to look closer at.
pub(crate) fn with(book: &str) -> Setup {
    let mut setup = Setup::new(Leash::Auto);
    let folder = setup.folder.path().join("books");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("service-failed.md"), book).unwrap();
    setup.config = format!(
        "runbook_dir = \"{}\"\n{}\n[debug.db]\nunit = \"db.service\"\n",
        folder.display(),
        setup.config
    );
    setup
}

/// What was switched, in order, and when.
fn switched(house: &House) -> Vec<(Millis, String)> {
    let effects = house.host().effects().into_iter();
    let level = |argv: Vec<String>| argv.last().cloned().unwrap_or_default();
    effects.map(|ran| (ran.at, level(ran.argv))).collect()
}

pub(crate) fn levels(house: &House) -> Vec<String> {
    switched(house).into_iter().map(|(_, level)| level).collect()
}

fn promised(house: &House) -> usize {
    let timers = house.store.call_now(|db| db.timers()).unwrap();
    timers.iter().filter(|timer| timer.kind.as_str() == "revert").count()
}

pub(crate) async fn web_fails(house: &House) {
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
}

#[tokio::test(start_paused = true)]
async fn it_is_switched_off_by_itself_when_its_time_is_over() {
    let house = setup().start().await;
    web_fails(&house).await;
    house.until("it is on", |h| levels(h) == ["debug"]).await;
    assert_eq!(promised(&house), 1);
    house.pass(Span::mins(18)).await;
    assert_eq!(levels(&house), ["debug"], "not before its time");
    house.until("it is off", |h| levels(h) == ["debug", "info"]).await;
    let at: Vec<Millis> = switched(&house).into_iter().map(|(at, _)| at).collect();
    let took = at[1].since(at[0]);
    assert!(Span::mins(20) <= took && took <= Span::mins(22), "{took} {}", house.story());
    house.until("the promise is over", |h| promised(h) == 0).await;
    assert_eq!(levels(&house), ["debug", "info"]);
    house.end().await;
}

#[test]
fn it_is_switched_off_though_reef_was_down_when_its_time_was_over() {
    let setup = setup();
    let ((), at) = life(&setup, setup.estate.now(), async |house| {
        web_fails(house).await;
        house.until("it is on", |h| levels(h) == ["debug"]).await;
        house.pass(Span::mins(1)).await;
    });
    // Five hours later it comes back.
    let ((), _) = life(&setup, at + Span::hours(5), async |house| {
        house.until("it is off", |h| levels(h) == ["debug", "info"]).await;
        house.until("the promise is over", |h| promised(h) == 0).await;
        assert_eq!(levels(house), ["debug", "info"], "{}", house.story());
    });
}

/// Kills whoever comes to the point, once.
#[derive(Debug)]
struct Trap(Point, AtomicBool);

impl Points for Trap {
    fn reached(&self, point: Point) {
        if point == self.0 && !self.1.swap(true, Ordering::Relaxed) {
            panic!("dies here, as planned: {point:?}");
        }
    }
}

#[test]
fn the_promise_is_there_before_the_switch_and_is_kept_whatever_died() {
    for (point, was_on) in
        [(Point::Dispatched, false), (Point::Sending, false), (Point::EffectDone, true)]
    {
        let mut setup = setup();
        let trap = Arc::new(Trap(point, AtomicBool::new(false)));
        setup.points = Arc::clone(&trap) as _;
        let ((), at) = life(&setup, setup.estate.now(), async |house| {
            web_fails(house).await;
            house.until("the trap", |_| trap.1.load(Ordering::Relaxed)).await;
            assert_eq!(promised(house), 1, "{point:?}: it is durable with the dispatch");
        });
        let ((), _) = life(&setup, at + Span::hours(1), async |house| {
            house.pass(Span::mins(30)).await;
            let want: &[&str] = if was_on { &["debug", "info"] } else { &[] };
            assert_eq!(levels(house), want, "{point:?} {}", house.story());
            assert_eq!(promised(house), 0, "{point:?} {}", house.story());
        });
    }
}
