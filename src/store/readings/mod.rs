//! The history of readings: packed, rolled up each hour, bounded.

use anyhow::Result;

use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;

/// A signal's number in `readings.db`. Only good for the store that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignalId(pub u32);

/// One reading as history keeps it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub signal: SignalId,
    pub at: Millis,
    pub severity: Severity,
    pub value: Option<f64>,
}

/// One hour of a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    /// When the hour begins.
    pub at: Millis,
    pub n: u32,
    pub worst: Severity,
    /// Over the readings that had a value; `None` where none had.
    pub median: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// How many readings there were, by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub green: u64,
    pub unknown: u64,
    pub yellow: u64,
    pub red: u64,
}

/// `readings.db`. A clone is the same. Every method blocks; [`Readings::call`] takes it off the async threads.
#[derive(Debug, Clone)]
pub struct Readings(());

impl Readings {
    /// Runs `f` on a blocking thread.
    pub async fn call<T: Send + 'static>(
        &self,
        _f: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        todo!()
    }

    /// The number of a signal, given at its first use.
    pub fn intern(&self, _signal: &Signal) -> Result<SignalId> {
        todo!()
    }

    /// Every signal that ever had a reading.
    pub fn signals(&self) -> Result<Vec<(SignalId, Signal)>> {
        todo!()
    }

    /// Stores one flush in one transaction.
    pub fn add(&self, _rows: &[Sample]) -> Result<()> {
        todo!()
    }

    /// Rolls ended hours up, packs them by signal and lets go of what is too old or too much. To be called every few minutes.
    pub fn maintain(&self, _now: Millis) -> Result<()> {
        todo!()
    }

    /// Readings of a signal since then, oldest first; a week is kept.
    pub fn history(&self, _signal: &Signal, _since: Millis) -> Result<Vec<Sample>> {
        todo!()
    }

    /// Ended hours of a signal since then, oldest first; a year is kept.
    pub fn hourly(&self, _signal: &Signal, _since: Millis) -> Result<Vec<Hour>> {
        todo!()
    }

    /// Ended hours of all signals since then, by signal: for seeding baselines.
    pub fn all_hourly(&self, _since: Millis) -> Result<Vec<(Signal, Vec<Hour>)>> {
        todo!()
    }

    /// How many readings there were since then.
    pub fn counts_since(&self, _at: Millis) -> Result<Counts> {
        todo!()
    }

    /// What the file takes.
    pub fn bytes(&self) -> Result<u64> {
        todo!()
    }
}
