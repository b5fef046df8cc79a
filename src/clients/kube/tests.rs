//! Clusters that answer, refuse, hang, forget and are watched.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::fake::{Account, Estate, Fake};
use super::list::{Fresh, List};
use super::objects::{Event, Node, Pod, bytes, instant};
use super::watch::Rests;
use super::*;
use crate::model::time::Millis;

struct Stage {
    fake: Fake,
    dir: tempfile::TempDir,
    _tasks: tokio::task::JoinSet<()>,
}

impl Stage {
    async fn new(f: impl FnOnce(&mut Estate)) -> Self {
        let (fake, tasks) = Fake::start().await;
        fake.with(f);
        Self { fake, dir: tempfile::tempdir().unwrap(), _tasks: tasks }
    }

    fn settings(&self, token: &str) -> Settings {
        let kubeconfig = AbsPath::new(&self.fake.kubeconfig(self.dir.path(), token)).unwrap();
        Settings {
            way: Way::File { kubeconfig, context: None },
            timeout: Span::secs(5),
            redactor: Arc::new(Redactor::new(Vec::new())),
        }
    }

    fn cluster(&self, token: &str) -> Cluster {
        Cluster::new(self.settings(token))
    }
}

fn node(name: &str) -> impl FnOnce(&mut Estate) {
    let name = name.to_owned();
    move |estate| estate.node(&name)
}

async fn nodes(cluster: &Cluster) -> Result<List<Node>, NoCluster> {
    cluster.list(&[], Fresh::Store, None).await
}

#[tokio::test]
async fn each_refusal_has_its_class_and_is_asked_once() {
    let told = "nodes is forbidden: User \"system:serviceaccount:reef:reef\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";
    for (token, broken, word, part) in [
        ("revoked", None, "unauthorized", "401: Unauthorized"),
        ("poor", None, "denied", told),
        ("right", Some((500, "InternalError", "etcdserver: no leader")), "failed", "no leader"),
        ("right", Some((429, "TooManyRequests", "please try again later")), "failed", "429"),
        ("right", Some((503, "ServiceUnavailable", "the server is starting")), "failed", "503"),
    ] {
        let stage = Stage::new(|estate| {
            estate.accounts.insert("poor".into(), Account::of(&["list pods"]));
            if let Some((code, reason, words)) = broken {
                let broken = (code, reason.to_owned(), words.to_owned());
                estate.broken.insert("nodes".into(), broken);
            }
        })
        .await;
        let why = nodes(&stage.cluster(token)).await.unwrap_err();
        assert_eq!(why.word(), word, "{why:?}");
        assert!(why.to_string().contains(part), "{why}");
        assert_eq!(stage.fake.asked().len(), 1, "{word} is not asked again");
    }
}

