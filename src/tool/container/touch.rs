//! Which containers may be started anew, and which never.

use std::collections::BTreeSet;

use crate::model::container::{Container, ContainerState, is_no};
use crate::model::target::Target;
use crate::model::tool::Bounds;

/// Whether a container may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    May,
    /// Says why not, as a clause: "somebody stopped it".
    Never(String),
    /// It keeps data: only a runbook that names it.
    Stateful,
}

/// Whether the runbook names the very container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Yes,
    No,
}

impl Named {
    /// By what the runbook says letter by letter.
    pub fn of(bounds: &Bounds, target: &Target, container: &Container) -> Self {
        let named = |known: &Target| {
            known == target || (known.on() == target.on() && super::is_meant(known, container))
        };
        if bounds.named.iter().any(named) { Self::Yes } else { Self::No }
    }
}

/// Who starts these anew by itself, and would only be disturbed.
const OTHERS: [(&str, &str); 2] = [
    ("com.docker.swarm.task.id", "it belongs to a Swarm, which replaces it by itself"),
    ("io.kubernetes.pod.name", "it belongs to Kubernetes, which replaces it by itself"),
];

/// Images that keep data, by any part of their name.
const STATEFUL: [&str; 33] = [
    "postgres",
    "postgresql",
    "postgis",
    "timescaledb",
    "pgvector",
    "pgvecto",
    "mysql",
    "mariadb",
    "percona",
    "mongo",
    "mongodb",
    "redis",
    "valkey",
    "keydb",
    "influxdb",
    "clickhouse",
    "elasticsearch",
    "opensearch",
    "etcd",
    "cassandra",
    "scylla",
    "couchdb",
    "couchbase",
    "neo4j",
    "rabbitmq",
    "kafka",
    "redpanda",
    "zookeeper",
    "minio",
    "mssql",
    "cockroach",
    "surrealdb",
    "victoria",
];
/// Parts of a name by which an image is only near a database.
const BESIDE: [&str; 7] = ["exporter", "backup", "admin", "adminer", "commander", "ui", "proxy"];

/// Whether a container keeps data that a hard stop may hurt. `databases` are names of the operator's own; the
/// label `reef.stateful` says it for sure.
pub fn is_stateful(container: &Container, databases: &BTreeSet<String>) -> bool {
    if let Some(said) = container.label("reef.stateful") {
        return !is_no(said);
    }
    let name = container.image.split('@').next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let parts: Vec<&str> = name.split(['-', '_', '.']).collect();
    let any = |known: &[&str]| parts.iter().any(|part| known.contains(part));
    (any(&STATEFUL) && !any(&BESIDE))
        || databases.contains(&name)
        || databases.contains(&container.name)
}

/// Whether this container may be started anew.
pub fn touch(container: &Container, named: Named, databases: &BTreeSet<String>) -> Touch {
    let never = |why: &str| Touch::Never(why.to_owned());
    if container.opted_out() {
        return never("its label reef.watch says that reef is to leave it alone");
    }
    if container.label("reef.restart").is_some_and(is_no) {
        return never("its label reef.restart says no");
    }
    if let Some((_, why)) = OTHERS.iter().find(|(label, _)| container.label(label).is_some()) {
        return never(why);
    }
    if is_own(container) {
        return never("reef itself runs in it");
    }
    match container.state {
        ContainerState::Running => {}
        ContainerState::Restarting => {
            return never("the engine is restarting it already; one more restart would not help");
        }
        ContainerState::Exited if !container.stopped_on_purpose() => {}
        ContainerState::Exited | ContainerState::Created | ContainerState::Paused => {
            return never("somebody stopped it, or its work is done");
        }
        ContainerState::Removing | ContainerState::Dead => return never("it is being removed"),
        ContainerState::Other => return never("it is in a state that reef does not know"),
    }
    match named {
        Named::No if is_stateful(container, databases) => Touch::Stateful,
        Named::Yes | Named::No => Touch::May,
    }
}

/// Whether this process lives in the container: its mounts are told with the container's id then.
fn is_own(container: &Container) -> bool {
    if container.id.len() < 12 {
        return false;
    }
    std::fs::read_to_string("/proc/self/mountinfo")
        .is_ok_and(|mounts| mounts.contains(&format!("/containers/{}/", container.id)))
}

