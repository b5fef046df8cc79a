//! Signals to real processes, and the busiest of a host.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::stage::{Stage, done, target, word};
use crate::clients::signal::{LocalProcesses, Processes};
use crate::model::fact::{Fact, FactValue, Process};
use crate::model::ids::UnitName;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, ToolError};
use crate::model::value::Value;

/// A process of this test alone.
struct Child(std::process::Child);

impl Child {
    #[expect(clippy::disallowed_methods, reason = "the test needs a process of its own to end")]
    fn start(program: &str, args: &[&str]) -> Self {
        let null = std::process::Stdio::null;
        let mut command = std::process::Command::new(program);
        Self(command.args(args).stdin(null()).stdout(null()).stderr(null()).spawn().unwrap())
    }

    async fn start_time(&self) -> u64 {
        LocalProcesses.look(self.0.id()).await.unwrap().unwrap().id.start
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn kill(stage: &Stage, pid: u32, start: u64) -> Call {
    let target = target(&format!("mini:pid:{pid}@{start}"));
    stage.call("process.kill", &[("process", Value::Target(target))])
}

#[tokio::test]
async fn exactly_the_named_process_ends() {
    let stage = Stage::new();
    let child = Child::start("sleep", &["600"]);
    let start = child.start_time().await;
    let call = kill(&stage, child.0.id(), start);
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(effect.words.contains("sleep"), "{}", effect.words);
    let (_, result) = stage.act(&call).await;
    assert!(done(&result).starts_with("ended sleep"), "{result:?}");
}

#[tokio::test]
async fn a_number_with_another_start_is_another_process() {
    let stage = Stage::new();
    let mut child = Child::start("sleep", &["600"]);
    let start = child.start_time().await;
    let call = kill(&stage, child.0.id(), start + 1);
    let why = stage.preview(&call).await.unwrap_err();
    assert!(matches!(why, ToolError::Refused(_)), "{why}");
    // Even with a preview from before: the run looks again.
    let (effect, undo) = stage.preview(&kill(&stage, child.0.id(), start)).await.unwrap();
    let result = stage.act_as(&call, effect, undo).await;
    assert!(matches!(result, ActionResult::NotStarted(_)), "{result:?}");
    assert!(child.0.try_wait().unwrap().is_none(), "it was ended");
}

#[tokio::test]
async fn a_process_that_does_not_listen_is_told_of_and_killed_on_demand() {
    let stage = Stage::new();
    let child = Child::start("sh", &["-c", "trap '' TERM; exec sleep 600"]);
    // Until the trap is set, SIGTERM would end it.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let start = child.start_time().await;
    let mut call = kill(&stage, child.0.id(), start);
    call.args.insert("signal".into(), word("kill"));
    done(&stage.act(&call).await.1);
}

#[tokio::test]
async fn what_must_not_end_is_refused() {
    let stage = Stage::with(|inventory, _| {
        inventory.databases.insert("sleep".into());
    });
    assert!(stage.parse(&kill(&stage, 1, 1)).is_err(), "pid 1");
    let own = LocalProcesses.own_line().await.unwrap();
    assert!(own.contains(&std::process::id()) && 1 < own.len());
    for pid in own.into_iter().filter(|pid| 1 < *pid) {
        let process = LocalProcesses.look(pid).await.unwrap().unwrap();
        let why = stage.preview(&kill(&stage, pid, process.id.start)).await.unwrap_err();
        assert!(why.to_string().contains("never") || why.to_string().contains("reef"), "{why}");
    }
    let child = Child::start("sleep", &["600"]);
    let start = child.start_time().await;
    let why = stage.preview(&kill(&stage, child.0.id(), start)).await.unwrap_err();
    assert!(why.to_string().contains("sleep is never ended"), "{why}");
    if let Some(kernel) = LocalProcesses.look(2).await.unwrap()
        && kernel.comm == "kthreadd"
    {
        let why = stage.preview(&kill(&stage, 2, kernel.id.start)).await.unwrap_err();
        assert!(why.to_string().contains("kernel"), "{why}");
    }
}

fn process(pid: u32, comm: &str, busy: u32, unit: Option<&str>) -> Process {
    Process {
        pid,
        parent: 1,
        start: 100,
        comm: comm.into(),
        uid: 0,
        ticks: 10,
        rss_bytes: u64::from(pid) << 20,
        unit: unit.map(|u| UnitName::new(u).unwrap()),
        busy: Some(busy),
    }
}

fn busiest(stage: &Stage, all: Vec<Process>) {
    let facts = [
        (Fact::Busiest, FactValue::Busiest(all)),
        (Fact::Uptime, FactValue::Uptime(Span::hours(5))),
    ];
    *stage.host.facts.lock().unwrap() = BTreeMap::from(facts);
}

#[tokio::test]
async fn a_runaway_is_told_by_its_own_past_and_a_job_is_left_alone() {
    let stage = Stage::new();
    let call = stage.call("process.list", &[]);
    let nginx = process(7, "nginx", 9_900, Some("nginx.service"));
    busiest(&stage, vec![process(3, "idle", 10, None), nginx.clone()]);
    let found = stage.query(&call).await.unwrap();
    assert_eq!(found.values["verdict"], word("spike"));
    stage.hands.0.fetch_add(Span::mins(11).0, Ordering::Relaxed);
    let found = stage.query(&call).await.unwrap();
    assert_eq!(found.values["verdict"], word("runaway"), "{}", found.words);
    assert_eq!(found.values["busiest"], Value::Target(target("mini:pid:7@100")));
    assert_eq!(found.values["unit"], Value::Target(target("mini:unit:nginx.service")));
    assert_eq!(found.values["restartable"], Value::Flag(true));
    assert_eq!(found.values["busy_percent"], Value::Int(99));
    busiest(&stage, vec![process(8, "restic", 19_900, None), nginx]);
    let found = stage.query(&call).await.unwrap();
    assert_eq!(found.values["verdict"], word("job"), "{}", found.words);
    assert!(!found.values.contains_key("unit"));
    assert_eq!(found.values["restartable"], Value::Flag(false));
}

#[tokio::test]
async fn what_runs_in_a_container_is_named_by_it() {
    let stage = Stage::with(|inventory, _| {
        inventory.restartable.insert("mini:container:immich".parse().unwrap());
    });
    for name in ["immich", "other"] {
        let c = super::engine::container(name);
        let scope = format!("docker-{}.scope", "ab".repeat(32));
        let c = crate::model::container::Container { id: "ab".repeat(32), ..c };
        busiest(&stage, vec![process(5, "node", 9_900, Some(&scope))]);
        let all = FactValue::Containers(vec![c]);
        stage.host.facts.lock().unwrap().insert(Fact::Containers, all);
        let found = stage.query(&stage.call("process.list", &[])).await.unwrap();
        assert_eq!(found.values["container"].to_string(), format!("mini:container:{name}"));
        assert_eq!(found.values["place"].to_string(), "container");
        assert_eq!(found.values["restartable"], Value::Flag(name == "immich"));
        assert!(!found.values.contains_key("unit"));
    }
    let plain = process(5, "node", 9_900, Some("nginx.service"));
    busiest(&stage, vec![plain]);
    let found = stage.query(&stage.call("process.list", &[])).await.unwrap();
    assert_eq!(found.values["place"].to_string(), "unit");
}

#[tokio::test]
async fn the_largest_process_is_named_by_its_unit() {
    let stage = Stage::new();
    busiest(&stage, vec![process(3, "a b/c", 0, None), process(900, "java", 0, Some("x.service"))]);
    let found = stage.query(&stage.call("memory.usage", &[])).await.unwrap();
    assert_eq!(found.values["size"], Value::Bytes(900 << 20));
    assert_eq!(found.values["process"], Value::Target(target("mini:pid:900@100")));
    assert_eq!(found.values["restartable"], Value::Flag(false));
    assert!(found.words.as_str().contains("java"), "{}", found.words);
}

/// The real collection of this machine, and a real loop that is busy.
#[tokio::test]
async fn a_real_busy_loop_is_found() {
    use crate::clients::host::HostLink;
    use crate::clients::host::local::LocalHost;
    use crate::policy::redact::Redactor;
    use std::sync::Arc;
    let mut stage = Stage::new();
    let child = Child::start("sh", &["-c", "while :; do :; done"]);
    let redactor = Arc::new(Redactor::new(Vec::new()));
    let link: Arc<dyn HostLink> =
        Arc::new(LocalHost::new(super::stage::here(), stage.hands.clone(), redactor));
    stage.world.hosts.insert(super::stage::here(), link.clone());
    let stage = stage.again();
    let call = stage.call("process.list", &[("top", Value::Int(50))]);
    let found = stage.query(&call).await.unwrap();
    let pid = format!("(pid {}", child.0.id());
    assert!(found.words.as_str().contains(&pid), "{}", found.words);
    let found = stage.query(&stage.call("memory.usage", &[])).await.unwrap();
    assert!(matches!(found.values["size"], Value::Bytes(n) if 0 < n));
}
