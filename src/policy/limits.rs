//! How often reef may act: a fold over past actions, so a restart refills nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::globals::ToolLimits;
use crate::model::ids::{RunId, ToolName};
use crate::model::plan::{Step, Verdict};
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;
use crate::policy::fact::{ActionFact, Outcome};

/// The most actions in an hour and in a day. What one run does on one service is one action, however many
/// steps it takes: a plan that was judged whole is not cut in the middle by its own steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub per_service_hour: u32,
    /// Three an hour alone would be 72 a day of a crash loop that nobody sees.
    pub per_service_day: u32,
    pub per_hour: u32,
    /// Of one tool on one service, beside the ones above.
    pub tools: BTreeMap<ToolName, ToolLimits>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_service_hour: 3, per_service_day: 5, per_hour: 10, tools: BTreeMap::new() }
    }
}

/// What the limits look back over.
const HOUR: Span = Span::hours(1);
const DAY: Span = Span::days(1);

/// Whether one more action is within the limits. The service is the step's target.
pub fn judge(
    facts: &[ActionFact],
    run: RunId,
    step: &Step,
    limits: &Limits,
    now: Millis,
) -> Verdict {
    if step.tier == Tier::Low {
        return Verdict::Allow;
    }
    let (service, tool) = (&step.call.target, &step.call.tool);
    let hour = Past::over(facts, HOUR, now);
    let day = Past::over(facts, DAY, now);
    let (per_hour, per_day) = (limits.per_service_hour, limits.per_service_day);
    let forbid = |why: String| Verdict::Forbid { why };
    if let Some(free) = hour.free(per_hour, run, service, Some(service)) {
        return forbid(format!(
            "limit: {per_hour} actions an hour on {service} are used up, next in {free}"
        ));
    }
    if let Some(free) = day.free(per_day, run, service, Some(service)) {
        return forbid(format!(
            "limit: {per_day} actions a day on {service} are used up, next in {free}"
        ));
    }
    let own = limits.tools.get(tool).copied().unwrap_or_default();
    let ways = [(&hour, own.per_service_hour, "an hour"), (&day, own.per_service_day, "a day")];
    for (past, most, over) in ways {
        let Some(most) = most else { continue };
        if let Some(free) = past.of_tool(tool).free(most, run, service, Some(service)) {
            return forbid(format!(
                "limit: {most} of {tool} {over} on {service} are used up, next in {free}"
            ));
        }
    }
    if let Some(free) = hour.free(limits.per_hour, run, service, None) {
        let n = limits.per_hour;
        return forbid(format!("limit: {n} actions an hour in all are used up, next in {free}"));
    }
    Verdict::Allow
}

/// What was done within the last hour, or day. What provably did not happen used nothing up; what lies ahead
/// of a clock that jumped back counts as now.
struct Past<'a> {
    facts: Vec<&'a ActionFact>,
    over: Span,
    now: Millis,
}

impl<'a> Past<'a> {
    fn over(facts: &'a [ActionFact], over: Span, now: Millis) -> Self {
        let counts = |f: &&ActionFact| f.counts() && f.outcome != Some(Outcome::NotStarted);
        let facts = facts.iter().filter(counts).filter(|f| now.since(f.at) < over).collect();
        Self { facts, over, now }
    }

    /// The part of it that one tool did.
    fn of_tool(&self, tool: &ToolName) -> Self {
        let facts = self.facts.iter().copied().filter(|fact| fact.tool == *tool).collect();
        Self { facts, over: self.over, now: self.now }
    }

