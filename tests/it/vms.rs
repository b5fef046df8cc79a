//! The real binary over a Proxmox VE that keeps state: asked, approved, started, proven, undone; and a snapshot
//! before what is risky.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use reef::control::client::Client;
use reef::exam::proxmox::{ACTS, FakeProxmox, LOOKS, Mood};
use reef::model::ids::{ActionId, ApprovalId};
use reef::operator::order::Order;
use serde_json::Value as Json;

use crate::lab::{ALONE, Home, Reef};

/// A Proxmox on a thread of its own.
struct Proxmox {
    fake: FakeProxmox,
    url: String,
    end: Option<(tokio::sync::oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Proxmox {
    fn start() -> Self {
        let fake = FakeProxmox::new();
        let app = fake.app();
        let (to, from) = mpsc::channel();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                to.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Self { fake, url: from.recv().unwrap(), end: Some((end, thread)) }
    }

    fn sent(&self) -> Vec<String> {
        self.fake.with(|cluster| cluster.sent.clone())
    }

    fn runs(&self, vmid: u64) -> bool {
        self.fake.with(|cluster| cluster.vms[&vmid].running)
    }

    /// A home whose proxmox probe looks every second, with this leash and these runbooks.
    fn home(&self, ceiling: &str, more: &str, books: &[(&str, &str)]) -> Home {
        let home = Home::new("");
        let folder = home.path().join("books");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in books {
            std::fs::write(folder.join(format!("{name}.md")), text).unwrap();
        }
        let alone = ALONE.replace("[host.this]", &format!("[host.this]\n{more}"));
        let (url, (looks, seen), (acts, done)) = (&self.url, LOOKS, ACTS);
        home.configure(&format!(
            "host_name = \"mini\"\nceiling = \"{ceiling}\"\nrunbook_dir = {folder:?}\n{alone}\n[proxmox]\n\
             pve = {{ url = \"{url}\", token_id = \"{looks}\", token_secret = \"{seen}\", every = \"1s\", fire_after = 1, clear_after = 1 }}\n\
             [provider.home]\nproxmox = \"pve\"\ntoken_id = \"{acts}\"\ntoken_secret = \"{done}\"\n\
             vms = {{ web = \"104\", still = \"105\" }}\n"
        ));
        home
    }
}

impl Drop for Proxmox {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            let _gone: Result<(), ()> = end.send(());
            drop(thread.join());
        }
    }
}

fn guest_down(leash: &str) -> String {
    format!(
        "+++\ntitle = \"Guest down\"\nmatch = {{ probe = \"proxmox\", reason = [\"down\"], severity = [\"red\"] }}\n\
         leash = \"{leash}\"\nmax_tier = \"high\"\ntools = [\"vm.start\"]\nescalate = \"message\"\n+++\n# Guest down\n\n\
         ```step\nname = \"start\"\ntool = \"vm.start\"\ntarget = \"home:vm:still\"\nargs = {{ vm = \"home:vm:still\" }}\n```\n\n\
         ```verify\nwithin = \"20s\"\n```\n"
    )
}

const STARTED: &str = "POST nodes/pve1/qemu/105/status/start";

#[track_caller]
fn ask(home: &Home, order: &Order) -> Json {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(vec![home.state().join("reef.sock")]);
    runtime.block_on(client.ask(order)).unwrap_or_else(|e| panic!("{e}"))
}

fn dispatched(reef: &Reef, tool: &str) -> Vec<Json> {
    let mut records = reef.records("dispatched");
    records.retain(|r| r["payload"]["tool"] == tool);
    records
}

