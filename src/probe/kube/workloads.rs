//! Deployments, stateful sets, daemon sets and pods of their own: one signal each, however many pods.

use crate::clients::kube::objects::{
    DaemonSet, Deployment, DeploymentSpec, Meta, StatefulSet, condition,
};
use crate::model::object::ObjectKind;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::threshold::Judged;
use crate::probe::kube::INTENDED;
use crate::probe::kube::pods::{Fare, Trouble};

/// How long a rollout may take where nothing is said (`progressDeadlineSeconds`).
const DEADLINE: Span = Span::mins(10);

/// Whether a new template is being brought out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rollout {
    None,
    UnderWay,
    /// Past its deadline.
    Stuck,
}

/// What somebody wants to run.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: ObjectKind,
    pub(super) meta: Meta,
    pub(super) desired: i64,
    pub(super) rollout: Rollout,
    /// Another one is a change.
    pub(super) images: String,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) judged: Judged,
    pub(super) reason: &'static str,
    pub(super) words: String,
    pub(super) ready: i64,
    pub(super) restarts: u32,
    /// The node whose being down explains it.
    pub(super) node: Option<String>,
}

fn images(spec: &DeploymentSpec) -> String {
    let all = spec.template.spec.containers.iter().map(|c| c.image.as_str());
    all.collect::<Vec<_>>().join(", ")
}

/// Since when a rollout that no condition dates is under way, by the look that first saw it.
pub(super) type Began<'a> = &'a mut dyn FnMut(ObjectKind, &Meta) -> Millis;

fn timed(rolls: bool, kind: ObjectKind, meta: &Meta, began: Began<'_>, now: Millis) -> Rollout {
    match rolls {
        false => Rollout::None,
        true if now.since(began(kind, meta)) < DEADLINE => Rollout::UnderWay,
        true => Rollout::Stuck,
    }
}

impl Wanted {
    pub(super) fn deployment(one: Deployment, now: Millis) -> Self {
        let (meta, spec, status) = (one.metadata, one.spec, one.status);
        let desired = spec.replicas.unwrap_or(1);
        let deadline = spec.progress_deadline_seconds.map_or(DEADLINE, Span::secs);
        let progress = condition(&status.conditions, "Progressing");
        let rollout = match progress {
            // The controller has not seen it yet: that takes a moment, or the controller is dead.
            _ if status.observed_generation < meta.generation => Rollout::UnderWay,
            Some(c) if c.reason == "ProgressDeadlineExceeded" => Rollout::Stuck,
            Some(c) if c.status == "True" && c.reason != "NewReplicaSetAvailable" => {
                let since = c.last_update_time.0.or(c.last_transition_time.0);
                match since.is_some_and(|at| deadline < now.since(at)) {
                    true => Rollout::Stuck,
                    false => Rollout::UnderWay,
                }
            }
            Some(_) | None => Rollout::None,
        };
        // A paused one waits for its human.
        let rollout = if spec.paused { Rollout::None } else { rollout };
        let images = images(&spec);
        Self { kind: ObjectKind::Deployment, meta, desired, rollout, images }
    }

    pub(super) fn stateful(one: StatefulSet, began: Began<'_>, now: Millis) -> Self {
        let (meta, spec, status) = (one.metadata, one.spec, one.status);
        let kind = ObjectKind::StatefulSet;
        let rolls = status.observed_generation < meta.generation
            || (!status.update_revision.is_empty()
                && status.update_revision != status.current_revision);
        let rollout = timed(rolls, kind, &meta, began, now);
        let (desired, images) = (spec.replicas.unwrap_or(1), images(&spec));
        Self { kind, meta, desired, rollout, images }
    }

    pub(super) fn daemon(one: DaemonSet, began: Began<'_>, now: Millis) -> Self {
        let (meta, spec, status) = (one.metadata, one.spec, one.status);
        let kind = ObjectKind::DaemonSet;
        let desired = status.desired_number_scheduled;
        let rolls = status.observed_generation < meta.generation
            || status.updated_number_scheduled < desired;
        let rollout = timed(rolls, kind, &meta, began, now);
        Self { kind, meta, desired, rollout, images: images(&spec) }
    }

    /// A pod that nobody keeps: where it is gone it does not come back.
    pub(super) fn pod(meta: Meta) -> Self {
        Self {
            kind: ObjectKind::Pod,
            meta,
            desired: 1,
            rollout: Rollout::None,
            images: String::new(),
        }
    }

