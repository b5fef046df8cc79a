//! Virtual machines: by a Proxmox VE that keeps state, and by scripts of the operator's.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::stage::{Stage, here, target, undone_by, word};
use crate::Fut;
use crate::clients::docker::engine::NotDone;
use crate::clients::host::HostLink;
use crate::clients::host::local::LocalHost;
use crate::clients::http::Http;
use crate::clients::http::loopback::serve;
use crate::clients::http::url::WebUrl;
use crate::clients::json::{Api, Login};
use crate::clients::provider::command::CommandProvider;
use crate::clients::provider::proxmox::ProxmoxProvider;
use crate::clients::provider::{Deed, Known, Machine, Power, Provider, Providers};
use crate::clients::proxmox::Proxmox;
use crate::config::keys::held;
use crate::exam::proxmox::{ACTS, FakeProxmox, FakeVm, Mood};
use crate::gate::permit::Permit;
use crate::model::ids::HostName;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Bounds, Call, Tier, ToolError, Undo};
use crate::model::value::Value;
use crate::policy::redact::Redactor;

/// A provider that knows one machine and does nothing.
#[derive(Debug)]
struct Idle;

impl Provider for Idle {
    fn look<'a>(&'a self, _: &'a str) -> Fut<'a, Result<Machine, String>> {
        Box::pin(async { Ok(Machine { power: Power::Running, ..Machine::absent() }) })
    }

    fn act<'a>(
        &'a self,
        _: &'a Permit,
        _: &'a str,
        _: &'a Machine,
        _: &'a Deed,
        _: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async { Ok(()) })
    }
}

