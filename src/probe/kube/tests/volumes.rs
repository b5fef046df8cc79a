//! Volumes that pods claim, and certificates in secrets.

use super::*;

fn summary(claims: &[(&str, u64, u64)]) -> Json {
    let volumes: Vec<Json> = claims
        .iter()
        .map(|(name, capacity, available)| {
            json!({
                "name": "data", "pvcRef": { "name": name, "namespace": "a" },
                "capacityBytes": capacity, "availableBytes": available, "usedBytes": capacity - available,
                "inodes": 100, "inodesFree": if *name == "inodes" { 2 } else { 90 },
            })
        })
        .collect();
    json!({ "node": {}, "pods": [{ "volume": volumes }, { "volume": null }] })
}

#[tokio::test]
async fn claimed_volumes_are_judged_where_the_kubelets_say_how_full_they_are() {
    let gib = 1_u64 << 30;
    let stage = Stage::new(|estate| {
        estate.node("pi");
        for (name, phase) in [
            ("good", "Bound"),
            ("full", "Bound"),
            ("inodes", "Bound"),
            ("folder", "Bound"),
            ("idle", "Pending"),
            ("lost", "Lost"),
        ] {
            let claim = json!({
                "metadata": { "namespace": "a", "name": name }, "spec": {},
                "status": { "phase": phase, "capacity": { "storage": "10Gi" } },
            });
            estate.put("persistentvolumeclaims", claim);
        }
        let all = summary(&[
            ("good", 10 * gib, 5 * gib),
            ("full", 10 * gib, gib / 10),
            ("inodes", 10 * gib, 9 * gib),
            ("folder", 900 * gib, gib),
        ]);
        estate.summaries.insert("pi".into(), all);
        let poor = Account::of(&["list nodes", "list persistentvolumeclaims"]);
        estate.accounts.insert("poor".into(), poor);
    })
    .await;
    let blind = BlindSpots::default();
    let of = |token: &str| VolumesProbe {
        name: k3s(),
        cluster: cluster(&stage.fake, &stage.dir, token),
        scope: Scope::default(),
        blind: blind.clone(),
        threshold: Threshold {
            yellow: Some(85.0),
            red: Some(95.0),
            direction: Direction::Above,
            margin: 2.0,
        },
        known: BTreeSet::new(),
        retired: Vec::new(),
    };
    let mut probe = of("right");
    let readings = probe.look(&NoPast, stage.now()).await;
    let told: Vec<_> = readings
        .iter()
        .map(|r| (r.signal.target.name().to_owned(), r.severity, r.reason.as_str().to_owned()))
        .collect();
    let want =
        |name: &str, severity, reason: &str| (format!("a/pvc/{name}"), severity, reason.to_owned());
    assert_eq!(
        told,
        [
            want("full", Red, "bytes"),
            want("good", Green, "ok"),
            want("inodes", Red, "inodes"),
            want("lost", Red, "lost"),
        ]
    );
    assert_eq!(stage.fake.asked().len(), 3, "two lists, and one question a node");
    stage.fake.with(|e| drop(e.remove("persistentvolumeclaims", "a", "full")));
    let readings = probe.look(&NoPast, stage.now()).await;
    assert_eq!((readings.len(), probe.retired().len()), (3, 1));
    // Without the right it says nothing, and the signal of the API server names what is not seen.
    let mut poor = of("poor");
    assert_eq!(poor.look(&NoPast, stage.now()).await, Vec::new());
    let words = blind.words().join("");
    assert!(words.contains("cannot get resource \"nodes/proxy\""), "{words}");
    let mut poor = VolumesProbe { known: probe.known.clone(), ..of("poor") };
    let readings = poor.look(&NoPast, stage.now()).await;
    assert!(readings.iter().all(|r| r.severity == Unknown) && readings.len() == 3);
}

