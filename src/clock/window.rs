//! Stretches of the day or week on the wall: quiet hours, maintenance.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate};

use crate::clock::zone::{DayTime, Zone};
use crate::model::time::Millis;

/// `23:00-07:00`, `Sun 03:00-05:00`, `Mon-Fri,Sun 22:00-06:00`: the days name when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// One bit a day on which it begins, Monday the lowest.
    days: u8,
    from: DayTime,
    to: DayTime,
}

/// One time that a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub from: Millis,
    pub until: Millis,
}

const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const EVERY_DAY: u8 = 0b111_1111;

impl Window {
    /// The error is a clause that follows the text.
    pub fn parse(given: &str) -> Result<Self, String> {
        const WHY: &str =
            "is no window; write \"23:00-07:00\", \"Sun 03:00-05:00\" or \"Mon-Fri 22:00-06:00\"";
        let parts: Vec<&str> = given.split_whitespace().collect();
        let (days, hours) = match parts.as_slice() {
            [hours] => (EVERY_DAY, *hours),
            [days, hours] => (read_days(days).ok_or(WHY)?, *hours),
            _ => return Err(WHY.into()),
        };
        let (from, to) = hours.split_once('-').ok_or(WHY)?;
        let time = |text: &str| DayTime::parse(text).ok_or(WHY);
        Ok(Self { days, from: time(from)?, to: time(to)? })
    }

    /// The stretch that an instant lies in, on the wall of `zone`.
    ///
    /// It begins at the first and ends at the last instant at which the wall shows its times, so that an hour that
    /// comes twice lies wholly within it, and one that is skipped ends it at the end of the gap. One that ends when it
    /// begins is a whole day.
    pub fn around(&self, at: Millis, zone: Zone) -> Option<Stretch> {
        let today = zone.local(at).date();
        // Yesterday's may reach into today; the day before that covers the shifts of summer time.
        (0..3)
            .filter_map(|back| self.on(today.checked_sub_days(Days::new(back))?, zone))
            .find(|stretch| stretch.from <= at && at < stretch.until)
    }

    /// When it opens the next time after an instant.
    pub fn next_after(&self, at: Millis, zone: Zone) -> Option<Millis> {
        let today = zone.local(at).date();
        // A week has every day of it; two more cover the shifts of summer time.
        (0..10)
            .filter_map(|ahead| self.on(today.checked_add_days(Days::new(ahead))?, zone))
            .map(|stretch| stretch.from)
            .find(|from| at < *from)
    }

    fn on(&self, day: NaiveDate, zone: Zone) -> Option<Stretch> {
        let bit = 1_u8 << day.weekday().num_days_from_monday();
        if self.days & bit == 0 {
            return None;
        }
        let last = if self.to <= self.from { day.checked_add_days(Days::new(1))? } else { day };
        let wall = |day: NaiveDate, time: DayTime| {
            day.and_hms_opt(time.minutes() / 60, time.minutes() % 60, 0)
        };
        let (from, to) = (wall(day, self.from)?, wall(last, self.to)?);
        let until = match zone.instants(to) {
            (_, Some(second)) => second,
            (Some(_) | None, None) => zone.instant(to)?,
        };
        Some(Stretch { from: zone.instant(from)?, until })
    }
}

