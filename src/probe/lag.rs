//! How far a copy of a database may be behind, in bytes and in time.

use std::collections::VecDeque;

use crate::config::setting::Bytes;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::threshold::{Direction, Judged, Threshold};
use crate::probe::ask::Ask;
use crate::probe::spoken::number;

/// Samples of a position that are kept: one a minute for half a day.
const MOST: usize = 720;

/// From where on a lag is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// `yellow`, `red`: bytes behind. Default 16 MiB and 256 MiB.
    pub bytes: (Bytes, Bytes),
    /// `yellow_after`, `red_after`: time behind. Default 2 min and 15 min.
    pub time: (Span, Span),
}

impl Default for Levels {
    fn default() -> Self {
        Self { bytes: (Bytes(16 << 20), Bytes(256 << 20)), time: (Span::mins(2), Span::mins(15)) }
    }
}

impl Levels {
    /// Reads the levels of time.
    pub fn time_of(ask: &mut Ask<'_>) -> Self {
        let default = Self::default();
        let time = (ask.or("yellow_after", default.time.0), ask.or("red_after", default.time.1));
        if time.1 < time.0 {
            ask.mistake("yellow_after", "is longer than red_after: yellow comes first");
        }
        Self { time, ..default }
    }

    /// Reads all of them.
    pub fn of(ask: &mut Ask<'_>) -> Self {
        let levels = Self::time_of(ask);
        let bytes = (ask.or("yellow", levels.bytes.0), ask.or("red", levels.bytes.1));
        if bytes.1 < bytes.0 {
            ask.mistake("yellow", "is above red: yellow comes first");
        }
        Self { bytes, ..levels }
    }

    /// The worse of both.
    pub fn judge(&self, bytes: Option<u64>, time: Option<Span>) -> Judged {
        let of = |value: f64, yellow: f64, red: f64| {
            let (yellow, red) = (Some(yellow), Some(red));
            // It clears at three quarters, so that a lag on the edge does not flap.
            let margin = yellow.unwrap_or(0.0) / 4.0;
            Threshold { yellow, red, direction: Direction::Above, margin }.judge(value)
        };
        let of_bytes = bytes.map(|n| of(number(n), number(self.bytes.0.0), number(self.bytes.1.0)));
        let of_time =
            time.map(|t| of(t.as_secs_f64(), self.time.0.as_secs_f64(), self.time.1.as_secs_f64()));
        let green = Judged { severity: Severity::Green, clears: Severity::Green };
        of_bytes.into_iter().chain(of_time).fold(green, |a, b| Judged {
            severity: a.severity.max(b.severity),
            clears: a.clears.max(b.clears),
        })
    }
}

/// Where a primary was at each look: how long ago it passed what its copy has not passed yet is a lag
/// that does not grow while the primary is idle.
#[derive(Debug, Default)]
pub struct Positions {
    passed: VecDeque<(Millis, u64)>,
}

impl Positions {
    pub fn note(&mut self, position: u64, now: Millis) {
        match self.passed.back() {
            Some((_, last)) if *last == position => return,
            // A server that was set back, and a clock that jumped: what was known says nothing.
            Some((at, last)) if position < *last || now < *at => self.passed.clear(),
            Some(_) | None => {}
        }
        if MOST <= self.passed.len() {
            self.passed.pop_front();
        }
        self.passed.push_back((now, position));
    }

    /// How long a copy at `replayed` is behind, at least.
    pub fn behind(&self, replayed: u64, now: Millis) -> Span {
        let ahead = self.passed.iter().find(|(_, position)| replayed < *position);
        ahead.map_or(Span(0), |(at, _)| now.since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_bytes_and_time_counts() {
        use Severity::{Green, Red, Yellow};
        let levels = Levels::default();
        for (bytes, time, want) in [
            (Some(0), Some(Span(0)), (Green, Green)),
            (Some(17 << 20), Some(Span(0)), (Yellow, Yellow)),
            (Some(13 << 20), None, (Green, Yellow)),
            (Some(0), Some(Span::mins(16)), (Red, Red)),
            (Some(300 << 20), Some(Span::mins(3)), (Red, Red)),
            (None, None, (Green, Green)),
        ] {
            let judged = levels.judge(bytes, time);
            assert_eq!((judged.severity, judged.clears), want, "{bytes:?} {time:?}");
        }
    }

    #[test]
    fn time_behind_does_not_grow_on_an_idle_primary() {
        let at = |minutes| Millis(Span::mins(minutes).0);
        let mut positions = Positions::default();
        for (minute, position) in [(0, 100), (1, 200), (2, 300), (3, 300), (90, 300)] {
            positions.note(position, at(minute));
        }
        assert_eq!(positions.behind(300, at(90)), Span(0));
        assert_eq!(positions.behind(250, at(90)), Span::mins(88));
        assert_eq!(positions.behind(100, at(2)), Span::mins(1));
        positions.note(50, at(91));
        assert_eq!(positions.behind(40, at(92)), Span::mins(1));
        for n in 0..2_000 {
            positions.note(1_000 + n, at(100));
        }
        assert!(positions.passed.len() <= MOST);
    }
}
