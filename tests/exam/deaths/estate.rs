//! An estate in which every tool of the table finds what its example names.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use reef::Fut;
use reef::clock::Clock;
use reef::config::env::Env;
use reef::config::given::Source;
use reef::daemon::assemble::{self, Assembled};
use reef::daemon::live::{Folders, Making};
use reef::daemon::reach::Servers;
use reef::daemon::wire::SecretPrograms;
use reef::exam::estate::Estate;
use reef::gate::rules::Mode;
use reef::gate::tool::Tool;
use reef::model::container::{ContainerState, Ended};
use reef::model::message::Urgency;
use reef::model::target::{AbsPath, Target};
use reef::model::time::{Millis, Span};
use reef::model::tool::{Tier, ToolSpec};
use reef::policy::redact::Redactor;
use reef::tool::table::table;
use reef::tool::world::Outbox;
use reef::watch::pulse::Pulse;

use crate::containers::container;
use crate::house::{mini, unit};

const CONFIG: &str = r#"
host_name = "mini"
timezone = "UTC"
ceiling = "auto"
[web]
listen = "off"
[host.this]
restartable = ["nginx", "container:jellyfin", "postgresql@copy"]
mounts = ["/mnt/photos"]
reboot = ["systemctl", "reboot"]
stacks = ["/opt/stacks/*"]
snapshots."/srv/web" = { holds = [] }
[probe]
tls.photos = { server = "127.0.0.1:1", server_name = "photos.home.example" }
postgres.main = "postgres://reef@127.0.0.1:1/postgres"
postgres.copy = { url = "postgres://reef@127.0.0.1:1/postgres", primary = "main", standby = "copy", served_by = "unit:postgresql@copy" }
s3.logs = { url = "http://127.0.0.1:1", bucket = "logs", access_key = "reef", secret_key = "${S3_KEY}", archive = true }
[playbook.site]
file = "/no/such/folder/site.yml"
inventory = "/no/such/folder/hosts"
hosts = ["mini"]
[terraform.web]
folder = "/no/such/folder/infra"
hosts = ["mini"]
[backup.photos]
run = ["/no/such/backup"]
[debug.web]
unit = "web.service"
longest = "1d"
[dns.home]
zones = ["home.example"]
set = ["/no/such/dns-set", "{name}", "{type}", "{value}", "{ttl}"]
unset = ["/no/such/dns-unset", "{name}", "{type}"]
resolver = "127.0.0.1"
[kubernetes]
k3s.kubeconfig_file = "/no/such/folder/k3s.yaml"
k3s.manifest.jellyfin = { file = "/no/such/folder/jellyfin.yaml", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
k3s.patch.more-memory = { object = "media/deployment/jellyfin", file = "/no/such/folder/more-memory.json", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
k3s.tls_secret.site = { secret = "web/secret/site-tls", certificate_file = "/no/such/folder/fullchain.pem", key_file = "/no/such/folder/privkey.pem" }
[mcp.files]
command = ["/no/such/server"]
tools = { read_file = "low", write_file = "high" }
[provider.pve]
vms = { web = "web1", lab = "lab1" }
templates = { lab = "template" }
command.state = ["/no/such/vm", "{vm}"]
command.start = ["/no/such/vm", "start", "{vm}"]
command.stop = ["/no/such/vm", "stop", "{vm}"]
command.create = ["/no/such/vm", "{template}", "{vm}", "{mark}"]
command.delete = ["/no/such/vm", "delete", "{vm}"]
command.resize = ["/no/such/vm", "resize", "{vm}", "{volume}", "{bytes}"]
command.limit = ["/no/such/vm", "limit", "{vm}", "{memory}", "{cores}"]
command.rule_add = ["/no/such/vm", "add", "{vm}", "{direction}", "{verdict}", "{protocol}", "{port}", "{source}"]
command.rule_remove = ["/no/such/vm", "remove", "{vm}", "{direction}", "{verdict}", "{protocol}", "{port}", "{source}"]
command.snapshot = ["/no/such/vm", "snapshot", "{vm}", "{snapshot}"]
command.rollback = ["/no/such/vm", "rollback", "{vm}", "{snapshot}"]
command.forget = ["/no/such/vm", "forget", "{vm}", "{snapshot}"]
"#;

/// Nobody is told.
#[derive(Debug)]
struct Nobody;

impl Outbox for Nobody {
    fn tell<'a>(&'a self, _: &'a Target, _: Urgency) -> Fut<'a, Result<String, String>> {
        Box::pin(async { Ok("told nobody".into()) })
    }
}

/// The estate of one life, in which the tool has something to do; it is `at` now.
pub(super) fn estate(at: Millis, tool: &str) -> Estate {
    let estate = Estate::new(at, &[mini()], Arc::new(Redactor::new(Vec::new())));
    let host = estate.host(&mini()).unwrap();
    for name in ["nginx", "web", "postgresql@copy"] {
        host.unit(&unit(name));
    }
    let mut jellyfin = container("jellyfin");
    if tool == "container.start" {
        (jellyfin.state, jellyfin.exit_code) = (ContainerState::Exited, Some(1));
        (jellyfin.ended, jellyfin.finished_at) = (Ended::Own, Some(at - Span::mins(5)));
    }
    host.containers(vec![jellyfin]);
    estate
}

/// What the config names. Reading it takes longer than all that a death is about.
struct Config {
    assembled: Assembled,
    mcp: Servers,
}

thread_local! {
    static READ: OnceCell<Rc<Config>> = const { OnceCell::new() };
}

fn config(clock: Arc<dyn Clock>, folders: &Folders) -> Rc<Config> {
    let read = || {
        let env = Env::of([("S3_KEY", "lab-only")]);
        let source = Source::new("exam", CONFIG.to_owned());
        let (assembled, _) = assemble::read(source, &env, Arc::new(Pulse::default()))
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let making = Making::new(env.clone(), clock, folders.clone(), Mode::Live);
        let live = std::thread::scope(|scope| {
            let live = || {
                let secrets = SecretPrograms::new(&env);
                let mut apart = tokio::runtime::Builder::new_current_thread();
                apart
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(making.live(&assembled, &secrets))
                    .unwrap()
                    .mcp
            };
            scope.spawn(live).join().unwrap()
        });
        Rc::new(Config { assembled, mcp: live })
    };
    READ.with(|known| Rc::clone(known.get_or_init(read)))
}

/// Every tool of the table, over what the config names.
pub(super) fn tools(folder: &Path, estate: &Estate) -> Vec<Box<dyn Tool>> {
    let folders = Folders::below(&folder.join("state")).unwrap();
    let config = config(estate.clock(), &folders);
    let assembled = &config.assembled;
    let inventory = assembled.inventory(&folders.state, &folders.scratch);
    let quarantine = AbsPath::new(folder.join("quarantine").to_str().unwrap()).unwrap();
    let mut world = estate.world(mini(), inventory, Arc::new(Nobody), quarantine);
    world.clusters = assembled.clusters();
    world.mcp.clone_from(&config.mcp);
    let here = &world.hosts[&mini()];
    let known = assembled.providers.iter();
    world.providers = known
        .map(|(name, declared)| (name.clone(), Arc::new(declared.known(here, &estate.redactor))))
        .collect();
    table(&world)
}

/// What each log holds.
pub(super) fn line() -> String {
    (0..200).map(|n| format!("2026-01-01T00:00:00 app[17]: request {n} is done\n")).collect()
}

/// A folder of logs as they lie about: one that is written, one of two months ago.
pub(super) fn logs(folder: &Path, now: Millis) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let logs = folder.join("log");
    if logs.exists() {
        return;
    }
    std::fs::create_dir(&logs).unwrap();
    for (name, age) in [("app.log", Span::mins(1)), ("app.log.1", Span::days(60))] {
        let path = logs.join(name);
        std::fs::write(&path, line()).unwrap();
        let time = Timespec { tv_sec: (now - age).0 / 1_000, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
    }
}

/// A runbook whose one step is the tool's own example, on things of this estate.
pub(super) fn book(spec: &ToolSpec, folder: &Path) -> String {
    let folder = folder.to_str().unwrap();
    let example = spec
        .example
        .replace("nas:", "mini:")
        .replace("\"/var/log/app\"", &format!("\"{folder}/log\""))
        .replace("/var/log", &format!("{folder}/log"));
    let about = match (spec.name.as_str(), about(&example)) {
        ("host.reboot", _) => "target = \"mini\"\n".to_owned(),
        ("kube.apply" | "kube.patch", _) => "target = \"k3s\"\n".to_owned(),
        (_, Some(target)) if !example.contains("\ntarget = ") => format!("target = \"{target}\"\n"),
        _ => String::new(),
    };
    let tier = if spec.max_tier == Tier::Low { Tier::Medium } else { spec.max_tier };
    format!(
        r#"+++
title    = "Count"
match    = {{ probe = "check", severity = ["red"] }}
max_tier = "{tier}"
tools    = ["{tool}"]
roots    = ["{folder}/log", "/mnt/photos", "/srv"]
+++
# Count

```step
name = "count"
{about}{example}
```

```verify
within = "10s"
```
"#,
        tool = spec.name
    )
}

/// The first thing that an example's arguments name: what its call is about.
fn about(example: &str) -> Option<Target> {
    let (_, args) = example.split_once("args")?;
    let mut parts = args.split('"').skip(1).step_by(2);
    parts.find(|part| part.contains([':', '/']) && !part.starts_with('/'))?.parse().ok()
}
