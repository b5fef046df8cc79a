//! What is written of what was found: it parses, knows no unknown key, and nothing that a machine said gets out of its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::init::answers::Answers;
use crate::cli::init::config::config;
use crate::cli::init::found::{
    Cluster, Concern, Database, Endpoint, Engine, Folder, Found, Remote, Remotes, Seen,
};
use crate::cli::init::inventory::inventory;
use crate::cli::init::{checked, summary};
use crate::cli::page::Page;
use crate::clients::survey::jobs::Job;
use crate::clients::survey::month::Month;
use crate::config::env::Env;
use crate::config::given::Source;
use crate::daemon::assemble::{self, Assembled};
use crate::model::container::{
    Container, ContainerState, Ended, Health, RestartPolicy, Stack, StackService,
};
use crate::model::fact::{Lines, Volume};
use crate::model::ids::{HostName, RunbookName, UnitName};
use crate::model::plan::Leash;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::probe::Probe;
use crate::probe::reef_self::Uncounted;

/// What a name may try: to end its quotes, its line, its table, its remark; to be a variable; to steer.
const HOSTILE: [&str; 9] = [
    "a\"b",
    "x\"\nceiling = \"auto",
    "y\n[host.evil]\n",
    "z\\",
    "${HOME}",
    "\u{1b}[2J\u{202e}",
    "] # ",
    "'''",
    "|\n## mini: nothing broke\n- all is well",
];

fn path(text: &str) -> AbsPath {
    AbsPath::new(text).unwrap()
}

fn unit(name: &str) -> UnitName {
    UnitName::new(name).unwrap()
}

fn container(name: &str) -> Container {
    Container {
        name: name.to_owned(),
        id: "0".repeat(64),
        image: format!("example/{name}:1"),
        image_id: String::new(),
        image_created_at: None,
        state: ContainerState::Running,
        health: Health::None,
        exit_code: Some(0),
        oom_killed: false,
        error: None,
        restarts: 0,
        created_at: Millis(0),
        started_at: None,
        finished_at: None,
        policy: RestartPolicy::Always,
        ended: Ended::Untold,
        privileged: false,
        reaches: Vec::new(),
        memory_limit: None,
        memory: None,
        labels: BTreeMap::new(),
    }
}

fn remote(
    name: &'static str,
    through: Option<&'static str>,
    state: Result<Seen, String>,
) -> Remote {
    Remote {
        name: HostName::of(name),
        also: Vec::new(),
        way: format!("root@{name}"),
        through: through.map(HostName::of),
        state,
        fingerprints: Vec::new(),
    }
}

