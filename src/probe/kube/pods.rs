//! How one pod fares. What is shown alternates in a crash loop, so what counts is what changed: the
//! restarts, and how and when a container last ended.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::kube::objects::{ContainerStatus, Pod, Terminated, condition};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::rate::{RestartRule, Restarts};
use crate::policy::threshold::Judged;

/// A pod that is not yet running may take so long before that is a fault: images are large.
pub(super) const STARTS: Span = Span::mins(5);
/// A kubelet forgets the back-off of a container that ran for so long: until then it is in its loop.
const LOOP: Span = Span::mins(10);
/// So long an OOM kill is told.
const OOM: Span = Span::hours(1);
/// Restarts from which a pod that was never seen before is in a loop, if it also backs off.
const LOOPING: u64 = 5;
/// Containers whose restarts are counted.
const MOST: usize = 10_000;

/// Why a pod is not ready, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    Loop,
    Oom,
    Crash,
    Image,
    Config,
    Failed,
    Unschedulable,
    Pending,
    NotReady,
    /// Its node is not ready: whatever the pod shows, nobody is there to say otherwise.
    NodeLost,
    Starting,
}

impl Trouble {
    /// One word that a runbook can match.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Loop => "crash-loop",
            Self::Oom => "oom",
            Self::Crash => "crash",
            Self::Image => "image-pull",
            Self::Config => "config",
            Self::Failed => "failed",
            Self::Unschedulable => "unschedulable",
            Self::Pending => "pending",
            Self::NotReady => "not-ready",
            Self::NodeLost => "node-lost",
            Self::Starting => "starting",
        }
    }

    /// Whether time alone does not help.
    pub(super) fn is_hard(self) -> bool {
        match self {
            Self::Loop | Self::Oom | Self::Crash | Self::Image | Self::Config | Self::Failed => {
                true
            }
            Self::Unschedulable
            | Self::Pending
            | Self::NotReady
            | Self::NodeLost
            | Self::Starting => false,
        }
    }
}

/// One pod as it was judged.
#[derive(Debug, Clone)]
pub(super) struct Fare {
    pub(super) name: String,
    /// Really: its condition, every container, and its node.
    pub(super) ready: bool,
    /// It is being deleted: its replacement counts, not it.
    pub(super) ending: bool,
    /// It ended for good, well or not.
    pub(super) over: bool,
    /// The node it is on, where that is not ready.
    pub(super) lost: Option<String>,
    pub(super) trouble: Option<Trouble>,
    /// Why, in the cluster's words.
    pub(super) words: String,
    /// Of its container that restarts most.
    pub(super) restarts: Judged,
    pub(super) counted: u32,
    /// Whether one of its containers was killed for want of memory lately, and at which limit.
    pub(super) oom: Option<Killed>,
}

/// A container that was killed for want of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Killed {
    /// As the cluster writes it: `256Mi`.
    pub(super) limit: Option<String>,
}

/// Restarts from look to look, by pod and container.
#[derive(Debug, Default)]
pub(super) struct Counters {
    rule: RestartRule,
    of: BTreeMap<(String, String), Counter>,
}

#[derive(Debug)]
struct Counter {
    restarts: Restarts,
    first: Millis,
    /// When it was last seen waiting for its back-off.
    backed_off: Option<Millis>,
}

impl Counters {
    /// Forgets pods that are gone.
    pub(super) fn keep(&mut self, pods: &[Pod]) {
        let there: BTreeSet<&str> = pods.iter().map(|pod| pod.metadata.uid.as_str()).collect();
        self.of.retain(|(uid, _), _| there.contains(uid.as_str()));
    }

    /// The restart that goes with a boot of its node is none of the pod's.
    pub(super) fn rebooted(&mut self, pod: &Pod, at: Millis) {
        let of = self.of.iter_mut().filter(|((uid, _), _)| *uid == pod.metadata.uid);
        of.for_each(|(_, counter)| counter.restarts.changed(at));
    }

