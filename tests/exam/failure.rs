//! The failures that people told of other watchers, each a test. Those of one probe stand beside it.

use std::collections::BTreeSet;

use reef::exam::endpoint::FakeEndpoint;
use reef::exam::host::Reach;
use reef::exam::phone::Line;
use reef::exam::unit::OnRestart;
use reef::model::container::ContainerState;
use reef::model::fact::Volume;
use reef::model::ids::Word;
use reef::model::incident::IncidentState;
use reef::model::message::{Message, Urgency};
use reef::model::plan::Leash;
use reef::model::severity::Severity;
use reef::model::target::{AbsPath, Signal, Target, Thing};
use reef::model::time::{Millis, Span};
use reef::operator::order::Order;
use reef::probe::Probe;

use crate::containers::container;
use crate::house::{House, MONDAY_NOON, Setup, mini, nas, unit};

/// An endpoint that no runbook answers: what is to be told is told as it is.
pub(crate) fn endpoint(name: &str) -> FakeEndpoint {
    let target = Target::new(mini(), Thing::Endpoint, name).unwrap();
    FakeEndpoint::new(Signal { probe: Word::of("tcp"), target, aspect: Word::of("port") })
}

fn titles(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| m.title.as_str()).collect()
}

fn explained(house: &House) -> usize {
    let explained =
        |i: &&reef::model::incident::Incident| matches!(i.state, IncidentState::Explained { .. });
    house.unresolved().iter().filter(explained).count()
}

/// A switch, and endpoints behind it.
fn behind_a_switch(n: usize) -> (FakeEndpoint, Vec<FakeEndpoint>, Vec<Probe>) {
    let switch = endpoint("switch");
    let children: Vec<FakeEndpoint> = (0..n).map(|n| endpoint(&format!("app{n}"))).collect();
    let mut probes = vec![switch.probe("tcp.switch", &mini(), None)];
    for (n, child) in children.iter().enumerate() {
        let above = Some(switch.signal().clone());
        probes.push(child.probe(&format!("tcp.app{n}"), &mini(), above));
    }
    (switch, children, probes)
}

