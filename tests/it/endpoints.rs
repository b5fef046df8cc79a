//! Endpoints on loopback: certificates near their end, and one that answers nobody.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::lab::{ALONE, Home, Hook, Reef, list};

const DAY: i64 = 86_400;

/// A TLS server on loopback; it ends when this is dropped.
struct Server {
    port: u16,
    ca_file: PathBuf,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Its certificate is for `name` and good from `from` to `to`, in seconds from now.
    fn start(folder: &Path, name: &str, from: i64, to: i64) -> Self {
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "Lab CA");
        let authority_key = KeyPair::generate().unwrap();
        let ca_file = folder.join("ca.pem");
        std::fs::write(&ca_file, authority.self_signed(&authority_key).unwrap().pem()).unwrap();

        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let begun = std::fs::metadata(&ca_file).unwrap().modified().unwrap();
        let now = begun.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let at = |offset: i64| {
            let seconds = now.checked_add_signed(offset).unwrap();
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        (leaf.not_before, leaf.not_after) = (at(from), at(to));
        let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
        Self::show(ca_file, &leaf, &key)
    }

    /// As [`Server::start`], with one that signs for itself and is trusted by itself.
    fn alone(folder: &Path, name: &str, from: i64, to: i64) -> Self {
        let ca_file = folder.join(format!("{name}.pem"));
        std::fs::write(&ca_file, "").unwrap();
        let begun = std::fs::metadata(&ca_file).unwrap().modified().unwrap();
        let now = begun.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let at = |offset: i64| {
            let seconds = now.checked_add_signed(offset).unwrap();
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, name);
        (leaf.not_before, leaf.not_after) = (at(from), at(to));
        let leaf = leaf.self_signed(&key).unwrap();
        std::fs::write(&ca_file, leaf.pem()).unwrap();
        Self::show(ca_file, &leaf, &key)
    }

    fn show(ca_file: PathBuf, leaf: &rcgen::Certificate, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(
                until.run_until_cancelled(serve(listener, TlsAcceptor::from(Arc::new(config)))),
            );
        });
        Self { port, ca_file, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        if let Ok(mut stream) = acceptor.accept(stream).await {
            // Only its certificate is looked at.
            drop(stream.shutdown().await);
        }
    }
}

/// A daemon that watches one certificate, and what it says of it.
fn watched(server: &Server, name: &str, hook: &Hook) -> (Home, Reef) {
    let home = Home::new(&format!(
        "ceiling = \"auto\"\n{ALONE}\n\
         tls.site = {{ server = \"127.0.0.1:{}\", server_name = \"{name}\", ca_file = {:?}, every = \"1s\", fire_after = 1 }}\n\
         [notify.hook]\nwebhook = {{ url = \"{}\" }}\n",
        server.port,
        server.ca_file,
        hook.url(),
    ));
    let reef = home.start();
    (home, reef)
}

fn words(incident: &Json) -> String {
    incident["reading"]["words"].as_str().unwrap().to_lowercase()
}

/// The question about the certificate.
fn question(reef: &Reef) -> String {
    reef.until("a question", |reef| {
        Some(reef.approvals().first()?["question"].as_str()?.to_owned())
    })
}

#[test]
fn a_certificate_with_ten_days_left_is_yellow_and_its_runbook_reminds() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), "localhost", -80 * DAY, 10 * DAY + 3_600);
    let hook = Hook::new();
    let (_home, reef) = watched(&server, "localhost", &hook);
    let asked = question(&reef);
    assert!(asked.contains("10 days left") && asked.contains("Lab CA"), "{asked}");
    let incident = reef.incident().unwrap();
    assert_eq!(incident["severity"], "yellow", "{incident:#}");
    assert!(words(&incident).contains("10 d"), "{incident:#}");
    // A yellow neither pages nor does anything by itself.
    assert!(hook.told().iter().all(|m| m["urgency"] == "message"), "{:#?}", hook.told());
    assert!(reef.records("dispatched").is_empty());
    let answer = reef.until("a choice", |reef| {
        let choices = list(reef.approvals().first()?, "choices");
        choices.iter().position(|c| c["say"].as_str().is_some_and(|s| s.contains("I will renew")))
    });
    reef.reef(&["approve", "A-1", &(answer + 1).to_string(), "--yes"]).ok();
}

