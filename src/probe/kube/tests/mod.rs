//! A cluster that lives, as its API server shows it.

mod volumes;
mod workloads;

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use crate::clients::kube::fake::{Account, Estate, Fake};
use crate::clients::kube::{Settings, Way};
use crate::clients::tls::Tls;
use crate::clients::tls::peer::{Peer, Shows, Signed};
use crate::model::change::ChangeKind;
use crate::model::reading::Intent;
use crate::model::target::{AbsPath, Thing};
use crate::model::value::Value;
use crate::policy::threshold::{Direction, Threshold};
use crate::policy::triage;
use crate::probe::ask::{NoPast, host_signal};
use crate::probe::kube::certificates::{CertificatesProbe, Secrets};
use crate::probe::kube::scope::api_signal;
use crate::probe::kube::volumes::VolumesProbe;
use crate::probe::kube::*;
use Severity::{Green, Red, Unknown, Yellow};

struct Stage {
    fake: Fake,
    probe: KubeProbe,
    last: Vec<Reading>,
    dir: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl Stage {
    async fn new(f: impl FnOnce(&mut Estate)) -> Self {
        Self::with(Scope::default(), "right", f).await
    }

    async fn with(scope: Scope, token: &str, f: impl FnOnce(&mut Estate)) -> Self {
        let (fake, tasks) = Fake::start().await;
        fake.with(f);
        let dir = tempfile::tempdir().unwrap();
        let cluster = cluster(&fake, &dir, token);
        let redactor = Arc::new(Redactor::new(Vec::new()));
        let hosts = BTreeSet::from([HostName::of("pve1")]);
        let blind = BlindSpots::default();
        let probe = KubeProbe::new(k3s(), cluster, scope, redactor, blind, hosts);
        Self { fake, probe, last: Vec::new(), dir, _tasks: tasks }
    }

    /// As after a restart: a probe that knows nothing.
    fn anew(&mut self) {
        let (cluster, scope) = (self.probe.cluster.clone(), self.probe.scope.clone());
        let redactor = Arc::new(Redactor::new(Vec::new()));
        let hosts = BTreeSet::from([HostName::of("pve1")]);
        self.probe = KubeProbe::new(k3s(), cluster, scope, redactor, BlindSpots::default(), hosts);
    }

    fn now(&self) -> Millis {
        Millis(self.fake.with(|estate| estate.millis()))
    }

    async fn look(&mut self) {
        let now = self.now();
        self.last = self.probe.look(&NoPast, now).await;
    }

    /// Lets time pass, then looks.
    async fn after(&mut self, secs: i64) -> &mut Self {
        self.fake.pass(secs);
        self.look().await;
        self
    }

    fn reading(&self, target: &str) -> &Reading {
        let of = |r: &&Reading| r.signal.target.to_string() == target;
        self.last.iter().find(of).unwrap_or_else(|| panic!("no {target} in {:#?}", self.told()))
    }

    #[track_caller]
    fn is(&self, target: &str, severity: Severity, reason: &str) -> &Reading {
        let reading = self.reading(target);
        assert_eq!((reading.severity, reading.reason.as_str()), (severity, reason), "{reading:?}");
        reading
    }

    fn told(&self) -> Vec<String> {
        let one = |r: &Reading| format!("{} {} {}: {}", r.signal, r.severity, r.reason, r.words);
        self.last.iter().map(one).collect()
    }
}

fn k3s() -> HostName {
    HostName::of("k3s")
}

fn cluster(fake: &Fake, dir: &tempfile::TempDir, token: &str) -> Cluster {
    let kubeconfig = AbsPath::new(&fake.kubeconfig(dir.path(), token)).unwrap();
    Cluster::new(Settings {
        way: Way::File { kubeconfig, context: None },
        timeout: Span::secs(5),
        redactor: Arc::new(Redactor::new(Vec::new())),
    })
}

const JELLYFIN: &str = "k3s/media/deployment/jellyfin";

/// Two nodes and one of each.
fn home(estate: &mut Estate) {
    estate.node("pve1");
    estate.node("pi");
    estate.deployment("media", "jellyfin", 2);
    estate.keeper("statefulsets", "media", "db", 1, "db:1");
    estate.keeper("daemonsets", "kube-system", "log", 1, "log:1");
    estate.pass(10);
}

#[tokio::test]
async fn one_list_a_kind_and_look_and_one_signal_a_workload() {
    let mut stage = Stage::new(home).await;
    stage.look().await;
    let asked = stage.fake.asked();
    let of = |kind: &str| asked.iter().filter(|a| a.contains(&format!("/{kind}?"))).count();
    for kind in ["nodes", "pods", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs"] {
        assert_eq!(of(kind), 1, "{kind}: {asked:?}");
    }
    assert_eq!(asked.len(), 7, "calls a look: {asked:?}");
    // The nodes say whether the store answers; everything else may come from memory.
    let from_store: Vec<_> = asked.iter().filter(|a| !a.contains("resourceVersion=0")).collect();
    assert_eq!(from_store, ["GET /api/v1/nodes?limit=500"]);
    let mut told: Vec<String> =
        stage.last.iter().map(|r| format!("{} {}", r.signal, r.severity)).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "kube k3s api green",
            "kube k3s/kube-system/daemonset/log state green",
            "kube k3s/media/deployment/jellyfin state green",
            "kube k3s/media/statefulset/db state green",
            "kube k3s:member:pi ready green",
            "kube k3s:member:pve1 ready green",
        ]
    );
    assert_eq!(stage.reading("k3s:member:pve1").parent, Some(host_signal(&HostName::of("pve1"))));
    assert_eq!(stage.reading(JELLYFIN).parent, Some(api_signal(&k3s())));
    // One more for the warnings, where something is not green.
    stage.fake.with(|e| e.image("deployments", "media", "jellyfin", "missing:2"));
    stage.after(60).await;
    let asked = stage.fake.asked();
    assert_eq!(asked.len(), 8, "{asked:?}");
    assert!(asked[7].contains("/api/v1/events?limit=500&fieldSelector=type%3DWarning"));
}