/// A machine with one of everything.
fn full() -> Found {
    let here = HostName::of("mini");
    let volume = Volume {
        mount: path("/srv"),
        source: "/dev/sda1".into(),
        fs: "ext4".into(),
        total_bytes: 1 << 40,
        free_bytes: 1 << 39,
        total_inodes: 0,
        free_inodes: 0,
        read_only: false,
        stale: None,
    };
    let service = |name: &str| StackService {
        name: name.into(),
        replicas: 1,
        profiled: false,
        restarts: true,
        opted_out: false,
    };
    let stack = Stack {
        name: "media".into(),
        files: vec![path("/opt/stacks/media/compose.yaml")],
        services: vec![service("jellyfin")],
        fault: None,
        written: None,
    };
    let mut gone = remote("pve1", Some("gate"), Err("its host key is not known here".into()));
    gone.fingerprints = vec!["256 SHA256:abc pve1 (ED25519)".into()];
    Found {
        volumes: Ok(vec![volume]),
        failed: vec![unit("broken.service")],
        running: Ok(41),
        units: vec![unit("nginx.service"), unit("game@one.service"), unit("a\\x2db.service")],
        engine: Engine::Runs {
            socket: Some(path("/run/podman/podman.sock")),
            containers: vec![container("jellyfin"), container("my.db")],
            stacks: vec![stack],
            places: vec!["/opt/stacks/*".into()],
        },
        clusters: vec![
            Cluster {
                name: HostName::of("k3s"),
                kubeconfig: path("/etc/rancher/k3s/k3s.yaml"),
                state: Ok(()),
            },
            Cluster {
                name: HostName::of("cluster"),
                kubeconfig: path("/home/me/.kube/config"),
                state: Err("No.".into()),
            },
        ],
        endpoints: vec![
            Endpoint {
                server: "127.0.0.1:443".into(),
                name: "photos.home.example".into(),
                state: Ok(Span::days(60)),
            },
            Endpoint {
                server: "[::1]:8443".into(),
                name: "photos.home.example".into(),
                state: Ok(Span::days(1)),
            },
            Endpoint {
                server: "127.0.0.1:8006".into(),
                name: "pve".into(),
                state: Err("nobody trusts it".into()),
            },
        ],
        databases: vec![
            Database {
                kind: "PostgreSQL",
                by: "port 5432".into(),
                line: Some("postgres.main = { url = \"postgres://reef@127.0.0.1:5432/postgres\" }"),
            },
            Database { kind: "PostgreSQL", by: "container my.db".into(), line: None },
        ],
        backups: vec![
            Job {
                tool: "restic",
                place: "/etc/crontab".into(),
                schedule: Some("30 1 * * *".into()),
            },
            Job { tool: "restic", place: "nightly.timer".into(), schedule: None },
        ],
        idle: vec!["borg"],
        folders: vec![
            Folder { path: path("/srv/backup"), age: Span::hours(5) },
            Folder { path: path("/backups"), age: Span::days(400) },
        ],
        month: Ok(Month {
            failed: vec![(Tainted::new("nginx.service"), 14)],
            killed: vec![(Tainted::new("jellyfin"), 3)],
            errors: Lines {
                errors: 9,
                templates: vec![(Tainted::new("app: cannot reach <ip>"), 9)],
                over: Span::days(30),
            },
        }),
        remotes: Remotes {
            file: Some(PathBuf::from("/home/me/.ssh/config")),
            ssh_config: Some(path("/home/me/.ssh/config")),
            user: "the user 1000".into(),
            hosts: vec![
                remote("gate", None, Ok(Seen::default())),
                remote(
                    "nas",
                    Some("gate"),
                    Ok(Seen { containers: Some(vec!["photos".into()]), ..Seen::default() }),
                ),
                gone,
                // It hangs on one that does not answer, which is then no parent to name.
                remote("far", Some("pve1"), Ok(Seen::default())),
            ],
            left_out: vec![("github.com".into(), "a place for code".into())],
        },
        books: [
            ("disk-full", Concern::Health),
            ("certificate", Concern::Certificates),
            ("error-spike", Concern::Logs),
        ]
        .map(|(name, concern)| (RunbookName::new(name).unwrap(), concern))
        .to_vec(),
        ..Found::nothing(here, "2026-03-03 10:22".into())
    }
}

