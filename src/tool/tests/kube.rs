//! The cluster tools against an API server that keeps state and refuses what a real one refuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::stage::{Stage, abs, done, undone_by};
use crate::clients::kube::declared::{Declared, DeclaredFile};
use crate::clients::kube::fake::{Account, Estate, Fake};
use crate::clients::kube::{Settings, Way};
use crate::clients::tls::pair::PairFiles;
use crate::model::digest::Digest;
use crate::model::ids::{HostName, ToolName};
use crate::model::object::Object;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Bounds, Call, Effect, ToolError, Undo};
use crate::model::value::{Value, Values};
use crate::policy::redact::Redactor;
use crate::tool::world::KnownCluster;

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: films, namespace: media }\ndata: { a: \"1\" }\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: films, namespace: media }\nspec: { replicas: 1, template: { spec: { containers: [{ name: app, image: \"films:1\" }] } } }\n";
const PATCH: &str = r#"{ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": "jellyfin:2" }] } } } }"#;

fn declared_file(path: &Path, text: &str) -> DeclaredFile {
    std::fs::write(path, text).unwrap();
    DeclaredFile { file: abs(path), digest: Digest::of(text.as_bytes()) }
}

fn declared(dir: &Path, way: Way) -> Declared {
    let object = |text: &str| Object::parse(text).unwrap();
    let pair = PairFiles {
        certificate: abs(&dir.join("fullchain.pem")),
        key: abs(&dir.join("privkey.pem")),
    };
    Declared {
        settings: Settings {
            way,
            timeout: Span::secs(5),
            redactor: Arc::new(Redactor::new(Vec::new())),
        },
        manifests: [("jellyfin".to_owned(), declared_file(&dir.join("m.yaml"), MANIFEST))].into(),
        patches: [(
            "more-memory".to_owned(),
            (object("media/deployment/jellyfin"), declared_file(&dir.join("p.json"), PATCH)),
        )]
        .into(),
        secrets: BTreeMap::from([(object("web/secret/site-tls"), pair)]),
    }
}

/// A cluster that is never reached, with what the tools' examples name.
pub(super) fn of_the_examples(dir: &Path) -> KnownCluster {
    let kubeconfig = abs(&dir.join("kubeconfig"));
    KnownCluster::of(declared(dir, Way::File { kubeconfig, context: None }))
}

/// A stage with a cluster called `k3s` that lives.
struct Lab {
    stage: Stage,
    fake: Fake,
    _tasks: JoinSet<()>,
}

impl Lab {
    async fn new(f: impl FnOnce(&mut Estate)) -> Self {
        let (fake, tasks) = Fake::start().await;
        fake.with(|estate| {
            estate.node("pi-1");
            f(estate);
        });
        let lab = Self { stage: Stage::new(), fake, _tasks: tasks };
        lab.reached_as("right", Span::secs(5))
    }

    /// The same cluster, as another account or with less patience.
    fn reached_as(mut self, token: &str, patience: Span) -> Self {
        let dir = self.stage.dir.path();
        let kubeconfig = self.fake.kubeconfig(dir, token);
        let kubeconfig = crate::model::target::AbsPath::new(&kubeconfig).unwrap();
        let mut declared = declared(dir, Way::File { kubeconfig, context: None });
        declared.settings.timeout = patience;
        let known = Arc::new(KnownCluster::of(declared));
        self.stage.world.clusters = [(HostName::of("k3s"), known)].into();
        self.fake.asked();
        let lab = Self { stage: self.stage.again(), ..self };
        lab.clock();
        lab
    }

    /// Our clock is the cluster's.
    fn clock(&self) {
        let now = self.fake.with(|estate| estate.millis());
        self.stage.hands.0.store(now, Ordering::Relaxed);
    }

    fn pass(&self, secs: i64) {
        self.fake.pass(secs);
        self.clock();
    }

    /// The only pod of this name's beginning.
    #[track_caller]
    fn pod(&self, prefix: &str) -> String {
        let all = self.fake.with(|estate| estate.pods("media", prefix));
        assert_eq!(all.len(), 1, "{all:#?}");
        all[0]["metadata"]["name"].as_str().unwrap().to_owned()
    }

    fn object(&self, resource: &str, ns: &str, name: &str) -> Json {
        self.fake.with(|estate| estate.get(resource, ns, name).cloned()).unwrap_or_default()
    }

    async fn preview(&self, call: &Call) -> Result<(Effect, Undo), ToolError> {
        match self.stage.parse(call)? {
            crate::gate::tool::Parsed::Action(action) => action.preview().await,
            crate::gate::tool::Parsed::Query(_) => panic!("{call} is a query"),
        }
    }

    /// What a refused preview says.
    async fn refused(&self, call: &Call) -> String {
        match self.preview(call).await {
            Err(ToolError::Refused(why)) => why,
            other => panic!("{call}: {other:?}"),
        }
    }

    /// Previews, lets something happen, then acts.
    async fn act_after(&self, call: &Call, meanwhile: impl FnOnce(&mut Estate)) -> ActionResult {
        let (effect, undo) = self.preview(call).await.unwrap();
        self.fake.with(meanwhile);
        self.fake.asked();
        self.stage.act_as(call, effect, undo).await
    }

    async fn act(&self, call: &Call) -> ActionResult {
        self.act_after(call, |_| {}).await
    }

    async fn find(&self, tool: &'static str, args: &[(&str, &str)]) -> (Values, String) {
        let found = self.stage.query(&call(tool, args)).await.unwrap();
        (found.values, found.words.to_string())
    }
}

/// A call on the cluster: targets are told by their slashes and colons.
fn call(tool: &'static str, args: &[(&str, &str)]) -> Call {
    let value = |text: &str| match text.parse::<i64>() {
        Ok(n) => Value::Int(n),
        Err(_) if text.contains(['/', ':']) => Value::Target(text.parse().unwrap()),
        Err(_) if text == "true" => Value::Flag(true),
        Err(_) => super::stage::word(text),
    };
    Call {
        tool: ToolName::of(tool),
        target: "k3s".parse().unwrap(),
        args: args.iter().map(|(n, v)| ((*n).to_owned(), value(v))).collect(),
        bounds: Bounds::default(),
    }
}

fn evict(pod: &str) -> Call {
    call("kube.evict", &[("pod", &format!("k3s/media/pod/{pod}"))])
}

/// One deployment whose pod is in a crash loop until it is replaced.
fn looping(estate: &mut Estate) {
    estate.deployment("media", "jellyfin", 1);
    let pod = estate.pods("media", "jellyfin")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    estate.cursed.insert(pod, "crash".into());
    estate.pass(300);
}

#[track_caller]
fn not_started(result: &ActionResult) -> &str {
    let ActionResult::NotStarted(why) = result else { panic!("{result:?}") };
    why
}

fn is_word(values: &Values, name: &str, word: &str) {
    assert_eq!(values.get(name), Some(&super::stage::word(word)), "{values:?}");
}

#[tokio::test]
async fn eviction_comes_before_deletion() {
    let lab = Lab::new(looping).await;
    let old = lab.pod("jellyfin");
    let result = lab.act(&evict(&old)).await;
    assert!(done(&result).starts_with("evicted"), "{result:?}");
    let want = format!("POST /api/v1/namespaces/media/pods/{old}/eviction");
    assert_eq!(lab.fake.written(), [want]);
    let new = lab.pod("jellyfin");
    assert_ne!(new, old, "its controller made another one");

    // Only an API server that has no evictions is asked to delete.
    lab.fake.with(|estate| {
        estate.no_evictions = true;
        estate.cursed.insert(new.clone(), "crash".into());
    });
    lab.pass(60);
    let (effect, _) = lab.preview(&evict(&new)).await.unwrap();
    assert!(effect.words.contains("by deletion"), "{}", effect.words);
    let result = lab.act(&evict(&new)).await;
    assert!(done(&result).starts_with("deleted"), "{result:?}");
    let written = lab.fake.written();
    assert_eq!(written.len(), 2, "{written:?}");
    assert!(written[0].ends_with("/eviction") && written[1].starts_with("DELETE "), "{written:?}");
}

#[tokio::test]
async fn a_disruption_budget_means_stop() {
    let lab = Lab::new(looping).await;
    let pod = lab.pod("jellyfin");
    let call = evict(&pod);
    // Nobody had said so when it was planned.
    let result = lab.act_after(&call, |estate| estate.budget("media", "jellyfin", 1)).await;
    assert!(not_started(&result).contains("disruption budget"), "{result:?}");
    assert!(not_started(&result).contains("says stop"), "{result:?}");
    let written = lab.fake.written();
    assert_eq!(written.len(), 1, "asked once, and nothing is deleted: {written:?}");
    assert_eq!(lab.pod("jellyfin"), pod);
    assert!(lab.refused(&call).await.contains("disruption budget"));
}

#[tokio::test]
async fn a_missing_right_names_the_narrow_role() {
    let lab = Lab::new(looping).await;
    lab.fake.with(|estate| {
        let may = ["get pods", "list pods"];
        estate.accounts.insert("poor".into(), Account::of(&may));
    });
    let lab = lab.reached_as("poor", Span::secs(5));
    let call = evict(&lab.pod("jellyfin"));
    let grant = "kubectl -n media create role reef-create-pods-eviction --verb=create --resource=pods/eviction && kubectl -n media create rolebinding reef-create-pods-eviction --role=reef-create-pods-eviction --serviceaccount=reef:reef";
    let (effect, _) = lab.preview(&call).await.unwrap();
    assert!(effect.words.contains(grant), "{}", effect.words);
    let result = lab.act(&call).await;
    let why = not_started(&result);
    for part in
        [grant, "cannot create resource \"pods/eviction\"", "system:serviceaccount:reef:reef"]
    {
        assert!(why.contains(part), "{why}");
    }
    let written = lab.fake.written();
    assert_eq!(written.len(), 1, "a refusal is no reason to try another way: {written:?}");
}

#[tokio::test]
async fn what_changed_meanwhile_is_not_touched() {
    let lab = Lab::new(|estate| {
        estate.deployment("media", "jellyfin", 2);
        estate.keeper("statefulsets", "media", "db", 1, "crash:1");
        estate.pass(300);
    })
    .await;
    // Another pod of the same name.
    let named =
        call("kube.evict", &[("pod", "k3s/media/pod/db-0"), ("named", "k3s/media/statefulset/db")]);
    let result = lab
        .act_after(&named, |estate| {
            estate.remove("pods", "media", "db-0");
            estate.pass(5);
        })
        .await;
    assert!(not_started(&result).contains("no longer as it was"), "{result:?}");
    assert_eq!(lab.fake.written(), Vec::<String>::new());
    // Somebody was quicker than the very request: asked once, told, not tried again.
    let scale =
        call("kube.scale", &[("workload", "k3s/media/deployment/jellyfin"), ("replicas", "3")]);
    let conflict = (409, "Conflict".to_owned(), "the object has been modified".to_owned());
    let result = lab
        .act_after(&scale, |estate| {
            estate.refuses.insert("patch deployments/scale".into(), conflict);
        })
        .await;
    assert!(not_started(&result).contains("changed meanwhile"), "{result:?}");
    assert_eq!(lab.fake.written().len(), 1);
    // Somebody scaled it: the plan was for another number.
    lab.fake.with(|estate| estate.refuses.clear());
    let result =
        lab.act_after(&scale, |estate| estate.scale("deployments", "media", "jellyfin", 5)).await;
    assert!(not_started(&result).contains("no longer as it was"), "{result:?}");
}

#[tokio::test]
async fn stateful_bare_and_system_pods_are_left_alone_unless_named() {
    let lab = Lab::new(|estate| {
        estate.keeper("statefulsets", "media", "db", 1, "crash:1");
        estate.keeper("daemonsets", "media", "log", 1, "crash:1");
        estate.keeper("deployments", "media", "photos", 1, "crash:1");
        estate.edit("deployments", "media", "photos", |one| {
            one["spec"]["template"]["spec"]["volumes"] =
                json!([{ "name": "d", "persistentVolumeClaim": { "claimName": "photos" } }]);
            one["spec"]["template"]["spec"]["containers"][0]["image"] = "crash:2".into();
        });
        estate.keeper("deployments", "kube-system", "coredns", 1, "crash:1");
        estate.pod(("media", "alone"), None, "alone", "crash:1", None);
        estate.pass(300);
    })
    .await;
    let name = |ns: &'static str, prefix: &'static str| {
        lab.fake
            .with(move |estate| estate.pods(ns, prefix).last().unwrap()["metadata"]["name"].clone())
            .as_str()
            .unwrap()
            .to_owned()
    };
    for (ns, prefix, owner, why) in [
        ("media", "db", "media/statefulset/db", "stateful set"),
        ("media", "log", "media/daemonset/log", "the very same node"),
        ("media", "photos", "media/deployment/photos", "a claim"),
        ("kube-system", "coredns", "kube-system/deployment/coredns", "the cluster itself"),
    ] {
        let pod = format!("k3s/{ns}/pod/{}", name(ns, prefix));
        let said = lab.refused(&call("kube.evict", &[("pod", &pod)])).await;
        assert!(said.contains(why), "{prefix}: {said}");
        assert!(said.contains(&format!("named = \"k3s/{owner}\"")), "{prefix}: {said}");
        let other = [("pod", pod.as_str()), ("named", "k3s/media/deployment/other")];
        assert!(lab.refused(&call("kube.evict", &other)).await.contains(why));
        let owner = format!("k3s/{owner}");
        let named = call("kube.evict", &[("pod", &pod), ("named", &owner)]);
        assert!(lab.preview(&named).await.is_ok(), "{prefix} is named");
    }
    let alone = ("pod", "k3s/media/pod/alone");
    let said = lab.refused(&call("kube.evict", &[alone])).await;
    assert!(said.contains("would not come back") && said.contains("kube.evict_bare"), "{said}");
    let kept = format!("k3s/media/pod/{}", name("media", "db"));
    assert!(lab.refused(&call("kube.evict_bare", &[("pod", &kept)])).await.contains("StatefulSet"));
    let bare = call("kube.evict_bare", &[alone]);
    assert_eq!(lab.stage.action(&bare).tier(), crate::model::tool::Tier::Critical);
    assert!(lab.preview(&bare).await.unwrap().0.words.contains("nobody makes another one"));
    let restart = call("kube.restart", &[("workload", "k3s/media/statefulset/db")]);
    assert!(lab.refused(&restart).await.contains("keeps state"));
    assert_eq!(lab.fake.written(), Vec::<String>::new());
}

#[tokio::test]
async fn the_last_healthy_replica_stays() {
    let lab = Lab::new(|estate| estate.deployment("media", "jellyfin", 2)).await;
    lab.pass(120);
    let names = lab.fake.with(|estate| estate.pods("media", "jellyfin"));
    let name = |i: usize| names[i]["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(lab.preview(&evict(&name(0))).await.is_ok(), "the other one serves");
    lab.fake.with(|estate| drop(estate.cursed.insert(name(1), "crash".into())));
    lab.pass(60);
    let said = lab.refused(&evict(&name(0))).await;
    assert!(said.contains("last replica") && said.contains("serves"), "{said}");
    assert!(lab.preview(&evict(&name(1))).await.is_ok(), "the one that crashes may go");
    // The gate is told the same, and judges it by itself.
    for (n, healthy, leaves) in [(0, 1, 0), (1, 1, 1)] {
        let replicas = lab.stage.action(&evict(&name(n))).replicas().await.unwrap().unwrap();
        assert_eq!((replicas.of, replicas.healthy, replicas.leaves), (2, healthy, leaves));
        assert_eq!(replicas.takes_the_last(), n == 0);
    }
    // What was true when it was planned is looked at again before it is done.
    let (effect, undo) = lab.preview(&evict(&name(1))).await.unwrap();
    lab.fake.with(|estate| {
        estate.cursed.clear();
        estate.cursed.insert(name(0), "crash".into());
    });
    lab.pass(120);
    let result = lab.stage.act_as(&evict(&name(1)), effect, undo).await;
    assert!(not_started(&result).contains("last replica"), "{result:?}");
    assert_eq!(lab.fake.written(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_that_is_lost_after_sending_is_unknown() {
    let lab = Lab::new(looping).await.reached_as("right", Span(400));
    let pod = lab.pod("jellyfin");
    let result = lab.act_after(&evict(&pod), |estate| estate.swallows = true).await;
    assert!(
        matches!(&result, ActionResult::Unknown(why) if why.contains("nobody knows")),
        "{result:?}"
    );
    assert_eq!(lab.fake.written().len(), 1, "never sent again");
    assert_ne!(lab.pod("jellyfin"), pod, "it had happened");
    lab.fake.with(|estate| estate.swallows = false);
    let new = lab.pod("jellyfin");
    lab.fake.with(|estate| drop(estate.cursed.insert(new.clone(), "crash".into())));
    lab.pass(60);
    for (code, reason) in [(500, "InternalError"), (503, "ServiceUnavailable"), (504, "Timeout")] {
        let broken = (code, reason.to_owned(), "etcdserver: request timed out".to_owned());
        let result = lab
            .act_after(&evict(&new), |estate| {
                estate.refuses.insert("create pods/eviction".into(), broken);
            })
            .await;
        assert!(matches!(result, ActionResult::Unknown(_)), "{code}: {result:?}");
        assert_eq!(lab.fake.written().len(), 1, "{code}");
        lab.fake.with(|estate| estate.refuses.clear());
    }
    // A server that is not there was provably not asked.
    let (effect, undo) = lab.preview(&evict(&new)).await.unwrap();
    let Lab { stage, _tasks, .. } = lab;
    drop(_tasks);
    tokio::task::yield_now().await;
    let result = stage.act_as(&evict(&new), effect, undo).await;
    not_started(&result);
}

/// Every action, on a cluster in which each is possible.
async fn everything() -> (Lab, Vec<Call>) {
    let lab = Lab::new(|estate| {
        estate.deployment("media", "jellyfin", 2);
        estate.image("deployments", "media", "jellyfin", "jellyfin:1b");
        estate.pass(20);
        estate.put(
            "secrets",
            json!({
                "metadata": { "namespace": "web", "name": "site-tls" }, "type": "kubernetes.io/tls",
                "data": { "tls.crt": "b2xk", "tls.key": "b2xk" },
            }),
        );
        estate.pass(120);
    })
    .await;
    write_pair(&lab);
    let pod =
        lab.fake.with(|estate| estate.pods("media", "jellyfin")[0]["metadata"]["name"].clone());
    let workload = ("workload", "k3s/media/deployment/jellyfin");
    let node = ("node", "k3s:member:pi-1");
    let calls = vec![
        evict(pod.as_str().unwrap()),
        call("kube.restart", &[workload]),
        call("kube.rollback", &[workload, ("revision", "1")]),
        call("kube.scale", &[workload, ("replicas", "3")]),
        call("kube.cordon", &[node]),
        call("kube.drain", &[node]),
        call("kube.patch", &[("patch", "more-memory")]),
        call("kube.apply", &[("manifest", "jellyfin")]),
        call("kube.tls_secret", &[("secret", "k3s/web/secret/site-tls")]),
    ];
    (lab, calls)
}

/// A pair of files for the secret; gives the key.
fn write_pair(lab: &Lab) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["site.example".to_owned()]).unwrap();
    let dir = lab.stage.dir.path();
    std::fs::write(dir.join("fullchain.pem"), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_pem();
    std::fs::write(dir.join("privkey.pem"), &key).unwrap();
    key
}

#[tokio::test]
async fn a_rehearsal_changes_nothing() {
    let (lab, calls) = everything().await;
    for call in &calls {
        let before = lab.fake.with(|estate| estate.version());
        lab.fake.asked();
        let (effect, _) = lab.preview(call).await.unwrap_or_else(|why| panic!("{call}: {why}"));
        assert!(!effect.words.is_empty() && 0 < effect.max_items, "{call}");
        let asked = lab.fake.asked();
        let writes: Vec<_> = asked.iter().filter(|asked| !asked.starts_with("GET ")).collect();
        assert!(!writes.is_empty(), "{call} was not rehearsed: {asked:?}");
        assert!(writes.iter().all(|asked| asked.contains("dryRun=All")), "{call}: {writes:?}");
        assert_eq!(lab.fake.with(|estate| estate.version()), before, "{call}");
    }
}

#[tokio::test]
async fn each_change_does_what_it_said_and_is_undone_where_it_can_be() {
    let (lab, calls) = everything().await;
    let deployment = || lab.object("deployments", "media", "jellyfin");
    let image = || deployment()["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    for call in &calls {
        let (effect, undo) = lab.preview(call).await.unwrap_or_else(|why| panic!("{call}: {why}"));
        let result = lab.stage.act_as(call, effect, undo.clone()).await;
        done(&result);
        lab.pass(60);
        let unschedulable = || lab.object("nodes", "", "pi-1")["spec"]["unschedulable"].clone();
        match call.tool.as_str() {
            "kube.restart" => {
                let marks = &deployment()["spec"]["template"]["metadata"]["annotations"];
                assert!(marks["kubectl.kubernetes.io/restartedAt"].is_string(), "{marks}");
            }
            "kube.rollback" => assert_eq!(image(), "jellyfin:1"),
            "kube.scale" => assert_eq!(deployment()["spec"]["replicas"], 3),
            "kube.cordon" | "kube.drain" => assert_eq!(unschedulable(), true),
            "kube.patch" => assert_eq!(image(), "jellyfin:2"),
            "kube.apply" => {
                assert_eq!(lab.object("configmaps", "media", "films")["data"]["a"], "1");
                assert_eq!(lab.object("deployments", "media", "films")["spec"]["replicas"], 1);
            }
            "kube.tls_secret" => {
                assert_ne!(lab.object("secrets", "web", "site-tls")["data"]["tls.key"], "b2xk");
            }
            _ => {}
        }
        let Undo::By(back) = &undo else {
            let none = ["kube.evict", "kube.restart", "kube.apply", "kube.tls_secret"];
            assert!(none.contains(&call.tool.as_str()), "{call} has no undo");
            continue;
        };
        let (effect, again) = lab.preview(back).await.unwrap_or_else(|why| panic!("{back}: {why}"));
        done(&lab.stage.act_as(back, effect, again).await);
        lab.pass(60);
        match call.tool.as_str() {
            "kube.rollback" | "kube.patch" => assert_eq!(image(), "jellyfin:1b"),
            "kube.scale" => assert_eq!(deployment()["spec"]["replicas"], 2),
            "kube.cordon" | "kube.drain" => assert_eq!(unschedulable(), false),
            other => panic!("{other} was undone by {back}"),
        }
    }
    assert_eq!(undone_by(&lab.preview(&calls[3]).await.unwrap().1).tool.as_str(), "kube.scale");
}

#[tokio::test]
async fn a_drain_stops_at_a_budget_and_spares_what_would_not_come_back() {
    let lab = Lab::new(|estate| {
        estate.deployment("media", "jellyfin", 2);
        estate.keeper("daemonsets", "media", "log", 1, "log:1");
        estate.node("pi-2");
        estate.pass(60);
    })
    .await;
    let drain = call("kube.drain", &[("node", "k3s:member:pi-1")]);
    let (effect, _) = lab.preview(&drain).await.unwrap();
    assert_eq!(effect.max_items, 2, "pods of daemon sets stay: {}", effect.words);
    let result = lab.act_after(&drain, |estate| estate.budget("media", "jellyfin", 2)).await;
    assert!(
        matches!(&result, ActionResult::Failed(why) if why.contains("0 of 2") && why.contains("budget")),
        "{result:?}"
    );
    lab.fake.with(|estate| {
        estate.remove("poddisruptionbudgets", "media", "jellyfin");
        estate.pod(("media", "alone"), None, "alone", "alone:1", Some("pi-1".into()));
    });
    lab.pass(10);
    assert!(lab.refused(&drain).await.contains("kept by nobody"));
    lab.fake.with(|estate| drop(estate.remove("pods", "media", "alone")));
    done(&lab.act(&drain).await);
    lab.pass(10);
    let on = lab.fake.with(|estate| estate.pods("media", "jellyfin"));
    assert!(on.iter().all(|pod| pod["spec"]["nodeName"] == "pi-2"), "{on:?}");
}

#[tokio::test]
async fn declared_files_are_held_to_their_hash_and_their_kinds() {
    let (lab, _) = everything().await;
    let (patch, apply) = (
        call("kube.patch", &[("patch", "more-memory")]),
        call("kube.apply", &[("manifest", "jellyfin")]),
    );
    let file = |name: &str| lab.stage.dir.path().join(name);
    for (call, name, text) in [(&patch, "p.json", PATCH), (&apply, "m.yaml", MANIFEST)] {
        std::fs::write(file(name), format!("{text}\n")).unwrap();
        assert!(lab.refused(call).await.contains("no longer what was declared"), "{call}");
        std::fs::write(file(name), text).unwrap();
        // It may change between the plan and the deed.
        let (effect, undo) = lab.preview(call).await.unwrap();
        std::fs::write(file(name), format!("{text}\n")).unwrap();
        lab.fake.asked();
        not_started(&lab.stage.act_as(call, effect, undo).await);
        assert_eq!(lab.fake.written(), Vec::<String>::new(), "{call}");
        std::fs::write(file(name), text).unwrap();
    }
    for unknown in
        [call("kube.patch", &[("patch", "less")]), call("kube.apply", &[("manifest", "x")])]
    {
        assert!(lab.refused(&unknown).await.contains("declares no"), "{unknown}");
    }
    // A field of another manager's is not taken from it.
    lab.fake.with(|estate| {
        estate.keeper("deployments", "media", "films", 1, "films:1");
        estate.edit("deployments", "media", "films", |one| {
            one["metadata"]["annotations"] = json!({ "managed-elsewhere": "yes" });
        });
    });
    let said = lab.refused(&apply).await;
    assert!(said.contains("Deployment media/films") && said.contains("conflict"), "{said}");
}

#[tokio::test]
async fn a_manifest_of_rights_is_refused_with_its_hash_and_all() {
    let (lab, _) = everything().await;
    for (kind, version) in
        [("ClusterRoleBinding", "rbac.authorization.k8s.io/v1"), ("Namespace", "v1")]
    {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: reef }}\n");
        let file = declared_file(&lab.stage.dir.path().join("rights.yaml"), &text);
        let known = lab.stage.world.clusters.get(&HostName::of("k3s")).unwrap();
        let mut declared = known.declared.clone();
        declared.manifests.insert("rights".into(), file);
        let mut world = lab.stage.world.clone();
        world.clusters = [(HostName::of("k3s"), Arc::new(KnownCluster::of(declared)))].into();
        let tool = crate::tool::kube::apply::apply(&world);
        let parsed = tool.parse(&call("kube.apply", &[("manifest", "rights")])).unwrap();
        let crate::gate::tool::Parsed::Action(action) = parsed else { panic!("an action") };
        let why = action.preview().await.unwrap_err().to_string();
        assert!(why.contains("a human's alone"), "{why}");
    }
}

#[tokio::test]
async fn a_key_goes_from_its_file_to_the_api_and_nowhere_else() {
    let (lab, _) = everything().await;
    let key = write_pair(&lab);
    let secret = call("kube.tls_secret", &[("secret", "k3s/web/secret/site-tls")]);
    lab.fake.with(|estate| {
        let may = ["patch secrets:site-tls"];
        estate.accounts.insert("narrow".into(), Account::of(&may));
    });
    // A right to this one secret is all that it takes: it is not even read.
    let lab = lab.reached_as("narrow", Span::secs(5));
    std::fs::write(lab.stage.dir.path().join("privkey.pem"), &key).unwrap();
    let (effect, undo) = lab.preview(&secret).await.unwrap();
    let before = lab.object("secrets", "web", "site-tls")["data"]["tls.key"].clone();
    assert_eq!(before, "b2xk", "a preview sends no key");
    let result = lab.stage.act_as(&secret, effect.clone(), undo.clone()).await;
    let said = format!("{effect:?} {undo:?} {result:?} {:?}", lab.fake.asked());
    done(&result);
    for line in key.lines().filter(|line| 20 < line.len()) {
        assert!(!said.contains(line), "{said}");
    }
    let stored = lab.object("secrets", "web", "site-tls")["data"]["tls.key"].clone();
    let stored = stored.as_str().unwrap().to_owned();
    assert!(!said.contains(&stored[..40]), "not in base64 either");
    assert!(stored.len() > 100);
    let known = lab.stage.world.clusters.get(&HostName::of("k3s")).unwrap();
    let redactor = &known.declared.settings.redactor;
    assert!(!redactor.redact(&format!("x {stored} y")).contains(&stored), "known from now on");

    // What is no secret of certificates, and one that is not there, stay as they are.
    lab.fake.with(|estate| {
        estate.edit("secrets", "web", "site-tls", |one| one["type"] = "Opaque".into());
    });
    assert!(lab.refused(&secret).await.contains("no secret of certificates"));
    let other = call("kube.tls_secret", &[("secret", "k3s/web/secret/other")]);
    assert!(lab.refused(&other).await.contains("does not say which files"));
    lab.fake
        .with(|estate| drop(estate.accounts.insert("narrow".into(), Account::of(&["get pods"]))));
    let (effect, _) = lab.preview(&secret).await.unwrap();
    assert!(
        effect.words.contains("--verb=patch --resource=secrets --resource-name=site-tls"),
        "{}",
        effect.words
    );
}

#[tokio::test]
async fn looks_tell_what_ails_a_pod_in_words_and_values() {
    let lab = Lab::new(|estate| {
        estate.keeper("deployments", "media", "index", 1, "oom:1");
        estate.edit("deployments", "media", "index", |one| {
            one["spec"]["template"]["spec"]["containers"][0]["resources"] =
                json!({ "limits": { "memory": "256Mi" } });
            one["spec"]["template"]["spec"]["containers"][0]["image"] = "oom:2".into();
        });
        estate.pass(300);
        let pod = estate.pods("media", "index")[0]["metadata"]["name"].as_str().unwrap().to_owned();
        estate.memory.insert(pod.clone(), "250Mi".into());
        estate.logs.insert(format!("{pod} previous"), "starting\nfatal: out of memory\n".into());
        estate.event("media", ("Pod", &pod), "BackOff", "Back-off restarting failed container");
    })
    .await;
    let pods = lab.fake.with(|estate| estate.pods("media", "index"));
    let pod =
        format!("k3s/media/pod/{}", pods.last().unwrap()["metadata"]["name"].as_str().unwrap());
    let (values, words) =
        lab.find("kube.pods", &[("workload", "k3s/media/deployment/index")]).await;
    assert_eq!(values.get("ready"), Some(&Value::Int(0)), "{words}");
    is_word(&values, "class", "memory");
    let (values, words) = lab.find("kube.pod", &[("pod", &pod)]).await;
    for (name, word) in [
        ("class", "memory"),
        ("last_reason", "OOMKilled"),
        ("owner_kind", "deployment"),
        ("container", "app"),
    ] {
        is_word(&values, name, word);
    }
    assert_eq!(values.get("exit_code"), Some(&Value::Int(137)));
    assert_eq!(values.get("limit"), Some(&Value::Bytes(256 << 20)));
    assert_eq!(values.get("healthy"), Some(&Value::Flag(false)));
    assert_eq!(values.get("stateless"), Some(&Value::Flag(true)));
    assert_eq!(
        values.get("owner").map(ToString::to_string),
        Some("k3s/media/deployment/index".into())
    );
    assert!(words.contains("memory limit 256 MiB"), "{words}");
    assert!(words.contains("consider memory limit increase or code fix"), "{words}");
    let (values, words) = lab.find("kube.logs", &[("pod", &pod), ("previous", "true")]).await;
    assert_eq!(values.get("errors"), Some(&Value::Int(1)), "{words}");
    assert!(words.contains("fatal: out of memory"), "{words}");
    let (values, words) = lab.find("kube.logs", &[("pod", &pod)]).await;
    assert_eq!(values.get("lines"), Some(&Value::Int(0)), "{words}");
    let (values, words) = lab.find("kube.events", &[("about", &pod)]).await;
    is_word(&values, "reason", "BackOff");
    assert!(words.contains("3 x BackOff"), "{words}");
    let (values, _) = lab.find("kube.rollout", &[("workload", "k3s/media/deployment/index")]).await;
    assert_eq!(values.get("revision"), Some(&Value::Int(2)));
    assert_eq!(values.get("previous"), Some(&Value::Int(1)));
    lab.fake.with(|estate| estate.kill("pi-1"));
    lab.pass(60);
    let (values, words) = lab.find("kube.node", &[("node", "k3s:member:pi-1")]).await;
    for (name, word) in [("ready", "unheard"), ("cause", "unheard"), ("host_answers", "not-known")]
    {
        is_word(&values, name, word);
    }
    assert!(words.contains("Kubelet stopped posting node status"), "{words}");
}

#[tokio::test]
async fn what_cert_manager_issues_for_an_ingress_is_left_to_it() {
    let lab = Lab::new(|estate| {
        for (name, mark) in [("plain", None), ("site", Some("cert-manager.io/cluster-issuer"))] {
            let host = if mark.is_some() { "photos.example" } else { "other.example" };
            let mut ingress = json!({
                "metadata": { "name": name, "namespace": "web" },
                "spec": { "tls": [{ "hosts": [host], "secretName": "site-tls" }] },
            });
            if let Some(mark) = mark {
                ingress["metadata"]["annotations"] = json!({ mark: "letsencrypt" });
            }
            estate.put("ingresses", ingress);
        }
    })
    .await;
    let endpoint = Value::Target(super::stage::target("mini:endpoint:photos"));
    let found =
        lab.stage.query(&lab.stage.call("tls.inspect", &[("endpoint", endpoint.clone())])).await;
    let found = found.unwrap();
    assert_eq!(found.values["method"], super::stage::word("cert-manager"), "{}", found.words);
    assert!(found.words.as_str().contains("web/site of k3s"), "{}", found.words);
    let why = lab.refused(&lab.stage.call("certificate.renew", &[("endpoint", endpoint)])).await;
    assert!(why.contains("cert-manager renews it, so certbot does not"), "{why}");
}