    fn saw(&mut self, pod: &Pod, one: &ContainerStatus, now: Millis) -> Option<&Counter> {
        let key = (pod.metadata.uid.clone(), one.name.clone());
        if MOST <= self.of.len() && !self.of.contains_key(&key) {
            return None;
        }
        let rule = self.rule;
        let counter = self.of.entry(key).or_insert_with(|| {
            let mut restarts = Restarts::default();
            // All restarts of a young pod lie within the window.
            if let Some(start) = pod.status.start_time.0.filter(|at| now.since(*at) < rule.window) {
                restarts.saw(0, &rule, start);
            }
            Counter { restarts, first: now, backed_off: None }
        });
        counter.restarts.saw(one.restart_count, &rule, now);
        if waits_for(one) == Some("CrashLoopBackOff") {
            counter.backed_off = Some(now);
        }
        Some(counter)
    }

    /// Judges one pod. `is_down` says whether a node is known not to be ready.
    pub(super) fn fare(&mut self, pod: &Pod, is_down: impl Fn(&str) -> bool, now: Millis) -> Fare {
        let all =
            || pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
        let mut restarts = Judged { severity: Severity::Green, clears: Severity::Green };
        let (mut counted, mut looping, mut oom) = (0, None, None);
        for one in all() {
            let killed = ends(one).any(|end| {
                end.reason == "OOMKilled" && end.finished_at.0.is_some_and(|at| now.since(at) < OOM)
            });
            if killed {
                let of = pod.spec.containers.iter().find(|own| own.name == one.name);
                let limit = of.and_then(|own| own.resources.limits.get("memory").cloned());
                oom = Some(Killed { limit });
            }
            let rule = self.rule;
            let Some(counter) = self.saw(pod, one, now) else { continue };
            let judged = counter.restarts.judge(&rule, now);
            restarts.severity = restarts.severity.max(judged.judged.severity);
            restarts.clears = restarts.clears.max(judged.judged.clears);
            counted = counted.max(judged.counted);
            if judged.judged.severity == Severity::Red || in_its_loop(counter, one, &rule, now) {
                looping = Some(one);
            }
        }
        if looping.is_some() {
            restarts = Judged { severity: Severity::Red, clears: Severity::Red };
        }
        let lost = Some(pod.spec.node_name.clone()).filter(|n| !n.is_empty() && is_down(n));
        let over = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
        // `ready` lags behind, so each container's state is asked as well.
        let ready = !over
            && lost.is_none()
            && condition(&pod.status.conditions, "Ready").is_some_and(|c| c.status == "True")
            && pod.status.container_statuses.iter().all(|c| c.ready && c.state.running.is_some());
        let (trouble, words) = match (&lost, looping, ready) {
            (Some(node), ..) => (Some(Trouble::NodeLost), format!("its node {node} is not ready")),
            (None, Some(one), _) => (Some(Trouble::Loop), ended(one)),
            (None, None, true) => (None, String::new()),
            (None, None, false) => trouble(pod, now),
        };
        Fare {
            name: pod.metadata.name.clone(),
            ready,
            ending: pod.metadata.deletion_timestamp.0.is_some(),
            over,
            lost,
            trouble,
            words,
            restarts,
            counted,
            oom,
        }
    }
}

/// A loop that was under way when reef came: it was seen to back off, and ended badly not long ago. The
/// rate cannot know yet, and what is shown at a moment may be the one second in which all is well.
fn in_its_loop(counter: &Counter, one: &ContainerStatus, rule: &RestartRule, now: Millis) -> bool {
    let lately = |at: Option<Millis>| at.is_some_and(|at| now.since(at) < LOOP);
    LOOPING <= one.restart_count
        && now.since(counter.first) < rule.window
        && lately(counter.backed_off)
        && ends(one).any(|end| is_bad(end) && lately(end.finished_at.0))
}

fn waits_for(one: &ContainerStatus) -> Option<&str> {
    one.state.waiting.as_ref().map(|waiting| waiting.reason.as_str())
}

