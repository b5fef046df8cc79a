//! What a report says, as a plain value.

use serde::{Deserialize, Serialize};

use crate::model::approval::ApprovalState;
use crate::model::audit::ChainHead;
use crate::model::ids::{ActionId, ApprovalId, IncidentId};
use crate::model::reading::Unit;
use crate::model::severity::Severity;
use crate::model::target::{Signal, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;
use crate::report::own::Own;
use crate::report::waiting::Waits;

/// The most entries that any list of a report shows.
pub const MOST: usize = 20;

/// A bounded list: what is shown, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed<T> {
    pub shown: Vec<T>,
    pub more: usize,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { shown: Vec::new(), more: 0 }
    }
}

impl<T> Listed<T> {
    /// Keeps the first [`MOST`].
    pub fn of(mut all: Vec<T>) -> Self {
        let more = all.len().saturating_sub(MOST);
        all.truncate(MOST);
        Self { shown: all, more }
    }

    pub fn len(&self) -> usize {
        self.shown.len() + self.more
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Morning {
    pub host: String,
    /// It tells of what happened from here ...
    pub since: Millis,
    /// ... to here.
    pub until: Millis,
    pub written_at: Millis,
    /// Set where a report of the same day was brought up to date.
    pub updated_at: Option<Millis>,
    pub signals: Signals,
    /// By whom and why.
    pub paused: Option<String>,
    pub needs: Listed<Need>,
    pub fixed: Listed<Fix>,
    pub recorded: Listed<Recorded>,
    /// What reef would have done, beside what was done without it.
    pub shadows: Listed<Shadowed>,
    pub asked: Listed<Question>,
    pub blind: Listed<Blind>,
    pub trends: Trends,
    pub certificates: Listed<Certificate>,
    /// Packages and reboots that wait.
    #[serde(default)]
    pub waiting: Vec<Waits>,
    pub cost: Cost,
    pub audit: Audit,
    pub own: Own,
}

/// How many signals stand at which severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    pub green: u64,
    pub unknown: u64,
    pub yellow: u64,
    pub red: u64,
}

impl Signals {
    pub fn total(&self) -> u64 {
        self.green + self.unknown + self.yellow + self.red
    }

    pub(super) fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Green => self.green += 1,
            Severity::Unknown => self.unknown += 1,
            Severity::Yellow => self.yellow += 1,
            Severity::Red => self.red += 1,
        }
    }
}

/// Something that only a human can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "need")]
pub enum Need {
    /// The log does not hold: nothing else that reef says is worth more than this.
    Chain {
        seq: i64,
        why: String,
    },
    /// Something of the report's own sources could not be read.
    Trouble {
        what: String,
    },
    /// Several independent reds hold all actions.
    Hold {
        by: Vec<String>,
    },
    /// Reef stopped acting on something, because it failed too often.
    Breaker {
        what: String,
        words: String,
    },
    /// The same fix is needed again and again: the cause is left to the human.
    Patched {
        words: String,
    },
    Approve {
        id: ApprovalId,
        question: String,
        choices: Vec<String>,
        tier: Tier,
        expires_at: Millis,
    },
    Settle {
        id: ActionId,
        call: String,
        at: Millis,
    },
    Incident {
        id: IncidentId,
        severity: Severity,
        signal: String,
        words: String,
        since: Millis,
        stands: Stands,
        why: String,
    },
}

/// How an incident came to need a human.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    Escalated,
    Held,
    /// Red, and the leash is observe: `why` is what would have been done.
    Observed,
}

/// A fix that counts: the probe that fired is green again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    pub at: Millis,
    /// `disk mini:/var bytes`; what was run where no incident was behind it.
    pub signal: String,
    pub runbook: Option<String>,
    /// From red (or yellow, where it never was red) to proven.
    pub lasted: Option<Span>,
    pub severity: Option<Severity>,
    /// What each action said when it was closed.
    pub did: Vec<String>,
    pub proof: String,
    pub consent: Consent,
    /// Since when the signal stands at green, if it still does.
    pub green_since: Option<Millis>,
}

/// Who let it happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// The leash allows it.
    Leash,
    /// A human said yes.
    Approval,
}