fn known(provider: impl Provider + 'static) -> Known {
    let named = |all: &[(&str, &str)]| {
        all.iter()
            .map(|(name, id)| ((*name).to_owned(), (*id).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    Known {
        provider: Arc::new(provider),
        machines: named(&[("web", "104"), ("still", "105"), ("lab", "120")]),
        templates: named(&[("lab", "9000")]),
    }
}

/// For the tools' examples.
pub(super) fn of_the_examples() -> Providers {
    let both = [HostName::of("pve"), here()];
    both.map(|name| (name, Arc::new(known(Idle)))).into()
}

struct Lab {
    stage: Stage,
    fake: FakeProxmox,
    _tasks: JoinSet<()>,
}

impl Lab {
    async fn new() -> Self {
        Self::with_secret(ACTS.1).await
    }

    async fn with_secret(secret: &str) -> Self {
        let fake = FakeProxmox::new();
        fake.with(|cluster| cluster.takes = Duration::from_millis(1));
        let (base, tasks) = serve(fake.app()).await;
        let login = Login::Token { before: format!("PVEAPIToken={}=", ACTS.0), key: held(secret) };
        let url = WebUrl::parse(&base).unwrap();
        let api = Api { http: Http::new(), url, login, timeout: Span::secs(5) };
        let provider = ProxmoxProvider { proxmox: Proxmox { api }, token: ACTS.0.to_owned() };
        let mut stage = Stage::new();
        stage.world.providers = [(HostName::of("pve"), Arc::new(known(provider)))].into();
        Self { stage: stage.again(), fake, _tasks: tasks }
    }

    fn vm(&self, id: u64) -> FakeVm {
        self.fake.with(|cluster| cluster.vms[&id].clone())
    }

    fn sent(&self) -> Vec<String> {
        self.fake.with(|cluster| cluster.sent.clone())
    }

    async fn refused(&self, call: &Call) -> String {
        match self.stage.preview(call).await {
            Err(ToolError::Refused(why)) => why,
            other => panic!("{call}: {other:?}"),
        }
    }
}

fn call(tool: &'static str, vm: &str, more: &[(&str, Value)]) -> Call {
    let on: Target = target(&format!("pve:vm:{vm}"));
    let mut args: BTreeMap<String, Value> =
        more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    args.insert("vm".into(), Value::Target(on.clone()));
    Call {
        tool: crate::model::ids::ToolName::of(tool),
        target: on,
        args,
        bounds: Bounds::default(),
    }
}

fn rule(change: &str, port: i64) -> Call {
    let words =
        [("change", change), ("verdict", "accept"), ("direction", "in"), ("protocol", "tcp")];
    let mut args: Vec<(&str, Value)> = words.map(|(name, value)| (name, word(value))).into();
    args.extend([
        ("port", Value::Int(port)),
        ("source", word("10.0.0.0")),
        ("prefix", Value::Int(24)),
    ]);
    call("firewall.rule", "web", &args)
}

#[tokio::test]
async fn each_tool_does_what_it_says_is_seen_to_have_and_its_undo_puts_it_back() {
    let lab = Lab::new().await;
    let before = lab.vm(104);
    let name = [("name", word("reef-a"))];
    let more = [("memory", Value::Bytes(4 << 30)), ("cores", Value::Int(4))];
    type Seen<'a> = &'a dyn Fn(&FakeVm) -> bool;
    let table: [(Call, Tier, &str, Seen<'_>); 4] = [
        (call("vm.stop", "web", &[]), Tier::High, "shut pve:vm:web down (now running)", &|vm| {
            !vm.running
        }),
        (
            call("vm.limit", "web", &more),
            Tier::Critical,
            "memory from 2.0 GiB to 4.0 GiB and cores from 2 to 4",
            &|vm| (vm.memory, vm.cores) == (4_096, 4),
        ),
        (rule("add", 443), Tier::Critical, "accept in tcp port 443 from 10.0.0.0/24", &|vm| {
            vm.rules.len() == 1
        }),
        (call("vm.snapshot", "web", &name), Tier::Medium, "snapshot reef-a of pve:vm:web", &|vm| {
            vm.snapshots.len() == 1
        }),
    ];
    for (call, tier, words, is_so) in table {
        assert_eq!(lab.stage.action(&call).tier(), tier, "{call}");
        let sent = lab.sent().len();
        let (effect, _) = lab.stage.preview(&call).await.unwrap();
        assert!(
            effect.words.replace(".0 GiB", " GiB").contains(&words.replace(".0 GiB", " GiB")),
            "{}",
            effect.words
        );
        assert_eq!(lab.sent().len(), sent, "a preview changes nothing");
        lab.fake.with(|cluster| cluster.vms.get_mut(&104).unwrap().content = "as it was".into());
        let (undo, result) = lab.stage.act(&call).await;
        assert!(matches!(result, ActionResult::Done(_)), "{call}: {result:?}");
        assert!(is_so(&lab.vm(104)), "{call}");
        let (nothing, _) = lab.stage.preview(&call).await.unwrap();
        assert_eq!(nothing.max_items, 0, "{call} twice is nothing");
        lab.fake.with(|cluster| cluster.vms.get_mut(&104).unwrap().content = "spoilt".into());
        let (_, result) = lab.stage.act(&undone_by(&undo)).await;
        assert!(matches!(result, ActionResult::Done(_)), "undo of {call}: {result:?}");
    }
    let after = lab.vm(104);
    assert_eq!(after.content, "as it was", "the rollback brought it back");
    assert!(after.running && after.rules.is_empty());
    assert_eq!((after.memory, after.cores), (before.memory, before.cores));
    let (_, result) = lab.stage.act(&call("vm.forget", "web", &name)).await;
    assert!(matches!(result, ActionResult::Done(_)), "{result:?}");
    assert!(lab.vm(104).snapshots.is_empty());
}

/// What is promised is what is kept: the snapshot is removed when its time is over.
#[tokio::test]
async fn a_snapshot_undoes_for_as_long_as_it_is_kept() {
    use crate::model::time::Span;
    use crate::model::tool::Holds;
    let lab = Lab::new().await;
    let holds = |more: &[(&str, Value)]| {
        let args = [&[("name", word("reef-a"))], more].concat();
        lab.stage.action(&call("vm.snapshot", "web", &args)).holds()
    };
    let hour = ("keep", Value::Span(Span::hours(1)));
    assert_eq!(holds(&[hour]), Some(Holds::For(Span::hours(1))));
    assert_eq!(holds(&[]), None, "as long as reef keeps what it put away");
    assert_eq!(lab.stage.action(&call("vm.stop", "web", &[])).holds(), None);
}

#[tokio::test]
async fn a_volume_only_grows_and_what_reef_made_alone_is_deleted() {
    let lab = Lab::new().await;
    let size = |gib: u64| {
        call("volume.resize", "web", &[("volume", word("scsi0")), ("to", Value::Bytes(gib << 30))])
    };
    let why = lab.refused(&size(16)).await;
    assert!(why.contains("scsi0 has 32 GiB: a volume only grows"), "{why}");
    let (effect, undo) = lab.stage.preview(&size(64)).await.unwrap();
    assert_eq!(effect.max_bytes, 32 << 30);
    assert!(matches!(undo, Undo::Impossible(_)));
    let (_, result) = lab.stage.act(&size(64)).await;
    assert!(matches!(result, ActionResult::Done(_)), "{result:?}");
    assert_eq!(lab.vm(104).disk, 64);

    let (undo, result) = lab.stage.act(&call("vm.create", "lab", &[])).await;
    assert!(matches!(result, ActionResult::Done(_)), "{result:?}");
    assert!(!lab.vm(120).running && lab.vm(120).description.contains("made by reef"));
    let (_, result) = lab.stage.act(&undone_by(&undo)).await;
    assert!(matches!(result, ActionResult::Done(_)), "{result:?}");
    assert!(lab.fake.with(|cluster| !cluster.vms.contains_key(&120)));

    lab.fake
        .with(|cluster| drop(cluster.vms.insert(120, FakeVm { running: false, ..FakeVm::new() })));
    let why = lab.refused(&call("vm.delete", "lab", &[])).await;
    assert!(why.contains("reef did not make it"), "{why}");
}

/// A deliberate stop is no fault; reef's own stop is its own to take back.
#[tokio::test]
async fn what_somebody_stopped_is_never_started() {
    let lab = Lab::new().await;
    let start = |vm| call("vm.start", vm, &[]);
    lab.fake.with(|cluster| cluster.somebody_stops(104));
    let why = lab.refused(&start("web")).await;
    assert!(why.contains("root@pam stopped it"), "{why}");
    // Nobody's task ended it, and it is to start at boot: it ended by itself.
    let (_, result) = lab.stage.act(&start("still")).await;
    assert!(matches!(result, ActionResult::Done(_)), "{result:?}");
    // Nobody knows why a clone stands still.
    lab.fake.with(|cluster| {
        cluster.vms.insert(120, FakeVm { running: false, onboot: false, ..FakeVm::new() })
    });
    let why = lab.refused(&start("lab")).await;
    assert!(why.contains("nobody tells why"), "{why}");
    lab.fake.with(|cluster| {
        let vm = cluster.vms.get_mut(&104).unwrap();
        (vm.running, vm.hastate) = (true, Some("started".into()));
    });
    let why = lab.refused(&call("vm.stop", "web", &[])).await;
    assert!(why.contains("the HA manager (started)"), "{why}");
    lab.fake.with(|cluster| cluster.vms.get_mut(&104).unwrap().lock = Some("backup".into()));
    let why = lab.refused(&rule("add", 80)).await;
    assert!(why.contains("backup holds it"), "{why}");
}

#[tokio::test]
async fn a_task_that_fails_lies_or_is_not_seen_to_end_is_told_as_what_it_is() {
    let stop = call("vm.stop", "web", &[]);
    for (mood, word, words) in [
        (Mood::Fails("VM quit/powerdown failed - got timeout".into()), "failed", "got timeout"),
        (Mood::Lies, "failed", "nothing changed"),
    ] {
        let lab = Lab::new().await;
        lab.fake.with(|cluster| cluster.mood = mood);
        let (_, result) = lab.stage.act(&stop).await;
        assert_eq!(result.word(), word, "{result:?}");
        assert!(result.words().contains(words), "{result:?}");
        assert_eq!(lab.sent().len(), 1, "it is not tried again");
    }
    // A change without a task that says yes and does nothing.
    let lab = Lab::new().await;
    lab.fake.with(|cluster| cluster.mood = Mood::Lies);
    let (_, result) = lab.stage.act(&rule("add", 443)).await;
    assert!(result.words().contains("nothing changed"), "{result:?}");
    // One that never ends: nobody knows.
    let lab = Lab::new().await;
    lab.fake.with(|cluster| cluster.mood = Mood::Hangs);
    let provider = &lab.stage.world.providers[&HostName::of("pve")].provider;
    let (permit, seen) = (lab.stage.permit(&stop).await, provider.look("104").await.unwrap());
    let within = Span(500);
    let ended = provider.act(&permit, "104", &seen, &Deed::Stop, within).await.unwrap_err();
    assert!(matches!(&ended, NotDone::Unknown(why) if why.contains("it still runs")), "{ended:?}");
    assert_eq!(lab.sent().len(), 1);
}

#[tokio::test]
async fn a_missing_right_is_named_with_its_grant_and_a_lost_answer_is_unknown() {
    let cases: [(Call, &str); 6] = [
        (call("vm.stop", "web", &[]), "VM.PowerMgmt"),
        (call("vm.snapshot", "web", &[("name", word("reef-a"))]), "VM.Snapshot"),
        (call("vm.limit", "web", &[("cores", Value::Int(4))]), "VM.Config.CPU"),
        (call("vm.create", "lab", &[]), "VM.Clone"),
        (rule("add", 443), "VM.Config.Network"),
        (
            call(
                "volume.resize",
                "web",
                &[("volume", word("scsi0")), ("to", Value::Bytes(64 << 30))],
            ),
            "VM.Config.Disk",
        ),
    ];
    for (call, right) in &cases {
        let lab = Lab::new().await;
        assert!(lab.fake.with(|cluster| cluster.rights.remove(*right)));
        let (_, result) = lab.stage.act(call).await;
        assert_eq!(result.word(), "not started", "{result:?}");
        let words = result.words();
        assert!(words.contains(&format!("the right {right} on /vms/")), "{words}");
        assert!(words.contains("pveum acl modify") && words.contains(ACTS.0), "{words}");
        assert!(!words.contains(ACTS.1), "a secret in the words: {words}");
    }
    for (proxy, word) in [(595, "not started"), (596, "unknown"), (599, "unknown")] {
        let lab = Lab::new().await;
        lab.fake.with(|cluster| cluster.proxy = Some(proxy));
        let (_, result) = lab.stage.act(&cases[0].0).await;
        assert_eq!(result.word(), word, "{proxy}: {result:?}");
        assert_eq!(lab.sent().len(), 1);
    }
    let lab = Lab::with_secret("wrong").await;
    let why = lab.stage.preview(&cases[0].0).await.unwrap_err().to_string();
    assert!(why.contains("401"), "{why}");
}

#[tokio::test]
async fn what_changed_since_it_was_planned_is_not_done() {
    let lab = Lab::new().await;
    let limit = call("vm.limit", "web", &[("cores", Value::Int(4))]);
    let (effect, undo) = lab.stage.preview(&limit).await.unwrap();
    lab.fake.with(|cluster| cluster.vms.get_mut(&104).unwrap().cores = 8);
    let result = lab.stage.act_as(&limit, effect, undo).await;
    assert_eq!(result.word(), "not started", "{result:?}");
    assert_eq!((lab.sent().len(), lab.vm(104).cores), (0, 8));
}

#[test]
fn what_is_not_declared_or_widens_is_refused() {
    let stage = Stage::new();
    for (call, words) in [
        (call("vm.stop", "other", &[]), "not among the machines"),
        (call("vm.create", "web", &[]), "of what"),
        (call("vm.delete", "web", &[]), "none that reef makes"),
        (call("vm.limit", "web", &[]), "needs memory or cores"),
        (call("vm.limit", "web", &[("cores", Value::Int(0))]), "1 to 512"),
        (call("vm.limit", "web", &[("memory", Value::Bytes(1))]), "64 MiB"),
        (call("vm.snapshot", "web", &[("name", word("mine"))]), "no snapshot of reef's own"),
        (call("vm.rollback", "web", &[("name", word("reef-"))]), "no snapshot of reef's own"),
        (call("vm.forget", "web", &[("name", word("current"))]), "no snapshot of reef's own"),
        (rule("open", 443), "add or remove"),
        (rule("add", 0), "1 to 65535"),
        (rule("add", 70_000), "1 to 65535"),
    ] {
        match stage.parse(&call) {
            Err(ToolError::Refused(why)) => assert!(why.contains(words), "{call}: {why}"),
            Err(other) => panic!("{call}: {other:?}"),
            Ok(_) => panic!("{call} was taken"),
        }
    }
    let elsewhere = Call { target: target("mini"), ..call("vm.stop", "web", &[]) };
    assert!(stage.parse(&elsewhere).is_err(), "a call stays on one host");
}

/// Real scripts that keep their state in a folder.
fn scripted(folder: &Path, start: &str) -> CommandProvider {
    let script = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let at = folder.display();
    let argv = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let state = script("state", &format!("cat {at}/$1"));
    let (start, stop) =
        (script("start", start), script("stop", &format!("echo status=stopped >{at}/$1")));
    let limit = script(
        "limit",
        &format!("printf 'status=running\\nmemory=%s\\ncores=%s\\n' $2 $3 >{at}/$1"),
    );
    let link: Arc<dyn HostLink> = Arc::new(LocalHost::new(
        here(),
        Arc::new(crate::clock::SystemClock),
        Arc::new(Redactor::new(Vec::new())),
    ));
    CommandProvider {
        link,
        commands: [
            ("state".to_owned(), argv(&[&state, "{vm}"])),
            ("start".to_owned(), argv(&[&start, "{vm}"])),
            ("stop".to_owned(), argv(&[&stop, "{vm}"])),
            ("limit".to_owned(), argv(&[&limit, "{vm}", "{memory}", "{cores}"])),
        ]
        .into(),
        playbooks: [].into(),
        redactor: Arc::new(Redactor::new(Vec::new())),
    }
}

#[tokio::test]
async fn commands_of_the_operators_act_and_their_exit_code_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let write = |text: &str| std::fs::write(dir.path().join("104"), text).unwrap();
    let stage = |start: &str| {
        let mut stage = Stage::new();
        let provider = scripted(dir.path(), start);
        stage.world.providers = [(HostName::of("pve"), Arc::new(known(provider)))].into();
        stage.again()
    };
    let start = call("vm.start", "web", &[]);
    write("status=stopped\nstopped_by=itself\n");
    let works = stage(&format!("echo status=running >{at}/$1"));
    let (undo, result) = works.act(&start).await;
    assert!(matches!(result, ActionResult::Done(_)), "{result:?}");
    assert_eq!(undone_by(&undo).tool.as_str(), "vm.stop");

    write("status=running\nmemory=1073741824\ncores=2\n");
    let limit = call("vm.limit", "web", &[("cores", Value::Int(4))]);
    let (_, result) = works.act(&limit).await;
    assert!(matches!(result, ActionResult::Done(_)), "{result:?}");
    let left = std::fs::read_to_string(dir.path().join("104")).unwrap();
    assert_eq!(left, "status=running\nmemory=1073741824\ncores=4\n", "what is not said stays");

    for (script, word, words) in
        [("exit 0", "failed", "nothing changed"), ("echo no room >&2; exit 3", "failed", "no room")]
    {
        write("status=stopped\nstopped_by=itself\n");
        let (_, result) = stage(script).act(&start).await;
        assert_eq!(result.word(), word, "{result:?}");
        assert!(result.words().contains(words), "{result:?}");
    }
    write("status=stopped\nstopped_by=ann\n");
    let why = works.preview(&start).await.unwrap_err().to_string();
    assert!(why.contains("ann stopped it"), "{why}");
    let snapshot = call("vm.snapshot", "web", &[("name", word("reef-a"))]);
    let (_, result) = works.act(&snapshot).await;
    assert!(result.words().contains("write command.snapshot"), "{result:?}");
}

/// A playbook whose program prints what the real one was recorded to print, and starts the machine that it is told of.
fn playbook(dir: &Path, does: &str) -> crate::clients::ansible::Playbook {
    let at = dir.display();
    let check = include_str!("../../clients/ansible/recorded/check.txt");
    let ran = check.replace("skipping", "changed");
    std::fs::write(dir.join("check.txt"), check).unwrap();
    std::fs::write(dir.join("ran.txt"), ran).unwrap();
    let program = dir.join("ansible-playbook");
    let text = format!(
        "#!/bin/sh\ncd {at}\nprintf '%s\\n' \"$*\" >>said\ncase $* in *--list-hosts)\n\
         printf '\\n  play #1 (mini): mini\\n    hosts (1):\\n      here\\n' ;;\n*--check*) cat check.txt ;;\n*) {does} ;; esac\n"
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = dir.join("start.yml");
    std::fs::write(&file, "- hosts: here\n").unwrap();
    crate::clients::ansible::Playbook {
        file: super::stage::abs(&file),
        binary: Some(program.to_str().unwrap().to_owned()),
        sha256: Some(crate::model::digest::Digest::of(b"- hosts: here\n")),
        ..super::iac::playbook(dir)
    }
}

#[tokio::test]
async fn a_playbook_stands_for_a_verb_with_its_check_as_preview_and_its_hash_as_tier() {
    let dir = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(dir.path().join("104"), text).unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    let stage = |does: &str| {
        let mut stage = Stage::new();
        let mut provider = scripted(dir.path(), "exit 1");
        let of = Arc::new(playbook(dir.path(), does));
        for verb in ["start", "limit", "snapshot"] {
            provider.commands.remove(verb);
            provider.playbooks.insert(verb.to_owned(), Arc::clone(&of));
        }
        stage.world.providers = [(HostName::of("pve"), Arc::new(known(provider)))].into();
        stage.again()
    };
    let start = call("vm.start", "web", &[]);
    write("status=stopped\nstopped_by=itself\nmemory=1073741824\ncores=2\n");
    let works = stage("echo status=running >104; cat ran.txt");
    assert_eq!(works.action(&start).tier(), Tier::High, "its hash is the declared one");
    let (effect, undo) = works.preview(&start).await.unwrap();
    for part in
        ["start pve:vm:web (now stopped), by the playbook", "[high: its hash", "+hello here"]
    {
        assert!(effect.words.contains(part), "{part}: {}", effect.words);
    }
    assert!(!read("104").contains("running"), "a preview changes nothing");
    let result = works.act_as(&start, effect.clone(), undo.clone()).await;
    assert!(matches!(result, ActionResult::Done(_)), "{result:?}");
    let said = read("said");
    assert!(said.lines().last().unwrap().contains("-e {\"reef_vm\":\"104\"} --diff"), "{said}");

    // What is a number is one to the playbook too.
    let limit = call("vm.limit", "web", &[("cores", Value::Int(4))]);
    write("status=running\nmemory=1073741824\ncores=2\n");
    works.preview(&limit).await.unwrap();
    let vars = "-e {\"reef_cores\":4,\"reef_memory\":1073741824,\"reef_vm\":\"104\"} --check";
    assert!(read("said").lines().last().unwrap().contains(vars), "{}", read("said"));
    assert_eq!(works.action(&limit).tier(), Tier::Critical, "never less than the deed itself");

    // A changed file is critical again, and what was approved is not what would be run.
    write("status=stopped\nstopped_by=itself\n");
    std::fs::write(dir.path().join("start.yml"), "- hosts: here\n  become: true\n").unwrap();
    assert_eq!(works.action(&start).tier(), Tier::Critical);
    let result = works.act_as(&start, effect, undo).await;
    assert_eq!(result.word(), "not started", "{result:?}");
    assert!(!read("104").contains("running"));

    // Exit code 0 proves nothing, and a dead host is a failure whatever it is.
    let unreachable = include_str!("../../clients/ansible/recorded/unreachable.txt");
    std::fs::write(dir.path().join("gone.txt"), unreachable).unwrap();
    for (does, words) in [
        ("cat ran.txt", "said yes, but nothing changed"),
        ("cat gone.txt; exit 0", "unreachable: gone"),
    ] {
        let (_, result) = stage(does).act(&start).await;
        assert_eq!(result.word(), "failed", "{does}: {result:?}");
        assert!(result.words().contains(words), "{does}: {result:?}");
    }
}
