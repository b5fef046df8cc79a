//! The hours in which a runbook may act: windows on the wall of a time zone.

use crate::clock::window::{Stretch, Window};
use crate::clock::zone::Zone;
use crate::model::time::{Millis, Span};

/// When something may happen. Without a window: always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    pub windows: Vec<Window>,
    pub zone: Zone,
}

/// Why it may not happen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// When the hours begin the next time; none within a week where no window ever opens.
    pub opens_at: Option<Millis>,
    pub words: String,
}

impl Hours {
    /// Why something that takes so long may not begin now, if it may not: it is outside every window, or no
    /// window that is open lasts long enough.
    pub fn closed(&self, now: Millis, takes: Span) -> Option<Closed> {
        if self.windows.is_empty() {
            return None;
        }
        let open = self.windows.iter().filter_map(|window| window.around(now, self.zone));
        let last = open.max_by_key(|stretch| stretch.until);
        if last.is_some_and(|Stretch { until, .. }| now + takes <= until) {
            return None;
        }
        let opens_at = self.windows.iter().filter_map(|w| w.next_after(now, self.zone)).min();
        let why = match last {
            Some(Stretch { until, .. }) => {
                format!("its hours end in {}, too soon for {takes}", until.since(now))
            }
            None => "outside its hours".to_owned(),
        };
        let next = match opens_at {
            Some(at) => format!("; they begin at {} the next time", self.when(at, now)),
            None => String::new(),
        };
        Some(Closed { opens_at, words: format!("{why} ({}){next}", self.words()) })
    }

    /// `06:00-22:00 Europe/Berlin`.
    pub fn words(&self) -> String {
        let windows: Vec<String> = self.windows.iter().map(ToString::to_string).collect();
        format!("{} {}", windows.join(" or "), self.zone.name())
    }

    fn when(&self, at: Millis, now: Millis) -> String {
        match self.zone.day(at) == self.zone.day(now) {
            true => self.zone.hm(at),
            false => format!("{} {}", self.zone.weekday_day_month(at), self.zone.hm(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::zone::read;

    fn at(text: &str) -> Millis {
        read(text).unwrap()
    }

    fn hours(windows: &[&str]) -> Hours {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        Hours { windows: windows.iter().map(|w| Window::parse(w).unwrap()).collect(), zone }
    }

    #[track_caller]
    fn check(windows: &[&str], now: &str, takes: Span, opens: Option<&str>) {
        let closed = hours(windows).closed(at(now), takes);
        match (closed, opens) {
            (None, None) => {}
            (Some(closed), Some(opens)) => {
                assert_eq!(closed.opens_at, Some(at(opens)), "{}", closed.words);
            }
            (got, want) => panic!("{windows:?} at {now}: {got:?}, not {want:?}"),
        }
    }

    #[test]
    fn no_backup_starts_after_ten_in_the_evening() {
        let day = ["06:00-22:00"];
        let none = Span(0);
        check(&day, "2026-03-04T21:59:59+01:00", none, None);
        check(&day, "2026-03-04T22:00:00+01:00", none, Some("2026-03-05T06:00:00+01:00"));
        check(&day, "2026-03-04T05:59:59+01:00", none, Some("2026-03-04T06:00:00+01:00"));
        check(&day, "2026-03-04T21:30:00+01:00", Span::mins(30), None);
        check(&day, "2026-03-04T21:30:01+01:00", Span::mins(30), Some("2026-03-05T06:00:00+01:00"));
        check(&[], "2026-03-04T23:00:00+01:00", Span::days(1), None);
        let closed = hours(&day).closed(at("2026-03-04T22:00:00+01:00"), none).unwrap();
        assert_eq!(
            closed.words,
            "outside its hours (06:00-22:00 Europe/Berlin); they begin at Thu 5 March 2026 06:00 the next time"
        );
        let late = hours(&day).closed(at("2026-03-04T21:50:00+01:00"), Span::mins(30)).unwrap();
        assert!(late.words.starts_with("its hours end in 10 min, too soon for 30 min"), "{late:?}");
    }

    #[test]
    fn several_windows_and_days() {
        let both = ["Sun 03:00-05:00", "Wed 12:00-13:00"];
        // The 4th of March 2026 is a Wednesday.
        check(&both, "2026-03-04T12:30:00+01:00", Span(0), None);
        check(&both, "2026-03-04T13:00:00+01:00", Span(0), Some("2026-03-08T03:00:00+01:00"));
        check(&both, "2026-03-08T05:00:00+01:00", Span(0), Some("2026-03-11T12:00:00+01:00"));
    }

    /// On 29 March 2026 the wall jumps from 02:00 to 03:00, on 25 October it shows 02:00 to 03:00 twice.
    #[test]
    fn where_the_clocks_are_changed() {
        let night = ["02:30-05:00"];
        check(&night, "2026-03-29T01:59:59+01:00", Span(0), Some("2026-03-29T03:00:00+02:00"));
        check(&night, "2026-03-29T03:00:00+02:00", Span(0), None);
        check(&night, "2026-10-25T02:10:00+02:00", Span(0), Some("2026-10-25T02:30:00+02:00"));
        check(&night, "2026-10-25T02:10:00+01:00", Span(0), None);
        check(&night, "2026-10-25T05:00:00+01:00", Span(0), Some("2026-10-26T02:30:00+01:00"));
    }
}