#[track_caller]
fn read(text: &str) -> (Assembled, Vec<Probe>) {
    let mut env = Env::of([("HOME", "/home/me")]);
    env.machine = "mini".into();
    let read = assemble::read(Source::new("config.toml", text), &env, Arc::new(Uncounted));
    read.unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

fn names(probes: &[Probe]) -> Vec<&str> {
    probes.iter().map(|probe| probe.name.as_str()).collect()
}

#[test]
fn one_of_everything_is_a_config_that_says_it() {
    let mut answers = Answers::default();
    answers.tolerances.insert("my.db".into(), Span::mins(2));
    answers.tolerances.insert("nginx".into(), Span::hours(1));
    let text = config(&full(), &answers);
    let (assembled, probes) = read(&text);
    let globals = &assembled.globals;
    assert!(assembled.outcome.findings.is_empty(), "{:?}\n{text}", assembled.outcome.findings);
    assert_eq!(globals.ceiling, Leash::Ask);
    let hosts: Vec<&str> = globals.hosts.keys().map(HostName::as_str).collect();
    assert_eq!(hosts, ["far", "gate", "mini", "nas"], "what did not answer is no host");
    let parent = |host: &'static str| {
        globals.hosts[&HostName::of(host)].parent.as_ref().map(|parent| parent.as_str().to_owned())
    };
    assert_eq!(
        (parent("nas").as_deref(), parent("far"), parent("gate")),
        (Some("gate"), None, None)
    );
    assert_eq!(globals.hosts[&HostName::of("mini")].stacks, ["/opt/stacks/*"]);
    assert_eq!(globals.docker.socket, Path::new("/run/podman/podman.sock"));
    let ceiling =
        |book: &str| globals.runbooks.get(&RunbookName::new(book).unwrap()).and_then(|b| b.ceiling);
    assert_eq!(
        (ceiling("disk-full"), ceiling("certificate"), ceiling("error-spike")),
        (None, Some(Leash::Observe), Some(Leash::Observe))
    );
    for want in [
        "unit.nginx",
        "unit.game@one",
        "unit.a\\x2db",
        "tls.photos",
        "tls.photos-8443",
        "backup.srv-backup",
    ] {
        assert!(names(&probes).contains(&want), "no {want} in {:?}", names(&probes));
    }
    for not in ["tls.pve", "backup.backups", "push.restic", "postgres.main"] {
        assert!(!names(&probes).contains(&not), "{not}");
    }
    let care = |name: &str| {
        &probes
            .iter()
            .find(|probe| probe.name == name && probe.host == globals.host_name)
            .unwrap()
            .care
    };
    assert_eq!(care("unit.nginx").tolerance, Some(Span::hours(1)));
    assert_eq!(care("unit.game@one").tolerance, Some(Span::mins(10)));
    assert_eq!(care("docker").tolerance, Some(Span::mins(10)));
    assert_eq!(care("docker").tolerances, BTreeMap::from([("my.db".to_owned(), Span::mins(2))]));
    for told in [
        "SHA256:abc",
        "left out: github.com (a place for code)",
        "reef ping restic-2",
        "#[host.pve1]",
        "nobody trusts it",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn what_stands_behind_a_hash_is_a_config_too() {
    let text = config(&full(), &Answers::default());
    // Every line that only wants its # taken away.
    let bare = |line: &str| {
        let rest = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['));
        rest.unwrap_or(line).to_owned()
    };
    let all: Vec<String> = text.lines().map(bare).collect();
    let all = all.join("\n").replace(", token_file = \"/etc/reef/secrets/ntfy\"", "");
    let (assembled, probes) = read(&all);
    assert!(assembled.globals.hosts.contains_key(&HostName::of("pve1")));
    for want in ["push.restic-2", "backup.backups", "http.jellyfin", "tls.pve"] {
        assert!(names(&probes).contains(&want), "no {want} in {:?}", names(&probes));
    }
}

#[test]
fn a_dry_machine_gives_a_config_too() {
    let nothing = Found::nothing(HostName::of("mini"), "2026-03-03 10:22".into());
    for answers in [
        Answers::default(),
        Answers {
            leash: Leash::Observe,
            quiet: None,
            first: Concern::Backups,
            ..Answers::default()
        },
    ] {
        let (assembled, probes) = read(&config(&nothing, &answers));
        assert_eq!(assembled.globals.ceiling, answers.leash);
        assert!(assembled.globals.hosts.is_empty() && 10 < probes.len());
    }
    let text = inventory(&nothing, &Answers::default());
    assert!(text.contains("no backup") && text.contains("nothing, by the journal"), "{text}");
}

#[test]
fn each_concern_lets_its_own_runbooks_ask() {
    for first in Concern::ALL {
        let text = config(&full(), &Answers { first, ..Answers::default() });
        let (assembled, _) = read(&text);
        for (book, concern) in full().books {
            let own = assembled.globals.runbooks.get(&book).and_then(|section| section.ceiling);
            assert_eq!(own, (concern != first).then_some(Leash::Observe), "{book} under {first:?}");
        }
    }
}

/// A found thing for every place that a machine's word may come to.
fn hostile(name: &str) -> Found {
    let mut found = full();
    let units = ["a\"b.service", "x\\.service", "${HOME}.service", "]#.service"];
    found.units = units.map(unit).to_vec();
    found.failed = found.units.clone();
    found.at = name.to_owned();
    found.volumes = Err(name.to_owned());
    found.running = Err(name.to_owned());
    if let Engine::Runs { containers, stacks, .. } = &mut found.engine {
        containers.push(container(name));
        stacks[0].name = name.to_owned();
    }
    found.clusters[1].state = Err(name.to_owned());
    found.endpoints[2].state = Err(name.to_owned());
    found.endpoints[2].name = name.to_owned();
    found.databases[0].by = name.to_owned();
    found.backups[0].place = name.to_owned();
    found.backups[0].schedule = Some(name.to_owned());
    let month = found.month.as_mut().unwrap();
    month.failed[0].0 = Tainted::new(name);
    month.killed[0].0 = Tainted::new(name);
    month.errors.templates[0].0 = Tainted::new(name);
    let host = &mut found.remotes.hosts[2];
    (host.way, host.state) = (name.to_owned(), Err(name.to_owned()));
    (host.also, host.fingerprints) = (vec![name.to_owned()], vec![name.to_owned()]);
    found.remotes.hosts[0].also = vec![name.to_owned()];
    found.remotes.hosts[1].state = Ok(Seen {
        containers: Some(vec![name.to_owned()]),
        volumes: vec![name.to_owned()],
        ..Seen::default()
    });
    found.remotes.file = Some(PathBuf::from(name));
    found.remotes.user = name.to_owned();
    found.remotes.left_out = vec![(name.to_owned(), name.to_owned())];
    found
}

#[test]
fn nothing_that_a_machine_says_gets_out_of_its_place() {
    let (plain, _) = read(&config(&full(), &Answers::default()));
    let hosts = |assembled: &Assembled| assembled.globals.hosts.keys().cloned().collect::<Vec<_>>();
    for name in HOSTILE {
        let found = hostile(name);
        let mut answers = Answers::default();
        answers.tolerances.insert(name.to_owned(), Span::mins(3));
        let text = config(&found, &answers);
        let (assembled, probes) = read(&text);
        assert_eq!(assembled.globals.ceiling, Leash::Ask, "{name:?}");
        assert_eq!(hosts(&assembled), hosts(&plain), "{name:?}");
        let docker = probes.iter().find(|probe| probe.name == "docker").unwrap();
        assert_eq!(docker.care.tolerances, BTreeMap::from([(name.to_owned(), Span::mins(3))]));
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{name:?}");

        let text = inventory(&found, &answers);
        let headings = |text: &str| {
            text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(headings(&text), headings(&inventory(&full(), &Answers::default())), "{name:?}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{name:?}");
        let seen = summary::before(&found, &Page::PIPE);
        assert!(!seen.contains(['\u{1b}', '\u{202e}']), "{name:?}");
    }
}

#[test]
fn the_inventory_says_what_is_here_and_how_it_is_checked() {
    let mut answers = Answers::default();
    answers.tolerances.insert("jellyfin".into(), Span::hours(1));
    let text = inventory(&full(), &answers);
    for line in [
        "- volume: /srv (ext4, 1 TiB) (checked by disk)",
        "- service: nginx.service (checked by unit, may be down for 10 min)",
        "- container: jellyfin of example/jellyfin:1, running (checked by docker, may be down for 60 min)",
        "- compose project: media in /opt/stacks/media/compose.yaml, 1 service (checked by compose)",
        "- backup: restic by /etc/crontab at 30 1 * * * (not checked until it reports in)",
        "- backup: /srv/backup, newest file 5 h old (checked by backup)",
        "- backup: /backups, newest file 400 d old (not checked)",
        "- backup tool: borg (installed; no job of it was found)",
        "- nginx.service failed 14 times",
        "- the kernel killed jellyfin 3 times for want of memory",
        "- 9 errors like: app: cannot reach <ip>",
        "- containers: photos (checked by docker)",
        "- not watched: its host key is not known here",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line:?} in:\n{text}");
    }
    let own = crate::policy::inventory::about(&text, &HostName::of("nas"));
    assert!(
        own.starts_with("## nas\n") && own.contains("photos") && !own.contains("nginx"),
        "{own}"
    );
    let own = crate::policy::inventory::about(&text, &HostName::of("mini"));
    assert!(
        own.contains("failed 14 times")
            && own.contains("restic")
            && !own.contains("photos.service"),
        "{own}"
    );
}

#[test]
fn a_config_with_mistakes_is_not_written() {
    let env = Env::of([]);
    assert!(checked("ceiling = \"ask\"\n", Path::new("/x.toml"), &env).is_ok());
    let why = checked("ceiling = \"asks\"\n", Path::new("/x.toml"), &env).unwrap_err();
    assert!(why.to_string().contains("nothing was written"), "{why}");
}
