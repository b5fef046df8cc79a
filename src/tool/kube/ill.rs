//! What ails a pod, in one word that decides what may be done about it.

use crate::clients::kube::objects::{ContainerStatus, Pod, condition};
use crate::model::time::{Millis, Span};

/// A bad end is what ails it for this long, whatever is shown at the moment: the back-off between two crashes
/// is five minutes at the most.
const LATELY: Span = Span::mins(10);

/// The gravest first; the order is that in which a workload's pods are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ill {
    /// Killed for want of memory.
    Memory,
    /// It ends by itself, again and again.
    Crash,
    /// Its image cannot be had.
    Image,
    /// It cannot even be started: a config map or secret that is missing, a command that is none.
    Config,
    /// Evicted by its node, or ended for good.
    Failed,
    Unscheduled,
    /// It runs and is not ready.
    Slow,
    Starting,
    /// It is being deleted.
    Ending,
    No,
}

impl Ill {
    /// For conditions of runbooks.
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Crash => "crash",
            Self::Image => "image",
            Self::Config => "config",
            Self::Failed => "failed",
            Self::Unscheduled => "unscheduled",
            Self::Slow => "not-ready",
            Self::Starting => "starting",
            Self::Ending => "ending",
            Self::No => "none",
        }
    }
}

/// What was found of one pod.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'a> {
    pub ill: Ill,
    /// The container that it is about; none where there is no container yet.
    pub container: Option<&'a ContainerStatus>,
}

impl Finding<'_> {
    /// What is shown now: `CrashLoopBackOff`, `OOMKilled`, `Running`; `Pending` where there is no container.
    pub fn shown(&self) -> &str {
        let Some(one) = self.container else { return "Pending" };
        let ended = one.state.terminated.as_ref().map(|end| end.reason.as_str());
        one.waits_for().or(ended).filter(|reason| !reason.is_empty()).unwrap_or("Running")
    }
}

/// Finds what ails a pod most.
pub fn of(pod: &Pod, now: Millis) -> Finding<'_> {
    let worst =
        pod.containers().map(|one| (of_container(one, now), one)).min_by_key(|(ill, _)| *ill);
    let (of_worst, container) = match worst {
        Some((ill, one)) => (ill, Some(one)),
        None => (Ill::No, None),
    };
    let scheduled = condition(&pod.status.conditions, "PodScheduled");
    let ill = match () {
        () if pod.is_ending() => Ill::Ending,
        () if pod.status.phase == "Failed" => Ill::Failed,
        () if pod.status.phase == "Succeeded" => Ill::No,
        () if of_worst < Ill::Slow => of_worst,
        () if scheduled.is_some_and(|c| c.status == "False") => Ill::Unscheduled,
        () if container.is_none() || pod.status.phase == "Pending" => Ill::Starting,
        () if pod.serves(now) => Ill::No,
        () => Ill::Slow,
    };
    Finding { ill, container }
}