fn read_days(given: &str) -> Option<u8> {
    let number = |name: &str| NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
    let mut days = 0;
    for item in given.split(',') {
        let (from, to) = match item.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None => (number(item)?, number(item)?),
        };
        // "Sat-Mon" goes over the end of the week.
        let mut day = from;
        loop {
            days |= 1 << day;
            if day == to {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Some(days)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != EVERY_DAY {
            let days: Vec<&str> = NAMES
                .iter()
                .enumerate()
                .filter(|(n, _)| self.days & (1 << n) != 0)
                .map(|(_, name)| *name)
                .collect();
            write!(f, "{} ", days.join(","))?;
        }
        write!(f, "{}-{}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::zone::tests::{at, berlin};

    #[track_caller]
    fn check(window: &str, now: &str, want: Option<(&str, &str)>) {
        let got = Window::parse(window).unwrap().around(at(now), berlin());
        let want = want.map(|(from, until)| Stretch { from: at(from), until: at(until) });
        assert_eq!(got, want, "{window} at {now}");
    }

    #[test]
    fn a_night_reaches_into_the_next_day() {
        let night = Some(("2026-03-04T23:00:00+01:00", "2026-03-05T07:00:00+01:00"));
        check("23:00-07:00", "2026-03-04T22:59:59+01:00", None);
        check("23:00-07:00", "2026-03-04T23:00:00+01:00", night);
        check("23:00-07:00", "2026-03-05T06:59:59+01:00", night);
        check("23:00-07:00", "2026-03-05T07:00:00+01:00", None);
        // Named by the day on which it begins: Wednesday's.
        check("Wed 23:00-07:00", "2026-03-05T03:00:00+01:00", night);
        check("Thu 23:00-07:00", "2026-03-05T03:00:00+01:00", None);
    }

    #[test]
    fn days_are_lists_and_ranges() {
        let noon = |day: u32| format!("2026-03-{day:02}T12:00:00+01:00");
        // The 2nd of March is a Monday.
        for (window, open) in [
            ("11:00-13:00", vec![2, 3, 4, 5, 6, 7, 8]),
            ("sun 11:00-13:00", vec![8]),
            ("Mon-Fri 11:00-13:00", vec![2, 3, 4, 5, 6]),
            ("Sat-Mon,Wed 11:00-13:00", vec![2, 4, 7, 8]),
            ("00:00-00:00", vec![2, 3, 4, 5, 6, 7, 8]),
        ] {
            let parsed = Window::parse(window).unwrap();
            let got: Vec<u32> =
                (2..9).filter(|d| parsed.around(at(&noon(*d)), berlin()).is_some()).collect();
            assert_eq!(got, open, "{window}");
            assert_eq!(Window::parse(&parsed.to_string()), Ok(parsed));
        }
    }

    /// On 29 March 2026 the wall jumps from 02:00 to 03:00.
    #[test]
    fn where_the_hour_is_skipped() {
        let jump = "2026-03-29T03:00:00+02:00";
        check("Sun 02:30-05:00", jump, Some((jump, "2026-03-29T05:00:00+02:00")));
        check("Sun 02:30-05:00", "2026-03-29T01:59:59+01:00", None);
        check(
            "01:00-02:30",
            "2026-03-29T01:30:00+01:00",
            Some(("2026-03-29T01:00:00+01:00", jump)),
        );
        check("01:00-02:30", jump, None);
        check("02:15-02:45", jump, None);
        // A night is an hour shorter.
        check(
            "23:00-07:00",
            "2026-03-29T06:59:00+02:00",
            Some(("2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00")),
        );
    }

    /// On 25 October 2026 the wall goes from 03:00 back to 02:00.
    #[test]
    fn where_the_hour_comes_twice() {
        let (first, second) = ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00");
        // From the first 02:30 to the last: no hole, and no second opening.
        let whole = Some((first, "2026-10-25T05:00:00+01:00"));
        check("02:30-05:00", first, whole);
        check("02:30-05:00", "2026-10-25T02:10:00+01:00", whole);
        check("02:30-05:00", second, whole);
        let until = Some(("2026-10-24T23:00:00+02:00", second));
        check("23:00-02:30", "2026-10-25T02:40:00+02:00", until);
        check("23:00-02:30", "2026-10-25T02:29:00+01:00", until);
        check("23:00-02:30", second, None);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for wrong in ["", "23:00", "23-7", "Foo 01:00-02:00", "Mon 01:00", "24:00-01:00", "a b c"] {
            assert!(Window::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
