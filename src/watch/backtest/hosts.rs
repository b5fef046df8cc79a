//! Series of the node exporter as the facts of a host.

use std::collections::BTreeMap;

use crate::clients::prometheus::Series;
use crate::model::fact::{Cpu, Fact, FactValue, Memory, NoFact, Pressure, Volume};
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::watch::backtest::Line;

/// What a series says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Up,
    Uptime,
    Size,
    Free,
    Inodes,
    FreeInodes,
    MemoryTotal,
    MemoryAvailable,
    SwapTotal,
    SwapFree,
    /// The share of the last minute in which some task waited for memory.
    Waiting,
    Load1,
    Load5,
    Load15,
    Cores,
}

/// Without what lies in memory or in an image: that is full by nature.
macro_rules! volumes {
    ($metric:literal) => {
        concat!(
            $metric,
            "{fstype!~\"tmpfs|ramfs|overlay|squashfs|iso9660|fuse.*|nsfs|devtmpfs|autofs\",mountpoint!~\"/(run|snap|var/lib/docker)/.*\"}"
        )
    };
}

/// What is asked for. All of it exists since version 1.0 of the exporter, but for the pressure, which
/// older kernels lack.
pub(crate) const SERIES: [(Kind, &str); 15] = [
    (Kind::Uptime, "node_time_seconds - node_boot_time_seconds"),
    (Kind::Size, volumes!("node_filesystem_size_bytes")),
    (Kind::Free, volumes!("node_filesystem_avail_bytes")),
    (Kind::Inodes, volumes!("node_filesystem_files")),
    (Kind::FreeInodes, volumes!("node_filesystem_files_free")),
    (Kind::MemoryTotal, "node_memory_MemTotal_bytes"),
    (Kind::MemoryAvailable, "node_memory_MemAvailable_bytes"),
    (Kind::SwapTotal, "node_memory_SwapTotal_bytes"),
    (Kind::SwapFree, "node_memory_SwapFree_bytes"),
    (Kind::Waiting, "rate(node_pressure_memory_waiting_seconds_total[2m])"),
    (Kind::Load1, "node_load1"),
    (Kind::Load5, "node_load5"),
    (Kind::Load15, "node_load15"),
    (Kind::Cores, "count without (cpu, mode) (node_cpu_seconds_total{mode=\"idle\"})"),
    // Last, because only an instance that has a load is a host.
    (Kind::Up, "up"),
];

/// All series of one host over a day.
#[derive(Debug, Default)]
pub(crate) struct HostSeries {
    whole: BTreeMap<Kind, Line>,
    /// By mount point.
    volumes: BTreeMap<String, BTreeMap<Kind, Line>>,
    devices: BTreeMap<String, (String, String)>,
}

impl HostSeries {
    pub(crate) fn add(&mut self, kind: Kind, series: Series) {
        let label = |name: &str| series.labels.get(name).cloned().unwrap_or_default();
        match series.labels.get("mountpoint").cloned() {
            Some(mount) => {
                self.devices.insert(mount.clone(), (label("device"), label("fstype")));
                self.volumes.entry(mount).or_default().insert(kind, Line::of(series));
            }
            None => drop(self.whole.insert(kind, Line::of(series))),
        }
    }

    pub(crate) fn is_host(&self) -> bool {
        self.whole.contains_key(&Kind::Up)
    }

    /// Whether the exporter answered; `None` where nobody asked it.
    pub(crate) fn reached(&mut self, now: Millis) -> Option<bool> {
        self.whole.get_mut(&Kind::Up)?.at(now).map(|up| 0.5 < up)
    }

