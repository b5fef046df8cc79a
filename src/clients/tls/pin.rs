//! One certificate, known by its fingerprint: for machines that sign their own.

use std::fmt;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use crate::clients::tls::trust::provider;
use crate::config::given::Given;
use crate::config::setting::Setting;
use crate::model::digest::Digest;

/// The SHA-256 of a certificate: `AA:BB:…`, as Proxmox and openssl print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin(Digest);

impl Setting for Pin {
    fn read(given: &Given) -> Result<Self, String> {
        let wrong = "is no SHA-256 fingerprint; write its 64 hex digits, with or without colons";
        let hex: String = String::read(given)?.chars().filter(|c| *c != ':').collect();
        let digest = Digest::try_from(hex.to_ascii_lowercase()).map_err(|_| wrong.to_owned())?;
        Ok(Self(digest))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

impl Pin {
    /// That of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Digest::of(certificate))
    }
}

/// Takes this one certificate and no other, whatever its name, dates and issuer say. That the server
/// holds its key is checked as always.
impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match Self::of(end_entity) == *self {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let with = provider().signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, &with)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let with = provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, &with)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
