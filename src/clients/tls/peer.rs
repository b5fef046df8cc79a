//! A TLS server on loopback with a certificate of any kind, for tests.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::clients::tls::pin::Pin;
use crate::clients::tls::trust;
use crate::model::time::Millis;

/// What certificate the peer shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shows {
    pub(crate) name: &'static str,
    pub(crate) not_before: Millis,
    pub(crate) not_after: Millis,
    pub(crate) signed: Signed,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Signed {
    /// By the authority in [`Peer::ca_file`].
    Authority,
    /// By an authority that nobody knows.
    Stranger,
    Itself,
}

/// A running peer; it ends when this is dropped. It answers every request with `200 ok`.
pub(crate) struct Peer {
    pub(crate) port: u16,
    pub(crate) ca_file: PathBuf,
    /// Its certificate's fingerprint.
    pub(crate) pin: Pin,
    _dir: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

fn authority(called: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, called);
    (params, KeyPair::generate().unwrap())
}

impl Peer {
    pub(crate) async fn start(shows: Shows) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca_file = dir.path().join("ca.pem");
        let (known, known_key) = authority("Known CA");
        std::fs::write(&ca_file, known.self_signed(&known_key).unwrap().pem()).unwrap();

        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![shows.name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, shows.name);
        let at = |ms: Millis| {
            rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_millis(ms.0.unsigned_abs())
        };
        params.not_before = at(shows.not_before);
        params.not_after = at(shows.not_after);
        let leaf = match shows.signed {
            Signed::Authority => params.signed_by(&key, &Issuer::new(known, known_key)),
            Signed::Stranger => {
                let (stranger, stranger_key) = authority("Stranger CA");
                params.signed_by(&key, &Issuer::new(stranger, stranger_key))
            }
            Signed::Itself => params.self_signed(&key),
        };
        let chain: Vec<CertificateDer<'static>> = vec![leaf.unwrap().der().clone()];
        let pin = Pin::of(&chain[0]);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(trust::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
                let mut request = [0; 4_096];
                if tls.read(&mut request).await.is_ok_and(|n| 0 < n) {
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                    let _gone = tls.write_all(answer).await;
                    let _gone = tls.shutdown().await;
                }
            }
        });
        Self { port, ca_file, pin, _dir: dir, _tasks: tasks }
    }
}