impl Touch {
    /// The refusal in words; `None` where it may be touched.
    pub fn refusal(&self, container: &Container) -> Option<String> {
        match self {
            Self::May => None,
            Self::Never(why) => Some(format!("{} is not restarted: {why}", container.name)),
            Self::Stateful => Some(format!(
                "{} keeps data (its image is {}): it is restarted only by a runbook that names it, with \
                 what has to come before; the label reef.stateful=false says that it keeps none",
                container.name, container.image
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::{Ended, Health, RestartPolicy};
    use crate::model::time::Millis;
    use crate::tool::tests::container;

    #[test]
    fn what_is_stopped_restarting_or_not_ours_is_never_touched() {
        let of = |change: &dyn Fn(&mut Container)| {
            let mut c = container("app");
            change(&mut c);
            touch(&c, Named::Yes, &BTreeSet::new())
        };
        let label = |name: &'static str, value: &'static str| {
            move |c: &mut Container| drop(c.labels.insert(name.into(), value.into()))
        };
        assert_eq!(of(&|_| {}), Touch::May);
        assert_eq!(of(&|c| c.health = Health::Unhealthy { streak: 5 }), Touch::May);
        let ended = |code: i32, ended: Ended, policy: RestartPolicy| {
            move |c: &mut Container| {
                (c.state, c.exit_code, c.ended, c.policy) =
                    (ContainerState::Exited, Some(code), ended, policy);
                c.finished_at = Some(Millis(1));
            }
        };
        for (code, end, policy) in [
            (1, Ended::Own, RestartPolicy::No),
            (137, Ended::Oom, RestartPolicy::No),
            (1, Ended::Own, RestartPolicy::Always),
            (0, Ended::Own, RestartPolicy::Always),
            (7, Ended::Untold, RestartPolicy::No),
        ] {
            assert_eq!(of(&ended(code, end, policy)), Touch::May, "{code} {end:?} {policy:?}");
        }
        type Change<'a> = &'a dyn Fn(&mut Container);
        let never: [(&str, Change<'_>); 13] = [
            ("opted out", &label("reef.watch", "false")),
            ("opted out of restarts", &label("reef.restart", "no")),
            ("swarm", &label("com.docker.swarm.task.id", "x")),
            ("kubernetes", &label("io.kubernetes.pod.name", "x")),
            ("restarting", &|c| c.state = ContainerState::Restarting),
            ("paused", &|c| c.state = ContainerState::Paused),
            ("created", &|c| c.state = ContainerState::Created),
            ("dead", &|c| c.state = ContainerState::Dead),
            ("other", &|c| c.state = ContainerState::Other),
            ("stopped", &ended(137, Ended::Asked, RestartPolicy::Always)),
            ("done", &ended(0, Ended::Own, RestartPolicy::No)),
            ("as a stop would", &ended(143, Ended::Untold, RestartPolicy::No)),
            ("stopped long ago", &ended(1, Ended::Untold, RestartPolicy::UnlessStopped)),
        ];
        for (what, change) in never {
            assert!(matches!(of(change), Touch::Never(_)), "{what}: {:?}", of(change));
        }
    }

    #[test]
    fn what_keeps_data_is_touched_only_where_it_is_named() {
        let own = BTreeSet::from(["paperless-db".to_owned()]);
        let of = |image: &str, named| {
            let mut c = container("db");
            c.image = image.into();
            touch(&c, named, &own)
        };
        for image in [
            "postgres:16",
            "docker.io/bitnami/postgresql:15",
            "tensorchord/pgvecto-rs:pg14",
            "mariadb",
            "library/redis@sha256:00",
            "ghcr.io/me/paperless-db:1",
        ] {
            assert_eq!(of(image, Named::No), Touch::Stateful, "{image}");
            assert_eq!(of(image, Named::Yes), Touch::May, "{image}");
        }
        for image in [
            "jellyfin/jellyfin",
            "prom/mysqld-exporter",
            "adminer",
            "redis-commander",
            "postgres-backup",
        ] {
            assert_eq!(of(image, Named::No), Touch::May, "{image}");
        }
        let mut c = container("app");
        c.labels.insert("reef.stateful".into(), "true".into());
        assert_eq!(touch(&c, Named::No, &own), Touch::Stateful);
        c.image = "postgres:16".into();
        c.labels.insert("reef.stateful".into(), "false".into());
        assert_eq!(touch(&c, Named::No, &own), Touch::May);
    }

    #[test]
    fn a_runbook_names_by_name_or_by_place() {
        let mut c = container("media-db-1");
        c.labels.insert("com.docker.compose.project".into(), "media".into());
        c.labels.insert("com.docker.compose.service".into(), "db".into());
        let target = "mini:container:media-db-1".parse().unwrap();
        let bounds =
            |named: &str| Bounds { named: vec![named.parse().unwrap()], ..Bounds::default() };
        for named in ["mini:container:media-db-1", "mini:compose:media/db"] {
            assert_eq!(Named::of(&bounds(named), &target, &c), Named::Yes, "{named}");
        }
        for named in ["nas:container:media-db-1", "mini:container:media", "mini:compose:media/web"]
        {
            assert_eq!(Named::of(&bounds(named), &target, &c), Named::No, "{named}");
        }
        assert_eq!(Named::of(&Bounds::default(), &target, &c), Named::No);
    }
}
