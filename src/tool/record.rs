//! `dns.record`: one record of a declared zone, set by the operator's program and proven by asking for it.

use std::sync::Arc;

use crate::Fut;
use crate::clients::dns::declared::{Filled, LONGEST, TTLS, Zone};
use crate::clients::dns::record::{self, RecordKind, Seen};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::digest::Digest;
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo, nothing_to_do,
};
use crate::model::value::{Kind, Value};
use crate::tool::args::{Args, failed, made, optional, refused, required};
use crate::tool::world::World;

/// The program, and the wait until what it did is seen.
const TIMEOUT: Span = Span(2 * LONGEST.0 + Span::mins(1).0);
/// Between two looks for what was changed.
const PAUSE: Span = Span::secs(1);

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("dns.record"),
        summary: "Set one DNS record of a declared zone by the operator's own program, or take it away",
        inputs: vec![
            required("dns", Kind::Word, "its name below [dns]"),
            required("name", Kind::Word, "the record's whole name, within the declared zones"),
            required("type", Kind::Word, "A, AAAA, CNAME or TXT"),
            optional(
                "value",
                Kind::Line,
                "an address, a name, or a text; only a runbook writes it",
            ),
            optional("ttl", Kind::Span, "30 s to 7 d; the config's where it is left out"),
            optional("absent", Kind::Flag, "true: there shall be no such record"),
        ],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "dns.record with the value of before, or absent = true where there was none and the config has an unset",
        errors: "a name outside the declared zones; several records where one is to be set; a program that ends well and changes nothing; a server that does not answer",
        timeout: TIMEOUT,
        example: "tool = \"dns.record\"\nargs = { dns = \"home\", name = \"photos.home.example\", type = \"A\", value = \"192.0.2.7\" }",
    }
}

/// `dns.record`.
pub fn record(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        args.only_on(&world.here)?;
        let zone = zone(&world, args)?;
        let word = |name: &str| args.word(name).map_or("", Word::as_str);
        let kind = RecordKind::parse(word("type"))
            .ok_or_else(|| refused("type is A, AAAA, CNAME or TXT"))?;
        let name = record::name(word("name")).map_err(refused)?;
        if zone.of(&name).is_none() {
            return Err(refused(format!(
                "{name} lies in none of the zones of [dns.{}]: {}",
                zone.name,
                zone.zones.join(", ")
            )));
        }
        let given = match args.call().args.get("value") {
            Some(Value::Line(text)) => Some(record::value(kind, text).map_err(refused)?),
            Some(_) | None => None,
        };
        let absent = args.flag("absent") == Some(true);
        let value = match (given, absent) {
            (Some(value), false) => Some(value),
            (None, true) if zone.unset.is_none() => return Err(refused(zone.no_unset())),
            (None, true) => None,
            (Some(_), true) | (None, false) => {
                return Err(refused("dns.record needs a value, or absent = true, and not both"));
            }
        };
        if value.as_deref() == Some(name.as_str()) {
            return Err(refused(format!("{name} cannot be an alias of itself")));
        }
        let ttl = args.span("ttl").unwrap_or(zone.ttl);
        if !TTLS.contains(&ttl) {
            return Err(refused("ttl is 30 s to 7 d"));
        }
        // Whoever sets another kind under the same name waits too: an alias and an address exclude each other.
        let lease =
            Target::new(world.here.clone(), Thing::Endpoint, &format!("dns.{}/{name}", zone.name));
        let (lease, call) = (lease.map_err(refused)?, args.call().clone());
        Ok(Parsed::Action(Box::new(Set { zone, call, lease, name, kind, value, ttl })))
    })
}

