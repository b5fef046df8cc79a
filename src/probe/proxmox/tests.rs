//! A Proxmox VE that keeps state and answers as the real API does: paths, field names, tokens, refusals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value as Json, json};

use super::*;
use crate::clients::http::Http;
use crate::clients::http::loopback::serve;
use crate::config::keys::held;
use crate::model::severity::Severity::{self, Green, Red, Unknown, Yellow};
use crate::probe::ask::NoPast;

const NOW: Millis = Millis(1_760_000_000_000);
const TOKEN: &str = "PVEAPIToken=reef@pve!reef=5d0c1b3e-0b5a-4b0e-9a35-6f3b1f6c7a11";

struct FakeGuest {
    kind: &'static str,
    node: &'static str,
    running: bool,
    onboot: bool,
    lock: Option<&'static str>,
}

/// What the operator's cluster is like; tests change it between two looks.
struct Fake {
    quorate: bool,
    nodes: BTreeMap<&'static str, bool>,
    guests: BTreeMap<u64, FakeGuest>,
    /// Node, type, id, user, when it ended (seconds ago), status.
    tasks: Vec<(&'static str, &'static str, String, &'static str, i64, &'static str)>,
    replication_fails: u64,
    metadata_used: u64,
    zfs: &'static str,
    nas_is_there: bool,
    uncovered: Vec<u64>,
    forbidden: &'static str,
}

impl Fake {
    fn well() -> Self {
        let guest =
            |kind, node, running, onboot| FakeGuest { kind, node, running, onboot, lock: None };
        Self {
            quorate: true,
            nodes: BTreeMap::from([("pve1", true), ("pve2", true), ("pve3", true)]),
            guests: BTreeMap::from([
                (100, guest("qemu", "pve1", true, true)),
                (101, guest("lxc", "pve2", true, true)),
                (102, guest("qemu", "pve1", false, false)),
            ]),
            tasks: vec![("pve1", "vzdump", String::new(), "root@pam", 3_600, "OK")],
            replication_fails: 0,
            metadata_used: 3 << 20,
            zfs: "ONLINE",
            nas_is_there: true,
            uncovered: Vec::new(),
            forbidden: "nothing is",
        }
    }

    /// What is at a path; numbers and flags as Perl writes them, some as text.
    fn data(&self, path: &str, query: &str) -> Option<Json> {
        let parts: Vec<&str> = path.split('/').collect();
        let online = |node: &str| self.nodes.get(node).copied().unwrap_or(false);
        Some(match parts[..] {
            ["cluster", "status"] => {
                let mut all =
                    vec![json!({"type": "cluster", "id": "cluster", "name": "home", "nodes": 3,
                    "quorate": i32::from(self.quorate), "version": 7})];
                all.extend(self.nodes.iter().map(|(name, is)| json!({"type": "node", "id": format!("node/{name}"),
                    "name": name, "online": i32::from(*is), "local": 0, "nodeid": 1, "ip": "10.0.0.11", "level": ""})));
                json!(all)
            }
            ["cluster", "resources"] => json!(self.resources()),
            ["cluster", "backup"] => {
                json!([{"id": "backup-1", "enabled": 1, "schedule": "02:00", "all": 1}])
            }
            ["cluster", "backup-info", "not-backed-up"] => json!(
                self.uncovered
                    .iter()
                    .map(|id| json!({"vmid": id, "name": "bare", "type": "qemu"}))
                    .collect::<Vec<_>>()
            ),
            ["nodes", _, kind @ ("qemu" | "lxc"), vmid, "config"] => {
                let guest =
                    self.guests.get(&vmid.parse().ok()?).filter(|guest| guest.kind == kind)?;
                match guest.onboot {
                    true => json!({"name": "x", "onboot": 1, "memory": "2048", "digest": "d"}),
                    false => json!({"name": "x", "memory": "2048", "digest": "d"}),
                }
            }
            ["nodes", node, "tasks"] => json!(self.tasks_of(node, query)),
            ["nodes", "pve1", "replication"] => {
                json!([{"id": "101-0", "type": "local", "guest": "101", "jobnum": "0",
                "source": "pve1", "target": "pve2", "schedule": "*/15", "fail_count": self.replication_fails,
                "last_sync": NOW.0 / 1_000 - 600, "next_sync": NOW.0 / 1_000, "duration": 3.2,
                "error": if self.replication_fails == 0 { Json::Null } else { json!("No route to host") }}])
            }
            ["nodes", "pve1", "disks", "lvmthin"] => {
                json!([{"lv": "data", "vg": "pve", "lv_size": 100_u64 << 30,
                "used": 40_u64 << 30, "metadata_size": 10 << 20, "metadata_used": self.metadata_used}])
            }
            ["nodes", "pve2", "disks", "zfs"] => {
                json!([{"name": "rpool", "size": 1_000_u64 << 30, "alloc": 500_u64 << 30,
                "free": 500_u64 << 30, "frag": 11, "dedup": 1.0, "health": self.zfs}])
            }
            ["nodes", node, "replication"] | ["nodes", node, "disks", "lvmthin" | "zfs"]
                if online(node) =>
            {
                json!([])
            }
            _ => return None,
        })
    }