#[test]
fn an_expired_one_is_red_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), "localhost", -90 * DAY, -DAY);
    let hook = Hook::new();
    let (_home, reef) = watched(&server, "localhost", &hook);
    let asked = question(&reef);
    assert!(asked.contains("expired"), "{asked}");
    let incident = reef.incident().unwrap();
    assert_eq!(incident["severity"], "red", "{incident:#}");
    assert!(words(&incident).contains("expired"), "{incident:#}");
    reef.until("the human is told", |_| (!hook.told().is_empty()).then_some(()));
}

#[test]
fn a_wrong_name_is_red_and_says_which_failed() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), "other.example", -DAY, 80 * DAY);
    let hook = Hook::new();
    let (_home, reef) = watched(&server, "localhost", &hook);
    question(&reef);
    let incident = reef.incident().unwrap();
    assert_eq!(incident["severity"], "red", "{incident:#}");
    assert!(words(&incident).contains("name"), "{incident:#}");
}

#[test]
fn an_endpoint_that_nobody_says_what_serves_is_asked_about() {
    // Taken once, so that nobody else listens there; closed again, so that it refuses.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = Home::new(&format!(
        "ceiling = \"auto\"\n{ALONE}\n\
         http.site = {{ url = \"http://127.0.0.1:{port}/\", every = \"1s\", retry_after = \"100ms\", timeout = \"2s\" }}\n\
         [runbook.http-down]\nleash = \"auto\"\n"
    ));
    let reef = home.start();
    let asked = question(&reef);
    assert!(
        asked.contains("refused") && asked.contains("I do not know what to restart"),
        "{asked}"
    );
    assert_eq!(reef.incident().unwrap()["severity"], "red");
    assert!(reef.records("dispatched").is_empty());
    // Somebody serves it again: the question is moot, and nobody needs to answer it.
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let serving =
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            for stream in listener.incoming().take(4) {
                let mut stream = stream.unwrap();
                let _some = stream.read(&mut [0; 1024]);
                drop(stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
                ));
            }
        });
    reef.until_incident("resolved");
    reef.until("the question is void", |reef| {
        (reef.approvals()[0]["state"]["state"] == "void").then_some(())
    });
    drop(reef);
    // What is left of its four.
    while !serving.is_finished() {
        drop(std::net::TcpStream::connect(("127.0.0.1", port)));
    }
}

#[test]
fn a_certificate_that_signs_for_itself_is_reminded_of_at_30_7_and_1_days() {
    let home = tempfile::tempdir().unwrap();
    let hook = Hook::new();
    let alone = |name: &str, left: i64| Server::alone(home.path(), name, -100 * DAY, left + 3_600);
    let servers = [
        ("month", alone("month.example", 29 * DAY)),
        ("week", alone("week.example", 6 * DAY)),
        ("day", alone("day.example", 0)),
        ("later", alone("later.example", 40 * DAY)),
        // A program renews this one: at 29 days it is only due.
        ("program", Server::start(home.path(), "program.example", -61 * DAY, 29 * DAY + 3_600)),
    ];
    let probe = |(name, server): &(&str, Server)| {
        format!(
            "tls.{name} = {{ server = \"127.0.0.1:{}\", server_name = \"{name}.example\", ca_file = {:?}, every = \"1s\" }}\n",
            server.port, server.ca_file
        )
    };
    let probes: String = servers.iter().map(probe).collect();
    let home = Home::new(&format!(
        "ceiling = \"observe\"\n{ALONE}\n{probes}[notify.hook]\nwebhook = {{ url = \"{}\" }}\n",
        hook.url()
    ));
    let reef = home.start();
    let reminders = || -> Vec<String> {
        let titles =
            hook.told().iter().map(|m| m["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let mut of =
            titles.into_iter().filter(|t| t.starts_with("certificate ")).collect::<Vec<_>>();
        of.sort();
        of
    };
    reef.until("the reminders", |_| (reminders().len() == 3).then_some(()));
    reef.looks_pass(3);
    // Each once, however often it is looked at.
    assert_eq!(
        reminders(),
        [
            "certificate day: 0 days left",
            "certificate month: 29 days left",
            "certificate week: 6 days left"
        ]
    );
    assert!(reef.records("dispatched").is_empty());
}
