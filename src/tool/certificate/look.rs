//! What is known of an endpoint's certificate: what its server shows, and what its host tells of who renews it.

use std::collections::BTreeSet;

use crate::clients::tls::{Leaf, TlsServer};
use crate::model::fact::{Fact, FactValue};
use crate::model::renewal::Renewals;
use crate::model::target::{AbsPath, Target};
use crate::model::tool::ToolError;
use crate::policy::renewer::{Around, Finding, Schedule, Shown, find, schedule};
use crate::tool::args::failed;
use crate::tool::world::World;

/// All of it, as it was at one moment.
#[derive(Debug)]
pub struct Looked {
    pub leaf: Leaf,
    names: Vec<String>,
    asked: String,
    served_by: Option<Target>,
    /// What the host told, or why it did not.
    pub host: Result<Renewals, String>,
    issuer_of_cluster: Option<String>,
}

impl Looked {
    /// As the pure rules take it.
    pub fn shown(&self) -> Shown<'_> {
        Shown {
            asked: &self.asked,
            names: &self.names,
            issuer: self.leaf.issuer.as_str(),
            serial: &self.leaf.serial,
            self_signed: self.leaf.self_signed,
            not_before: self.leaf.not_before,
            not_after: self.leaf.not_after,
        }
    }

    pub fn finding(&self) -> Finding<'_> {
        let around = Around {
            served_by: self.served_by.as_ref().map(Target::name),
            issuer_of_cluster: self.issuer_of_cluster.as_deref(),
            host: self.host.as_ref().ok(),
        };
        find(self.shown(), around)
    }

    pub fn schedule(&self) -> Schedule {
        schedule(self.finding().method, self.host.as_ref().ok())
    }
}

/// Looks at the server and asks the endpoint's host.
pub async fn look(world: &World, target: &Target, peer: &TlsServer) -> Result<Looked, ToolError> {
    let (leaf, host, issuer_of_cluster) =
        tokio::join!(world.web.certificate(peer), renewals(world, target), issuer(world, peer));
    let leaf = leaf.map_err(failed)?;
    Ok(Looked {
        names: leaf.names.iter().map(ToString::to_string).collect(),
        leaf,
        asked: peer.name.clone(),
        served_by: world.inventory.served_by.get(target.name()).cloned(),
        host,
        issuer_of_cluster,
    })
}

/// Reads a certificate in a file of this machine, and asks the machine.
pub async fn read(world: &World, path: &AbsPath) -> Result<Looked, ToolError> {
    let here = Target::host(world.here.clone());
    let (leaf, host) =
        tokio::join!(world.web.in_file(path, world.now.now()), renewals(world, &here));
    let leaf = leaf.map_err(failed)?;
    let names: Vec<String> = leaf.names.iter().map(ToString::to_string).collect();
    Ok(Looked {
        leaf,
        asked: names.first().cloned().unwrap_or_default(),
        names,
        served_by: None,
        host,
        issuer_of_cluster: None,
    })
}

/// What the host of an endpoint tells of its renewals.
pub async fn renewals(world: &World, target: &Target) -> Result<Renewals, String> {
    let Some(link) = world.hosts.get(target.on()) else {
        return Err(format!("{} is no host of the config", target.on()));
    };
    let mut facts = link.facts(&BTreeSet::from([Fact::Renewals])).await;
    match facts.remove(&Fact::Renewals) {
        Some(Ok(FactValue::Renewals(found))) => Ok(found),
        Some(Err(why)) => Err(format!("{}: {why}", target.on())),
        Some(Ok(_)) | None => Err(format!("{} did not tell of its renewals", target.on())),
    }
}

/// The ingress for that name whose certificate cert-manager makes, where a cluster of the config has one.
#[cfg(feature = "kube")]
async fn issuer(world: &World, peer: &TlsServer) -> Option<String> {
    use crate::clients::kube::list::Fresh;
    use crate::clients::kube::objects::Ingress;
    for (name, known) in &world.clusters {
        // A cluster that does not answer says nothing of who renews.
        let Ok(all) = known.cluster.list::<Ingress>(&[], Fresh::Memory, None).await else {
            continue;
        };
        for ingress in all.items {
            let marks = &ingress.metadata.annotations;
            let issuer = marks.cluster_issuer.as_ref().or(marks.issuer.as_ref());
            let of_name = ingress.spec.tls.iter().any(|tls| tls.hosts.contains(&peer.name));
            if let Some(issuer) = issuer.filter(|_| of_name) {
                let meta = &ingress.metadata;
                return Some(format!(
                    "the ingress {}/{} of {name} is given it by the issuer {issuer}",
                    meta.namespace, meta.name
                ));
            }
        }
    }
    None
}

#[cfg(not(feature = "kube"))]
async fn issuer(_: &World, _: &TlsServer) -> Option<String> {
    None
}
