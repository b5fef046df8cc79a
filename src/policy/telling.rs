//! When and how much the human is told: quiet hours, silences, the storm cap, the group wait, reminders.

use crate::clock::window::{Stretch, Window};
use crate::clock::zone::{DayTime, Zone};
use crate::config::section::{Entry, Section};
use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::model::silence::{Pattern, Silence};
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};

/// What the config says of it: keys of `[notify]`, and `[silence.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    pub zone: Zone,
    /// Messages wait for its end; pages do not.
    pub quiet: Option<Window>,
    /// So many messages within [`STORM`]; what is beyond is told in one.
    pub storm: u32,
    /// How long a red that hangs on others waits for them to explain it.
    pub group_wait: Span,
    /// When what nobody acknowledged is told again.
    pub remind: Vec<DayTime>,
    /// The recurring silences.
    pub silences: Vec<Recurring>,
}

/// A silence that the config names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurring {
    pub name: String,
    pub about: Vec<Pattern>,
    pub when: Window,
    pub zone: Zone,
    pub note: Option<String>,
}

/// The time over which messages are counted.
pub const STORM: Span = Span::mins(10);
/// Messages that waited for so long are told together: they are news no more, and one buzz is enough.
pub const STALE: Span = Span::mins(2);

impl Default for Telling {
    /// UTC, no quiet hours, ten messages in ten minutes, half a minute for the group, reminders at 07:00 and 19:00.
    fn default() -> Self {
        Self {
            zone: Zone::UTC,
            quiet: None,
            storm: 10,
            group_wait: Span::secs(30),
            remind: [7, 19].into_iter().filter_map(|hour| DayTime::new(hour, 0)).collect(),
            silences: Vec::new(),
        }
    }
}

/// Why a signal is not told of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silenced {
    pub words: String,
    pub until: Millis,
}

impl Telling {
    /// Reads the keys of `[notify]` that are no table of a way, and `[silence.NAME]`. `zone` is the config's own.
    pub fn read(root: &mut Section, notify: &mut Section, zone: Zone) -> Self {
        let default = Self::default();
        let zone = notify.opt("timezone").unwrap_or(zone);
        let storm = notify.or("storm", default.storm);
        if storm == 0 {
            notify.mistake("storm", "counts messages, so it is 1 at least");
        }
        Self {
            zone,
            quiet: notify.opt("quiet"),
            storm: storm.max(1),
            group_wait: notify.or("group_wait", default.group_wait),
            remind: notify.list_or("remind", default.remind),
            silences: recurring(root.section("silence"), zone),
        }
    }

    /// The quiet hours that this instant lies in.
    pub fn quiet(&self, at: Millis) -> Option<Stretch> {
        self.quiet.as_ref()?.around(at, self.zone)
    }

    /// When messages may be sent again; none where they may now.
    pub fn held_until(&self, urgency: Urgency, at: Millis) -> Option<Millis> {
        match urgency {
            Urgency::Message => self.quiet(at).map(|stretch| stretch.until),
            Urgency::Page => None,
        }
    }

    /// What silences this signal now; of several the one that lasts longest.
    pub fn silenced(
        &self,
        typed: &[Silence],
        signal: &Signal,
        name: &str,
        at: Millis,
    ) -> Option<Silenced> {
        let by_hand = typed
            .iter()
            .filter(|s| s.from <= at && at < s.until && s.about.is_about(signal, name))
            .map(|s| Silenced { words: s.to_string(), until: s.until });
        let recurring = self.silences.iter().filter_map(|silence| {
            silence.about.iter().find(|about| about.is_about(signal, name))?;
            let stretch = silence.when.around(at, silence.zone)?;
            Some(Silenced { words: silence.words(), until: stretch.until })
        });
        by_hand.chain(recurring).max_by_key(|silenced| silenced.until)
    }

    /// When the unanswered is told again, after `now`.
    pub fn next_reminder(&self, now: Millis) -> Option<Millis> {
        self.remind.iter().filter_map(|time| time.next_after(now, self.zone)).min()
    }
}

impl Recurring {
    pub fn words(&self) -> String {
        match &self.note {
            Some(note) => format!("silence {} ({note})", self.name),
            None => format!("silence {}", self.name),
        }
    }
}

fn recurring(mut all: Section, zone: Zone) -> Vec<Recurring> {
    let mut found = Vec::new();
    for (name, entry) in all.entries() {
        let Entry::Table(mut section) = entry else {
            all.mistake(&name, format!("is no table; write [silence.{name}]"));
            continue;
        };
        let when: Option<Window> = section.need("when");
        let own = section.opt("timezone").unwrap_or(zone);
        let note = section.opt("note");
        let about: Vec<Pattern> = match section.has("match") {
            true => section.list("match").unwrap_or_default(),
            false => {
                section.mistake("match", "is missing: what is silenced? A probe, a host, a target");
                Vec::new()
            }
        };
        if let Some(when) = when {
            found.push(Recurring { name, about, when, zone: own, note });
        }
    }
    found
}

