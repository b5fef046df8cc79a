//! `database.replication`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::declared::{Database, Engine};
use crate::clients::host::HostLink;
use crate::clients::mysql::Wanted;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::fact::{Fact, FactValue};
use crate::model::ids::{ToolName, UnitName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{gives, made, required};
use crate::tool::database::verdict::{Around, Said, Seen, Service, Verdict, judge};
use crate::tool::database::{Ends, Named, PATIENCE, ends, state};
use crate::tool::world::World;

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("database.replication"),
        summary: "Look at both ends of a replication, its service and its disk, and name what ails it",
        inputs: vec![required(
            "endpoint",
            Kind::Target,
            "HOST:endpoint:NAME of a postgres or mariadb probe, or a part of one",
        )],
        gives: vec![
            gives(
                "cause",
                Kind::Word,
                "ok, behind, standby-down, stopped, primary-down, disconnected, wal-lost ...",
            ),
            gives("why", Kind::Text, "the cause in words"),
            gives("next", Kind::Text, "what a human would do next"),
            gives("primary", Kind::Word, "up, undeclared, refused, timeout, denied ..."),
            gives("standby", Kind::Word, "the same of the standby"),
            gives("server", Kind::Target, "the standby's own endpoint, where the config has one"),
            gives("restartable", Kind::Flag, "whether the config lets reef restart the standby"),
            gives(
                "behind",
                Kind::Bytes,
                "WAL that the standby has not replayed, where that is known",
            ),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "an endpoint that is no database of the config",
        timeout: Span::secs(40),
        example: "tool = \"database.replication\"\nargs = { endpoint = \"mini:endpoint:main\" }",
    }
}

/// `database.replication`.
pub fn replication(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let (target, ends) = ends(&world, args)?;
        Ok(Parsed::Query(Box::new(Look { world: world.clone(), target, ends })))
    })
}

/// Asks one server.
pub async fn ask(database: &Database) -> Result<Said, NoAnswer> {
    match &database.engine {
        #[cfg(feature = "postgres")]
        Engine::Postgres(server) => {
            let mut client = server.client(PATIENCE);
            within(PATIENCE, client.look()).await.map(Said::Postgres)
        }
        Engine::Mariadb(mysql) => {
            within(PATIENCE, mysql.look(Wanted::Nothing)).await.map(Said::Mariadb)
        }
    }
}

async fn asked(end: Option<&Named>) -> Seen {
    Some(ask(&end?.database).await)
}

/// Whether the config names a server's unit or container as one that may be restarted.
pub fn restartable(world: &World, database: &Database) -> bool {
    let named = database.served_by.as_ref();
    named.is_some_and(|unit| world.inventory.restartable.contains(unit))
}

/// What the standby's host tells of its service and its volumes.
async fn around(world: &World, standby: &Named) -> Around {
    let called = standby.database.standby.clone();
    let Some(unit) = &standby.database.served_by else {
        return Around { called, ..Around::default() };
    };
    let Some(link) = world.hosts.get(unit.on()) else {
        return Around { called, ..Around::default() };
    };
    let (service, disk) = tokio::join!(service(link.as_ref(), unit), disk(link.as_ref()));
    Around { service, disk, called }
}

async fn one(link: &dyn HostLink, fact: Fact) -> Option<FactValue> {
    let wanted = BTreeSet::from([fact.clone()]);
    let facts = tokio::time::timeout(Duration::from_secs(15), link.facts(&wanted)).await;
    facts.ok()?.remove(&fact)?.ok()
}

async fn service(link: &dyn HostLink, of: &Target) -> Service {
    if of.thing() == Thing::Unit {
        let Ok(name) = UnitName::new(of.name()) else { return Service::Untold };
        let Some(FactValue::Unit(unit)) = one(link, Fact::Unit(name)).await else {
            return Service::Untold;
        };
        return match (unit.active.as_str(), unit.result.as_str()) {
            ("active" | "activating" | "reloading", _) => Service::Runs,
            ("inactive", "success") => Service::Stopped,
            ("failed" | "inactive", _) => Service::Failed,
            (_, _) => Service::Untold,
        };
    }
    use crate::model::container::ContainerState;
    let Some(FactValue::Containers(all)) = one(link, Fact::Containers).await else {
        return Service::Untold;
    };
    let is = |c: &&crate::model::container::Container| crate::tool::container::is_meant(of, c);
    match all.iter().find(is) {
        Some(c) if c.state == ContainerState::Running => Service::Runs,
        Some(c) if c.stopped_on_purpose() => Service::Stopped,
        Some(c) if c.state == ContainerState::Exited => Service::Failed,
        Some(_) | None => Service::Untold,
    }
}

async fn disk(link: &dyn HostLink) -> Option<u64> {
    let Some(FactValue::Volumes(volumes)) = one(link, Fact::Volumes).await else { return None };
    let answer = |v: &&crate::model::fact::Volume| v.stale.is_none() && 0 < v.total_bytes;
    volumes.iter().filter(answer).map(crate::tool::host::used).max()
}

struct Look {
    world: World,
    target: Target,
    ends: Ends,
}

impl Query for Look {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let Ends { primary, standby } = &self.ends;
            let (of_primary, of_standby) =
                tokio::join!(asked(primary.as_ref()), asked(standby.as_ref()));
            let around = match standby {
                Some(standby) => around(&self.world, standby).await,
                None => Around::default(),
            };
            let Verdict { cause, why, next, behind } = judge(&of_primary, &of_standby, &around);
            let word = |seen: &Seen| {
                Value::Word(Word::of(seen.as_ref().map_or("undeclared", |seen| state(seen))))
            };
            let database = standby.as_ref().map(|standby| &standby.database);
            let may = database.is_some_and(|database| restartable(&self.world, database));
            let mut values = vec![
                ("cause", Value::Word(Word::of(cause))),
                ("why", Value::Text(Tainted::new(&why))),
                ("next", Value::Text(Tainted::new(next))),
                ("primary", word(&of_primary)),
                ("standby", word(&of_standby)),
                ("restartable", Value::Flag(may)),
                ("behind", Value::Bytes(behind)),
            ];
            values.extend(database.map(|d| ("server", Value::Target(d.target.clone()))));
            let disk =
                around.disk.map_or(String::new(), |disk| format!("; its disk is {disk} % full"));
            let words = format!("{}: {cause}: {why}{disk}. Next: {next}", self.target);
            let values = values.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}
