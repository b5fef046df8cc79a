//! The pasts of all signals, shared between the loop and the looks under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::zone::Zone;
use crate::model::guard::{Known, Recall};
use crate::model::reading::Reading;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::policy::baseline::{Daily, Usual};
use crate::probe::Past;
use crate::probe::past::Pasts;

/// Pasts behind a lock that is held for a lookup only. Loop and looks share a thread, so nobody waits.
#[derive(Debug, Default)]
pub(crate) struct SharedPasts {
    pasts: Mutex<Pasts>,
    /// None before the former life's was read.
    known: Mutex<Option<BTreeMap<Signal, Known>>>,
    /// Whether somebody asked before, and held their tongue.
    asked: AtomicBool,
}

/// Whether somebody asked in vain before it was known what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InVain {
    Yes,
    No,
}

impl SharedPasts {
    fn pasts(&self) -> MutexGuard<'_, Pasts> {
        self.pasts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Option<BTreeMap<Signal, Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a former life knew, or what a look learned.
    pub(crate) fn learn(&self, more: impl IntoIterator<Item = (Signal, Known)>) -> InVain {
        let mut known = self.known();
        let asked = known.is_none() && self.asked.load(Ordering::Relaxed);
        known.get_or_insert_default().extend(more);
        if asked { InVain::Yes } else { InVain::No }
    }

    /// What is known of a signal, with these items as they are told; one without a state is gone.
    pub(crate) fn accept(&self, signal: &Signal, what: &[(&str, &str)]) -> Known {
        let mut all = self.known();
        let known = all.get_or_insert_default().entry(signal.clone()).or_default();
        for (item, state) in what {
            match *state {
                "" => drop(known.remove(*item)),
                state => drop(known.insert((*item).to_owned(), state.to_owned())),
            }
        }
        known.clone()
    }

    pub(crate) fn note(&self, reading: &Reading) {
        self.pasts().note(reading);
    }

    pub(crate) fn seed(&self, signal: &Signal, hours: Vec<(Millis, f64)>) {
        self.pasts().seed(signal, hours);
    }

    /// As [`Pasts::count_in`].
    pub(crate) fn count_in(&self, zone: Zone) {
        self.pasts().count_in(zone);
    }

    pub(crate) fn forget(&self, now: Millis) {
        self.pasts().forget(now);
    }
}

impl Past for SharedPasts {
    fn known(&self, signal: &Signal) -> Recall {
        match &*self.known() {
            None => {
                self.asked.store(true, Ordering::Relaxed);
                Recall::NotYet
            }
            Some(known) => known.get(signal).cloned().map_or(Recall::Nothing, Recall::Is),
        }
    }

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
