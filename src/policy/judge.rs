//! The judge: the strictest of pause, forbidden things, hold, leash, lease, limits and breaker.

use std::collections::BTreeSet;

use crate::model::approval::{Approval, ApprovalState};
use crate::model::digest::Digest;
use crate::model::ids::{ActionId, RunId, StepName};
use crate::model::plan::{Leash, Origin, Step, Verdict};
use crate::model::target::Target;
use crate::model::time::Millis;
use crate::model::tool::Tier;
use crate::policy::breaker::{self, BreakerRules, Key};
use crate::policy::fact::ActionFact;
use crate::policy::forbidden::{Protected, forbidden, unnamed};
use crate::policy::leash::{self, Case, Confirmed, Scratch, Source};
use crate::policy::limits::{self, Limits};

/// An answered question, as the judge wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedDigest {
    /// The plan that the human picked.
    pub digest: Digest,
    pub expires_at: Millis,
    /// Steps already dispatched under it: each is good for one use.
    pub used: Vec<StepName>,
}

impl ApprovedDigest {
    /// What an approval allows: nothing, unless it is approved and the picked choice has a plan.
    pub fn of(approval: &Approval, used: Vec<StepName>) -> Option<Self> {
        let ApprovalState::Approved { choice, .. } = approval.state else { return None };
        let digest = approval.choices.get(choice)?.digest?;
        Some(Self { digest, expires_at: approval.expires_at, used })
    }
}

/// All that was read in the one transaction that judges.
#[derive(Debug, Clone)]
pub struct GateFacts {
    /// `reef pause`: says by whom.
    pub paused: Option<String>,
    /// The hold over this step's target: says why.
    pub hold: Option<String>,
    /// The leash in effect, see [`crate::policy::leash::effective`].
    pub leash: Leash,
    pub source: Source,
    /// Who works on the step's host by hand: says who.
    pub hands: Option<String>,
    pub confirmed: Confirmed,
    /// A lease key of this step that another run holds, and that run.
    pub lease_held_by: Option<(Target, RunId)>,
    /// Past actions, at least of the last day and since each breaker's last success.
    pub actions: Vec<ActionFact>,
    pub limits: Limits,
    pub rules: BreakerRules,
    /// When a human reset the breakers.
    pub resets: Vec<Millis>,
    pub approval: Option<ApprovedDigest>,
    pub protected: Protected,
    /// The targets that the plan's runbook spells out; none without a runbook.
    pub named: BTreeSet<Target>,
    /// Outside the hours of its runbook: says when they begin.
    pub closed: Option<String>,
}

/// The rules, in the order in which their reasons are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Pause,
    Forbidden,
    Hold,
    Leash,
    Hours,
    Hands,
    Lease,
    Host,
    Replicas,
    Limits,
    Breaker,
}

/// The step that is judged, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub run: RunId,
    pub plan: Digest,
    pub origin: &'a Origin,
    pub step: &'a Step,
}

/// The verdict: the strictest of all rules, and of those as strict the first. `Err` is why the facts
/// could not be read, and forbids.
pub fn judge(asked: &Asked<'_>, facts: Result<&GateFacts, &str>, now: Millis) -> Verdict {
    let facts = match facts {
        Ok(facts) => facts,
        Err(why) => return forbid(format!("the facts to judge by could not be read: {why}")),
    };
    strictest(reasons(asked, facts, now).into_iter().map(|(_, verdict)| verdict))
}

/// The verdict once other runs are out of the way: what a plan is asked about by.
pub fn judge_when_free(asked: &Asked<'_>, facts: Result<&GateFacts, &str>, now: Millis) -> Verdict {
    let Ok(facts) = facts else { return judge(asked, facts, now) };
    let all = reasons(asked, facts, now).into_iter();
    strictest(all.filter(|(rule, _)| !passes(*rule, facts)).map(|(_, verdict)| verdict))
}

/// Why the step only has to wait until another run is done, where nothing else stands against it.
pub fn waits(asked: &Asked<'_>, facts: &GateFacts, now: Millis) -> Option<String> {
    let mut why = None;
    for (rule, verdict) in reasons(asked, facts, now) {
        match verdict {
            Verdict::Allow => {}
            Verdict::Forbid { why: other } if passes(rule, facts) => {
                why.get_or_insert(other);
            }
            Verdict::Ask { .. } | Verdict::Forbid { .. } => return None,
        }
    }
    why
}

