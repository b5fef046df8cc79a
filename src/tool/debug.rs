//! `debug.enable` and `debug.disable`: more logging for a stated time. The promise to take it back is made in the commit that
//! records the dispatch, so it is kept whatever becomes of reef in between.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::clients::switch::{How, Now, Switch};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::{ToolName, Word};
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo, nothing_to_do,
};
use crate::model::value::{Kind, Value};
use crate::policy::argv::Argv;
use crate::tool::args::{Args, failed, made, optional, refused, required};
use crate::tool::command;
use crate::tool::outcome::Doing;
use crate::tool::world::World;

/// How long one of its commands may take.
pub const TIMEOUT: Span = Span::secs(30);
/// With the looks before and after.
const WHOLE: Span = Span::secs(60);
/// Shorter than this it could be over before it has begun.
const SHORTEST: Span = Span::mins(2);
const NAME: &str = "its name below [debug]";
const ERRORS: &str = "a name that the config does not declare, or of another host; a unit that has no log level (it needs BusName= and LogControl1); a command that ends well and switches nothing; a missing right";

fn enable_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("debug.enable"),
        summary: "Switch declared debug logging on for a stated time; it is switched off again by itself",
        inputs: vec![
            required("debug", Kind::Word, NAME),
            required("for", Kind::Span, "2 min at least, and at most what the config allows"),
        ],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "debug.disable, which reef does by itself when the time is over, also after a crash",
        errors: ERRORS,
        timeout: WHOLE,
        example: "tool = \"debug.enable\"\nargs = { debug = \"web\", for = \"1d\" }",
    }
}

fn disable_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("debug.disable"),
        summary: "Switch declared debug logging off",
        inputs: vec![
            required("debug", Kind::Word, NAME),
            optional("level", Kind::Word, "of a unit: the level it had; info where it is left out"),
        ],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "none: it was on for a stated time only",
        errors: ERRORS,
        timeout: WHOLE,
        example: "tool = \"debug.disable\"\nargs = { debug = \"web\" }",
    }
}

/// A switch, the way to its host, and what it is called as a target.
type Found = (Arc<Switch>, Arc<dyn HostLink>, Target);

