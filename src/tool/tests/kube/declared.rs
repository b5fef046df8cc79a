//! Declared files and keys: held to their hash, and nowhere but where they belong.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use tokio::task::JoinSet;

use crate::clients::kube::Way;
use crate::clients::kube::declared::Wire;
use crate::clients::kube::fake::Account;
use crate::clients::tls::TlsServer;
use crate::model::ids::HostName;
use crate::model::time::Span;
use crate::model::tool::ActionResult;
use crate::model::value::Value;
use crate::tool::network::Network;
use crate::tool::tests::kube::{
    Lab, MANIFEST, PATCH, call, declared, declared_file, everything, not_started, write_pair,
};
use crate::tool::tests::stage::{done, target, word};
use crate::tool::world::{Endpoint, KnownCluster};

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

/// A TLS server on loopback that serves one pair, and another once it was told to.
struct Ingress {
    port: u16,
    new: Arc<std::sync::atomic::AtomicBool>,
    _task: JoinSet<()>,
}

impl Ingress {
    async fn start(old: (String, String), new: (String, String)) -> Self {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let acceptor = |(certificate, key): &(String, String)| {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap();
            tokio_rustls::TlsAcceptor::from(Arc::new(config))
        };
        let (old, renewed) = (acceptor(&old), acceptor(&new));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let new = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (is_new, mut task) = (Arc::clone(&new), JoinSet::new());
        task.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = if is_new.load(Ordering::SeqCst) { &renewed } else { &old };
                drop(acceptor.accept(stream).await);
            }
        });
        Self { port, new, _task: task }
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_read_on_the_wire_before_it_counts() {
    let (lab, _) = everything().await;
    let dir = lab.stage.dir.path();
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let new = (read("fullchain.pem"), read("privkey.pem"));
    let former = rcgen::generate_simple_self_signed(vec!["site.example".to_owned()]).unwrap();
    let old = (former.cert.pem(), former.signing_key.serialize_pem());
    let ingress = Ingress::start(old, new).await;
    let kubeconfig = lab.fake.kubeconfig(dir, "right");
    let kubeconfig = crate::model::target::AbsPath::new(&kubeconfig).unwrap();
    let mut declared = declared(dir, Way::File { kubeconfig, context: None });
    for secret in declared.secrets.values_mut() {
        let within = Span::secs(2);
        secret.wire = Some(Wire { endpoint: "site".into(), within });
    }
    let Lab { mut stage, fake, _tasks } = lab;
    let known = Arc::new(KnownCluster::of(declared));
    stage.world.clusters = [(HostName::of("k3s"), known)].into();
    let mut inventory = (*stage.world.inventory).clone();
    let peer = TlsServer {
        host: "127.0.0.1".into(),
        port: ingress.port,
        name: "site.example".into(),
        lineage: None,
        config_dir: None,
    };
    inventory.endpoints.insert("site".into(), Endpoint { url: None, tls: Some(peer) });
    stage.world.inventory = Arc::new(inventory);
    stage.world.web = Arc::new(Network::default());
    let stage = stage.again();
    let call = call("kube.tls_secret", &[("secret", "k3s/web/secret/site-tls")]);
    let (effect, undo) = stage.preview(&call).await.unwrap();
    // The API took it, and nobody serves it: that is no success.
    let result = stage.act_as(&call, effect.clone(), undo.clone()).await;
    let secret = fake.with(|e| e.get("secrets", "web", "site-tls").cloned()).unwrap();
    assert_ne!(secret["data"]["tls.key"], "b2xk", "it was replaced all the same");
    assert!(
        matches!(&result, ActionResult::Failed(why) if why.contains("site still serves serial")),
        "{result:?}"
    );
    // The ingress reads it anew some moments later.
    let later = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        ingress.new.store(true, Ordering::SeqCst);
    };
    let (result, ()) = tokio::join!(stage.act_as(&call, effect, undo), later);
    assert!(done(&result).ends_with("site serves it"), "{result:?}");
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
    let endpoint = Value::Target(target("mini:endpoint:photos"));
    let found =
        lab.stage.query(&lab.stage.call("tls.inspect", &[("endpoint", endpoint.clone())])).await;
    let found = found.unwrap();
    assert_eq!(found.values["method"], word("cert-manager"), "{}", found.words);
    assert!(found.words.as_str().contains("web/site of k3s"), "{}", found.words);
    let why = lab.refused(&lab.stage.call("certificate.renew", &[("endpoint", endpoint)])).await;
    assert!(why.contains("cert-manager renews it, so certbot does not"), "{why}");
}
