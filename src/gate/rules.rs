//! The rules in force: what the config says about acting. Swapped whole by a reload.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{HostName, RunbookName, ToolName};
use crate::model::plan::{Leash, Origin, Plan};
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;
use crate::model::value::Values;
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

/// The snapshot that a host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRule {
    /// The tool that takes it, and what it is called with beside `name` and `keep`.
    pub tool: ToolName,
    pub target: Target,
    pub args: Values,
    /// How long it is kept.
    pub keep: Span,
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
    pub snapshots: BTreeMap<HostName, SnapshotRule>,
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
            snapshots: BTreeMap::new(),
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
