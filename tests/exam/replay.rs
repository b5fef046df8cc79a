//! Thirty quiet days make no false red, and every fault that is planted into them is found.
//!
//! Two fake hosts and the answers of endpoints, looked at as by default, through the real probes,
//! baselines, triage and tree. The noise is what homes have, and each kind of it is here because it makes
//! other watchers cry:
//! - load, latency and traffic follow the day, with an evening peak (streams, people at home);
//! - a backup each night from 02:00 loads both machines, doubles latencies and makes the journal complain;
//! - a scrub on Sundays keeps the disks busy for six hours;
//! - latencies have a tail: one answer in 150 takes seconds (cold caches, a disk that spins up);
//! - one look in 400 fails alone: a lost packet, a DNS hiccup; now and then two in a row;
//! - the link to the NAS drops for single looks, a router restarts and is gone for two minutes;
//! - the NAS reboots after its updates, gone for two looks;
//! - services are deployed twice a week: a unit is between stop and start, its answers slow for minutes;
//! - bursts of eight journal errors; a volume that grows by 0.1 % a day, and one that fills and is pruned;
//! - memory breathes with caches, down to a twentieth, without anybody waiting for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use reef::clients::host::HostLink;
use reef::clients::http::error::HttpError;
use reef::clients::http::url::WebUrl;
use reef::clients::http::{Answer, Http};
use reef::clients::tls::{Leaf, Tls};
use reef::config::env::Env;
use reef::config::given::Source;
use reef::daemon::assemble;
use reef::exam::estate::Estate;
use reef::exam::host::{FakeHost, Reach};
use reef::model::change::{Change, ChangeKind};
use reef::model::fact::Volume;
use reef::model::ids::Word;
use reef::model::reading::Unit;
use reef::model::severity::Severity;
use reef::model::taint::Tainted;
use reef::model::target::{AbsPath, Signal, Target, Thing};
use reef::model::time::{Millis, Span};
use reef::policy::coincide::{AROUND_DRIFT, coinciding};
use reef::policy::redact::Redactor;
use reef::policy::trend::{self, DriftRule};
use reef::probe::How;
use reef::probe::Past;
use reef::probe::http::{self, HttpProbe};
use reef::probe::table;
use reef::probe::tls::{self, At, TlsProbe};
use reef::watch::pulse::Pulse;
use reef::watch::replay::{Manner, Replay, Told};

use crate::house::{MONDAY_NOON, mini, nas, unit};

const DAYS: i64 = 30;
const MINUTES: i64 = DAYS * 24 * 60;
const GIB: u64 = 1 << 30;
const SITES: [&str; 4] = ["jellyfin", "photos", "wiki", "router"];
/// Monday, 2026-03-02, 00:00 in UTC: the first day has all its hours.
const BEGIN: Millis = Millis(MONDAY_NOON.0 - 12 * 3_600_000);

/// A seeded source of chance (SplitMix64): the same estate each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    /// Between 0 and 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

/// What is broken on purpose, and from which minute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    RootFills,
    TankGrows,
    RootReadOnly,
    UnitFails,
    UnitCrashes,
    MemoryShort,
    OomKill,
    LoadRunsAway,
    ErrorsSpike,
    SiteDown,
    SiteSlow,
    NasDown,
    RenewalFails,
}

/// Fault, day, minute of the day, how long it lasts, its signal, and the severity that it must reach.
const FAULTS: [(Fault, i64, i64, i64, &str, Severity); 13] = {
    use Severity::{Red, Yellow};
    [
        (Fault::UnitFails, 3, 600, 120, "unit mini:unit:web.service state", Red),
        (Fault::SiteDown, 6, 725, 60, "http mini:endpoint:jellyfin status", Red),
        (Fault::NasDown, 8, 1_000, 45, "host nas reach", Red),
        (Fault::OomKill, 10, 333, 1, "memory mini oom", Red),
        (Fault::MemoryShort, 11, 900, 60, "memory mini available", Red),
        (Fault::SiteSlow, 13, 480, 300, "http mini:endpoint:photos status", Yellow),
        (Fault::UnitCrashes, 15, 700, 60, "unit mini:unit:db.service state", Red),
        (Fault::LoadRunsAway, 17, 820, 180, "cpu mini load", Yellow),
        (Fault::ErrorsSpike, 19, 640, 90, "errors mini:log:journal rate", Yellow),
        (Fault::TankGrows, 21, 60, 2 * 1_440, "disk nas:/tank bytes", Yellow),
        (Fault::RootFills, 24, 0, 600, "disk mini:/ bytes", Red),
        (Fault::RootReadOnly, 27, 400, 60, "disk mini:/ bytes", Red),
        // A certificate of ninety days whose thirtieth last is the 23rd: due, and never renewed.
        (Fault::RenewalFails, 23, 0, MINUTES, "tls mini:endpoint:wiki days", Yellow),
    ]
};

