//! What one container's state means. A container that somebody stopped is no fault, and one that ended by
//! itself is; where the engine does not remember which it was, that is said.

use crate::model::container::{Container, ContainerState, Ended, Health, RestartPolicy};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::rate::Restarted;
use crate::policy::threshold::Judged;
use crate::probe::spoken::flat;

/// Health checks that failed in a row before it counts as sick, however impatient its own setting is.
const SICK: u32 = 3;
/// Restarts without a start by hand in between, of one that does not run at the moment.
const LOOPS: u32 = 5;
/// How long an OOM kill is worth a note after the engine started the container anew.
const FRESH: Span = Span::hours(1);
/// What ended so long before reef first saw it is left as it was found.
const OLD: Span = Span::days(7);
/// As [`OLD`], for an end that looks like a stop.
const OLD_STOP: Span = Span::days(1);

/// What is said of a container.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub judged: Judged,
    pub reason: &'static str,
    pub words: String,
    /// Whether it is as it is because somebody wanted it so.
    pub intended: bool,
}

/// What is known beside the container's own state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub hour: &'a Restarted,
    pub day: &'a Restarted,
    /// When this probe first saw it.
    pub seen_at: Millis,
    pub now: Millis,
}

fn says(severity: Severity, reason: &'static str, words: String) -> Verdict {
    Verdict { judged: flat(severity), reason, words, intended: false }
}

fn meant(words: String) -> Verdict {
    Verdict { intended: true, ..says(Severity::Green, "ok", words) }
}

fn fine(words: String) -> Verdict {
    says(Severity::Green, "ok", words)
}

pub(super) fn judge(c: &Container, known: Known<'_>) -> Verdict {
    match c.state {
        ContainerState::Running => running(c, known),
        ContainerState::Paused => meant("paused on purpose".into()),
        ContainerState::Restarting if c.oom_killed => says(
            Severity::Red,
            "oom",
            format!("killed for want of memory, and restarts ({} times so far)", c.restarts),
        ),
        ContainerState::Restarting if LOOPS <= c.restarts => says(
            Severity::Red,
            "restarts",
            format!("restarts again and again, {} times so far: {}", c.restarts, end(c.exit_code)),
        ),
        ContainerState::Restarting => says(
            Severity::Yellow,
            "restarting",
            format!("{}, and is about to start again", end(c.exit_code)),
        ),
        ContainerState::Created => match &c.error {
            Some(error) => never_started(error.as_str()),
            None => meant("made, and never started".into()),
        },
        ContainerState::Removing => meant("is being removed".into()),
        ContainerState::Dead => {
            says(Severity::Yellow, "dead", "could not be removed; try docker rm -f".into())
        }
        ContainerState::Exited => exited(c, known),
        ContainerState::Other => {
            says(Severity::Unknown, "state", "is in a state that reef does not know".into())
        }
    }
}

fn never_started(error: &str) -> Verdict {
    says(Severity::Red, "start", format!("could not be started: {error}"))
}

fn running(c: &Container, known: Known<'_>) -> Verdict {
    if let Health::Unhealthy { streak } = c.health {
        let severity = match streak {
            // An engine that does not count.
            0 => Severity::Red,
            n if n < SICK => Severity::Yellow,
            _ => Severity::Red,
        };
        let words = match streak {
            0 => "runs, but its health check fails".to_owned(),
            n => format!("runs, but its health check failed {n} times in a row"),
        };
        return says(severity, "unhealthy", words);
    }
    let worst = known.hour.judged.severity.max(known.day.judged.severity);
    let clears = known.hour.judged.clears.max(known.day.judged.clears).max(worst);
    if Severity::Yellow <= worst {
        let told = match known.hour.judged.severity {
            Severity::Yellow | Severity::Red => &known.hour.words,
            Severity::Green | Severity::Unknown => &known.day.words,
        };
        let words = format!("runs, but {told}");
        let judged = Judged { severity: worst, clears };
        return Verdict { judged, ..says(worst, "restarts", words) };
    }
    let up = c.started_at.map(|at| known.now.since(at));
    if c.oom_killed && up.is_some_and(|up| up < FRESH) {
        let words = "runs again; was killed for want of memory".to_owned();
        return says(Severity::Yellow, "oom", words);
    }
    let healthy = match c.health {
        Health::None | Health::Unhealthy { .. } => "",
        Health::Healthy => ", healthy",
        Health::Starting => ", its health check is not done yet",
    };
    let mut words = up.map_or("runs".into(), |up| format!("runs for {up}{healthy}"));
    if !known.hour.words.is_empty() {
        words.push_str(&format!(", {}", known.hour.words));
    }
    // Between the levels of what fired and what clears.
    Verdict { judged: Judged { severity: Severity::Green, clears }, ..fine(words) }
}

