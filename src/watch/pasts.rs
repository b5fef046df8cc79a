//! The pasts of all signals, shared between the loop and the looks under way.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::reading::Reading;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::policy::baseline::{Daily, Usual};
use crate::probe::Past;
use crate::probe::past::Pasts;

/// Pasts behind a lock that is held for a lookup only. Loop and looks share a thread, so nobody waits.
#[derive(Debug, Default)]
pub(crate) struct SharedPasts(Mutex<Pasts>);

impl SharedPasts {
    fn pasts(&self) -> MutexGuard<'_, Pasts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, reading: &Reading) {
        self.pasts().note(reading);
    }

    pub(crate) fn seed(&self, signal: &Signal, hours: Vec<(Millis, f64)>) {
        self.pasts().seed(signal, hours);
    }

    pub(crate) fn forget(&self, now: Millis) {
        self.pasts().forget(now);
    }
}

impl Past for SharedPasts {
    fn same_hour(&self, signal: &Signal, now: Millis) -> Option<f64> {
        self.pasts().same_hour(signal, now)
    }

    fn median(&self, signal: &Signal, now: Millis) -> Option<f64> {
        self.pasts().median(signal, now)
    }

    fn growth_per_day(&self, signal: &Signal, now: Millis) -> Option<f64> {
        self.pasts().growth_per_day(signal, now)
    }

    fn usual(&self, signal: &Signal, now: Millis) -> Option<Usual> {
        self.pasts().usual(signal, now)
    }

    fn daily(&self, signal: &Signal, value: f64, now: Millis) -> Option<Daily> {
        self.pasts().daily(signal, value, now)
    }

    fn hours(&self, signal: &Signal, now: Millis) -> Vec<(Millis, f64)> {
        self.pasts().hours(signal, now)
    }
}