    /// How long until one more of `run` on `service` is free; `None`: it is now. `of` counts one service alone.
    fn free(&self, most: u32, run: RunId, service: &Target, of: Option<&Target>) -> Option<Span> {
        let counted = || self.facts.iter().filter(|f| of.is_none_or(|of| f.target == *of));
        let mut all: BTreeSet<_> = counted().map(|f| (f.run, &f.target)).collect();
        all.insert((run, service));
        if all.len() <= most as usize {
            return None;
        }
        let oldest = counted().map(|f| f.at).min().unwrap_or(self.now);
        Some(Span((oldest + self.over).0.saturating_sub(self.now.0).max(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fact::tests::{fact, step};

    const NOW: Millis = Millis(100_000_000);

    fn ago(span: Span) -> Millis {
        NOW - span
    }

    #[track_caller]
    fn check(facts: &[ActionFact], run: i64, want: &str) {
        let step = step("unit.restart", "mini:unit:web.service");
        let got = judge(facts, RunId(run), &step, &Limits::default(), NOW);
        assert_eq!(got.word(), want, "{got:?}");
    }

    #[test]
    fn three_an_hour_on_a_service() {
        let facts: Vec<_> = (1..=3).map(|run| fact(run, ago(Span::mins(run * 10)))).collect();
        check(&facts[..2], 9, "allow");
        check(&facts, 9, "forbid");
        check(&facts, 2, "allow");
        let step = step("unit.restart", "mini:unit:db.service");
        assert_eq!(judge(&facts, RunId(9), &step, &Limits::default(), NOW), Verdict::Allow);
    }

    #[test]
    fn a_tool_may_have_limits_of_its_own() {
        let judged = |tool, hour, day, facts: &[ActionFact]| {
            let own = ToolLimits { per_service_hour: hour, per_service_day: day };
            let tools = [(ToolName::of("unit.restart"), own)].into();
            let limits = Limits { tools, ..Limits::default() };
            let step = step(tool, "mini:unit:web.service");
            judge(facts, RunId(9), &step, &limits, NOW).word()
        };
        let hour = [fact(1, ago(Span::mins(10)))];
        let day = [fact(1, ago(Span::hours(5)))];
        for (tool, most_hour, most_day, facts, want) in [
            ("unit.restart", None, None, &hour, "allow"),
            ("unit.restart", Some(1), None, &hour, "forbid"),
            ("unit.restart", Some(2), None, &hour, "allow"),
            ("unit.restart", Some(1), None, &day, "allow"),
            ("unit.restart", None, Some(1), &day, "forbid"),
            ("unit.restart", Some(0), None, &[fact(1, ago(Span::days(2)))], "forbid"),
            ("unit.reload", Some(1), Some(1), &hour, "allow"),
        ] {
            assert_eq!(judged(tool, most_hour, most_day, facts), want, "{tool} {most_hour:?}");
        }
        // What holds for all tools holds for this one too, however much it is given.
        let three: Vec<_> = (1..=3).map(|run| fact(run, ago(Span::mins(run)))).collect();
        assert_eq!(judged("unit.restart", Some(100), None, &three), "forbid");
    }

    #[test]
    fn an_hour_is_an_hour() {
        let mut facts: Vec<_> = (1..=3).map(|run| fact(run, ago(Span::mins(5)))).collect();
        facts[0].at = ago(HOUR);
        check(&facts, 9, "allow");
        facts[0].at = ago(HOUR) + Span(1);
        check(&facts, 9, "forbid");
        // A clock that jumped back refills nothing.
        facts[0].at = NOW + Span::days(1);
        check(&facts, 9, "forbid");
    }

    #[test]
    fn five_a_day_on_a_service() {
        let spread = |n: i64| -> Vec<_> {
            (1..=n).map(|run| fact(run, ago(Span::hours(4 * run)))).collect()
        };
        check(&spread(4), 9, "allow");
        check(&spread(5), 9, "forbid");
        let mut facts = spread(5);
        facts[4].at = ago(DAY);
        check(&facts, 9, "allow");
        let step = step("unit.restart", "mini:unit:web.service");
        let got = judge(&spread(5), RunId(9), &step, &Limits::default(), NOW);
        assert_eq!(
            got.why(),
            "limit: 5 actions a day on mini:unit:web.service are used up, next in 4 h"
        );
    }

    #[test]
    fn ten_an_hour_in_all() {
        let mut facts: Vec<_> = (1..=10).map(|run| fact(run, ago(Span::mins(5)))).collect();
        for (i, fact) in facts.iter_mut().enumerate() {
            fact.target = format!("mini:unit:s{i}.service").parse().unwrap();
        }
        check(&facts[..9], 99, "allow");
        check(&facts, 99, "forbid");
    }

    #[test]
    fn the_steps_of_one_run_on_one_service_are_one_action() {
        let mut facts: Vec<_> = (0..20).map(|_| fact(1, ago(Span::mins(5)))).collect();
        check(&facts, 1, "allow");
        check(&facts, 2, "allow");
        facts.push(fact(2, ago(Span::mins(4))));
        check(&facts, 3, "allow");
        facts.push(fact(3, ago(Span::mins(4))));
        check(&facts, 4, "forbid");
    }

    #[test]
    fn what_did_nothing_does_not_count() {
        let base: Vec<_> = (1..=3).map(|run| fact(run, ago(Span::mins(5)))).collect();
        let change = |f: fn(&mut ActionFact)| {
            let mut facts = base.clone();
            f(&mut facts[1]);
            facts
        };
        check(&change(|f| f.drill = true), 9, "allow");
        check(&change(|f| f.tier = Tier::Low), 9, "allow");
        check(&change(|f| f.outcome = Some(Outcome::NotStarted)), 9, "allow");
        for outcome in [None, Some(Outcome::Unknown), Some(Outcome::Failed)] {
            let mut facts = base.clone();
            facts[1].outcome = outcome;
            check(&facts, 9, "forbid");
        }
    }

    #[test]
    fn the_reason_says_when_the_next_may_run() {
        let facts: Vec<_> = (1..=3).map(|run| fact(run, ago(Span::mins(run * 10)))).collect();
        let step = step("unit.restart", "mini:unit:web.service");
        let got = judge(&facts, RunId(9), &step, &Limits::default(), NOW);
        assert_eq!(
            got.why(),
            "limit: 3 actions an hour on mini:unit:web.service are used up, next in 30 min"
        );
    }

    #[test]
    fn a_query_is_not_limited() {
        let facts: Vec<_> = (1..=30).map(|run| fact(run, ago(Span::mins(1)))).collect();
        let mut step = step("unit.status", "mini:unit:web.service");
        step.tier = Tier::Low;
        assert_eq!(judge(&facts, RunId(99), &step, &Limits::default(), NOW), Verdict::Allow);
    }
}
