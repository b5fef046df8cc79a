//! Terraform and OpenTofu: a plan told by address, and exactly that plan applied.

use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::clients::terraform::kept::{Kept, Plans};
use crate::clients::terraform::plan::Changes;
use crate::clients::terraform::{Applied, Stack};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::digest::Digest;
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Effect, Found, NOTHING_TO_UNDO, READS, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::{Kind, Value, Values};
use crate::tool::args::{Args, failed, gives, made, refused, required};
use crate::tool::world::World;

/// Resources that are told beside those that would be destroyed, which are all told.
const TOLD: usize = 30;
/// The same in the record of what was done.
const DONE: usize = 10;

fn plan_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("terraform.plan"),
        summary: "Plan a declared folder of Terraform or OpenTofu, and tell what would change by address",
        inputs: vec![required("stack", Kind::Word, "its name below [terraform]")],
        gives: vec![
            gives("plan", Kind::Word, "the sha256 of the plan file, which is kept"),
            gives("changes", Kind::Int, "what would change: resources, and outputs"),
            gives("destroyed", Kind::Int, "resources that would be deleted or replaced"),
            gives("in_place", Kind::Flag, "whether it only changes listed addresses in place"),
            gives("counted", Kind::Text, "how many of each kind"),
            gives("lines", Kind::Text, "a line a resource, what destroys first"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a folder that is not initialised, or whose providers lack a right; no terraform and no tofu on this machine",
        timeout: Span::hours(1),
        example: "tool = \"terraform.plan\"\nargs = { stack = \"web\" }",
    }
}

fn apply_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("terraform.apply"),
        summary: "Apply exactly the plan file that terraform.plan kept",
        inputs: vec![
            required("stack", Kind::Word, "its name below [terraform]"),
            required("plan", Kind::Word, "the sha256 of the plan file, as terraform.plan gives it"),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "critical; high only where all it does is change, in place, addresses that the config lists",
        undo: "none: put the files back to what they were and apply that; what was deleted or replaced is gone",
        errors: "a plan that is not kept any more, or whose file or state was changed since: plan anew; a locked state; a missing right of its providers",
        timeout: Span::hours(1),
        example: "tool = \"terraform.apply\"\nargs = { stack = \"web\", plan = \"0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a\" }",
    }
}

/// The folder that a call names: by whomever is asked, it is planned on this machine.
fn stack(world: &World, args: &Args<'_>) -> Result<(Arc<Stack>, Plans), ToolError> {
    let all = &world.inventory.terraforms;
    let name = args.word("stack").map_or("", Word::as_str);
    let stack = all.iter().find(|(known, _)| known.as_str() == name).map(|(_, stack)| stack);
    let stack = stack.ok_or_else(|| {
        let known: Vec<&str> = all.keys().map(Word::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        refused(format!("the config declares no [terraform.{name}]; it declares {known}"))
    })?;
    let on = args.call().target.on();
    if *on != world.here && !stack.hosts.contains(on) {
        return Err(refused(format!(
            "{on} is none of the hosts of [terraform.{name}]: write hosts = [\"{on}\"] there, if that makes it"
        )));
    }
    let plans = world.inventory.plans.clone().map(Plans);
    let plans = plans.ok_or_else(|| refused("there is no folder to keep plans in"))?;
    Ok((Arc::clone(stack), plans))
}

fn int(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// `terraform.plan`.
pub fn plan(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(plan_spec(), move |args| {
        let (stack, plans) = stack(&world, args)?;
        Ok(Parsed::Query(Box::new(Plan { stack, plans })))
    })
}

struct Plan {
    stack: Arc<Stack>,
    plans: Plans,
}

impl Query for Plan {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let kept = self.stack.plan(&self.plans).await.map_err(failed)?;
            let changes = &kept.changes;
            let name = Word::new(kept.plan.to_string()).map_err(failed)?;
            let text = |text: &str| Value::Text(Tainted::bounded(text, 4_000));
            let lines = changes.lines(TOLD).join("\n");
            let values = [
                ("plan", Value::Word(name)),
                ("changes", int(changes.count())),
                ("destroyed", int(changes.destroyed().count() as u64)),
                ("in_place", Value::Flag(changes.beyond(&self.stack.addresses).is_none())),
                ("counted", text(&changes.counted())),
                ("lines", text(&lines)),
            ];
            let values: Values = values.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
            let words = format!("{}: {}\n{lines}", self.stack, changes.counted());
            Ok(Found { values, words: Tainted::bounded(words.trim_end(), 8_000) })
        })
    }
}

