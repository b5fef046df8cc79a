//! Where a process dies, and what the world says afterwards.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reef::gate::crash::{Point, Points};
use reef::model::plan::Leash;
use reef::store::faults::{Fault, Faults, Writing};

/// Where a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    At(Point),
    /// Half of the request is sent.
    HalfSent,
    /// Before the n-th statement, commit or anchor after the run began.
    Row(u64),
    Commit(u64),
    Anchor(u64),
    /// Whenever the parent kills it, so many milliseconds after it began.
    After(u64),
}

/// The named ones, as they stand in the list of crash points: P1 to P13 and P7's second half, then the chain's head.
pub(super) const NAMED: [Place; 16] = {
    let mut all = [Place::HalfSent; 16];
    let mut n = 0;
    while n < Point::ALL.len() {
        all[n] = Place::At(Point::ALL[n]);
        n += 1;
    }
    all[n + 1] = Place::Anchor(0);
    all
};

/// What the world says afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// A promise, which no probe speaks of.
    Clean,
    /// The probe is green once it was done.
    VerifyOk,
    /// It stays red, whatever was done.
    VerifyFails,
}

pub(super) const CASES: [Case; 3] = [Case::Clean, Case::VerifyOk, Case::VerifyFails];

/// How an effect goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Plain,
    /// Sends half of it first, takes its time, and may be cut off in between.
    Halves,
    /// It happens, and then it fails.
    Fails,
    /// It happens, and nobody hears of it.
    Unheard,
}

pub(super) const WAYS: [Way; 4] = [Way::Plain, Way::Halves, Way::Fails, Way::Unheard];

impl Place {
    pub(super) fn text(self) -> String {
        match self {
            Self::At(point) => {
                format!("at {}", Point::ALL.iter().position(|known| *known == point).unwrap())
            }
            Self::HalfSent => "half 0".into(),
            Self::Row(n) => format!("row {n}"),
            Self::Commit(n) => format!("commit {n}"),
            Self::Anchor(n) => format!("anchor {n}"),
            Self::After(ms) => format!("after {ms}"),
        }
    }

    pub(super) fn of(text: &str) -> Self {
        let (word, n) = text.split_once(' ').unwrap();
        let n: u64 = n.parse().unwrap();
        match word {
            "at" => Self::At(Point::ALL[usize::try_from(n).unwrap()]),
            "half" => Self::HalfSent,
            "row" => Self::Row(n),
            "commit" => Self::Commit(n),
            "anchor" => Self::Anchor(n),
            "after" => Self::After(n),
            other => panic!("{other}"),
        }
    }

    /// As the toll counts it.
    pub(super) fn word(self) -> String {
        match self {
            Self::At(point) => format!("{point:?}"),
            other => other.text().split(' ').next().unwrap().to_owned(),
        }
    }

    /// A question is asked where the place lies behind one.
    pub(super) fn leash(self) -> Leash {
        match self {
            Self::At(Point::ApprovalRequested | Point::ApprovalStored) => Leash::Ask,
            _ => Leash::Auto,
        }
    }

    /// Half of a request is sent by what sends halves, and a breaker opens where something failed.
    pub(super) fn way(self, otherwise: Way) -> Way {
        match self {
            Self::HalfSent => Way::Halves,
            Self::At(Point::BreakerInserted) => Way::Fails,
            _ => otherwise,
        }
    }

    /// Whether the way of such a case leads past this place.
    pub(super) fn lies_on(self, case: Case, way: Way) -> bool {
        let proven = case != Case::Clean && matches!(way, Way::Plain | Way::Halves);
        match self {
            // A promise was asked about with the plan that made it.
            Self::At(Point::ApprovalRequested | Point::ApprovalStored) => case != Case::Clean,
            // What failed for sure, or what nobody knows of and no probe speaks of, is not verified.
            Self::At(Point::VerifyStarted | Point::VerifyInserted) => proven,
            _ => true,
        }
    }
}

/// Ends this process at one place, as a power cut would: by SIGKILL.
#[derive(Debug)]
pub(super) struct Reaper {
    place: Place,
    pub(super) armed: AtomicBool,
    rows: AtomicU64,
    commits: AtomicU64,
    anchors: AtomicU64,
}

impl Reaper {
    pub(super) fn new(place: Place) -> Self {
        let zero = AtomicU64::default;
        Self {
            place,
            armed: AtomicBool::new(false),
            rows: zero(),
            commits: zero(),
            anchors: zero(),
        }
    }

    pub(super) fn strike(&self, place: Place) {
        if place == self.place && self.armed.load(Ordering::Relaxed) {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
            // The signal is on its way: nothing more may happen here.
            std::thread::sleep(Duration::from_secs(60));
        }
    }
}

impl Points for Reaper {
    fn reached(&self, point: Point) {
        self.strike(Place::At(point));
    }
}

impl Faults for Reaper {
    fn before(&self, writing: Writing) -> Option<Fault> {
        if self.armed.load(Ordering::Relaxed) {
            let next = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
            self.strike(match writing {
                Writing::Row => Place::Row(next(&self.rows)),
                Writing::Commit => Place::Commit(next(&self.commits)),
                Writing::Anchor => Place::Anchor(next(&self.anchors)),
            });
        }
        None
    }
}

/// A place that no point has a name for.
pub(super) fn anywhere(seed: &mut u64) -> Place {
    // A generator with fixed steps: the same deaths each time.
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let n = *seed >> 33;
    match n % 4 {
        0 => Place::Row(n / 4 % 40),
        1 => Place::Commit(n / 4 % 12),
        2 => Place::Anchor(n / 4 % 5),
        _ => Place::After(60 + n / 4 % 240),
    }
}
