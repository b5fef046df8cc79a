//! Crontab's five fields, over the shifts of summer time.

use std::collections::BTreeSet;
use std::fmt;

use chrono::Utc;

use crate::clock::zone::{LONGEST_SHIFT, Zone};
use crate::model::time::{Millis, Span};

/// When something runs, as crontab(5) writes it: `0 4 * * *`.
///
/// The search for slots is the `cron` crate's, fed with plain lists of numbers because its names,
/// steps and days of the week differ from crontab's; and fed with wall time, because near the shifts
/// of summer time it answers with instants that have passed.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    slots: cron::Schedule,
    hours: Hours,
}

/// What a shift of summer time does to a slot, as in Vixie cron: whoever names hours wants each once a
/// day, whoever stars them wants each hour that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hours {
    Named,
    Starred,
}

struct Field {
    name: &'static str,
    from: u32,
    to: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", from: 0, to: 59, names: &[] },
    Field { name: "hour", from: 0, to: 23, names: &[] },
    Field { name: "day of the month", from: 1, to: 31, names: &[] },
    Field { name: "month", from: 1, to: 12, names: &MONTHS },
    Field { name: "day of the week", from: 0, to: 7, names: &DAYS },
];

/// The most days that each month has.
const LONGEST_MONTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads five fields or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. The error is a clause
    /// that follows the text.
    pub fn parse(given: &str) -> Result<Self, String> {
        let text = given.trim();
        let long = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let parts: Vec<&str> = long.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            return Err(format!(
                "has {} fields, not the five of crontab: minute hour day month weekday, as in \"0 4 * * *\"",
                parts.len()
            ));
        };
        if *day != "*" && *weekday != "*" {
            return Err(
                "sets both the day of the month and the day of the week, which crontab reads as 'either' and most people as 'both'; leave one at *"
                    .into(),
            );
        }
        let [minutes, hours, days, months, weekdays] = &FIELDS;
        let months = months.read(month)?;
        let days = days.read(day)?;
        let can_come = |month: &u32| {
            let longest = usize::try_from(*month).ok().and_then(|m| LONGEST_MONTHS.get(m - 1));
            days.iter().any(|day| longest.is_some_and(|longest| day <= longest))
        };
        if !months.iter().any(can_come) {
            return Err("names a day that no such month has, so it would never run".into());
        }
        // The crate counts from 1 for Sunday; 7 is Sunday here as in crontab.
        let weekdays = weekdays.read(weekday)?.iter().map(|d| d % 7 + 1).collect::<BTreeSet<_>>();
        let fields = [&minutes.read(minute)?, &hours.read(hour)?, &days, &months, &weekdays];
        let lists: Vec<String> = fields.iter().map(|field| list(field)).collect();
        let slots = format!("0 {}", lists.join(" "))
            .parse()
            .map_err(|error: cron::error::Error| format!("is no schedule: {error}"))?;
        let hours = if hour.starts_with('*') { Hours::Starred } else { Hours::Named };
        Ok(Self { text: text.to_owned(), slots, hours })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot that lies ahead of `now`. `None` when there is none before the year 2100.
    ///
    /// A slot in the hour that comes twice runs once, one in the hour that is skipped runs at its end;
    /// with starred hours each hour that passes has its slots.
    pub fn next_after(&self, now: Millis, zone: Zone) -> Option<Millis> {
        // Wall time may go back by a shift, so slots that seem passed may be ahead, and a slot further
        // down the wall may come first.
        let from = zone.local(now).checked_sub_signed(LONGEST_SHIFT)?.and_utc();
        let mut best: Option<(chrono::DateTime<Utc>, Millis)> = None;
        for slot in self.slots.after(&from) {
            if best.is_some_and(|(wall, _)| wall + LONGEST_SHIFT < slot) {
                break;
            }
            let ahead = self.instants(slot, zone).into_iter().flatten().filter(|t| now < *t).min();
            best = match (best, ahead) {
                (Some((_, earlier)), Some(at)) if earlier <= at => best,
                (_, Some(at)) => Some((slot, at)),
                (_, None) => best,
            };
        }
        best.map(|(_, at)| at)
    }

    /// The latest slot after `since` and not after `now`: what is due. Whoever stores what this gives
    /// and passes it as `since` the next time runs each slot at most once, however the clock jumps, and
    /// only the latest of those that were slept through.
    pub fn due(&self, since: Millis, now: Millis, zone: Zone) -> Option<Millis> {
        // Looking back further only when the nearer past was empty bounds the work for any schedule.
        [Span::hours(1), Span::days(1), Span::days(32), Span::days(8 * 366)]
            .into_iter()
            .find_map(|back| self.last_within(since.max(now - back), now, zone))
    }

    fn last_within(&self, since: Millis, now: Millis, zone: Zone) -> Option<Millis> {
        let next = |at: &Millis| self.next_after(*at, zone).filter(|slot| *slot <= now);
        std::iter::successors(next(&since), next).last()
    }

    fn instants(&self, slot: chrono::DateTime<Utc>, zone: Zone) -> [Option<Millis>; 2] {
        let wall = slot.naive_utc();
        match self.hours {
            Hours::Named => [zone.instant(wall), None],
            Hours::Starred => zone.instants(wall).into(),
        }
    }
}

