//! What a human typed at the prompt, as a confirmation.

use crate::model::plan::Plan;
use crate::model::tool::Tier;
use crate::policy::leash::Confirmed;

/// What has to be typed for a critical plan: the target of its first critical step. `None` where a
/// plain yes will do.
pub fn name_to_type(plan: &Plan) -> Option<String> {
    let critical = plan.steps.iter().find(|step| step.tier == Tier::Critical)?;
    Some(critical.call.target.to_string())
}

/// Reads an answer to `Proceed? [Y/N]`, or for a critical plan to "type the target's name". Anything
/// else, and nothing, is a no.
pub fn confirm(plan: &Plan, typed: &str) -> Confirmed {
    let typed = typed.trim();
    match name_to_type(plan) {
        Some(name) if typed == name => Confirmed::Named,
        Some(_) | None if ["y", "yes"].contains(&typed.to_ascii_lowercase().as_str()) => {
            Confirmed::Yes
        }
        Some(_) | None => Confirmed::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::RunId;
    use crate::model::plan::{OnFailure, Origin, Verify};
    use crate::policy::fact::tests::step;

    fn plan(tiers: &[Tier]) -> Plan {
        let targets = ["mini:unit:a.service", "mini:unit:b.service"];
        let steps = tiers.iter().zip(targets).map(|(tier, target)| {
            let mut step = step("unit.restart", target);
            step.tier = *tier;
            step
        });
        Plan {
            run: RunId(1),
            round: 0,
            origin: Origin::Operator { uid: 0 },
            runbook: None,
            steps: steps.collect(),
            verify: Verify::Not(String::new()),
            on_failure: OnFailure::Stop,
        }
    }

    #[test]
    fn a_yes_is_typed() {
        let high = plan(&[Tier::High]);
        for (typed, want) in [
            ("y", Confirmed::Yes),
            ("Y\n", Confirmed::Yes),
            (" yes ", Confirmed::Yes),
            ("YES", Confirmed::Yes),
            ("", Confirmed::No),
            ("n", Confirmed::No),
            ("yess", Confirmed::No),
            ("mini:unit:a.service", Confirmed::No),
        ] {
            assert_eq!(confirm(&high, typed), want, "{typed:?}");
        }
        assert_eq!(name_to_type(&high), None);
    }

    #[test]
    fn a_critical_plan_wants_its_targets_name() {
        let critical = plan(&[Tier::High, Tier::Critical]);
        assert_eq!(name_to_type(&critical).as_deref(), Some("mini:unit:b.service"));
        for (typed, want) in [
            ("mini:unit:b.service\n", Confirmed::Named),
            ("mini:unit:a.service", Confirmed::No),
            ("MINI:unit:b.service", Confirmed::No),
            ("yes", Confirmed::Yes),
        ] {
            assert_eq!(confirm(&critical, typed), want, "{typed:?}");
        }
    }
}