/// Whether what waits for one way to the human goes now, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// One by one, in order.
    Each,
    /// All of them in one message.
    Together,
    /// Not before then.
    Later(Millis),
}

/// How the messages that are due to one way are sent. Pages and questions are not asked here.
///
/// `oldest` is when the oldest of the `due` was enqueued, `sent` are the times of those that went this way within
/// [`STORM`]. In quiet hours they wait; what waited (for the morning, for the network) goes in one; so does what is
/// more than the storm cap allows, as soon as that lets one through.
pub fn sending(
    telling: &Telling,
    due: usize,
    oldest: Millis,
    sent: &[Millis],
    now: Millis,
) -> Sending {
    if let Some(until) = telling.held_until(Urgency::Message, now) {
        return Sending::Later(until);
    }
    let most = usize::try_from(telling.storm).unwrap_or(usize::MAX);
    if most < sent.len() + due {
        // One place is kept for the digest of what the rest of the storm brings.
        return match sent.len() < most {
            true if due <= 1 => Sending::Each,
            true => Sending::Together,
            false => {
                let first = sent.iter().min().copied().unwrap_or(now);
                Sending::Later(first + STORM)
            }
        };
    }
    match 1 < due && STALE <= now.since(oldest) {
        true => Sending::Together,
        false => Sending::Each,
    }
}