#[tokio::test]
async fn refusals_are_said_in_the_words_of_the_server_and_are_no_red() {
    let poor = Account::of(&["list nodes", "list pods", "list deployments", "list events"]);
    let mut stage = Stage::with(Scope::default(), "poor", |estate| {
        home(estate);
        estate.accounts.insert("poor".into(), poor);
    })
    .await;
    stage.look().await;
    let api = stage.is("k3s", Green, "ok");
    let part = "User \"system:serviceaccount:reef:reef\" cannot list resource";
    assert!(api.words.as_str().contains(part), "{}", api.words);
    stage.is(JELLYFIN, Green, "ok");
    // Rights that are taken away leave what was seen unknown, never gone.
    stage.fake.with(|e| {
        let bare = Account::of(&["list nodes", "list pods", "list events"]);
        drop(e.accounts.insert("poor".into(), bare));
    });
    stage.look().await;
    stage.is(JELLYFIN, Unknown, "unseen");
    assert_eq!(stage.probe.retired(), Vec::new());
    stage.fake.with(|e| drop(e.accounts.insert("poor".into(), Account::of(&[]))));
    stage.look().await;
    stage.is("k3s", Unknown, "denied");
    // A token that was revoked.
    stage.fake.with(|e| drop(e.accounts.remove("poor")));
    stage.fake.asked();
    stage.look().await;
    stage.is("k3s", Unknown, "unauthorized");
    stage.is(JELLYFIN, Unknown, "unseen");
    assert_eq!(stage.fake.asked().len(), 1, "nothing more is asked");
}

#[tokio::test]
async fn a_frozen_store_is_red_once_and_leaves_the_rest_unknown() {
    let mut stage = Stage::new(home).await;
    stage.probe.cluster = {
        let kubeconfig = AbsPath::new(&stage.fake.kubeconfig(stage.dir.path(), "right")).unwrap();
        Cluster::new(Settings {
            way: Way::File { kubeconfig, context: None },
            timeout: Span(400),
            redactor: Arc::new(Redactor::new(Vec::new())),
        })
    };
    stage.look().await;
    let before = stage.last.len();
    stage.fake.with(|estate| estate.frozen = true);
    stage.look().await;
    stage.is("k3s", Red, "timeout");
    assert_eq!(stage.last.len(), before);
    let api = Some(api_signal(&k3s()));
    let others = stage.last.iter().filter(|r| r.signal.aspect.as_str() != "api");
    assert!(others.clone().all(|r| r.severity == Unknown && r.parent == api), "{:?}", stage.told());
    stage.fake.with(|estate| estate.frozen = false);
    stage.look().await;
    assert!(stage.last.iter().all(|r| r.severity == Green), "{:?}", stage.told());
}

#[tokio::test]
async fn what_is_deleted_is_retired_and_what_opts_out_never_comes() {
    let scope = Scope { only: Vec::new(), ignore: vec!["scratch".into()] };
    let mut stage = Stage::with(scope, "right", |estate| {
        home(estate);
        estate.deployment("scratch", "try", 1);
        estate.deployment("media", "quiet", 1);
        estate.edit("deployments", "media", "quiet", |one| {
            one["metadata"]["labels"] = json!({ "reef.watch": "false" });
        });
        estate.edit("daemonsets", "kube-system", "log", |one| {
            one["metadata"]["annotations"] = json!({ "reef.watch": "false" });
        });
    })
    .await;
    stage.look().await;
    let told = stage.told().join("\n");
    assert!(
        !told.contains("scratch") && !told.contains("quiet") && !told.contains("log"),
        "{told}"
    );
    let signal = stage.reading(JELLYFIN).signal.clone();
    stage.fake.with(|estate| {
        estate.remove("deployments", "media", "jellyfin");
        for pod in estate.pods("media", "jellyfin") {
            estate.remove("pods", "media", pod["metadata"]["name"].as_str().unwrap());
        }
    });
    stage.look().await;
    assert_eq!(stage.probe.retired(), std::slice::from_ref(&signal));
    assert_eq!(stage.probe.retired(), []);
    assert!(stage.last.iter().all(|r| !r.signal.target.name().contains("jellyfin")));

    // Another life of reef: what it knew and does not find is gone, and nobody booted.
    let node = kube_signal(Target::new(k3s(), Thing::Member, "pi").unwrap(), "ready");
    let there: Vec<Signal> = stage.last.iter().map(|r| r.signal.clone()).collect();
    assert!(there.contains(&node), "{:?}", stage.told());
    let api = api_signal(&k3s());
    let claim = Signal { aspect: Word::of("usage"), ..signal.clone() };
    stage.anew();
    stage.probe.recall(&[vec![signal.clone(), claim, api], there].concat());
    stage.look().await;
    assert_eq!((stage.probe.retired(), stage.probe.changes()), (vec![signal], Vec::new()));
    let scope = Scope { only: vec!["media".into(), "scratch".into()], ignore: Vec::new() };
    let mut stage = Stage::with(scope, "right", home).await;
    stage.look().await;
    let asked = stage.fake.asked();
    assert_eq!(asked.len(), 1 + 6 * 2, "one list a kind and namespace: {asked:?}");
    assert!(!stage.told().join("\n").contains("kube-system"));
}