fn secret(name: &str, pem: &str) -> Json {
    use std::fmt::Write;
    // Base64, the slow way.
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = pem.bytes().fold(String::new(), |mut all, b| {
        write!(all, "{b:08b}").unwrap();
        all
    });
    let mut text = String::new();
    for part in bits.as_bytes().chunks(6) {
        let part = format!("{:0<6}", std::str::from_utf8(part).unwrap());
        text.push(char::from(LETTERS[usize::from_str_radix(&part, 2).unwrap()]));
    }
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    json!({
        "metadata": { "namespace": "web", "name": name }, "type": "kubernetes.io/tls",
        "data": { "tls.crt": text, "tls.key": "c2VjcmV0" },
    })
}

fn pem(days: i64, now: Millis) -> String {
    let mut params = rcgen::CertificateParams::new(vec!["photos.example".to_owned()]).unwrap();
    let at = |ms: Millis| {
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_millis(ms.0.unsigned_abs())
    };
    params.not_before = at(now - Span::days(60));
    params.not_after = at(now + Span::days(days) + Span::hours(1));
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

#[tokio::test]
async fn certificates_are_read_in_secrets_or_seen_at_the_ingress() {
    let stage = Stage::new(|estate| {
        let now = Millis(estate.millis());
        estate.put("secrets", secret("good", &pem(60, now)));
        estate.put("secrets", secret("old", &pem(2, now)));
        estate.put("secrets", secret("broken", "no certificate"));
        estate.put("secrets", json!({ "metadata": { "namespace": "web", "name": "password" }, "type": "Opaque", "data": { "tls.crt": "eA==" } }));
        estate.put("ingresses", json!({
            "metadata": { "namespace": "web", "name": "photos" },
            "spec": { "tls": [{ "hosts": ["photos.example"], "secretName": "good" }] },
            "status": { "loadBalancer": { "ingress": [{ "ip": "127.0.0.1" }] } },
        }));
        estate.accounts.insert("poor".into(), Account::of(&["list ingresses"]));
    })
    .await;
    let now = stage.now();
    let shows = Shows {
        name: "photos.example",
        not_before: now - Span::days(80),
        not_after: now + Span::days(10),
        signed: Signed::Authority,
    };
    let peer = Peer::start(shows).await;
    let of = |token: &str, secrets| CertificatesProbe {
        name: k3s(),
        cluster: cluster(&stage.fake, &stage.dir, token),
        scope: Scope::default(),
        blind: BlindSpots::default(),
        secrets,
        tls: Tls::trusting(Some(peer.ca_file.clone())),
        timeout: Span::secs(5),
        port: peer.port,
        known: BTreeSet::new(),
        retired: Vec::new(),
    };
    let told = |readings: &[Reading]| -> Vec<(String, Severity, String)> {
        let one = |r: &Reading| (r.signal.to_string(), r.severity, r.reason.as_str().to_owned());
        readings.iter().map(one).collect()
    };
    let of_secret = |name: &str| format!("kube k3s/web/secret/{name} days");
    let readings = of("right", Secrets::Read).look(&NoPast, now).await;
    assert_eq!(
        told(&readings),
        [
            (of_secret("broken"), Unknown, "unseen".to_owned()),
            (of_secret("good"), Green, "ok".to_owned()),
            (of_secret("old"), Red, "expiring".to_owned()),
        ]
    );
    assert!(stage.fake.asked()[0].contains("fieldSelector=type%3Dkubernetes.io%2Ftls"));
    // Twice by the ingress: where the account may not read secrets, and where the operator says so.
    for (token, secrets) in [("poor", Secrets::Read), ("right", Secrets::Leave)] {
        let readings = of(token, secrets).look(&NoPast, now).await;
        assert_eq!(told(&readings), [(of_secret("good"), Yellow, "expiring".to_owned())]);
        assert_eq!(readings[0].values["days"], Value::Int(10));
    }
    assert!(stage.fake.asked().iter().filter(|a| a.contains("secrets")).count() <= 1);
}
