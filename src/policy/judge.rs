//! The judge: the strictest of pause, forbidden things, hold, leash, lease, limits and breaker.

use crate::model::approval::{Approval, ApprovalState};
use crate::model::digest::Digest;
use crate::model::ids::{RunId, StepName};
use crate::model::plan::{Leash, Origin, Step, Verdict};
use crate::model::target::Target;
use crate::model::time::Millis;
use crate::policy::breaker::BreakerRules;
use crate::policy::fact::ActionFact;
use crate::policy::forbidden::Protected;
use crate::policy::leash::{Confirmed, Source};
use crate::policy::limits::Limits;

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
}

/// The rules, in the order in which their reasons are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Pause,
    Forbidden,
    Hold,
    Leash,
    Lease,
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

/// The verdict: the strictest of all rules. `Err` is why the facts could not be read, and forbids.
pub fn judge(asked: &Asked<'_>, facts: Result<&GateFacts, &str>, now: Millis) -> Verdict {
    let _ = (asked, facts, now);
    todo!()
}

/// What each rule says, in their order.
pub fn reasons(asked: &Asked<'_>, facts: &GateFacts, now: Millis) -> Vec<(Rule, Verdict)> {
    let _ = (asked, facts, now);
    todo!()
}
