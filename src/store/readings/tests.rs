//! History: what is kept, for how long, in how many bytes.

use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::store::readings::{Counts, Sample, SignalId};
use crate::store::tests::{SMALL, memory, signal};
use crate::store::{Store, StoreOptions};

const HOUR: i64 = 3_600_000;
/// An hour's beginning.
const START: i64 = 480_000 * HOUR;

fn sample(signal: SignalId, at: i64, severity: Severity, value: Option<f64>) -> Sample {
    Sample { signal, at: Millis(at), severity, value }
}

#[test]
fn history_is_the_same_before_and_after_an_hour_is_packed() {
    let store = memory();
    let readings = store.readings();
    let var = readings.intern(&signal("mini:/var")).unwrap();
    let home = readings.intern(&signal("mini:/home")).unwrap();
    assert_eq!(readings.intern(&signal("mini:/var")).unwrap(), var);
    let (known, new) = (signal("mini:/var"), signal("mini:/srv"));
    readings.intern_all([&known, &new, &new].into_iter()).unwrap();
    assert_eq!(readings.signals().unwrap().len(), 3, "each once");
    assert_eq!(readings.intern(&known).unwrap(), var);
    // Two hours and a bit of readings each minute, in flushes that straddle the hours.
    let all: Vec<Sample> = (0..150)
        .map(|m| {
            let severity = if m == 70 { Severity::Red } else { Severity::Green };
            let value = (m % 10 != 9).then(|| f64::from(m) + 0.25);
            sample(var, START + i64::from(m) * 60_000, severity, value)
        })
        .collect();
    for flush in all.chunks(7) {
        let other = flush.iter().map(|s| Sample { signal: home, ..*s });
        readings.add(&flush.iter().copied().chain(other).collect::<Vec<_>>()).unwrap();
    }
    let history = |since| readings.history(&signal("mini:/var"), Millis(since)).unwrap();
    assert_eq!(history(0), all);
    readings.maintain(Millis(START + 150 * 60_000)).unwrap();
    assert_eq!(history(0), all);
    assert_eq!(history(START + 30 * 60_000 + 1), all[31..]);

    let hours = readings.hourly(&signal("mini:/var"), Millis(START)).unwrap();
    assert_eq!(hours.iter().map(|h| h.at.0).collect::<Vec<_>>(), [START, START + HOUR]);
    assert_eq!((hours[0].n, hours[0].worst), (60, Severity::Green));
    assert_eq!((hours[0].min, hours[0].max), (Some(0.25), Some(58.25)));
    // Of 54 values, between the 27th and the 28th.
    assert_eq!(hours[0].median, Some(f64::midpoint(28.25, 30.25)));
    assert_eq!(hours[1].worst, Severity::Red);
    assert_eq!(readings.hourly(&signal("mini:/var"), Millis(START + 1)).unwrap(), hours[1..]);
    assert_eq!(readings.all_hourly(Millis(0)).unwrap().len(), 2);

    let counts = |since| readings.counts_since(Millis(since)).unwrap();
    assert_eq!(counts(0), Counts { green: 298, red: 2, ..Counts::default() });
    assert_eq!(counts(START + 70 * 60_000), Counts { green: 158, red: 2, ..Counts::default() });
    assert_eq!(counts(START + 140 * 60_000).total(), 20);
}

#[test]
fn a_signal_nobody_knows_has_no_history() {
    let store = memory();
    let unknown = signal("mini:/nowhere");
    assert_eq!(store.readings().history(&unknown, Millis(0)).unwrap(), []);
    assert_eq!(store.readings().hourly(&unknown, Millis(0)).unwrap(), []);
}

#[test]
fn readings_from_a_clock_that_went_back_join_their_hour() {
    let store = memory();
    let readings = store.readings();
    let id = readings.intern(&signal("mini:/var")).unwrap();
    let add = |at, value| readings.add(&[sample(id, at, Severity::Green, Some(value))]).unwrap();
    add(START, 1.0);
    readings.maintain(Millis(START + HOUR)).unwrap();
    add(START + 60_000, 5.0);
    readings.maintain(Millis(START + HOUR)).unwrap();
    let hours = readings.hourly(&signal("mini:/var"), Millis(0)).unwrap();
    assert_eq!((hours.len(), hours[0].n, hours[0].median), (1, 2, Some(3.0)));
    assert_eq!(readings.history(&signal("mini:/var"), Millis(0)).unwrap().len(), 2);
}

