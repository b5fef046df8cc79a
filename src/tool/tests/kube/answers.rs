//! Answers that are lost, and what may then be asked for once more.

use crate::model::time::Span;
use crate::model::tool::{ActionResult, Repeat};
use crate::tool::tests::kube::{Lab, call, everything, evict, looping, not_started};
use crate::tool::tests::stage::done;

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

#[tokio::test]
async fn what_is_safe_to_repeat_is_done_once_however_often_it_is_asked_for() {
    let (lab, calls) = everything().await;
    let mut safe = Vec::new();
    for call in &calls {
        let (effect, undo) = lab.preview(call).await.unwrap_or_else(|why| panic!("{call}: {why}"));
        if lab.stage.action(call).repeat() == Repeat::Never {
            continue;
        }
        safe.push(call.tool.as_str());
        // By the permit of the same plan: the answer of the first was lost, perhaps.
        done(&lab.stage.act_as(call, effect.clone(), undo.clone()).await);
        let standing = |lab: &Lab| {
            let (workload, node) = ("jellyfin", "pi-1");
            let spec = lab.object("deployments", "media", workload)["spec"].clone();
            let films = lab.object("configmaps", "media", "films")["data"].clone();
            let secret = lab.object("secrets", "web", "site-tls")["data"].clone();
            (spec, lab.object("nodes", "", node)["spec"].clone(), films, secret)
        };
        let once = standing(&lab);
        done(&lab.stage.act_as(call, effect, undo).await);
        assert_eq!(standing(&lab), once, "{call}");
    }
    assert_eq!(safe, ["kube.scale", "kube.cordon", "kube.apply", "kube.tls_secret"]);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_only_where_that_is_safe_and_then_it_is_looked_around() {
    let (lab, _) = everything().await;
    let lab = lab.reached_as("right", Span(400));
    // The node is cordoned, and nobody hears of it; the second try finds it so.
    let cordon = call("kube.cordon", &[("node", "k3s:member:pi-1")]);
    let permit = lab.stage.permit(&cordon).await;
    lab.fake.asked();
    lab.fake.with(|estate| estate.swallows = true);
    let again = crate::gate::again::carried_out(lab.stage.again_tools(), permit.step()).await;
    lab.fake.with(|estate| estate.swallows = false);
    assert!(done(&again.result).contains("the first was unknown"), "{:?}", again.result);
    assert_eq!((again.tries, lab.fake.written().len()), (2, 1), "{:?}", again.result);
    assert_eq!(again.around, Vec::<String>::new());

    // An eviction is not safe to repeat: once, then the pod, its events and its log are looked at.
    let evict = evict(&lab.fake.with(|estate| {
        estate.pods("media", "jellyfin")[0]["metadata"]["name"].as_str().unwrap().to_owned()
    }));
    let permit = lab.stage.permit(&evict).await;
    lab.fake.asked();
    let broken = (500, "InternalError".to_owned(), "etcdserver: no leader".to_owned());
    lab.fake.with(|estate| drop(estate.refuses.insert("create pods/eviction".into(), broken)));
    let once = crate::gate::again::carried_out(lab.stage.again_tools(), permit.step()).await;
    assert!(once.result.words().contains("no leader"), "{:?}", once.result);
    assert_eq!((once.result.word(), once.tries, lab.fake.written().len()), ("unknown", 1, 1));
    let looked: Vec<&str> = once.around.iter().filter_map(|w| w.split(':').next()).collect();
    assert_eq!(looked, ["kube.pod", "kube.events", "kube.logs"], "{:?}", once.around);

    // A budget says stop, a conflict says that somebody else was there: neither is tried again.
    for (code, reason) in [(429, "TooManyRequests"), (409, "Conflict"), (403, "Forbidden")] {
        let no = (code, reason.to_owned(), "no".to_owned());
        lab.fake.with(|estate| drop(estate.refuses.insert("create pods/eviction".into(), no)));
        let no = crate::gate::again::carried_out(lab.stage.again_tools(), permit.step()).await;
        assert_eq!((no.result.word(), no.tries), ("not started", 1), "{code}: {:?}", no.result);
    }
}