    pub(crate) fn fact(
        &mut self,
        fact: &Fact,
        reached: bool,
        now: Millis,
    ) -> Result<FactValue, NoFact> {
        if !reached {
            return Err(NoFact::Failed("did not answer Prometheus".into()));
        }
        let found = match fact {
            Fact::Volumes => self.volumes(now),
            Fact::Memory => self.memory(now).map(FactValue::Memory),
            Fact::Pressure => match self.value(Kind::Waiting, now) {
                Some(share) => Some(FactValue::Pressure(Pressure {
                    memory_some_60: whole_32(share * 10_000.0),
                    memory_some_10: whole_32(share * 10_000.0),
                    ..Pressure::default()
                })),
                None => return Err(NoFact::Absent("Prometheus has no pressure of it".into())),
            },
            Fact::Cpu => self.cpu(now).map(FactValue::Cpu),
            Fact::Uptime => self
                .value(Kind::Uptime, now)
                .map(|up| FactValue::Uptime(Span::secs(i64::try_from(whole(up)).unwrap_or(0)))),
            Fact::Folder(_)
            | Fact::OomKills
            | Fact::Interfaces
            | Fact::Unit(_)
            | Fact::FailedUnits
            | Fact::Processes(_)
            | Fact::Busiest
            | Fact::Newest(_)
            | Fact::JournalErrors
            | Fact::FileLines(_)
            | Fact::Containers
            | Fact::Stacks
            | Fact::Swarm
            | Fact::Drives
            | Fact::Pools
            | Fact::Arrays
            | Fact::TimeSync
            | Fact::Updates
            | Fact::Sensors
            | Fact::Boot
            | Fact::Logins(_)
            | Fact::Listening
            | Fact::Guarded(_)
            | Fact::Hands
            | Fact::Renewals
            | Fact::Files(_) => None,
        };
        found.ok_or_else(|| NoFact::Failed("Prometheus has nothing of it".into()))
    }

    fn value(&mut self, kind: Kind, now: Millis) -> Option<f64> {
        self.whole.get_mut(&kind)?.at(now)
    }

    fn memory(&mut self, now: Millis) -> Option<Memory> {
        Some(Memory {
            total: whole(self.value(Kind::MemoryTotal, now)?),
            available: whole(self.value(Kind::MemoryAvailable, now)?),
            swap_total: self.value(Kind::SwapTotal, now).map(whole).unwrap_or_default(),
            swap_free: self.value(Kind::SwapFree, now).map(whole).unwrap_or_default(),
        })
    }

    fn cpu(&mut self, now: Millis) -> Option<Cpu> {
        let load_5 = self.value(Kind::Load5, now)?;
        Some(Cpu {
            cores: self.value(Kind::Cores, now).map_or(1, whole_32).max(1),
            load_1: self.value(Kind::Load1, now).unwrap_or(load_5),
            load_5,
            load_15: self.value(Kind::Load15, now).unwrap_or(load_5),
            ..Cpu::default()
        })
    }

    /// `None` where no volume is known at this minute.
    fn volumes(&mut self, now: Millis) -> Option<FactValue> {
        let mut volumes = Vec::new();
        let mut sources = Vec::new();
        for (mount, lines) in &mut self.volumes {
            let mut value = |kind| lines.get_mut(&kind).and_then(|line| line.at(now));
            let (Some(total), Some(free)) = (value(Kind::Size), value(Kind::Free)) else {
                continue;
            };
            let Ok(path) = AbsPath::new(mount) else { continue };
            let (source, fs) = self.devices.get(mount).cloned().unwrap_or_default();
            // A device that is mounted twice counts once.
            if sources.contains(&source) {
                continue;
            }
            sources.push(source.clone());
            volumes.push(Volume {
                mount: path,
                source,
                fs,
                total_bytes: whole(total),
                free_bytes: whole(free),
                total_inodes: value(Kind::Inodes).map(whole).unwrap_or_default(),
                free_inodes: value(Kind::FreeInodes).map(whole).unwrap_or_default(),
                // What is always read-only was mounted so; only a change is a fault, and that is not told apart
                // here.
                read_only: false,
                stale: None,
            });
        }
        (!volumes.is_empty()).then_some(FactValue::Volumes(volumes))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate, and no count here is negative"
)]
fn whole(n: f64) -> u64 {
    n as u64
}

fn whole_32(n: f64) -> u32 {
    u32::try_from(whole(n)).unwrap_or(u32::MAX)
}