    fn resources(&self) -> Vec<Json> {
        let mut all: Vec<Json> = Vec::new();
        for (id, guest) in &self.guests {
            let status = match (self.nodes[guest.node], guest.running) {
                (false, _) => "unknown",
                (true, true) => "running",
                (true, false) => "stopped",
            };
            let mut one = json!({"id": format!("{}/{id}", guest.kind), "type": guest.kind, "vmid": id, "name": format!("g{id}"),
                "node": guest.node, "status": status, "template": 0, "maxmem": 2147483648_u64, "uptime": 5});
            if let Some(lock) = guest.lock {
                one["lock"] = json!(lock);
            }
            all.push(one);
        }
        all.push(json!({"id": "qemu/9000", "type": "qemu", "vmid": 9000, "name": "tmpl", "node": "pve1", "status": "stopped",
            "template": 1}));
        for (node, online) in &self.nodes {
            let nas = if *online && (self.nas_is_there || *node != "pve2") {
                "available"
            } else {
                "unknown"
            };
            all.push(json!({"id": format!("storage/{node}/nas"), "type": "storage", "storage": "nas", "node": node,
                "status": nas, "disk": 10_u64 << 40, "maxdisk": 20_u64 << 40, "plugintype": "nfs", "shared": 1}));
            all.push(json!({"id": format!("storage/{node}/local"), "type": "storage", "storage": "local", "node": node,
                "status": if *online { "available" } else { "unknown" }, "disk": 90_u64 << 30, "maxdisk": 100_u64 << 30,
                "plugintype": "dir", "shared": 0}));
            all.push(json!({"id": format!("node/{node}"), "type": "node", "node": node, "status": "online"}));
        }
        all.push(json!({"id": "sdn/pve1/localnetwork", "type": "sdn", "sdn": "localnetwork", "node": "pve1", "status": "ok"}));
        all
    }

    fn tasks_of(&self, node: &str, query: &str) -> Vec<Json> {
        let wanted = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)).map(str::to_owned)
        };
        let (kind, vmid) = (wanted("typefilter="), wanted("vmid="));
        let mut tasks: Vec<_> = self.tasks.iter().filter(|task| task.0 == node).collect();
        tasks.sort_by_key(|task| task.4);
        tasks
            .into_iter()
            .filter(|task| kind.as_ref().is_none_or(|kind| kind == task.1))
            .filter(|task| vmid.as_ref().is_none_or(|vmid| *vmid == task.2))
            .map(|(node, kind, id, user, ago, status)| {
                let ended = NOW.0 / 1_000 - ago;
                json!({"upid": format!("UPID:{node}:0001:0002:{kind}:{id}:{user}:"), "node": node, "pid": 1, "pstart": 2,
                    "starttime": ended - 10, "endtime": ended, "type": kind, "id": id, "user": user, "status": status})
            })
            .collect()
    }
}

type Held = Arc<Mutex<Fake>>;

