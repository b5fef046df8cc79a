//! What a runbook calls peers: things that do the same work, one of which must stay well while another one is down.

use crate::model::target::{Target, Thing};
use crate::model::tool::{Bounds, Replicas, ToolError};
use crate::tool::container::{At, is_well};
use crate::tool::world::World;
use crate::tool::{command, unit};

/// How many of the peers are well, and how many of them stay so without this one; `None` where the runbook gives it
/// none. A peer that cannot be looked at is none that anybody can count on.
pub async fn left(
    world: &World,
    bounds: &Bounds,
    without: &Target,
) -> Result<Option<Replicas>, ToolError> {
    if !bounds.peers.contains(without) || bounds.peers.len() < 2 {
        return Ok(None);
    }
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (mut healthy, mut leaves) = (0, 0);
    for peer in &bounds.peers {
        let well = serves(world, peer).await.unwrap_or(false);
        healthy += usize::from(well);
        leaves += usize::from(well && peer != without);
    }
    Ok(Some(Replicas {
        of: count(bounds.peers.len()),
        healthy: count(healthy),
        leaves: count(leaves),
    }))
}

async fn serves(world: &World, peer: &Target) -> Result<bool, ToolError> {
    match peer.thing() {
        Thing::Unit => {
            let link = command::link(world, peer)?;
            Ok(unit::look(link.as_ref(), peer).await?.active == "active")
        }
        // The runbook's reader lets nothing else through.
        Thing::Container | Thing::Composed => Ok(is_well(&At::of(world, peer)?.find(peer).await?)),
        Thing::Host
        | Thing::Path
        | Thing::Process
        | Thing::Endpoint
        | Thing::Interface
        | Thing::Log
        | Thing::Backup
        | Thing::Check
        | Thing::Member
        | Thing::Stack
        | Thing::Service
        | Thing::Node
        | Thing::Object
        | Thing::Terraform
        | Thing::Playbook
        | Thing::Mcp
        | Thing::Vm
        | Thing::Reef => Ok(false),
    }
}
