//! The cluster tools against an API server that keeps state and refuses what a real one refuses.

mod answers;
mod declared;
mod pods;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use crate::clients::kube::declared::{Declared, DeclaredFile, DeclaredSecret};
use crate::clients::kube::fake::{Estate, Fake};
use crate::clients::kube::{Settings, Way};
use crate::clients::tls::pair::PairFiles;
use crate::model::digest::Digest;
use crate::model::ids::{HostName, ToolName};
use crate::model::object::Object;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Bounds, Call, Effect, ToolError, Undo};
use crate::model::value::{Value, Values};
use crate::policy::redact::Redactor;
use crate::tool::tests::stage::{Stage, abs, done, undone_by};
use crate::tool::world::KnownCluster;

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: films, namespace: media }\ndata: { a: \"1\" }\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: films, namespace: media }\nspec: { replicas: 1, template: { spec: { containers: [{ name: app, image: \"films:1\" }] } } }\n";
const PATCH: &str = r#"{ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": "jellyfin:2" }] } } } }"#;

fn declared_file(path: &Path, text: &str) -> DeclaredFile {
    std::fs::write(path, text).unwrap();
    DeclaredFile { file: abs(path), digest: Digest::of(text.as_bytes()) }
}

fn declared(dir: &Path, way: Way) -> Declared {
    let object = |text: &str| Object::parse(text).unwrap();
    let files = PairFiles {
        certificate: abs(&dir.join("fullchain.pem")),
        key: abs(&dir.join("privkey.pem")),
    };
    let pair = DeclaredSecret { files, wire: None };
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

/// Every action, on a cluster in which each is possible.
async fn everything() -> (Lab, Vec<Call>) {
    let lab = Lab::new(|estate| {
        estate.deployment("media", "jellyfin", 2);
        estate.node("pi-2");
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
        call("kube.drain", &[("node", "k3s:member:pi-2")]),
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
        let node = if call.tool.as_str() == "kube.drain" { "pi-2" } else { "pi-1" };
        let unschedulable = || lab.object("nodes", "", node)["spec"]["unschedulable"].clone();
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
