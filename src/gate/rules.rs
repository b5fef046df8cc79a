//! The rules in force: what the config says about acting. Swapped whole by a reload.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{HostName, RunbookName, ToolName};
use crate::model::plan::{Leash, Origin, Plan};
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Call, Tier};
use crate::model::value::{Value, Values};
use crate::policy::breaker::BreakerRules;
use crate::policy::forbidden::Protected;
use crate::policy::hours::{Closed, Hours};
use crate::policy::limits::Limits;
use crate::policy::telling::Telling;

/// How long an action can be undone: as long as what was put away is kept.
pub const UNDO_FOR: Span = Span::days(7);

/// Whether anything may happen at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Live,
    /// `--dry-run`: nothing is dispatched, whatever the leash; what would have been done is recorded.
    DryRun,
}

/// A snapshot that is taken before steps of tier high.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRule {
    /// The host whose steps it is for.
    pub host: HostName,
    pub covers: Covers,
    /// The tool that takes it, and what it is called with beside `keep` and the run's word.
    pub tool: ToolName,
    pub target: Target,
    pub args: Values,
    /// The argument that takes the run's word.
    pub run_as: &'static str,
    /// How long it is kept.
    pub keep: Span,
}

/// Which steps on its host a snapshot is the undo of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covers {
    All,
    /// Those that name a path below one of these, or one of these things.
    These {
        below: Vec<AbsPath>,
        things: BTreeSet<Target>,
    },
}

impl SnapshotRule {
    /// Whether what this call may change is in the snapshot.
    pub fn covers(&self, call: &Call) -> bool {
        if *call.target.on() != self.host {
            return false;
        }
        match &self.covers {
            Covers::All => true,
            Covers::These { below, things } => {
                let mut values = call.args.values();
                about(&call.target, below, things) || values.any(|v| names(v, below, things))
            }
        }
    }
}

/// Whether a target lies there, or is one of the things that live there; a service of a compose project lives where
/// its project does.
fn about(target: &Target, below: &[AbsPath], things: &BTreeSet<Target>) -> bool {
    let lies = target.as_path().is_some_and(|path| below.iter().any(|root| path.is_below(root)));
    let of_stack = |thing: &&Target| {
        let project = target.name().split('/').next();
        (target.thing(), thing.thing()) == (Thing::Composed, Thing::Stack)
            && target.on() == thing.on()
            && project == Some(thing.name())
    };
    lies || things.contains(target) || things.iter().any(|thing| of_stack(&thing))
}

fn names(value: &Value, below: &[AbsPath], things: &BTreeSet<Target>) -> bool {
    match value {
        Value::Path(path) => below.iter().any(|root| path.is_below(root)),
        Value::Target(target) => about(target, below, things),
        Value::List(items) => items.iter().any(|item| names(item, below, things)),
        Value::Argv(parts) => parts.iter().any(|part| below.iter().any(|root| says(part, root))),
        Value::Line(text) => below.iter().any(|root| says(text, root)),
        Value::Int(_)
        | Value::Bytes(_)
        | Value::Span(_)
        | Value::Flag(_)
        | Value::Word(_)
        | Value::Json(_)
        | Value::Text(_) => false,
    }
}

/// Whether a part of a raw command names the path or what is below it: `--to=/srv/web/x`, `echo y >/srv/web`.
fn says(part: &str, path: &AbsPath) -> bool {
    let ends = |rest: &str| {
        let next = rest.chars().next();
        next.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.'))
    };
    let path = path.as_str();
    part.match_indices(path).any(|(at, _)| ends(&part[at + path.len()..]))
}

/// What the gate goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    pub mode: Mode,
    /// The global ceiling.
    pub ceiling: Leash,
    pub host_ceilings: BTreeMap<HostName, Leash>,
    pub runbook_ceilings: BTreeMap<RunbookName, Leash>,
    /// Where each runbook starts, by its front matter.
    pub starts: BTreeMap<RunbookName, Leash>,
    /// What the config says for a runbook; `None` as the host stands for all.
    pub leashes: BTreeMap<(RunbookName, Option<HostName>), Leash>,
    /// The targets that each runbook spells out in its steps.
    pub named: BTreeMap<RunbookName, BTreeSet<Target>>,
    /// When a runbook may act; always where it is not named.
    pub hours: BTreeMap<RunbookName, Hours>,
    /// How long all actions of one run of a runbook may take together.
    pub at_most: BTreeMap<RunbookName, Span>,
    /// Hosts on which nobody minds that reef acts while they work there.
    pub disturb: BTreeSet<HostName>,
    /// What is taken before a step of tier high on a host.
    pub snapshots: Vec<SnapshotRule>,
    pub limits: Limits,
    pub breaker: BreakerRules,
    pub protected: Protected,
    /// How long a question stands.
    pub approval_for: Span,
    /// The same for critical plans.
    pub critical_for: Span,
    /// How often a page is repeated until somebody acknowledges it.
    pub page_repeat: Span,
    /// Quiet hours, silences, reminders, and how many messages are too many.
    pub telling: Telling,
    /// The notifiers by name, in the config's order.
    pub notify: Vec<String>,
}

