//! The real binary and a cluster that lives: one cause, one message.

#[path = "../../src/clients/kube/fake/mod.rs"]
#[allow(dead_code, reason = "the tests of the client use the rest")]
mod fake;

use std::sync::mpsc;
use std::thread::JoinHandle;

use serde_json::Value as Json;

use crate::lab::{ALONE, Home, Hook, Reef, list};
pub use fake::{Account, Fake};

/// A fake API server on a thread of its own.
pub struct Cluster {
    pub fake: Fake,
    end: Option<(tokio::sync::oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Cluster {
    pub fn start() -> Self {
        let (to, from) = mpsc::channel();
        let (end, ended) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let (fake, _tasks) = Fake::start().await;
                to.send(fake).unwrap();
                drop(ended.await);
            });
        });
        Self { fake: from.recv().unwrap(), end: Some((end, thread)) }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            let _gone: Result<(), ()> = end.send(());
            drop(thread.join());
        }
    }
}

fn home(cluster: &Cluster, hook: &Hook, token: &str) -> Home {
    let home = Home::new("");
    let kubeconfig = cluster.fake.kubeconfig(home.path(), token);
    home.configure(&format!(
        "{ALONE}\n[kubernetes]\nk3s = {{ kubeconfig_file = \"{kubeconfig}\", every = \"1s\", fire_after = 1, clear_after = 1 }}\n\
         [notify.hook]\nwebhook = {{ url = \"{}\", secret = \"${{HOOK:-open sesame}}\" }}\n",
        hook.url()
    ));
    home
}

fn signals(reef: &Reef) -> Vec<(String, String)> {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    list(&reef.json(&["status"]), "signals")
        .iter()
        .map(|s| (text(&s["reading"]["signal"]["target"]), text(&s["reading"]["severity"])))
        .collect()
}

fn is(reef: &Reef, target: &str, severity: &str) -> Option<()> {
    signals(reef).iter().any(|(t, s)| t == target && s == severity).then_some(())
}

#[test]
fn a_node_that_dies_is_one_message_and_its_workloads_are_explained() {
    let (cluster, hook) = (Cluster::start(), Hook::new());
    cluster.fake.with(|estate| {
        estate.node("pi-1");
        estate.deployment("media", "jellyfin", 1);
        estate.deployment("home", "assistant", 2);
        estate.node("pi-2");
        estate.keeper("daemonsets", "kube-system", "log", 1, "log:1");
        estate.pass(10);
    });
    let home = home(&cluster, &hook, "right");
    let reef = home.start();
    reef.until("the cluster is seen", |reef| is(reef, "k3s/media/deployment/jellyfin", "green"));
    reef.until_green();
    // Beside what this machine says of itself.
    let of_cluster = signals(&reef).iter().filter(|(target, _)| target.starts_with("k3s")).count();
    assert_eq!(of_cluster, 6, "{:?}", signals(&reef));

    cluster.fake.with(|estate| estate.kill("pi-1"));
    cluster.fake.pass(60);
    reef.until("the node is told", |_| (!hook.told().is_empty()).then_some(()));
    reef.until("its workloads are red too", |reef| {
        is(reef, "k3s/home/deployment/assistant", "red")
    });
    reef.looks_pass(3);
    let told = hook.titles();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("pi-1"), "{told:?}");
    let explained = reef
        .incidents()
        .iter()
        .filter(|incident| incident["state"]["state"] == "explained")
        .count();
    assert!(2 <= explained, "{:#?}", reef.incidents());

    // Somebody takes one away and switches one off meanwhile: neither is a fault.
    cluster.fake.with(|estate| {
        estate.remove("deployments", "media", "jellyfin");
        for pod in estate.pods("media", "jellyfin") {
            estate.remove("pods", "media", pod["metadata"]["name"].as_str().unwrap());
        }
        estate.scale("deployments", "home", "assistant", 0);
        estate.reboot("pi-1");
    });
    reef.until("what was deleted is spoken of no more", |reef| {
        signals(reef).iter().all(|(target, _)| !target.contains("jellyfin")).then_some(())
    });
    reef.until_green();
    reef.until("its end is told", |_| (1 < hook.told().len()).then_some(()));
    reef.looks_pass(2);
    assert_eq!(hook.titles().len(), 2, "{:?}", hook.titles());
}

/// The rights of a manifest as reef prints it, `verb resource` each; what stands behind a hash is none.
pub fn rights(role: &str) -> Vec<String> {
    let words = |line: &str| -> Option<Vec<String>> {
        let inner = line.split_once('[')?.1.strip_suffix(']')?;
        Some(inner.split(", ").map(|word| word.trim_matches('"').to_owned()).collect())
    };
    let lines: Vec<&str> =
        role.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    let mut may = Vec::new();
    for pair in lines.windows(2) {
        if let (Some(resources), Some(verbs)) = (
            pair[0].strip_prefix("resources: ").and_then(words),
            pair[1].strip_prefix("verbs: ").and_then(words),
        ) {
            for resource in &resources {
                may.extend(verbs.iter().map(|verb| format!("{verb} {resource}")));
            }
        }
    }
    may
}

pub const READS: &str = include_str!("../../src/cli/install/k8s-role.yaml");
pub const ACTS: &str = include_str!("../../src/cli/install/k8s-role-act.yaml");

/// The role that reef prints is what it needs, word for word, and no more than reading.
#[test]
fn the_printed_role_is_enough_and_only_reads() {
    let may = rights(READS);
    assert!(20 <= may.len(), "{may:?}");
    for right in &may {
        let (verb, resource) = right.split_once(' ').unwrap();
        assert!(["get", "list", "watch"].contains(&verb), "{right}");
        assert!(!["secrets", "nodes/proxy", "roles"].contains(&resource), "{right}");
    }
    let (cluster, hook) = (Cluster::start(), Hook::new());
    cluster.fake.with(|estate| {
        estate.node("pi-1");
        estate.deployment("media", "jellyfin", 1);
        let may: Vec<&str> = may.iter().map(String::as_str).collect();
        estate.accounts.insert("reef".into(), Account::of(&may));
    });
    let home = home(&cluster, &hook, "reef");
    let reef = home.start();
    reef.until("the cluster is seen", |reef| is(reef, "k3s/media/deployment/jellyfin", "green"));
    cluster.fake.with(|estate| estate.image("deployments", "media", "jellyfin", "missing:2"));
    cluster.fake.pass(60);
    reef.until("a fault is seen", |reef| is(reef, "k3s/media/deployment/jellyfin", "yellow"));
    let seen = list(&reef.json(&["status"]), "signals");
    let api = seen.iter().find(|s| s["reading"]["signal"]["aspect"] == "api").unwrap();
    let said = api["reading"]["words"].as_str().unwrap();
    // Only what the role leaves out on purpose.
    assert!(!said.contains("cannot list") && !said.contains("cannot watch"), "{said}");
    assert!(reef.log().lines().all(|line| !line.contains("are not watched")), "{}", reef.log());
}