/// The switch that a call names, on its own host, and the way there.
fn switch(world: &World, args: &Args<'_>) -> Result<Found, ToolError> {
    let all = &world.inventory.switches;
    let name = args.word("debug").map_or("", Word::as_str);
    let found = all.iter().find(|(known, _)| known.as_str() == name).map(|(_, s)| Arc::clone(s));
    let found = found.ok_or_else(|| {
        let known: Vec<&str> = all.keys().map(Word::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        refused(format!("the config declares no [debug.{name}]; it declares {known}"))
    })?;
    let on = args.call().target.on();
    if *on != found.host {
        return Err(refused(format!(
            "[debug.{name}] is on {}, and the call is for {on}: write target = \"{}\"",
            found.host, found.host
        )));
    }
    let target = Target::new(on.clone(), Thing::Check, &format!("debug.{name}"));
    let target = target.map_err(refused)?;
    Ok((found, command::link(world, &target)?, target))
}

/// `debug.enable`.
pub fn enable(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(enable_spec(), move |args| {
        let (switch, link, target) = switch(&world, args)?;
        let span = args.span("for").unwrap_or(Span(0));
        if span < SHORTEST || switch.longest < span {
            return Err(refused(format!(
                "for is {SHORTEST} to {}, the longest of [debug.{}]",
                switch.longest, switch.name
            )));
        }
        let (argv, call) = (switch.on().map_err(refused)?, args.call().clone());
        let what = What::On(span);
        Ok(Parsed::Action(Box::new(Turn { switch, link, lease: target, argv, what, call })))
    })
}

/// `debug.disable`.
pub fn disable(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(disable_spec(), move |args| {
        let (switch, link, target) = switch(&world, args)?;
        let level = args.word("level");
        match (level, &switch.how) {
            (Some(_), How::Commands { .. }) => {
                return Err(refused(format!(
                    "[debug.{}] is no unit: it has no level",
                    switch.name
                )));
            }
            (Some(level), How::Unit(_))
                if !crate::clients::switch::LEVELS.contains(&level.as_str()) =>
            {
                return Err(refused(format!("level {level} is none that a unit has")));
            }
            (Some(_) | None, _) => {}
        }
        let argv = switch.off(level).map_err(refused)?;
        // Not the lease of what switches on: that one is kept by a dispatch of which nobody knows the end, and then above all
        // it has to be switched off.
        let lease =
            Target::new(target.on().clone(), Thing::Check, &format!("{}.off", target.name()));
        let (lease, call) = (lease.map_err(refused)?, args.call().clone());
        Ok(Parsed::Action(Box::new(Turn { switch, link, lease, argv, what: What::Off, call })))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    On(Span),
    Off,
}

struct Turn {
    switch: Arc<Switch>,
    link: Arc<dyn HostLink>,
    lease: Target,
    argv: Argv,
    what: What,
    call: Call,
}

impl Turn {
    /// `debug logging of web on nas`
    fn named(&self) -> String {
        format!("debug logging of {} on {}", self.switch.name, self.switch.host)
    }

    fn is_so(&self, now: &Now) -> bool {
        match self.what {
            What::On(_) => *now == Now::On,
            What::Off => matches!(now, Now::Off(_)),
        }
    }

    fn words(&self, now: &Now) -> String {
        let named = self.named();
        let now = now.words();
        match self.what {
            What::On(span) => format!(
                "switch on {named} for {span} (now {now}); reef switches it off again by itself, also where it is restarted meanwhile"
            ),
            What::Off => format!("switch off {named} (now {now})"),
        }
    }

    fn undo(&self, now: &Now) -> Undo {
        match self.what {
            What::On(_) => {
                let mut call = Call { tool: ToolName::of("debug.disable"), ..self.call.clone() };
                call.args.remove("for");
                if let Now::Off(Some(level)) = now {
                    call.args.insert("level".into(), Value::Word(level.clone()));
                }
                Undo::By(call)
            }
            What::Off => Undo::Impossible("it was on for a stated time only".into()),
        }
    }

    /// A command's good ending proves nothing where something tells how it is.
    async fn proven(&self, words: String) -> ActionResult {
        let named = self.named();
        match self.switch.now(self.link.as_ref()).await {
            Ok(Now::Untold) => ActionResult::Done(format!(
                "{words}; nothing tells whether it is so (no state command)"
            )),
            Ok(now) if self.is_so(&now) => {
                ActionResult::Done(format!("{words}; it is {}", now.words()))
            }
            Ok(now) => ActionResult::Failed(format!(
                "{named}: the command ended well, but nothing changed: it is {}",
                now.words()
            )),
            Err(why) => ActionResult::Failed(format!(
                "{named}: the command ended well, but whether it is so could not be seen: {why}"
            )),
        }
    }
}

impl Action for Turn {
    fn tier(&self) -> Tier {
        Tier::Medium
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.lease.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let now = self.switch.now(self.link.as_ref()).await.map_err(failed)?;
            if self.is_so(&now) {
                let words = format!("it is so already: {} is {}", self.named(), now.words());
                return Ok(nothing_to_do(words));
            }
            let effect = Effect {
                words: self.words(&now),
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::secs(5)),
                artifact: None,
            };
            Ok((effect, self.undo(&now)))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            if permit.step().effect.max_items == 0 {
                return ActionResult::Done("nothing to do".into());
            }
            // The level of before stands in the promise: it must still be that one.
            match self.switch.now(self.link.as_ref()).await {
                Ok(now) if self.undo(&now) == permit.step().undo => {}
                Ok(now) => {
                    return ActionResult::NotStarted(format!(
                        "{} is no longer as it was when this was planned: it is {}",
                        self.named(),
                        now.words()
                    ));
                }
                Err(why) => return ActionResult::NotStarted(why),
            }
            let (verb, done) = match self.what {
                What::On(_) => ("switch on", "switched on"),
                What::Off => ("switch off", "switched off"),
            };
            let doing = Doing {
                link: Arc::clone(&self.link),
                argv: self.argv.clone(),
                timeout: TIMEOUT,
                what: format!("{verb} {}", self.named()),
                done: format!("{done} {}", self.named()),
                after: Vec::new(),
            };
            match doing.run(&permit).await {
                ActionResult::Done(words) => self.proven(words).await,
                other @ (ActionResult::NotStarted(_)
                | ActionResult::Failed(_)
                | ActionResult::Unknown(_)) => other,
            }
        })
    }
}
