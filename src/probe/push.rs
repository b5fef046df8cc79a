//! `push`: a job that reports in by itself; silence past its grace is red.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Fut;
use crate::clock::cron::Cron;
use crate::clock::zone::Zone;
use crate::model::ids::Word;
use crate::model::push::{MOST_SAID, Pushed};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::policy::redact::Redactor;
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::{How, NetProbe, Past};

/// What jobs reported, as the probes see it. The store keeps the same; this is what a look asks.
#[derive(Default)]
pub struct Board {
    jobs: Mutex<BTreeMap<String, Job>>,
}

/// One job that the config names.
struct Job {
    /// None: nothing was heard of it, and it is not known yet since when it is waited for.
    pushed: Option<Pushed>,
    /// What takes secrets out of what it says.
    redactor: Arc<Redactor>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("board of reports")
    }
}

impl Board {
    /// The config names this job: its reports are taken from now on.
    pub fn expect(&self, name: &str, redactor: Arc<Redactor>) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let pushed = jobs.remove(name).and_then(|job| job.pushed);
        jobs.insert(name.to_owned(), Job { pushed, redactor });
    }

    /// The jobs that are expected.
    pub fn names(&self) -> Vec<String> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// What was heard of a job.
    pub fn get(&self, name: &str) -> Option<Pushed> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.get(name).and_then(|job| job.pushed.clone())
    }

    /// Takes what the store knows; nothing for a job that nobody expects.
    pub fn set(&self, name: &str, pushed: Pushed) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.get_mut(name) {
            job.pushed = Some(pushed);
        }
    }

    /// What a job says, bounded and without secrets; none for a job that nobody expects.
    pub fn clean(&self, name: &str, said: &str) -> Option<String> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        // A secret that is cut in two is found no more: what is cut off lies beyond what is kept.
        let end = said.floor_char_boundary(8 * MOST_SAID);
        jobs.get(name).map(|job| job.redactor.redact(&said[..end]).into_owned())
    }
}

/// When a job should report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rhythm {
    /// So long after its last report.
    Every(Span),
    /// At each slot of a crontab line, in a time zone.
    Cron(Box<Cron>, Zone),
}

/// What is expected of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub rhythm: Rhythm,
    /// How much later it may be, and for how long it may run.
    pub grace: Span,
}

/// How often it is asked whether a report is late.
const EVERY: Span = Span::mins(1);
const SIGNAL: &str = "report";

/// Reads `push.NAME = { every = "24h", grace = "4h" }` and `push.NAME = "24h"`.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let host = ask.cx.here.clone();
    let schedule: Option<Cron> = ask.opt("schedule");
    let zone = ask.opt("timezone").unwrap_or(ask.cx.zone);
    // `every` is the job's here, not the look's.
    let every: Option<Span> = match schedule {
        Some(_) => ask.opt("every"),
        None => ask.main("every"),
    };
    let grace = ask.at_least("grace", Span::hours(1), Span::secs(1));
    let looks = Common { fire_after: 1, clear_after: 1, ..Common::with(EVERY, Span::secs(10)) };
    let common = ask.common_but_every(looks, &host);
    let rhythm = match (schedule, every) {
        (Some(_), Some(_)) => {
            ask.mistake("schedule", "stands beside every; keep one of them");
            return Vec::new();
        }
        (Some(cron), None) => Rhythm::Cron(Box::new(cron), zone),
        (None, Some(every)) if every < Span::secs(10) => {
            ask.mistake("every", "is too short: 10 s at least");
            return Vec::new();
        }
        (None, Some(every)) => Rhythm::Every(every),
        (None, None) => return Vec::new(),
    };
    let Some(target) = ask.target(&host, Thing::Endpoint) else { return Vec::new() };
    let main = signal(target);
    let settings = Settings { rhythm, grace };
    let (name, board) = (ask.name.to_owned(), Arc::clone(&ask.cx.pushes));
    board.expect(&name, Arc::clone(&ask.cx.redactor));
    let probe = PushProbe { settings, name, signal: main.clone(), board, seen_from: None };
    let (called, parent) = (format!("push.{}", ask.name), common.parent.clone());
    let probe = common.probe(Word::of("push"), called, host, How::Net(Box::new(probe)));
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
}

/// The signal of a job.
pub fn signal(target: Target) -> Signal {
    Signal { probe: Word::of("push"), target, aspect: Word::of(SIGNAL) }
}

/// What a reading has beyond its number, which is how long ago the last good report was, in seconds.
pub fn gives() -> Vec<Gives> {
    Vec::new()
}

/// Looks whether a job's report is late.
#[derive(Debug)]
pub struct PushProbe {
    settings: Settings,
    name: String,
    signal: Signal,
    board: Arc<Board>,
    /// Without any report: since when it is waited for, in this life.
    seen_from: Option<Millis>,
}

impl PushProbe {
    fn judge(&mut self, now: Millis) -> Reading {
        let seen_from = *self.seen_from.get_or_insert(now);
        let pushed = self
            .board
            .get(&self.name)
            .unwrap_or(Pushed { known_from: seen_from, ..Pushed::default() });
        let State { severity, reason, words } = judge(&self.settings, &pushed, now);
        let mut reading =
            Reading::new(self.signal.clone(), now, severity, Word::of(reason), &words);
        if let Some(ok_at) = pushed.ok_at {
            reading.value = Some(now.since(ok_at).as_secs_f64());
            reading.unit = Some(Unit::Seconds);
        }
        reading
    }
}

