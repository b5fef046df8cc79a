//! The look at this machine. Everything only reads, has a time, and what cannot be seen is said.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::init::found::{Database, Engine, Folder, Found};
use crate::clients::docker::{Named, Place};
use crate::clients::host::HostLink;
use crate::clients::host::local::LocalHost;
use crate::clients::survey::{jobs, listening, month, services};
use crate::clock::{Clock, SystemClock};
use crate::config::env::Env;
use crate::config::globals::Docker;
use crate::model::container::Container;
use crate::model::fact::{Fact, FactValue, Facts, NoFact, Unit};
use crate::model::ids::UnitName;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::redact::Redactor;
use crate::probe::table::usual_units;

/// For one collection.
const PATIENCE: Span = Span::secs(25);
/// Services that get a line of their own.
const MOST_UNITS: usize = 60;
/// Where people keep compose files, with the home folder's.
const STACKS: [&str; 5] =
    ["/opt/stacks/*", "/srv/stacks/*", "/opt/docker/*", "/srv/docker/*", "/opt/compose/*"];
/// Where backups come to lie.
const BACKUPS: [&str; 7] = [
    "/backup",
    "/backups",
    "/srv/backup",
    "/srv/backups",
    "/var/lib/autopostgresqlbackup",
    "/var/lib/automysqlbackup",
    "/var/lib/vz/dump",
];

/// A kind of database: its ports, its processes, what its image is called, and a line for a closer look.
type Kind = (
    &'static str,
    &'static [u16],
    &'static [&'static str],
    &'static [&'static str],
    Option<&'static str>,
);

const DATABASES: [Kind; 8] = [
    (
        "PostgreSQL",
        &[5432],
        &["postgres"],
        &["postgres", "timescaledb", "pgvecto-rs"],
        Some(
            "postgres.main = { url = \"postgres://reef@127.0.0.1:5432/postgres\", password_file = \"/etc/reef/secrets/postgres\" }",
        ),
    ),
    (
        "MariaDB or MySQL",
        &[3306],
        &["mariadbd", "mysqld"],
        &["mariadb", "mysql"],
        Some(
            "mariadb.main = { server = \"127.0.0.1:3306\", user = \"reef\", password_file = \"/etc/reef/secrets/mariadb\" }",
        ),
    ),
    ("Redis", &[6379], &["redis-server", "valkey-server"], &["redis", "valkey"], None),
    ("MongoDB", &[27017], &["mongod"], &["mongo"], None),
    ("InfluxDB", &[8086], &["influxd"], &["influxdb"], None),
    ("RabbitMQ", &[5672], &[], &["rabbitmq"], None),
    ("ClickHouse", &[], &["clickhouse-serv"], &["clickhouse-server"], None),
    ("Elasticsearch", &[9200], &[], &["elasticsearch", "opensearch"], None),
];

/// Looks at this machine, but for what is reached over TLS or SSH.
pub(crate) async fn machine(found: &mut Found, env: &Env, ports: &[listening::Listening]) {
    let redactor = Arc::new(Redactor::new(Vec::new()));
    let (place, unusual) = engine_at(env);
    let link = LocalHost::new(found.here.clone(), Arc::new(SystemClock), Arc::clone(&redactor))
        .with_docker(place.clone());
    let journal = ["journalctl".to_owned()];
    let wanted = BTreeSet::from([Fact::Volumes, Fact::FailedUnits, Fact::Containers, Fact::Stacks]);
    let (facts, running, timers, month) = tokio::join!(
        patiently(&link, &wanted),
        services::running(),
        services::timers(),
        month::month(&journal, &redactor, SystemClock.now()),
    );
    found.volumes = match facts.get(&Fact::Volumes) {
        Some(Ok(FactValue::Volumes(volumes))) => Ok(volumes.clone()),
        other => Err(why(other)),
    };
    if let Some(Ok(FactValue::FailedUnits(units))) = facts.get(&Fact::FailedUnits) {
        found.failed =
            units.iter().filter_map(|unit| UnitName::new(unit.name.as_str()).ok()).collect();
    }
    found.engine = engine(&facts, &place, unusual);
    found.units = match &running {
        Ok(running) => named_units(&link, running).await,
        Err(_) => Vec::new(),
    };
    found.running = running.map(|running| running.len()).map_err(|why| why.to_string());
    found.backups = timers.unwrap_or_default();
    found.backups.extend(jobs::found(Path::new("/")));
    found.idle = jobs::installed(Path::new("/"));
    found.idle.retain(|tool| found.backups.iter().all(|job| job.tool != *tool));
    found.folders = folders(&link).await;
    found.databases = databases(ports, found.containers());
    found.month = month.map_err(|why| why.to_string());
}

