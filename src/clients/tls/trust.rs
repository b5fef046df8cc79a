//! Whom TLS trusts here, and what a certificate is refused for.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// Why a certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFault {
    Expired,
    NotYetValid,
    /// Valid, but for other names.
    WrongName,
    /// Its chain does not lead to an authority that this machine trusts.
    UnknownIssuer,
    /// Signed with its own key, by nobody else.
    SelfSigned,
    Revoked,
    /// Not the one that the config names by its fingerprint.
    OtherThanPinned,
    /// No certificate came to be judged: the peer speaks no TLS, no common version.
    NoHandshake(String),
    Other(String),
}

impl TlsFault {
    /// One word that a runbook can match.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongName => "wrong-name",
            Self::UnknownIssuer => "unknown-issuer",
            Self::SelfSigned => "self-signed",
            Self::Revoked => "revoked",
            Self::OtherThanPinned => "fingerprint",
            Self::NoHandshake(_) => "handshake",
            Self::Other(_) => "invalid",
        }
    }

    /// Reads what rustls says. A self-signed leaf is an unknown issuer to rustls: whoever holds the
    /// chain tells the two apart.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever is not about the certificate ended the handshake before it"
    )]
    pub fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(why) => Self::of_certificate(why),
            other => Self::NoHandshake(other.to_string()),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "rustls' enum is non-exhaustive; what has no word of its own is told in rustls' words"
    )]
    fn of_certificate(why: &CertificateError) -> Self {
        match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::ApplicationVerificationFailure => Self::OtherThanPinned,
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the certificate has expired"),
            Self::NotYetValid => {
                f.write_str("the certificate is not valid yet (is a clock wrong?)")
            }
            Self::WrongName => f.write_str("the certificate is for another name"),
            Self::UnknownIssuer => {
                f.write_str("the chain does not lead to an authority that this machine trusts")
            }
            Self::SelfSigned => f.write_str("the certificate is signed by itself"),
            Self::Revoked => f.write_str("the certificate was revoked"),
            Self::OtherThanPinned => f.write_str(
                "the certificate is not the one whose fingerprint the config has: was it renewed, or is it another machine?",
            ),
            Self::NoHandshake(why) => write!(f, "no TLS handshake: {why}"),
            Self::Other(why) => write!(f, "the certificate is not valid: {why}"),
        }
    }
}

/// The one provider of cryptography. Passed explicitly, so that no client depends on what the process
/// installed.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Makes it the process's own as well, for libraries that ask for that. Called first thing in `main`;
/// a second call changes nothing.
pub fn install_provider() {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("the provider of cryptography was installed before");
    }
}

/// The authorities that this machine trusts, and those of `extra`, a PEM file. A broken certificate
/// in the system's store is skipped, as every other program does; none at all is an error.
pub fn roots(extra: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if let Some(file) = extra {
        for certificate in pem(file)? {
            roots.add(certificate).map_err(|e| {
                format!("{} holds a certificate that is no authority: {e}", file.display())
            })?;
        }
    }
    if roots.is_empty() {
        return Err("this machine trusts no certificate authority: install ca-certificates".into());
    }
    Ok(roots)
}

fn pem(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| format!("cannot read the authorities in {}: {e}", file.display()))?;
    match certificates.is_empty() {
        true => Err(format!("{} holds no certificate in PEM", file.display())),
        false => Ok(certificates),
    }
}

/// What a client for real traffic verifies with.
pub fn client_config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("cannot set up TLS: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
