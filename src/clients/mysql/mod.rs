//! MariaDB and MySQL: one connection per look, and what the server says of replication.

mod rows;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use crate::clients::answer::{NoAnswer, connect};
pub use crate::clients::mysql::rows::{Channel, Connections, Replica, Seen, Wanted};
use crate::clients::mysql::wire::{Packet, Private, Refused, Row};
use crate::clients::tls::trust;
use crate::config::keys::Key;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Tcp { host: String, port: u16 },
    Socket(PathBuf),
}

/// Whether and how the server's certificate is proven, on TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    Off,
    /// By the system's authorities and those in this file.
    Verified(Option<PathBuf>),
}

/// One server and who we are there.
#[derive(Clone)]
pub struct Mysql {
    pub place: Place,
    pub user: String,
    pub password: Option<Key>,
    pub encryption: Encryption,
}

impl fmt::Debug for Mysql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mysql client of {:?}", self.place)
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection with its packets numbered.
struct Line {
    io: Box<dyn Duplex>,
    next: u8,
}

impl Mysql {
    /// What the server says of itself and, as `wanted`, of its replicas. Whoever calls limits the time.
    pub async fn look(&self, wanted: Wanted) -> Result<Seen, NoAnswer> {
        let (mut line, version) = self.log_in().await?;
        let seen = rows::seen(&mut line, &version, wanted).await?;
        // A server counts a connection that just closes as one that broke.
        line.next = 0;
        drop(line.send(&[0x01]).await);
        Ok(seen)
    }

    /// Greets and logs in; the version comes with it.
    async fn log_in(&self) -> Result<(Line, String), NoAnswer> {
        let (io, mut private): (Box<dyn Duplex>, _) = match &self.place {
            Place::Tcp { host, port } => (Box::new(connect(host, *port).await?), Private::No),
            Place::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|e| NoAnswer::of_io(&e))?;
                (Box::new(stream), Private::Yes)
            }
        };
        let mut line = Line { io, next: 0 };
        let first = line.receive().await?;
        if let Some(no) = wire::refused(&first) {
            return Err(why(no));
        }
        let greeting = wire::greeting(&first)
            .ok_or_else(|| NoAnswer::Broken("it does not greet as MariaDB or MySQL".into()))?;
        if greeting.can & wire::PROTOCOL_41 == 0 {
            return Err(NoAnswer::Broken("its protocol is older than version 4.1".into()));
        }
        let mut flags = 0;
        if let (Place::Tcp { host, .. }, Encryption::Verified(ca_file)) =
            (&self.place, &self.encryption)
        {
            if greeting.can & wire::SSL == 0 {
                return Err(NoAnswer::Broken(
                    "it speaks no TLS, and tls = true asks for it".into(),
                ));
            }
            line.send(&wire::ask_for_tls()).await?;
            line = line.encrypt(host, ca_file.clone()).await?;
            (flags, private) = (wire::SSL, Private::Yes);
        }
        self.prove(&mut line, &greeting, flags, private).await?;
        Ok((line, greeting.version))
    }

    async fn prove(
        &self,
        line: &mut Line,
        greeting: &wire::Greeting,
        flags: u32,
        private: Private,
    ) -> Result<(), NoAnswer> {
        let password = match &self.password {
            Some(key) => {
                key.value().map_err(|why| NoAnswer::Setup(why.to_owned()))?.expose_secret()
            }
            None => "",
        };
        // A server that greets with a plugin we do not speak may still switch to one that we do.
        let (plugin, proof) =
            match wire::proof(&greeting.plugin, password, &greeting.nonce, private) {
                Some(proof) => (greeting.plugin.as_str(), proof),
                None => ("mysql_native_password", Vec::new()),
            };
        line.send(&wire::login(flags, &self.user, &proof, plugin)).await?;
        // Each round is asked for by the server; no honest one asks for more.
        for _ in 0..6 {
            let said = line.receive().await?;
            if let Some(no) = wire::refused(&said) {
                return Err(why(no));
            }
            let mut packet = Packet(&said);
            match packet.byte() {
                Some(0x00) => return Ok(()),
                // Switch to another plugin.
                Some(0xfe) => {
                    let plugin = String::from_utf8_lossy(packet.text().unwrap_or_default());
                    let nonce = packet.0.strip_suffix(&[0]).unwrap_or(packet.0);
                    let proof =
                        wire::proof(&plugin, password, nonce, private).ok_or_else(|| {
                            let plugin: String = plugin.chars().take(40).collect();
                            NoAnswer::Denied(format!(
                                "the user {} logs in by {plugin}, which reef does not speak here: \
                             give it mysql_native_password, or tls = true",
                                self.user
                            ))
                        })?;
                    line.send(&proof).await?;
                }
                // More of caching_sha2_password: 3 is "known", 4 wants the password itself.
                Some(0x01) => match (packet.byte(), private) {
                    (Some(4), Private::Yes) => line.send(&wire::in_clear(password)).await?,
                    (Some(4), Private::No) => {
                        return Err(NoAnswer::Denied(
                            "the server wants the password itself, which goes over TLS only: \
                             write tls = true"
                                .into(),
                        ));
                    }
                    (_, Private::Yes | Private::No) => {}
                },
                Some(_) | None => break,
            }
        }
        Err(NoAnswer::Broken("its log-in does not follow the protocol".into()))
    }
}