/// How it ended, the latest first.
fn ends(one: &ContainerStatus) -> impl Iterator<Item = &Terminated> {
    [&one.state, &one.last_state].into_iter().filter_map(|state| state.terminated.as_ref())
}

fn is_bad(end: &Terminated) -> bool {
    end.exit_code != 0 || end.reason == "OOMKilled"
}

/// `app: OOMKilled, exit code 137, 6 restarts in all`.
fn ended(one: &ContainerStatus) -> String {
    let end = ends(one)
        .next()
        .map_or_else(String::new, |end| format!("{}, exit code {}, ", end.reason, end.exit_code));
    format!("{}: {end}{} restarts in all", one.name, one.restart_count)
}

/// Why a pod that is not ready is not.
fn trouble(pod: &Pod, now: Millis) -> (Option<Trouble>, String) {
    let status = &pod.status;
    if status.phase == "Succeeded" {
        return (None, String::new());
    }
    if status.phase == "Failed" {
        return (Some(Trouble::Failed), said(&status.reason, &status.message));
    }
    for one in status.init_container_statuses.iter().chain(&status.container_statuses) {
        let found = match waits_for(one) {
            Some(
                "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull",
            ) => Some(Trouble::Image),
            Some("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
                Some(Trouble::Config)
            }
            Some("CrashLoopBackOff") => Some(Trouble::Crash),
            Some(_) | None => None,
        };
        if let (Some(Trouble::Image | Trouble::Config), Some(waiting)) = (found, &one.state.waiting)
        {
            let words = said(&waiting.reason, &waiting.message);
            return (found, format!("{}: {words}", one.name));
        }
        let bad = one.state.terminated.as_ref().is_some_and(is_bad);
        if bad || found.is_some() {
            let oom = ends(one).next().is_some_and(|end| end.reason == "OOMKilled");
            let trouble = if oom { Trouble::Oom } else { Trouble::Crash };
            return (Some(trouble), ended(one));
        }
    }
    if let Some(scheduled) = condition(&status.conditions, "PodScheduled")
        && scheduled.status == "False"
    {
        let since = scheduled.last_transition_time.0.or(pod.metadata.creation_timestamp.0);
        return waits(Trouble::Unschedulable, since, &scheduled.message, now);
    }
    let made = status.start_time.0.or(pod.metadata.creation_timestamp.0);
    if status.phase == "Pending" {
        let why = status.container_statuses.iter().find_map(waits_for).unwrap_or("");
        return waits(Trouble::Pending, made, why, now);
    }
    let of = condition(&status.conditions, "Ready");
    let since = of.and_then(|of| of.last_transition_time.0).or(made);
    let slow: Vec<&str> = status
        .container_statuses
        .iter()
        .filter(|one| !one.ready || one.state.running.is_none())
        .map(|one| one.name.as_str())
        .collect();
    let why = match slow.is_empty() {
        true => "not ready".to_owned(),
        false => format!("{} not ready", slow.join(", ")),
    };
    let young = made.is_some_and(|at| now.since(at) < STARTS);
    match young {
        true => (Some(Trouble::Starting), why),
        false => {
            let since = since.map(|at| format!(" for {}", now.since(at))).unwrap_or_default();
            (Some(Trouble::NotReady), format!("{why}{since}"))
        }
    }
}

fn waits(
    trouble: Trouble,
    since: Option<Millis>,
    why: &str,
    now: Millis,
) -> (Option<Trouble>, String) {
    let waited = since.map(|at| now.since(at)).unwrap_or_default();
    match waited < STARTS {
        true => (Some(Trouble::Starting), why.to_owned()),
        false => (Some(trouble), said(&format!("pending for {waited}"), why)),
    }
}

fn said(reason: &str, message: &str) -> String {
    match (reason.is_empty(), message.is_empty()) {
        (_, true) => reason.to_owned(),
        (true, false) => message.to_owned(),
        (false, false) => format!("{reason}: {message}"),
    }
}
