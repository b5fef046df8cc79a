//! The real binary and a cluster that lives: what is done about it, and what never is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::kube::{ACTS, Account, Cluster, Fake, READS, rights};
use crate::lab::{ALONE, Home, Hook, Reef, list, tells_in_order};

/// Lets the cluster's time go by, some ten times as fast as ours, until it is dropped.
struct Time {
    open: Arc<AtomicBool>,
    going: Option<JoinHandle<()>>,
}

impl Time {
    fn of(fake: &Fake) -> Self {
        let (open, fake) = (Arc::new(AtomicBool::new(true)), fake.clone());
        let still = Arc::clone(&open);
        let going = std::thread::spawn(move || {
            while still.load(Ordering::SeqCst) {
                fake.pass(1);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { open, going: Some(going) }
    }
}

impl Drop for Time {
    fn drop(&mut self) {
        self.open.store(false, Ordering::SeqCst);
        if let Some(going) = self.going.take() {
            drop(going.join());
        }
    }
}

/// A cluster with one node and a deployment that is well, whose clock shows our time; the account has the rights
/// that reef prints, and no other.
fn cluster() -> Cluster {
    let cluster = Cluster::start();
    let ours = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    cluster.fake.with(|estate| {
        estate.now = i64::try_from(ours).unwrap() - 1_800;
        estate.node("pi-1");
        estate.deployment("media", "jellyfin", 1);
        estate.pass(900);
        let may = [rights(READS), rights(ACTS)].concat();
        let may: Vec<&str> = may.iter().map(String::as_str).collect();
        estate.accounts.insert("reef".into(), Account::of(&may));
    });
    cluster
}

/// reef with a leash; `changes` are to the shipped pod-crashloop, so that nobody waits for minutes.
fn home(cluster: &Cluster, hook: &Hook, leash: &str, more: &str) -> Home {
    let home = Home::new("");
    let kubeconfig = cluster.fake.kubeconfig(home.path(), "reef");
    let quick = [
        ("cooldown = \"1h\"", "cooldown = \"1s\""),
        ("within = \"10m\"", "within = \"30s\""),
        ("stays  = \"3m\"", "stays  = \"2s\""),
    ];
    let books = home.runbook("pod-crashloop", &quick);
    let books = books.to_str().unwrap();
    home.configure(&format!(
        "runbook_dir = \"{books}\"\nceiling = \"{leash}\"\n{ALONE}\n\
         [runbook.pod-crashloop]\nleash = \"{leash}\"\n{more}\n\
         [kubernetes.k3s]\nkubeconfig_file = \"{kubeconfig}\"\nevery = \"1s\"\nfire_after = 1\nclear_after = 1\n\
         [notify]\ngroup_wait = \"1s\"\n[notify.hook]\nwebhook = {{ url = \"{}\", secret = \"${{HOOK:-open sesame}}\" }}\n",
        hook.url()
    ));
    home
}

fn pod(fake: &Fake) -> String {
    let pods = fake.with(|estate| estate.pods("media", "jellyfin"));
    let alive = pods.iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    alive.unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
}

/// From now on this pod crashes, over and over; one that replaces it does not.
fn curse(fake: &Fake, fate: &str) -> String {
    let name = pod(fake);
    fake.with(|estate| {
        estate.cursed.insert(name.clone(), fate.to_owned());
        estate.logs.insert(format!("{name} previous"), "fatal: lock file exists\n".into());
        estate.pass(60);
    });
    name
}

fn severity(reef: &Reef, target: &str) -> Json {
    let signals = list(&reef.json(&["status"]), "signals");
    let own = signals.iter().find(|s| s["reading"]["signal"]["target"] == target);
    own.map(|s| s["reading"]["severity"].clone()).unwrap_or_default()
}

const WORKLOAD: &str = "k3s/media/deployment/jellyfin";

/// How many incidents there are in this state.
fn incidents(reef: &Reef, state: &str) -> usize {
    reef.incidents().iter().filter(|incident| incident["state"]["state"] == state).count()
}

#[test]
fn a_crash_loop_is_healed_by_one_eviction_and_the_third_of_a_day_is_the_humans() {
    let (cluster, hook) = (cluster(), Hook::new());
    let fake = &cluster.fake;
    let home = home(&cluster, &hook, "auto", "");
    let _time = Time::of(fake);
    let reef = home.start();
    reef.until("all is well", |reef| (severity(reef, WORKLOAD) == "green").then_some(()));
    fake.asked();
    for round in 1..=2 {
        let old = curse(fake, "crash");
        reef.until("it is healed", |reef| (incidents(reef, "resolved") == round).then_some(()));
        reef.until("it is proven", |reef| (reef.records("verified").len() == round).then_some(()));
        assert_ne!(pod(fake), old);
        assert_eq!(fake.written(), [format!("POST /api/v1/namespaces/media/pods/{old}/eviction")]);
        assert_eq!(reef.records("dispatched").len(), round);
    }
    reef.until("the fix is told", |_| {
        hook.titles().iter().any(|title| title.starts_with("green fixed: ")).then_some(())
    });

    let old = curse(fake, "crash");
    let told = reef.until("the third is told", |reef| {
        let escalated = reef.incidents().into_iter().find(|i| i["state"]["state"] == "escalated");
        escalated.map(|incident| incident["state"]["why"].as_str().unwrap_or_default().to_owned())
    });
    assert!(told.contains("crashes repeatedly: reef evicted 2 of its pods"), "{told}");
    for evidence in ["exit code 1", "lock file exists", &old] {
        assert!(told.contains(evidence), "{evidence}: {told}");
    }
    assert_eq!(fake.written(), Vec::<String>::new());
    assert_eq!(pod(fake), old);
    reef.reef(&["audit", "verify"]).ok();
}

/// Asked, answered, done, proven: the whole story stands in the audit log, in the words of an audit trail.
#[test]
fn the_story_of_a_crash_loop_is_told_from_its_trigger_to_its_end() {
    let (cluster, hook) = (cluster(), Hook::new());
    let fake = &cluster.fake;
    let home = home(&cluster, &hook, "ask", "");
    let _time = Time::of(fake);
    let reef = home.start();
    reef.until("all is well", |reef| (severity(reef, WORKLOAD) == "green").then_some(()));
    let old = curse(fake, "crash");
    reef.until("a question", |reef| {
        let all = reef.approvals();
        all.into_iter().find(|a| a["state"]["state"] == "pending")
    });
    reef.reef(&["approve", "A-1", "--yes"]).ok();
    reef.until("it is over", |reef| (incidents(reef, "resolved") == 1).then_some(()));
    reef.until("it is proven", |reef| (reef.records("verified").len() == 1).then_some(()));
    let story = reef.reef(&["audit", "timeline", "I-1"]).ok().out;
    tells_in_order(&story, &["red", "asked", "answered", "did", "ended", "proven"]);
    tells_in_order(&story, &["red", "did", "resolved"]);
    let labels =
        ["Timestamp", "Agent", "Action", "Service", "Reason", "Tools called", "Errors", "Duration"];
    let told: Vec<&str> =
        story.lines().filter_map(|line| line.split_once(": ")).map(|(label, _)| label).collect();
    let first = told.iter().position(|label| *label == "Timestamp").unwrap();
    assert_eq!(told[first..first + labels.len()], labels, "{story}");
    for part in [
        "Agent: runbook pod-crashloop",
        "Action: kube.evict",
        "Errors: None",
        "Trigger: incident I-1",
        "Approval: A-1, approved: yes, by operator uid ",
        "Runbook: pod-crashloop, hash ",
        "Outcome: done",
        "Verified: yes: ",
        "Proof: green ",
        "Cost: None, no model was asked",
    ] {
        assert!(story.contains(part), "{part} is not in\n{story}");
    }
    let reason = story.lines().find(|line| line.starts_with("Reason: ")).unwrap();
    assert!(
        reason.contains("red ") && reason.contains(&format!("evicted k3s/media/pod/{old}")),
        "{story}"
    );
    let calls = story.lines().find(|line| line.starts_with("Tools called: ")).unwrap();
    assert!(
        calls.ends_with("→ kube.evict()") && calls.matches("kube.evict").count() == 1,
        "{calls}"
    );
}

#[test]
fn under_observe_a_crash_loop_is_told_and_the_cluster_is_not_touched() {
    let (cluster, hook) = (cluster(), Hook::new());
    let fake = &cluster.fake;
    let home = home(&cluster, &hook, "observe", "");
    let _time = Time::of(fake);
    let reef = home.start();
    reef.until("all is well", |reef| (severity(reef, WORKLOAD) == "green").then_some(()));
    fake.asked();
    let old = curse(fake, "crash");
    reef.until_incident("escalated");
    reef.looks_pass(3);
    assert_eq!(fake.written(), Vec::<String>::new(), "not one request that changes anything");
    assert_eq!(pod(fake), old);
    assert_eq!(reef.records("dispatched").len(), 0);
    let would = reef.records("would");
    assert_eq!(would.len(), 1, "{would:#?}");
    assert!(would[0].to_string().contains("evict"), "{would:#?}");
}

#[test]
fn want_of_memory_is_told_with_its_limit_and_an_image_that_is_none_with_its_name() {
    let (cluster, hook) = (cluster(), Hook::new());
    let fake = &cluster.fake;
    let home = home(&cluster, &hook, "auto", "");
    let _time = Time::of(fake);
    let reef = home.start();
    reef.until("all is well", |reef| (severity(reef, WORKLOAD) == "green").then_some(()));
    fake.asked();
    // No fresh pod has more of it: one is tried, and then the human is told what the limit is.
    fake.with(|estate| {
        estate.edit("deployments", "media", "jellyfin", |one| {
            let app = &mut one["spec"]["template"]["spec"]["containers"][0];
            app["resources"] = json!({ "limits": { "memory": "256Mi" } });
            app["image"] = "oom:1".into();
        });
        estate.pass(120);
        estate.turn();
        // The old ones are gone: nothing but this is left.
        for pod in estate.pods("media", "jellyfin") {
            if pod["spec"]["containers"][0]["image"] == "jellyfin:1" {
                estate.remove("pods", "media", pod["metadata"]["name"].as_str().unwrap());
            }
        }
        estate.pass(60);
    });
    let why = reef.until("it is the human's", |reef| {
        let escalated = reef.incidents().into_iter().find(|i| i["state"]["state"] == "escalated");
        escalated
            .map(|incident| incident["reading"]["words"].as_str().unwrap_or_default().to_owned())
    });
    assert!(
        why.contains("memory limit 256Mi: consider memory limit increase or code fix"),
        "{why}"
    );
    assert_eq!(fake.written().len(), 1, "once a day at the most");
    fake.with(|estate| estate.image("deployments", "media", "jellyfin", "missing:7"));
    fake.with(|estate| {
        for pod in estate.pods("media", "jellyfin") {
            if pod["spec"]["containers"][0]["image"] == "oom:1" {
                estate.remove("pods", "media", pod["metadata"]["name"].as_str().unwrap());
            }
        }
        estate.keeper("deployments", "media", "photos", 1, "missing:7");
        estate.pass(60);
    });
    let why = reef.until("the image is told", |reef| {
        let of = |i: &Json| i["signal"]["target"] == "k3s/media/deployment/photos";
        let all = reef.incidents();
        let escalated = all.iter().find(|i| of(i) && i["state"]["state"] == "escalated")?;
        escalated["state"]["why"].as_str().map(str::to_owned)
    });
    assert!(why.contains("missing:7") && why.contains("no restart cures this"), "{why}");
    assert_eq!(fake.written(), Vec::<String>::new());
}

#[test]
fn a_node_that_is_not_ready_is_asked_about_with_its_cause_and_nothing_is_done_without_a_yes() {
    let (cluster, hook) = (cluster(), Hook::new());
    let fake = &cluster.fake;
    let home = home(&cluster, &hook, "auto", "[runbook.kube-node-not-ready]\nleash = \"auto\"\n");
    let reef = home.start();
    reef.until("all is well", |reef| (severity(reef, "k3s:member:pi-1") == "green").then_some(()));
    fake.asked();
    let words = "container runtime is down";
    fake.with(|e| e.node_says("pi-1", "Ready", "False", "KubeletNotReady", words));
    let asked = reef.until("a question", |reef| {
        let all = reef.approvals();
        all.into_iter().find(|a| a["state"]["state"] == "pending")
    });
    let question = asked["question"].as_str().unwrap();
    for part in ["k3s:member:pi-1", "the likely cause is runtime", words] {
        assert!(question.contains(part), "{part}: {question}");
    }
    // Critical: a yes is typed by somebody at a terminal, even under auto.
    let refused = reef.reef(&["approve", "A-1", "1", "--yes"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert_eq!(fake.written(), Vec::<String>::new());
    reef.reef(&["approve", "A-1", "2", "--yes"]).ok();
    reef.until("it is the human's", |reef| {
        let all = reef.incidents();
        let node = all.iter().find(|i| i["signal"]["target"] == "k3s:member:pi-1")?;
        (node["state"]["state"] == "escalated").then_some(())
    });
    assert_eq!(fake.written(), Vec::<String>::new());
}

#[test]
fn a_node_whose_host_nobody_knows_is_told_with_its_cause_under_observe_too() {
    let (cluster, hook) = (cluster(), Hook::new());
    let fake = &cluster.fake;
    let home = home(&cluster, &hook, "observe", "");
    let reef = home.start();
    reef.until("all is well", |reef| (severity(reef, "k3s:member:pi-1") == "green").then_some(()));
    fake.asked();
    fake.with(|estate| estate.kill("pi-1"));
    fake.pass(60);
    let why = reef.until("it is the human's", |reef| {
        let all = reef.incidents();
        let node = all.iter().find(|i| i["signal"]["target"] == "k3s:member:pi-1")?;
        node["state"]["why"].as_str().map(str::to_owned)
    });
    assert!(why.contains("the likely cause is unheard"), "{why}");
    assert!(why.contains("Kubelet stopped posting node status"), "{why}");
    assert_eq!(fake.written(), Vec::<String>::new());
}

/// A runbook of the operator's for one secret; `named` is how its step says which.
fn secret_book(home: &Home, named: &str) {
    let text = format!(
        "+++\ntitle = \"Certificate of the site\"\nleash = \"auto\"\nmax_tier = \"high\"\ntools = [\"kube.tls_secret\"]\n\
         match = {{ probe = \"kube\", target = \"k3s/web/secret/site-tls\" }}\n+++\n# Certificate of the site\n\n\
         The ingress serves what lies in this secret; certbot renews the files.\n\n\
         ```step\nname = \"replace\"\ntool = \"kube.tls_secret\"\nargs = {{ secret = \"{named}\" }}\n```\n\
         ```verify\nwithin = \"20s\"\n```\n"
    );
    std::fs::write(home.path().join("runbooks/site-certificate.md"), text).unwrap();
}

/// A certificate and its key in PEM, good for so many days from now.
fn pair(days: u64) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["site.example".to_owned()]).unwrap();
    let day = Duration::from_secs(86_400);
    let now = rcgen::date_time_ymd(1970, 1, 1) + std::time::UNIX_EPOCH.elapsed().unwrap();
    params.not_before = now - day * 80;
    params.not_after = now + day * u32::try_from(days).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4_usize {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// A cluster whose certificate has two days left while the files hold a new one; gives the new key.
fn with_secret(cluster: &Cluster, named: &str, hook: &Hook) -> (Home, String) {
    let (old, old_key) = pair(2);
    let (new, key) = pair(85);
    let home = home(cluster, hook, "auto", "[runbook.site-certificate]\nleash = \"auto\"\n");
    let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("fullchain.pem"), new).unwrap();
    std::fs::write(file("privkey.pem"), &key).unwrap();
    secret_book(&home, named);
    let text = std::fs::read_to_string(home.config()).unwrap();
    home.configure(&format!(
        "{text}[kubernetes.k3s.tls_secret.site]\nsecret = \"web/secret/site-tls\"\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
        file("fullchain.pem"),
        file("privkey.pem")
    ));
    cluster.fake.with(|estate| {
        estate.put(
            "secrets",
            json!({
                "metadata": { "namespace": "web", "name": "site-tls" }, "type": "kubernetes.io/tls",
                "data": { "tls.crt": base64(&old), "tls.key": base64(&old_key) },
            }),
        );
        // It sees the certificates, and may replace this one secret.
        let own = estate.accounts.get_mut("reef").unwrap();
        own.may.extend(["list secrets".to_owned(), "patch secrets:site-tls".to_owned()]);
    });
    (home, key)
}

fn stored_key(cluster: &Cluster) -> String {
    let secret = cluster.fake.with(|e| e.get("secrets", "web", "site-tls").cloned()).unwrap();
    secret["data"]["tls.key"].as_str().unwrap().to_owned()
}

/// Every file below a folder, whatever is in it.
fn bytes_below(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(path),
                kind if kind.is_file() => found.push((path.clone(), std::fs::read(&path).unwrap())),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn a_renewed_certificate_goes_into_the_named_secret_and_its_key_nowhere_else() {
    let (cluster, hook) = (cluster(), Hook::new());
    let (home, key) = with_secret(&cluster, "k3s/web/secret/site-tls", &hook);
    let mut reef = home.start();
    reef.until("the certificate is replaced", |reef| {
        reef.looks_pass(1);
        (stored_key(&cluster) == base64(&key)).then_some(())
    });
    reef.until("it is proven", |reef| (!reef.records("verified").is_empty()).then_some(()));
    let audit = reef.reef(&["audit", "list", "-n", "1000", "--json"]).ok().out;
    assert!(audit.contains("kube.tls_secret"), "{audit}");
    let log = reef.log();
    reef.stop();
    // The key in every form in which it could have been kept, piece by piece.
    let encoded = base64(&key);
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut pieces: Vec<&str> =
        key.lines().filter(|line| 20 < line.len() && !line.starts_with('-')).collect();
    pieces.extend([&encoded[40..80], &encoded[100..140], &body[10..50]]);
    let mut places = bytes_below(&home.state());
    places.push(("log".into(), log.into_bytes()));
    places.push(("audit".into(), audit.into_bytes()));
    places.push(("told".into(), format!("{:?}", hook.told()).into_bytes()));
    assert!(5 <= places.len(), "{places:?}");
    for (place, bytes) in &places {
        for piece in &pieces {
            let found = bytes.windows(piece.len()).any(|window| window == piece.as_bytes());
            assert!(!found, "{} holds a piece of the key", place.display());
        }
    }
}

#[test]
fn a_runbook_that_does_not_spell_the_secret_out_cannot_replace_it() {
    let (cluster, hook) = (cluster(), Hook::new());
    let (home, key) = with_secret(&cluster, "reading.workload", &hook);
    let reef = home.start();
    let why = reef.until("it is the human's", |reef| {
        reef.looks_pass(1);
        let all = reef.incidents();
        let of = all.iter().find(|i| i["signal"]["target"] == "k3s/web/secret/site-tls")?;
        of["state"]["why"].as_str().map(str::to_owned)
    });
    assert!(why.contains("only for a runbook that names it"), "{why}");
    assert_ne!(stored_key(&cluster), base64(&key));
    assert!(reef.records("dispatched").is_empty());
}
