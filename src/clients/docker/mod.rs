//! Docker, or Podman's compatible socket: containers, compose projects and a Swarm, read over the engine's
//! own socket. What changes anything is apart: [`engine`], by the socket or by the `docker` command of
//! another host, and [`project`], by the command of compose.

pub mod api;
mod by_api;
mod by_command;
mod compose;
pub mod engine;
mod memory;
pub mod printed;
pub mod project;
pub mod stream;
mod swarm;
mod told;

pub use by_api::ByApi;
pub use by_command::{ByCommand, anew, sort};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::clients::docker::api::{Api, ApiError, quoted};
use crate::clients::docker::compose::Files;
use crate::clients::docker::told::{Image, Inspected, Listed, STOPPING};
use crate::model::container::{Container, ContainerState, Ended, Health};
use crate::model::fact::{Fact, FactValue, Facts, NoFact};
use crate::model::time::{Millis, Span};

/// Containers that are told of; a host with more has the rest left out.
const MOST: usize = 1_000;
/// What cannot be seen in a list, as a changed restart policy, is found out this late.
const ANEW: Span = Span::hours(1);
/// The engine's and this machine's words about an age may be this far apart.
const SLACK: Span = Span::secs(2);
/// How often the engine is asked whether it manages a swarm, while it does not.
const SWARM_EVERY: Span = Span::mins(10);

/// Where the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub socket: PathBuf,
    pub named: Named,
    /// Folders with compose files: `/opt/stacks/*`.
    pub stacks: Vec<String>,
}

/// Whether anybody said that there is an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The config or DOCKER_HOST: that it is not there is a fault.
    Yes,
    /// It is where engines usually are; most machines have none.
    No,
}

impl Default for Place {
    fn default() -> Self {
        let socket = PathBuf::from("/var/run/docker.sock");
        Self { socket, named: Named::No, stacks: Vec::new() }
    }
}

/// The engine of one machine, and what is known of it from look to look.
pub struct Docker {
    api: Api,
    place: Place,
    known: tokio::sync::Mutex<Known>,
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.api.fmt(f)
    }
}

#[derive(Debug, Default)]
struct Known {
    containers: BTreeMap<String, Seen>,
    /// When each image was made; `None` where the engine does not say.
    images: BTreeMap<String, Option<Millis>>,
    files: Files,
    /// When the engine said that it manages no swarm.
    no_swarm: Option<Millis>,
}

#[derive(Debug)]
struct Seen {
    pid: Option<u32>,
    standing: String,
    /// When a list last showed that it still is as it was.
    at: Millis,
    looked_at: Millis,
    container: Container,
}

impl Docker {
    pub fn new(place: Place) -> Self {
        Self { api: Api::new(place.socket.clone()), place, known: tokio::sync::Mutex::default() }
    }

    /// Requests sent to the engine so far.
    pub fn calls(&self) -> u64 {
        self.api.calls()
    }

    /// Answers those of the wanted facts that an engine answers.
    pub async fn facts(&self, wanted: &BTreeSet<Fact>, now: Millis) -> Facts {
        let wants = |fact: &Fact| wanted.contains(fact);
        let mut facts = Facts::new();
        if !wants(&Fact::Containers) && !wants(&Fact::Stacks) && !wants(&Fact::Swarm) {
            return facts;
        }
        let mut known = self.known.lock().await;
        let containers = match wants(&Fact::Containers) || wants(&Fact::Stacks) {
            true => self.containers(&mut known, now).await,
            false => Ok(Vec::new()),
        };
        if wants(&Fact::Stacks) {
            let stacks = match &containers {
                Ok(containers) => Ok(known.files.stacks(containers, &self.place.stacks)),
                Err(why) => Err(why.clone()),
            };
            facts.insert(Fact::Stacks, stacks.map(FactValue::Stacks));
        }
        if wants(&Fact::Swarm) {
            let swarm = self.swarm(&mut known, now).await;
            facts.insert(Fact::Swarm, swarm.map(FactValue::Swarm));
        }
        if wants(&Fact::Containers) {
            facts.insert(Fact::Containers, containers.map(FactValue::Containers));
        }
        facts
    }

