//! When each probe is due: fixed phases on a common grid, absolute deadlines.
//!
//! A timer per probe costs a wake-up per probe; due probes gathered onto a grid cost one wake-up a
//! slot. A deadline is its predecessor plus the interval, never "now plus the interval", so a slow
//! look shifts nothing. Pure: times are milliseconds since the loop began.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::time::Span;

/// The grid of up to this many probes has slots of a second; a larger one of a quarter.
const FEW: usize = 50;

/// Where there are more, the opening takes this long for each: a round of all at once would be a burst of
/// connections, and what they leave in memory.
const OPENING_EACH: u64 = 10;

/// The schedule of all probes, by index.
#[derive(Debug)]
pub struct Grid {
    slot: u64,
    every: Vec<u64>,
    phase: Vec<u64>,
    /// Deadline -> the probes that are due then.
    due: BTreeMap<u64, Vec<usize>>,
    next: Vec<u64>,
}

/// What is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    pub probes: Vec<usize>,
    /// Looks beyond these whose deadline, and a whole interval after it, passed without them.
    pub skipped: usize,
}

/// What the grid needs to know of a probe.
#[derive(Debug, Clone)]
pub struct Rhythm {
    pub every: Span,
    /// Probes with the same key share a phase: those of one host, so that one collection serves all.
    pub key: String,
}

impl Grid {
    /// Everybody's first look is at once, spread a little where there are many; from then on at
    /// `phase + k * every`.
    pub fn new(rhythms: &[Rhythm]) -> Self {
        let slot = if rhythms.len() <= FEW { 1_000 } else { 250 };
        let mut grid =
            Self { slot, every: vec![], phase: vec![], due: BTreeMap::new(), next: vec![] };
        let few = rhythms.len() <= FEW;
        let opening = if few { 0 } else { rhythms.len() as u64 * OPENING_EACH };
        for (i, rhythm) in rhythms.iter().enumerate() {
            let every = u64::try_from(rhythm.every.0).unwrap_or(0).max(slot).div_ceil(slot) * slot;
            let phase = hash(&rhythm.key) % (every / slot) * slot;
            grid.every.push(every);
            grid.phase.push(phase);
            // As far into the opening as the phase lies into the interval.
            let first = phase * opening.min(every) / every / slot * slot;
            grid.next.push(first);
            grid.due.entry(first).or_default().push(i);
        }
        grid
    }

    /// The next deadline, if there is any probe.
    pub fn next_deadline(&self) -> Option<u64> {
        self.due.first_key_value().map(|(at, _)| *at)
    }

    /// Takes out all that is due at `now` and puts each back at its next deadline ahead. Deadlines
    /// that passed meanwhile (a loop that was stuck, a stopped machine) are skipped, not caught up.
    pub fn take_due(&mut self, now: u64) -> Due {
        let mut skipped = 0_u64;
        let mut taken = Vec::new();
        while let Some(entry) = self.due.first_entry() {
            if now < *entry.key() {
                break;
            }
            taken.append(&mut entry.remove());
        }
        for &i in &taken {
            skipped = skipped.saturating_add(now.saturating_sub(self.next[i]) / self.every[i]);
            self.put_back(i, now);
        }
        Due { probes: taken, skipped: usize::try_from(skipped).unwrap_or(usize::MAX) }
    }

    /// A look that somebody asked for stands for the one that would follow within half an interval.
    pub fn looked(&mut self, probe: usize, now: u64) {
        let (Some(&next), Some(&every)) = (self.next.get(probe), self.every.get(probe)) else {
            return;
        };
        let Some(with_it) = self.due.get_mut(&next).filter(|_| next < now + every / 2) else {
            return;
        };
        let before = with_it.len();
        with_it.retain(|other| *other != probe);
        // One that was removed is due no more.
        let was_due = with_it.len() < before;
        if with_it.is_empty() {
            self.due.remove(&next);
        }
        if was_due {
            self.put_back(probe, now);
        }
    }

    fn put_back(&mut self, i: usize, now: u64) {
        let (every, phase) = (self.every[i], self.phase[i]);
        let from = now.max(self.next[i]) + 1;
        let mut next = (from.saturating_sub(phase)).div_ceil(every) * every + phase;
        // The look at the start is off the phase: do not look again within half an interval.
        if next < self.next[i] + every / 2 {
            next += every;
        }
        self.next[i] = next;
        self.due.entry(next).or_default().push(i);
    }

