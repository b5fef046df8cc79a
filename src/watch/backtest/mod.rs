//! The operator's own history, from Prometheus, through today's thresholds.
//!
//! Series of the node exporter become the facts of hosts, those of the blackbox exporter answers and
//! certificates; both go through the probes, baselines, triage and tree as they are now. A day is read at a
//! time, so that a month of many hosts stays small.

mod hosts;
pub mod sites;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::clients::prometheus::{Labels, Prometheus, PrometheusError, Series};
use crate::clock::zone::Zone;
use crate::model::fact::Facts;
use crate::model::ids::HostName;
use crate::model::time::{Millis, Span};
use crate::probe::Probe;
use crate::watch::backtest::hosts::{HostSeries, Kind, SERIES};
use crate::watch::backtest::sites::{Endpoint, Sites};
use crate::watch::replay::{Replay, Told};

/// The pace of most probes, and so that of what is read.
const STEP: Span = Span::mins(1);

/// What a backtest came to.
#[derive(Debug)]
pub struct Backtest {
    pub hosts: BTreeSet<HostName>,
    pub sites: usize,
    pub certificates: usize,
    pub signals: usize,
    pub readings: u64,
    /// Every incident that would have been, the explained with them; oldest first.
    pub told: Vec<Told>,
    /// Minutes for which Prometheus had nothing at all.
    pub blind: u64,
}

/// Makes the probes of a host: those that watch it by today's config.
pub type Makes<'a> = &'a dyn Fn(&HostName) -> Vec<Probe>;

/// Today's config, as far as the past is judged by it.
pub struct Today<'a> {
    pub makes: Makes<'a>,
    pub endpoints: &'a [Endpoint],
    /// Whose wall tells the hours of a day.
    pub zone: Zone,
}

impl fmt::Debug for Today<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "today's config with {} endpoints", self.endpoints.len())
    }
}

/// Replays `from..to`. `each_day` hears of every day that is done.
pub async fn run(
    prometheus: &Prometheus,
    today: Today<'_>,
    from: Millis,
    to: Millis,
    mut each_day: impl FnMut(Millis),
) -> Result<Backtest, PrometheusError> {
    let mut replay = Replay::default();
    replay.count_in(today.zone);
    let (mut seen, mut exporters) = (BTreeSet::new(), BTreeSet::new());
    let mut sites = Sites::new(today.endpoints);
    let mut blind = 0;
    let mut begin = from;
    while begin < to {
        let end = to.min(begin + Span::days(1));
        let day = Day { from: begin, to: end - STEP };
        let mut hosts = hosts(prometheus, &mut exporters, day).await?;
        sites.read(prometheus, day).await?;
        for host in hosts.keys() {
            if seen.insert(host.clone()) {
                (today.makes)(host).into_iter().for_each(|probe| replay.watch(probe));
            }
        }
        let mut now = begin;
        while now < end {
            let any = sites.look(&mut replay, now);
            if !look(&mut replay, &seen, &mut hosts, now) && !any {
                blind += 1;
            }
            now = now + STEP;
        }
        each_day(begin);
        begin = end;
    }
    Ok(Backtest {
        sites: sites.sites(),
        certificates: sites.certificates(),
        signals: replay.signals().count(),
        readings: replay.readings(),
        told: replay.told().to_vec(),
        hosts: seen,
        blind,
    })
}

/// Gives each host that is known at this minute its facts; false where none was.
fn look(
    replay: &mut Replay,
    seen: &BTreeSet<HostName>,
    hosts: &mut BTreeMap<HostName, HostSeries>,
    now: Millis,
) -> bool {
    let mut any = false;
    for (host, wanted) in replay.due(now) {
        let Some(series) = hosts.get_mut(&host).filter(|_| seen.contains(&host)) else { continue };
        // Without a word of `up` nobody looked at the host at all: that is no fault of it.
        let Some(reached) = series.reached(now) else { continue };
        any = true;
        let facts: Facts = wanted
            .into_iter()
            .map(|fact| {
                let found = series.fact(&fact, reached, now);
                (fact, found)
            })
            .collect();
        replay.look(&host, &facts, now);
    }
    any
}

/// What is read at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day {
    from: Millis,
    to: Millis,
}

impl Day {
    pub(crate) async fn read(
        self,
        prometheus: &Prometheus,
        expression: &str,
    ) -> Result<Vec<Series>, PrometheusError> {
        prometheus.query_range(expression, self.from, self.to, STEP).await
    }
}

/// The series of a day by host. `exporters` are the instances that ever spoke of a host: the `up` of
/// others, and of other exporters on the same host, says nothing about it.
async fn hosts(
    prometheus: &Prometheus,
    exporters: &mut BTreeSet<String>,
    day: Day,
) -> Result<BTreeMap<HostName, HostSeries>, PrometheusError> {
    let mut hosts: BTreeMap<HostName, HostSeries> = BTreeMap::new();
    for (kind, expression) in SERIES {
        for series in day.read(prometheus, expression).await? {
            let instance = series.labels.get("instance").cloned().unwrap_or_default();
            let Some(host) = host_of(&series.labels) else { continue };
            match kind {
                Kind::Up if !exporters.contains(&instance) => continue,
                Kind::Load1 => drop(exporters.insert(instance)),
                Kind::Up
                | Kind::Uptime
                | Kind::Size
                | Kind::Free
                | Kind::Inodes
                | Kind::FreeInodes
                | Kind::MemoryTotal
                | Kind::MemoryAvailable
                | Kind::SwapTotal
                | Kind::SwapFree
                | Kind::Waiting
                | Kind::Load5
                | Kind::Load15
                | Kind::Cores => {}
            }
            hosts.entry(host).or_default().add(kind, series);
        }
    }
    hosts.retain(|_, series| series.is_host());
    Ok(hosts)
}

/// `nas:9100` is the host nas; what is no name for a host has none.
fn host_of(labels: &Labels) -> Option<HostName> {
    let instance = labels.get("nodename").or_else(|| labels.get("instance"))?;
    let name = instance.rsplit_once(':').map_or(instance.as_str(), |(host, _)| host);
    let name: String = name.to_ascii_lowercase();
    HostName::new(name.as_str()).or_else(|_| HostName::new(name.replace(['.', ':'], "-"))).ok()
}

/// A series that is asked for one minute after the other.
#[derive(Debug, Default)]
pub(crate) struct Line {
    values: Vec<(Millis, f64)>,
    next: usize,
}

impl Line {
    pub(crate) fn of(series: Series) -> Self {
        Self { values: series.values, next: 0 }
    }

    /// The value of this very step.
    pub(crate) fn at(&mut self, now: Millis) -> Option<f64> {
        while self.values.get(self.next).is_some_and(|(at, _)| *at < now) {
            self.next += 1;
        }
        let (at, value) = self.values.get(self.next)?;
        (*at < now + STEP && value.is_finite()).then_some(*value)
    }
}

#[cfg(test)]
mod tests;