#[tokio::test]
async fn a_frozen_store_hangs_the_list_while_readyz_says_ok() {
    let stage = Stage::new(node("a")).await;
    stage.fake.with(|estate| estate.frozen = true);
    let cluster = stage.cluster("right");
    assert_eq!(cluster.get("/readyz").await.unwrap(), b"ok");
    let hasty = Cluster::new(Settings { timeout: Span(400), ..stage.settings("right") });
    assert_eq!(nodes(&hasty).await.unwrap_err(), NoCluster::TimedOut(Span(400)));
    // What it remembers it still gives: that says nothing of the store.
    let known: List<Node> = cluster.list(&[], Fresh::Memory, None).await.unwrap();
    assert_eq!(known.items.len(), 1);
    stage.fake.with(|estate| estate.frozen = false);
    assert_eq!(nodes(&cluster).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let stage = Stage::new(node("a")).await;
    let settings = stage.settings("right");
    let of = |way| Cluster::new(Settings { way, ..settings.clone() });
    let Way::File { kubeconfig, .. } = settings.way.clone() else { panic!("a file") };
    let context = Way::File { kubeconfig, context: Some("work".into()) };
    assert_eq!(nodes(&of(context)).await.unwrap_err().word(), "setup");
    let nowhere =
        Way::File { kubeconfig: AbsPath::new("/nonexistent/kubeconfig").unwrap(), context: None };
    let why = nodes(&of(nowhere)).await.unwrap_err();
    assert!(why.to_string().contains("/nonexistent/kubeconfig"), "{why}");
    let cluster = of(settings.way.clone());
    drop(stage._tasks);
    tokio::task::yield_now().await;
    assert_eq!(nodes(&cluster).await.unwrap_err().word(), "unreachable");
}

#[tokio::test]
async fn a_pod_of_the_cluster_uses_its_account() {
    let stage = Stage::new(node("a")).await;
    let account = stage.dir.path().join("account");
    let way = Way::InCluster { server: stage.fake.base.clone(), account: account.clone() };
    let settings = Settings { way, ..stage.settings("wrong") };
    let why = nodes(&Cluster::new(settings.clone())).await.unwrap_err();
    assert!(why.to_string().contains("is this a pod"), "{why}");
    std::fs::create_dir(&account).unwrap();
    std::fs::write(account.join("token"), "right").unwrap();
    assert_eq!(nodes(&Cluster::new(settings)).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_renewed_kubeconfig_is_taken_after_a_401() {
    let stage = Stage::new(node("a")).await;
    let cluster = stage.cluster("revoked");
    assert_eq!(nodes(&cluster).await.unwrap_err().word(), "unauthorized");
    stage.fake.kubeconfig(stage.dir.path(), "right");
    assert_eq!(nodes(&cluster).await.unwrap().items.len(), 1);
}

fn many(estate: &mut Estate) {
    for i in 0..1_200 {
        let meta = json!({ "namespace": "a", "name": format!("p-{i}") });
        estate
            .put("pods", json!({ "metadata": meta, "spec": {}, "status": { "phase": "Pending" } }));
    }
}

#[tokio::test]
async fn long_lists_come_in_pages_and_an_old_page_begins_anew() {
    let stage = Stage::new(many).await;
    let cluster = stage.cluster("right");
    for (fresh, expires, calls) in
        [(Fresh::Store, 0, 3), (Fresh::Memory, 0, 1), (Fresh::Store, 1, 5)]
    {
        stage.fake.with(|estate| estate.expires = expires);
        let pods: List<Pod> = cluster.list(&[], fresh, None).await.unwrap();
        assert_eq!((pods.items.len(), stage.fake.asked().len()), (1_200, calls), "{fresh:?}");
    }
    stage.fake.with(|estate| estate.expires = 9);
    let pods: Result<List<Pod>, _> = cluster.list(&[], Fresh::Store, None).await;
    assert_eq!(pods.unwrap_err(), NoCluster::Gone, "not for ever");
}

#[tokio::test]
async fn an_account_of_one_namespace_lists_there() {
    let stage = Stage::new(|estate| {
        many(estate);
        let only = Account { namespaces: vec!["a".into()], ..Account::all() };
        estate.accounts.insert("poor".into(), only);
    })
    .await;
    let cluster = stage.cluster("poor");
    let all: Result<List<Pod>, _> = cluster.list(&[], Fresh::Memory, None).await;
    assert_eq!(all.unwrap_err().word(), "denied");
    let of = ["a".to_owned()];
    let pods: List<Pod> = cluster.list(&of, Fresh::Memory, None).await.unwrap();
    assert_eq!(pods.items.len(), 1_200);
    assert!(stage.fake.asked().last().unwrap().contains("/api/v1/namespaces/a/pods?"));
}

#[test]
fn events_are_read_in_all_three_forms() {
    let at = "2026-11-01T00:00:30Z";
    for (event, times) in [
        (json!({ "count": 7, "lastTimestamp": at }), 7),
        (
            json!({ "series": { "count": 9, "lastObservedTime": "2026-11-01T00:00:30.000000Z" }, "lastTimestamp": null, "eventTime": "2026-11-01T00:00:00.000000Z" }),
            9,
        ),
        (json!({ "eventTime": "2026-11-01T00:00:30.000000Z", "count": null }), 1),
    ] {
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!((event.times(), event.last()), (times, instant(at)), "{event:?}");
    }
}

#[test]
fn times_and_sizes_are_read_as_the_api_writes_them() {
    for (text, want) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2026-11-01T00:00:00Z", Some(1_793_491_200_000)),
        ("2024-02-29T23:59:59Z", Some(1_709_251_199_000)),
        ("2026-11-01T00:00:00.123456Z", Some(1_793_491_200_123)),
        ("2026-11-01T00:00:00+01:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("", None),
        ("-1-1-1T1:1:1Z", None),
    ] {
        assert_eq!(instant(text), want.map(Millis), "{text}");
    }
    for at in [1_709_251_199, 1_793_491_200, 951_782_400] {
        assert_eq!(instant(&fake::estate::stamp(at)), Some(Millis(at * 1_000)));
    }
    for (text, want) in [
        ("5Gi", Some(5 << 30)),
        ("500M", Some(500_000_000)),
        ("1073741824", Some(1 << 30)),
        ("1.5Gi", Some(3 << 29)),
        ("1500m", Some(2)),
        ("much", None),
        ("9999999999Ei", None),
    ] {
        assert_eq!(bytes(text), want, "{text}");
    }
}

/// Rings as a test counts them.
async fn rung(rings: &AtomicU32, want: u32) {
    let reached = async {
        while rings.load(Ordering::SeqCst) < want {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), reached).await;
    assert!(in_time.is_ok(), "rang {} times, not {want}", rings.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_watch_rings_for_what_would_be_judged_and_for_nothing_else() {
    let stage = Stage::new(|estate| {
        estate.node("a");
        estate.deployment("media", "jellyfin", 1);
    })
    .await;
    let cluster = stage.cluster("right");
    let list: List<Pod> = cluster.list(&[], Fresh::Memory, None).await.unwrap();
    let rings = Arc::new(AtomicU32::new(0));
    let rests = Rests { ring: Span(1), first: Span(10), longest: Span(40) };
    let mut tasks = tokio::task::JoinSet::new();
    let ring = Arc::clone(&rings);
    tasks.spawn(async move {
        let ring = || {
            ring.fetch_add(1, Ordering::SeqCst);
        };
        cluster.watch::<Pod>(None, list.version, rests, ring).await;
    });
    let name = stage.fake.with(|e| e.pods("media", "jellyfin")[0]["metadata"]["name"].clone());
    let name = name.as_str().unwrap().to_owned();
    let edit = |f: &dyn Fn(&mut Json)| {
        stage.fake.with(|estate| estate.edit("pods", "media", &name, |pod| f(pod)));
    };
    edit(&|pod| pod["status"]["containerStatuses"][0]["restartCount"] = 1.into());
    rung(&rings, 1).await;
    // Time stamps and notes are no reason.
    edit(&|pod| pod["metadata"]["annotations"] = json!({ "seen": "now" }));
    edit(&|pod| pod["status"]["conditions"][0]["lastHeartbeatTime"] = "2026".into());
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(rings.load(Ordering::SeqCst), 1);
    edit(&|pod| pod["status"]["containerStatuses"][0]["restartCount"] = 2.into());
    rung(&rings, 2).await;
    // The store forgot: the watch is told so, rings for a list, and goes on.
    stage.fake.with(|estate| {
        estate.edit("pods", "media", &name, |pod| pod["status"]["phase"] = "Failed".into());
        estate.compact();
    });
    rung(&rings, 3).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let before = rings.load(Ordering::SeqCst);
    stage.fake.with(|estate| drop(estate.remove("pods", "media", &name)));
    rung(&rings, before + 1).await;
    let asked = stage.fake.asked();
    let watches: Vec<&String> = asked.iter().filter(|a| a.contains("watch=1")).collect();
    assert!(watches[0].contains("allowWatchBookmarks=true"), "{watches:?}");
    assert!(watches[0].contains("resourceVersion="), "it goes on from the list: {watches:?}");
}

#[tokio::test]
async fn a_watch_that_fails_waits_longer_each_time_and_one_that_is_denied_ends() {
    let stage = Stage::new(|estate| {
        estate.accounts.insert("poor".into(), Account::of(&["list pods"]));
        estate.broken.insert("pods".into(), (500, "InternalError".into(), "no".into()));
    })
    .await;
    let rests = Rests { ring: Span(1), first: Span(100), longest: Span::secs(60) };
    let cluster = stage.cluster("right");
    let watch = cluster.watch::<Pod>(None, "1".into(), rests, || {});
    let over = tokio::time::timeout(Duration::from_millis(1_000), watch).await;
    assert!(over.is_err(), "it goes on trying");
    // After 200, 400 and 800 ms.
    let tries = stage.fake.asked().len();
    assert!((1..=4).contains(&tries), "{tries} tries in a second");
    let cluster = stage.cluster("poor");
    let watch = cluster.watch::<Pod>(None, "1".into(), rests, || {});
    tokio::time::timeout(Duration::from_secs(10), watch).await.expect("it ends");
    assert_eq!(stage.fake.asked().len(), 1);
}

/// The fake refuses what a real API server refuses.
#[tokio::test]
async fn the_fake_keeps_its_word() {
    let stage = Stage::new(|estate| {
        estate.node("a");
        estate.deployment("media", "jellyfin", 2);
    })
    .await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = &stage.fake.base;
    let ask = |method: &str, path: &str, body: Option<Json>| {
        let method = method.parse::<reqwest::Method>().unwrap();
        let request = client.request(method, format!("{base}{path}")).bearer_auth("right");
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        };
        async move {
            let answer = request.send().await.unwrap();
            let code = answer.status().as_u16();
            (code, serde_json::from_str::<Json>(&answer.text().await.unwrap()).unwrap_or_default())
        }
    };
    let pods = |prefix: &'static str| {
        stage
            .fake
            .with(move |e| e.pods("media", prefix))
            .into_iter()
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = pods("jellyfin")[0].clone();
    let deployment = "/apis/apps/v1/namespaces/media/deployments/jellyfin";
    let (code, stale) = ask("GET", deployment, None).await;
    assert_eq!(code, 200);
    stage.fake.with(|e| e.scale("deployments", "media", "jellyfin", 2));
    stage.fake.with(|e| e.image("deployments", "media", "jellyfin", "jellyfin:2"));
    let (code, said) = ask("PUT", deployment, Some(stale)).await;
    assert_eq!((code, said["reason"].as_str()), (409, Some("Conflict")));
    assert!(said["message"].as_str().unwrap().contains("please apply your changes to the latest"));

    let path = format!("/api/v1/namespaces/media/pods/{first}");
    assert!(stage.fake.with(|e| e.protected.insert(first.clone())));
    let (code, said) = ask("POST", &format!("{path}/eviction"), Some(json!({}))).await;
    assert_eq!((code, said["reason"].as_str()), (429, Some("TooManyRequests")));
    let (code, _) = ask("DELETE", &format!("{path}?dryRun=All"), None).await;
    assert_eq!((code, pods("jellyfin").contains(&first)), (200, true), "a dry run changes nothing");
    let (code, _) = ask("DELETE", &path, None).await;
    assert_eq!((code, pods("jellyfin").contains(&first)), (200, false));
    assert!(2 <= pods("jellyfin").len(), "its controller makes another one");
    let review =
        json!({ "spec": { "resourceAttributes": { "verb": "list", "resource": "pods" } } });
    let (code, said) =
        ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", Some(review)).await;
    assert_eq!((code, &said["status"]["allowed"]), (201, &true.into()));
    for (path, code) in [
        ("/api/v1/nodes?limit=many", 400),
        ("/api/v1/nodes?continue=x", 400),
        ("/api/v1/nodes?fieldSelector=status.phase%3DReady", 400),
        ("/api/v1/nodes/b", 404),
        ("/apis/apps/v1beta1/deployments", 404),
        ("/apis/apps/v1", 200),
        ("/version", 200),
    ] {
        assert_eq!(ask("GET", path, None).await.0, code, "{path}");
    }
}