/// What stands beside the hosts.
struct World {
    estate: Estate,
    chance: Chance,
    faults: bool,
    probes: Vec<(HttpProbe, Manner)>,
    certificates: Vec<TlsProbe>,
    /// Looks that are still to fail: a blip of two.
    blips: BTreeMap<usize, u32>,
    router_back: i64,
    nas_back: i64,
    deployed: i64,
    tank: f64,
    changes: Vec<Change>,
    leaking_since: Option<i64>,
}

fn endpoint(name: &str) -> Target {
    Target::new(mini(), Thing::Endpoint, name).unwrap()
}

impl World {
    fn new(seed: u64, faults: bool) -> Self {
        let estate = Estate::new(BEGIN, &[mini(), nas()], Arc::new(Redactor::new(Vec::new())));
        for name in ["web", "db", "mail"] {
            estate.host(&mini()).unwrap().unit(&unit(name));
        }
        let probes = SITES
            .map(|site| {
                let url = WebUrl::parse(&format!("http://{site}.home.example/")).unwrap();
                let probe =
                    HttpProbe::new(http::Settings::new(url), endpoint(site), None, Http::new());
                (probe, Manner::usual(None))
            })
            .into();
        let certificates = ["wiki", "photos"]
            .map(|name| {
                let at = At { host: format!("{name}.home.example"), port: 443 };
                TlsProbe::new(tls::Settings::new(at), endpoint(name), Tls::default())
            })
            .into();
        Self {
            estate,
            chance: Chance(seed),
            faults,
            probes,
            certificates,
            blips: BTreeMap::new(),
            router_back: 0,
            nas_back: 0,
            deployed: -100,
            tank: 40.0,
            changes: Vec::new(),
            leaking_since: None,
        }
    }

    fn host(&self) -> Arc<FakeHost> {
        Arc::clone(self.estate.host(&mini()).unwrap())
    }

    fn nas(&self) -> Arc<FakeHost> {
        Arc::clone(self.estate.host(&nas()).unwrap())
    }

    fn on(&self, fault: Fault, minute: i64) -> bool {
        self.faults
            && FAULTS.iter().any(|(one, day, at, lasts, ..)| {
                let from = day * 1_440 + at;
                *one == fault && (from..from + lasts).contains(&minute)
            })
    }

    fn begins(&self, fault: Fault, minute: i64) -> bool {
        self.on(fault, minute) && !self.on(fault, minute - 1)
    }

    fn ends(&self, fault: Fault, minute: i64) -> bool {
        !self.on(fault, minute) && self.on(fault, minute - 1)
    }

    /// A minute of the estate.
    fn passes(&mut self, minute: i64) {
        let (day, of_day) = (minute / 1_440, minute % 1_440);
        let evening = (1_080..1_380).contains(&of_day);
        let backup = (120..165).contains(&of_day);
        let scrub = day % 7 == 6 && (180..540).contains(&of_day);
        let (mini, nas) = (self.host(), self.nas());

        let load = |c: &mut Chance| {
            0.15 + 0.2 * c.share()
                + if evening { 0.4 } else { 0.0 }
                + if backup { 1.6 } else { 0.0 }
        };
        let runs_away = self.on(Fault::LoadRunsAway, minute);
        mini.load(load(&mut self.chance) + if runs_away { 4.0 } else { 0.0 });
        nas.load(load(&mut self.chance) + if scrub { 1.4 } else { 0.0 });

        self.memory(&mini, minute);
        nas.memory(40 + self.chance.next() % 20);
        self.journal(&mini, minute);
        self.volumes(minute);
        self.units(&mini, minute);
        self.reach(&nas, minute);
        self.estate_changes(minute);
    }

    fn memory(&mut self, mini: &FakeHost, minute: i64) {
        // Caches fill over a day and are given back; nobody waits for what is only cached.
        let breath = (minute % 1_440) as u64 * 45 / 1_440;
        let short = self.on(Fault::MemoryShort, minute);
        mini.memory(if short { 2 } else { 58 - breath - self.chance.next() % 8 });
        mini.memory_pressure(Some(match () {
            () if short => 30,
            () if self.chance.one_in(300) => 9,
            () => 0,
        }));
        if self.begins(Fault::OomKill, minute) {
            mini.oom_kills(&unit("mail"));
        }
        if self.ends(Fault::OomKill, minute) {
            mini.unit_starts(&unit("mail"));
        }
    }

