//! What the daemon looks at: an HTTP server that remembers when it was asked, a TLS and a DNS server.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// When which number was asked for.
type Seen = Arc<Mutex<Vec<(u32, Instant)>>>;

/// Answers `/c/NUMBER` with 200, kept alive.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Seen,
    _serving: JoinSet<()>,
}

impl Server {
    /// Numbers up to `silent` are accepted and never answered.
    pub(crate) async fn start(silent: u32) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let seen = Seen::default();
        let mut serving = JoinSet::new();
        let log = Arc::clone(&seen);
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(answer(stream, Arc::clone(&log), silent));
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, seen, _serving: serving })
    }

    pub(crate) fn seen(&self) -> Vec<(u32, Instant)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

async fn answer(mut stream: TcpStream, seen: Seen, silent: u32) {
    let mut buffer = vec![0; 4096];
    let mut filled = 0;
    while let Ok(n @ 1..) = stream.read(&mut buffer[filled..]).await {
        filled += n;
        let Some(end) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let id = path.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
        seen.lock().unwrap_or_else(PoisonError::into_inner).push((id, Instant::now()));
        filled = 0;
        if id <= silent {
            continue;
        }
        let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok";
        if stream.write_all(reply).await.is_err() {
            return;
        }
    }
}

/// Two TLS ports with a certificate of an authority of their own.
pub(crate) struct Tls {
    pub(crate) ports: Vec<u16>,
    /// The authority, as a file.
    pub(crate) ca: PathBuf,
    _folder: tempfile::TempDir,
    _serving: JoinSet<()>,
}

impl Tls {
    pub(crate) async fn start() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let folder = tempfile::tempdir()?;
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem())?;
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (mut ports, mut serving) = (Vec::new(), JoinSet::new());
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            ports.push(listener.local_addr()?.port());
            let acceptor = acceptor.clone();
            serving.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let _closed = stream.shutdown().await;
                    }
                }
            });
        }
        Ok(Self { ports, ca, _folder: folder, _serving: serving })
    }
}

/// Answers every question with one address.
pub(crate) struct Dns {
    pub(crate) port: u16,
    _serving: JoinSet<()>,
}

impl Dns {
    pub(crate) async fn start() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let port = socket.local_addr()?.port();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((n, from)) = socket.recv_from(&mut buffer).await {
                let Some(reply) = address(&buffer[..n]) else { continue };
                if socket.send_to(&reply, from).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { port, _serving: serving })
    }
}

/// The question back, with 192.0.2.1 as its answer; no other record is passed on.
fn address(query: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(12..)?.iter().position(|byte| *byte == 0)? + 12;
    let question = query.get(12..name + 5)?;
    let is_a = question.ends_with(&[0, 1, 0, 1]);
    let mut reply = query.get(..2)?.to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    reply.extend(question);
    if is_a {
        reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
    Some(reply)
}