/// Several messages as one: a line each, oldest first, as severe as the worst that still stands.
pub fn together(messages: &[(Millis, &Message)], zone: Zone, now: Millis) -> Option<Message> {
    let (_, last) = messages.last()?;
    let day = zone.day(now);
    let line = |(at, message): &(Millis, &Message)| {
        let when = match zone.day(*at) == day {
            true => zone.hm(*at),
            false => format!("{} {}", zone.day(*at), zone.hm(*at)),
        };
        let first = message.body.lines().next().unwrap_or("");
        format!("{when} {}: {first}", message.title)
    };
    let worst = messages.iter().map(|(_, m)| m.severity).max().unwrap_or(Severity::Green);
    Some(Message {
        urgency: Urgency::Message,
        title: format!("{} messages while nobody was told", messages.len()),
        body: messages.iter().map(line).collect::<Vec<_>>().join("\n"),
        severity: worst,
        incident: None,
        approval: None,
        key: format!("together until {}", last.key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env::Env;
    use crate::config::given::Source;
    use crate::config::section::Reader;
    use crate::model::ids::{SilenceId, Word};

    const DAY: i64 = 86_400_000;

    fn hm(hour: i64, minute: i64) -> Millis {
        Millis(DAY * 20_000) + Span::hours(hour) + Span::mins(minute)
    }

    fn quiet() -> Telling {
        Telling { quiet: Window::parse("23:00-07:00").ok(), ..Telling::default() }
    }

    fn disk() -> Signal {
        Signal {
            probe: Word::of("disk"),
            target: "nas:/srv".parse().unwrap(),
            aspect: Word::of("bytes"),
        }
    }

    #[test]
    fn messages_wait_for_the_morning_and_pages_do_not() {
        let telling = quiet();
        assert_eq!(telling.held_until(Urgency::Message, hm(23, 30)), Some(hm(31, 0)));
        assert_eq!(telling.held_until(Urgency::Page, hm(23, 30)), None);
        assert_eq!(telling.held_until(Urgency::Message, hm(12, 0)), None);
        assert_eq!(Telling::default().held_until(Urgency::Message, hm(23, 30)), None);
    }

    #[test]
    fn how_what_waits_is_sent() {
        let telling = quiet();
        let noon = hm(12, 0);
        let ago = |mins| noon - Span::mins(mins);
        let many: Vec<Millis> = (0..10).map(|n| ago(9) + Span::secs(n)).collect();
        for (what, due, oldest, sent, now, want) in [
            ("fresh", 3, noon, &[][..], noon, Sending::Each),
            ("one that waited", 1, ago(60), &[], noon, Sending::Each),
            ("several that waited", 3, ago(60), &[], noon, Sending::Together),
            ("night", 1, hm(23, 30), &[], hm(23, 30), Sending::Later(hm(31, 0))),
            ("morning", 5, hm(1, 0), &[], hm(7, 0), Sending::Together),
            ("a storm at once", 40, noon, &[], noon, Sending::Together),
            ("the last place", 1, noon, &many[..9], noon, Sending::Each),
            ("the last place, and more", 2, noon, &many[..9], noon, Sending::Together),
            ("a storm", 1, noon, &many[..], noon, Sending::Later(ago(9) + STORM)),
        ] {
            assert_eq!(sending(&telling, due, oldest, sent, now), want, "{what}");
        }
    }

    #[test]
    fn one_message_of_many_has_a_line_each_with_its_time() {
        let message = |title: &str, severity| Message {
            urgency: Urgency::Message,
            title: title.into(),
            body: "first\nsecond".into(),
            severity,
            incident: None,
            approval: None,
            key: title.into(),
        };
        let (red, green) = (message("red a", Severity::Red), message("green a", Severity::Green));
        let all = [(hm(2, 10), &red), (hm(2, 25), &green)];
        let one = together(&all, Zone::UTC, hm(7, 0)).unwrap();
        assert_eq!(one.body, "02:10 red a: first\n02:25 green a: first");
        assert_eq!(
            (one.severity, one.title.as_str()),
            (Severity::Red, "2 messages while nobody was told")
        );
        assert_eq!(together(&[], Zone::UTC, hm(7, 0)), None);
    }

    #[test]
    fn silences_end_and_the_longest_counts() {
        let typed = |about: &str, from, until| Silence {
            id: SilenceId(1),
            about: Pattern::parse(about).unwrap(),
            note: "moving".into(),
            by: "me".into(),
            from,
            until,
        };
        let telling = Telling {
            silences: vec![Recurring {
                name: "scrub".into(),
                about: vec![Pattern::parse("nas").unwrap()],
                when: Window::parse("03:00-05:00").unwrap(),
                zone: Zone::UTC,
                note: None,
            }],
            ..Telling::default()
        };
        let one = [typed("disk", hm(2, 0), hm(4, 0))];
        let words = |at| {
            telling.silenced(&one, &disk(), "disk", at).map(|s| (s.words, s.until.since(hm(0, 0))))
        };
        assert_eq!(words(hm(1, 59)), None);
        assert_eq!(words(hm(2, 0)), Some(("silence S-1 (moving)".into(), Span::hours(4))));
        assert_eq!(words(hm(3, 30)), Some(("silence scrub".into(), Span::hours(5))));
        assert_eq!(words(hm(5, 0)), None);
        let other = [typed("http.*", hm(0, 0), hm(9, 0))];
        assert_eq!(telling.silenced(&other, &disk(), "disk", hm(1, 0)), None);
    }

    #[test]
    fn the_next_reminder_is_the_nearest_of_the_day() {
        let telling = Telling::default();
        assert_eq!(telling.next_reminder(hm(6, 59)), Some(hm(7, 0)));
        assert_eq!(telling.next_reminder(hm(7, 0)), Some(hm(19, 0)));
        assert_eq!(telling.next_reminder(hm(20, 0)), Some(hm(31, 0)));
    }

    #[test]
    fn the_config_is_read_and_its_mistakes_told() {
        let read = |text: &str| {
            let (reader, mut root) = Reader::open(Source::new("c", text), Env::of([]));
            let mut notify = root.section("notify");
            let telling = Telling::read(&mut root, &mut notify, Zone::UTC);
            notify.finish();
            root.finish();
            reader.done().map(|_| telling).map_err(|m| m.to_string())
        };
        let telling = read(
            "[notify]\nquiet = \"23:00-07:00\"\ntimezone = \"Europe/Berlin\"\nstorm = 5\n\
             group_wait = \"1m\"\nremind = [\"08:00\"]\n\
             [silence.scrub]\nmatch = [\"nas\", \"disk\"]\nwhen = \"Sun 03:00-05:00\"\nnote = \"scrub\"",
        )
        .unwrap();
        assert_eq!(
            (telling.storm, telling.group_wait, telling.remind.len()),
            (5, Span::mins(1), 1)
        );
        assert_eq!((telling.zone.name(), telling.silences[0].about.len()), ("Europe/Berlin", 2));
        for (wrong, why) in [
            ("[notify]\nquiet = \"23-7\"", "is no window"),
            ("[notify]\nstorm = 0", "1 at least"),
            ("[silence.a]\nmatch = \"nas\"", "when: is missing"),
            ("[silence.a]\nwhen = \"01:00-02:00\"", "match: is missing"),
            ("[silence.a]\nmatch = \"*\"\nwhen = \"01:00-02:00\"", "nearly everything"),
            ("[silence]\na = 5", "[silence.a]"),
        ] {
            let told = read(wrong).unwrap_err();
            assert!(told.contains(why), "{wrong}: {told}");
        }
    }
}
