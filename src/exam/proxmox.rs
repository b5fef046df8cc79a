//! A Proxmox VE that keeps state: it checks tokens and rights, runs tasks, and refuses what the real one refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

/// The token that only looks, with its secret.
pub const LOOKS: (&str, &str) = ("reef@pve!looks", "8d6f6f1e-look");
/// The token that acts, with its secret.
pub const ACTS: (&str, &str) = ("reef@pve!acts", "c51d4a50-acts");
/// The only node.
pub const NODE: &str = "pve1";

/// A guest: a virtual machine of qemu.
#[derive(Debug, Clone)]
pub struct FakeVm {
    pub running: bool,
    pub onboot: bool,
    pub template: bool,
    /// In MiB, as its config has it.
    pub memory: u64,
    pub cores: u64,
    /// scsi0, in GiB.
    pub disk: u64,
    pub description: String,
    /// What is on its disk: a rollback brings it back.
    pub content: String,
    pub lock: Option<String>,
    pub hastate: Option<String>,
    /// With what was on the disk then.
    pub snapshots: Vec<(String, String)>,
    pub parent: Option<String>,
    pub rules: Vec<BTreeMap<String, String>>,
    /// When it was started last.
    pub started: Option<Instant>,
}

impl FakeVm {
    /// One that runs.
    pub fn new() -> Self {
        Self {
            running: true,
            onboot: true,
            template: false,
            memory: 2_048,
            cores: 2,
            disk: 32,
            description: String::new(),
            content: "as it was".into(),
            lock: None,
            hastate: None,
            snapshots: Vec::new(),
            parent: None,
            rules: Vec::new(),
            started: None,
        }
    }

    fn digest(&self) -> String {
        format!("c{}-{}-{}", self.memory, self.cores, self.disk)
    }

    fn rules_digest(&self) -> String {
        format!("r{:?}", self.rules).replace(|c: char| !c.is_ascii_alphanumeric(), "")
    }

    fn config(&self) -> Json {
        let mut config = json!({
            "name": "x", "memory": self.memory.to_string(), "cores": self.cores, "digest": self.digest(),
            "scsi0": format!("local-lvm:vm-disk-0,size={}G", self.disk), "ide2": "none,media=cdrom",
            "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1", "description": self.description,
        });
        if self.onboot {
            config["onboot"] = json!(1);
        }
        config
    }
}

impl Default for FakeVm {
    fn default() -> Self {
        Self::new()
    }
}

/// A task: what it will have done when it ends.
#[derive(Debug, Clone)]
struct Task {
    upid: String,
    kind: &'static str,
    vmid: u64,
    user: String,
    at: i64,
    ends: Instant,
    does: Option<Effect>,
    status: Option<String>,
}

/// What a task does when it ends.
#[derive(Debug, Clone)]
enum Effect {
    Start,
    Stop,
    Clone { to: u64, description: String },
    Delete,
    Snapshot(String),
    Rollback { name: String, start: bool },
    Forget(String),
    Grow(u64),
}

/// How tasks go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// They end with this.
    Fails(String),
    /// They say OK, and did nothing.
    Lies,
    /// They never end.
    Hangs,
}

/// All of it.
#[derive(Debug)]
pub struct Cluster {
    pub vms: BTreeMap<u64, FakeVm>,
    /// What the acting token may, on every guest; `VM.Audit` with it.
    pub rights: BTreeSet<String>,
    pub mood: Mood,
    /// How long a task takes.
    pub takes: Duration,
    /// A status that the proxy answers every change with, before (595) or after (599) it was carried out.
    pub proxy: Option<u16>,
    /// Every request that would change something, as it came in.
    pub sent: Vec<String>,
    tasks: Vec<Task>,
    /// Seconds; each task begins one later.
    now: i64,
}

/// The cluster and what is known of it from outside. Clones are the same one.
#[derive(Clone)]
pub struct FakeProxmox(Arc<Mutex<Cluster>>);

impl fmt::Debug for FakeProxmox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fake Proxmox VE")
    }
}

impl Default for FakeProxmox {
    fn default() -> Self {
        Self::new()
    }
}

/// A parameter of a request; empty where it is not there.
fn said(form: &BTreeMap<String, String>, key: &str) -> String {
    form.get(key).cloned().unwrap_or_default()
}

