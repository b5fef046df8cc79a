//! Clusters that answer, refuse and hang.

use super::fake::{Does, node, start};
use super::*;

async fn members(does: Does, token: &str, timeout: Span) -> Result<Vec<Member>, NoCluster> {
    let dir = tempfile::tempdir().unwrap();
    let (fake, settings, _tasks) = start(does, dir.path(), token).await;
    let cluster = Cluster::new(Settings { timeout, ..settings });
    let found = cluster.members().await;
    let asked = fake.asked.lock().unwrap();
    assert!(asked.iter().all(|path| path.starts_with("/api/v1/nodes?")), "{asked:?}");
    found
}

#[tokio::test]
async fn members_are_listed_with_their_condition() {
    let nodes = vec![
        node("a", Some("True"), None),
        node("b", Some("False"), Some(false)),
        node("c", Some("Unknown"), Some(true)),
        node("d", None, None),
    ];
    let found = members(Does::List(nodes), "right", Span::secs(5)).await.unwrap();
    let told: Vec<_> = found.iter().map(|m| (m.name.as_str(), m.ready, m.schedulable)).collect();
    assert_eq!(
        told,
        [
            ("a", Ready::Yes, Schedulable::Yes),
            ("b", Ready::No, Schedulable::Yes),
            ("c", Ready::Unheard, Schedulable::No),
            ("d", Ready::Unheard, Schedulable::Yes),
        ]
    );
    assert_eq!(found[1].why.as_str(), "KubeletNotReady: container runtime is down");
}

#[tokio::test]
async fn each_failure_has_its_class() {
    let forbidden = "nodes is forbidden: User \"system:serviceaccount:reef:reef\" cannot list resource \"nodes\"";
    let long = Span::secs(5);
    for (does, token, timeout, want, part) in [
        (Does::List(vec![]), "wrong", long, "denied", "Unauthorized"),
        (Does::Refuse(403, "Forbidden", forbidden), "right", long, "denied", "cannot list"),
        (
            Does::Refuse(500, "InternalError", "etcdserver: request timed out"),
            "right",
            long,
            "failed",
            "etcdserver",
        ),
        (Does::Hang, "right", Span(200), "timeout", "200 ms"),
        (Does::Garbage, "right", long, "failed", ""),
    ] {
        let why = members(does.clone(), token, timeout).await.unwrap_err();
        assert_eq!(why.word(), want, "{does:?}: {why:?}");
        assert!(why.to_string().contains(part), "{why}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_fake, settings, tasks) = start(Does::Hang, dir.path(), "right").await;
    let context = Settings { context: Some("work".into()), ..settings.clone() };
    let why = Cluster::new(context).members().await.unwrap_err();
    assert_eq!(why.word(), "setup");
    let nowhere = AbsPath::new("/nonexistent/kubeconfig").unwrap();
    let why = Cluster::new(Settings { kubeconfig: nowhere, ..settings.clone() }).members().await;
    assert!(why.unwrap_err().to_string().contains("/nonexistent/kubeconfig"));
    drop(tasks);
    tokio::task::yield_now().await;
    let why = Cluster::new(settings).members().await.unwrap_err();
    assert_eq!(why.word(), "unreachable", "{why:?}");
}
