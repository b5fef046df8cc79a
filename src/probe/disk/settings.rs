//! What of a volume is too full: `[probe.disk]`.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::mistakes::hint;
use crate::config::section::{Entry, Section};
use crate::config::setting::{Bytes, Percent};
use crate::model::starred::starred;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::threshold::{Direction, Threshold};

/// The levels of one volume, in percent used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    pub yellow: f64,
    pub red: f64,
}

/// What is too full.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub levels: Levels,
    /// Levels of single volumes.
    pub mounts: BTreeMap<AbsPath, Levels>,
    /// Volumes that are not watched; a star at the end stands for the rest. One that `mounts` names is
    /// watched though a star takes it.
    pub ignore: BTreeSet<AbsPath>,
    /// A volume larger than this must be short of room too: 90 % of 20 TiB leaves 2 TiB.
    pub large: u64,
    /// Short of room: less than this is free ...
    pub yellow_free: u64,
    pub red_free: u64,
    /// ... or it will be full within this at its own growth.
    pub yellow_within: Span,
    pub red_within: Span,
    /// Less than this free is red whatever the share, on volumes of at least `floor_from`.
    pub floor: u64,
    pub floor_from: u64,
    /// Percentage points that a volume must fall below a level before it clears.
    pub margin: f64,
    /// Growing by less than this since yesterday is never unusual, however quiet the volume was.
    pub growth: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            levels: Levels { yellow: 85.0, red: 90.0 },
            mounts: BTreeMap::new(),
            ignore: BTreeSet::new(),
            large: 1 << 40,
            yellow_free: 50 << 30,
            red_free: 20 << 30,
            yellow_within: Span::days(7),
            red_within: Span::days(1),
            floor: 1 << 30,
            floor_from: 20 << 30,
            margin: 2.0,
            growth: 20 << 30,
        }
    }
}

/// Reads `[probe.disk]`: levels for all volumes, and a table for a volume that differs:
/// `disk."/" = { yellow = "80 %" }`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    let levels = levels(section, default.levels);
    let ignore: Vec<AbsPath> = section.list_or("ignore", Vec::new());
    let mut settings = Settings {
        levels,
        mounts: BTreeMap::new(),
        ignore: ignore.into_iter().collect(),
        large: section.or("large", Bytes(default.large)).0,
        yellow_free: section.or("yellow_free", Bytes(default.yellow_free)).0,
        red_free: section.or("red_free", Bytes(default.red_free)).0,
        yellow_within: section.or("yellow_within", default.yellow_within),
        red_within: section.or("red_within", default.red_within),
        floor: section.or("floor", Bytes(default.floor)).0,
        floor_from: section.or("floor_from", Bytes(default.floor_from)).0,
        margin: section.or("margin", Percent(default.margin)).0,
        growth: section.or("growth", Bytes(default.growth)).0,
    };
    let known = section.known();
    for (name, entry) in section.entries() {
        match (AbsPath::new(&name), entry) {
            (Ok(path), Entry::Table(mut table)) => {
                let of_volume = self::levels(&mut table, levels);
                table.finish();
                settings.mounts.insert(path, of_volume);
            }
            (Ok(_), Entry::Short(_) | Entry::Other) => {
                section.mistake(&name, "needs levels; write { yellow = \"80 %\", red = \"95 %\" }");
            }
            (Err(_), _) => {
                let hint = hint(&name, known.iter().map(String::as_str));
                section.mistake(&name, format!("is neither a key of disk nor a mount point{hint}"));
            }
        }
    }
    settings
}

fn levels(section: &mut Section, default: Levels) -> Levels {
    let yellow = section.or("yellow", Percent(default.yellow)).0;
    let red = section.or("red", Percent(default.red)).0;
    if red < yellow {
        section.mistake("red", "lies below yellow");
    }
    Levels { yellow, red }
}

impl Settings {
    /// Whether a volume is not watched.
    pub(super) fn ignores(&self, mount: &AbsPath) -> bool {
        let taken = |ignored: &AbsPath| starred(ignored.as_str(), mount.as_str());
        self.ignore.contains(mount)
            || !self.mounts.contains_key(mount) && self.ignore.iter().any(taken)
    }

    /// The levels of a volume.
    pub(super) fn threshold(&self, mount: &AbsPath) -> Threshold {
        let levels = self.mounts.get(mount).unwrap_or(&self.levels);
        Threshold {
            yellow: Some(levels.yellow),
            red: Some(levels.red),
            direction: Direction::Above,
            margin: self.margin,
        }
    }
}