/// A digest that a request names must be the one of now.
fn unmodified(form: &BTreeMap<String, String>, now: &str) -> Result<(), String> {
    match form.get("digest") {
        Some(digest) if digest != now => {
            Err("detected modified configuration - file changed by other user? Try again."
                .to_owned())
        }
        Some(_) | None => Ok(()),
    }
}

impl FakeVm {
    /// What the real one does without a task; says whether it was that.
    fn change_at_once(
        &mut self,
        rest: &[&str],
        form: &BTreeMap<String, String>,
        method: &Method,
        mood: &Mood,
    ) -> Result<bool, String> {
        let lies = *mood == Mood::Lies;
        match (method.as_str(), rest) {
            ("PUT", ["config"]) => {
                unmodified(form, &self.digest())?;
                if !lies {
                    if let Ok(memory) = said(form, "memory").parse() {
                        self.memory = memory;
                    }
                    if let Ok(cores) = said(form, "cores").parse() {
                        self.cores = cores;
                    }
                }
            }
            ("POST", ["firewall", "rules"]) => {
                unmodified(form, &self.rules_digest())?;
                let mut rule = form.clone();
                rule.remove("digest");
                if !lies {
                    self.rules.insert(0, rule);
                }
            }
            ("DELETE", ["firewall", "rules", pos]) => {
                unmodified(form, &self.rules_digest())?;
                let pos: usize = pos.parse().map_err(|_| "pos: invalid format".to_owned())?;
                if self.rules.len() <= pos {
                    return Err(format!("no rule at position {pos}"));
                }
                if !lies {
                    self.rules.remove(pos);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

type Reply = (StatusCode, Json);

fn refuse(status: u16, message: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, json!({"data": null, "message": format!("{message}\n")}))
}

fn good(data: &Json) -> Reply {
    (StatusCode::OK, json!({ "data": data }))
}

impl FakeProxmox {
    /// Guest 104 runs, 105 stands still since its node came up, 9000 is a template.
    pub fn new() -> Self {
        let still = FakeVm { running: false, ..FakeVm::new() };
        let template = FakeVm { running: false, template: true, onboot: false, ..FakeVm::new() };
        let rights = [
            "VM.PowerMgmt",
            "VM.Snapshot",
            "VM.Snapshot.Rollback",
            "VM.Clone",
            "VM.Allocate",
            "VM.Config.Disk",
            "VM.Config.Memory",
            "VM.Config.CPU",
            "VM.Config.Network",
        ];
        Self(Arc::new(Mutex::new(Cluster {
            vms: BTreeMap::from([(104, FakeVm::new()), (105, still), (9000, template)]),
            rights: rights.map(str::to_owned).into(),
            mood: Mood::Well,
            takes: Duration::from_millis(300),
            proxy: None,
            sent: Vec::new(),
            tasks: Vec::new(),
            now: 1_760_000_000,
        })))
    }

    pub fn with<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        let mut cluster = self.lock();
        cluster.settle();
        change(&mut cluster)
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What answers below `/api2/json`.
    pub fn app(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

async fn answer(
    State(fake): State<FakeProxmox>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let (status, told) = fake.with(|cluster| {
        let said = headers.get("authorization").and_then(|said| said.to_str().ok()).unwrap_or("");
        let known = [LOOKS, ACTS]
            .into_iter()
            .find(|(id, secret)| said == format!("PVEAPIToken={id}={secret}"));
        let Some((user, _)) = known else { return refuse(401, "invalid token value!") };
        let Some(path) = uri.path().strip_prefix("/api2/json/") else {
            return refuse(404, "no such path");
        };
        let query = uri.query().unwrap_or_default();
        if method == Method::GET {
            return cluster.get(path, query);
        }
        let text = String::from_utf8_lossy(&body);
        let given = if method == Method::DELETE { query } else { text.as_ref() };
        let form = fields(given);
        cluster.sent.push(format!("{method} {path}"));
        if cluster.proxy == Some(595) {
            return refuse(595, "Errors during connection establishment, proxy handshake");
        }
        let told = cluster.change(&method, path, &form, user);
        match cluster.proxy {
            Some(status) => refuse(status, "Connection timed out"),
            None => told,
        }
    });
    (status, told.to_string())
}

/// The fields of a form or a query.
fn fields(given: &str) -> BTreeMap<String, String> {
    let uri = format!("/?{given}").parse::<Uri>();
    uri.ok()
        .and_then(|uri| Query::<BTreeMap<String, String>>::try_from_uri(&uri).ok())
        .map(|Query(fields)| fields)
        .unwrap_or_default()
}

impl Cluster {
    /// Ends the tasks whose time is over.
    fn settle(&mut self) {
        let now = Instant::now();
        for n in 0..self.tasks.len() {
            let Some(task) = self.tasks.get_mut(n) else { continue };
            if task.status.is_some() || now < task.ends || self.mood == Mood::Hangs {
                continue;
            }
            let (does, vmid) = (task.does.take(), task.vmid);
            let status = match &self.mood {
                Mood::Fails(why) => why.clone(),
                Mood::Lies => "OK".into(),
                Mood::Well | Mood::Hangs => self.happens(vmid, does).err().unwrap_or("OK".into()),
            };
            if let Some(task) = self.tasks.get_mut(n) {
                task.status = Some(status);
            }
        }
    }

    fn happens(&mut self, vmid: u64, does: Option<Effect>) -> Result<(), String> {
        let Some(does) = does else { return Ok(()) };
        if let Effect::Clone { to, description } = &does {
            let from = self.vms.get(&vmid).ok_or("no such template")?;
            let made = FakeVm {
                template: false,
                onboot: false,
                running: false,
                description: description.clone(),
                ..from.clone()
            };
            self.vms.insert(*to, made);
            return Ok(());
        }
        if matches!(does, Effect::Delete) {
            self.vms.remove(&vmid);
            return Ok(());
        }
        let vm = self.vms.get_mut(&vmid).ok_or("no such guest")?;
        match does {
            Effect::Start => (vm.running, vm.started) = (true, Some(Instant::now())),
            Effect::Stop => vm.running = false,
            Effect::Snapshot(name) => {
                vm.snapshots.push((name.clone(), vm.content.clone()));
                vm.parent = Some(name);
            }
            Effect::Rollback { name, start } => {
                let found = vm.snapshots.iter().find(|(known, _)| *known == name);
                let (_, content) = found.ok_or("no such snapshot")?;
                vm.content.clone_from(content);
                (vm.running, vm.parent) = (start, Some(name));
                vm.started = start.then(Instant::now);
            }
            Effect::Forget(name) => vm.snapshots.retain(|(known, _)| *known != name),
            Effect::Grow(disk) => vm.disk = disk,
            Effect::Clone { .. } | Effect::Delete => {}
        }
        Ok(())
    }

    /// Somebody stops a guest on the page of Proxmox.
    pub fn somebody_stops(&mut self, vmid: u64) {
        if let Some(vm) = self.vms.get_mut(&vmid) {
            vm.running = false;
        }
        let upid = self.task("qmshutdown", vmid, "root@pam", None);
        if let Some(task) = self.tasks.iter_mut().find(|task| task.upid == upid) {
            task.status = Some("OK".into());
        }
    }

    fn task(&mut self, kind: &'static str, vmid: u64, user: &str, does: Option<Effect>) -> String {
        self.now += 1;
        let (at, takes) = (self.now, self.takes);
        let upid = format!("UPID:{NODE}:0000A1B2:0001C3D4:{at:08X}:{kind}:{vmid}:{user}:");
        let ends = Instant::now() + takes;
        let user = user.to_owned();
        self.tasks.push(Task {
            upid: upid.clone(),
            kind,
            vmid,
            user,
            at,
            ends,
            does,
            status: None,
        });
        upid
    }

    fn get(&self, path: &str, query: &str) -> Reply {
        let parts: Vec<&str> = path.split('/').collect();
        let vm = |vmid: &str| vmid.parse().ok().and_then(|id: u64| self.vms.get(&id));
        good(&match parts[..] {
            ["cluster", "status"] => json!([{"type": "node", "name": NODE, "online": 1, "local": 1}]),
            ["cluster", "resources"] => json!(
                self.vms
                    .iter()
                    .map(|(id, vm)| json!({"type": "qemu", "vmid": id, "name": format!("g{id}"), "node": NODE,
                        "status": if vm.running { "running" } else { "stopped" }, "template": i32::from(vm.template),
                        "lock": vm.lock.clone().unwrap_or_default(), "hastate": vm.hastate.clone().unwrap_or_default()}))
                    .collect::<Vec<_>>()
            ),
            ["cluster", "backup"] | ["cluster", "backup-info", "not-backed-up"] => json!([]),
            ["nodes", NODE, "replication"] | ["nodes", NODE, "disks", _] => json!([]),
            ["nodes", NODE, "tasks"] => json!(self.listed(query)),
            ["nodes", NODE, "tasks", upid, "status"] => {
                let upid = upid.replace("%21", "!").replace("%3A", ":").replace("%40", "@");
                match self.tasks.iter().find(|task| task.upid == upid) {
                    Some(task) => match &task.status {
                        Some(status) => json!({"status": "stopped", "exitstatus": status, "upid": upid}),
                        None => json!({"status": "running", "upid": upid}),
                    },
                    None => return refuse(500, "no such task"),
                }
            }
            ["nodes", NODE, "qemu", id, ref rest @ ..] => {
                let Some(vm) = vm(id) else {
                    return refuse(500, &format!("Configuration file 'nodes/{NODE}/qemu-server/{id}.conf' does not exist"));
                };
                match rest {
                    ["config"] => vm.config(),
                    ["status", "current"] => json!({"vmid": id, "status": if vm.running { "running" } else { "stopped" },
                        "qmpstatus": if vm.running { "running" } else { "stopped" }, "lock": vm.lock,
                        "uptime": match (vm.running, vm.started) {
                            (true, Some(at)) => at.elapsed().as_secs(),
                            (true, None) => 500_000,
                            (false, _) => 0,
                        }}),
                    ["snapshot"] => {
                        let mut all: Vec<Json> = vm
                            .snapshots
                            .iter()
                            .map(|(name, _)| json!({"name": name, "snaptime": self.now, "description": ""}))
                            .collect();
                        all.push(json!({"name": "current", "parent": vm.parent, "running": i32::from(vm.running)}));
                        json!(all)
                    }
                    ["firewall", "rules"] => {
                        let line = |(pos, rule): (usize, &BTreeMap<String, String>)| {
                            let mut line = json!(rule);
                            line["pos"] = json!(pos);
                            line["digest"] = json!(vm.rules_digest());
                            line["enable"] = json!(1);
                            line
                        };
                        json!(vm.rules.iter().enumerate().map(line).collect::<Vec<_>>())
                    }
                    _ => return refuse(501, &format!("Method 'GET /{path}' not implemented")),
                }
            }
            _ => return refuse(501, &format!("Method 'GET /{path}' not implemented")),
        })
    }

    fn listed(&self, query: &str) -> Vec<Json> {
        let vmid = query.split('&').find_map(|pair| pair.strip_prefix("vmid="));
        let wanted = |task: &&Task| vmid.is_none_or(|id| *id == task.vmid.to_string());
        self.tasks
            .iter()
            .rev()
            .filter(wanted)
            .map(|task| {
                let mut line = json!({"upid": task.upid, "node": NODE, "type": task.kind, "id": task.vmid.to_string(),
                    "user": task.user, "starttime": task.at});
                if let Some(status) = &task.status {
                    (line["status"], line["endtime"]) = (json!(status), json!(task.at + 1));
                }
                line
            })
            .collect()
    }

    fn change(
        &mut self,
        method: &Method,
        path: &str,
        form: &BTreeMap<String, String>,
        user: &str,
    ) -> Reply {
        let parts: Vec<&str> = path.split('/').collect();
        let ["nodes", NODE, "qemu", id, ref rest @ ..] = parts[..] else {
            return refuse(501, &format!("Method '{method} /{path}' not implemented"));
        };
        let Ok(vmid) = id.parse::<u64>() else {
            return refuse(400, "Parameter verification failed.");
        };
        let asked = format!("{method} {}", rest.join("/"));
        let (right, takes): (&[&str], &[&str]) = match (method.as_str(), rest) {
            ("POST", ["status", "start"]) => (&["VM.PowerMgmt"], &[]),
            ("POST", ["status", "shutdown"]) => (&["VM.PowerMgmt"], &["timeout", "forceStop"]),
            ("POST", ["clone"]) => {
                (&["VM.Clone", "VM.Allocate"], &["newid", "name", "full", "description"])
            }
            ("DELETE", []) => (&["VM.Allocate"], &["purge"]),
            ("PUT", ["resize"]) => (&["VM.Config.Disk"], &["disk", "size", "digest"]),
            ("PUT", ["config"]) => {
                (&["VM.Config.Memory", "VM.Config.CPU"], &["memory", "cores", "digest"])
            }
            ("POST", ["snapshot"]) => (&["VM.Snapshot"], &["snapname", "description", "vmstate"]),
            ("DELETE", ["snapshot", _]) => (&["VM.Snapshot"], &["force"]),
            ("POST", ["snapshot", _, "rollback"]) => (&["VM.Snapshot.Rollback"], &["start"]),
            ("POST", ["firewall", "rules"]) => (
                &["VM.Config.Network"],
                &[
                    "type", "action", "proto", "dport", "source", "enable", "comment", "digest",
                    "pos",
                ],
            ),
            ("DELETE", ["firewall", "rules", _]) => (&["VM.Config.Network"], &["digest"]),
            _ => return refuse(501, &format!("Method '{asked}' not implemented")),
        };
        let has = |right: &&&str| user == ACTS.0 && self.rights.contains(**right);
        if let Some(lacks) = right.iter().find(|right| !has(right)) {
            return refuse(403, &format!("Permission check failed (/vms/{vmid}, {lacks})"));
        }
        if let Some(odd) = form.keys().find(|key| !takes.contains(&key.as_str())) {
            let why = json!({"data": null, "message": "Parameter verification failed.\n",
                "errors": {odd: "property is not defined in schema and the schema does not allow additional properties"}});
            return (StatusCode::BAD_REQUEST, why);
        }
        self.carry_out(rest, vmid, form, user, method).unwrap_or_else(|why| refuse(500, &why))
    }

    fn carry_out(
        &mut self,
        rest: &[&str],
        vmid: u64,
        form: &BTreeMap<String, String>,
        user: &str,
        method: &Method,
    ) -> Result<Reply, String> {
        let said = |key: &str| said(form, key);
        let missing =
            || format!("Configuration file 'nodes/{NODE}/qemu-server/{vmid}.conf' does not exist");
        let taken: BTreeSet<u64> = self.vms.keys().copied().collect();
        let mood = self.mood.clone();
        let vm = self.vms.get_mut(&vmid).ok_or_else(missing)?;
        if let Some(lock) = &vm.lock {
            return Err(format!("VM is locked ({lock})"));
        }
        if vm.change_at_once(rest, form, method, &mood)? {
            return Ok(good(&Json::Null));
        }
        let known = |vm: &FakeVm, name: &str| vm.snapshots.iter().any(|(known, _)| known == name);
        let (kind, does) = match (method.as_str(), rest) {
            (_, ["status", "start"]) if vm.running => {
                return Err(format!("VM {vmid} already running"));
            }
            (_, ["status", "start"]) => ("qmstart", Effect::Start),
            (_, ["status", "shutdown"]) if !vm.running => {
                return Err(format!("VM {vmid} not running"));
            }
            (_, ["status", "shutdown"]) => ("qmshutdown", Effect::Stop),
            (_, ["clone"]) => {
                let to: u64 =
                    said("newid").parse().map_err(|_| "newid: invalid format".to_owned())?;
                if taken.contains(&to) {
                    return Err(format!("unable to create VM {to}: config file already exists"));
                }
                ("qmclone", Effect::Clone { to, description: said("description") })
            }
            ("DELETE", []) if vm.running => {
                return Err(format!("VM {vmid} is running - destroy failed"));
            }
            ("DELETE", []) => ("qmdestroy", Effect::Delete),
            (_, ["resize"]) => {
                unmodified(form, &vm.digest())?;
                let kib: u64 = said("size")
                    .trim_end_matches('K')
                    .parse()
                    .map_err(|_| "size: invalid format")?;
                let disk = kib >> 20;
                if said("disk") != "scsi0" {
                    return Err(format!("disk '{}' does not exist", said("disk")));
                }
                if disk < vm.disk {
                    return Err("shrinking disks is not supported".into());
                }
                ("resize", Effect::Grow(disk))
            }
            ("POST", ["snapshot"]) => {
                let name = said("snapname");
                if known(vm, &name) {
                    return Err(format!("snapshot name '{name}' already used"));
                }
                ("qmsnapshot", Effect::Snapshot(name))
            }
            ("DELETE", ["snapshot", name]) | ("POST", ["snapshot", name, "rollback"])
                if !known(vm, name) =>
            {
                return Err(format!("snapshot '{name}' does not exist"));
            }
            ("DELETE", ["snapshot", name]) => ("qmdelsnapshot", Effect::Forget((*name).to_owned())),
            (_, ["snapshot", name, "rollback"]) => {
                let start = said("start") == "1";
                ("qmrollback", Effect::Rollback { name: (*name).to_owned(), start })
            }
            _ => return Err("not implemented".into()),
        };
        Ok(good(&json!(self.task(kind, vmid, user, Some(does)))))
    }
}
