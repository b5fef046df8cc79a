//! Containers: what they do, what they said, what they use, and starting them anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clients::docker::engine::Engine;
use crate::clients::host::HostLink;
use crate::model::container::{Container, ContainerState, Health};
use crate::model::fact::{Fact, FactValue};
use crate::model::target::{Target, Thing};
use crate::model::tool::ToolError;
use crate::model::value::Value;
use crate::tool::args::{Args, failed, refused};
use crate::tool::command;
use crate::tool::world::World;

pub mod act;
pub mod memory;
pub mod read;
mod touch;

pub use touch::{Named, Touch, is_stateful, touch};

/// The argument that names a container in every tool of the family.
pub const ARGUMENT: &str = "HOST:container:NAME, or HOST:compose:PROJECT/SERVICE";

/// One host with containers, as a call names it.
#[derive(Clone, Debug)]
pub struct At {
    pub world: World,
    pub link: Arc<dyn HostLink>,
    pub engine: Arc<dyn Engine>,
}

impl At {
    /// The host of a target.
    pub fn of(world: &World, target: &Target) -> Result<Self, ToolError> {
        let link = command::link(world, target)?;
        let engine = world.engines.get(target.on()).cloned();
        let engine = engine.ok_or_else(|| {
            refused(format!("reef reaches no container engine on {}", target.on()))
        })?;
        Ok(Self { world: world.clone(), link, engine })
    }

    /// Every container of the host, as its collection tells of them now.
    pub async fn all(&self) -> Result<Vec<Container>, ToolError> {
        let mut facts = self.link.facts(&BTreeSet::from([Fact::Containers])).await;
        match facts.remove(&Fact::Containers) {
            Some(Ok(FactValue::Containers(all))) => Ok(all),
            Some(Ok(_)) | None => Err(failed("the collection told of no containers")),
            Some(Err(why)) => Err(failed(format!("{}: {why}", self.link.name()))),
        }
    }

    /// The container that a target means. Of a service with several the one that needs looking at: the
    /// first that is not well.
    pub async fn find(&self, target: &Target) -> Result<Container, ToolError> {
        let all = self.all().await?;
        let mut meant: Vec<Container> = all.into_iter().filter(|c| is_meant(target, c)).collect();
        meant.sort_by_key(|c| (is_well(c), c.name.clone()));
        match meant.into_iter().next() {
            Some(container) => Ok(container),
            None => {
                Err(refused(format!("there is no {target}: `docker ps -a` lists what there is")))
            }
        }
    }
}

/// Whether a target means this container.
pub fn is_meant(target: &Target, container: &Container) -> bool {
    match target.as_composed() {
        Some(wanted) => container.composed() == Some(wanted),
        None => container.name == target.name(),
    }
}

/// Runs, and does not say that it is sick.
pub fn is_well(container: &Container) -> bool {
    container.state == ContainerState::Running
        && !matches!(container.health, Health::Unhealthy { .. })
}

/// The target of a container by its own name.
pub fn target_of(at: &At, container: &Container) -> Option<Target> {
    Target::new(at.link.name().clone(), Thing::Container, &container.name).ok()
}

impl Args<'_> {
    /// A container by its name or by its place in a project.
    pub fn container(&self, name: &str) -> Result<Target, ToolError> {
        let thing = match self.call().args.get(name) {
            Some(Value::Target(target)) if target.thing() == Thing::Composed => Thing::Composed,
            _ => Thing::Container,
        };
        self.target(name, thing).cloned()
    }
}