/// Whether all that a step wants a yes for is that somebody works on its host.
pub fn only_hands(asked: &Asked<'_>, facts: &GateFacts, now: Millis) -> bool {
    let asks = |(_, verdict): &(Rule, Verdict)| matches!(verdict, Verdict::Ask { .. });
    reasons(asked, facts, now).iter().filter(|one| asks(one)).all(|(rule, _)| *rule == Rule::Hands)
}

/// Whether what a rule says is over by itself soon: another run is at work. A lease that an ended run left
/// behind is not: somebody has to settle it.
fn passes(rule: Rule, facts: &GateFacts) -> bool {
    match rule {
        Rule::Host => true,
        Rule::Lease => facts.lease_held_by.as_ref().is_some_and(|(_, run)| at_work(facts, *run)),
        Rule::Pause
        | Rule::Forbidden
        | Rule::Hold
        | Rule::Leash
        | Rule::Hours
        | Rule::Hands
        | Rule::Replicas
        | Rule::Limits
        | Rule::Breaker => false,
    }
}

fn at_work(facts: &GateFacts, run: RunId) -> bool {
    facts.actions.iter().any(|fact| fact.run == run && fact.in_flight())
}

fn strictest(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let mut strictest = Verdict::Allow;
    for next in verdicts {
        if strictness(&strictest) < strictness(&next) {
            strictest = next;
        }
    }
    strictest
}

/// What each rule says, in their order.
pub fn reasons(asked: &Asked<'_>, facts: &GateFacts, now: Millis) -> Vec<(Rule, Verdict)> {
    let drill = is_drill(asked.origin, facts);
    let scratch = match drill {
        Drill::Yes => facts.protected.scratch_of(asked.step),
        Drill::No => Scratch::Outside,
    };
    let leash = leash_or_approval(asked, facts, scratch, now);
    if asked.step.tier == Tier::Low {
        return vec![(Rule::Leash, leash)];
    }
    let forbidden = forbidden(asked.step, &facts.protected, scratch)
        .or_else(|| unnamed(asked.step, &facts.named));
    let free = || Verdict::Allow;
    let (hold, host, limits, breaker) = match drill {
        Drill::Yes => (free(), free(), free(), free()),
        // What was promised with the approved plan puts things back: that so much failed is why it is due.
        Drill::No if is_promised_undo(asked, facts) => {
            (held(facts), host(asked, facts, now), free(), free())
        }
        Drill::No => (
            held(facts),
            host(asked, facts, now),
            limits::judge(&facts.actions, asked.run, asked.step, &facts.limits, now),
            breakers(asked, facts, now),
        ),
    };
    vec![
        (Rule::Pause, paused(facts)),
        (Rule::Forbidden, forbidden.map_or(Verdict::Allow, forbid)),
        (Rule::Hold, hold),
        (Rule::Leash, leash),
        (Rule::Hours, facts.closed.clone().map_or(Verdict::Allow, forbid)),
        (Rule::Hands, hands(asked, facts, drill, now)),
        (Rule::Lease, lease(asked, facts)),
        (Rule::Host, host),
        (Rule::Replicas, replicas(asked.step)),
        (Rule::Limits, limits),
        (Rule::Breaker, breaker),
    ]
}

fn forbid(why: String) -> Verdict {
    Verdict::Forbid { why }
}

/// Without the words, which must not decide.
fn strictness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Allow => 0,
        Verdict::Ask { .. } => 1,
        Verdict::Forbid { .. } => 2,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drill {
    Yes,
    No,
}

/// A drill, or the undo of a drill's action.
fn is_drill(origin: &Origin, facts: &GateFacts) -> Drill {
    let of_drill = |id: &ActionId| facts.actions.iter().any(|f| f.action == *id && f.drill);
    match origin {
        Origin::Drill => Drill::Yes,
        Origin::Undo(id) if of_drill(id) => Drill::Yes,
        Origin::Undo(_)
        | Origin::Incident(_)
        | Origin::Proposal(_)
        | Origin::Operator { .. }
        | Origin::Timer => Drill::No,
    }
}

/// Tools by which a timer takes back what was for a stated time.
const TAKES_BACK: &[&str] = &["debug.disable"];

fn is_promised_undo(asked: &Asked<'_>, facts: &GateFacts) -> bool {
    let takes_back = match asked.origin {
        Origin::Undo(_) => true,
        Origin::Timer => TAKES_BACK.contains(&asked.step.call.tool.as_str()),
        Origin::Incident(_) | Origin::Proposal(_) | Origin::Operator { .. } | Origin::Drill => {
            false
        }
    };
    takes_back && facts.source == Source::Promised
}