    /// One more probe, first due an interval from `now`: whoever adds it looks at it at once.
    pub fn add(&mut self, every: Span, now: u64) {
        let every =
            u64::try_from(every.0).unwrap_or(0).max(self.slot).div_ceil(self.slot) * self.slot;
        let next = (now / self.slot + 1) * self.slot + every - self.slot;
        self.every.push(every);
        self.phase.push(next % every);
        self.next.push(next);
        self.due.entry(next).or_default().push(self.every.len() - 1);
    }

    /// A probe that is never due again; the indices of the others stay.
    pub fn remove(&mut self, probe: usize) {
        self.due.retain(|_, probes| {
            probes.retain(|p| *p != probe);
            !probes.is_empty()
        });
    }

    /// How late a look that begins at `now` would be, counted from the deadline that made it due.
    pub fn slot(&self) -> u64 {
        self.slot
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythms(n: usize, every: Span) -> Vec<Rhythm> {
        (0..n).map(|i| Rhythm { every, key: format!("http.c{i}") }).collect()
    }

    /// Runs the grid for `secs` and gives each probe's looks.
    fn looks(grid: &mut Grid, n: usize, secs: u64) -> Vec<Vec<u64>> {
        let mut looks = vec![Vec::new(); n];
        while let Some(at) = grid.next_deadline().filter(|at| *at <= secs * 1_000) {
            let due = grid.take_due(at);
            assert_eq!(due.skipped, 0);
            for i in due.probes {
                looks[i].push(at);
            }
        }
        looks
    }

    #[test]
    fn every_probe_looks_at_once_and_then_at_its_own_phase() {
        let mut grid = Grid::new(&rhythms(20, Span::secs(10)));
        for probe in looks(&mut grid, 20, 120) {
            assert_eq!(probe[0], 0);
            let gaps: Vec<u64> = probe[1..].windows(2).map(|w| w[1] - w[0]).collect();
            assert!(gaps.iter().all(|gap| *gap == 10_000), "{probe:?}");
            assert!((5_000..=15_000).contains(&(probe[1] - probe[0])), "{probe:?}");
        }
    }

    #[test]
    fn many_probes_are_spread_evenly() {
        let mut grid = Grid::new(&rhythms(5_000, Span::secs(10)));
        let mut per_slot: BTreeMap<u64, usize> = BTreeMap::new();
        for at in looks(&mut grid, 5_000, 60).iter().flatten().filter(|at| 20_000 < **at) {
            *per_slot.entry(*at).or_default() += 1;
        }
        let mean = per_slot.values().sum::<usize>() / per_slot.len();
        assert!(per_slot.values().all(|n| *n < mean * 2), "mean {mean}, {per_slot:?}");
    }

    #[test]
    fn a_look_that_was_asked_for_stands_for_the_one_that_is_due() {
        let mut grid = Grid::new(&rhythms(100, Span::secs(60)));
        for probe in 0..100 {
            grid.looked(probe, 0);
        }
        assert!(grid.next_deadline().is_some_and(|at| 30_000 <= at), "nobody looks twice at once");
        let far = grid.next[0];
        grid.looked(0, far - 30_000);
        assert_eq!(grid.next[0], far, "half an interval is far enough");
        grid.remove(0);
        grid.looked(0, far);
        assert!(!grid.due.values().flatten().any(|probe| *probe == 0));
    }

    #[test]
    fn many_probes_open_without_a_burst() {
        let grid = Grid::new(&rhythms(1_000, Span::secs(60)));
        assert_eq!(grid.next_deadline(), Some(0));
        assert!(grid.due.keys().all(|at| *at < 10_000), "all are seen within ten seconds");
        assert!(grid.due.values().all(|probes| probes.len() < 50), "{:?}", grid.due);
    }

    #[test]
    fn a_suspended_machine_looks_once_and_goes_on_in_phase() {
        let mut grid = Grid::new(&rhythms(1, Span::secs(10)));
        grid.take_due(0);
        let before = grid.next_deadline().unwrap() % 10_000;
        let late = grid.next_deadline().unwrap() + 9_999;
        assert_eq!(grid.take_due(late), Due { probes: vec![0], skipped: 0 }, "late is not missed");
        let due = grid.take_due(86_400_000);
        assert_eq!((due.probes, due.skipped / 100), (vec![0], 86));
        assert_eq!(grid.take_due(86_400_000), Due::default());
        assert_eq!(grid.next_deadline().unwrap() % 10_000, before);
    }

    #[test]
    fn probes_of_a_host_share_its_phase() {
        let rhythm = |every| Rhythm { every, key: "mini".into() };
        let mut grid = Grid::new(&[rhythm(Span::mins(1)), rhythm(Span::mins(1))]);
        grid.take_due(0);
        let at = grid.next_deadline().unwrap();
        assert_eq!(grid.take_due(at).probes.len(), 2);
    }
}
