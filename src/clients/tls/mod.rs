//! One TLS handshake that looks at the peer's certificate, whatever it is worth.

pub mod certificate;
pub mod file;
#[cfg(feature = "kube")]
pub mod pair;
#[cfg(test)]
pub(crate) mod peer;
pub mod pin;
pub mod trust;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use crate::clients::tls::certificate::Leaf;
use crate::clients::tls::trust::TlsFault;
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// A TLS server, what it is asked for, and what renews its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsServer {
    pub host: String,
    pub port: u16,
    /// The name that the certificate is asked for.
    pub name: String,
    /// What certbot calls its certificate, where the config says so.
    pub lineage: Option<String>,
    /// certbot's folder, where it is not its own one.
    pub config_dir: Option<AbsPath>,
}

/// What a handshake showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub leaf: Leaf,
    /// How many certificates came, the leaf among them.
    pub chain: usize,
    /// All that is wrong, the chain first; empty where the certificate is good.
    pub faults: Vec<TlsFault>,
}

/// Why there was no certificate to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCertificate {
    Refused,
    TimedOut(Span),
    NoName(String),
    Unreachable(String),
    /// Something answers there, but no TLS, or a certificate that cannot be read.
    NoHandshake(String),
    /// This machine has no authorities to judge by, or the name is none.
    Setup(String),
}

impl NoCertificate {
    /// One word that a runbook can match.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TimedOut(_) => "timeout",
            Self::NoName(_) => "dns",
            Self::Unreachable(_) => "unreachable",
            Self::NoHandshake(_) => "handshake",
            Self::Setup(_) => "setup",
        }
    }
}

impl fmt::Display for NoCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut(after) => write!(f, "no certificate within {after}"),
            Self::NoName(why) => write!(f, "its name has no address: {why}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::NoHandshake(why) => write!(f, "no TLS handshake: {why}"),
            Self::Setup(why) => write!(f, "cannot judge: {why}"),
        }
    }
}

/// Looks at certificates. The authorities are loaded at the first look and kept; clones share them.
#[derive(Clone, Default)]
pub struct Tls {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    extra_ca: Option<PathBuf>,
    verifier: OnceLock<Arc<WebPkiServerVerifier>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tls client")
    }
}

impl Tls {
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in `ca_file` (PEM) beside the system's.
    pub fn trusting(ca_file: Option<PathBuf>) -> Self {
        Self { shared: Arc::new(Shared { extra_ca: ca_file, verifier: OnceLock::new() }) }
    }

    /// Connects to `host:port`, asks for `name` and says what came. Nothing is sent beyond the
    /// handshake, and the connection is closed.
    pub async fn look(
        &self,
        host: &str,
        port: u16,
        name: &str,
        timeout: Span,
    ) -> Result<Seen, NoCertificate> {
        let verifier = self.verifier()?;
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| NoCertificate::Setup(format!("{name:?} is no host name")))?;
        let capture = Arc::new(Capture { verifier, caught: Mutex::new(None) });
        let shaking = shake(host, port, name, Arc::clone(&capture));
        let shaken = tokio::time::timeout(timeout.duration(), shaking).await;
        // The certificate counts even where the handshake broke after it: a server that wants a
        // certificate of ours refuses us only then.
        let caught = capture.caught.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (caught, shaken) {
            (Some(seen), _) => seen,
            (None, Err(_)) => Err(NoCertificate::TimedOut(timeout)),
            (None, Ok(Err(why))) => Err(why),
            (None, Ok(Ok(()))) => {
                Err(NoCertificate::NoHandshake("it showed no certificate".into()))
            }
        }
    }

    fn verifier(&self) -> Result<Arc<WebPkiServerVerifier>, NoCertificate> {
        if let Some(verifier) = self.shared.verifier.get() {
            return Ok(Arc::clone(verifier));
        }
        let roots = trust::roots(self.shared.extra_ca.as_deref()).map_err(NoCertificate::Setup)?;
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), trust::provider())
            .build()
            .map_err(|e| NoCertificate::Setup(e.to_string()))?;
        Ok(Arc::clone(self.shared.verifier.get_or_init(|| built)))
    }
}

async fn shake(
    host: &str,
    port: u16,
    name: ServerName<'static>,
    capture: Arc<Capture>,
) -> Result<(), NoCertificate> {
    let config = ClientConfig::builder_with_provider(trust::provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| NoCertificate::Setup(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(capture)
        .with_no_client_auth();
    let tcp = tokio::net::lookup_host((host, port))
        .await
        .map_err(|e| NoCertificate::NoName(e.to_string()))?
        .collect::<Vec<_>>();
    let tcp = TcpStream::connect(&tcp[..]).await.map_err(|e| {
        match e.kind() == std::io::ErrorKind::ConnectionRefused {
            true => NoCertificate::Refused,
            false => NoCertificate::Unreachable(e.to_string()),
        }
    })?;
    match TlsConnector::from(Arc::new(config)).connect(name, tcp).await {
        Ok(_) => Ok(()),
        Err(e) => Err(NoCertificate::NoHandshake(e.to_string())),
    }
}

/// Takes any certificate, after judging and keeping it. For looking only: traffic never goes over a
/// connection that this verified.
struct Capture {
    verifier: Arc<WebPkiServerVerifier>,
    caught: Mutex<Option<Result<Seen, NoCertificate>>>,
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("capturing verifier")
    }
}

impl Capture {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<Seen, NoCertificate> {
        let read = certificate::read(leaf).map_err(NoCertificate::NoHandshake)?;
        let mut faults = Vec::new();
        if let Err(e) = self.verifier.verify_server_cert(leaf, chain, name, &[], now) {
            let fault = TlsFault::of(&e);
            let unproven = matches!(fault, TlsFault::UnknownIssuer | TlsFault::Other(_));
            faults.push(if unproven && read.self_signed { TlsFault::SelfSigned } else { fault });
            // The verifier stops at its first finding; the operator should hear of both.
            let named = ParsedCertificate::try_from(leaf)
                .and_then(|leaf| rustls::client::verify_server_name(&leaf, name));
            if named.is_err() && !faults.contains(&TlsFault::WrongName) {
                faults.push(TlsFault::WrongName);
            }
        }
        Ok(Seen { leaf: read, chain: chain.len() + 1, faults })
    }
}

impl ServerCertVerifier for Capture {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = self.judge(leaf, chain, name, now);
        *self.caught.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