    fn journal(&mut self, mini: &FakeHost, minute: i64) {
        let mut lines = u64::from(self.chance.one_in(50));
        if minute % 1_440 == 130 {
            // The backup complains of files that changed under it, every night.
            lines += 6 + self.chance.next() % 6;
        }
        if self.chance.one_in(4_000) {
            lines += 8;
        }
        if self.on(Fault::ErrorsSpike, minute) {
            lines += 3;
        }
        for n in 0..lines {
            mini.journal_error(&format!("cannot read item {n}"));
        }
    }

    fn volumes(&mut self, minute: i64) {
        let path = |path: &str| AbsPath::new(path).unwrap();
        let volume = |mount: &str, total: u64, used: f64, read_only: bool| Volume {
            mount: path(mount),
            source: format!("/dev/{}", mount.len()),
            fs: "ext4".into(),
            total_bytes: total,
            free_bytes: (total as f64 * (100.0 - used) / 100.0) as u64,
            total_inodes: 13_000_000,
            free_inodes: 12_000_000,
            read_only,
            stale: None,
        };
        // Logs grow over the day and are rotated at night: half a percent.
        let rotated = (minute % 1_440) as f64 / 1_440.0 * 0.5;
        let mut root = 52.0 + minute as f64 / 14_400.0 + rotated;
        let into = minute - 24 * 1_440;
        if self.on(Fault::RootFills, minute) {
            root += into as f64 * 0.1;
        }
        let read_only = self.on(Fault::RootReadOnly, minute);
        self.host().volume(volume("/", 200 * GIB, root.min(99.0), read_only));
        // Five gigabytes a day on eight tebibytes, written by the backup; old ones are pruned on Saturdays.
        if (120..165).contains(&(minute % 1_440)) {
            self.tank += 5.0 / 8_192.0 * 100.0 / 45.0;
        }
        if minute % (7 * 1_440) == 5 * 1_440 + 300 {
            self.tank -= 0.2;
        }
        if self.on(Fault::TankGrows, minute) && minute < 21 * 1_440 + 60 + 360 {
            self.tank += 500.0 / 8_192.0 * 100.0 / 360.0;
        }
        self.nas().volume(volume("/tank", 8_192 * GIB, self.tank, false));
    }

    fn units(&mut self, mini: &FakeHost, minute: i64) {
        if self.begins(Fault::UnitFails, minute) {
            mini.unit_fails(&unit("web"));
        }
        if self.ends(Fault::UnitFails, minute) {
            mini.unit_starts(&unit("web"));
        }
        // Seven times an hour, each time up again at once.
        if self.on(Fault::UnitCrashes, minute) && minute % 8 == 0 {
            mini.unit_crashes(&unit("db"));
        }
        // Tuesdays and Fridays at 20:15.
        if matches!(minute / 1_440 % 7, 1 | 4) && minute % 1_440 == 1_215 {
            self.deployed = minute;
            let now = self.estate.now();
            let target = Target::new(crate::house::mini(), Thing::Unit, "photos.service").unwrap();
            let words = format!("photos 1.{} -> 1.{}", minute / 1_440, minute / 1_440 + 1);
            self.changes.push(Change::new(now, target, ChangeKind::Image, &words));
            mini.unit_crashes(&unit("mail"));
        }
    }

    fn reach(&mut self, nas: &FakeHost, minute: i64) {
        // Updates on the 9th and the 22nd day at 04:30; single looks are lost between.
        if matches!(minute / 1_440, 9 | 22) && minute % 1_440 == 270 {
            self.nas_back = minute + 2;
            nas.boots();
        }
        let lost = self.chance.one_in(1_500);
        let down = self.on(Fault::NasDown, minute) || minute < self.nas_back || lost;
        nas.reach(if down { Reach::Down } else { Reach::Up });
    }

    fn estate_changes(&mut self, minute: i64) {
        // The router restarts twice a month, at night.
        if matches!(minute / 1_440, 5 | 20) && minute % 1_440 == 245 {
            self.router_back = minute + 2;
        }
        // From the seventeenth day's deployment on, the wiki is slower and stays so: no fault, a drift.
        if self.faults && minute == 18 * 1_440 + 1_215 {
            self.leaking_since = Some(minute);
            let target = endpoint("wiki");
            let words = "wiki 2.0 -> 2.1";
            self.changes.push(Change::new(self.estate.now(), target, ChangeKind::Image, words));
        }
    }