fn paused(facts: &GateFacts) -> Verdict {
    match &facts.paused {
        Some(why) => forbid(format!("paused: {why}; `reef resume` lifts it")),
        None => Verdict::Allow,
    }
}

fn held(facts: &GateFacts) -> Verdict {
    match &facts.hold {
        Some(why) => forbid(format!("held: {why}; `reef resume` lifts it")),
        None => Verdict::Allow,
    }
}

/// The leash's verdict; an approval of exactly this plan turns its question into a yes.
fn leash_or_approval(
    asked: &Asked<'_>,
    facts: &GateFacts,
    scratch: Scratch,
    now: Millis,
) -> Verdict {
    let verdict = leash::verdict(&Case {
        tier: asked.step.tier,
        leash: facts.leash,
        origin: asked.origin,
        source: facts.source,
        confirmed: facts.confirmed,
        scratch,
    });
    match (verdict, &facts.approval) {
        (Verdict::Ask { why }, Some(approval)) => match lacks(approval, asked, now) {
            None => Verdict::Allow,
            Some(lacks) => Verdict::Ask { why: format!("{why}; {lacks}") },
        },
        (verdict, _) => verdict,
    }
}

fn approves(approval: &ApprovedDigest, asked: &Asked<'_>, now: Millis) -> bool {
    lacks(approval, asked, now).is_none()
}

/// Why an approval is no yes to this step, if it is none.
fn lacks(approval: &ApprovedDigest, asked: &Asked<'_>, now: Millis) -> Option<&'static str> {
    if approval.digest != asked.plan {
        return Some("what was approved is another plan");
    }
    if approval.expires_at <= now {
        return Some("the approval has expired");
    }
    let used = approval.used.contains(&asked.step.name);
    used.then_some("the approval was used for this step already")
}

/// Somebody works there by hand: then a human decides, who may be the same one. What was promised with an
/// earlier plan's approval, and what this plan's approval covers, goes on.
fn hands(asked: &Asked<'_>, facts: &GateFacts, drill: Drill, now: Millis) -> Verdict {
    let approved = facts.approval.as_ref().is_some_and(|a| approves(a, asked, now));
    match &facts.hands {
        Some(why)
            if drill == Drill::No
                && !approved
                && facts.source != Source::Promised
                && facts.confirmed == Confirmed::No =>
        {
            Verdict::Ask { why: why.clone() }
        }
        Some(_) | None => Verdict::Allow,
    }
}

fn lease(asked: &Asked<'_>, facts: &GateFacts) -> Verdict {
    match &facts.lease_held_by {
        Some((key, run)) if *run != asked.run => forbid(format!("{run} still works on {key}")),
        Some(_) | None => Verdict::Allow,
    }
}

/// One action above low on a host at a time, from its dispatch to its proof.
fn host(asked: &Asked<'_>, facts: &GateFacts, now: Millis) -> Verdict {
    let host = asked.step.call.target.on();
    let other = facts.actions.iter().find(|fact| {
        fact.run != asked.run && fact.counts() && fact.occupies(now) && fact.target.on() == host
    });
    match other {
        Some(fact) => forbid(format!(
            "{} is still at work on {host}: one action above low at a time on a host",
            fact.run
        )),
        None => Verdict::Allow,
    }
}

/// The last healthy one of several is never taken away, whoever asks for it.
fn replicas(step: &Step) -> Verdict {
    match step.replicas {
        Some(replicas) if replicas.takes_the_last() => forbid(format!(
            "it would take the last healthy replica of {}: {} of {} are healthy, and none would be left",
            step.call.target, replicas.healthy, replicas.of
        )),
        Some(_) | None => Verdict::Allow,
    }
}

/// Of this tool on this target, and of all actions.
fn breakers(asked: &Asked<'_>, facts: &GateFacts, now: Millis) -> Verdict {
    let call = &asked.step.call;
    let one = Key::One { tool: call.tool.clone(), target: call.target.clone() };
    let say = |key: &Key, of: &str| {
        let state = breaker::state(&facts.actions, key, &facts.rules, &facts.resets, now);
        state.verdict(asked.run, of)
    };
    let this = say(&one, &format!("{} on {}", call.tool, call.target));
    if this == Verdict::Allow { say(&Key::All, "all actions") } else { this }
}

#[cfg(test)]
mod tests;
