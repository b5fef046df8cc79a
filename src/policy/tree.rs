//! All signals together: what explains what, when actions are held, and the grace after a power cut.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::ids::HostName;
use crate::model::incident::HoldScope;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};

/// Reds within this of each other count as one event.
pub const TOGETHER: Span = Span::mins(10);

/// What a red of this signal says about its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The host cannot be reached: explains everything on it.
    HostDown,
    /// The host is short of something (disk, memory, cpu): explains what is no resource on it.
    Resource,
    /// Explains only its children.
    Own,
}

/// Whether a human has it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    New,
    Acknowledged,
    Silenced,
    Escalated,
    /// So young that what it hangs on may not be confirmed yet: it is neither answered nor counted, but explained as
    /// soon as it can be.
    Gathering,
}

/// Whether a probe can see how something stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sight {
    #[default]
    Seen,
    /// Nobody can look. What would be told by whom nobody reaches is explained by that one.
    Blind,
}

/// How one signal stands at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub signal: Signal,
    /// Confirmed by triage.
    pub severity: Severity,
    pub sight: Sight,
    /// When it turned red, while it is.
    pub red_at: Option<Millis>,
    pub attention: Attention,
    pub cause: Cause,
    pub parent: Option<Signal>,
    /// What it needs beside its parent: the red of any of these explains it as well.
    pub depends_on: Vec<Signal>,
    pub drill: bool,
}

impl Standing {
    /// Everything whose red explains it.
    fn above(&self) -> impl Iterator<Item = &Signal> {
        self.parent.iter().chain(&self.depends_on)
    }
}

/// All that the tree looks at.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub standings: &'a [Standing],
    pub scope: HoldScope,
    /// The hold that stands, from the last decision.
    pub held: Option<&'a Hold>,
    /// When the operator last said `reef resume`: reds up to then hold nothing.
    pub resumed_at: Option<Millis>,
}

/// Actions above low wait for a human, or until at most one red is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub since: Millis,
    /// The independent reds that brought it.
    pub by: BTreeSet<Signal>,
    /// Held hosts; `None` holds everything.
    pub hosts: Option<BTreeSet<HostName>>,
}

/// What is to be done now. All of it empty: quiet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Signal -> the red that explains it: probed, but no message, no model call, no action.
    pub explained: BTreeMap<Signal, Signal>,
    /// Yellows: note, and watch the next look.
    pub watch: Vec<Signal>,
    /// Reds: tell, and recover.
    pub recover: Vec<Signal>,
    /// Reds that a hold keeps from recovering.
    pub held: Vec<Signal>,
    pub hold: Option<Hold>,
}

impl Hold {
    /// Whether what is on this host is held.
    pub fn covers(&self, host: &HostName) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.contains(host))
    }

    /// For people: how many independent reds, and which.
    pub fn words(&self) -> String {
        let by: Vec<_> = self.by.iter().take(5).map(ToString::to_string).collect();
        let more = self.by.len().saturating_sub(by.len());
        let more = if 0 < more { format!(" and {more} more") } else { String::new() };
        format!("{} independent reds at once: {}{more}", self.by.len(), by.join(", "))
    }
}

impl Decision {
    /// All green, or explained, or in a human's hands.
    pub fn is_quiet(&self) -> bool {
        self.watch.is_empty() && self.recover.is_empty() && self.held.is_empty()
    }
}

/// The red that explains this signal, if one does: the last in the chain, which nothing explains.
///
/// A red host explains what is on it; a red parent, grandparent and so on (through parents that are not
/// known to be green) its children; a red resource what is no resource on its host. Where signals would
/// explain each other in a ring, the one that turned red first explains the others.
pub fn explained_by(one: &Standing, all: &[Standing]) -> Option<Signal> {
    let by_signal = index(all);
    explain(one, all, &by_signal)
}

type Index<'a> = BTreeMap<&'a Signal, &'a Standing>;

fn index(all: &[Standing]) -> Index<'_> {
    all.iter().filter(|s| !s.drill).map(|s| (&s.signal, s)).collect()
}