impl Default for Rules {
    /// The embedded default: observe.
    fn default() -> Self {
        Self {
            mode: Mode::Live,
            ceiling: Leash::Observe,
            host_ceilings: BTreeMap::new(),
            runbook_ceilings: BTreeMap::new(),
            starts: BTreeMap::new(),
            leashes: BTreeMap::new(),
            named: BTreeMap::new(),
            hours: BTreeMap::new(),
            at_most: BTreeMap::new(),
            disturb: BTreeSet::new(),
            snapshots: Vec::new(),
            limits: Limits::default(),
            breaker: BreakerRules::default(),
            protected: Protected::default(),
            approval_for: Span::hours(12),
            critical_for: Span::mins(30),
            page_repeat: Span::mins(30),
            telling: Telling::default(),
            notify: Vec::new(),
        }
    }
}

impl Rules {
    /// The ceilings over a runbook on a host.
    pub fn ceilings(&self, runbook: Option<&RunbookName>, host: &HostName) -> Vec<Leash> {
        let of_book = runbook.and_then(|name| self.runbook_ceilings.get(name));
        let dry = (self.mode == Mode::DryRun).then_some(Leash::Observe);
        [Some(&self.ceiling), self.host_ceilings.get(host), of_book, dry.as_ref()]
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// Where a runbook starts on a host: the config's word for that host, for all, or its front matter.
    /// Without a runbook: ask.
    pub fn start(&self, runbook: Option<&RunbookName>, host: &HostName) -> Leash {
        let Some(name) = runbook else { return Leash::Ask };
        let of = |host: Option<HostName>| self.leashes.get(&(name.clone(), host)).copied();
        of(Some(host.clone()))
            .or_else(|| of(None))
            .or_else(|| self.starts.get(name).copied())
            .unwrap_or(Leash::Ask)
    }

    /// The targets that a runbook spells out; none without one.
    pub fn named_by(&self, runbook: Option<&RunbookName>) -> BTreeSet<Target> {
        runbook.and_then(|name| self.named.get(name)).cloned().unwrap_or_default()
    }

    /// Why a plan may not begin now: it is outside its runbook's hours, or would not end within them. What a
    /// human typed is not bound by hours: whoever types it is there.
    pub fn closed(&self, plan: &Plan, now: Millis) -> Option<Closed> {
        let (Origin::Incident(_), Some(book)) = (&plan.origin, &plan.runbook) else { return None };
        self.hours.get(&book.name)?.closed(now, plan.takes())
    }

    /// How long a question about a plan of this tier stands.
    pub fn stands_for(&self, tier: Tier) -> Span {
        match tier {
            Tier::Critical => self.critical_for,
            Tier::Low | Tier::Medium | Tier::High => self.approval_for,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tool::Bounds;

    fn call(target: &str, args: &[(&str, Value)]) -> Call {
        Call {
            tool: ToolName::of("host.exec"),
            target: target.parse().unwrap(),
            args: args.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
            bounds: Bounds::default(),
        }
    }

    fn argv(parts: &[&str]) -> Value {
        Value::Argv(parts.iter().map(|part| (*part).to_owned()).collect())
    }

    #[test]
    fn a_snapshot_is_for_the_steps_that_name_what_lies_on_it() {
        let path = |path: &str| AbsPath::new(path).unwrap();
        let target = |text: &str| text.parse::<Target>().unwrap();
        let mut rule = SnapshotRule {
            host: HostName::of("nas"),
            covers: Covers::These {
                below: vec![path("/srv/web")],
                things: ["nas:unit:web.service", "nas:stack:media"].map(target).into(),
            },
            tool: ToolName::of("snapshot.create"),
            target: target("nas:/srv/web"),
            args: Values::new(),
            run_as: "mark",
            keep: Span::days(1),
        };
        let list = Value::List(vec![Value::Target(target("nas:/srv/web/a"))]);
        for covered in [
            call("nas:/srv/web", &[]),
            call("nas:/srv/web/x/y", &[]),
            call("nas:unit:web.service", &[]),
            call("nas:stack:media", &[]),
            call("nas:compose:media/app", &[]),
            call("nas", &[("path", Value::Path(path("/srv/web/log")))]),
            call("nas", &[("unit", Value::Target(target("nas:unit:web.service")))]),
            call("nas", &[("all", list)]),
            call("nas", &[("argv", argv(&["sh", "-c", "echo x >/srv/web/page"]))]),
            call("nas", &[("argv", argv(&["tar", "--directory=/srv/web", "-x"]))]),
            call("nas", &[("argv", argv(&["chown", "web:", "/srv/web"]))]),
        ] {
            assert!(rule.covers(&covered), "{covered}");
        }
        let others = [
            call("mini:/srv/web", &[]),
            call("nas:/srv/web2", &[]),
            call("nas:/srv", &[]),
            call("nas", &[]),
            call("nas:unit:db.service", &[]),
            call("nas:compose:media2/app", &[]),
            call("nas", &[("argv", argv(&["rm", "/srv/web2/x", "/srv/web-old", "/srv/web.d"]))]),
            call("nas", &[("path", Value::Path(path("/srv/websites")))]),
        ];
        for other in &others {
            assert!(!rule.covers(other), "{other}");
        }
        rule.covers = Covers::All;
        assert_eq!(others.iter().filter(|call| rule.covers(call)).count(), others.len() - 1);
    }
}
