//! The upkeep of a machine, as facts of it: its clock, its packages, its temperatures, its boot.

use serde::{Deserialize, Serialize};

use crate::model::time::Millis;

/// How a clock is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeSync {
    /// Whether something keeps it in time; `None` where nothing tells.
    pub synced: Option<bool>,
    /// By how many seconds it is off by its own time service.
    pub offset: Option<f64>,
    /// By how many seconds it differs from reef's clock, to the second; `None` for reef's own.
    pub against_reef: Option<f64>,
    /// `chrony`, `systemd-timesyncd`, `kernel`.
    pub by: String,
}

/// Packages that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updates {
    /// `None` where no package manager was asked.
    pub pending: Option<u32>,
    /// Those among them that close holes, where the manager tells.
    pub security: Option<u32>,
    /// Packages that want a reboot; `None` where none does.
    pub reboot: Option<Vec<String>>,
}

/// A temperature, in thousandths of a degree Celsius.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sensor {
    pub chip: String,
    pub label: String,
    pub now: i64,
    pub high: Option<i64>,
    pub critical: Option<i64>,
}

/// A boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The kernel's own id of it.
    pub id: String,
    pub at: Millis,
}
