//! What nobody can look at, and what comes and goes with it.

use std::sync::{Arc, Mutex};

use reef::exam::endpoint::FakeEndpoint;
use reef::model::ids::Word;
use reef::model::incident::{Incident, IncidentState};
use reef::model::plan::Leash;
use reef::model::reading::Reading;
use reef::model::severity::Severity;
use reef::model::target::{Signal, Target, Thing};
use reef::model::time::{Millis, Span};
use reef::probe::care::Care;
use reef::probe::parts::{Parts, part};
use reef::probe::voice::Voice;
use reef::probe::{How, NetProbe, Past, Probe};

use crate::failure::endpoint;
use crate::house::{House, Setup, mini};

/// A service, and its parts that hang on it.
fn parts(n: usize) -> (FakeEndpoint, Vec<FakeEndpoint>) {
    (endpoint("engine"), (0..n).map(|n| endpoint(&format!("part{n}"))).collect())
}

#[tokio::test(start_paused = true)]
async fn who_nobody_can_look_at_explains_what_it_would_tell_of() {
    let setup = Setup::new(Leash::Observe);
    let (engine, children) = parts(8);
    let mut probes = vec![engine.probe("tcp.engine", &mini(), None)];
    for (n, child) in children.iter().enumerate() {
        let above = Some(engine.signal().clone());
        probes.push(child.probe(&format!("tcp.part{n}"), &mini(), above));
    }
    let house = setup.start_with(probes).await;
    house.pass(Span::mins(5)).await;
    for (n, child) in children.iter().enumerate() {
        child.turns(Severity::Unknown);
        if n == 4 {
            engine.turns(Severity::Unknown);
        }
        house.pass(Span::mins(1)).await;
    }
    house.pass(Span::hours(2)).await;
    let titles: Vec<String> = house.estate.phone.heard().into_iter().map(|m| m.title).collect();
    assert_eq!(titles.len(), 1, "{}", house.story());
    assert!(titles[0].contains("engine"), "{titles:?}");
    let explained = |i: &&Incident| matches!(&i.state, IncidentState::Explained { by } if by == engine.signal());
    assert_eq!(house.unresolved().iter().filter(explained).count(), 8, "{}", house.story());
    // What is seen and bad is told whatever stands above it; the others end with what explained them.
    children[0].turns(Severity::Red);
    house.until("it is told", |h| h.estate.phone.heard().len() == 2).await;
    engine.turns(Severity::Green);
    children.iter().for_each(|child| child.turns(Severity::Green));
    house.until("all is green", |h| h.unresolved().is_empty()).await;
    house.pass(Span::mins(5)).await;
    let after = house.estate.phone.heard().into_iter().filter(|m| !m.title.contains("part0"));
    assert_eq!(after.count(), 2, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn when_what_explained_them_is_green_they_are_looked_at_at_once() {
    let setup = Setup::new(Leash::Observe);
    let (engine, children) = parts(20);
    let mut probes = vec![engine.probe("tcp.engine", &mini(), None)];
    for (n, child) in children.iter().enumerate() {
        let above = Some(engine.signal().clone());
        let mut probe = child.probe(&format!("tcp.part{n}"), &mini(), above);
        probe.every = Span::mins(30);
        probes.push(probe);
    }
    let house = setup.start_with(probes).await;
    house.pass(Span::mins(5)).await;
    engine.turns(Severity::Red);
    children.iter().for_each(|child| child.turns(Severity::Unknown));
    house.pass(Span::mins(40)).await;
    engine.turns(Severity::Green);
    children.iter().for_each(|child| child.turns(Severity::Green));
    let unknown = |all: Vec<reef::watch::ticker::Standing>| {
        all.into_iter().filter(|s| s.reading.severity == Severity::Unknown).count()
    };
    assert_eq!(unknown(house.hand.snapshot().await), 20);
    // Two looks of a minute until it is over, and a second for its children.
    house.pass(Span::secs(125)).await;
    assert_eq!(unknown(house.hand.snapshot().await), 0, "{}", house.story());
    house.end().await;
}

/// A server of alerts: those that fire, or nothing where it does not answer.
#[derive(Clone)]
struct Alerts {
    voice: Voice,
    fire: Arc<Mutex<Option<Vec<&'static str>>>>,
}

struct Asking {
    of: Alerts,
    parts: Parts,
}

impl Alerts {
    fn new() -> Self {
        let target = Target::new(mini(), Thing::Endpoint, "main").unwrap();
        Self { voice: Voice::new("alerts", target), fire: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    fn fire(&self, now: Option<&[&'static str]>) {
        *self.fire.lock().unwrap() = now.map(<[_]>::to_vec);
    }

    fn probe(&self) -> Probe {
        Probe {
            kind: Word::of("alerts"),
            name: "alerts.main".into(),
            host: mini(),
            every: Span::mins(1),
            timeout: Span::secs(10),
            fire_after: 1,
            clear_after: 1,
            wakes: false,
            care: Care::default(),
            parent: None,
            served_by: None,
            how: How::Net(Box::new(Asking { of: self.clone(), parts: Parts::new() })),
        }
    }
}

impl NetProbe for Asking {
    fn look<'a>(&'a mut self, _: &'a dyn Past, now: Millis) -> reef::Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let (voice, fire) = (&self.of.voice, self.of.fire.lock().unwrap().clone());
            let Some(fire) = fire else {
                let why = reef::clients::answer::NoAnswer::Refused;
                return self.parts.unseen(voice.unseen("alerts", &why, now), &why);
            };
            let main = voice.reading("alerts", (Severity::Green, "ok"), "well", now);
            let one = |name: &&str| {
                part(voice, name).reading("alert", (Severity::Red, "firing"), name, now)
            };
            self.parts.seen(main, fire.iter().map(one).collect())
        })
    }

    fn timed_out(&self, _: Span, _: Millis) -> Vec<Reading> {
        Vec::new()
    }

    fn retired(&mut self) -> Vec<Signal> {
        self.parts.retired()
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.parts.recall(&self.of.voice.signal("alerts"), parts);
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_resolves_while_reef_is_down_is_over_after_the_restart() {
    let setup = Setup::new(Leash::Observe);
    let alerts = Alerts::new();
    let house = setup.start_with(vec![alerts.probe()]).await;
    house.pass(Span::mins(3)).await;
    alerts.fire(Some(&["Slow", "Full"]));
    house.until("both are told", |h| h.unresolved().len() == 2).await;
    house.pass(Span::mins(1)).await;
    house.end().await;

    // Down meanwhile; then nobody can look, and that resolves nothing.
    alerts.fire(None);
    let house = setup.start_with(vec![alerts.probe()]).await;
    house.pass(Span::mins(10)).await;
    assert_eq!(house.unresolved().len(), 2, "{}", house.story());
    alerts.fire(Some(&["Full"]));
    house.until("one is over", |h| h.unresolved().len() == 1).await;
    let is_green = |title: &str| title.starts_with("green");
    let heard = |h: &House| h.estate.phone.heard().iter().any(|m| is_green(&m.title));
    house.until("it is told", heard).await;
    house.pass(Span::mins(1)).await;
    let told = house.estate.phone.heard();
    let green: Vec<&str> =
        told.iter().map(|m| m.title.as_str()).filter(|t| t.starts_with("green")).collect();
    assert_eq!(green, ["green alerts mini:endpoint:main.Slow alert"], "{}", house.story());
    assert_eq!(house.unresolved()[0].signal.target.name(), "main.Full");
    house.end().await;
}
