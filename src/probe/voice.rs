//! What probes of one named endpoint share: its signals, how they are told, and where they are placed.

use crate::clients::answer::NoAnswer;
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft, Named, host_signal};
use crate::probe::{How, NetProbe};

/// Speaks of one endpoint.
#[derive(Debug, Clone)]
pub struct Voice {
    probe: &'static str,
    target: Target,
}

impl Voice {
    pub fn new(probe: &'static str, target: Target) -> Self {
        Self { probe, target }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    pub fn signal(&self, aspect: &'static str) -> Signal {
        Signal {
            probe: Word::of(self.probe),
            target: self.target.clone(),
            aspect: Word::of(aspect),
        }
    }

    /// A reading with the endpoint among its values.
    pub fn reading(
        &self,
        aspect: &'static str,
        (severity, reason): (Severity, &'static str),
        words: &str,
        now: Millis,
    ) -> Reading {
        let mut reading = Reading::new(self.signal(aspect), now, severity, Word::of(reason), words);
        reading.values.insert("endpoint".into(), Value::Target(self.target.clone()));
        reading
    }

    /// No answer is red, because whoever needs the endpoint gets none either; where only we could not
    /// look it is unknown.
    pub fn unanswered(&self, aspect: &'static str, why: &NoAnswer, now: Millis) -> Reading {
        let severity = if why.is_blindness() { Severity::Unknown } else { Severity::Red };
        self.reading(aspect, (severity, why.word()), &why.to_string(), now)
    }

    /// Unknown, because another aspect says why nothing was seen.
    pub fn unseen(&self, aspect: &'static str, why: &NoAnswer, now: Millis) -> Reading {
        self.reading(aspect, (Severity::Unknown, why.word()), &why.to_string(), now)
    }

    /// A part of the endpoint: `mini:endpoint:main.replica1`; `None` for a name that no target can have.
    pub fn part(&self, name: &str) -> Option<Self> {
        let called = format!("{}.{name}", self.target.name());
        let target = Target::new(self.target.on().clone(), self.target.thing(), &called).ok()?;
        // A name from outside is shown and matched: only plain ones are.
        Word::new(name).ok().map(|_| Self { probe: self.probe, target })
    }
}

/// The value that every endpoint's reading has.
pub fn endpoint() -> Gives {
    Gives { name: "endpoint", kind: Kind::Target, doc: "what is looked at, HOST:endpoint:NAME" }
}

/// Where a probe of an endpoint stands.
#[derive(Debug)]
pub struct Placed {
    pub voice: Voice,
    /// Its `timeout` is that of the whole question.
    pub common: Common,
    host: HostName,
    parent: Option<Signal>,
}

/// Reads the common keys. `called` is the host as its URL has it: a known one explains the probe.
pub fn place(
    ask: &mut Ask<'_>,
    kind: &'static str,
    called: &str,
    default: Common,
) -> Option<Placed> {
    let known = ask.cx.host_of(called);
    let host = known.clone().unwrap_or_else(|| ask.cx.here.clone());
    let common = ask.common(default, &host);
    let target = ask.target(&host, Thing::Endpoint)?;
    let parent = known.filter(|known| *known != ask.cx.here).map(|known| host_signal(&known));
    Some(Placed { voice: Voice::new(kind, target), common, host, parent })
}

impl Placed {
    /// Not even its host explains it.
    pub fn stands_alone(&mut self) {
        self.parent = None;
    }

    /// The one draft of `probe`, which stands for itself by `aspect`.
    pub fn draft(
        self,
        ask: &Ask<'_>,
        aspect: &'static str,
        probe: impl NetProbe + 'static,
    ) -> Vec<Draft> {
        let main = self.voice.signal(aspect);
        let mut common = self.common;
        // The question has its own time; the look has a second more to say so.
        common.timeout = Span(common.timeout.0.saturating_add(1_000));
        let kind = self.voice.probe;
        let named = format!("{kind}.{}", ask.name);
        let parent = common.parent.clone();
        let mut probe = common.probe(Word::of(kind), named, self.host, How::Net(Box::new(probe)));
        probe.parent = self.parent;
        vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
    }
}