#[test]
fn a_week_of_readings_and_a_year_of_hours_are_kept() {
    let store = memory();
    let readings = store.readings();
    let id = readings.intern(&signal("mini:/var")).unwrap();
    for day in 0..400 {
        let at = START + day * 24 * HOUR;
        readings.add(&[sample(id, at, Severity::Green, Some(1.0))]).unwrap();
    }
    let now = Millis(START + 400 * 24 * HOUR);
    readings.maintain(now).unwrap();
    let raw = readings.history(&signal("mini:/var"), Millis(0)).unwrap();
    assert_eq!((raw.len(), raw[0].at), (7, now - Span::days(7)));
    let hours = readings.hourly(&signal("mini:/var"), Millis(0)).unwrap();
    assert_eq!((hours.len(), hours[0].at), (365, now - Span::days(365)));
}

/// A day of 20 signals each 10 s, flushed each minute, as a busy home has it.
fn a_day(store: &Store) -> u64 {
    let readings = store.readings();
    let ids: Vec<_> =
        (0..20).map(|i| readings.intern(&signal(&format!("mini:/volume/{i}"))).unwrap()).collect();
    let mut n = 0_u32;
    for minute in 0..1_440 {
        let mut flush = Vec::new();
        for look in 0..6 {
            for id in &ids {
                n += 1;
                // No two values are alike, and each needs all of its float.
                let value = f64::from(n).sqrt();
                let at = START + minute * 60_000 + look * 10_000 + i64::from(id.0);
                flush.push(sample(*id, at, Severity::Green, Some(value)));
            }
        }
        readings.add(&flush).unwrap();
        if minute % 20 == 0 {
            readings.maintain(Millis(START + minute * 60_000)).unwrap();
        }
    }
    readings.maintain(Millis(START + 24 * HOUR)).unwrap();
    u64::from(n)
}

#[test]
fn a_reading_takes_at_most_four_bytes_at_rest() {
    let store = memory();
    let empty = store.readings().bytes().unwrap();
    let n = a_day(&store);
    let bytes = store.readings().bytes().unwrap() - empty;
    assert_eq!(store.readings().counts_since(Millis(0)).unwrap().total(), n);
    // With the hours that are rolled up beside them.
    assert!(bytes <= 4 * n, "{bytes} bytes for {n} readings");
}

#[test]
fn the_bound_holds_and_the_oldest_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let bound = 256 << 10;
    let store =
        Store::open_with(dir.path(), StoreOptions { readings_bytes: bound, ..SMALL }).unwrap();
    a_day(&store);
    let file = std::fs::metadata(dir.path().join("readings.db")).unwrap().len();
    assert!(file <= bound, "{file}");
    let left = store.readings().history(&signal("mini:/volume/3"), Millis(0)).unwrap();
    let last = START + 24 * HOUR - 10_000;
    assert!(left.last().is_some_and(|s| last <= s.at.0), "the newest are there");
    assert!(START < left[0].at.0, "the oldest are gone");
    let hours = store.readings().hourly(&signal("mini:/volume/3"), Millis(0)).unwrap();
    assert_eq!(hours.len(), 24, "what is rolled up outlives it");
}

#[test]
fn history_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(dir.path(), SMALL).unwrap();
    let id = store.readings().intern(&signal("mini:/var")).unwrap();
    let one = sample(id, START, Severity::Unknown, None);
    store.readings().add(&[one]).unwrap();
    drop(store);
    for store in [Store::open_with(dir.path(), SMALL), Store::open_read_only(dir.path())] {
        let found = store.unwrap().readings().history(&signal("mini:/var"), Millis(0)).unwrap();
        assert_eq!(found, [one]);
    }
}
