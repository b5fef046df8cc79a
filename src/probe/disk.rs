//! `disk`: bytes and inodes of every real volume.

mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clients::host::mountinfo::{self, Reach};
use crate::model::fact::{Fact, FactValue, Facts, Volume};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values, human_bytes};
use crate::policy::baseline::Daily;
use crate::policy::threshold::Judged;
pub use crate::probe::disk::settings::{Levels, Settings, configure};
use crate::probe::spoken::{Numbered, Spoken, host_signal, number, percent, whole};
use crate::probe::{HostProbe, Others, Past, ask};

/// So much more overnight is unusual on a volume of any size: 200 GiB.
const LARGE_GROWTH: f64 = 200.0 * 1_073_741_824.0;

/// Looks in a row in which a volume did not answer, after which that is red.
const STALE_AFTER: u32 = 3;

/// Where people put what they take away again: such a volume is forgotten when it is gone.
const REMOVABLE: [&str; 3] = ["/media", "/run/media", "/tmp"];

/// What a reading has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "path", kind: Kind::Path, doc: "the volume's mount point, or the folder" },
        Gives { name: "free", kind: Kind::Bytes, doc: "what may still be written" },
        Gives {
            name: "total",
            kind: Kind::Bytes,
            doc: "the volume's size, or the folder's budget",
        },
        Gives { name: "used_percent", kind: Kind::Int, doc: "of bytes, or of inodes" },
        Gives { name: "source", kind: Kind::Text, doc: "what is mounted there" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct Disk {
    settings: Settings,
    host: HostName,
    spoken: Spoken,
    /// Looks in a row in which a volume did not answer.
    stale: BTreeMap<AbsPath, u32>,
    /// Whoever serves a volume from another machine explains that it does not answer.
    others: Others,
}

impl Disk {
    pub fn new(settings: Settings, host: HostName) -> Self {
        let (spoken, stale) = (Spoken::default(), BTreeMap::new());
        Self { settings, host, spoken, stale, others: Others::default() }
    }

    fn signal(&self, path: &AbsPath, aspect: &'static str) -> Signal {
        let target = Target::path(self.host.clone(), path);
        Signal { probe: Word::of("disk"), target, aspect: Word::of(aspect) }
    }

    /// The host that a volume lies on, where it is another one that the config knows.
    fn server(&self, volume: &Volume) -> Option<Signal> {
        let called = served_by(volume)?.to_ascii_lowercase();
        self.others.get(&called).map(ask::host_signal)
    }

    fn volume(&mut self, volume: &Volume, past: &dyn Past, now: Millis) -> Vec<Reading> {
        let bytes = self.signal(&volume.mount, "bytes");
        if let Some(why) = &volume.stale {
            let looks = self.stale.entry(volume.mount.clone()).or_default();
            *looks = looks.saturating_add(1);
            let severity = if *looks < STALE_AFTER { Severity::Unknown } else { Severity::Red };
            let words = format!("{} {why}", volume.source);
            let reading = Reading::new(bytes, now, severity, Word::of("stale"), &words);
            return vec![Reading { values: values(volume, 0.0), ..reading }];
        }
        self.stale.remove(&volume.mount);
        if volume.total_bytes == 0 {
            // A server's volume on another host, whose room is watched where it lies.
            let words = format!("{} answers", volume.source);
            let reading = Reading::new(bytes, now, Severity::Green, Word::of("ok"), &words);
            return vec![Reading { values: values(volume, 0.0), ..reading }];
        }
        let growth = past.growth_per_day(&bytes, now);
        let mut judged = self.settings.bytes(volume, growth);
        let daily = past.daily(&bytes, judged.value, now);
        self.settings.overnight(volume, daily, &mut judged);
        let mut readings = vec![judged.reading(bytes, now)];
        if 0 < volume.total_inodes {
            let inodes = self.settings.inodes(volume);
            readings.push(inodes.reading(self.signal(&volume.mount, "inodes"), now));
        }
        readings
    }
}

impl Settings {
    /// `growth` in percentage points a day.
    fn bytes(&self, volume: &Volume, growth: Option<f64>) -> Numbered {
        let used = percent(
            volume.total_bytes - volume.free_bytes.min(volume.total_bytes),
            volume.total_bytes,
        );
        let full_in = growth.filter(|g| 0.001 < *g).map(|g| (100.0 - used) / g);
        let mut judged = self.threshold(&volume.mount).judge(used);
        if self.large < volume.total_bytes && !self.mounts.contains_key(&volume.mount) {
            let short = self.short(volume.free_bytes, full_in, 1.0);
            let severity = judged.severity.min(short);
            // Room and time must be a tenth more than where they fire before they clear.
            let clears = judged.clears.min(self.short(volume.free_bytes, full_in, 1.1));
            judged = Judged { severity, clears: clears.max(severity) };
        }
        let mut reason = "bytes";
        if self.floor_from <= volume.total_bytes {
            let red = |is: bool| if is { Severity::Red } else { Severity::Green };
            let severity = judged.severity.max(red(volume.free_bytes < self.floor));
            let clears = red(volume.free_bytes < self.floor.saturating_add(self.floor / 5));
            judged = Judged { severity, clears: judged.clears.max(clears).max(severity) };
        }
        let mut words = format!("{used:.0} %, {} free", human_bytes(volume.free_bytes));
        if let Some(days) = full_in.filter(|days| *days < 30.0) {
            words.push_str(&format!(", full in {days:.1} d"));
        }
        if volume.read_only {
            judged = Judged { severity: Severity::Red, clears: Severity::Red };
            reason = "read-only";
            words = format!("turned read-only; {words}");
        }
        let values = values(volume, used);
        Numbered { judged, reason, value: used, unit: Unit::Percent, words, values }
    }

    /// Far more since yesterday than it ever grows is yellow long before the volume is full. `daily` is in
    /// percentage points.
    fn overnight(&self, volume: &Volume, daily: Option<Daily>, judged: &mut Numbered) {
        let Some(daily) = daily else { return };
        let total = number(volume.total_bytes);
        // A fiftieth of a small volume is soon written; of a large one 200 GiB are much in any case.
        let floor = number(self.growth).max((total / 50.0).min(LARGE_GROWTH));
        let floor = if 0.0 < total { floor * 100.0 / total } else { return };
        if !daily.is_unusual(floor, 0.7) {
            return;
        }
        judged.judged.clears = judged.judged.clears.max(Severity::Yellow);
        if daily.is_unusual(floor, 1.0) {
            if judged.judged.severity == Severity::Green {
                judged.judged.severity = Severity::Yellow;
                judged.reason = "growth";
            }
            let of = |points: f64| human_bytes(whole_bytes(points.max(0.0) / 100.0 * total));
            judged.words.push_str(&format!(
                "; +{} since yesterday, usually +{} a day",
                of(daily.change),
                of(daily.usual)
            ));
        }
    }

    /// How short of room a large volume is; `slack` widens the levels.
    fn short(&self, free: u64, full_in: Option<f64>, slack: f64) -> Severity {
        let within =
            |span: Span| full_in.is_some_and(|days| days < span.as_secs_f64() / 86_400.0 * slack);
        let below = |level: u64| number(free) < number(level) * slack;
        if below(self.red_free) || within(self.red_within) {
            Severity::Red
        } else if below(self.yellow_free) || within(self.yellow_within) {
            Severity::Yellow
        } else {
            Severity::Green
        }
    }

    fn inodes(&self, volume: &Volume) -> Numbered {
        let left = volume.free_inodes.min(volume.total_inodes);
        let used = percent(volume.total_inodes - left, volume.total_inodes);
        Numbered {
            judged: self.threshold(&volume.mount).judge(used),
            reason: "inodes",
            value: used,
            unit: Unit::Percent,
            words: format!("{used:.0} % of inodes, {left} left"),
            values: values(volume, used),
        }
    }
}

/// Who serves a volume, as its source names them: `nas:/tank`, `//nas/media`, `me@nas:/home`, `[fe80::1]:/tank`.
fn served_by(volume: &Volume) -> Option<&str> {
    if mountinfo::reach(&volume.fs) != Some(Reach::Remote) {
        return None;
    }
    let source = volume.source.as_str();
    let named = match source.strip_prefix("//").or_else(|| source.strip_prefix("\\\\")) {
        Some(share) => share.split(['/', '\\']).next()?,
        None => match source.rsplit_once("]:") {
            Some((address, _)) => address,
            None => source.split_once(':')?.0,
        },
    };
    let host = named.rsplit('@').next()?.trim_matches(['[', ']']);
    (!host.is_empty()).then_some(host)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
fn whole_bytes(bytes: f64) -> u64 {
    bytes as u64
}

fn values(volume: &Volume, used: f64) -> Values {
    BTreeMap::from([
        ("path".to_owned(), Value::Path(volume.mount.clone())),
        ("free".to_owned(), Value::Bytes(volume.free_bytes)),
        ("total".to_owned(), Value::Bytes(volume.total_bytes)),
        ("used_percent".to_owned(), whole(used)),
        ("source".to_owned(), Value::Text(Tainted::bounded(&volume.source, 200))),
    ])
}

impl HostProbe for Disk {
    fn introduce(&mut self, others: &Others) {
        self.others = Arc::clone(others);
    }

    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Volumes])
    }

    fn judge(&mut self, facts: &Facts, past: &dyn Past, now: Millis) -> Vec<Reading> {
        let volumes = match facts.get(&Fact::Volumes) {
            Some(Ok(FactValue::Volumes(volumes))) => volumes,
            other => {
                let why = other.and_then(|found| found.as_ref().err());
                return self.spoken.blind(host_signal("disk", &self.host, "bytes"), now, why);
            }
        };
        let mut readings = Vec::new();
        let mut there = BTreeSet::new();
        for volume in volumes {
            if !self.settings.ignores(&volume.mount) {
                let parent = self.server(volume);
                let told = self.volume(volume, past, now);
                readings.extend(told.into_iter().map(|r| Reading { parent: parent.clone(), ..r }));
                there.insert(volume.mount.clone());
            }
        }
        self.stale.retain(|mount, _| there.contains(mount));
        let servers: BTreeMap<AbsPath, Signal> = volumes
            .iter()
            .filter_map(|volume| Some((volume.mount.clone(), self.server(volume)?)))
            .collect();
        self.spoken.complete(readings, |signal| {
            let parent = signal.target.as_path().and_then(|path| servers.get(&path).cloned());
            let told = lost(signal, &there, volumes.len(), now)?;
            Some(Reading { parent, ..told })
        })
    }
}

