//! A certificate with its private key, from two files to whoever serves them. The key is seen by nobody else.

use std::fmt;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};

use crate::clients::tls::certificate::Leaf;
use crate::clients::tls::trust;
use crate::model::digest::Digest;
use crate::model::target::AbsPath;
use crate::model::time::Millis;

/// More is no chain and no key.
const LARGEST: u64 = 256 << 10;

/// Where certificate and key lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFiles {
    /// The chain in PEM, the server's own first.
    pub certificate: AbsPath,
    pub key: AbsPath,
}

/// A pair that fits together.
pub struct Pair {
    pub leaf: Leaf,
    /// Of the certificate's file.
    pub digest: Digest,
    certificate: String,
    key: SecretString,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pair of {}", self.digest.short())
    }
}

impl Pair {
    /// Reads both files, and refuses a certificate that is not valid at `now` and a key that is not its own.
    /// No error says anything of what is in the key's file. Blocks; small files only.
    pub fn read(files: &PairFiles, now: Millis) -> Result<Self, String> {
        let certificate = text(files.certificate.as_path())?;
        let key = SecretString::from(text(files.key.as_path())?);
        let leaf = Leaf::of_pem(certificate.as_bytes())
            .map_err(|why| format!("{}: {why}", files.certificate))?;
        if leaf.not_after <= now {
            return Err(format!("{}: the certificate expired", files.certificate));
        }
        if now < leaf.not_before {
            return Err(format!("{}: the certificate is not valid yet", files.certificate));
        }
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        let chain = chain.map_err(|_| format!("{}: it is no proper PEM", files.certificate))?;
        let parsed = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
            .map_err(|_| format!("{}: it holds no private key in PEM", files.key))?;
        CertifiedKey::from_der(chain, parsed, &trust::provider()).map_err(|_| {
            format!("{} is not the key of the certificate in {}", files.key, files.certificate)
        })?;
        Ok(Self { leaf, digest: Digest::of(certificate.as_bytes()), certificate, key })
    }

    /// The chain in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// For the client that hands it on.
    pub(in crate::clients) fn key(&self) -> &SecretString {
        &self.key
    }
}

fn text(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let opened = std::fs::File::open(file).map_err(|e| {
        if e.kind() != std::io::ErrorKind::PermissionDenied {
            return format!("{shown}: {e}");
        }
        format!("reef may not read {shown}; let its group read it: chgrp reef {shown}; chmod g+r {shown}")
    })?;
    let mut text = String::new();
    let read = opened.take(LARGEST + 1).read_to_string(&mut text);
    match read {
        Ok(n) if LARGEST < u64::try_from(n).unwrap_or(u64::MAX) => {
            Err(format!("{shown} is larger than {LARGEST} bytes"))
        }
        Ok(_) => Ok(text),
        Err(_) => Err(format!("{shown} is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_the_certificates_own_is_refused_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            AbsPath::new(path.to_str().unwrap()).unwrap()
        };
        let made = rcgen::generate_simple_self_signed(vec!["photos.example".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let certificate = write("c.pem", &made.cert.pem());
        let key = made.signing_key.serialize_pem();
        let now = Millis(1_793_491_200_000);
        let read = |key: &str, now| {
            Pair::read(
                &PairFiles { certificate: certificate.clone(), key: write("k.pem", key) },
                now,
            )
        };
        let pair = read(&key, now).unwrap();
        assert_eq!(pair.leaf.names[0].as_str(), "photos.example");
        assert!(!format!("{pair:?}").contains("PRIVATE"));
        for (key, at, why) in [
            (other.as_str(), now, "is not the key"),
            ("no key", now, "holds no private key"),
            (&key, Millis(0), "not valid yet"),
            (&key, Millis(i64::MAX), "expired"),
        ] {
            let said = read(key, at).unwrap_err();
            assert!(said.contains(why), "{said}");
            assert!(!said.contains(&key[..key.len().min(20)]) || key == "no key", "{said}");
        }
    }
}
