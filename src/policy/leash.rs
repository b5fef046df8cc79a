//! Tier, leash and origin give a verdict: the table "Tiers and the leash".

use crate::model::plan::{Leash, Origin, Verdict};
use crate::model::tool::Tier;

/// Why a step is where it is: decided by code, never by a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A step of the runbook that matched this incident.
    MatchedRunbook,
    /// A job that the operator wrote and enabled: a standing approval for its definition.
    EnabledJob,
    /// A revert, an expiry or an undo that was part of an earlier plan's digest.
    Promised,
    Neither,
}

/// What the operator typed at the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confirmed {
    No,
    /// `y`, or `--yes`.
    Yes,
    /// The target's name, letter by letter.
    Named,
}

/// Whether all that a step touches lies in the drill's own scratch folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scratch {
    Inside,
    Outside,
}

/// One step as the leash sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case<'a> {
    pub tier: Tier,
    pub leash: Leash,
    pub origin: &'a Origin,
    pub source: Source,
    pub confirmed: Confirmed,
    pub scratch: Scratch,
}

/// The leash in effect: the least of the ceilings (global, host, runbook), where the runbook starts, a
/// demotion, and what the model's exam allows. Without any ceiling: observe.
pub fn effective(
    ceilings: &[Leash],
    start: Leash,
    demoted: Option<Leash>,
    exam: Option<Leash>,
) -> Leash {
    let Some(ceiling) = ceilings.iter().copied().min() else { return Leash::Observe };
    [Some(ceiling), Some(start), demoted, exam]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(Leash::Observe)
}

/// What the leash says to a step.
pub fn verdict(case: &Case<'_>) -> Verdict {
    let ask = |why: &str| Verdict::Ask { why: why.to_owned() };
    let forbid = |why: &str| Verdict::Forbid { why: why.to_owned() };
    match (case.origin, case.scratch) {
        (Origin::Drill, Scratch::Outside) if case.tier != Tier::Low => {
            return forbid("the drill may touch nothing outside its own scratch folder");
        }
        // Only the drill and what undoes it are ever called inside.
        (Origin::Drill | Origin::Undo(_), Scratch::Inside) => return Verdict::Allow,
        (
            Origin::Incident(_)
            | Origin::Proposal(_)
            | Origin::Operator { .. }
            | Origin::Undo(_)
            | Origin::Drill
            | Origin::Timer,
            _,
        ) => {}
    }
    if case.tier == Tier::Low {
        return match case.origin {
            Origin::Proposal(_) => ask("a proposal of the agent always asks"),
            Origin::Incident(_)
            | Origin::Operator { .. }
            | Origin::Undo(_)
            | Origin::Drill
            | Origin::Timer => Verdict::Allow,
        };
    }
    if case.leash == Leash::Observe {
        return forbid("leash observe: only recorded");
    }
    match (case.origin, case.tier, case.confirmed) {
        (Origin::Proposal(_), ..) => ask("a proposal of the agent always asks"),
        (Origin::Operator { .. }, Tier::Critical, Confirmed::Named) => Verdict::Allow,
        (Origin::Operator { .. }, Tier::Critical, Confirmed::No | Confirmed::Yes) => {
            ask("critical: type the target's name")
        }
        (Origin::Operator { .. }, _, Confirmed::Yes | Confirmed::Named) => Verdict::Allow,
        (Origin::Operator { .. }, _, Confirmed::No) => ask("proceed?"),
        (Origin::Undo(_) | Origin::Timer, ..) if case.source == Source::Promised => Verdict::Allow,
        (_, Tier::Critical, _) => ask("critical: always asks"),
        (Origin::Incident(_) | Origin::Undo(_) | Origin::Timer | Origin::Drill, ..) => {
            by_leash(case)
        }
    }
}

