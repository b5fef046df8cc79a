//! Each rule of triage as a row: looks in, states and changes out.

use proptest::prelude::*;

use super::*;
use crate::model::ids::{HostName, Word};
use crate::model::target::{Signal, Target};

fn reading(severity: Severity, clears: Severity) -> Reading {
    let target = Target::host(HostName::new("mini").unwrap());
    let signal = Signal { probe: Word::of("disk"), target, aspect: Word::of("bytes") };
    let mut reading = Reading::new(signal, Millis(0), severity, Word::of("x"), "");
    reading.clears = clears;
    reading
}

/// One letter a look, a minute apart: `g`reen, `y`ellow, `r`ed, `?` unknown; `e`dge: green, but yellow at
/// the clearing levels; `E`: yellow, but red at the clearing levels.
fn look_of(letter: char) -> Reading {
    match letter {
        'g' => reading(Severity::Green, Severity::Green),
        'e' => reading(Severity::Green, Severity::Yellow),
        'y' => reading(Severity::Yellow, Severity::Yellow),
        'E' => reading(Severity::Yellow, Severity::Red),
        'r' => reading(Severity::Red, Severity::Red),
        '?' => reading(Severity::Unknown, Severity::Unknown),
        other => panic!("no look is called {other:?}"),
    }
}

fn changes(looks: &str, tuning: &Tuning, every: Span) -> (SignalState, String) {
    let mut state = SignalState::default();
    let mut now = Millis(0);
    let mut shown = String::new();
    for letter in looks.chars() {
        let (next, change) = state.look(&look_of(letter), tuning, now);
        // What is stored and read back goes on as if nothing had been.
        let stored = serde_json::to_string(&next).unwrap();
        state = serde_json::from_str(&stored).unwrap();
        assert_eq!(state, next, "{stored}");
        shown.push(match change {
            None => '.',
            Some(Change::Noted) => 'n',
            Some(Change::Opened { severity: Severity::Red }) => 'R',
            Some(Change::Opened { .. }) => 'Y',
            Some(Change::Worsened) => 'w',
            Some(Change::Eased) => 'e',
            Some(Change::Resolved) => 'G',
            Some(Change::Blind { .. }) => 'b',
            Some(Change::Stopped | Change::Returned) => 's',
        });
        now = now + every;
    }
    (state, shown)
}

#[track_caller]
fn check(rule: &str, looks: &str, want: &str) {
    let (_, got) = changes(looks, &Tuning::default(), Span::mins(1));
    assert_eq!(got, want, "{rule}: {looks}");
}

#[test]
fn every_rule_of_firing_and_clearing() {
    for (rule, looks, want) in [
        ("green is quiet", "gggg", "...."),
        ("three reds in a row fire", "grrr", "...R"),
        ("a signal that begins red fires too", "rrr", "..R"),
        ("two do not", "grr", "..."),
        ("a blip resets", "grrgrr", "......"),
        ("and the count starts anew", "grrgrrr", "......R"),
        ("1-0-1-0 does not flap", "rgrgrgrgrg", ".........."),
        ("three yellows are noted", "yyy", "..n"),
        ("still yellow at the next look is an incident", "yyyy", "..nY"),
        ("green at the next look is nothing", "yyyg", "..n."),
        ("and starts anew", "yyygyyyy", "..n...nY"),
        ("red at the next look is an incident, yellow so far", "yyyr", "..nY"),
        ("then red after three in a row", "yyyrrr", "..nY.w"),
        ("mixed bad looks are a yellow", "ryr", "..n"),
        ("red counts go on through the note", "yrrr", "..nR"),
        ("a yellow between reds breaks their row", "rryrr", "..nY."),
        ("two greens clear", "rrrgg", "..R.G"),
        ("one does not", "rrrgr", "..R.."),
        ("a bad look between breaks the row", "rrrgrgg", "..R...G"),
        ("red eases to yellow after two", "rrryy", "..R.e"),
        ("one milder look does not ease", "rrryr", "..R.."),
        ("yellow then green eases, then clears", "rrrygg", "..R.eG"),
        ("eased and red again worsens after three", "rrryyrrr", "..R.e..w"),
        ("yellow clears after two", "yyyygg", "..nY.G"),
        ("yellow worsens after three reds", "yyyyrrr", "..nY..w"),
        ("a red blip in a yellow does not worsen it", "yyyyrryrr", "..nY....."),
        ("it fires again after it was over", "rrrggrrr", "..R.G..R"),
    ] {
        check(rule, looks, want);
    }
}

#[test]
fn a_value_on_the_edge_does_not_flap() {
    for (rule, looks, want) in [
        ("the edge fires nothing", "eeee", "...."),
        ("the edge is green on the way up", "yyeyy", "....."),
        ("the edge does not clear", "yyyyeeee", "..nY...."),
        ("the edge breaks a row of greens", "yyyygegg", "..nY...G"),
        ("the edge keeps what was noted", "yyyeee", "..n..."),
        ("noted, on the edge, yellow again", "yyyey", "..n.Y"),
        ("the red edge does not ease", "rrrEEEE", "..R...."),
        ("red falls to the yellow edge", "rrree", "..R.e"),
    ] {
        check(rule, looks, want);
    }
}

