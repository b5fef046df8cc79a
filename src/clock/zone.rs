//! Time zones, and instants as people read them.

use std::fmt;
use std::path::Path;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use crate::model::time::{Millis, Span};

/// A time zone of the IANA database, which the binary carries: `Europe/Berlin`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// A time of the day on the wall: `07:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayTime {
    hour: u32,
    minute: u32,
}

/// The instants whose year has four digits: what people and RFC 3339 can write.
const WRITABLE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_000;

/// Longer than any gap or overlap that zones make nowadays.
pub(super) const LONGEST_SHIFT: TimeDelta = TimeDelta::hours(3);

impl Zone {
    pub const UTC: Self = Self(Tz::UTC);

    /// By its IANA name; letters' case must fit.
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// All names, for hints.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    /// The zone of a machine by its `/etc/localtime`; UTC where that says nothing known.
    pub fn of_link(localtime: &Path) -> Self {
        let name = std::fs::read_link(localtime).ok().and_then(|to| {
            let to = to.to_str()?;
            let (_, name) = to.rsplit_once("zoneinfo/")?;
            Self::parse(name)
        });
        name.unwrap_or(Self::UTC)
    }

    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// `2026-03-04`.
    pub fn day(self, at: Millis) -> String {
        self.at(at).format("%Y-%m-%d").to_string()
    }

    /// `08:41`.
    pub fn hm(self, at: Millis) -> String {
        self.at(at).format("%H:%M").to_string()
    }

    /// `08:41:07`.
    pub fn hms(self, at: Millis) -> String {
        self.at(at).format("%H:%M:%S").to_string()
    }

    /// `Wed 4 March 2026`.
    pub fn weekday_day_month(self, at: Millis) -> String {
        self.at(at).format("%a %-d %B %Y").to_string()
    }

    /// How far the wall is ahead of UTC at that instant.
    pub fn ahead(self, at: Millis) -> Span {
        Span::secs(i64::from(self.at(at).offset().fix().local_minus_utc()))
    }

    /// From 0 to 23.
    pub fn hour_of_day(self, at: Millis) -> u32 {
        self.at(at).hour()
    }

    /// The first instant of the day that `at` lies in.
    pub fn start_of_day(self, at: Millis) -> Millis {
        let midnight = self.local(at).date().and_time(chrono::NaiveTime::MIN);
        self.instant(midnight).unwrap_or(at)
    }

    /// The first instant of the last Sunday that had begun at `at`.
    pub fn start_of_sunday(self, at: Millis) -> Millis {
        let day = self.local(at).date();
        let since = chrono::Datelike::weekday(&day).num_days_from_sunday();
        let sunday = day - chrono::Days::new(u64::from(since));
        self.instant(sunday.and_time(chrono::NaiveTime::MIN)).unwrap_or(at)
    }

    /// The first instant of the month that `at` lies in: where a month's budget begins.
    pub fn start_of_month(self, at: Millis) -> Millis {
        let day = self.local(at).date();
        let first = chrono::Datelike::with_day(&day, 1).unwrap_or(day);
        self.instant(first.and_time(chrono::NaiveTime::MIN)).unwrap_or(at)
    }

    fn at(self, at: Millis) -> DateTime<Tz> {
        utc(at).with_timezone(&self.0)
    }

    /// What a clock on the wall shows.
    pub(super) fn local(self, at: Millis) -> NaiveDateTime {
        self.at(at).naive_local()
    }

    /// The instants at which the wall shows `local`: two where clocks are put back, none where they
    /// are put forward.
    pub(super) fn instants(self, local: NaiveDateTime) -> (Option<Millis>, Option<Millis>) {
        let millis = |t: DateTime<Tz>| Some(Millis(t.timestamp_millis()));
        match self.0.from_local_datetime(&local) {
            LocalResult::None => (None, None),
            LocalResult::Single(t) => (millis(t), None),
            LocalResult::Ambiguous(first, second) => (millis(first), millis(second)),
        }
    }

    /// The first instant at which the wall shows `local` or, where it skips that, the end of the gap.
    pub(super) fn instant(self, local: NaiveDateTime) -> Option<Millis> {
        let mut wall = local;
        while wall < local + LONGEST_SHIFT {
            if let (Some(first), _) = self.instants(wall) {
                return Some(first);
            }
            // Gaps end at a full minute.
            wall = wall.with_second(0)?.checked_add_signed(TimeDelta::minutes(1))?;
        }
        None
    }
}

/// An instant that a program wrote as RFC 3339, with any offset; `None` for what is none.
pub fn instant(text: &str) -> Option<Millis> {
    DateTime::parse_from_rfc3339(text.trim()).ok().map(|at| Millis(at.timestamp_millis()))
}

