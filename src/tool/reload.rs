//! `unit.reload`: a service reads its files anew.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::Kind;
use crate::policy::argv::Argv;
use crate::tool::args::{made, refused, required};
use crate::tool::world::World;
use crate::tool::{command, unit};

/// How long a reload may take; where the unit knows none, a restart.
pub const TIMEOUT: Span = unit::RESTART_TIMEOUT;

fn reload_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("unit.reload"),
        summary: "Make a unit read its files anew, by a restart where it knows no reload",
        inputs: vec![required("unit", Kind::Target, "HOST:unit:NAME")],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: a reload cannot be taken back",
        errors: "a unit that does not run, or that reef and its operator sit on; no right to manage units (`reef install --print polkit` prints the grant)",
        timeout: TIMEOUT,
        example: "tool = \"unit.reload\"\nargs = { unit = \"mini:unit:nginx.service\" }",
    }
}

/// `unit.reload`.
pub fn reload(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(reload_spec(), move |args| {
        let unit = args.target("unit", Thing::Unit)?.clone();
        let argv = reload_command(unit.name())?;
        let link = command::link(&world, &unit)?;
        Ok(Parsed::Action(Box::new(Reload { link, argv, unit })))
    })
}

/// The command that reloads a service which may be restarted: it falls back to that.
pub fn reload_command(name: &str) -> Result<Argv, ToolError> {
    unit::restart_command(name)?;
    command::argv(&["systemctl", "reload-or-restart", name])
}

struct Reload {
    link: Arc<dyn HostLink>,
    argv: Argv,
    unit: Target,
}

impl Action for Reload {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.unit.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let unit = unit::look(self.link.as_ref(), &self.unit).await?;
            if unit.load != "loaded" || unit.active != "active" {
                let state = if unit.load == "loaded" { &unit.active } else { &unit.load };
                return Err(refused(format!(
                    "{} is {state}: there is nothing to reload",
                    self.unit
                )));
            }
            let asks = ["systemctl", "show", "--property=CanReload", "--value", self.unit.name()];
            let said =
                command::read(self.link.as_ref(), &command::read_only(&asks)?, Span::secs(10))
                    .await?;
            let words = match said.stdout.as_str().trim() {
                "yes" => format!("reload {}: it goes on serving", self.unit),
                _ => format!("restart {}, which knows no reload: down for a moment", self.unit),
            };
            Ok((unit::brief(words), Undo::Impossible("a reload cannot be taken back".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let verb = ("reload-or-restart", "reloaded");
            let doing = unit::systemctl(self.link, self.argv, TIMEOUT, &self.unit, verb);
            doing.run(&permit).await
        })
    }
}
