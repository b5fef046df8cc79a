//! Instants as a terminal shows them: as short as they are clear.

use crate::clock::zone::Zone;
use crate::model::time::{Millis, Span};

/// The zone and the moment that times are told in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    zone: Zone,
    now: Millis,
}

impl When {
    /// A zone by its IANA name; one that this reef does not know is UTC.
    pub(crate) fn new(zone: &str, now: Millis) -> Self {
        Self { zone: Zone::parse(zone).unwrap_or(Zone::UTC), now }
    }

    /// `08:41` today, `Mon 08:41` within six days, `2026-03-01 08:41` else.
    pub(crate) fn at(&self, at: Millis) -> String {
        let (day, time) = (self.zone.day(at), self.zone.hm(at));
        if day == self.zone.day(self.now) {
            return time;
        }
        let near = self.now.since(at) < Span::days(6) && at.since(self.now) < Span::days(6);
        match self.zone.weekday_day_month(at).split(' ').next() {
            Some(weekday) if near => format!("{weekday} {time}"),
            Some(_) | None => format!("{day} {time}"),
        }
    }

    /// `Tue 3 March 2026, 08:50`.
    pub(crate) fn now(&self) -> String {
        format!("{}, {}", self.zone.weekday_day_month(self.now), self.zone.hm(self.now))
    }

    pub(crate) fn since(&self, at: Millis) -> Span {
        self.now.since(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_short_as_they_are_clear() {
        // Tue 3 March 2026, 08:50 in Berlin.
        let now = Millis(1_772_524_200_000);
        let when = When::new("Europe/Berlin", now);
        assert_eq!(when.now(), "Tue 3 March 2026, 08:50");
        for (at, want) in [
            (now, "08:50"),
            (now - Span::hours(8), "00:50"),
            (now - Span::hours(9), "Mon 23:50"),
            (now - Span::days(5), "Thu 08:50"),
            (now - Span::days(6), "2026-02-25 08:50"),
            (now + Span::days(1), "Wed 08:50"),
            (now + Span::days(30), "2026-04-02 09:50"),
        ] {
            assert_eq!(when.at(at), want);
        }
        assert_eq!(When::new("Mars/Base", now).at(now), "07:50");
    }
}
