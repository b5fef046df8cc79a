//! `reef`: the watcher watches itself: looks that were missed or could not look, and its memory.

use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::model::ids::Word;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::human_bytes;
use crate::probe::ask::{Common, Context, Draft, Named};
use crate::probe::push::Board;
use crate::probe::{How, NetProbe, Past};

/// Who counts looks: the tick loop, which lies above and is handed in.
pub trait Tally: Send + Sync + fmt::Debug {
    /// The counts since the start; they only grow.
    fn counts(&self) -> Counts;
    /// Where jobs report to, which outlives a reload.
    fn pushes(&self) -> Arc<Board> {
        Arc::default()
    }
}

/// What the tick loop counts. It counts; this probe judges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Looks that ended, in whatever way.
    pub looks: u64,
    /// Of these, looks that saw nothing: their hard time struck, or the probe broke.
    pub failed: u64,
    /// Looks whose time came and went without them.
    pub missed: u64,
}

/// Nobody counts: a single look from the command line.
#[derive(Debug)]
pub struct Uncounted;

impl Tally for Uncounted {
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

/// What is too much.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Yellow where more than this share of the looks since the last judgement failed. Default 10 %.
    pub failed_percent: u64,
    /// Fewer looks than this prove nothing. Default 10.
    pub least_looks: u64,
    /// Yellow where reef itself keeps more than this. Default 256 MiB.
    pub memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { failed_percent: 10, least_looks: 10, memory: 256 << 20 }
    }
}

/// Judges this very process.
#[derive(Debug)]
pub struct ReefProbe {
    settings: Settings,
    target: Target,
    tally: Arc<dyn Tally>,
    before: Counts,
    /// The share last judged, for as long as too few looks follow.
    share: Option<u64>,
}

impl ReefProbe {
    pub fn new(settings: Settings, target: Target, tally: Arc<dyn Tally>) -> Self {
        Self { settings, target, tally, before: Counts::default(), share: None }
    }

    fn reading(
        &self,
        aspect: &'static str,
        severity: Severity,
        words: &str,
        number: (u64, Unit),
        now: Millis,
    ) -> Reading {
        let signal = Signal {
            probe: Word::of("reef"),
            target: self.target.clone(),
            aspect: Word::of(aspect),
        };
        let reason = if severity == Severity::Green { "ok" } else { aspect };
        let mut reading = Reading::new(signal, now, severity, Word::of(reason), words);
        #[expect(clippy::cast_precision_loss, reason = "counts and sizes of one process")]
        {
            reading.value = Some(number.0 as f64);
        }
        reading.unit = Some(number.1);
        reading
    }

    fn judge(&mut self, memory: Result<u64, String>, now: Millis) -> Vec<Reading> {
        let counts = self.tally.counts();
        let looks = counts.looks.saturating_sub(self.before.looks);
        if self.settings.least_looks <= looks {
            let failed = counts.failed.saturating_sub(self.before.failed);
            self.share = Some(failed * 100 / looks.max(1));
            self.before = Counts { missed: self.before.missed, ..counts };
        }
        let missed = counts.missed.saturating_sub(self.before.missed);
        self.before.missed = counts.missed;

        let yellow_if = |is: bool| if is { Severity::Yellow } else { Severity::Green };
        let share = self.share.unwrap_or(0);
        let failed = self.reading(
            "failed-looks",
            yellow_if(self.settings.failed_percent < share),
            &format!("{share} % of the looks could not look"),
            (share, Unit::Percent),
            now,
        );
        let missed = self.reading(
            "missed-looks",
            yellow_if(0 < missed),
            &format!("{missed} looks missed their time"),
            (missed, Unit::Count),
            now,
        );
        let memory = match memory {
            Ok(bytes) => self.reading(
                "memory",
                yellow_if(self.settings.memory < bytes),
                &format!("reef keeps {}", human_bytes(bytes)),
                (bytes, Unit::Bytes),
                now,
            ),
            Err(why) => {
                let signal = Signal {
                    probe: Word::of("reef"),
                    target: self.target.clone(),
                    aspect: Word::of("memory"),
                };
                Reading::unknown(signal, now, Word::of("unreadable"), &why)
            }
        };
        vec![failed, missed, memory]
    }
}