fn zone(world: &World, args: &Args<'_>) -> Result<Arc<Zone>, ToolError> {
    let all = &world.inventory.zones;
    let name = args.word("dns").map_or("", Word::as_str);
    let found = all.iter().find(|(known, _)| known.as_str() == name).map(|(_, z)| Arc::clone(z));
    found.ok_or_else(|| {
        let known: Vec<&str> = all.keys().map(Word::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        refused(format!("the config declares no [dns.{name}]; it declares {known}"))
    })
}

struct Set {
    zone: Arc<Zone>,
    call: Call,
    lease: Target,
    name: String,
    kind: RecordKind,
    /// None: there shall be none.
    value: Option<String>,
    ttl: Span,
}

/// Values in one order: servers shuffle them.
fn values(seen: &[Seen]) -> Vec<&str> {
    let mut values: Vec<&str> = seen.iter().map(|one| one.value.as_str()).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// What must still be so when it is done.
fn mark(seen: &[Seen]) -> Digest {
    Digest::of(values(seen).join("\n").as_bytes())
}

fn shown(values: &[&str]) -> String {
    match values.is_empty() {
        true => "nothing".to_owned(),
        false => Tainted::bounded(&values.join(", "), 300).as_str().to_owned(),
    }
}

impl Set {
    fn filled(&self) -> Filled<'_> {
        Filled { name: &self.name, kind: self.kind, value: self.value.as_deref(), ttl: self.ttl }
    }

    fn is_so(&self, seen: &[Seen]) -> bool {
        values(seen) == self.value.iter().map(String::as_str).collect::<Vec<_>>()
    }

    /// How it is now, if this may be done to it.
    async fn now(&self) -> Result<Vec<Seen>, ToolError> {
        let seen = self.zone.look(&self.filled()).await.map_err(failed)?;
        let values = values(&seen);
        if 1 < values.len() && !self.is_so(&seen) {
            return Err(refused(format!(
                "{} has {} records of type {} ({}): this sets one, and would lose the others",
                self.name,
                values.len(),
                self.kind.word(),
                shown(&values)
            )));
        }
        Ok(seen)
    }

    /// `the A record of nas.home.example`
    fn what(&self) -> String {
        format!("the {} record of {}", self.kind.word(), self.name)
    }

    fn words(&self, seen: &[Seen]) -> String {
        let old = shown(&values(seen));
        match &self.value {
            Some(value) => {
                format!(
                    "set {}: {old} -> {value}, for {} by [dns.{}]",
                    self.what(),
                    self.ttl,
                    self.zone.name
                )
            }
            None => format!("take away {} (now {old}) by [dns.{}]", self.what(), self.zone.name),
        }
    }

    fn undo(&self, seen: &[Seen]) -> Undo {
        let mut call = self.call.clone();
        for name in ["value", "ttl", "absent"] {
            call.args.remove(name);
        }
        match (seen.first(), &self.zone.unset) {
            // What was read back is put into a call again only where it is a value of its kind.
            (Some(old), _) => match record::value(self.kind, &old.value) {
                Ok(value) => {
                    call.args.insert("value".into(), Value::Line(value));
                    let ttl = old.ttl.map(|ttl| Span::secs(i64::from(ttl)));
                    if let Some(ttl) = ttl.filter(|ttl| TTLS.contains(ttl)) {
                        call.args.insert("ttl".into(), Value::Span(ttl));
                    }
                    Undo::By(call)
                }
                Err(_) => Undo::Impossible("the value of before is none that could be set".into()),
            },
            (None, Some(_)) => {
                call.args.insert("absent".into(), Value::Flag(true));
                Undo::By(call)
            }
            (None, None) => {
                Undo::Impossible(format!("there was none, and {}", self.zone.no_unset()))
            }
        }
    }

    /// A program's good ending proves nothing: it counts once the record is seen to be so.
    async fn proven(&self, before: &[Seen]) -> ActionResult {
        let mut waited = Span(0);
        loop {
            let now = self.zone.look(&self.filled()).await;
            let words = match &now {
                Ok(seen) if self.is_so(seen) => {
                    let now = shown(&values(seen));
                    return ActionResult::Done(format!(
                        "{} was {}, and is {now}",
                        self.what(),
                        shown(&values(before))
                    ));
                }
                Ok(seen) if mark(seen) == mark(before) => format!(
                    "{}: the program ended well, but nothing changed: it is {} after {waited}",
                    self.what(),
                    shown(&values(seen))
                ),
                Ok(seen) => format!(
                    "{}: the program ended well, but it is {} after {waited}",
                    self.what(),
                    shown(&values(seen))
                ),
                Err(why) => {
                    format!(
                        "{}: the program ended well, but whether it is so could not be seen: {why}",
                        self.what()
                    )
                }
            };
            if self.zone.within <= waited {
                return ActionResult::Failed(words);
            }
            tokio::time::sleep(PAUSE.duration()).await;
            waited = Span(waited.0 + PAUSE.0);
        }
    }
}

impl Action for Set {
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
            let seen = self.now().await?;
            if self.is_so(&seen) {
                let words =
                    format!("it is so already: {} is {}", self.what(), shown(&values(&seen)));
                return Ok(nothing_to_do(words));
            }
            let effect = Effect {
                words: self.words(&seen),
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::secs(5)),
                artifact: Some(mark(&seen)),
            };
            Ok((effect, self.undo(&seen)))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            if permit.step().effect.max_items == 0 {
                return ActionResult::Done("nothing to do".into());
            }
            let before = match self.now().await {
                Ok(seen) => seen,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            if permit.step().effect.artifact != Some(mark(&before)) {
                return ActionResult::NotStarted(format!(
                    "{} is no longer as it was when this was planned",
                    self.what()
                ));
            }
            match self.zone.change(&permit, &self.filled()).await {
                Ok(()) => self.proven(&before).await,
                Err(why) => why.result(&self.words(&before)),
            }
        })
    }
}