async fn answer(State(fake): State<Held>, uri: Uri, headers: HeaderMap) -> (StatusCode, String) {
    let fake = fake.lock().unwrap();
    if headers.get("authorization").is_none_or(|said| said.to_str().ok() != Some(TOKEN)) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let Some(path) = uri.path().strip_prefix("/api2/json/") else {
        return (StatusCode::NOT_FOUND, String::new());
    };
    if path.contains(fake.forbidden) {
        let why = json!({"data": null, "message": "Permission check failed (/, Sys.Audit)\n"});
        return (StatusCode::FORBIDDEN, why.to_string());
    }
    let of = path.strip_prefix("nodes/").and_then(|rest| rest.split('/').next());
    if of.is_some_and(|node| fake.nodes.get(node) == Some(&false)) {
        // What pveproxy says where it cannot reach a node.
        return (StatusCode::from_u16(595).unwrap(), String::new());
    }
    match fake.data(path, uri.query().unwrap_or_default()) {
        Some(data) => (StatusCode::OK, json!({ "data": data }).to_string()),
        None => {
            let why =
                json!({"data": null, "message": format!("Method 'GET /{path}' not implemented")});
            (StatusCode::NOT_IMPLEMENTED, why.to_string())
        }
    }
}

struct Lab {
    fake: Held,
    probe: ProxmoxProbe,
    now: Millis,
    _tasks: tokio::task::JoinSet<()>,
}