fn explain(one: &Standing, all: &[Standing], by_signal: &Index<'_>) -> Option<Signal> {
    let mut chain = vec![one];
    while let Some(next) = explainer(chain.last()?, all, by_signal) {
        if let Some(at) = chain.iter().position(|s| s.signal == next.signal) {
            let root = chain[at..].iter().min_by_key(|s| age(s))?;
            return (root.signal != one.signal).then(|| root.signal.clone());
        }
        chain.push(next);
    }
    chain.get(1..)?.last().map(|root| root.signal.clone())
}

/// Orders by when it turned red; the signal makes it the same every time.
fn age(one: &Standing) -> (Millis, &Signal) {
    (one.red_at.unwrap_or(Millis(i64::MAX)), &one.signal)
}

/// What explains it directly.
fn explainer<'a>(
    one: &Standing,
    all: &'a [Standing],
    by_signal: &Index<'a>,
) -> Option<&'a Standing> {
    if one.drill || one.severity == Severity::Green {
        return None;
    }
    let on_host = |cause: Cause| {
        all.iter()
            .filter(|s| s.cause == cause && s.severity == Severity::Red && !s.drill)
            .filter(|s| s.signal != one.signal && s.signal.target.on() == one.signal.target.on())
            .min_by_key(|s| age(s))
    };
    if let Some(host) = on_host(Cause::HostDown) {
        return Some(host);
    }
    if let Some(parent) = nearest(one, by_signal, |s| s.severity == Severity::Red) {
        return Some(parent);
    }
    if one.sight == Sight::Blind
        && let Some(parent) = nearest(one, by_signal, |s| s.sight == Sight::Blind)
    {
        return Some(parent);
    }
    match one.cause {
        Cause::Own => on_host(Cause::Resource),
        Cause::Resource | Cause::HostDown => None,
    }
}

/// The nearest above it that would explain it, over its parent and all that it depends on; of several as near the one
/// that turned red first.
fn nearest<'a>(
    one: &Standing,
    by_signal: &Index<'a>,
    explains: impl Fn(&Standing) -> bool,
) -> Option<&'a Standing> {
    let mut seen = BTreeSet::from([&one.signal]);
    let mut next: Vec<&Signal> = one.above().collect();
    while !next.is_empty() {
        let level: Vec<&'a Standing> = next
            .iter()
            .filter_map(|signal| by_signal.get(*signal).copied())
            .filter(|standing| seen.insert(&standing.signal))
            .collect();
        let found = level.iter().copied().filter(|s| explains(s));
        if let Some(found) = found.min_by_key(|s| age(s)) {
            return Some(found);
        }
        // What lies behind a green parent is reached: the grandparent explains nothing here.
        next = level
            .iter()
            .filter(|s| matches!(s.severity, Severity::Unknown | Severity::Yellow))
            .flat_map(|s| s.above())
            .collect();
    }
    None
}

/// What counts as one cause for the hold: the resources of a host fall together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Root<'a> {
    Resources(&'a HostName),
    Signal(&'a Signal),
}

fn root(one: &Standing) -> Root<'_> {
    match one.cause {
        Cause::Resource => Root::Resources(one.signal.target.on()),
        Cause::HostDown | Cause::Own => Root::Signal(&one.signal),
    }
}

/// Decides over all signals.
pub fn tree(scene: &Scene<'_>, now: Millis) -> Decision {
    let by_signal = index(scene.standings);
    let explained: BTreeMap<_, _> = scene
        .standings
        .iter()
        .filter_map(|s| Some((s.signal.clone(), explain(s, scene.standings, &by_signal)?)))
        .collect();
    let open: Vec<&Standing> = scene
        .standings
        .iter()
        .filter(|s| s.attention == Attention::New && !explained.contains_key(&s.signal))
        .collect();
    let red = |s: &&&Standing| s.severity == Severity::Red;
    let counts: Vec<&Standing> = open
        .iter()
        .copied()
        .filter(|s| s.severity == Severity::Red && !s.drill)
        .filter(|s| scene.resumed_at.is_none_or(|at| at < s.red_at.unwrap_or(now)))
        .collect();
    let hold = hold(scene, &counts, now);
    let is_held = |s: &&&Standing| {
        !s.drill && hold.as_ref().is_some_and(|hold| hold.covers(s.signal.target.on()))
    };
    let signals = |found: Vec<&&Standing>| found.iter().map(|s| s.signal.clone()).collect();
    Decision {
        watch: signals(open.iter().filter(|s| s.severity == Severity::Yellow).collect()),
        recover: signals(open.iter().filter(red).filter(|s| !is_held(s)).collect()),
        held: signals(open.iter().filter(red).filter(is_held).collect()),
        explained,
        hold,
    }
}

