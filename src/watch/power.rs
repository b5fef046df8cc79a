//! After a power cut several hosts boot at once: one grace for the whole estate.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::model::fact::{Fact, FactValue, Facts};
use crate::model::ids::HostName;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::policy::tree::{Grace, Parents, power_cut};
use crate::policy::triage::Tuning;

/// When the hosts booted, and the grace that follows where several did at once.
#[derive(Debug, Default)]
pub(super) struct Power {
    /// How long each host was up, and when it said so. No wall clock: one that jumps boots nothing.
    up: BTreeMap<HostName, (Span, Instant)>,
    grace: Option<Grace>,
}

impl Power {
    /// Takes what a collection of a host says of its boot, and sees what that means for the estate.
    /// `parents` tells how the signals stand that others depend on; it is asked only where it matters.
    pub(super) fn heard(
        &mut self,
        host: &HostName,
        facts: &Facts,
        parents: impl FnOnce() -> Parents,
        now: Millis,
    ) {
        if let Some(Ok(FactValue::Uptime(up))) = facts.get(&Fact::Uptime) {
            self.up.insert(host.clone(), (*up, Instant::now()));
        }
        let boots: Vec<Millis> =
            self.up.values().map(|(up, at)| now - *up - Span::from(at.elapsed())).collect();
        let before = self.grace.filter(|grace| grace.from <= now);
        // How the parents stand changes nothing about whether a grace begins.
        let parents = match power_cut(before, &boots, Parents::NotGreen, now) {
            Some(_) => parents(),
            None => Parents::None,
        };
        let after = power_cut(before, &boots, parents, now);
        match (before, after) {
            (None, Some(_)) => tracing::info!(
                "several hosts booted at once: until what others depend on has been green for 10 minutes, \
                 only what was green since then counts as a fault"
            ),
            (Some(_), None) => tracing::info!("the grace after the power cut is over"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.grace = after;
    }

    /// Hosts that nothing watches any more say nothing about the estate.
    pub(super) fn keep(&mut self, known: impl Fn(&HostName) -> bool) {
        self.up.retain(|host, _| known(host));
    }

    /// How patient triage is with a signal whose own patience is `own`.
    pub(super) fn patience(&self, own: Tuning, now: Millis) -> Tuning {
        let Some(grace) = self.grace else { return own };
        if own.grace_until <= now {
            return Tuning { grace_from: grace.from, grace_until: grace.until, ..own };
        }
        Tuning {
            grace_from: own.grace_from.max(grace.from),
            grace_until: own.grace_until.max(grace.until),
            ..own
        }
    }
}

/// How the signals stand that others depend on: `named` by them as parents, each green since then or not.
pub(super) fn parents<'a>(
    named: impl Iterator<Item = &'a Signal>,
    green_since: impl Fn(&Signal) -> Option<Millis>,
) -> Parents {
    let since: Option<Vec<Millis>> =
        named.collect::<BTreeSet<_>>().into_iter().map(green_since).collect();
    match since.map(|since| since.into_iter().max()) {
        None => Parents::NotGreen,
        Some(None) => Parents::None,
        Some(Some(last)) => Parents::GreenSince(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::Word;

    fn up(span: Span) -> Facts {
        Facts::from([(Fact::Uptime, Ok(FactValue::Uptime(span)))])
    }

    fn patience(power: &Power, now: Millis) -> (Millis, Millis) {
        let tuning = power.patience(Tuning::default(), now);
        (tuning.grace_from, tuning.grace_until)
    }

    const NOW: Millis = Millis(1_800_000_000_000);

    #[tokio::test(start_paused = true)]
    async fn two_boots_are_a_cut_and_a_clock_that_jumps_is_none() {
        let (mini, nas) = (HostName::of("mini"), HostName::of("nas"));
        let mut power = Power::default();
        power.heard(&mini, &up(Span::mins(30)), || Parents::None, NOW);
        power.heard(&nas, &up(Span::mins(30)), || Parents::None, NOW);
        // The clock is put back: both would have booted in the future.
        power.heard(&nas, &up(Span::mins(30)), || Parents::None, NOW - Span::hours(1));
        assert_eq!(patience(&power, NOW), (Millis(0), Millis(0)));

        power.heard(&mini, &up(Span::mins(2)), || Parents::None, NOW);
        assert_eq!(patience(&power, NOW), (Millis(0), Millis(0)), "one host");
        power.heard(&nas, &up(Span::mins(1)), || Parents::None, NOW);
        let from = NOW - Span::mins(2);
        assert_eq!(patience(&power, NOW), (from, NOW + Span::mins(9)));
        // Its own grace after a start is still there, and the longer of the two counts.
        let own =
            Tuning { grace_from: NOW, grace_until: NOW + Span::mins(20), ..Tuning::default() };
        let both = power.patience(own, NOW);
        assert_eq!((both.grace_from, both.grace_until), (NOW, NOW + Span::mins(20)));

        let parents = || Parents::GreenSince(NOW + Span::mins(3));
        tokio::time::advance(Span::mins(4).duration()).await;
        power.heard(&nas, &up(Span::mins(5)), parents, NOW + Span::mins(4));
        assert_eq!(patience(&power, NOW).1, NOW + Span::mins(13));
        tokio::time::advance(Span::mins(9).duration()).await;
        power.heard(&nas, &up(Span::mins(14)), parents, NOW + Span::mins(13));
        assert_eq!(patience(&power, NOW + Span::mins(13)), (Millis(0), Millis(0)), "over");
    }

    #[test]
    fn the_last_parent_to_turn_green_counts() {
        let [a, b] = ["a", "b"].map(|name| Signal {
            probe: Word::of("host"),
            target: format!("{name}:endpoint:x").parse().unwrap(),
            aspect: Word::of("state"),
        });
        let stand = |named: &[&Signal], green: &[(&Signal, i64)]| {
            let since =
                |s: &Signal| green.iter().find(|(one, _)| *one == s).map(|(_, at)| Millis(*at));
            parents(named.iter().copied(), since)
        };
        assert_eq!(stand(&[], &[]), Parents::None);
        assert_eq!(stand(&[&a, &b, &a], &[(&a, 5), (&b, 3)]), Parents::GreenSince(Millis(5)));
        assert_eq!(stand(&[&a, &b], &[(&a, 5)]), Parents::NotGreen);
    }
}