/// What was noted and needs nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    pub from: Millis,
    pub to: Option<Millis>,
    pub severity: Severity,
    /// Of what: a signal, or the call that was refused.
    pub what: String,
    pub words: String,
    pub how: How,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum How {
    Observed {
        would: String,
    },
    /// `what` names some of the `n` that another red explains.
    Explained {
        by: String,
        n: u64,
    },
    Acknowledged {
        at: Millis,
        why: String,
    },
    UnderWay,
    /// Green again without reef; `tried` is how its last run ended, if one did.
    ByItself {
        tried: Option<String>,
    },
    Refused {
        why: String,
        times: u64,
    },
}

/// Something that reef would have done, and what became of it without reef.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadowed {
    pub at: Millis,
    pub runbook: String,
    pub host: String,
    pub alike: Alike,
    pub words: String,
    /// Of this runbook on this host, over all time.
    pub matched: u32,
    pub of: u32,
}

/// Whether a human did the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alike {
    Yes,
    No,
    Unclear,
}

/// A question to the human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub id: ApprovalId,
    pub question: String,
    pub asked_at: Millis,
    pub expires_at: Millis,
    pub state: ApprovalState,
}

/// What could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind {
    pub signal: String,
    pub why: String,
    pub from: Millis,
    /// `None`: it still cannot be seen.
    pub to: Option<Millis>,
}

/// Where numbers are heading.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trends {
    /// Whole days of readings that there are, seven at the most.
    pub days: u32,
    /// Growing volumes, the soonest full first.
    pub volumes: Vec<Growth>,
    /// Other numbers that got worse over a week or two.
    pub rising: Vec<Rise>,
}

/// A volume that grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// `mini:/var`.
    pub volume: String,
    pub used_percent: f64,
    pub percent_a_day: f64,
    /// Where the volume's size is known.
    pub bytes_a_day: Option<u64>,
    /// Within a year.
    pub full_in_days: Option<f64>,
}

/// A number that got worse over days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rise {
    pub signal: String,
    pub unit: Option<Unit>,
    /// The level before and the level now.
    pub from: f64,
    pub to: f64,
    /// Days of readings that show it.
    pub days: u32,
    /// When it began, where that is among them.
    pub since: Option<Millis>,
    /// What changed at that time.
    pub change: Option<Coincided>,
}

/// A change that lies where something began. That is no proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coincided {
    pub at: Millis,
    /// `image changed: jellyfin 10.9.1 -> 10.9.2`.
    pub what: String,
}

impl Rise {
    /// How many times the level before it is, in whichever direction is worse.
    pub(super) fn times(&self) -> f64 {
        let (less, more) = (self.from.abs().min(self.to.abs()), self.from.abs().max(self.to.abs()));
        more / less.max(f64::MIN_POSITIVE)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub name: String,
    pub days: i64,
}

/// What the time that the report tells of took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Readings taken; in reef's first minute, looks begun.
    pub probes: u64,
    pub model_calls: u64,
    pub tokens: u64,
    /// In millionths of the budget's currency, which has no name.
    pub micros: u64,
    pub actions: u64,
    pub drills: u64,
    pub messages: u64,
    /// Messages that were given up.
    pub lost: u64,
}

/// The audit log as it was proven for this report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    pub rows: u64,
    pub chain: Chain,
    pub head: Option<ChainHead>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    Ok,
    Broken,
    /// The log could not be read.
    #[default]
    Unknown,
}

/// Aspects that go without saying: what people mean when they name the probe.
const PLAIN: [&str; 3] = ["bytes", "status", "days"];

/// A signal as people say it: `disk mini:/var`, `http mini:web`, `disk mini:/var inodes`.
pub fn about(signal: &Signal) -> String {
    let (probe, target) = (&signal.probe, &signal.target);
    let mut words = match target.thing() {
        Thing::Host | Thing::Path | Thing::Object => format!("{probe} {target}"),
        Thing::Unit
        | Thing::Process
        | Thing::Endpoint
        | Thing::Interface
        | Thing::Log
        | Thing::Backup
        | Thing::Check
        | Thing::Member
        | Thing::Container
        | Thing::Stack
        | Thing::Composed
        | Thing::Service
        | Thing::Node
        | Thing::Terraform
        | Thing::Playbook
        | Thing::Mcp
        | Thing::Vm
        | Thing::Reef => format!("{probe} {}:{}", target.on(), target.name()),
    };
    if !PLAIN.contains(&signal.aspect.as_str()) {
        words.push_str(&format!(" {}", signal.aspect));
    }
    words
}