fn list(numbers: &BTreeSet<u32>) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

impl Field {
    /// The numbers that a field names.
    fn read(&self, given: &str) -> Result<BTreeSet<u32>, String> {
        let mut found = BTreeSet::new();
        for item in given.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (item, None),
            };
            let (from, to) = match (range, range.split_once('-')) {
                ("*", _) => (self.from, self.last()),
                (_, Some((from, to))) => (self.number(from)?, self.range_end(to)?),
                (one, None) if step.is_none() => (self.number(one)?, self.number(one)?),
                (_, None) => return Err(self.wrong(item, "a step needs * or a range before its /")),
            };
            if to < from {
                return Err(self.wrong(item, "the range ends before it begins"));
            }
            let step = match step.map(str::parse::<usize>) {
                None => 1,
                Some(Ok(step)) if 0 < step => step,
                Some(_) => return Err(self.wrong(item, "the step is no number above 0")),
            };
            found.extend((from..=to).step_by(step));
        }
        Ok(found)
    }

    /// The last number that is not another's second name: Sunday is 0 and 7.
    fn last(&self) -> u32 {
        if self.to == 7 { 6 } else { self.to }
    }

    fn range_end(&self, given: &str) -> Result<u32, String> {
        match self.number(given)? {
            // "Sat-Sun" ends on the Sunday that follows.
            0 if self.to == 7 => Ok(7),
            n => Ok(n),
        }
    }

    fn number(&self, given: &str) -> Result<u32, String> {
        let lower = given.to_ascii_lowercase();
        if let Some(index) = self.names.iter().position(|name| *name == lower) {
            return u32::try_from(index).map(|n| n + self.from).map_err(|e| e.to_string());
        }
        let digits = !given.is_empty() && given.bytes().all(|b| b.is_ascii_digit());
        match given.parse() {
            Ok(n) if digits && self.from <= n && n <= self.to => Ok(n),
            Ok(_) | Err(_) => Err(self.wrong(given, "it is outside the field")),
        }
    }

    fn wrong(&self, item: &str, why: &str) -> String {
        let item: String = item.chars().filter(|c| !c.is_control()).take(20).collect();
        let names = match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        format!(
            "has \"{item}\" as its {}: {why}; it takes {} to {}{names}",
            self.name, self.from, self.to
        )
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::zone::stamp;
    use crate::clock::zone::tests::{at, berlin};

    fn next(cron: &str, now: &str) -> String {
        let next = Cron::parse(cron).unwrap().next_after(at(now), berlin());
        next.map_or("never".into(), stamp)
    }

    #[test]
    fn fields_mean_what_crontab_means() {
        // From Wednesday, 4 March 2026, 08:41.
        for (cron, want) in [
            ("0 4 * * *", "2026-03-05T04:00:00+01:00"),
            ("*/15 * * * *", "2026-03-04T08:45:00+01:00"),
            ("10-20/5 9 * * *", "2026-03-04T09:10:00+01:00"),
            ("0 0 * * 0", "2026-03-08T00:00:00+01:00"),
            ("0 0 * * 7", "2026-03-08T00:00:00+01:00"),
            ("0 0 * * SUN", "2026-03-08T00:00:00+01:00"),
            ("0 0 * * 1", "2026-03-09T00:00:00+01:00"),
            ("0 0 * * 6", "2026-03-07T00:00:00+01:00"),
            ("0 0 * * Sat-Sun", "2026-03-07T00:00:00+01:00"),
            ("0 0 * * mon-fri", "2026-03-05T00:00:00+01:00"),
            ("0 0 1 * *", "2026-04-01T00:00:00+02:00"),
            ("0 0 1 jan,jul *", "2026-07-01T00:00:00+02:00"),
            ("0 0 29 2 *", "2028-02-29T00:00:00+01:00"),
            ("30 1,13 * * *", "2026-03-04T13:30:00+01:00"),
            ("@hourly", "2026-03-04T09:00:00+01:00"),
            ("@daily", "2026-03-05T00:00:00+01:00"),
            ("@weekly", "2026-03-08T00:00:00+01:00"),
            ("@monthly", "2026-04-01T00:00:00+02:00"),
            ("@yearly", "2027-01-01T00:00:00+01:00"),
        ] {
            assert_eq!(next(cron, "2026-03-04T08:41:00+01:00"), stamp(at(want)), "{cron}");
        }
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        for (cron, want) in [
            ("", "0 fields"),
            ("0 4 * *", "4 fields"),
            ("0 0 4 * * *", "6 fields"),
            ("@reboot", "1 fields"),
            ("60 * * * *", "minute"),
            ("* 24 * * *", "hour"),
            ("* * 0 * *", "day of the month"),
            ("* * * 13 *", "month"),
            ("* * * * 8", "day of the week"),
            ("* * * * fun", "day of the week"),
            ("0 0 1 * 1", "either"),
            ("0 0 30 2 *", "never run"),
            ("0 0 31 4,6 *", "never run"),
            ("*/0 * * * *", "step"),
            ("5/10 * * * *", "step needs"),
            ("20-10 * * * *", "ends before"),
            ("1,,2 * * * *", "outside"),
            ("+1 * * * *", "outside"),
            ("L * * * *", "outside"),
            ("99999999999999999999 * * * *", "outside"),
        ] {
            let why = Cron::parse(cron).unwrap_err();
            assert!(why.contains(want), "{cron:?}: {why}");
        }
    }

    #[test]
    fn the_skipped_hour_of_spring_skips_no_day() {
        // 29 March 2026: the wall goes from 02:00 to 03:00.
        assert_eq!(next("30 2 * * *", "2026-03-29T01:00:00+01:00"), "2026-03-29T01:00:00Z");
        assert_eq!(next("30 2 * * *", "2026-03-29T03:00:00+02:00"), "2026-03-30T00:30:00Z");
        assert_eq!(next("*/30 * * * *", "2026-03-29T01:30:00+01:00"), "2026-03-29T01:00:00Z");
        assert_eq!(next("0 4 * * *", "2026-03-28T04:00:00+01:00"), "2026-03-29T02:00:00Z");
    }

    #[test]
    fn the_double_hour_of_autumn_runs_named_hours_once() {
        // 25 October 2026: the wall goes from 03:00 back to 02:00.
        assert_eq!(next("30 2 * * *", "2026-10-25T01:00:00+02:00"), "2026-10-25T00:30:00Z");
        assert_eq!(next("30 2 * * *", "2026-10-25T02:30:00+02:00"), "2026-10-26T01:30:00Z");
        assert_eq!(next("30 2 * * *", "2026-10-25T02:05:00+01:00"), "2026-10-26T01:30:00Z");
    }

    /// Walks from slot to slot and wants one every `every`, always ahead.
    #[track_caller]
    fn walks(cron: &str, from: &str, to: &str, every: Span) {
        let (cron, to) = (Cron::parse(cron).unwrap(), at(to));
        let mut now = at(from);
        while now < to {
            let next = cron.next_after(now, berlin()).unwrap();
            assert_eq!(next.since(now), every, "after {}", stamp(now));
            now = next;
        }
    }

    #[test]
    fn starred_hours_run_in_every_hour_that_passes() {
        for day in ["2026-03-29", "2026-10-25"] {
            let (from, to) = (format!("{day}T00:00:00Z"), format!("{day}T06:00:00Z"));
            walks("*/15 * * * *", &from, &to, Span::mins(15));
            walks("0 * * * *", &from, &to, Span::hours(1));
        }
    }

    #[test]
    fn each_slot_is_due_once_however_the_clock_jumps() {
        let cron = Cron::parse("0 4 * * *").unwrap();
        let due = |since: &str, now: &str| cron.due(at(since), at(now), berlin()).map(stamp);
        let slot = Some("2026-03-04T03:00:00Z".to_owned());
        // In time, and not before.
        assert_eq!(due("2026-03-03T04:00:00+01:00", "2026-03-04T03:59:59+01:00"), None);
        assert_eq!(due("2026-03-03T04:00:00+01:00", "2026-03-04T04:00:00+01:00"), slot);
        // Run already; then the clock goes back over it, then passes it again.
        assert_eq!(due("2026-03-04T04:00:00+01:00", "2026-03-04T04:00:01+01:00"), None);
        assert_eq!(due("2026-03-04T04:00:00+01:00", "2026-03-04T03:50:00+01:00"), None);
        assert_eq!(due("2026-03-04T04:00:00+01:00", "2026-03-04T04:00:30+01:00"), None);
        // Asleep for days: only the latest.
        assert_eq!(due("2026-02-20T04:00:00+01:00", "2026-03-04T12:00:00+01:00"), slot);
        // Since for ever.
        assert_eq!(cron.due(Millis(0), at("2026-03-04T12:00:00+01:00"), berlin()).map(stamp), slot);
    }

    #[test]
    fn no_instant_makes_the_search_fail() {
        let cron = Cron::parse("* * * * *").unwrap();
        for ms in [i64::MIN, 0, i64::MAX] {
            cron.next_after(Millis(ms), berlin());
            cron.due(Millis(ms), Millis(0), berlin());
        }
    }
}
