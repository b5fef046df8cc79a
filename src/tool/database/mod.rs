//! Replication of databases: what ails it, seen from both ends, and restarting a standby that is down.

use crate::clients::answer::NoAnswer;
use crate::clients::declared::{All, Database};
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::ToolError;
use crate::tool::args::{Args, refused};
use crate::tool::world::World;

pub mod replication;
pub mod restart;
pub mod verdict;

/// Of each server that is asked.
const PATIENCE: Span = Span::secs(10);

/// A server of the config by its probe's name.
#[derive(Debug, Clone)]
pub struct Named {
    pub name: String,
    pub database: Database,
}

/// Both ends of a replication, as far as the config knows them.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    pub primary: Option<Named>,
    pub standby: Option<Named>,
}

fn named((name, database): (&String, &Database)) -> Named {
    Named { name: name.clone(), database: database.clone() }
}

impl Ends {
    /// Those of an endpoint: a server, or a part of one, as `main.replica1`.
    pub fn of(all: &All, endpoint: &str) -> Option<Self> {
        let whole = all.databases.get_key_value(endpoint).map(|found| (found, None));
        let part = || {
            let (server, part) = endpoint.rsplit_once('.')?;
            Some((all.databases.get_key_value(server)?, Some(part)))
        };
        let (found, part) = whole.or_else(part)?;
        match &found.1.primary {
            Some(primary) => Some(Self {
                primary: all.databases.get_key_value(primary).map(named),
                standby: Some(named(found)),
            }),
            None => {
                let mut follows =
                    all.databases.iter().filter(|(_, d)| d.primary.as_ref() == Some(found.0));
                let standby = match part {
                    Some(part) => all.standby_of(found.0, part).map(named),
                    // Of several nobody knows which is meant.
                    None => follows.next().filter(|_| follows.next().is_none()).map(named),
                };
                Some(Self { primary: Some(named(found)), standby })
            }
        }
    }
}

/// The ends of the endpoint that a call names.
fn ends(world: &World, args: &Args<'_>) -> Result<(Target, Ends), ToolError> {
    let target = args.target("endpoint", Thing::Endpoint)?;
    let all = &world.inventory.servers;
    let ends = Ends::of(all, target.name()).ok_or_else(|| {
        let known: Vec<_> = all.databases.keys().cloned().collect();
        refused(format!("{target} is no database of the config; known: {}", known.join(", ")))
    })?;
    Ok((target.clone(), ends))
}

/// A word for how a server stands: `up`, or why it does not answer.
fn state<T>(seen: &Result<T, NoAnswer>) -> &'static str {
    match seen {
        Ok(_) => "up",
        Err(why) => why.word(),
    }
}