    /// What a site answers; a red is asked a second time by the probe, here too.
    fn answer(&mut self, site: usize, minute: i64) -> Result<Answer, HttpError> {
        let of_day = minute % 1_440;
        let mut took = 40.0 + 30.0 * self.chance.share();
        took *= if (1_080..1_380).contains(&of_day) { 1.6 } else { 1.0 };
        took *= if (120..165).contains(&of_day) { 2.0 } else { 1.0 };
        if self.chance.one_in(150) {
            took += 1_000.0 + 4_000.0 * self.chance.share();
        }
        if minute - self.deployed < 2 && site == 1 {
            took += 2_500.0;
        }
        if self.on(Fault::SiteSlow, minute) && site == 1 {
            took += 4_000.0;
        }
        if self.leaking_since.is_some() && site == 2 {
            took += 60.0;
        }
        let blip = match self.blips.remove(&site) {
            Some(left) => {
                if 1 < left {
                    self.blips.insert(site, left - 1);
                }
                true
            }
            None if self.chance.one_in(400) => {
                if self.chance.one_in(15) {
                    self.blips.insert(site, 1);
                }
                true
            }
            None => false,
        };
        if minute < self.router_back || blip {
            return Err(HttpError::TimedOut(Span::secs(10)));
        }
        if self.on(Fault::SiteDown, minute) && site == 0 {
            return Err(HttpError::Refused);
        }
        Ok(Answer { status: 200, took: Span(took as i64), body: Vec::new(), cut: false })
    }

    /// Two of ninety days: one is renewed with thirty left, the other should be and is not.
    fn certificate(&self, which: usize, minute: i64) -> Leaf {
        let due = BEGIN + Span::days(23);
        let renewed = Span::mins(minute) > Span::days(23) && !(self.faults && which == 0);
        let not_after = if renewed { due + Span::days(90) } else { due + Span::days(30) };
        Leaf {
            not_before: not_after - Span::days(90),
            not_after,
            names: Vec::new(),
            issuer: Tainted::new("CN=home"),
            serial: not_after.0.to_string(),
            self_signed: false,
        }
    }
}

/// What thirty days came to.
struct Month {
    told: Vec<Told>,
    replay: Replay,
    changes: Vec<Change>,
    end: Millis,
}

async fn month(seed: u64, faults: bool) -> Month {
    let mut world = World::new(seed, faults);
    let mut replay = Replay::default();
    let units: String =
        ["web", "db", "mail"].map(|u| format!("unit.{u} = \"{u}.service\"\n")).concat();
    let config = format!("host_name = \"mini\"\ntimezone = \"UTC\"\n[probe]\n{units}");
    let read =
        assemble::read(Source::new("exam", config), &Env::of([]), Arc::new(Pulse::default()) as _);
    let (_, probes) = read.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    for probe in probes.into_iter().chain(table::of_host(&nas())) {
        // reef's own figures are those of this test.
        if matches!(probe.how, How::Host(_)) && probe.kind != Word::of("reef") {
            replay.watch(probe);
        }
    }
    for minute in 0..MINUTES {
        world.passes(minute);
        let now = world.estate.now();
        for (host, wanted) in replay.due(now) {
            let facts = world.estate.host(&host).unwrap().facts(&wanted).await;
            replay.look(&host, &facts, now);
        }
        for site in 0..SITES.len() {
            let mut came = world.answer(site, minute);
            let mut reading = world.probes[site].0.seen(&came, now);
            if reading.severity == Severity::Red {
                came = world.answer(site, minute);
                reading = world.probes[site].0.seen(&came, now);
            }
            let manner = world.probes[site].1.clone();
            replay.take(vec![reading], &manner);
        }
        if minute % 15 == 0 {
            for which in 0..world.certificates.len() {
                let leaf = world.certificate(which, minute);
                let reading = world.certificates[which].seen(leaf, replay.pasts(), now);
                let tuning = reef::policy::triage::Tuning { fire_after: 2, ..Default::default() };
                replay.take(vec![reading], &Manner { tuning, parent: None });
            }
        }
        tokio::time::sleep(Span::mins(1).duration()).await;
    }
    let told = replay.told().to_vec();
    Month { told, replay, changes: world.changes, end: world.estate.now() }
}

fn minute_of(at: Millis) -> i64 {
    at.since(BEGIN).0 / 60_000
}