impl Line {
    async fn encrypt(self, host: &str, ca_file: Option<PathBuf>) -> Result<Self, NoAnswer> {
        let roots = trust::roots(ca_file.as_deref()).map_err(NoAnswer::Setup)?;
        let mut config = trust::client_config(roots).map_err(NoAnswer::Setup)?;
        config.alpn_protocols.clear();
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| NoAnswer::Setup(format!("{host} is no name that a certificate has")))?;
        let connector = TlsConnector::from(Arc::new(config));
        let tls = connector.connect(name, self.io).await.map_err(|e| NoAnswer::of_io(&e))?;
        Ok(Self { io: Box::new(tls), next: self.next })
    }

    async fn send(&mut self, packet: &[u8]) -> Result<(), NoAnswer> {
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        if usize::try_from(length).map_or(true, |n| wire::LARGEST < n) {
            return Err(NoAnswer::Setup("a question that is too long".into()));
        }
        let [a, b, c, _] = length.to_le_bytes();
        let mut whole = vec![a, b, c, self.next];
        whole.extend_from_slice(packet);
        self.next = self.next.wrapping_add(1);
        self.io.write_all(&whole).await.map_err(|e| NoAnswer::of_io(&e))?;
        self.io.flush().await.map_err(|e| NoAnswer::of_io(&e))
    }

    async fn receive(&mut self) -> Result<Vec<u8>, NoAnswer> {
        let mut head = [0; 4];
        self.io.read_exact(&mut head).await.map_err(|e| NoAnswer::of_io(&e))?;
        let [a, b, c, number] = head;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, 0])).unwrap_or(usize::MAX);
        if wire::LARGEST < length {
            return Err(NoAnswer::Broken(format!("a packet of {length} bytes")));
        }
        self.next = number.wrapping_add(1);
        let mut packet = vec![0; length];
        self.io.read_exact(&mut packet).await.map_err(|e| NoAnswer::of_io(&e))?;
        Ok(packet)
    }

    /// The rows of one statement, or the server's refusal.
    async fn query(&mut self, statement: &str) -> Result<Result<Vec<Row>, Refused>, NoAnswer> {
        let broken = || NoAnswer::Broken("an answer that does not follow the protocol".into());
        self.next = 0;
        self.send(&[b"\x03", statement.as_bytes()].concat()).await?;
        let head = self.receive().await?;
        if let Some(no) = wire::refused(&head) {
            return Ok(Err(no));
        }
        let count = Packet(&head).length().and_then(|n| usize::try_from(n).ok());
        let count = count.filter(|n| *n <= wire::COLUMNS).ok_or_else(broken)?;
        if count == 0 {
            return Ok(Ok(Vec::new()));
        }
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push(wire::column(&self.receive().await?).ok_or_else(broken)?);
        }
        if !wire::is_end(&self.receive().await?) {
            return Err(broken());
        }
        let mut rows = Vec::new();
        loop {
            let packet = self.receive().await?;
            if let Some(no) = wire::refused(&packet) {
                return Ok(Err(no));
            }
            if wire::is_end(&packet) {
                return Ok(Ok(rows));
            }
            if rows.len() == wire::ROWS {
                return Err(NoAnswer::Broken(format!("more than {} rows", wire::ROWS)));
            }
            rows.push(wire::row(&packet, &columns).ok_or_else(broken)?);
        }
    }
}

/// Sorts what a server refuses.
fn why(no: Refused) -> NoAnswer {
    match no.code {
        // Access denied, host not allowed, missing privilege.
        1044 | 1045 | 1130 | 1142 | 1227 | 1698 | 1862 => NoAnswer::Denied(no.words),
        // Too many connections, of all or of this user; shutting down; blocked.
        1040 | 1053 | 1129 | 1203 | 1226 => NoAnswer::Busy(no.words),
        _other => NoAnswer::Broken(no.words),
    }
}

#[cfg(test)]
mod tests;
