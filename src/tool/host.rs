//! A host as a whole: its room, its load, and its reboot.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::fact::{Fact, FactValue, Volume};
use crate::model::ids::{HostName, ToolName};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Effect, Found, NOTHING_TO_UNDO, READS, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::{Kind, Value, human_bytes};
use crate::policy::argv::Argv;
use crate::tool::args::{failed, gives, made, refused};
use crate::tool::command;
use crate::tool::outcome::Doing;
use crate::tool::world::World;

fn df_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("host.df"),
        summary: "Look at every volume of a host: how full, and the fullest",
        inputs: vec![],
        gives: vec![
            gives("path", Kind::Path, "where the fullest volume is mounted"),
            gives("used_percent", Kind::Int, "how full it is"),
            gives("free", Kind::Bytes, "what is left on it"),
            gives("stale", Kind::Int, "how many volumes do not answer"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a host that the config does not name, or that does not answer",
        timeout: Span::secs(30),
        example: "tool = \"host.df\"",
    }
}

fn load_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("host.load"),
        summary: "Look at a host's load, and since when it is up",
        inputs: vec![],
        gives: vec![
            gives("load_percent", Kind::Int, "the load of the last five minutes, of all cores"),
            gives("cores", Kind::Int, "how many it has"),
            gives("up", Kind::Span, "since the last boot"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a host that the config does not name, or that does not answer",
        timeout: Span::secs(20),
        example: "tool = \"host.load\"",
    }
}

fn reboot_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("host.reboot"),
        summary: "Reboot a host by the command that the config declares for it",
        inputs: vec![],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: a reboot cannot be taken back",
        errors: "a host without `reboot = [...]` in the config; a missing right",
        timeout: Span::secs(60),
        example: "tool = \"host.reboot\"",
    }
}

/// What the collection tells of one fact.
pub async fn fact(link: &dyn HostLink, fact: Fact) -> Result<FactValue, ToolError> {
    let mut facts = link.facts(&BTreeSet::from([fact.clone()])).await;
    match facts.remove(&fact) {
        Some(Ok(value)) => Ok(value),
        Some(Err(why)) => Err(failed(why)),
        None => Err(failed("the host was not asked")),
    }
}

fn odd<T>() -> Result<T, ToolError> {
    Err(failed("the collection told of something else"))
}

/// `host.df`.
pub fn df(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(df_spec(), move |args| {
        let link = command::link(&world, &args.call().target)?;
        Ok(Parsed::Query(Box::new(Df { link })))
    })
}

struct Df {
    link: Arc<dyn HostLink>,
}

/// How full a volume is, in percent.
pub fn used(volume: &Volume) -> u64 {
    let used = volume.total_bytes.saturating_sub(volume.free_bytes);
    used.saturating_mul(100).checked_div(volume.total_bytes).unwrap_or(0)
}

impl Query for Df {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let FactValue::Volumes(mut volumes) = fact(self.link.as_ref(), Fact::Volumes).await?
            else {
                return odd();
            };
            let stale = volumes.iter().filter(|v| v.stale.is_some()).count();
            volumes.retain(|v| v.stale.is_none() && 0 < v.total_bytes);
            volumes.sort_by_key(|v| std::cmp::Reverse(used(v)));
            let stale_n = i64::try_from(stale).unwrap_or(i64::MAX);
            let mut values = vec![("stale".to_owned(), Value::Int(stale_n))];
            let mut words =
                format!("{} volumes, {stale} of them do not answer", volumes.len() + stale);
            if let Some(first) = volumes.first() {
                let percent = i64::try_from(used(first)).unwrap_or(100);
                values.push(("path".into(), Value::Path(first.mount.clone())));
                values.push(("used_percent".into(), Value::Int(percent)));
                values.push(("free".into(), Value::Bytes(first.free_bytes)));
            }
            for volume in volumes.iter().take(10) {
                let (mount, free) = (&volume.mount, human_bytes(volume.free_bytes));
                words.push_str(&format!("\n{} % {mount}, {free} free", used(volume)));
            }
            Ok(Found { values: values.into_iter().collect(), words: Tainted::new(&words) })
        })
    }
}

/// `host.load`.
pub fn load(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(load_spec(), move |args| {
        let link = command::link(&world, &args.call().target)?;
        Ok(Parsed::Query(Box::new(Load { link })))
    })
}

struct Load {
    link: Arc<dyn HostLink>,
}

impl Query for Load {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let mut facts = self.link.facts(&BTreeSet::from([Fact::Cpu, Fact::Uptime])).await;
            let (cpu, up) = match (facts.remove(&Fact::Cpu), facts.remove(&Fact::Uptime)) {
                (Some(Ok(FactValue::Cpu(cpu))), Some(Ok(FactValue::Uptime(up)))) => (cpu, up),
                (Some(Err(why)), _) | (_, Some(Err(why))) => return Err(failed(why)),
                (_, _) => return odd(),
            };
            let share = cpu.load_5 * 100.0 / f64::from(cpu.cores.max(1));
            #[expect(clippy::cast_possible_truncation, reason = "clamped")]
            let percent = share.clamp(0.0, 1_000_000.0) as i64;
            let values = [
                ("load_percent".to_owned(), Value::Int(percent)),
                ("cores".to_owned(), Value::Int(i64::from(cpu.cores))),
                ("up".to_owned(), Value::Span(up)),
            ];
            let (one, five, fifteen) = (cpu.load_1, cpu.load_5, cpu.load_15);
            let words =
                format!("load {one:.2} {five:.2} {fifteen:.2} on {} cores, up for {up}", cpu.cores);
            Ok(Found { values: values.into(), words: Tainted::new(&words) })
        })
    }
}

/// `host.reboot`.
pub fn reboot(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(reboot_spec(), move |args| {
        let host = args.call().target.on().clone();
        if args.call().target.thing() != Thing::Host {
            return Err(refused(format!("{} is no host", args.call().target)));
        }
        let link = command::link(&world, &args.call().target)?;
        let parts = world.inventory.reboots.get(&host).cloned().ok_or_else(|| {
            refused(format!(
                "nothing says how {host} is rebooted; write reboot = [\"systemctl\", \"reboot\"] \
                 under [host.{host}]"
            ))
        })?;
        let argv = Argv::new(parts).map_err(refused)?;
        Ok(Parsed::Action(Box::new(Reboot { link, argv, host })))
    })
}

struct Reboot {
    link: Arc<dyn HostLink>,
    argv: Argv,
    host: HostName,
}

impl Action for Reboot {
    fn tier(&self) -> Tier {
        Tier::Critical
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![Target::host(self.host.clone())]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let FactValue::Uptime(up) = fact(self.link.as_ref(), Fact::Uptime).await? else {
                return odd();
            };
            let effect = Effect {
                words: format!(
                    "reboot {} by `{}`: everything on it is down for minutes (up for {up} now)",
                    self.host, self.argv
                ),
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::mins(3)),
                artifact: None,
            };
            Ok((effect, Undo::Impossible("a reboot cannot be taken back".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let doing = Doing {
                link: self.link,
                argv: self.argv,
                timeout: Span::secs(30),
                what: format!("reboot {}", self.host),
                done: format!("asked {} to reboot", self.host),
                after: Vec::new(),
            };
            doing.run(&permit).await
        })
    }
}