fn line(told: &Told) -> String {
    let minute = minute_of(told.opened_at);
    let by = told.explained_by.as_ref().map(|by| format!(" explained by {by}")).unwrap_or_default();
    format!(
        "day {} {:02}:{:02} {} {}: {}{by}",
        minute / 1_440,
        minute % 1_440 / 60,
        minute % 60,
        told.severity,
        told.signal,
        told.words
    )
}

#[tokio::test(start_paused = true)]
async fn thirty_quiet_days_make_no_false_red() {
    let month = month(7, false).await;
    let signals = month.replay.signals().count();
    let told: Vec<&Told> = month.told.iter().filter(|t| t.explained_by.is_none()).collect();
    let reds = told.iter().filter(|t| t.red_at.is_some()).count();
    println!(
        "quiet: {signals} signals, {} readings, {reds} false reds, {} false yellows",
        month.replay.readings(),
        told.len() - reds
    );
    told.iter().for_each(|t| println!("  {}", line(t)));
    assert!(20 <= signals, "{signals}");
    assert_eq!(reds, 0);
    // By its own definition: ten errors where one is usual, the first scrub and the first backup.
    assert!(told.len() - reds <= 9, "a quiet month notes next to nothing");
}

#[tokio::test(start_paused = true)]
async fn every_fault_that_is_planted_is_found_and_nothing_else() {
    let month = month(11, true).await;
    let mut missed = Vec::new();
    let mut belongs = vec![false; month.told.len()];
    for (fault, day, at, lasts, signal, severity) in FAULTS {
        let from = day * 1_440 + at;
        let found = month.told.iter().position(|t| {
            let opened =
                minute_of(t.red_at.filter(|_| severity == Severity::Red).unwrap_or(t.opened_at));
            t.signal.to_string() == signal
                && t.severity == severity
                && (from..from + lasts + 15).contains(&opened)
        });
        match found {
            Some(i) => {
                let told = &month.told[i];
                let red = told.red_at.filter(|_| severity == Severity::Red);
                let delay = minute_of(red.unwrap_or(told.opened_at)) - from;
                println!(
                    "{fault:?}: {severity} after {delay} min, {} looks not green: {}",
                    told.looks, told.words
                );
                belongs[i] = true;
            }
            None => missed.push(fault),
        }
        // A fault may show in other signals while it lasts.
        for (i, told) in month.told.iter().enumerate() {
            belongs[i] |= (from..from + lasts + 60).contains(&minute_of(told.opened_at))
                && fault != Fault::RenewalFails;
        }
    }
    let rest: Vec<String> = month
        .told
        .iter()
        .zip(&belongs)
        .filter(|(t, belongs)| !**belongs && t.explained_by.is_none() && t.red_at.is_some())
        .map(|(t, _)| line(t))
        .collect();
    month.told.iter().for_each(|t| println!("  {}", line(t)));
    assert_eq!(missed, []);
    assert_eq!(rest, Vec::<String>::new(), "false reds");
    let on_nas =
        month.told.iter().filter(|t| t.signal.target.on() == &nas() && t.explained_by.is_none());
    let down = minute_of(BEGIN) + 8 * 1_440 + 1_000;
    let loud = on_nas.filter(|t| (down..down + 60).contains(&minute_of(t.opened_at))).count();
    assert_eq!(loud, 1, "a host that is down is one message");
    drifts(&month);
}

/// The wiki became slower with a deployment: no fault, and the report says since when and with what.
fn drifts(month: &Month) {
    let wiki =
        Signal { probe: Word::of("http"), target: endpoint("wiki"), aspect: Word::of("status") };
    let rule = DriftRule::of(&wiki, Some(Unit::Millis)).unwrap();
    let hours = month.replay.pasts().hours(&wiki, month.end);
    let drift = trend::drift(&hours, &rule, month.end).expect("the wiki drifts");
    let since = drift.since.expect("it began");
    let change = coinciding(&month.changes, &wiki.target, since, AROUND_DRIFT).expect("a change");
    assert_eq!(change.words.as_str(), "wiki 2.0 -> 2.1");
    assert!((minute_of(since) - (18 * 1_440 + 1_215)).abs() <= 120, "{}", minute_of(since));
    println!(
        "wiki: {:.0} ms to {:.0} ms since day {}",
        drift.from,
        drift.to,
        minute_of(since) / 1_440
    );
    let photos = Signal { target: endpoint("photos"), ..wiki };
    let hours = month.replay.pasts().hours(&photos, month.end);
    assert_eq!(trend::drift(&hours, &rule, month.end), None);
}
