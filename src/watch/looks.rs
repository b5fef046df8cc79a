//! Runs the looks that are due: one collection a host, one task a network probe, each under its
//! own hard timeout, so that a stuck one delays no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout};

use crate::clients::host::pace::by_pace;
use crate::clients::host::{HostLink, Hosts, Trips};
use crate::model::fact::{Fact, Facts, NoFact};
use crate::model::ids::HostName;
use crate::model::reading::Reading;
use crate::model::time::{Millis, Span};
use crate::probe::{How, NetProbe, Past};

/// What a finished look brings back.
#[derive(Debug)]
pub struct Finished {
    pub done: Done,
    pub cut: Cut,
    pub began: Instant,
}

/// Whether the hard timeout ended a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    No,
    Yes,
}

/// The two kinds of looks.
pub enum Done {
    /// One host's collection, for these probes.
    Facts { probes: Vec<usize>, facts: Facts },
    /// One network probe, which comes back with its client and its past.
    Net { probe: usize, how: Box<dyn NetProbe>, readings: Vec<Reading> },
    /// A look that panicked: a defect of ours, told as unknown. A network probe is lost with it.
    Broken { probes: Vec<usize>, why: String },
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Facts { probes, .. } => write!(f, "facts for {probes:?}"),
            Self::Net { probe, .. } => write!(f, "look of {probe}"),
            Self::Broken { probes, why } => write!(f, "broken look of {probes:?}: {why}"),
        }
    }
}

/// When a look began, and when it must be over; the watchdog asks.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    began: Instant,
    until: Instant,
}

/// Looks under way.
#[derive(Debug, Default)]
pub struct Looks {
    tasks: JoinSet<Finished>,
    /// By probe.
    under_way: BTreeMap<usize, UnderWay>,
    /// Which probes a task looks for.
    whose: BTreeMap<Id, (Vec<usize>, Instant)>,
}

/// Whether a collection answers at once or may wait for a program, a server or a large folder: apart,
/// no slow probe delays a quick one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pace {
    Quick,
    Slow,
}

impl Pace {
    fn of(wants: &BTreeSet<Fact>, trips: Option<Trips>) -> Self {
        if trips == Some(Trips::One) {
            return Self::Quick;
        }
        let [_, slow] = by_pace(wants.clone());
        if slow.is_empty() { Self::Quick } else { Self::Slow }
    }
}

/// What a look of one probe needs.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub probe: usize,
    pub host: &'a HostName,
    pub timeout: Span,
    pub how: &'a mut Option<How>,
}

/// A probe whose look was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassedOver {
    pub probe: usize,
    /// For how long another look of it is under way; `None` where the probe broke and is lost.
    pub under_way: Option<Span>,
}

/// The probes of one collection, what they want of it, and how long it may take.
#[derive(Debug, Default)]
struct Together {
    probes: Vec<usize>,
    facts: BTreeSet<Fact>,
    within: Span,
}

impl Looks {
    /// Begins looks. A probe whose last look is still under way is passed over, and returned with how long
    /// that one has been under way already; one that is lost, with no time at all.
    pub fn begin(
        &mut self,
        wanted: Vec<Wanted<'_>>,
        hosts: &Hosts,
        past: &Arc<dyn Past>,
        now: Millis,
    ) -> Vec<PassedOver> {
        let mut passed_over = Vec::new();
        let mut by_host: BTreeMap<(&HostName, Pace), Together> = BTreeMap::new();
        for one in wanted {
            if let Some(UnderWay { began, .. }) = self.under_way.get(&one.probe) {
                let under_way = Some(Span::from(began.elapsed()));
                passed_over.push(PassedOver { probe: one.probe, under_way });
                continue;
            }
            match one.how {
                Some(How::Host(probe)) => {
                    let mut wants = probe.wants();
                    let pace = Pace::of(&wants, hosts.get(one.host).map(|link| link.trips()));
                    let together = by_host.entry((one.host, pace)).or_default();
                    together.probes.push(one.probe);
                    together.facts.append(&mut wants);
                    // Where there are others, when each booted tells of a power cut; it costs nothing.
                    if 1 < hosts.len() && pace == Pace::Quick {
                        together.facts.insert(Fact::Uptime);
                    }
                    together.within = together.within.max(one.timeout);
                }
                Some(How::Net(_)) => {
                    if let Some(How::Net(probe)) = one.how.take() {
                        self.begin_net(one.probe, probe, one.timeout, past, now);
                    }
                }
                None => passed_over.push(PassedOver { probe: one.probe, under_way: None }),
            }
        }
        for ((host, _), Together { probes, facts, within }) in by_host {
            self.begin_host(hosts.get(host).cloned(), probes, facts, within);
        }
        passed_over
    }

    fn begin_net(
        &mut self,
        probe: usize,
        mut how: Box<dyn NetProbe>,
        within: Span,
        past: &Arc<dyn Past>,
        now: Millis,
    ) {
        let began = Instant::now();
        self.under_way.insert(probe, UnderWay { began, until: began + within.duration() });
        let past = Arc::clone(past);
        let task = self.tasks.spawn(async move {
            let looked = timeout(within.duration(), how.look(&*past, now)).await;
            let cut = if looked.is_err() { Cut::Yes } else { Cut::No };
            let readings = looked.unwrap_or_else(|_| how.timed_out(within, now));
            Finished { done: Done::Net { probe, how, readings }, cut, began }
        });
        self.whose.insert(task.id(), (vec![probe], began));
    }

    fn begin_host(
        &mut self,
        link: Option<Arc<dyn HostLink>>,
        probes: Vec<usize>,
        wanted: BTreeSet<Fact>,
        within: Span,
    ) {
        let began = Instant::now();
        for probe in &probes {
            self.under_way.insert(*probe, UnderWay { began, until: began + within.duration() });
        }
        let whose = probes.clone();
        let task = self.tasks.spawn(async move {
            let mut cut = Cut::No;
            let facts = match link {
                Some(link) => match timeout(within.duration(), link.facts(&wanted)).await {
                    Ok(facts) => facts,
                    Err(_) => {
                        cut = Cut::Yes;
                        missing(&wanted, &format!("no answer within {within}"))
                    }
                },
                None => missing(&wanted, "there is no way to this host in the config"),
            };
            Finished { done: Done::Facts { probes, facts }, cut, began }
        });
        self.whose.insert(task.id(), (whose, began));
    }

    /// The next look to finish; pends where none is under way.
    pub async fn finished(&mut self) -> Finished {
        let Some(ended) = self.tasks.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let (probes, began) = self.whose.remove(&id).unwrap_or_else(|| (vec![], Instant::now()));
        for probe in &probes {
            self.under_way.remove(probe);
        }
        match ended {
            Ok((_, finished)) => finished,
            Err(error) => Finished {
                done: Done::Broken { probes, why: error.to_string() },
                cut: Cut::No,
                began,
            },
        }
    }

    /// Whether a look is under way that should have ended `grace` ago: then the loop is not healthy.
    pub fn overdue(&self, grace: Span) -> bool {
        let now = Instant::now();
        self.under_way.values().any(|look| look.until + grace.duration() < now)
    }

    /// Whether a look of this probe is under way.
    pub fn under_way(&self, probe: usize) -> bool {
        self.under_way.contains_key(&probe)
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

fn missing(wanted: &BTreeSet<Fact>, why: &str) -> Facts {
    wanted.iter().map(|fact| (fact.clone(), Err(NoFact::Failed(why.to_owned())))).collect()
}