/// The rows for medium and high.
fn by_leash(case: &Case<'_>) -> Verdict {
    let ask = |why: &str| Verdict::Ask { why: why.to_owned() };
    match (case.leash, case.tier, case.source) {
        (Leash::Observe, ..) => Verdict::Forbid { why: "leash observe: only recorded".to_owned() },
        (Leash::Ask, ..) => ask("leash ask: a human decides"),
        (Leash::Auto, Tier::Medium, Source::MatchedRunbook | Source::EnabledJob)
        | (Leash::Auto, Tier::High, Source::MatchedRunbook) => Verdict::Allow,
        (Leash::Auto, Tier::High, Source::EnabledJob) => {
            ask("leash auto: a job's step of tier high asks")
        }
        (Leash::Auto, ..) => ask("leash auto: only a step of the matched runbook runs by itself"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{ActionId, IncidentId};

    const INCIDENT: Origin = Origin::Incident(IncidentId(1));
    const OPERATOR: Origin = Origin::Operator { uid: 1000 };

    #[track_caller]
    fn check(origin: &Origin, tier: Tier, leash: Leash, source: Source, want: &str) {
        let case = case(origin, tier, leash, source);
        assert_eq!(verdict(&case).word(), want, "{case:?}");
    }

    fn case(origin: &Origin, tier: Tier, leash: Leash, source: Source) -> Case<'_> {
        let (confirmed, scratch) = (Confirmed::No, Scratch::Outside);
        Case { tier, leash, origin, source, confirmed, scratch }
    }

    #[test]
    fn the_table_of_the_design_row_by_row() {
        use Source::{EnabledJob, MatchedRunbook, Neither};
        for (tier, source, observe, ask, auto) in [
            (Tier::Low, MatchedRunbook, "allow", "allow", "allow"),
            (Tier::Low, EnabledJob, "allow", "allow", "allow"),
            (Tier::Low, Neither, "allow", "allow", "allow"),
            (Tier::Medium, MatchedRunbook, "forbid", "ask", "allow"),
            (Tier::Medium, EnabledJob, "forbid", "ask", "allow"),
            (Tier::Medium, Neither, "forbid", "ask", "ask"),
            (Tier::High, MatchedRunbook, "forbid", "ask", "allow"),
            (Tier::High, EnabledJob, "forbid", "ask", "ask"),
            (Tier::High, Neither, "forbid", "ask", "ask"),
            (Tier::Critical, MatchedRunbook, "forbid", "ask", "ask"),
            (Tier::Critical, EnabledJob, "forbid", "ask", "ask"),
            (Tier::Critical, Neither, "forbid", "ask", "ask"),
            (Tier::Critical, Source::Promised, "forbid", "ask", "ask"),
        ] {
            check(&INCIDENT, tier, Leash::Observe, source, observe);
            check(&INCIDENT, tier, Leash::Ask, source, ask);
            check(&INCIDENT, tier, Leash::Auto, source, auto);
        }
    }

    #[test]
    fn a_proposal_never_runs_by_itself() {
        for tier in Tier::ALL {
            for leash in Leash::ALL {
                let source = Source::MatchedRunbook;
                let got = verdict(&case(&Origin::Proposal(IncidentId(1)), tier, leash, source));
                assert_ne!(got, Verdict::Allow, "{tier} {leash}");
            }
        }
    }

    #[test]
    fn the_operator_confirms_by_typing() {
        use Confirmed::{Named, No, Yes};
        for (tier, leash, confirmed, want) in [
            (Tier::High, Leash::Ask, No, "ask"),
            (Tier::High, Leash::Ask, Yes, "allow"),
            (Tier::High, Leash::Ask, Named, "allow"),
            (Tier::High, Leash::Auto, No, "ask"),
            (Tier::Medium, Leash::Ask, Yes, "allow"),
            (Tier::Critical, Leash::Ask, No, "ask"),
            (Tier::Critical, Leash::Auto, Yes, "ask"),
            (Tier::Critical, Leash::Ask, Named, "allow"),
            (Tier::High, Leash::Observe, Named, "forbid"),
            (Tier::Low, Leash::Observe, No, "allow"),
        ] {
            let case = Case { confirmed, ..case(&OPERATOR, tier, leash, Source::Neither) };
            assert_eq!(verdict(&case).word(), want, "{case:?}");
        }
        // Typing is the operator's alone.
        let case = case(&INCIDENT, Tier::High, Leash::Ask, Source::MatchedRunbook);
        assert_eq!(verdict(&Case { confirmed: Named, ..case }).word(), "ask");
    }

    #[test]
    fn a_drill_passes_under_every_leash_within_its_scratch() {
        for leash in Leash::ALL {
            for tier in [Tier::Medium, Tier::High] {
                for origin in [Origin::Drill, Origin::Undo(ActionId(1))] {
                    let case = case(&origin, tier, leash, Source::Neither);
                    assert_eq!(verdict(&Case { scratch: Scratch::Inside, ..case }), Verdict::Allow);
                }
                check(&Origin::Drill, tier, leash, Source::MatchedRunbook, "forbid");
            }
        }
        // Inside means nothing for anybody else.
        let case = case(&INCIDENT, Tier::High, Leash::Observe, Source::MatchedRunbook);
        assert_eq!(verdict(&Case { scratch: Scratch::Inside, ..case }).word(), "forbid");
    }

    #[test]
    fn what_was_promised_comes_due() {
        for origin in [Origin::Timer, Origin::Undo(ActionId(1))] {
            check(&origin, Tier::High, Leash::Ask, Source::Promised, "allow");
            check(&origin, Tier::Critical, Leash::Ask, Source::Promised, "allow");
            check(&origin, Tier::High, Leash::Observe, Source::Promised, "forbid");
            check(&origin, Tier::High, Leash::Ask, Source::Neither, "ask");
            check(&origin, Tier::High, Leash::Auto, Source::Neither, "ask");
            check(&origin, Tier::Critical, Leash::Auto, Source::MatchedRunbook, "ask");
        }
    }

    #[test]
    fn the_leash_in_effect_is_the_least() {
        use Leash::{Ask, Auto, Observe};
        assert_eq!(effective(&[], Auto, None, None), Observe);
        assert_eq!(effective(&[Auto], Auto, None, None), Auto);
        assert_eq!(effective(&[Auto, Ask], Auto, None, None), Ask);
        assert_eq!(effective(&[Auto], Ask, None, None), Ask);
        assert_eq!(effective(&[Auto], Auto, Some(Observe), None), Observe);
        assert_eq!(effective(&[Auto], Auto, None, Some(Ask)), Ask);
        assert_eq!(effective(&[Observe], Auto, Some(Auto), Some(Auto)), Observe);
    }

    #[test]
    fn the_reason_is_said() {
        let case = case(&INCIDENT, Tier::High, Leash::Observe, Source::MatchedRunbook);
        assert_eq!(verdict(&case).why(), "leash observe: only recorded");
    }
}