fn exited(c: &Container, known: Known<'_>) -> Verdict {
    let ago = c.finished_at.map_or(Span(0), |at| known.now.since(at));
    let stopped = || meant(format!("stopped on purpose {ago} ago"));
    if c.oom_killed || c.ended == Ended::Oom {
        return says(Severity::Red, "oom", format!("killed for want of memory {ago} ago"));
    }
    if let Some(error) = &c.error {
        return never_started(error.as_str());
    }
    if c.ended == Ended::Asked {
        return stopped();
    }
    if c.label("com.docker.compose.oneoff") == Some("True") {
        return meant(format!("ran once by hand: {}", end(c.exit_code)));
    }
    let own = |words: &str| {
        says(Severity::Yellow, "exited", format!("{} {ago} ago, and {words}", end(c.exit_code)))
    };
    match c.policy {
        // The engine would have started it again, had nobody stopped it.
        RestartPolicy::Always | RestartPolicy::UnlessStopped => match c.ended {
            Ended::Own => own("was not started again"),
            Ended::Untold | Ended::Asked | Ended::Oom => stopped(),
        },
        RestartPolicy::OnFailure { .. } | RestartPolicy::No if c.exit_code == Some(0) => {
            fine(format!("done {ago} ago"))
        }
        RestartPolicy::OnFailure { most } if 0 < most && most <= c.restarts => says(
            Severity::Red,
            "exited",
            format!("{} {ago} ago; Docker gave up after {most} restarts", end(c.exit_code)),
        ),
        RestartPolicy::OnFailure { .. } => match c.ended {
            Ended::Own => own("was not started again"),
            Ended::Untold | Ended::Asked | Ended::Oom => stopped(),
        },
        RestartPolicy::No => unpoliced(c, known, ago),
    }
}

/// An end in failure that nobody restarts.
fn unpoliced(c: &Container, known: Known<'_>, ago: Span) -> Verdict {
    let before = c.finished_at.map_or(Span(0), |at| known.seen_at.since(at));
    // SIGINT, SIGKILL, SIGTERM; and 255 where the machine or the engine went down with it.
    let like_a_stop = matches!(c.exit_code, Some(130 | 137 | 143 | 255));
    match c.ended {
        Ended::Untold if like_a_stop && OLD_STOP < before => {
            meant(format!("ended {ago} ago, before reef looked: {}", end(c.exit_code)))
        }
        Ended::Untold if like_a_stop => says(
            Severity::Yellow,
            "intended",
            format!(
                "{} {ago} ago, as docker stop does. Intended? Nothing starts it again",
                end(c.exit_code)
            ),
        ),
        Ended::Untold if OLD < before => {
            fine(format!("ended {ago} ago, before reef looked: {}", end(c.exit_code)))
        }
        Ended::Untold | Ended::Own | Ended::Asked | Ended::Oom => {
            says(Severity::Red, "exited", format!("{} {ago} ago", end(c.exit_code)))
        }
    }
}

/// An exit code in words.
fn end(code: Option<i32>) -> String {
    let Some(code) = code else { return "ended".to_owned() };
    let name = match code {
        125 => " (Docker could not run it)",
        126 => " (its program may not be executed)",
        127 => " (its program is not in the image)",
        129 => " (SIGHUP)",
        130 => " (SIGINT)",
        132 => " (SIGILL)",
        134 => " (SIGABRT)",
        135 => " (SIGBUS)",
        136 => " (SIGFPE)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    };
    format!("ended with {code}{name}")
}
