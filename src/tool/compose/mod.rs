//! Compose projects: what they ask for and have, and bringing them up to date.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::docker::engine::ImageId;
use crate::clients::docker::project::{Project, declared};
use crate::model::container::{Container, ContainerState, Stack};
use crate::model::fact::{Fact, FactValue};
use crate::model::ids::Word;
use crate::model::target::{Target, Thing};
use crate::model::tool::ToolError;
use crate::tool::args::{failed, refused};
use crate::tool::container::At;

pub mod health;
pub mod read;
pub mod restart;
pub mod rollback;
pub mod update;

/// The argument that names a project.
pub const ARGUMENT: &str = "HOST:stack:NAME";

/// A project as it stands now.
#[derive(Debug, Clone)]
pub struct Standing {
    pub stack: Stack,
    /// Its containers but for those of `compose run`, by name.
    pub containers: Vec<Container>,
}

impl Standing {
    /// Looks at a project and its containers.
    pub async fn look(at: &At, target: &Target) -> Result<Self, ToolError> {
        let wanted = BTreeSet::from([Fact::Containers, Fact::Stacks]);
        let mut facts = at.link.facts(&wanted).await;
        let mut take = |fact: Fact| match facts.remove(&fact) {
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(failed(format!("{}: {why}", at.link.name()))),
            None => Err(failed("the collection told of no projects")),
        };
        let (containers, stacks) = (take(Fact::Containers)?, take(Fact::Stacks)?);
        let (FactValue::Containers(all), FactValue::Stacks(stacks)) = (containers, stacks) else {
            return Err(failed("the collection told of no projects"));
        };
        let stack = stacks.into_iter().find(|stack| stack.name == target.name()).ok_or_else(|| {
            refused(format!("there is no {target}: no container names it, and none of the config's stacks has its file"))
        })?;
        let own = |c: &Container| {
            c.composed().is_some_and(|(project, _)| project == stack.name)
                && c.label("com.docker.compose.oneoff") != Some("True")
        };
        let mut containers: Vec<Container> = all.into_iter().filter(own).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { stack, containers })
    }

    /// Services of which a container runs, each with what it runs now.
    pub fn running(&self) -> BTreeMap<Word, Vec<&Container>> {
        let mut running: BTreeMap<Word, Vec<&Container>> = BTreeMap::new();
        for c in &self.containers {
            let service = c.composed().and_then(|(_, service)| Word::new(service).ok());
            if let Some(service) = service
                && matches!(c.state, ContainerState::Running | ContainerState::Restarting)
            {
                running.entry(service).or_default().push(c);
            }
        }
        running
    }

    /// Services whose containers are all there, and stand still: somebody stopped them.
    pub fn stopped(&self) -> Vec<&str> {
        let running = self.running();
        let wanted = self.stack.services.iter().filter(|s| 0 < s.replicas && !s.profiled);
        wanted
            .map(|s| s.name.as_str())
            .filter(|name| Word::new(*name).is_ok_and(|name| !running.contains_key(&name)))
            .collect()
    }

    /// The project as compose's command takes it: its files must be declared in the config. What only a
    /// container's label names is not run, because whoever may start a container wrote that label.
    pub fn project(&self, at: &At) -> Result<Project, ToolError> {
        let host = at.link.name();
        if let Some(why) = &self.stack.fault {
            return Err(refused(format!(
                "the files of {} are not understood: {why}",
                self.stack.name
            )));
        }
        let places = at.world.inventory.stacks.get(host).map_or(&[][..], Vec::as_slice);
        let strange = self.stack.files.iter().find(|file| !declared(places, file));
        if let Some(file) = strange {
            let folder = file.as_str().rsplit_once('/').map_or("/", |(folder, _)| folder);
            return Err(refused(format!(
                "{file} is not declared: write stacks = [\"{folder}\"] below [host.{host}] to let reef apply it"
            )));
        }
        if self.stack.files.is_empty() {
            return Err(refused(format!("{} has no compose file", self.stack.name)));
        }
        let name = Word::new(self.stack.name.as_str()).map_err(refused)?;
        Ok(Project { name, files: self.stack.files.clone(), engine: at.engine.place() })
    }

    /// The files in words: `/opt/stacks/media/compose.yaml`.
    pub fn files(&self) -> String {
        self.stack.files.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// The image that a container runs.
pub fn image_of(container: &Container) -> Option<ImageId> {
    ImageId::new(&container.image_id)
}

/// What no other action may hold meanwhile: the whole project.
pub fn lease(target: &Target) -> Vec<Target> {
    let whole = match target.as_composed() {
        Some((project, _)) => Target::new(target.on().clone(), Thing::Stack, project).ok(),
        None => None,
    };
    std::iter::once(target.clone()).chain(whole).collect()
}

/// Short for a list of services.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a Word>) -> String {
    names.into_iter().map(Word::as_str).collect::<Vec<_>>().join(", ")
}