impl NetProbe for ReefProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move { self.judge(own_memory(), now) })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        ["failed-looks", "missed-looks", "memory"]
            .map(|aspect| {
                let signal = Signal {
                    probe: Word::of("reef"),
                    target: self.target.clone(),
                    aspect: Word::of(aspect),
                };
                let words = format!("reef did not even look at itself within {after}");
                Reading::unknown(signal, now, Word::of("timeout"), &words)
            })
            .into()
    }
}

/// Resident memory of this process (proc(5), /proc/PID/status, in KiB).
fn own_memory() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|e| format!("cannot read /proc/self/status: {e}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|n| n << 10).ok_or_else(|| "/proc/self/status has no VmRSS".into())
}

/// What a reading of it has beyond its number.
pub fn gives() -> Vec<Gives> {
    Vec::new()
}

/// The one probe of reef itself.
pub fn of_this_process(cx: &Context) -> Option<Draft> {
    let target = Target::new(cx.here.clone(), Thing::Reef, "self").ok()?;
    let main = Signal {
        probe: Word::of("reef"),
        target: target.clone(),
        aspect: Word::of("missed-looks"),
    };
    let probe = ReefProbe::new(Settings::default(), target, Arc::clone(&cx.tally));
    let how = How::Net(Box::new(probe));
    let common = Common::with(Span::mins(1), Span::secs(5));
    let probe = common.probe(Word::of("reef"), "reef".into(), cx.here.clone(), how);
    Some(Draft { probe, main, parent: None, endpoint: None, named: Named::Yes })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::model::ids::HostName;
    use crate::probe::ask::NoPast;

    #[derive(Debug, Default)]
    struct Fixed(Mutex<Counts>);

    impl Tally for Fixed {
        fn counts(&self) -> Counts {
            *self.0.lock().unwrap()
        }
    }

    fn probe(tally: Arc<dyn Tally>) -> ReefProbe {
        let here = HostName::new("mini").unwrap();
        let target = Target::new(here, Thing::Reef, "self").unwrap();
        ReefProbe::new(Settings::default(), target, tally)
    }

    fn severities(readings: &[Reading]) -> Vec<Severity> {
        readings.iter().map(|r| r.severity).collect()
    }

    #[tokio::test]
    async fn its_real_memory_is_read() {
        let readings = probe(Arc::new(Uncounted)).look(&NoPast, Millis(1)).await;
        assert_eq!(severities(&readings)[..2], [Severity::Green; 2]);
        // The process that runs all tests at once may well use more than reef ever should.
        assert_ne!(readings[2].severity, Severity::Unknown);
        assert!(readings[2].value.is_some_and(|bytes| 1e6 < bytes), "{:?}", readings[2]);
    }

    #[test]
    fn failed_and_missed_looks_turn_yellow_and_green_again() {
        use Severity::{Green, Yellow};
        let tally = Arc::new(Fixed::default());
        let mut probe = probe(tally.clone());
        let mut judge = |looks, failed, missed, memory| {
            *tally.0.lock().unwrap() = Counts { looks, failed, missed };
            severities(&probe.judge(Ok(memory), Millis(1)))
        };
        assert_eq!(judge(19, 1, 0, 1), [Green; 3]);
        assert_eq!(judge(29, 3, 1, 1), [Yellow, Yellow, Green]);
        // Too few looks say nothing new; the missed one is past.
        assert_eq!(judge(30, 3, 1, 1), [Yellow, Green, Green]);
        assert_eq!(judge(50, 3, 1, 1 << 40), [Green, Green, Yellow]);
    }
}