#[test]
fn a_guest_that_ended_is_asked_about_started_proven_and_the_start_undone() {
    let proxmox = Proxmox::start();
    let home = proxmox.home("ask", "", &[("guest-down", &guest_down("ask"))]);
    let reef = home.start();
    let asked = reef.until("a question", |reef| {
        reef.approvals().into_iter().find(|a| a["state"]["state"] == "pending")
    });
    assert!(asked.to_string().contains("start home:vm:still (now stopped)"), "{asked:#}");
    assert!(asked.to_string().contains("vm.stop"), "the inverse stands in the question: {asked:#}");
    reef.looks_pass(2);
    assert!(proxmox.sent().is_empty(), "nothing happens before the yes");

    reef.reef(&["approve", &format!("A-{}", asked["id"]), "--yes"]).ok();
    reef.until_incident("resolved");
    assert_eq!(proxmox.sent(), [STARTED]);
    assert!(proxmox.runs(105));
    let start = dispatched(&reef, "vm.start").pop().unwrap();
    assert_eq!(start["payload"]["tier"], "high");
    let closed = reef.records("closed").pop().unwrap();
    assert_eq!(closed["payload"]["outcome"], "done", "{closed:#}");
    assert!(
        closed.to_string().contains("/api2/json/nodes/pve1/qemu/105/status/start"),
        "{closed:#}"
    );
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    assert!(!reef.audit().iter().any(|r| r.to_string().contains(ACTS.1)), "a secret in the log");

    reef.reef(&["undo", &format!("D-{}", start["seq"]), "--yes"]).ok();
    reef.until("it is stopped again", |_| (!proxmox.runs(105)).then_some(()));
    // What was stopped on purpose is no fault: it stays so.
    reef.looks_pass(3);
    assert_eq!(proxmox.sent().iter().filter(|sent| *sent == STARTED).count(), 1);
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn observe_changes_nothing() {
    let proxmox = Proxmox::start();
    let home = proxmox.home(
        "observe",
        "snapshot = \"home:vm:web\"",
        &[("guest-down", &guest_down("auto"))],
    );
    let reef = home.start();
    reef.until("what would be done", |reef| (!reef.records("would").is_empty()).then_some(()));
    reef.looks_pass(3);
    assert!(proxmox.sent().is_empty() && reef.records("dispatched").is_empty());
    assert!(!proxmox.runs(105));
}

#[test]
fn a_crash_between_the_start_and_its_end_is_unknown_and_it_is_not_started_again() {
    let proxmox = Proxmox::start();
    proxmox.fake.with(|cluster| cluster.mood = Mood::Hangs);
    let home = proxmox.home("auto", "", &[("guest-down", &guest_down("auto"))]);
    let mut reef = home.start();
    reef.until("it is sent", |_| (!proxmox.sent().is_empty()).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    reef.kill();
    let reef = home.start();
    reef.until("it is unknown", |reef| {
        let unknown = reef.json(&["status"])["unknown_actions"].clone();
        unknown.as_array().filter(|all| all.len() == 1).map(|_| ())
    });
    reef.looks_pass(3);
    assert_eq!(proxmox.sent(), [STARTED], "it is never sent again by itself");
    assert_eq!(dispatched(&reef, "vm.start").len(), 1);
}

/// A runbook that only a human starts: a command of tier high that its runbook pins.
const RISKY: &str = r#"+++
title    = "Something risky"
match    = { probe = "proxmox", reason = ["never"] }
max_tier = "high"
tools    = ["host.exec"]
commands = [["sh", "-c", "echo done >MARK"]]
+++
# Something risky

```step
name = "mark"
tool = "host.exec"
args = { argv = ["sh", "-c", "echo done >MARK"] }
```

```verify
query = { tool = "host.run", args = { argv = ["ls", "MARK"] }, value = "code", is = 0 }
```
"#;

#[test]
fn a_snapshot_stands_before_a_high_step_and_its_rollback_is_the_undo() {
    let proxmox = Proxmox::start();
    let home = proxmox.home("auto", "snapshot = \"home:vm:web\"\nsnapshot_keep = \"2h\"", &[]);
    let mark = home.path().join("mark").display().to_string();
    let text =
        RISKY.replace("MARK", &mark).replace("[\"host.exec\"]", "[\"host.exec\", \"host.run\"]");
    std::fs::write(home.path().join("books/risky.md"), text).unwrap();
    let reef = home.start();
    let ran = reef.reef(&["runbook", "run", "risky", "--on", "mini", "--yes"]);
    assert!(ran.all().contains("take the snapshot reef-run-"), "the human sees it: {ran:#?}");
    assert!(std::path::Path::new(&mark).exists(), "{ran:#?}");
    let taken = dispatched(&reef, "vm.snapshot").pop().unwrap();
    let risky = dispatched(&reef, "host.exec").pop().unwrap();
    assert!(taken["seq"].as_i64() < risky["seq"].as_i64());
    assert_eq!(proxmox.fake.with(|cluster| cluster.vms[&104].snapshots.len()), 1);

    // What it spoilt is had back by the undo of the step itself, which is critical: a plain yes is not enough.
    proxmox.fake.with(|cluster| cluster.vms.get_mut(&104).unwrap().content = "spoilt".into());
    let action = ActionId(risky["seq"].as_i64().unwrap());
    let planned = ask(&home, &Order::Undo { action });
    let id = planned["approval"].as_i64().unwrap_or_else(|| panic!("it asks: {planned:#}"));
    let plan: reef::model::plan::Plan = serde_json::from_value(planned["plan"].clone()).unwrap();
    assert_eq!(plan.steps[0].call.tool.as_str(), "vm.rollback");
    assert_eq!(plan.tier(), reef::model::tool::Tier::Critical);
    let typed = reef::policy::confirm::name_to_type(&plan);
    assert!(typed.is_some(), "its target's name is to be typed");
    ask(&home, &Order::Approve { id: ApprovalId(id), choice: None, typed });
    reef.until("it is rolled back", |_| {
        let content = proxmox.fake.with(|cluster| cluster.vms[&104].content.clone());
        (content == "as it was").then_some(())
    });

    // Its time over, it is removed by an action of its own.
    let mut reef = reef;
    reef.until("the rollback is closed", |reef| {
        (reef.records("closed").len() == reef.records("dispatched").len()).then_some(())
    });
    reef.stop();
    let db = rusqlite::Connection::open(home.state().join("reef.db")).unwrap();
    db.execute("UPDATE timer SET at = 0 WHERE key = 'snapshots'", ()).unwrap();
    db.execute("UPDATE action SET at = at - 10800000", ()).unwrap();
    drop(db);
    let reef = home.start();
    reef.until("it is removed", |_| {
        proxmox.fake.with(|cluster| cluster.vms[&104].snapshots.is_empty()).then_some(())
    });
    assert_eq!(dispatched(&reef, "vm.forget").len(), 1);
}