/// `terraform.apply`.
pub fn apply(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(apply_spec(), move |args| {
        let (stack, plans) = stack(&world, args)?;
        let given = args.word("plan").map_or("", Word::as_str).to_owned();
        let plan = Digest::try_from(given)
            .map_err(|why| refused(format!("plan is what terraform.plan gives: {why}")))?;
        let target = Target::new(world.here.clone(), Thing::Terraform, stack.name.as_str());
        let target = target.map_err(refused)?;
        // What the plan does decides the tier, and its digest is the argument: both stand before anything is run.
        let known = plans.about(&stack.name, plan);
        Ok(Parsed::Action(Box::new(Apply { stack, plans, plan, target, known })))
    })
}

struct Apply {
    stack: Arc<Stack>,
    plans: Plans,
    plan: Digest,
    target: Target,
    known: Result<Kept, String>,
}

impl Apply {
    /// The tier of these changes, and why.
    fn tier_of(&self, changes: &Changes) -> (Tier, String) {
        match changes.beyond(&self.stack.addresses) {
            Some(why) => (Tier::Critical, why),
            None => {
                (Tier::High, "only changes in place, of addresses that the config lists".into())
            }
        }
    }

    fn previewed(&self) -> Result<(Effect, Undo), ToolError> {
        let kept = self.known.as_ref().map_err(failed)?;
        self.plans.find(&self.stack.name, self.plan).map_err(failed)?;
        let changes = &kept.changes;
        let (tier, why) = self.tier_of(changes);
        let mut words = format!(
            "apply the plan {} of {}: {} [{tier}: {why}]",
            self.plan.short(),
            self.stack,
            changes.counted()
        );
        for line in changes.lines(TOLD) {
            words.push_str(&format!("\n  {line}"));
        }
        let gone = changes.destroyed().count();
        let undo = match gone {
            0 => "Terraform keeps no way back: put its files back to what they were and apply that"
                .to_owned(),
            _ => format!(
                "{gone} resources are destroyed, with what they hold: nothing brings that back"
            ),
        };
        let effect = Effect {
            words,
            max_items: changes.count(),
            max_bytes: 0,
            takes: None,
            artifact: Some(self.plan),
        };
        Ok((effect, Undo::Impossible(undo)))
    }

    async fn act(&self, permit: &Permit) -> ActionResult {
        let step = permit.step();
        if step.effect.artifact != Some(self.plan) {
            return ActionResult::NotStarted("this is not the plan that was approved".into());
        }
        let holds = |changes: &Changes| {
            let (tier, why) = self.tier_of(changes);
            match step.tier < tier {
                true => Err(format!("the plan is {tier}, not {}: {why}", step.tier)),
                false => Ok(()),
            }
        };
        let what = format!("the plan {} of {}", self.plan.short(), self.stack);
        match self.stack.apply(permit, &self.plans, self.plan, holds).await {
            Applied::Ended { summary, ended, took } => {
                let did = match summary {
                    Some(s) => {
                        format!("{} added, {} changed, {} destroyed", s.add, s.change, s.remove)
                    }
                    None => "it does not say what it did".to_owned(),
                };
                ActionResult::Done(format!("applied {what} in {took}: {did}{}", Addresses(&ended)))
            }
            Applied::NotStarted(why) => ActionResult::NotStarted(format!("{what}: {why}")),
            Applied::Failed { ended, begun, why } => {
                let open: Vec<(String, String)> =
                    begun.into_iter().filter(|one| !ended.contains(one)).collect();
                ActionResult::Failed(format!(
                    "{what}: {why}; done before{}; begun and not ended{}",
                    Addresses(&ended),
                    Addresses(&open)
                ))
            }
            Applied::Unknown(why) => ActionResult::Unknown(format!("{what}: {why}")),
        }
    }
}

/// Actions with their addresses, as the end of a sentence.
struct Addresses<'a>(&'a [(String, String)]);

impl fmt::Display for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(": nothing");
        }
        for (n, (address, action)) in self.0.iter().take(DONE).enumerate() {
            write!(
                f,
                "{}{action} {}",
                if n == 0 { ": " } else { ", " },
                Tainted::bounded(address, 200)
            )?;
        }
        match self.0.len().checked_sub(DONE) {
            Some(more) if 0 < more => write!(f, " and {more} more"),
            Some(_) | None => Ok(()),
        }
    }
}

impl Action for Apply {
    fn tier(&self) -> Tier {
        self.known.as_ref().map_or(Tier::Critical, |kept| self.tier_of(&kept.changes).0)
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move { self.previewed() })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move { self.act(&permit).await })
    }
}