    /// Judges it by its pods.
    pub(super) fn judge(&self, pods: &[Fare]) -> Verdict {
        let alone = self.kind == ObjectKind::Pod;
        // Of a kept pod that ended or is being deleted its replacement counts.
        let alive: Vec<&Fare> =
            pods.iter().filter(|pod| alone || (!pod.ending && !pod.over)).collect();
        let ready = alive.iter().filter(|pod| pod.ready).count();
        let ready = i64::try_from(ready).unwrap_or(i64::MAX);
        let restarts = alive.iter().map(|pod| pod.counted).max().unwrap_or(0);
        let verdict = |severity, clears, reason, words: String| Verdict {
            judged: Judged { severity, clears: severity.max(clears) },
            reason,
            words,
            ready,
            restarts,
            node: None,
        };
        if self.desired == 0 && self.kind != ObjectKind::DaemonSet {
            // Somebody scaled it to nothing: that is no fault, and nothing to repair.
            let words = "scaled to 0, as somebody wanted".to_owned();
            return verdict(Severity::Green, Severity::Green, INTENDED, words);
        }
        if alone && pods.iter().all(|pod| pod.over && pod.trouble.is_none()) {
            return verdict(Severity::Green, Severity::Green, "ok", "completed".into());
        }
        let worst = alive.iter().filter(|pod| pod.trouble.is_some()).min_by_key(|pod| pod.trouble);
        let trouble = worst.and_then(|pod| pod.trouble);
        let (severity, reason) = self.severity(ready, trouble);
        let rate = |of: fn(&Judged) -> Severity| {
            alive.iter().map(|pod| of(&pod.restarts)).max().unwrap_or(Severity::Green)
        };
        let (restarted, clears) = (rate(|j| j.severity), rate(|j| j.clears));
        let killed = alive.iter().find_map(|pod| pod.oom.as_ref());
        let oom = killed.is_some();
        let (severity, reason) = match () {
            () if severity < restarted => (restarted, if oom { "oom" } else { "crash-loop" }),
            () if severity == Severity::Green && oom => (Severity::Yellow, "oom"),
            () => (severity, reason),
        };
        let mut words = match alone {
            true => if ready == 1 { "ready" } else { "not ready" }.to_owned(),
            false => format!("{ready} of {} ready", self.desired),
        };
        match self.rollout {
            Rollout::UnderWay => words.push_str("; rollout under way"),
            Rollout::Stuck => words.push_str("; its rollout is past its deadline"),
            Rollout::None => {}
        }
        if 0 < restarts {
            words += &format!("; restarted {restarts} times within an hour");
        }
        if let Some(killed) = killed {
            words += "; killed for want of memory";
            if let Some(limit) = &killed.limit {
                words += &format!(
                    " at its memory limit {limit}: consider memory limit increase or code fix"
                );
            }
        }
        if let Some(pod) = worst {
            words += &format!("; {}: {}", pod.name, pod.words);
        }
        let mut verdict = verdict(severity, clears, reason, words);
        // A pod that is being deleted on a dead node still says where its replacement is missing.
        let lost = pods.iter().find_map(|pod| pod.lost.clone());
        if severity != Severity::Green && !trouble.is_some_and(Trouble::is_hard) {
            verdict.node = lost;
        }
        verdict
    }

    /// By what serves, and what keeps the rest from it.
    fn severity(&self, ready: i64, trouble: Option<Trouble>) -> (Severity, &'static str) {
        let word = trouble.map_or("short", Trouble::word);
        let hard = trouble.is_some_and(Trouble::is_hard);
        let short = ready < self.desired;
        let by_service = if ready == 0 { Severity::Red } else { Severity::Yellow };
        match (short, self.rollout) {
            (false, Rollout::None) => (Severity::Green, "ok"),
            // The old ones still serve while the new ones cannot.
            (false, Rollout::UnderWay) if hard => (Severity::Yellow, word),
            (false, Rollout::UnderWay) => (Severity::Green, "rollout"),
            (false, Rollout::Stuck) => (Severity::Yellow, if hard { word } else { "stuck" }),
            (true, Rollout::UnderWay) if !hard => (Severity::Green, "rollout"),
            (true, Rollout::None | Rollout::UnderWay | Rollout::Stuck) => {
                match trouble {
                    // Its replacement is on its way.
                    Some(Trouble::Starting) if 0 < ready => (Severity::Green, word),
                    Some(Trouble::Starting) => (Severity::Yellow, word),
                    Some(_) | None => (by_service, word),
                }
            }
        }
    }
}