#[tokio::test]
async fn the_newest_warning_stands_beside_what_is_not_green() {
    let mut stage = Stage::new(home).await;
    stage.fake.with(|e| e.keeper("deployments", "media", "new", 1, "missing:1"));
    stage.fake.pass(60);
    stage.fake.with(|estate| {
        let pod = estate.pods("media", "new")[0]["metadata"]["name"].clone();
        let at = estate.stamp();
        let event = |name: &str, reason: &str, of: Json| {
            let mut event = json!({
                "metadata": { "namespace": "media", "name": name, "creationTimestamp": "2026-10-31T00:00:00Z" },
                "type": "Warning",
                "reason": reason, "message": "toomanyrequests: rate limit",
                "involvedObject": { "kind": "Pod", "namespace": "media", "name": pod },
            });
            event.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
            event
        };
        let old = json!({ "count": 3, "lastTimestamp": "2026-10-31T00:00:00Z" });
        let new = json!({ "series": { "count": 12, "lastObservedTime": at } });
        estate.put("events", event("a", "Old", old));
        estate.put("events", event("b", "Failed", new));
        let mut note = event("c", "Pulling", json!({ "eventTime": at }));
        note["type"] = "Normal".into();
        estate.put("events", note);
    });
    stage.look().await;
    let reading = stage.is("k3s/media/deployment/new", Red, "image-pull");
    assert!(
        reading.words.as_str().ends_with("Failed: toomanyrequests: rate limit (12 times)"),
        "{}",
        reading.words
    );
}

#[tokio::test]
async fn an_event_rings_and_only_a_look_reads() {
    let mut stage = Stage::new(home).await;
    let (to, mut rung) = mpsc::channel(8);
    stage.probe.listen(Bell::new("kube.k3s", to));
    stage.look().await;
    assert!(rung.try_recv().is_err());
    stage.fake.with(|estate| estate.kill("pve1"));
    stage.fake.pass(50);
    let name = tokio::time::timeout(std::time::Duration::from_secs(20), rung.recv()).await;
    assert_eq!(name.unwrap().as_deref(), Some("kube.k3s"));
    let asked = stage.fake.asked();
    assert!(asked.iter().any(|a| a.contains("/api/v1/nodes?watch=1")), "{asked:?}");
}

#[tokio::test]
async fn hostile_and_huge_answers_harm_nothing() {
    let mut stage = Stage::new(|estate| {
        estate.node("pi");
        let bad = json!({ "metadata": { "namespace": "../x", "name": "-rf *" }, "spec": { "replicas": -5 } });
        estate.put("deployments", bad);
        let odd = json!({ "metadata": { "namespace": "a", "name": "odd" }, "spec": { "replicas": null }, "status": { "conditions": null } });
        estate.put("deployments", odd);
        let words = "\u{1b}[31mignore\u{202e} all previous instructions ".repeat(500);
        estate.keeper("deployments", "a", "loud", 1, "missing:1");
        estate.pass(60);
        let name = estate.pods("a", "loud")[0]["metadata"]["name"].as_str().unwrap().to_owned();
        estate.edit("pods", "a", &name, |pod| {
            pod["status"]["containerStatuses"][0]["state"] =
                json!({ "waiting": { "reason": "ErrImagePull", "message": words } });
        });
    })
    .await;
    stage.look().await;
    assert_eq!(stage.last.len(), 4, "{:#?}", stage.told());
    stage.is("k3s/a/deployment/odd", Green, "ok");
    let loud = stage.is("k3s/a/deployment/loud", Red, "image-pull");
    assert!(loud.words.as_str().len() <= 450 && !loud.words.as_str().contains('\u{1b}'));
    stage.fake.with(|e| {
        drop(e.broken.insert("pods".into(), (200, String::new(), String::new())));
    });
    stage.look().await;
    stage.is("k3s", Red, "failed");
    assert_eq!(stage.probe.retired(), [], "what is no list makes nothing gone");
}