struct State {
    severity: Severity,
    reason: &'static str,
    words: String,
}

/// Pure: how a job stands.
fn judge(settings: &Settings, pushed: &Pushed, now: Millis) -> State {
    let state = |severity, reason, words: String| State { severity, reason, words };
    let ago = |at: Millis| format!("{} ago", now.since(at));
    let said =
        pushed.said.as_ref().map_or_else(String::new, |said| format!(": {}", said.first_line()));
    let last =
        pushed.ok_at.map_or("never reported".into(), |at| format!("last report {}", ago(at)));
    if let Some(failed) = pushed.failed_at.filter(|at| pushed.ok_at.is_none_or(|ok| ok < *at)) {
        return state(
            Severity::Red,
            "failed",
            format!("says that it failed {}{said}", ago(failed)),
        );
    }
    let running = pushed.started_at.filter(|at| pushed.ok_at.is_none_or(|ok| ok < *at));
    if let Some(began) = running
        && settings.grace < now.since(began)
    {
        let words = format!("began {} and has not ended; {last}", ago(began));
        return state(Severity::Red, "unended", words);
    }
    let from = pushed.ok_at.unwrap_or(pushed.known_from);
    let due = match &settings.rhythm {
        Rhythm::Every(every) => Some(from + *every),
        Rhythm::Cron(cron, zone) => cron.next_after(from, *zone),
    };
    let Some(due) = due else { return state(Severity::Green, "ok", last) };
    if due + settings.grace < now {
        let words = format!("{last}; one was due {} and may be {} late", ago(due), settings.grace);
        return state(Severity::Red, "silent", words);
    }
    let words = match (pushed.ok_at, pushed.took_ms) {
        (None, _) => format!("has not reported yet; the first is due in {}", due.since(now)),
        (Some(_), Some(took)) => format!("{last}, took {}{said}", Span(took)),
        (Some(_), None) => format!("{last}{said}"),
    };
    state(Severity::Green, if pushed.ok_at.is_some() { "ok" } else { "new" }, words)
}

impl NetProbe for PushProbe {
    fn look<'a>(&'a mut self, _: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move { vec![self.judge(now)] })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let words = format!("no answer within {after}");
        vec![Reading::unknown(self.signal.clone(), now, Word::of("slow"), &words)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::push::Report;

    const NOON: Millis = Millis(1_772_452_800_000);

    fn every(every: Span, grace: Span) -> Settings {
        Settings { rhythm: Rhythm::Every(every), grace }
    }

    #[track_caller]
    fn check(settings: &Settings, pushed: &Pushed, after: Span, want: (Severity, &str)) {
        let got = judge(settings, pushed, NOON + after);
        assert_eq!((got.severity, got.reason), want, "{}", got.words);
    }

    fn ok() -> Pushed {
        Pushed { known_from: NOON, ..Pushed::default() }.heard(Report::Ok, "", NOON)
    }

    /// Some count in days or in 32 bits and never fire.
    #[test]
    fn failure_mode_k_an_interval_of_25_hours_fires() {
        let job = every(Span::hours(25), Span::hours(1));
        check(&job, &ok(), Span::hours(25), (Severity::Green, "ok"));
        check(&job, &ok(), Span::hours(26), (Severity::Green, "ok"));
        check(&job, &ok(), Span::hours(26) + Span(1), (Severity::Red, "silent"));
        let rare = every(Span::days(90), Span::days(2));
        check(&rare, &ok(), Span::days(92), (Severity::Green, "ok"));
        check(&rare, &ok(), Span::days(93), (Severity::Red, "silent"));
    }

    #[test]
    fn one_that_never_reported_is_late_after_its_first_period() {
        let job = every(Span::hours(24), Span::hours(4));
        let new = Pushed { known_from: NOON, ..Pushed::default() };
        check(&job, &new, Span::hours(28), (Severity::Green, "new"));
        check(&job, &new, Span::hours(29), (Severity::Red, "silent"));
    }

    #[test]
    fn a_failure_and_a_run_without_end_are_red_until_the_next_good_report() {
        let job = every(Span::hours(24), Span::hours(4));
        let failed = ok().heard(Report::Fail, "exit 11: locked", NOON + Span(1));
        check(&job, &failed, Span::mins(1), (Severity::Red, "failed"));
        assert!(judge(&job, &failed, NOON + Span::mins(1)).words.ends_with("exit 11: locked"));
        let again = failed.heard(Report::Ok, "", NOON + Span::mins(2));
        check(&job, &again, Span::mins(3), (Severity::Green, "ok"));
        let began = ok().heard(Report::Start, "", NOON + Span::hours(1));
        check(&job, &began, Span::hours(5), (Severity::Green, "ok"));
        check(&job, &began, Span::hours(6), (Severity::Red, "unended"));
    }

    #[test]
    fn a_crontab_line_has_its_zone() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let cron = Cron::parse("30 1 * * *").unwrap();
        let job = Settings { rhythm: Rhythm::Cron(Box::new(cron), zone), grace: Span::hours(2) };
        // From Monday noon in UTC the next slot is Tuesday, 00:30 in UTC.
        check(&job, &ok(), Span::hours(14) + Span::mins(30), (Severity::Green, "ok"));
        check(&job, &ok(), Span::hours(14) + Span::mins(31), (Severity::Red, "silent"));
    }
}