async fn patiently(link: &LocalHost, wanted: &BTreeSet<Fact>) -> Facts {
    let looked = tokio::time::timeout(PATIENCE.duration(), link.facts(wanted)).await;
    looked.unwrap_or_else(|_| {
        let late = Err(NoFact::Failed(format!("it took longer than {PATIENCE}")));
        wanted.iter().map(|fact| (fact.clone(), late.clone())).collect()
    })
}

fn why(fact: Option<&Result<FactValue, NoFact>>) -> String {
    match fact {
        Some(Err(why)) => why.to_string(),
        Some(Ok(_)) | None => "it was not told".to_owned(),
    }
}

/// Where the engine is, and the same where the config must say so.
fn engine_at(env: &Env) -> (Place, Option<AbsPath>) {
    let usual = Docker::default().socket;
    let told = env.get("DOCKER_HOST").and_then(|host| host.strip_prefix("unix://"));
    let own = env.get("XDG_RUNTIME_DIR").map(|folder| format!("{folder}/podman/podman.sock"));
    let others = own.into_iter().chain(["/run/podman/podman.sock".to_owned()]);
    let there = |path: &String| Path::new(path).exists();
    let elsewhere = match (told, usual.exists()) {
        (Some(told), _) => Some(told.to_owned()),
        (None, true) => None,
        (None, false) => others.into_iter().find(there),
    };
    let elsewhere = elsewhere.and_then(|path| AbsPath::new(&path).ok());
    let elsewhere = elsewhere.filter(|path| path.as_path() != usual);
    let home = env.get("HOME").filter(|home| home.starts_with('/') && !home.contains(['*', '"']));
    let of_home = home.into_iter().flat_map(|home| {
        let home = home.trim_end_matches('/');
        [format!("{home}/docker/*"), format!("{home}/stacks/*")]
    });
    let stacks = STACKS.iter().map(|place| (*place).to_owned()).chain(of_home);
    let stacks = stacks.filter(|place| !place.contains("..")).collect();
    let socket = elsewhere.as_ref().map_or(usual, |path| path.as_path().to_owned());
    // Only where somebody named it is its absence a fault.
    let named = if told.is_some() { Named::Yes } else { Named::No };
    (Place { socket, named, stacks }, elsewhere)
}

fn engine(facts: &Facts, place: &Place, unusual: Option<AbsPath>) -> Engine {
    let containers = match facts.get(&Fact::Containers) {
        Some(Ok(FactValue::Containers(containers))) => containers,
        Some(Err(NoFact::Absent(_))) | None => return Engine::None,
        Some(Err(NoFact::Failed(why))) => return Engine::Silent(why.clone()),
        Some(Ok(_)) => return Engine::None,
    };
    let stacks = match facts.get(&Fact::Stacks) {
        Some(Ok(FactValue::Stacks(stacks))) => stacks.clone(),
        Some(_) | None => Vec::new(),
    };
    let holds = |place: &&String| {
        let folder = PathBuf::from(place.trim_end_matches('*'));
        stacks.iter().flat_map(|stack| &stack.files).any(|file| file.as_path().starts_with(&folder))
    };
    let places = place.stacks.iter().filter(holds).cloned().collect();
    // Who watches those of a swarm or of pods is another probe.
    let others = ["com.docker.swarm.task.id", "io.kubernetes.pod.name"];
    let watched = |container: &&Container| {
        !container.opted_out() && others.iter().all(|label| container.label(label).is_none())
    };
    let containers = containers.iter().filter(watched).cloned().collect();
    Engine::Runs { socket: unusual, containers, stacks, places }
}

