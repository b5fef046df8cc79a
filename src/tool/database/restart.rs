//! `database.restart_standby`: the one restart of a database that reef offers by itself, for a server that the config
//! declares to follow another.

use crate::Fut;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::{Kind, Value};
use crate::tool::args::{made, refused, required};
use crate::tool::database::replication::{ask, restartable};
use crate::tool::database::verdict::Said;
use crate::tool::database::{Ends, Named, ends};
use crate::tool::world::World;
use crate::tool::{container, unit};

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("database.restart_standby"),
        summary: "Restart a standby that the config declares; never a server that takes writes",
        inputs: vec![required(
            "endpoint",
            Kind::Target,
            "HOST:endpoint:NAME of the standby's probe",
        )],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: a restart cannot be taken back",
        errors: "a probe without primary = and served_by =; a unit that is not among `restartable` of its host; a server that takes writes; a primary that does not answer",
        timeout: Span::secs(180),
        example: "tool = \"database.restart_standby\"\nargs = { endpoint = \"mini:endpoint:copy\" }",
    }
}

/// `database.restart_standby`.
pub fn restart_standby(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let (target, ends) = ends(&world, args)?;
        let Some(standby) = ends.standby.clone().filter(|standby| standby.name == target.name())
        else {
            return Err(refused(format!("{target} follows no other server: primary = is missing")));
        };
        let Some(of) = standby.database.served_by.clone() else {
            return Err(refused(format!("{target}: served_by = is missing")));
        };
        if !restartable(&world, &standby.database) {
            return Err(refused(format!("{of} is not among `restartable` of {}", of.on())));
        }
        if of.on() != target.on() {
            return Err(refused(format!("{of} is not on {}", target.on())));
        }
        // The config names this very unit as a standby: that is what the tool beneath asks for.
        let mut call = args.call().clone();
        let (tool, argument, made) = match of.thing() {
            Thing::Unit => ("unit.restart", "unit", unit::restart(&world)),
            _container => ("container.restart", "container", container::act::restart(&world)),
        };
        call = Call {
            tool: ToolName::of(tool),
            args: [(argument.to_owned(), Value::Target(of.clone()))].into(),
            ..call
        };
        call.bounds.named.push(of.clone());
        match made.parse(&call)? {
            Parsed::Action(inner) => {
                Ok(Parsed::Action(Box::new(Restart { ends, standby, of, inner })))
            }
            Parsed::Query(_) => Err(refused("a restart that only looks")),
        }
    })
}

struct Restart {
    ends: Ends,
    standby: Named,
    of: Target,
    inner: Box<dyn Action>,
}

impl Restart {
    /// Whether it is a standby now, and its primary one that answers.
    async fn allowed(&self) -> Result<(), ToolError> {
        let Some(primary) = &self.ends.primary else {
            return Err(refused(format!(
                "the primary of {} is no probe of the config",
                self.standby.name
            )));
        };
        match ask(&primary.database).await {
            Ok(said) if !takes_writes(&said) => {
                Err(refused(format!("{}, its primary, is a standby itself", primary.name)))
            }
            Ok(_) => match ask(&self.standby.database).await {
                Ok(said) if is_primary(&said) => {
                    Err(refused(format!("{} takes writes: it is no standby", self.standby.name)))
                }
                // What does not answer is a standby by the config's word.
                Ok(_) | Err(_) => Ok(()),
            },
            Err(why) => Err(refused(format!(
                "{}, its primary, does not answer ({why}): the standby may be the last copy",
                primary.name
            ))),
        }
    }
}

/// Whether a server that is to be the primary may be one.
fn takes_writes(said: &Said) -> bool {
    match said {
        #[cfg(feature = "postgres")]
        Said::Postgres(seen) => {
            matches!(seen.role, crate::clients::postgres::Role::Primary { .. })
        }
        Said::Mariadb(_) => true,
    }
}

/// Whether a server that is to be the standby follows nobody.
fn is_primary(said: &Said) -> bool {
    match said {
        #[cfg(feature = "postgres")]
        Said::Postgres(_) => takes_writes(said),
        Said::Mariadb(seen) => seen.channels.is_empty(),
    }
}

impl Action for Restart {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        let mut keys = self.inner.lease();
        if !keys.contains(&self.of) {
            keys.push(self.of.clone());
        }
        keys
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            self.allowed().await?;
            let (effect, undo) = self.inner.preview().await?;
            let words = format!(
                "{}; {} follows {}, which goes on",
                effect.words,
                self.standby.name,
                self.standby.database.primary.as_deref().unwrap_or("nobody")
            );
            Ok((Effect { words, ..effect }, undo))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            match self.allowed().await {
                Ok(()) => self.inner.run(permit).await,
                Err(why) => ActionResult::NotStarted(why.to_string()),
            }
        })
    }
}
