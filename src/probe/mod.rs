//! Probes: one file each, one table. A probe never repairs.

pub mod alerts;
pub mod ask;
pub mod backends;
pub mod backup;
pub mod boot;
pub mod care;
pub mod cert;
pub mod cpu;
pub mod disk;
pub mod dns;
pub mod docker;
pub mod domain;
pub mod drift;
pub mod errors;
pub mod exec;
pub mod folder;
pub mod heat;
pub mod http;
pub mod if_there;
pub mod kin;
#[cfg(feature = "kube")]
pub mod kube;
pub mod lag;
pub mod mariadb;
pub mod memory;
pub mod metrics;
pub mod net;
pub mod ollama;
pub mod oom;
pub mod parts;
pub mod past;
pub mod pbs;
pub mod pihole;
pub mod ping;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod proxmox;
pub mod push;
pub mod queue;
pub mod raid;
pub mod reach;
pub mod reef_self;
pub mod s3;
pub mod security;
pub mod series;
pub mod service;
pub mod smart;
pub mod spoken;
pub mod table;
pub mod tailscale;
pub mod tcp;
pub mod time;
pub mod tls;
pub mod traces;
pub mod unit;
pub mod updates;
pub mod uplink;
pub mod ups;
pub mod voice;
mod whereabouts;
pub mod zfs;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::Fut;
use crate::model::change::Change;
use crate::model::fact::{Fact, Facts};
use crate::model::guard::{Known, Recall};
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::policy::baseline::{Basis, Daily, Usual};

/// A probe as it was configured.
#[derive(Debug)]
pub struct Probe {
    /// Its kind: `disk`, `http`.
    pub kind: Word,
    /// What it is called in config and output: `disk`, `http.jellyfin`.
    pub name: String,
    pub host: HostName,
    pub every: Span,
    /// Hard: after it the look is over, its process group killed, and the signal unknown.
    pub timeout: Span,
    /// Consecutive looks to fire and to clear.
    pub fire_after: u32,
    pub clear_after: u32,
    /// Whether it may page at night.
    pub wakes: bool,
    /// Whose red explains this one's.
    pub parent: Option<Signal>,
    /// How its signals are triaged and told beyond that.
    pub care: care::Care,
    /// What stands behind it, for runbooks: `unit:nginx.service` on its host.
    pub served_by: Option<crate::model::target::Target>,
    pub how: How,
}

/// How a probe looks.
pub enum How {
    /// Wants facts of its host and judges them; never fetches.
    Host(Box<dyn HostProbe>),
    /// Reaches over the network, or runs a program that the operator wrote in the config.
    Net(Box<dyn NetProbe>),
}

impl fmt::Debug for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host(_) => "host probe",
            Self::Net(_) => "net probe",
        })
    }
}

/// The hosts of the config that are reached over the network, by their names and addresses in lower case.
pub type Others = Arc<BTreeMap<String, HostName>>;

/// A probe over facts.
pub trait HostProbe: Send {
    fn wants(&self) -> BTreeSet<Fact>;
    /// Judges what the collection brought. Every signal that it spoke of before is spoken of again, as
    /// unknown where its fact is missing.
    fn judge(&mut self, facts: &Facts, past: &dyn Past, now: Millis) -> Vec<Reading>;
    /// What the last look saw changed: another image, a reboot. Taken once after each look and recorded;
    /// a change is no reading and opens nothing.
    fn changes(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// Why it said nothing at the last look, where its thing is not there: "smartctl is not installed".
    fn absent(&self) -> Option<String> {
        None
    }

    /// Tells it once, before the first look, by which names and addresses the config's other hosts are called: what it
    /// finds to lie on one of them hangs on that one.
    fn introduce(&mut self, _others: &Others) {}
    /// As [`NetProbe::recall`].
    fn recall(&mut self, _parts: &[Signal]) {}
    /// What the last look learned to be usual. Taken once after each look, and kept over restarts; asked for again by
    /// [`Past::known`].
    fn learned(&mut self) -> Vec<(Signal, Known)> {
        Vec::new()
    }
}

/// A probe over the network. It may keep its client and its past; one look at a time.
pub trait NetProbe: Send {
    fn look<'a>(&'a mut self, past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>>;
    /// What it says when its hard timeout struck: the signals, unknown or red.
    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading>;
    /// As [`HostProbe::changes`].
    fn changes(&mut self) -> Vec<Change> {
        Vec::new()
    }
    /// Signals of things that the last look found gone for good: a deployment that was deleted. Taken once
    /// after each look; an incident of theirs is over.
    fn retired(&mut self) -> Vec<Signal> {
        Vec::new()
    }
    /// Hands over the bell by which it may ask for a look before its time. Called once, before the first
    /// look.
    fn listen(&mut self, _bell: Bell) {}
    /// Signals of its parts that a former life knew: a part that the next whole look does not see is gone.
    fn recall(&mut self, _parts: &[Signal]) {}
    /// Gives back what it holds elsewhere, such as a log-in: it will not look any more. `None` where it holds nothing.
    fn leave(&mut self) -> Option<Fut<'_, ()>> {
        None
    }
}

/// Asks for a look of one probe before its time. An event is no reading: all it does is ring.
#[derive(Debug, Clone)]
pub struct Bell {
    name: Arc<str>,
    to: mpsc::Sender<Arc<str>>,
}

impl Bell {
    /// A bell for the probe of this name.
    pub fn new(name: &str, to: mpsc::Sender<Arc<str>>) -> Self {
        Self { name: name.into(), to }
    }

    /// Rings. Where many ring already the loop is busy, and the grid's own look comes anyway.
    pub fn ring(&self) {
        let _full: Result<(), _> = self.to.try_send(Arc::clone(&self.name));
    }
}

/// A signal's own past, in memory; filled from readings.db at the start.
pub trait Past: Send + Sync {
    /// The median of the same hour of the day over the last seven days; `None` with fewer than three
    /// such days.
    fn same_hour(&self, signal: &Signal, now: Millis) -> Option<f64>;
    /// The median over the last seven days, or as far as there is; `None` with less than an hour.
    fn median(&self, signal: &Signal, now: Millis) -> Option<f64>;
    /// Change per day (the median slope of the last week); `None` with less than a day.
    fn growth_per_day(&self, signal: &Signal, now: Millis) -> Option<f64>;
    /// What is usual at this hour: of the same hour of the week where that is known, else of the day, else
    /// of the last week.
    fn usual(&self, signal: &Signal, now: Millis) -> Option<Usual> {
        let usual = |basis| move |median| Usual { median, spread: 0.0, seen: 0.0, basis };
        let of_day = self.same_hour(signal, now).map(usual(Basis::HourOfDay));
        of_day.or_else(|| self.median(signal, now).map(usual(Basis::Overall)))
    }
    /// How far `value` lies from yesterday's, against the days before; `None` with fewer than three.
    fn daily(&self, _signal: &Signal, _value: f64, _now: Millis) -> Option<Daily> {
        None
    }
    /// What is known of a signal and is nothing new.
    fn known(&self, _signal: &Signal) -> Recall {
        Recall::Nothing
    }
    /// The finished hours of four weeks and their medians, oldest first.
    fn hours(&self, _signal: &Signal, _now: Millis) -> Vec<(Millis, f64)> {
        Vec::new()
    }
}
