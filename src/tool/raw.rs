//! Raw commands: those that provably only read, and all others.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Spelled, Tool};
use crate::model::ids::{HostName, ToolName};
use crate::model::taint::Tainted;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Effect, Found, NOTHING_TO_UNDO, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::{Kind, Value};
use crate::policy::argv::classify::{Class, classify};
use crate::policy::argv::{Argv, ReadOnly};
use crate::tool::args::{gives, made, refused, required};
use crate::tool::command;
use crate::tool::outcome::Doing;
use crate::tool::world::World;

/// What is kept of a raw command's output, in characters.
const LONGEST: usize = 4_000;
/// How long a raw command may take.
const RAW: Span = Span::secs(60);

fn run_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("host.run"),
        summary: "Run a command that provably only reads; anything else is refused",
        inputs: vec![required("argv", Kind::Argv, "the program and its arguments; no shell")],
        gives: vec![gives("code", Kind::Int, "the exit code")],
        max_tier: Tier::Low,
        tiers: "always low: what is not in the table of reads is refused",
        undo: NOTHING_TO_UNDO,
        errors: "a command that is not proven to read (host.exec takes it); a key that may only collect",
        timeout: Span::secs(20),
        example: "tool = \"host.run\"\nargs = { argv = [\"zpool\", \"status\", \"-x\"] }",
    }
}

fn exec_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("host.exec"),
        summary: "Run any other command, to the letter as it was approved; no shell",
        inputs: vec![required("argv", Kind::Argv, "the program and its arguments; no shell")],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "critical; high for an inline evaluator (sh -c, python -c ...) that the runbook's `commands` name to the letter",
        undo: "none: nobody knows what an arbitrary command did",
        errors: "a command that only reads (host.run takes it); a missing right, which is named with the grant that would serve",
        timeout: Span::secs(90),
        example: "tool = \"host.exec\"\nargs = { argv = [\"zpool\", \"clear\", \"tank\"] }",
    }
}

/// `host.run`.
pub fn run(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(run_spec(), move |args| {
        let argv = args.argv("argv")?;
        let link = command::link(&world, &args.call().target)?;
        match classify(&argv) {
            Class::ReadOnly(argv) => Ok(Parsed::Query(Box::new(Run { link, argv }))),
            Class::Critical { why } | Class::Evaluator { why } => Err(refused(format!(
                "`{argv}` is not proven to only read ({why}): host.exec takes it, which always asks"
            ))),
        }
    })
}

struct Run {
    link: Arc<dyn HostLink>,
    argv: ReadOnly,
}

impl Query for Run {
    fn spelled(&self) -> Spelled {
        Spelled::Out
    }

    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let output = command::output(self.link.as_ref(), &self.argv, Span::secs(15)).await?;
            let code = output.code.map_or(-1, i64::from);
            let mut words = format!("`{}` ended with {code}", self.argv.argv());
            for text in [&output.stdout, &output.stderr] {
                if !text.as_str().trim().is_empty() {
                    words.push_str(&format!("\n{}", text.as_str().trim_end()));
                }
            }
            let values = [("code".to_owned(), Value::Int(code))].into();
            Ok(Found { values, words: Tainted::bounded(&words, LONGEST) })
        })
    }
}

/// `host.exec`.
pub fn exec(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(exec_spec(), move |args| {
        let argv = args.argv("argv")?;
        let link = command::link(&world, &args.call().target)?;
        let (tier, why) = match classify(&argv) {
            Class::ReadOnly(_) => {
                return Err(refused(format!("`{argv}` only reads: host.run takes it")));
            }
            Class::Critical { why } => (Tier::Critical, why),
            Class::Evaluator { why } => {
                let named =
                    args.call().bounds.commands.iter().any(|named| named == argv.as_slice());
                let tier = if named { Tier::High } else { Tier::Critical };
                (tier, if named { "the runbook names it to the letter".into() } else { why })
            }
        };
        let host = args.call().target.on().clone();
        Ok(Parsed::Action(Box::new(Exec { link, argv, host, tier, why })))
    })
}

struct Exec {
    link: Arc<dyn HostLink>,
    argv: Argv,
    host: HostName,
    tier: Tier,
    why: String,
}

impl Action for Exec {
    fn tier(&self) -> Tier {
        self.tier
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![Target::host(self.host.clone())]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let effect = Effect {
                words: format!("run `{}` on {}: {}", self.argv, self.host, self.why),
                max_items: 1,
                max_bytes: 0,
                takes: None,
                artifact: None,
            };
            let why = "nobody knows what an arbitrary command did";
            Ok((effect, Undo::Impossible(why.into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let after = [
                &["uptime"][..],
                &["free", "-b"],
                &["systemctl", "list-units", "--failed", "--no-pager"],
            ];
            let doing = Doing {
                link: self.link,
                what: format!("`{}` on {}", self.argv, self.host),
                done: format!("ran `{}` on {}", self.argv, self.host),
                argv: self.argv,
                timeout: RAW,
                after: command::reads(&after),
            };
            doing.run(&permit).await
        })
    }
}
