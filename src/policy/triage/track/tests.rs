//! Signals over many looks, as people tell of them: flapping, falling back, stopped on purpose.

use super::*;
use crate::model::ids::Word;
use crate::model::target::Signal;

fn signal() -> Signal {
    let target = "mini:unit:web.service".parse().unwrap();
    Signal { probe: Word::of("unit"), target, aspect: Word::of("state") }
}

/// Looks a minute apart: `g`reen, `y`ellow, `r`ed, `u`nknown, `s`topped on purpose. What changed, by look.
#[derive(Default)]
struct Life {
    track: Track,
    minute: i64,
}

impl Life {
    fn looks(&mut self, looks: &str) -> Vec<(i64, Change)> {
        self.tuned(looks, &Tuning::default())
    }

    fn tuned(&mut self, looks: &str, tuning: &Tuning) -> Vec<(i64, Change)> {
        let mut changes = Vec::new();
        for look in looks.chars().filter(|c| !c.is_whitespace()) {
            self.minute += 1;
            let at = Millis(0) + Span::mins(self.minute);
            let of = |severity| Reading::new(signal(), at, severity, Word::of("test"), "");
            let reading = match look {
                'g' => of(Severity::Green),
                'y' => of(Severity::Yellow),
                'r' => of(Severity::Red),
                'u' => of(Severity::Unknown),
                's' => Reading::intended(signal(), at, "stopped by hand"),
                other => panic!("{other} is no look"),
            };
            let track = std::mem::take(&mut self.track);
            // A restart between any two looks changes nothing.
            let stored = serde_json::to_string(&track).unwrap();
            let track: Track = serde_json::from_str(&stored).unwrap();
            let (track, change) = track.look(&reading, tuning, at);
            self.track = track;
            changes.extend(change.map(|change| (self.minute, change)));
        }
        changes
    }
}

const RED: Change = Change::Opened { severity: Severity::Red };
const YELLOW: Change = Change::Opened { severity: Severity::Yellow };

#[test]
fn four_of_ten_fire_where_three_in_a_row_never_come() {
    for (looks, want) in [
        ("grgrgrg", vec![]),
        ("grgrgrgr", vec![(8, RED)]),
        ("grrgrrg", vec![(6, RED)]),
        // The first has left the ten.
        ("rggrggrgggr", vec![]),
        ("rggrggrggr", vec![(10, RED)]),
        // Yellow and red together are yellow often enough; it was watched for long enough.
        ("gygrgygr", vec![(8, YELLOW)]),
        ("grrr", vec![(4, RED)]),
        // A look that could not see is none.
        ("rururur", vec![(5, RED)]),
        ("rgugrgurgur", vec![(11, RED)]),
    ] {
        assert_eq!(Life::default().looks(looks), want, "{looks}");
    }
}

#[test]
fn without_it_only_a_row_fires() {
    let tuning = Tuning { often: None, ..Tuning::default() };
    assert_eq!(Life::default().tuned(&"rg".repeat(30), &tuning), []);
    assert_eq!(OutOf::usual(1), None);
    assert_eq!(OutOf::usual(3), OutOf::new(4, 10));
    assert_eq!(OutOf::usual(30), None, "a patience that is not remembered keeps its row");
    assert_eq!((OutOf::new(0, 3), OutOf::new(4, 3), OutOf::new(1, 65)), (None, None, None));
    assert_eq!(OutOf::new(64, 64).map(OutOf::mask), Some(u64::MAX));
}

#[test]
fn a_flapping_signal_is_one_incident_whose_delay_grows() {
    let mut life = Life::default();
    assert_eq!(life.looks("rrr"), [(3, RED)]);
    // Twice it seems over for a look, which doubles the delay to 8 minutes.
    assert_eq!(life.looks("grgr"), []);
    assert_eq!(life.track.memory.falls, 2);
    assert_eq!(life.looks("ggggggggg"), [(16, Change::Resolved)]);
}

#[test]
fn the_delay_is_an_hour_at_the_most() {
    let mut life = Life::default();
    life.looks("rrr");
    life.looks(&"gr".repeat(200));
    assert_eq!(life.looks(&"g".repeat(60)), []);
    assert_eq!(life.looks("g"), [(464, Change::Resolved)]);
    // After a quiet hour it starts over: two green looks are enough again.
    life.looks(&"g".repeat(70));
    assert_eq!(life.track.memory.falls, 0);
    assert!(life.track.is_plain());
    let again = life.looks("rrrgg");
    assert_eq!(again.len(), 2, "{again:?}");
    assert_eq!(again[1].1, Change::Resolved);
}

#[test]
fn one_that_comes_back_soon_after_its_end_must_stay_green_longer() {
    let mut life = Life::default();
    assert_eq!(life.looks("rrrgg"), [(3, RED), (5, Change::Resolved)]);
    assert_eq!(life.looks("rrr"), [(8, RED)], "the looks of the last one are used up");
    // Four minutes from its first green look on, instead of two looks.
    assert_eq!(life.looks("gggggg"), [(13, Change::Resolved)]);
}

#[test]
fn green_within_the_margin_is_no_end_and_no_fall() {
    let mut track = Track::default();
    let tuning = Tuning::default();
    let mut at = Millis(0);
    for (severity, clears) in [(Severity::Red, Severity::Red)]
        .repeat(3)
        .into_iter()
        .chain([(Severity::Green, Severity::Yellow), (Severity::Red, Severity::Red)])
    {
        at = at + Span::mins(1);
        let reading =
            Reading { clears, ..Reading::new(signal(), at, severity, Word::of("test"), "") };
        track = track.look(&reading, &tuning, at).0;
    }
    assert_eq!(track.memory.falls, 0);
}

#[test]
fn what_was_stopped_on_purpose_is_over_at_once_and_an_event() {
    let mut life = Life::default();
    // As it was found: no event.
    assert_eq!(life.looks("ss"), []);
    assert_eq!(life.looks("g"), [(3, Change::Returned)]);
    assert_eq!(life.looks("s"), [(4, Change::Stopped)]);
    assert!(!life.track.is_plain(), "a restart must not tell it again");
    assert_eq!(life.looks("ssss"), []);
    assert_eq!(life.looks("gg"), [(9, Change::Returned)]);
    let mut life = Life::default();
    assert_eq!(life.looks("grrrs"), [(4, RED), (5, Change::Stopped)]);
    assert_eq!(life.track.state.severity(), Severity::Green);
    // Started again, and it fails: counted from nothing.
    assert_eq!(life.looks("rrr"), [(8, RED)]);
}

#[test]
fn a_row_from_an_older_store_is_read() {
    let old = r#"{"state":"rising","green_at":5,"since":7,"bad":2,"red":2}"#;
    let track: Track = serde_json::from_str(old).unwrap();
    assert_eq!(track.memory, Memory::default());
    assert!(matches!(track.state, SignalState::Rising { red: 2, .. }));
}