/// The usual services and the operator's own, as far as they run as a service does.
async fn named_units(link: &LocalHost, running: &[UnitName]) -> Vec<UnitName> {
    let etc = Path::new("/etc/systemd/system");
    let mut names: Vec<UnitName> = usual_units(etc);
    names.retain(|name| running.contains(name));
    names.extend(services::own(running, etc));
    names.sort();
    names.dedup();
    // reef watches itself, and is not there while it is not.
    names.retain(|name| name.as_str() != "reef.service");
    names.truncate(MOST_UNITS);
    let wanted: BTreeSet<Fact> = names.iter().cloned().map(Fact::Unit).collect();
    let facts = patiently(link, &wanted).await;
    let is_up = |unit: &Unit| unit.active == "active" && unit.sub == "running";
    names.retain(|name| {
        matches!(facts.get(&Fact::Unit(name.clone())), Some(Ok(FactValue::Unit(unit))) if is_up(unit))
    });
    names
}

async fn folders(link: &LocalHost) -> Vec<Folder> {
    let there = BACKUPS.iter().filter_map(|path| AbsPath::new(path).ok());
    let wanted: BTreeSet<Fact> =
        there.filter(|path| path.as_path().is_dir()).map(Fact::Newest).collect();
    let facts = patiently(link, &wanted).await;
    let now = SystemClock.now();
    facts
        .into_iter()
        .filter_map(|(fact, found)| match (fact, found) {
            (Fact::Newest(path), Ok(FactValue::Newest(Some(newest)))) => {
                Some(Folder { path, age: now.since(newest.changed_at) })
            }
            _ => None,
        })
        .collect()
}

/// Database servers by their ports, their processes and their containers' images.
fn databases(ports: &[listening::Listening], containers: &[Container]) -> Vec<Database> {
    let mut found = Vec::new();
    for (kind, numbers, processes, images, line) in DATABASES {
        let of_port = ports.iter().find(|port| match &port.process {
            Some(process) => processes.contains(&process.as_str()),
            None => numbers.contains(&port.port),
        });
        if let Some(port) = of_port {
            found.push(Database { kind, by: format!("port {}", port.port), line });
        }
        let of_image = containers.iter().filter(|container| is_image(&container.image, images));
        found.extend(of_image.map(|container| {
            let by = format!("container {}", container.name);
            Database { kind, by, line: None }
        }));
    }
    found
}

/// Whether an image is one of these, from wherever it comes: `ghcr.io/x/postgres:16@sha256:...`.
fn is_image(image: &str, names: &[&str]) -> bool {
    let last = image.rsplit('/').next().unwrap_or("");
    let name = last.split([':', '@']).next().unwrap_or("");
    names.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn databases_are_known_by_what_they_are() {
        let port = |port: u16, process: Option<&str>| listening::Listening {
            port,
            at: IpAddr::V4(Ipv4Addr::LOCALHOST),
            process: process.map(str::to_owned),
        };
        let told = |ports: &[listening::Listening]| -> Vec<String> {
            databases(ports, &[]).into_iter().map(|d| format!("{} {}", d.kind, d.by)).collect()
        };
        assert_eq!(told(&[port(5433, Some("postgres"))]), ["PostgreSQL port 5433"]);
        assert_eq!(told(&[port(3306, None)]), ["MariaDB or MySQL port 3306"]);
        // A tunnel or a proxy on a usual port is none.
        assert_eq!(told(&[port(5432, Some("ssh"))]), Vec::<String>::new());
        for (image, want) in [
            ("postgres:16-alpine", true),
            ("docker.io/library/postgres@sha256:ab", true),
            ("ghcr.io/me/postgres", true),
            ("postgres-exporter:1", false),
            ("", false),
        ] {
            assert_eq!(is_image(image, &["postgres"]), want, "{image}");
        }
    }

    #[test]
    fn the_engine_is_where_it_was_told_to_be() {
        let (place, unusual) =
            engine_at(&Env::of([("DOCKER_HOST", "unix:///run/lab/docker.sock")]));
        assert_eq!(place.socket, Path::new("/run/lab/docker.sock"));
        assert_eq!((place.named, unusual.unwrap().as_str()), (Named::Yes, "/run/lab/docker.sock"));
        let (_, unusual) = engine_at(&Env::of([("DOCKER_HOST", "unix:///var/run/docker.sock")]));
        assert_eq!(unusual, None);
        // A home that would be a pattern, or leave its folder, is none.
        for home in ["/home/*", "/home/../etc", "relative"] {
            let (place, _) = engine_at(&Env::of([("HOME", home)]));
            assert_eq!(place.stacks.len(), STACKS.len(), "{home}");
        }
    }
}