#[tokio::test(start_paused = true)]
async fn failure_mode_a_a_restart_tells_nothing_twice_and_the_end_is_told() {
    let setup = Setup::new(Leash::Observe);
    let (app, late) = (endpoint("app"), endpoint("late"));
    let probes =
        || vec![app.probe("tcp.app", &mini(), None), late.probe("tcp.late", &mini(), None)];
    let house = setup.start_with(probes()).await;
    house.pass(Span::mins(5)).await;
    app.turns(Severity::Red);
    house.until("it is told", |h| h.estate.phone.heard().len() == 1).await;
    house.pass(Span::mins(15)).await;
    house.end().await;

    // What began while reef was down is told like anything else; what was told is not told again.
    late.turns(Severity::Red);
    let house = setup.start_with(probes()).await;
    house.pass(Span::mins(15)).await;
    let told = house.estate.phone.heard();
    // A page is repeated until somebody has it, as "still: ...".
    let first = |name: &str| {
        told.iter()
            .filter(|m| m.title.starts_with(&format!("red tcp mini:endpoint:{name}")))
            .count()
    };
    assert_eq!((first("app"), first("late")), (1, 1), "{}", house.story());
    house.end().await;

    let house = setup.start_with(probes()).await;
    app.turns(Severity::Green);
    house.pass(Span::mins(5)).await;
    let told = house.estate.phone.heard();
    let green = |m: &&Message| m.title.contains("green") && m.title.contains("app");
    assert_eq!(told.iter().filter(green).count(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn failure_mode_b_a_probe_that_cannot_look_is_never_green() {
    let setup = Setup::new(Leash::Observe);
    let app = endpoint("app");
    let house = setup.start_with(vec![app.probe("tcp.app", &mini(), None)]).await;
    house.pass(Span::mins(5)).await;
    app.turns(Severity::Unknown);
    house.pass(Span::mins(5)).await;
    let stands = house.hand.snapshot().await;
    let stands = stands.iter().find(|s| s.reading.signal == *app.signal()).unwrap();
    assert_eq!(stands.reading.severity, Severity::Unknown);
    assert_eq!(stands.state.severity(), Severity::Unknown);
    house.until("it is told", |h| !h.estate.phone.heard().is_empty()).await;
    // A look that cannot see does not end it.
    house.pass(Span::hours(3)).await;
    assert_eq!(house.unresolved().len(), 1, "{}", house.story());
    assert_eq!(house.unresolved()[0].severity, Severity::Yellow);
    house.end().await;
}

/// The children go red in any order and before their parent is confirmed.
#[tokio::test(start_paused = true)]
async fn failure_mode_c_a_switch_down_under_30_children_is_one_message() {
    let setup = Setup::new(Leash::Observe);
    let (switch, children, probes) = behind_a_switch(30);
    let house = setup.start_with(probes).await;
    house.pass(Span::mins(5)).await;
    for (n, child) in children.iter().enumerate() {
        child.turns(Severity::Red);
        if n == 20 {
            switch.turns(Severity::Red);
        }
        house.pass(Span::secs(3)).await;
    }
    house.until("all are red", |h| h.unresolved().len() == 31).await;
    house.pass(Span::mins(20)).await;
    let told = house.estate.phone.heard();
    assert_eq!(told.len(), 1, "{:#?}\n{}", titles(&told), house.story());
    assert!(told[0].title.contains("switch"), "{}", told[0].title);
    assert_eq!(explained(&house), 30, "{}", house.story());
    assert!(house.hold().is_none());
    assert_eq!(house.runs().len(), 1, "no run for a child");
    // Suppressed, but looked at all the while.
    let seen = house.hand.snapshot().await;
    let now = house.estate.now();
    let mut behind = seen.iter().filter(|s| s.about.name.starts_with("tcp."));
    assert!(behind.all(|s| now.since(s.reading.at) <= Span::mins(6)), "{}", house.story());
    // And resolved each for itself: one message for the one that was told.
    switch.turns(Severity::Green);
    children.iter().for_each(|child| child.turns(Severity::Green));
    house.until("all is green", |h| h.unresolved().is_empty()).await;
    house.pass(Span::mins(5)).await;
    let told = house.estate.phone.heard();
    assert_eq!(told.len(), 2, "{:#?}", titles(&told));
    assert!(told[1].title.contains("green") && told[1].title.contains("switch"));
    house.end().await;
}

/// A child that is told before its parent fails has its end told, though it is explained by then.
#[tokio::test(start_paused = true)]
async fn failure_mode_c_what_was_told_is_resolved_though_it_is_explained_by_now() {
    let setup = Setup::new(Leash::Observe);
    let (switch, children, probes) = behind_a_switch(1);
    let house = setup.start_with(probes).await;
    house.pass(Span::mins(5)).await;
    children[0].turns(Severity::Red);
    house.until("the child is told", |h| h.estate.phone.heard().len() == 1).await;
    switch.turns(Severity::Red);
    house.until("the switch is told", |h| h.estate.phone.heard().len() == 2).await;
    children[0].turns(Severity::Green);
    house.until("the child's end is told", |h| h.estate.phone.heard().len() == 3).await;
    let told = house.estate.phone.heard();
    assert!(told[2].title.contains("green") && told[2].title.contains("app0"), "{told:#?}");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn failure_mode_d_good_and_bad_in_turn_is_one_incident_and_one_message() {
    let setup = Setup::new(Leash::Observe);
    let app = endpoint("app");
    let house = setup.start_with(vec![app.probe("tcp.app", &mini(), None)]).await;
    house.pass(Span::mins(5)).await;
    for _ in 0..60 {
        app.turns(Severity::Red);
        house.pass(Span::mins(1)).await;
        app.turns(Severity::Green);
        house.pass(Span::mins(1)).await;
    }
    assert_eq!(house.incidents().len(), 1, "{}", house.story());
    let told = house.estate.phone.heard();
    let first: BTreeSet<&str> = told
        .iter()
        .map(|m| m.title.as_str())
        .map(|title| title.trim_start_matches("still: "))
        .collect();
    assert_eq!(first.len(), 1, "only the page and its repeats: {}", house.story());
    // It is over after it was green for an hour.
    house.pass(Span::mins(50)).await;
    assert_eq!(house.unresolved().len(), 1, "{}", house.story());
    house.pass(Span::mins(15)).await;
    assert_eq!(house.unresolved(), [], "{}", house.story());
    house.end().await;
}

/// The way out of this machine is the parent of all that lies beyond it.
#[tokio::test(start_paused = true)]
async fn failure_mode_e_offline_is_one_incident_and_its_notes_come_once_and_as_one() {
    let setup = Setup::new(Leash::Observe);
    let uplink = endpoint("uplink");
    let apps: Vec<FakeEndpoint> = (0..8).map(|n| endpoint(&format!("app{n}"))).collect();
    let mut probes = vec![uplink.probe("tcp.uplink", &mini(), None)];
    for (n, app) in apps.iter().enumerate() {
        let mut probe = app.probe(&format!("tcp.app{n}"), &mini(), None);
        probe.care.depends_on = vec![uplink.signal().clone()];
        probes.push(probe);
    }
    let house = setup.start_with(probes).await;
    house.pass(Span::mins(5)).await;
    house.estate.phone.line(Line::Down);
    uplink.turns(Severity::Red);
    apps.iter().for_each(|app| app.turns(Severity::Red));
    house.until("all are red", |h| h.unresolved().len() == 9).await;
    house.pass(Span::mins(20)).await;
    assert_eq!(explained(&house), 8, "{}", house.story());
    // A fault of this machine meanwhile, which ends by itself.
    house.host().unit_fails(&unit("web"));
    house.pass(Span::mins(10)).await;
    house.host().unit_starts(&unit("web"));
    house.pass(Span::mins(10)).await;
    assert_eq!(house.estate.phone.heard().len(), 0);

    house.estate.phone.line(Line::Up);
    uplink.turns(Severity::Green);
    apps.iter().for_each(|app| app.turns(Severity::Green));
    house.pass(Span::hours(1)).await;
    assert_eq!(house.unresolved(), [], "{}", house.story());
    let told = house.estate.phone.heard();
    let calm: Vec<&Message> = told.iter().filter(|m| m.urgency == Urgency::Message).collect();
    assert_eq!(told.iter().filter(|m| m.title.contains("app")).count(), 0, "{told:#?}");
    assert!(calm.len() <= 2, "{told:#?}");
    let keys: BTreeSet<&str> = told.iter().map(|m| m.key.as_str()).collect();
    assert_eq!(keys.len(), told.len(), "nothing twice: {told:#?}");
    house.end().await;
}

/// On 29 March 2026 the wall of Berlin jumps from 02:00 to 03:00; a silence that begins at 02:30 begins then.
#[tokio::test(start_paused = true)]
async fn failure_mode_f_a_silence_over_the_skipped_hour_ends_when_the_wall_says_so() {
    let mut setup = Setup::new(Leash::Observe);
    setup.config.push_str(
        "[notify]\ntimezone = \"Europe/Berlin\"\n\
         [silence.scrub]\nmatch = \"tcp.app\"\nwhen = \"Sun 02:30-05:00\"\n",
    );
    // 01:30 in Berlin.
    setup.estate.hands.anchor(Millis(1_774_744_200_000));
    let app = endpoint("app");
    let house = setup.start_with(vec![app.probe("tcp.app", &mini(), None)]).await;
    house.pass(Span::mins(40)).await;
    app.turns(Severity::Red);
    house.until("it is recorded", |h| h.unresolved().len() == 1).await;
    house.pass(Span::mins(100)).await;
    // 04:55 on the wall.
    assert_eq!(titles(&house.estate.phone.heard()), [""; 0], "{}", house.story());
    assert!(house.unresolved()[0].care.silent);
    house.pass(Span::mins(15)).await;
    let told = house.estate.phone.heard();
    assert_eq!(told.len(), 1, "{}", house.story());
    assert!(told[0].title.contains("app"));
    house.end().await;
}

/// The clock of the machine jumps: nothing fires, nothing is told twice.
#[tokio::test(start_paused = true)]
async fn failure_mode_f_a_clock_that_jumps_fires_nothing() {
    let mut setup = Setup::new(Leash::Observe);
    setup.config = setup
        .config
        .replace("[probe]\n", "[probe]\npush.vzdump = { every = \"24h\", grace = \"4h\" }\n");
    let house = setup.start().await;
    house.pass(Span::mins(10)).await;
    house.estate.hands.jump_ahead(Span::hours(3));
    house.pass(Span::mins(10)).await;
    house.estate.hands.jump_back(Span::hours(5));
    house.pass(Span::mins(30)).await;
    assert_eq!(house.incidents(), [], "{}", house.story());
    assert_eq!(titles(&house.estate.phone.heard()), [""; 0]);
    house.end().await;
}

/// A watcher that gave up says so, and goes on saying so.
#[tokio::test(start_paused = true)]
async fn failure_mode_j_a_breaker_that_opens_is_told_and_stands_in_status_and_report() {
    let mut setup = Setup::new(Leash::Auto);
    setup.config.push_str("[breaker]\nwithin = \"6h\"\n");
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    for (n, name) in ["web", "db"].into_iter().enumerate() {
        house.host().on_restart(&unit(name), OnRestart::Refuses);
        house.host().unit_fails(&unit(name));
        house.until("it was tried in vain", |h| n < h.actions().len() && n < h.ended()).await;
        house.pass(Span::mins(1)).await;
        if n == 0 {
            house.pass(Span::mins(15)).await;
        }
    }
    let stopped = |m: &&Message| m.title.starts_with("reef stopped acting");
    let told = house.estate.phone.heard();
    assert!(told.iter().any(|m| stopped(&m)), "{}", house.story());
    let status = house.operator.status().await.unwrap();
    assert!(!status.breakers.is_empty());
    let report = house.operator.reporter.write().await.unwrap();
    assert!(report.markdown.contains("reef stopped acting"), "{}", report.markdown);
    // Once, and not with every look.
    house.pass(Span::mins(20)).await;
    let again = house.estate.phone.heard();
    let titles: BTreeSet<&str> = again.iter().filter(stopped).map(|m| m.title.as_str()).collect();
    assert_eq!(titles.len(), again.iter().filter(stopped).count(), "{}", house.story());
    // A human's word, and it acts again: the line is gone.
    house.order(Order::Resume).await.unwrap();
    house.pass(Span::mins(1)).await;
    let report = house.operator.reporter.write().await.unwrap();
    assert!(!report.markdown.contains("reef stopped acting"), "{}", report.markdown);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn failure_mode_k_a_job_of_every_25_hours_is_missed_after_its_grace() {
    let mut setup = Setup::new(Leash::Observe);
    setup.config = setup
        .config
        .replace("[probe]\n", "[probe]\npush.copy = { every = \"25h\", grace = \"1h\" }\n");
    let house = setup.start().await;
    house.pass(Span::hours(3)).await;
    house.operator.ping("copy", reef::model::push::Report::Ok, "").await.unwrap();
    house.pass(Span::hours(25) + Span::mins(50)).await;
    assert_eq!(house.incidents(), [], "{}", house.story());
    house.end().await;
    // A restart forgets nothing.
    let house = setup.start().await;
    house.pass(Span::mins(15)).await;
    assert_eq!(house.unresolved().len(), 1, "{}", house.story());
    assert_eq!(house.unresolved()[0].reading.reason.as_str(), "silent");
    house.operator.ping("copy", reef::model::push::Report::Ok, "done").await.unwrap();
    house.until("it is over at once", |h| h.unresolved().is_empty()).await;
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn failure_mode_l_a_phone_that_cannot_be_reached_hears_it_later_and_status_says_so() {
    let setup = Setup::new(Leash::Observe);
    let app = endpoint("app");
    let probes = || vec![app.probe("tcp.app", &mini(), None)];
    let house = setup.start_with(probes()).await;
    house.pass(Span::mins(5)).await;
    house.estate.phone.line(Line::Down);
    app.turns(Severity::Red);
    house.pass(Span::mins(10)).await;
    let status = house.operator.status().await.unwrap();
    assert!(0 < status.messages_waiting, "{}", house.story());
    house.end().await;
    // The queue outlives the daemon.
    let house = setup.start_with(probes()).await;
    house.pass(Span::mins(5)).await;
    assert_eq!(house.estate.phone.heard().len(), 0);
    house.estate.phone.line(Line::Up);
    house.until("it is told", |h| !h.estate.phone.heard().is_empty()).await;
    let first = house.estate.phone.heard()[0].clone();
    assert!(first.title.contains("app"), "{first:?}");
    house.end().await;
}

/// What this machine has mounted of the NAS.
fn of_nas(stale: Option<&str>) -> Volume {
    Volume {
        mount: AbsPath::new("/mnt/nas").unwrap(),
        source: "nas:/tank".into(),
        fs: "nfs4".into(),
        total_bytes: if stale.is_some() { 0 } else { 1 << 40 },
        free_bytes: if stale.is_some() { 0 } else { 1 << 39 },
        total_inodes: 0,
        free_inodes: 0,
        read_only: false,
        stale: stale.map(str::to_owned),
    }
}

/// One machine that is gone is one thing that broke, whatever of it is mounted elsewhere.
#[tokio::test(start_paused = true)]
async fn a_nas_that_is_down_as_host_and_as_mount_is_one_message_and_no_hold() {
    let mut setup = Setup::new(Leash::Observe);
    setup.config.push_str("[host.nas]\n[probe.disk]\nevery = \"1m\"\n");
    let here = setup.host();
    here.volume(of_nas(None));
    let house = setup.start().await;
    house.pass(Span::mins(10)).await;
    let there = setup.estate.host(&nas()).unwrap();
    there.reach(Reach::Down);
    here.volume(of_nas(Some("has not answered for 20 s")));
    let red = |h: &House| h.unresolved().iter().filter(|i| i.severity == Severity::Red).count();
    house.until("both are red", |h| red(h) == 2).await;
    house.pass(Span::mins(20)).await;
    let told = house.estate.phone.heard();
    assert_eq!(told.len(), 1, "{:#?}\n{}", titles(&told), house.story());
    assert!(told[0].title.contains("host nas"), "{}", told[0].title);
    assert_eq!((explained(&house), house.hold()), (1, None), "{}", house.story());
    there.reach(Reach::Up);
    here.volume(of_nas(None));
    house.until("all is green", |h| h.unresolved().is_empty()).await;
    house.end().await;
}

/// The SSH session outlives the listener: what is mounted is seen before the host is.
#[tokio::test(start_paused = true)]
async fn a_nas_that_was_told_by_its_mount_is_not_told_again_by_its_host() {
    let mut setup = Setup::new(Leash::Observe);
    setup.config.push_str("[host.nas]\n[probe.disk]\nevery = \"1m\"\n");
    let here = setup.host();
    here.volume(of_nas(None));
    let house = setup.start().await;
    house.pass(Span::mins(10)).await;
    let told = |h: &House| {
        let mut told = h.estate.phone.heard();
        told.retain(|m| !m.title.starts_with("still: "));
        told
    };
    let there = setup.estate.host(&nas()).unwrap();
    house.estate.web.door("refused");
    here.volume(of_nas(Some("has not answered for 20 s")));
    house.until("the mount is told", |h| told(h).len() == 1).await;
    assert!(told(&house)[0].body.contains("SSH port: refused"), "{}", told(&house)[0].body);
    house.pass(Span::mins(3)).await;
    there.reach(Reach::Down);
    let red = |h: &House| h.unresolved().iter().filter(|i| i.severity == Severity::Red).count();
    house.until("both are red", |h| red(h) == 2).await;
    house.pass(Span::mins(20)).await;
    assert_eq!(told(&house).len(), 1, "{:#?}\n{}", titles(&told(&house)), house.story());
    assert_eq!((explained(&house), house.hold()), (1, None), "{}", house.story());
    there.reach(Reach::Up);
    house.estate.web.door("open");
    here.volume(of_nas(None));
    house.until("all is green", |h| h.unresolved().is_empty()).await;
    house.pass(Span::mins(10)).await;
    let all = told(&house);
    assert_eq!(all.len(), 2, "{:#?}\n{}", titles(&all), house.story());
    assert!(all[1].title.starts_with("green host nas"), "{}", all[1].title);
    house.end().await;
}

/// What its mount told of the connection says nothing of the machine: that it is gone is news.
#[tokio::test(start_paused = true)]
async fn a_nas_that_goes_down_after_its_mount_is_told_as_well() {
    let mut setup = Setup::new(Leash::Observe);
    setup.config.push_str("[host.nas]\n[probe.disk]\nevery = \"1m\"\n");
    let here = setup.host();
    here.volume(of_nas(None));
    let house = setup.start().await;
    house.pass(Span::mins(10)).await;
    here.volume(of_nas(Some("has not answered for 20 s")));
    house.until("the mount is told", |h| h.estate.phone.heard().len() == 1).await;
    house.pass(Span::mins(3)).await;
    setup.estate.host(&nas()).unwrap().reach(Reach::Down);
    let host = |m: &Message| m.title.contains("host nas") && !m.title.starts_with("still: ");
    house.until("the host is told", |h| h.estate.phone.heard().iter().any(host)).await;
    house.end().await;
}

/// A container that was removed while reef was down is no fault that stands for ever.
#[tokio::test(start_paused = true)]
async fn what_was_removed_while_reef_was_down_is_over_with_the_next_looks() {
    let setup = Setup::new(Leash::Observe);
    let mut ended = container("app");
    (ended.state, ended.exit_code) = (ContainerState::Exited, Some(1));
    ended.finished_at = Some(MONDAY_NOON - Span::hours(1));
    setup.host().containers(vec![ended, container("db")]);
    let house = setup.start().await;
    house.until("it is an incident", |h| h.unresolved().len() == 1).await;
    house.pass(Span::mins(5)).await;
    house.end().await;
    setup.host().containers(vec![container("db")]);
    let house = setup.start().await;
    house.until("it is over", |h| h.unresolved().is_empty()).await;
    house.end().await;
}

/// Whoever asks how reef stands is not kept waiting by a store that is busy, and is told what is missing.
#[tokio::test]
async fn status_is_answered_while_the_store_is_busy() {
    let setup = Setup::new(Leash::Observe);
    let house = setup.start().await;
    let (holds, held) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let store = house.store.clone();
    let busy = std::thread::spawn(move || {
        store.call_now(|_| {
            holds.send(()).unwrap();
            released.recv().unwrap_or_default();
            Ok(())
        })
    });
    held.recv().unwrap();
    // It stays busy until the answer is there.
    let answer = house.order(Order::Status);
    let status = tokio::time::timeout(std::time::Duration::from_secs(60), answer).await;
    drop(release);
    busy.join().unwrap().unwrap();
    let status = status.expect("it waited for the store").unwrap();
    let troubles = status["troubles"].to_string();
    assert!(troubles.contains("the store is busy"), "{troubles}");
    let status = house.order(Order::Status).await.unwrap();
    assert!(!status["troubles"].to_string().contains("busy"), "{status}");
    house.end().await;
}
