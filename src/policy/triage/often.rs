//! Beyond a row of looks: so many of the last ones, and a clearing that waits.

use serde::{Deserialize, Serialize};

/// So many looks of the last so many: `4 of 10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOf {
    /// From 1 to `of`.
    pub times: u32,
    /// From 1 to [`OutOf::MOST`].
    pub of: u32,
}

impl OutOf {
    /// How many looks are remembered.
    pub const MOST: u32 = 64;

    /// None where the numbers are no share of looks that are remembered.
    pub fn new(times: u32, of: u32) -> Option<Self> {
        (1 <= times && times <= of && of <= Self::MOST).then_some(Self { times, of })
    }

    /// Beside so many in a row: one more, of a little over three times as many. `4 of 10` beside 3. None where one
    /// look fires anyway, or where so many are not remembered.
    pub fn usual(fire_after: u32) -> Option<Self> {
        if fire_after < 2 {
            return None;
        }
        Self::new(fire_after.saturating_add(1), fire_after.saturating_mul(3).saturating_add(1))
    }

    /// Whether so many of the newest looks are set; the newest is the lowest bit.
    pub fn reached(self, looks: u64) -> bool {
        self.times <= (looks & self.mask()).count_ones()
    }

    /// The bits of the looks that count.
    pub fn mask(self) -> u64 {
        u64::MAX >> (64 - self.of.clamp(1, Self::MOST))
    }
}

impl std::fmt::Display for OutOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.times, self.of)
    }
}

/// What goes beyond a row of looks: [`crate::policy::triage::track::Track`] knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// Often enough bad, or red, among the last looks.
    pub often: Often,
    pub clearing: Clearing,
}

/// How bad a signal was often enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Often {
    #[default]
    No,
    /// Yellow or red.
    Bad,
    Red,
}

/// Whether a row of green looks may end an incident yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clearing {
    #[default]
    Free,
    /// It flaps: it must stay green for longer.
    NotYet,
}