impl Lab {
    async fn new(settings: Settings, secret: &str) -> Self {
        let fake = Arc::new(Mutex::new(Fake::well()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        let (base, tasks) = serve(app).await;
        let login = Login::Token { before: "PVEAPIToken=reef@pve!reef=".into(), key: held(secret) };
        let url = WebUrl::parse(&base).unwrap();
        let api = Api { http: Http::new(), url, login, timeout: Span::secs(5) };
        let voice = Voice::new("proxmox", "mini:endpoint:pve".parse().unwrap());
        let probe = ProxmoxProbe::new(settings, voice, Proxmox { api }, Span::secs(20));
        Self { fake, probe, now: NOW, _tasks: tasks }
    }

    async fn well() -> Self {
        Self::new(Settings::default(), TOKEN.rsplit_once('=').unwrap().1).await
    }

    fn with(&self, change: impl FnOnce(&mut Fake)) {
        change(&mut self.fake.lock().unwrap());
    }

    /// What is not green, by the part's name and aspect. What is asked for seldom is asked for anew.
    async fn look(&mut self) -> BTreeMap<String, (Severity, String)> {
        let told = self.readings().await;
        let bad = told.into_iter().filter(|reading| reading.severity != Green);
        bad.map(|r| {
            let name =
                r.signal.target.name().trim_start_matches("pve").trim_start_matches('.').to_owned();
            (format!("{name} {}", r.signal.aspect), (r.severity, r.reason.to_string()))
        })
        .collect()
    }

    async fn readings(&mut self) -> Vec<Reading> {
        self.probe.slow = None;
        let told = self.probe.look(&NoPast, self.now).await;
        let mut signals: Vec<_> = told.iter().map(|r| r.signal.clone()).collect();
        signals.sort();
        signals.dedup();
        assert_eq!(signals.len(), told.len(), "each signal is told once");
        told
    }
}

fn only(of: &[(&str, Severity, &str)]) -> BTreeMap<String, (Severity, String)> {
    of.iter()
        .map(|(name, severity, reason)| ((*name).to_owned(), (*severity, (*reason).to_owned())))
        .collect()
}

/// `local` of each node is 90 % full from the beginning, so that a yellow is always there.
fn usual(of: &[(&str, Severity, &str)]) -> BTreeMap<String, (Severity, String)> {
    let mut all = only(of);
    for node in ["pve1", "pve2", "pve3"] {
        let name = format!("storage-{node}-local used");
        all.entry(name).or_insert((Yellow, "full".into()));
    }
    all
}

#[tokio::test]
async fn a_well_cluster_is_green_in_all_its_parts() {
    let mut lab = Lab::well().await;
    assert_eq!(lab.look().await, usual(&[]));
    let told = lab.readings().await;
    assert_eq!(told[0].words.as_str(), "home: 3 of 3 nodes online, 2 guests run");
    let names: Vec<String> =
        told.iter().map(|r| format!("{} {}", r.signal.target.name(), r.signal.aspect)).collect();
    for name in [
        "pve.vm-100 guest",
        "pve.ct-101 guest",
        "pve.vm-102 guest",
        "pve.storage-nas used",
        "pve.thin-pve1-pve-data data",
        "pve.thin-pve1-pve-data metadata",
        "pve.zfs-pve2-rpool health",
        "pve.replication-101-0 replication",
        "pve.node-pve1 backup",
        "pve cover",
    ] {
        assert!(names.iter().any(|known| known == name), "{name} is missing in {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("9000")), "a template is no guest");
    let guest = told.iter().find(|r| r.signal.target.name() == "pve.vm-102").unwrap();
    assert_eq!(guest.words.as_str(), "g102 (vm 102 on pve1) is off, and does not start at boot");
}

#[tokio::test]
async fn a_guest_that_somebody_stopped_is_meant_and_one_that_fell_is_not() {
    let mut lab = Lab::well().await;
    let stop = |fake: &mut Fake| fake.guests.get_mut(&100).unwrap().running = false;
    lab.with(stop);
    assert_eq!(lab.look().await, usual(&[("vm-100 guest", Red, "down")]));
    lab.with(|fake| {
        fake.tasks.push(("pve1", "qmstart", "100".into(), "root@pam", 9_000, "OK"));
        fake.tasks.push(("pve1", "qmshutdown", "100".into(), "anna@pve", 7_200, "OK"));
    });
    assert_eq!(lab.look().await, usual(&[]));
    let told = lab.readings().await;
    let guest = told.iter().find(|r| r.signal.target.name() == "pve.vm-100").unwrap();
    assert!(guest.words.as_str().ends_with("was stopped by anna@pve 2 h ago"), "{}", guest.words);
    assert!(
        lab.probe.changes().is_empty(),
        "it was red before it was known that somebody stopped it"
    );
    lab.with(|fake| fake.guests.get_mut(&100).unwrap().running = true);
    lab.look().await;
    assert_eq!(lab.probe.changes()[0].kind, ChangeKind::Switched);
    lab.with(stop);
    // It was started again since, and is off all the same.
    lab.with(|fake| fake.tasks.push(("pve1", "qmstart", "100".into(), "root@pam", 60, "OK")));
    assert_eq!(lab.look().await, usual(&[("vm-100 guest", Red, "down")]));
    lab.with(|fake| {
        fake.tasks.push((
            "pve1",
            "qmstart",
            "100".into(),
            "root@pam",
            30,
            "start failed: QEMU exited with code 1",
        ));
    });
    assert_eq!(lab.look().await, usual(&[("vm-100 guest", Red, "failed")]));
    // A backup that stops it holds it.
    lab.with(|fake| fake.guests.get_mut(&100).unwrap().lock = Some("backup"));
    assert_eq!(lab.look().await, usual(&[]));
    // Its tasks cannot be read: nobody knows.
    lab.with(|fake| {
        fake.guests.get_mut(&100).unwrap().lock = None;
        fake.forbidden = "nodes/pve1/tasks";
    });
    let told = lab.look().await;
    assert_eq!(told["vm-100 guest"], (Unknown, "denied".into()));
    assert_eq!(told["node-pve1 backup"], (Unknown, "denied".into()));

    let mut spared = Lab::new(
        Settings { off: vec![100], uncovered: vec![7] },
        TOKEN.rsplit_once('=').unwrap().1,
    )
    .await;
    spared.with(stop);
    spared.with(|fake| fake.uncovered = vec![7]);
    assert_eq!(spared.look().await, usual(&[]));
}

#[tokio::test]
async fn a_node_that_is_down_explains_what_lies_on_it() {
    let mut lab = Lab::well().await;
    lab.look().await;
    lab.with(|fake| *fake.nodes.get_mut("pve2").unwrap() = false);
    lab.now = NOW + Span::hours(3);
    let told = lab.readings().await;
    let node = "mini:endpoint:pve.node-pve2";
    let red: Vec<_> =
        told.iter().filter(|r| r.severity == Red).map(|r| r.signal.target.to_string()).collect();
    assert_eq!(red, [node], "one red, and no other");
    for name in ["pve.ct-101", "pve.storage-pve2-local", "pve.zfs-pve2-rpool"] {
        let part = told.iter().find(|r| r.signal.target.name() == name).unwrap();
        let parent = part.parent.as_ref().map(|parent| parent.target.to_string());
        assert_eq!((part.severity, parent.as_deref()), (Unknown, Some(node)), "{name}");
    }
    assert!(lab.probe.retired().is_empty(), "nothing is gone, only out of sight");
    lab.with(|fake| {
        fake.quorate = false;
        fake.nodes.insert("pve3", false);
    });
    let told = lab.readings().await;
    assert_eq!((told[0].severity, told[0].reason.as_str()), (Red, "no-quorum"));
    assert_eq!(told[0].words.as_str(), "home has no quorum: 1 of 3 nodes online, 1 guests run");
}

#[tokio::test]
async fn pools_storages_replication_and_backups_have_their_own_signals() {
    let mut lab = Lab::well().await;
    lab.with(|fake| {
        fake.metadata_used = 9 << 20;
        fake.zfs = "DEGRADED";
        fake.replication_fails = 1;
        fake.nas_is_there = false;
        fake.uncovered = vec![100, 102];
    });
    assert_eq!(
        lab.look().await,
        usual(&[
            ("thin-pve1-pve-data metadata", Red, "full"),
            ("zfs-pve2-rpool health", Red, "degraded"),
            ("replication-101-0 replication", Yellow, "failed"),
            ("storage-nas used", Red, "inactive"),
            (" cover", Yellow, "uncovered"),
        ])
    );
    lab.with(|fake| fake.replication_fails = 4);
    assert_eq!(lab.look().await["replication-101-0 replication"], (Red, "failed".into()));
}

#[tokio::test]
async fn a_failed_backup_stands_until_one_makes_it_good() {
    let mut lab = Lab::well().await;
    let failed = usual(&[("node-pve1 backup", Red, "failed")]);
    for (tasks, want) in [
        (vec![("", 600, "job errors"), ("", 90_000, "OK")], &failed),
        // Another job went well since, and says nothing about that one.
        (vec![("", 600, "OK"), ("", 3_600, "job errors")], &failed),
        (vec![("", 600, "OK"), ("", 100_000, "job errors")], &usual(&[])),
        (vec![("", 600, "WARNINGS: 1")], &usual(&[])),
        (vec![("100", 600, "command failed: exit code 1")], &failed),
        (vec![("100", 300, "OK"), ("100", 600, "command failed")], &usual(&[])),
        (vec![("101", 300, "OK"), ("100", 600, "command failed")], &failed),
    ] {
        lab.with(|fake| {
            fake.tasks = tasks
                .iter()
                .map(|(id, ago, status)| {
                    ("pve1", "vzdump", (*id).to_owned(), "root@pam", *ago, *status)
                })
                .collect();
        });
        assert_eq!(lab.look().await, *want, "{tasks:?}");
    }
}

#[tokio::test]
async fn who_may_not_look_is_blind_and_who_is_gone_is_red() {
    let mut wrong = Lab::new(Settings::default(), "wrong").await;
    assert_eq!(wrong.look().await, only(&[(" cluster", Unknown, "denied")]));
    let mut lab = Lab::well().await;
    lab.look().await;
    lab.with(|fake| fake.forbidden = "cluster/status");
    let told = lab.look().await;
    assert_eq!(told[" cluster"], (Unknown, "denied".into()));
    assert_eq!(told["vm-100 guest"], (Unknown, "denied".into()));
    lab._tasks.abort_all();
    while lab._tasks.join_next().await.is_some() {}
    let told = lab.look().await;
    assert_eq!(told[" cluster"].0, Red);
    assert_eq!(told["vm-100 guest"].0, Unknown);
}