fn hold(scene: &Scene<'_>, counts: &[&Standing], now: Millis) -> Option<Hold> {
    let since = scene.held.map_or(now, |held| held.since);
    let by = |reds: &[&Standing]| reds.iter().map(|s| s.signal.clone()).collect();
    match scene.scope {
        HoldScope::Global => {
            let stands = scene.held.is_some_and(|held| held.hosts.is_none());
            holds(counts, stands, now).then(|| Hold { since, by: by(counts), hosts: None })
        }
        HoldScope::Host => {
            let mut per_host: BTreeMap<&HostName, Vec<&Standing>> = BTreeMap::new();
            for red in counts {
                per_host.entry(red.signal.target.on()).or_default().push(red);
            }
            let held = |host| scene.held.is_some_and(|held| held.covers(host));
            per_host.retain(|host, reds| holds(reds, held(*host), now));
            if per_host.is_empty() {
                return None;
            }
            let reds: Vec<_> = per_host.values().flatten().copied().collect();
            let hosts = per_host.into_keys().cloned().collect();
            Some(Hold { since, by: by(&reds), hosts: Some(hosts) })
        }
    }
}

/// Begins with two that turned red within ten minutes of each other; one that stands goes on until at
/// most one is left.
fn holds(reds: &[&Standing], stands: bool, now: Millis) -> bool {
    let mut times: Vec<_> = reds.iter().map(|s| (s.red_at.unwrap_or(now), root(s))).collect();
    times.sort();
    let several = times.iter().any(|(_, root)| times.first().is_some_and(|(_, one)| one != root));
    if stands || !several {
        return several;
    }
    times.iter().enumerate().any(|(i, (at, one))| {
        times[i + 1..]
            .iter()
            .take_while(|(later, _)| later.since(*at) <= TOGETHER)
            .any(|(_, other)| other != one)
    })
}

/// One grace for the whole estate after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grace {
    pub from: Millis,
    pub until: Millis,
}

/// How the estate's parents (router, switch, NAS) stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parents {
    /// The config names none.
    None,
    NotGreen,
    GreenSince(Millis),
}

/// The longest grace: a parent that never comes back must not silence the estate for good.
const LONGEST_GRACE: Span = Span::hours(1);

/// The grace after a power cut. It begins when several hosts booted within the last ten minutes, and
/// ends when the parents have been green for ten minutes since the last boot (without parents: ten
/// minutes after it), an hour after it began at the latest. `boots` holds each host's last boot.
pub fn power_cut(
    before: Option<Grace>,
    boots: &[Millis],
    parents: Parents,
    now: Millis,
) -> Option<Grace> {
    let recent = boots.iter().copied().filter(|boot| now.since(*boot) < TOGETHER);
    let from = match before {
        Some(grace) => grace.from,
        None if recent.clone().count() < 2 => return None,
        None => recent.min()?,
    };
    let last_boot = boots.iter().copied().max().map_or(from, |boot| boot.max(from));
    let longest = from + LONGEST_GRACE;
    let until = match parents {
        Parents::None => last_boot + TOGETHER,
        Parents::NotGreen => longest,
        Parents::GreenSince(since) => since.max(last_boot) + TOGETHER,
    };
    let until = until.min(longest);
    (now < until).then_some(Grace { from, until })
}

#[cfg(test)]
mod tests;