#[test]
fn unknown_is_never_green_never_clears_never_fires_red() {
    for (rule, looks, want) in [
        ("unknown fires nothing at first", "?????", "....."),
        ("unknown does not count as red", "rr??", "...."),
        ("unknown is no green between reds", "rr?r", "...R"),
        ("unknown never clears", "rrr????", "..R...."),
        ("unknown breaks a row of greens", "rrrg?gg", "..R...G"),
        ("unknown breaks a row of milder looks", "rrry?yy", "..R...e"),
        ("unknown keeps what was noted", "yyy?y", "..n.Y"),
    ] {
        check(rule, looks, want);
    }
    let (state, _) = changes("g?", &Tuning::default(), Span::mins(1));
    assert_eq!(state.severity(), Severity::Unknown);
    let (state, _) = changes("rrr?", &Tuning::default(), Span::mins(1));
    assert_eq!((state.severity(), state.red_at()), (Severity::Red, Some(Millis(120_000))));
}

#[test]
fn unknown_for_over_an_hour_is_yellow() {
    let run = |looks, every| changes(looks, &Tuning::default(), every).1;
    let half = Span::mins(30);
    assert_eq!(run("g??", half), "...", "half an hour");
    assert_eq!(run("g???", half), "....", "exactly an hour is not over an hour");
    assert_eq!(run("g????", half), "....b");
    assert_eq!(run("g??????", half), "....b..", "told once");
    assert_eq!(run("????", half), "...b", "never seen at all");
    assert_eq!(run("g??g???", half), ".......", "a look that sees starts anew");
    assert_eq!(run("g????gg", half), "....b.G", "two greens end it");
    assert_eq!(run("g????rrr", half), "....b..w", "red after three looks, as ever");
    assert_eq!(run("rrr????", half), "..R....", "an incident stays what it is");
    assert_eq!(run("yyy????", half), "..n...b", "a note becomes an incident");
    let (state, _) = changes("g????", &Tuning::default(), half);
    assert_eq!(state.severity(), Severity::Yellow);
    let before = changes("g", &Tuning::default(), half).0;
    let (state, _) = before.look(&look_of('?'), &Tuning::default(), Millis(5));
    let at = Millis(5) + BLIND_AFTER + Span(1);
    let (_, change) = state.look(&look_of('?'), &Tuning::default(), at);
    assert_eq!(change, Some(Change::Blind { since: Millis(5) }));
}

#[test]
fn start_up_has_a_grace() {
    let grace =
        |minutes| Tuning { grace_until: Millis(0) + Span::mins(minutes), ..Tuning::default() };
    let run = |looks, minutes| changes(looks, &grace(minutes), Span::mins(1)).1;
    assert_eq!(run("rrrrr", 4), "....R", "red waits, and fires at the first look after the grace");
    assert_eq!(run("yyyyyy", 4), "....nY");
    assert_eq!(run("grrr", 10), "...R", "what was green in the grace does not wait");
    assert_eq!(run("rgrrr", 10), "....R");
    assert_eq!(run("?rrr", 10), "....", "unknown is not green");
    assert_eq!(run("rrr", 2), "..R", "the grace's end is not in it");

    // After a power cut: green long ago is not green since.
    let tuning = Tuning {
        grace_from: Millis(0) + Span::mins(10),
        grace_until: Millis(0) + Span::mins(20),
        ..Tuning::default()
    };
    let (_, got) = changes("ggggggggggrrrrrrrrrrr", &tuning, Span::mins(1));
    assert_eq!(got, "....................R");
}

#[test]
fn how_often_can_be_set() {
    let once = Tuning { fire_after: 1, clear_after: 1, ..Tuning::default() };
    let never = Tuning { fire_after: 0, clear_after: 0, ..Tuning::default() };
    for tuning in [once, never] {
        assert_eq!(changes("rgyyg", &tuning, Span::mins(1)).1, "RGnYG");
    }
    let five = Tuning { fire_after: 5, clear_after: 3, ..Tuning::default() };
    assert_eq!(changes("rrrrrggg", &five, Span::mins(1)).1, "....R..G");
}

#[test]
fn what_is_not_confirmed_is_not_its_severity() {
    for (looks, want) in [
        ("", Severity::Unknown),
        ("r", Severity::Unknown),
        ("g", Severity::Green),
        ("grr", Severity::Green),
        ("yyy", Severity::Yellow),
        ("yyyy", Severity::Yellow),
        ("rrr", Severity::Red),
        ("rrryy", Severity::Yellow),
    ] {
        let (state, _) = changes(looks, &Tuning::default(), Span::mins(1));
        assert_eq!(state.severity(), want, "{looks}");
    }
}

proptest! {
    #[test]
    fn incidents_open_once_and_end_once(looks in "[geyEr?]{0,60}", minutes in 1_i64..90) {
        let (state, shown) = changes(&looks, &Tuning::default(), Span::mins(minutes));
        let (mut open, mut red) = (false, false);
        for (look, change) in looks.chars().zip(shown.chars()) {
            match change {
                'Y' | 'R' | 'b' => {
                    prop_assert!(!open);
                    open = true;
                    red = change == 'R';
                    prop_assert_eq!(look == '?', change == 'b');
                }
                'w' => { prop_assert!(open && !red && look == 'r'); red = true; }
                'e' => { prop_assert!(open && red && look != '?'); red = false; }
                'G' => { prop_assert!(open && look == 'g'); open = false; red = false; }
                'n' => prop_assert!(!open && look != 'g' && look != '?'),
                _ => {}
            }
        }
        let want = if red { Severity::Red } else { Severity::Yellow };
        if open { prop_assert_eq!(state.severity(), want); }
        prop_assert_eq!(state.red_at().is_some(), red);
        if looks.ends_with('?') { prop_assert_ne!(state.severity(), Severity::Green); }
    }
}