    fn missing(&self, error: ApiError) -> NoFact {
        match (&error, self.place.named) {
            (ApiError::NoSocket(_), Named::No) => NoFact::Absent(error.to_string()),
            _ => NoFact::from(error),
        }
    }

    /// One list, and a closer look at those only that changed or are not well.
    async fn containers(&self, known: &mut Known, now: Millis) -> Result<Vec<Container>, NoFact> {
        let listed = self.api.get::<Vec<Listed>>("/containers/json?all=1").await;
        let mut listed = listed.map_err(|error| self.missing(error))?;
        listed.truncate(MOST);
        let ids: BTreeSet<&str> = listed.iter().map(|row| row.id.as_str()).collect();
        known.containers.retain(|id, _| ids.contains(id.as_str()));

        let mut fresh = BTreeSet::new();
        for row in &listed {
            let seen = match known.containers.get_mut(&row.id) {
                Some(seen) if !needs_a_look(row, seen, now) => {
                    seen.at = now;
                    continue;
                }
                seen => seen,
            };
            let path = format!("/containers/{}/json", quoted(&row.id));
            let (pid, mut container) = match self.api.get::<Inspected>(&path).await {
                Ok(inspected) => (inspected.pid(), inspected.container()),
                // Removed between the list and now.
                Err(ApiError::Status(404, _)) => continue,
                Err(error) => return Err(self.missing(error)),
            };
            if let Some(seen) = seen {
                keep(&mut container, &seen.container);
            }
            let standing = row.standing();
            let seen = Seen { pid, standing, at: now, looked_at: now, container };
            known.containers.insert(row.id.clone(), seen);
            fresh.insert(row.id.clone());
        }
        self.how_they_ended(known, &fresh, now).await;
        self.images(known, &listed).await;
        let mut containers = Vec::with_capacity(listed.len());
        for row in &listed {
            let Some(seen) = known.containers.get_mut(&row.id) else { continue };
            // A container may be given another name while it runs.
            if let Some(name) =
                row.names.iter().flatten().find(|name| name.matches('/').count() == 1)
            {
                name.trim_start_matches('/').clone_into(&mut seen.container.name);
            }
            let made = known.images.get(&seen.container.image_id).copied().flatten();
            seen.container.image_created_at = made;
            seen.container.memory = self.memory(seen).await;
            containers.push(seen.container.clone());
        }
        Ok(containers)
    }

    /// What one with a limit uses: of its cgroup, or of the engine where that is not to be seen.
    async fn memory(&self, seen: &Seen) -> Option<u64> {
        let Container { state: ContainerState::Running, memory_limit: Some(_), id, .. } =
            &seen.container
        else {
            return None;
        };
        if let Some(used) = seen.pid.and_then(|pid| memory::used(pid, id)) {
            return Some(used);
        }
        let path = format!("/containers/{}/stats?stream=false&one-shot=true", quoted(id));
        self.api.get::<memory::Stats>(&path).await.ok()?.used()
    }