fn of_container(one: &ContainerStatus, now: Millis) -> Ill {
    match one.waits_for() {
        Some("ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull") => {
            return Ill::Image;
        }
        Some("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
            return Ill::Config;
        }
        Some(_) | None => {}
    }
    let backs_off = one.waits_for() == Some("CrashLoopBackOff");
    let Some(end) = one.last_end().filter(|end| end.is_bad()) else {
        return if backs_off { Ill::Crash } else { Ill::No };
    };
    // The cluster's clock and ours may differ by a little either way.
    let lately = end.finished_at.0.is_none_or(|at| now.since(at).max(at.since(now)) < LATELY);
    // What runs again, and has for a while, is over it.
    if !backs_off && one.state.terminated.is_none() && !lately {
        return Ill::No;
    }
    match (end.reason.as_str(), end.exit_code) {
        ("OOMKilled", _) => Ill::Memory,
        // 126 and 127: the command cannot be run or is not there (exit status of a POSIX shell and of runc).
        ("StartError" | "ContainerCannotRun", _) | (_, 126 | 127) => Ill::Config,
        (_, _) => Ill::Crash,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    const NOW: Millis = Millis(1_793_491_200_000);

    fn pod(phase: &str, ready: &str, one: &Json) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "x" },
            "status": {
                "phase": phase, "conditions": [{ "type": "Ready", "status": ready }],
                "containerStatuses": if one.is_null() { json!([]) } else { json!([one]) },
            },
        }))
        .unwrap()
    }

    fn end(reason: &str, code: i64, at: &str) -> Json {
        json!({ "terminated": { "reason": reason, "exitCode": code, "finishedAt": at } })
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table, a line for each state")]
    fn each_state_has_one_word() {
        let lately = "2026-10-31T23:58:00Z";
        let long_ago = "2026-10-31T12:00:00Z";
        let waits = |reason: &str| json!({ "waiting": { "reason": reason } });
        let runs = |at: &str| json!({ "running": { "startedAt": at } });
        let one = |ready: bool, state: Json, last: Json| json!({ "name": "app", "ready": ready, "restartCount": 3, "state": state, "lastState": last });
        let none = json!({});
        for (phase, ready, container, ill, shown) in [
            (
                "Running",
                "False",
                one(false, waits("CrashLoopBackOff"), end("Error", 1, lately)),
                Ill::Crash,
                "CrashLoopBackOff",
            ),
            (
                "Running",
                "False",
                one(false, waits("CrashLoopBackOff"), end("OOMKilled", 137, lately)),
                Ill::Memory,
                "CrashLoopBackOff",
            ),
            (
                "Running",
                "False",
                one(false, end("OOMKilled", 137, lately), none.clone()),
                Ill::Memory,
                "OOMKilled",
            ),
            // The one second in which all is well.
            (
                "Running",
                "True",
                one(true, runs("2026-10-31T23:59:59Z"), end("Error", 1, lately)),
                Ill::Crash,
                "Running",
            ),
            (
                "Running",
                "True",
                one(true, runs(long_ago), end("Error", 1, long_ago)),
                Ill::No,
                "Running",
            ),
            (
                "Running",
                "False",
                one(false, waits("CrashLoopBackOff"), end("Error", 127, lately)),
                Ill::Config,
                "CrashLoopBackOff",
            ),
            (
                "Running",
                "False",
                one(false, end("StartError", 128, lately), none.clone()),
                Ill::Config,
                "StartError",
            ),
            (
                "Running",
                "False",
                one(false, waits("CrashLoopBackOff"), end("Completed", 0, lately)),
                Ill::Crash,
                "CrashLoopBackOff",
            ),
            (
                "Pending",
                "False",
                one(false, waits("ImagePullBackOff"), none.clone()),
                Ill::Image,
                "ImagePullBackOff",
            ),
            (
                "Pending",
                "False",
                one(false, waits("CreateContainerConfigError"), none.clone()),
                Ill::Config,
                "CreateContainerConfigError",
            ),
            (
                "Pending",
                "False",
                one(false, waits("ContainerCreating"), none.clone()),
                Ill::Starting,
                "ContainerCreating",
            ),
            ("Running", "False", one(false, runs(long_ago), none.clone()), Ill::Slow, "Running"),
            (
                "Failed",
                "False",
                one(false, end("Error", 1, lately), none.clone()),
                Ill::Failed,
                "Error",
            ),
            (
                "Succeeded",
                "False",
                one(false, end("Completed", 0, lately), none.clone()),
                Ill::No,
                "Completed",
            ),
            ("Pending", "False", Json::Null, Ill::Starting, "Pending"),
        ] {
            let pod = pod(phase, ready, &container);
            let found = of(&pod, NOW);
            assert_eq!((found.ill, found.shown()), (ill, shown), "{phase} {ready} {container}");
        }
    }
}
