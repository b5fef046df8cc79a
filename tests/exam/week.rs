//! Nothing happens, for a week; and clocks that jump.

use std::collections::BTreeMap;
use std::sync::Arc;

use reef::clock::zone::Zone;
use reef::exam::endpoint::FakeEndpoint;
use reef::exam::model::ScriptedModel;
use reef::model::ids::Word;
use reef::model::message::Message;
use reef::model::plan::Leash;
use reef::model::target::{Signal, Target, Thing};
use reef::model::time::{Millis, Span};
use reef::probe::table;

use crate::house::{House, Setup, mini, nas};

pub(crate) fn endpoint(name: &str) -> FakeEndpoint {
    let target = Target::new(mini(), Thing::Endpoint, name).unwrap();
    FakeEndpoint::new(Signal { probe: Word::of("http"), target, aspect: Word::of("status") })
}

/// The days whose report was delivered, each with how often.
fn delivered(house: &House) -> BTreeMap<String, usize> {
    let mut days = BTreeMap::new();
    let reports = |m: &Message| m.key.strip_prefix("report ").map(str::to_owned);
    for day in house.estate.phone.all().iter().filter_map(reports) {
        *days.entry(day).or_default() += 1;
    }
    days
}

/// The report files, by day.
fn written(setup: &Setup) -> Vec<String> {
    let entries = std::fs::read_dir(setup.folder.path().join("reports")).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "latest.md");
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_green_week_makes_no_model_call_no_incident_and_no_message() {
    let mut setup = Setup::new(Leash::Auto);
    let model = Arc::new(ScriptedModel::new(Vec::new()));
    setup.model = Some(Arc::clone(&model) as _);
    let mut more = table::of_host(&nas());
    for name in ["jellyfin", "photos", "router"] {
        more.push(endpoint(name).probe(&format!("http.{name}"), &mini(), None));
    }
    let house = setup.start_with(more).await;
    house.pass(Span::days(7)).await;

    let looked = house.hand.snapshot().await;
    assert!(15 <= looked.len(), "{} signals", looked.len());
    assert_eq!(model.requests().len(), 0);
    assert_eq!(house.model_calls(), 0);
    assert_eq!(house.incidents(), []);
    assert_eq!(house.runs(), []);
    assert_eq!(house.estate.phone.heard(), []);
    assert_eq!(house.host().effects(), []);
    let days: Vec<String> = (3..=9).map(|day| format!("2026-03-0{day}")).collect();
    let once: BTreeMap<String, usize> = days.iter().map(|day| (day.clone(), 1)).collect();
    assert_eq!(delivered(&house), once);
    assert_eq!(written(&setup), days.iter().map(|day| format!("{day}.md")).collect::<Vec<_>>());
    house.end().await;
}

/// The instants that the store's switch for the written report went through.
async fn slots(house: &House, over: Span, jump: impl Fn(&House, i64)) -> Vec<Millis> {
    let mut seen = Vec::new();
    for minute in 0..over.0 / 60_000 {
        jump(house, minute);
        house.pass(Span::mins(1)).await;
        let at = house.store.call_now(|db| db.flag("report-written")).unwrap();
        let at = Millis(at.unwrap().parse().unwrap());
        if seen.last() != Some(&at) {
            seen.push(at);
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_an_hour_forward_and_back_neither_repeats_nor_loses_a_report() {
    let setup = Setup::new(Leash::Observe);
    let house = setup.start().await;
    let reports = || {
        let is_report = |m: &Message| m.key.starts_with("report ");
        house.estate.phone.all().iter().filter(|m| is_report(m)).count()
    };
    // Noon to half past three in the night, then past 04:00 in one jump.
    house.pass(Span::mins(15 * 60 + 30)).await;
    let latest = setup.folder.path().join("reports/2026-03-03.md");
    assert!(!latest.exists());
    house.estate.hands.jump_ahead(Span::hours(1));
    house.pass(Span::mins(5)).await;
    assert!(latest.exists(), "what was jumped over is made up for");
    // Back before four: it comes a second time, and the file must not be written for it.
    std::fs::remove_file(&latest).unwrap();
    house.estate.hands.jump_back(Span::hours(1));
    house.pass(Span::hours(2)).await;
    assert!(!latest.exists(), "the slot ran a second time");
    // Over seven o'clock in a jump, and back, and over it by itself.
    house.pass(Span::mins(60)).await;
    assert_eq!(reports(), 0);
    house.estate.hands.jump_ahead(Span::hours(1));
    house.pass(Span::mins(5)).await;
    assert_eq!(reports(), 1);
    house.estate.hands.jump_back(Span::hours(1));
    house.pass(Span::hours(3)).await;
    assert_eq!(reports(), 1);
    house.pass(Span::days(1)).await;
    let once = [("2026-03-03", 1), ("2026-03-04", 1)].map(|(day, n)| (day.to_owned(), n));
    assert_eq!(delivered(&house), once.into());
    assert_eq!(written(&setup), ["2026-03-03.md", "2026-03-04.md"]);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_nights_of_summer_time_have_one_report_each() {
    for night in ["2026-03-28", "2026-10-24"] {
        let mut setup = Setup::new(Leash::Observe);
        setup.config = setup.config.replace("\"UTC\"", "\"Europe/Berlin\"");
        // The hour that is skipped in spring and comes twice in autumn.
        setup.config.push_str("[report]\ncron = \"30 2 * * *\"\n");
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let at = if night.starts_with("2026-03") { 1_774_724_400_000 } else { 1_792_864_800_000 };
        setup.estate.hands.anchor(Millis(at));
        assert_eq!(zone.day(Millis(at)), night);
        let house = setup.start().await;
        let seen = slots(&house, Span::hours(32), |_, _| {}).await;
        assert_eq!(seen.len(), 3, "the start, this night's and the next: {night} {seen:?}");
        assert_eq!(delivered(&house).values().copied().collect::<Vec<_>>(), [1], "{night}");
        house.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_years_ahead_makes_up_for_nothing_and_waits_for_nothing() {
    let setup = Setup::new(Leash::Observe);
    setup.estate.hands.anchor(Millis(1_900_000_000_000));
    let house = setup.start().await;
    house.pass(Span::days(1)).await;
    // The time server answers at last.
    let years = Span(1_900_000_000_000 - 1_772_452_800_000);
    house.estate.hands.jump_back(years);
    house.pass(Span::days(2)).await;
    let days: Vec<String> = delivered(&house).into_keys().collect();
    assert_eq!(days.len(), 3, "{days:?}");
    assert!(days.contains(&"2026-03-05".to_owned()), "{days:?}");
    house.end().await;
}