/// What is said of a signal that no volume of this look has.
fn lost(signal: &Signal, there: &BTreeSet<AbsPath>, n: usize, now: Millis) -> Option<Reading> {
    if signal.target.thing() == Thing::Host {
        // The stand-in of a look that saw no volume at all.
        let words = format!("{n} volumes can be looked at again");
        return Some(Reading::new(signal.clone(), now, Severity::Green, Word::of("ok"), &words));
    }
    let path = signal.target.as_path()?;
    if there.contains(&path) {
        // A stale volume tells no inodes.
        let words = "the volume does not answer";
        return Some(Reading::unknown(signal.clone(), now, Word::of("stale"), words));
    }
    let removable = |root: &str| AbsPath::new(root).is_ok_and(|root| path.is_below(&root));
    if REMOVABLE.into_iter().any(removable) {
        return None;
    }
    let words = "is no longer mounted; if that is meant, reload reef";
    Some(Reading::unknown(signal.clone(), now, Word::of("gone"), words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::NoFact;
    use crate::probe::past::NoPast;

    const GIB: u64 = 1 << 30;
    const TIB: u64 = 1 << 40;

    struct Growing(f64);
    impl Past for Growing {
        fn same_hour(&self, _: &Signal, _: Millis) -> Option<f64> {
            None
        }
        fn median(&self, _: &Signal, _: Millis) -> Option<f64> {
            None
        }
        fn growth_per_day(&self, _: &Signal, _: Millis) -> Option<f64> {
            Some(self.0)
        }
    }

    fn volume(total: u64, free: u64) -> Volume {
        Volume {
            mount: AbsPath::new("/var").unwrap(),
            source: "/dev/sda1".into(),
            fs: "ext4".into(),
            total_bytes: total,
            free_bytes: free,
            total_inodes: 0,
            free_inodes: 0,
            read_only: false,
            stale: None,
        }
    }

    fn probe() -> Disk {
        Disk::new(Settings::default(), HostName::new("mini").unwrap())
    }

    fn look(probe: &mut Disk, volumes: &[Volume], past: &dyn Past) -> Vec<Reading> {
        let facts = Facts::from([(Fact::Volumes, Ok(FactValue::Volumes(volumes.to_vec())))]);
        probe.judge(&facts, past, Millis(1))
    }

    #[track_caller]
    fn check(volume: Volume, growth: Option<f64>, want: (Severity, Severity, &str)) {
        let past: Box<dyn Past> = match growth {
            Some(g) => Box::new(Growing(g)),
            None => Box::new(NoPast),
        };
        let got = look(&mut probe(), &[volume], past.as_ref()).remove(0);
        assert_eq!((got.severity, got.clears, got.reason.as_str()), want, "{}", got.words);
    }

    #[test]
    fn bytes_are_judged_by_share_floor_room_and_growth() {
        use Severity::{Green, Red, Yellow};
        let share = |percent: u64| volume(10 * GIB, 10 * GIB * (100 - percent) / 100);
        check(share(50), None, (Green, Green, "ok"));
        check(share(84), None, (Green, Yellow, "ok"));
        check(share(86), None, (Yellow, Yellow, "bytes"));
        check(share(89), None, (Yellow, Red, "bytes"));
        check(share(91), None, (Red, Red, "bytes"));
        // The floor counts from 20 GiB on: a boot volume of 1 GiB always has less than 1 GiB free.
        check(volume(GIB, GIB / 2), None, (Green, Green, "ok"));
        check(Volume { free_bytes: GIB - 1, ..volume(25 * GIB, 0) }, None, (Red, Red, "bytes"));
        // A large volume must be short of room too.
        check(volume(20 * TIB, 2 * TIB - 1), None, (Green, Green, "ok"));
        check(volume(2 * TIB, 49 * GIB), None, (Yellow, Yellow, "bytes"));
        check(volume(2 * TIB, 52 * GIB), None, (Green, Yellow, "ok"));
        check(volume(2 * TIB, 19 * GIB), None, (Red, Red, "bytes"));
        check(volume(20 * TIB, 2 * TIB - 1), Some(2.0), (Yellow, Yellow, "bytes"));
        check(volume(20 * TIB, 2 * TIB - 1), Some(11.0), (Red, Red, "bytes"));
        check(volume(20 * TIB, 2 * TIB - 1), Some(-5.0), (Green, Green, "ok"));
        // Growth alone is no reason.
        check(volume(20 * TIB, 10 * TIB), Some(60.0), (Green, Green, "ok"));
        let fallen = Volume { read_only: true, ..share(10) };
        check(fallen, None, (Red, Red, "read-only"));
    }

    /// A past of four weeks that grew by so many GiB a day, on a volume of 8 TiB.
    fn grown(a_day: f64) -> crate::probe::past::Pasts {
        let mut past = crate::probe::past::Pasts::default();
        let signal = probe().signal(&AbsPath::new("/var").unwrap(), "bytes");
        let percent = |hour: i64| 10.0 + a_day / 81.92 * hour as f64 / 24.0;
        past.seed(&signal, (0..28 * 24).map(|h| (Millis(0) + Span::hours(h), percent(h))));
        past
    }

    #[test]
    fn five_gigabytes_a_day_is_planning_and_five_hundred_overnight_is_an_incident() {
        use Severity::{Green, Yellow};
        let now = Millis(0) + Span::hours(28 * 24);
        for (a_day, tonight, want) in [
            (5.0, 5.0, (Green, Green, "ok")),
            (5.0, 100.0, (Green, Green, "ok")),
            (5.0, 130.0, (Green, Yellow, "ok")),
            (5.0, 500.0, (Yellow, Yellow, "growth")),
            (0.0, 500.0, (Yellow, Yellow, "growth")),
            // One that always grows so does so today too.
            (180.0, 190.0, (Green, Green, "ok")),
        ] {
            let used = 10.0 / 100.0 * 8_192.0 + a_day * 27.0 + tonight;
            let free = 8 * TIB - whole_bytes(used * GIB as f64);
            let facts =
                Facts::from([(Fact::Volumes, Ok(FactValue::Volumes(vec![volume(8 * TIB, free)])))]);
            let got = probe().judge(&facts, &grown(a_day), now).remove(0);
            assert_eq!(
                (got.severity, got.clears, got.reason.as_str()),
                want,
                "{a_day} {tonight}: {}",
                got.words
            );
            if got.severity == Yellow {
                let usual = if a_day == 0.0 { "+0 B" } else { "+5.0 GiB" };
                let words = got.words.as_str();
                assert!(words.contains("since yesterday, usually"), "{words} {usual}");
            }
        }
    }

    #[test]
    fn inodes_are_a_signal_of_their_own_where_there_are_any() {
        let volume = Volume { total_inodes: 200, free_inodes: 10, ..volume(10 * GIB, 9 * GIB) };
        let got = look(&mut probe(), &[volume], &NoPast);
        assert_eq!(got.len(), 2);
        assert_eq!(got[1].signal.to_string(), "disk mini:/var inodes");
        assert_eq!((got[1].severity, got[1].reason.as_str()), (Severity::Red, "inodes"));
        assert_eq!(got[1].value, Some(95.0));
        let names: Vec<_> = got[0].values.keys().map(String::as_str).collect();
        assert_eq!(names, ["free", "path", "source", "total", "used_percent"]);
        for gives in gives() {
            assert!(got.iter().all(|r| r.values[gives.name].fits(&gives.kind)), "{}", gives.name);
        }
    }

    #[test]
    fn a_stale_volume_is_unknown_and_then_red() {
        let mut probe = probe();
        let well = Volume { total_inodes: 10, free_inodes: 9, ..volume(GIB, GIB) };
        let stale = Volume { stale: Some("has not answered".into()), ..volume(0, 0) };
        look(&mut probe, std::slice::from_ref(&well), &NoPast);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let got = look(&mut probe, std::slice::from_ref(&stale), &NoPast);
            assert_eq!((got.len(), got[1].severity), (2, Unknown));
            seen.push(got[0].severity);
        }
        use Severity::{Red, Unknown};
        assert_eq!(seen, [Unknown, Unknown, Red, Red]);
        assert_eq!(look(&mut probe, &[well], &NoPast)[0].severity, Severity::Green);
        assert_eq!(look(&mut probe, &[stale], &NoPast)[0].severity, Unknown);
    }

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let mut probe = probe();
        let none = Facts::from([(Fact::Volumes, Err(NoFact::Failed("no /proc".into())))]);
        let blind = probe.judge(&none, &NoPast, Millis(1));
        assert_eq!(blind.len(), 1);
        assert_eq!(blind[0].signal.to_string(), "disk mini bytes");
        assert_eq!(blind[0].severity, Severity::Unknown);
        let again = look(&mut probe, &[volume(GIB, GIB)], &NoPast);
        assert!(again.iter().all(|r| r.severity == Severity::Green) && again.len() == 2);
        let usb = Volume { mount: AbsPath::new("/media/usb").unwrap(), ..volume(GIB, GIB) };
        look(&mut probe, &[volume(GIB, GIB), usb], &NoPast);
        let gone = look(&mut probe, &[], &NoPast);
        let unknown: Vec<_> = gone
            .iter()
            .filter(|r| r.severity == Severity::Unknown)
            .map(|r| r.signal.to_string())
            .collect();
        assert_eq!(unknown, ["disk mini:/var bytes"]);
        let blind = probe.judge(&Facts::new(), &NoPast, Millis(1));
        assert!(!blind.is_empty() && blind.iter().all(|r| r.severity == Severity::Unknown));
    }

    #[test]
    fn single_volumes_have_their_own_levels() {
        let var = AbsPath::new("/var").unwrap();
        let levels = Levels { yellow: 40.0, red: 60.0 };
        let own =
            Settings { mounts: BTreeMap::from([(var.clone(), levels)]), ..Settings::default() };
        let half = volume(4 * TIB, 2 * TIB);
        assert_eq!(own.bytes(&half, None).judged.severity, Severity::Yellow);
        let none = Settings { ignore: BTreeSet::from([var]), ..Settings::default() };
        let mut probe = Disk::new(none, HostName::new("mini").unwrap());
        assert_eq!(look(&mut probe, &[half], &NoPast), []);
    }

    #[test]
    fn a_star_ignores_what_has_no_levels_of_its_own() {
        let path = |path: &str| AbsPath::new(path).unwrap();
        let own = BTreeMap::from([(path("/snap/mine"), Levels { yellow: 85.0, red: 90.0 })]);
        let settings = |ignore: &[&str]| Settings {
            mounts: own.clone(),
            ignore: ignore.iter().copied().map(path).collect(),
            ..Settings::default()
        };
        let watched = |ignore: &[&str], mount| !settings(ignore).ignores(&path(mount));
        assert!(watched(&["/snap/*"], "/snap"));
        assert!(watched(&["/snap/*"], "/snappy"));
        assert!(!watched(&["/snap/*"], "/snap/core/1"));
        assert!(!watched(&["/*"], "/"));
        assert!(watched(&["/*"], "/snap/mine"));
        assert!(!watched(&["/*", "/snap/mine"], "/snap/mine"));
    }

    #[test]
    fn a_volume_of_another_machine_hangs_on_that_one() {
        let mut probe = probe();
        let names = [("nas", "nas"), ("192.168.1.10", "nas"), ("fe80::1", "nas"), ("pi", "pi")];
        let known =
            |(called, host): (&str, &str)| (called.to_owned(), HostName::new(host).unwrap());
        probe.introduce(&Arc::new(names.into_iter().map(known).collect()));
        for (fs, source, on) in [
            ("nfs4", "nas:/tank", Some("nas")),
            ("nfs", "192.168.1.10:/tank", Some("nas")),
            ("nfs4", "[fe80::1]:/tank", Some("nas")),
            ("cifs", "//NAS/media", Some("nas")),
            ("fuse.sshfs", "me@pi:/home/me", Some("pi")),
            ("fuse.sshfs", "pi:", Some("pi")),
            ("nfs4", "elsewhere:/tank", None),
            ("nfs4", "/nas", None),
            ("zfs", "nas:x", None),
            ("ext4", "/dev/sda1", None),
        ] {
            for stale in [None, Some("does not answer".to_owned())] {
                let one =
                    Volume { fs: fs.into(), source: source.into(), stale, ..volume(GIB, GIB) };
                let told = look(&mut probe, &[one], &NoPast).remove(0);
                let on = on.map(|host| ask::host_signal(&HostName::new(host).unwrap()));
                assert_eq!(told.parent, on, "{fs} {source}");
            }
        }
    }
}