    /// Asks for the events about those that ended or restarted since they were last seen, all at once.
    async fn how_they_ended(&self, known: &mut Known, fresh: &BTreeSet<String>, now: Millis) {
        let asked: Vec<(&String, Millis)> = fresh
            .iter()
            .filter_map(|id| Some((id, known.containers.get(id)?.container.asks_since()?)))
            .collect();
        let Some(since) = asked.iter().map(|(_, at)| *at).min() else { return };
        let filters = r#"{"type":["container"],"event":["kill","stop","die","oom"]}"#;
        let instant =
            |at: Millis| format!("{}.{:03}000000", at.0.div_euclid(1_000), at.0.rem_euclid(1_000));
        let path = format!(
            "/events?since={}&until={}&filters={}",
            instant(since - STOPPING),
            instant(now),
            quoted(filters)
        );
        // Without its events an engine still tells the rest.
        let Ok(text) = self.api.text(&path).await else { return };
        let events = told::events(&text);
        for id in fresh {
            let Some(Seen { container, .. }) = known.containers.get_mut(id) else { continue };
            match container.state {
                ContainerState::Running | ContainerState::Restarting if 0 < container.restarts => {
                    let since = container.finished_at.unwrap_or_default() - SLACK;
                    container.oom_killed |= told::was_oom(id, &events, since);
                    let ended_with = || told::exit_code(id, &events);
                    container.exit_code = container.exit_code.or_else(ended_with);
                }
                ContainerState::Exited | ContainerState::Dead
                    if container.ended == Ended::Untold =>
                {
                    container.ended = told::ended(container, &events);
                }
                ContainerState::Created
                | ContainerState::Running
                | ContainerState::Paused
                | ContainerState::Restarting
                | ContainerState::Removing
                | ContainerState::Exited
                | ContainerState::Dead
                | ContainerState::Other => {}
            }
        }
    }

    /// When images were made: one list, when there is one that is not known yet.
    async fn images(&self, known: &mut Known, listed: &[Listed]) {
        let used: BTreeSet<&str> = listed.iter().map(|row| row.image_id.as_str()).collect();
        known.images.retain(|id, _| used.contains(id.as_str()));
        if used.iter().all(|id| known.images.contains_key(*id)) {
            return;
        }
        let Ok(images) = self.api.get::<Vec<Image>>("/images/json").await else { return };
        let made: BTreeMap<&str, i64> = images.iter().map(|i| (i.id.as_str(), i.created)).collect();
        for id in used {
            let at = made.get(id).filter(|secs| 0 < **secs);
            known.images.insert(id.to_owned(), at.map(|secs| Millis(secs.saturating_mul(1_000))));
        }
    }

    async fn swarm(
        &self,
        known: &mut Known,
        now: Millis,
    ) -> Result<Option<crate::model::container::Swarm>, NoFact> {
        if known.no_swarm.is_some_and(|at| at <= now && now.since(at) < SWARM_EVERY) {
            return Ok(None);
        }
        let swarm = swarm::ask(&self.api).await.map_err(|error| self.missing(error))?;
        known.no_swarm = swarm.is_none().then_some(now);
        Ok(swarm)
    }

    pub fn socket(&self) -> &Path {
        self.api.socket()
    }
}

impl Container {
    /// From when on events may tell more of it; `None` where there is nothing to be told.
    fn asks_since(&self) -> Option<Millis> {
        let finished_at = self.finished_at?;
        let ended = matches!(self.state, ContainerState::Exited | ContainerState::Dead)
            && self.ended == Ended::Untold;
        let restarted = matches!(self.state, ContainerState::Running | ContainerState::Restarting)
            && 0 < self.restarts;
        (ended || restarted).then_some(finished_at)
    }
}

/// What was told of this very end and life before, and the engine may have forgotten since.
fn keep(new: &mut Container, old: &Container) {
    if new.finished_at == old.finished_at && new.state == old.state {
        new.ended = old.ended;
        new.oom_killed |= old.oom_killed;
        new.exit_code = new.exit_code.or(old.exit_code);
    }
}

/// Whether the list does not tell enough: something changed, may have changed since the last look, or
/// is not well.
fn needs_a_look(row: &Listed, seen: &Seen, now: Millis) -> bool {
    let since = now.since(seen.at);
    let unhealthy = matches!(seen.container.health, Health::Unhealthy { .. });
    row.standing() != seen.standing
        || unhealthy
        || now < seen.at
        || ANEW <= now.since(seen.looked_at)
        || row.age().is_some_and(|age| age.0 < since.0.saturating_add(SLACK.0))
}

#[cfg(test)]
mod tests;
