//! Pods are evicted, and only those that come back.

use serde_json::json;

use crate::clients::kube::fake::Account;
use crate::model::time::Span;
use crate::model::tool::ActionResult;
use crate::tool::tests::kube::{Lab, call, evict, looping, not_started};
use crate::tool::tests::stage::done;

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
async fn a_drain_stops_at_a_budget_and_spares_what_would_not_come_back() {
    let lab = Lab::new(|estate| {
        estate.deployment("media", "jellyfin", 3);
        estate.keeper("daemonsets", "media", "log", 1, "log:1");
        estate.node("pi-2");
        estate.pass(60);
    })
    .await;
    let drain = call("kube.drain", &[("node", "k3s:member:pi-1")]);
    // All that serve are there: a drain would take the last one.
    let said = lab.refused(&drain).await;
    assert!(said.contains("the last replicas of media/deployment/jellyfin"), "{said}");
    let replicas = || async { lab.stage.action(&drain).replicas().await.unwrap().unwrap() };
    let all = replicas().await;
    assert_eq!((all.of, all.healthy, all.leaves, all.takes_the_last()), (3, 3, 0, true));
    lab.fake.with(|estate| {
        let one = estate.pods("media", "jellyfin")[0]["metadata"]["name"].clone();
        estate.edit("pods", "media", one.as_str().unwrap(), |pod| {
            pod["spec"]["nodeName"] = "pi-2".into();
        });
        // What has one replica is simply made anew elsewhere.
        estate.deployment("media", "single", 1);
        estate.pass(60);
    });
    lab.clock();
    assert!(!replicas().await.takes_the_last());
    lab.fake.with(|estate| {
        estate.scale("deployments", "media", "single", 0);
        estate.pass(20);
    });
    let (effect, _) = lab.preview(&drain).await.unwrap();
    assert_eq!(effect.max_items, 2, "pods of daemon sets stay: {}", effect.words);
    let result = lab.act_after(&drain, |estate| estate.budget("media", "jellyfin", 3)).await;
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