/// RFC 3339 in UTC, with seconds: `2026-03-04T07:41:00Z`.
pub fn stamp(at: Millis) -> String {
    utc(at).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads an instant or a day as registries and stores write them: RFC 3339, `2026-08-13 04:00:00`,
/// `2026-08-13`, `13-Aug-2026`, `2026.08.13`, `13.08.2026`, `20260813`. A day is its first instant, UTC.
pub fn read(text: &str) -> Option<Millis> {
    let text = text.trim();
    if 40 < text.len() {
        return None;
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(Millis(at.timestamp_millis()));
    }
    let first = text.split([' ', 'T']).next().unwrap_or(text);
    if let Ok(at) = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S") {
        return Some(Millis(at.and_utc().timestamp_millis()));
    }
    ["%Y-%m-%d", "%d-%b-%Y", "%Y.%m.%d", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d"]
        .iter()
        .find_map(|form| chrono::NaiveDate::parse_from_str(first, form).ok())
        .map(|day| Millis(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()))
}

/// An instant out of range becomes the nearest that can be written, so that nothing here can fail.
fn utc(at: Millis) -> DateTime<Utc> {
    let ms = at.0.clamp(*WRITABLE.start(), *WRITABLE.end());
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::UNIX_EPOCH)
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl DayTime {
    pub const fn new(hour: u32, minute: u32) -> Option<Self> {
        if hour < 24 && minute < 60 { Some(Self { hour, minute }) } else { None }
    }

    /// Reads `07:00` and `7:00`.
    pub fn parse(given: &str) -> Option<Self> {
        let (hour, minute) = given.split_once(':')?;
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if !digits(hour) || !digits(minute) || minute.len() != 2 || 2 < hour.len() {
            return None;
        }
        Self::new(hour.parse().ok()?, minute.parse().ok()?)
    }

    /// The next time the wall shows this, after `now`: once a day, at the first of two where clocks
    /// are put back, at the end of the gap where they are put forward.
    pub fn next_after(self, now: Millis, zone: Zone) -> Option<Millis> {
        let mut day = zone.local(now).date().pred_opt()?;
        for _ in 0..4 {
            let wall = day.and_hms_opt(self.hour, self.minute, 0)?;
            match zone.instant(wall) {
                Some(at) if now < at => return Some(at),
                Some(_) | None => day = day.succ_opt()?,
            }
        }
        None
    }

    /// Minutes since midnight, for windows.
    pub fn minutes(self) -> u32 {
        self.hour * 60 + self.minute
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::clock) fn berlin() -> Zone {
        Zone::parse("Europe/Berlin").unwrap()
    }

    /// An instant written as RFC 3339.
    pub(in crate::clock) fn at(text: &str) -> Millis {
        Millis(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn what_registries_write_is_read() {
        let day = at("2026-08-13T00:00:00Z");
        for text in [
            "2026-08-13",
            "13-Aug-2026",
            "2026.08.13",
            "13.08.2026",
            "2026/08/13",
            "20260813",
            "2026-08-13 (YYYY-MM-DD)",
            "2026-08-13T00:00:00Z",
            "2026-08-13T02:00:00+02:00",
            " 2026-08-13 00:00:00 ",
        ] {
            assert_eq!(read(text), Some(day), "{text}");
        }
        for text in ["", "soon", "2026-13-40", "13/08/2026", &"1".repeat(500)] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn instants_read_as_people_say_them() {
        let t = at("2026-03-04T07:41:09+01:00");
        let zone = berlin();
        assert_eq!(zone.day(t), "2026-03-04");
        assert_eq!(zone.hm(t), "07:41");
        assert_eq!(zone.weekday_day_month(t), "Wed 4 March 2026");
        assert_eq!(zone.hour_of_day(t), 7);
        assert_eq!(stamp(t), "2026-03-04T06:41:09Z");
        assert_eq!(zone.start_of_day(t), at("2026-03-04T00:00:00+01:00"));
        assert_eq!(zone.start_of_month(t), at("2026-03-01T00:00:00+01:00"));
    }

    #[test]
    fn no_instant_is_too_far_to_be_written() {
        assert_eq!(stamp(Millis(i64::MAX)), "9999-12-31T23:59:59Z");
        assert_eq!(stamp(Millis(i64::MIN)), "0001-01-01T00:00:00Z");
        for ms in [i64::MIN, i64::MAX] {
            berlin().weekday_day_month(Millis(ms));
            berlin().start_of_day(Millis(ms));
            DayTime::parse("07:00").unwrap().next_after(Millis(ms), berlin());
        }
    }

    #[test]
    fn day_times_are_read_strictly() {
        for (given, want) in [
            ("07:00", Some("07:00")),
            ("7:05", Some("07:05")),
            ("23:59", Some("23:59")),
            ("24:00", None),
            ("07:60", None),
            ("7", None),
            ("7:5", None),
            ("+7:00", None),
            ("007:00", None),
            (":00", None),
            ("", None),
        ] {
            assert_eq!(DayTime::parse(given).map(|t| t.to_string()).as_deref(), want, "{given:?}");
        }
    }

    #[test]
    fn a_day_time_comes_once_a_day_over_both_shifts() {
        let cases = [
            // On a plain day, before and after it, and at it.
            ("07:00", "2026-03-04T06:59:59+01:00", "2026-03-04T07:00:00+01:00"),
            ("07:00", "2026-03-04T07:00:00+01:00", "2026-03-05T07:00:00+01:00"),
            // 29 March 2026: 02:00 to 03:00 do not exist.
            ("02:30", "2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"),
            ("02:30", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"),
            // 25 October 2026: 02:00 to 03:00 come twice.
            ("02:30", "2026-10-25T01:59:00+02:00", "2026-10-25T02:30:00+02:00"),
            ("02:30", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"),
        ];
        for (time, now, want) in cases {
            let next = DayTime::parse(time).unwrap().next_after(at(now), berlin());
            assert_eq!(next.map(stamp), Some(stamp(at(want))), "{time} after {now}");
        }
    }

    #[test]
    fn the_zone_of_the_machine_is_read_from_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("localtime");
        assert_eq!(Zone::of_link(&link), Zone::UTC);
        std::os::unix::fs::symlink("../usr/share/zoneinfo/Europe/Berlin", &link).unwrap();
        assert_eq!(Zone::of_link(&link), berlin());
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("/usr/share/zoneinfo/Mars/Base", &link).unwrap();
        assert_eq!(Zone::of_link(&link), Zone::UTC);
    }
}
