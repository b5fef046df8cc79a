//! What a certificate says about itself.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::taint::Tainted;
use crate::model::time::Millis;

/// The leaf of a chain. Names come from the peer: they are shown, and fill nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub not_before: Millis,
    pub not_after: Millis,
    /// The names that it is for; twenty at the most.
    pub names: Vec<Tainted>,
    pub issuer: Tainted,
    /// In hex: a renewed certificate has another.
    pub serial: String,
    /// Whether it names itself as its issuer.
    pub self_signed: bool,
}

impl Leaf {
    /// The first certificate of a PEM text: of a chain, that of the server.
    pub fn of_pem(pem: &[u8]) -> Result<Self, String> {
        let first = CertificateDer::pem_slice_iter(pem)
            .next()
            .ok_or("it holds no certificate")?
            .map_err(|e| format!("its certificate cannot be read: {e}"))?;
        read(&first)
    }
}

/// Reads a certificate in DER, expired or not.
pub fn read(der: &[u8]) -> Result<Leaf, String> {
    let (_, parsed) = X509Certificate::from_der(der)
        .map_err(|e| format!("its certificate cannot be read: {e}"))?;
    let names = match parsed.subject_alternative_name() {
        Ok(Some(names)) => names.value.general_names.iter().filter_map(name).take(20).collect(),
        Ok(None) | Err(_) => Vec::new(),
    };
    let millis = |seconds: i64| Millis(seconds.saturating_mul(1_000));
    Ok(Leaf {
        not_before: millis(parsed.validity().not_before.timestamp()),
        not_after: millis(parsed.validity().not_after.timestamp()),
        names,
        issuer: Tainted::bounded(&parsed.issuer().to_string(), 200),
        serial: parsed.raw_serial().iter().take(20).map(|b| format!("{b:02x}")).collect(),
        self_signed: parsed.issuer() == parsed.subject(),
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the kinds of names in a certificate, a server can only have these two"
)]
fn name(given: &GeneralName<'_>) -> Option<Tainted> {
    match given {
        GeneralName::DNSName(name) => Some(Tainted::bounded(name, 100)),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|b| std::net::IpAddr::from(b).to_string());
            let v6 = <[u8; 16]>::try_from(*bytes).map(|b| std::net::IpAddr::from(b).to_string());
            v4.or(v6).ok().map(|ip| Tainted::new(&ip))
        }
        _ => None,
    }
}
