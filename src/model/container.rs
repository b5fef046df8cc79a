//! Containers, compose projects and a swarm, as facts of a host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Millis;

/// A container as the engine tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Without the slash that the engine puts before it.
    pub name: String,
    /// All 64 digits.
    pub id: String,
    /// As it was asked for: `jellyfin/jellyfin:10.9`.
    pub image: String,
    /// `sha256:...`
    pub image_id: String,
    /// When the image was built; `None` where the engine did not say.
    pub image_created_at: Option<Millis>,
    pub state: ContainerState,
    pub health: Health,
    /// What it ended with last. `None` where it runs and nothing remembers: the engine itself forgets it
    /// with the next start.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Whether the kernel killed it for want of memory when it ended last.
    pub oom_killed: bool,
    /// Why it could not be started.
    pub error: Option<Tainted>,
    /// How often its restart policy started it anew since it was started by hand.
    pub restarts: u32,
    pub created_at: Millis,
    pub started_at: Option<Millis>,
    pub finished_at: Option<Millis>,
    pub policy: RestartPolicy,
    /// How it ended, where it does not run.
    pub ended: Ended,
    pub privileged: bool,
    /// How it could reach beyond itself, apart from that: `host pid`, `host network`, `docker.sock`.
    #[serde(default)]
    pub reaches: Vec<String>,
    /// What it may use in memory, in bytes; `None` where nobody limited it.
    #[serde(default)]
    pub memory_limit: Option<u64>,
    /// What it uses now without what the kernel would give back at once, in bytes. Only told of one that
    /// runs and has a limit.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Those of compose, of Swarm and of reef; others are left out.
    pub labels: BTreeMap<String, String>,
}

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// Which labels of a container are kept.
pub const KEPT_LABELS: [&str; 4] =
    ["com.docker.compose.", "com.docker.swarm.", "reef.", "io.kubernetes.pod.name"];

impl Container {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// ` with 7`, as it follows `ended`; nothing where that is not known.
    pub fn with_code(&self) -> String {
        self.exit_code.map_or(String::new(), |code| format!(" with {code}"))
    }

    /// Whether it stands still because somebody wanted it so: a stop, work that is done, or an end that
    /// cannot be told from a stop.
    pub fn stopped_on_purpose(&self) -> bool {
        match self.state {
            ContainerState::Exited => {}
            ContainerState::Created | ContainerState::Paused | ContainerState::Removing => {
                return true;
            }
            ContainerState::Running
            | ContainerState::Restarting
            | ContainerState::Dead
            | ContainerState::Other => return false,
        }
        if self.oom_killed || self.ended == Ended::Oom || self.error.is_some() {
            return false;
        }
        if self.ended == Ended::Asked || self.label(ONE_OFF) == Some("True") {
            return true;
        }
        let like_a_stop = matches!(self.exit_code, Some(130 | 137 | 143 | 255));
        match (self.policy, self.ended) {
            (RestartPolicy::No | RestartPolicy::OnFailure { .. }, _)
                if self.exit_code == Some(0) =>
            {
                true
            }
            (RestartPolicy::OnFailure { most }, _) if 0 < most && most <= self.restarts => false,
            (_, Ended::Own) => false,
            (RestartPolicy::No, _) => like_a_stop,
            // The engine would have started it again, had nobody stopped it.
            (
                RestartPolicy::Always
                | RestartPolicy::UnlessStopped
                | RestartPolicy::OnFailure { .. },
                _,
            ) => true,
        }
    }

    /// The compose project and service that it belongs to.
    pub fn composed(&self) -> Option<(&str, &str)> {
        Some((self.label(PROJECT)?, self.label(SERVICE)?))
    }

    /// `reef.watch=false`: its owner does not want it watched.
    pub fn opted_out(&self) -> bool {
        self.label("reef.watch").is_some_and(is_no)
    }
}

/// The ways to say no in a label.
pub fn is_no(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "false" | "no" | "off" | "0")
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Made, and never started.
    Created,
    Running,
    Paused,
    /// It ended, and its policy is about to start it anew.
    Restarting,
    Removing,
    Exited,
    /// It could not be removed.
    Dead,
    /// A word that this build does not know.
    Other,
}

impl ContainerState {
    const WORDS: [(&'static str, Self); 8] = [
        ("created", Self::Created),
        ("running", Self::Running),
        ("paused", Self::Paused),
        ("restarting", Self::Restarting),
        ("removing", Self::Removing),
        ("exited", Self::Exited),
        ("dead", Self::Dead),
        ("other", Self::Other),
    ];

    /// The engine's own word; Podman has some of its own.
    pub fn parse(word: &str) -> Self {
        match word {
            "configured" | "initialized" => Self::Created,
            "stopped" => Self::Exited,
            "stopping" => Self::Running,
            word => Self::WORDS.iter().find(|(w, _)| *w == word).map_or(Self::Other, |(_, s)| *s),
        }
    }

    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, s)| *s == self).map_or("other", |(word, _)| word)
    }
}

/// What the container's own health check says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has none.
    #[default]
    None,
    Starting,
    Healthy,
    /// Checks that failed in a row.
    Unhealthy {
        streak: u32,
    },
}

impl Health {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy { .. } => "unhealthy",
        }
    }
}

/// When the engine starts a container anew by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    UnlessStopped,
    /// Only when it failed, and so often at the most; 0 is without end.
    OnFailure {
        most: u32,
    },
}

impl RestartPolicy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure { .. } => "on-failure",
        }
    }
}

/// How a container came to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Somebody told the engine to stop or kill it.
    Asked,
    /// By itself.
    Own,
    /// The kernel killed it for want of memory.
    Oom,
    /// The engine does not remember; or it has not ended.
    #[default]
    Untold,
}

/// A compose project: what its files ask for. Which containers it has, their labels say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// The project's name, as its containers carry it.
    pub name: String,
    pub files: Vec<AbsPath>,
    pub services: Vec<StackService>,
    /// Why its files could not be read or understood; the services are then not to be trusted.
    pub fault: Option<Tainted>,
    /// Over the files as they are written: another text is another project.
    #[serde(default)]
    pub written: Option<Digest>,
}

/// One service of a compose file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackService {
    pub name: String,
    /// How many containers it wants; 0 is switched off.
    pub replicas: u32,
    /// Whether it belongs to profiles, and so runs only when somebody asks for one of them.
    pub profiled: bool,
    /// Whether it is meant to run again whenever it ends.
    pub restarts: bool,
    /// `reef.watch: "false"` among its labels.
    pub opted_out: bool,
}

/// A swarm as one of its managers tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swarm {
    pub nodes: Vec<SwarmNode>,
    pub services: Vec<SwarmService>,
    /// Why the manager cannot tell: the swarm has lost its quorum.
    pub leaderless: Option<Tainted>,
}

/// A machine of a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmNode {
    pub id: String,
    pub name: String,
    /// `ready`, `down`, `disconnected`, `unknown`
    pub state: String,
    /// `active`, `pause`, `drain`
    pub availability: String,
    /// Of a manager: `reachable`, `unreachable`, `unknown`.
    pub reachability: Option<String>,
    pub leader: bool,
    pub message: Option<Tainted>,
}

/// A service of a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmService {
    pub id: String,
    pub name: String,
    pub image: String,
    pub running: u64,
    pub desired: u64,
    /// A job ends by itself: fewer running than desired is its way.
    pub job: bool,
    /// `updating`, `paused`, `completed`, `rollback_started` ...; empty where it was never updated.
    pub update: String,
    /// What the newest failed task said.
    pub error: Option<Tainted>,
    pub opted_out: bool,
}
