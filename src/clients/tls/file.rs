//! Certificates in files, in PEM or DER.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clients::tls::trust::TlsFault;
use crate::clients::tls::{Seen, Tls, certificate};
use crate::model::time::Millis;

/// More is no chain of certificates.
const LARGEST: u64 = 1 << 20;
/// The most files that one pattern may find; more is a slip.
pub const MOST: usize = 200;

/// What a file's certificate must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demands {
    /// The name that it must be for.
    pub name: Option<String>,
    pub trust: Trust,
}

/// By whom a file's certificate may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// By anybody, as long as the file's own chain holds together.
    Anybody,
    /// By an authority that this machine trusts.
    Known,
}

/// Why a file showed no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFile {
    Missing,
    /// We may not read it, or not know what to judge it by.
    Blind(String),
    /// It is no certificate.
    Broken(String),
}

impl Tls {
    /// Reads the certificate in `file` and judges it at `now`. Blocks; small files only.
    pub fn read(&self, file: &Path, demands: &Demands, now: Millis) -> Result<Seen, NoFile> {
        let chain = certificates(&bytes(file)?)?;
        let Some((leaf, rest)) = chain.split_first() else {
            return Err(NoFile::Broken("it holds no certificate".into()));
        };
        let read = certificate::read(leaf).map_err(NoFile::Broken)?;
        let mut faults = Vec::new();
        if read.not_after < now {
            faults.push(TlsFault::Expired);
        } else if now < read.not_before {
            faults.push(TlsFault::NotYetValid);
        }
        if let Some(name) = &demands.name
            && !is_for(leaf, name)?
        {
            faults.push(TlsFault::WrongName);
        }
        let chained = match demands.trust {
            Trust::Known => self.trusts(leaf, rest, now)?,
            Trust::Anybody => holds_together(&chain),
        };
        match chained {
            Some(TlsFault::UnknownIssuer) if read.self_signed => faults.push(TlsFault::SelfSigned),
            Some(fault) if !faults.contains(&fault) => faults.push(fault),
            Some(_) | None => {}
        }
        Ok(Seen { leaf: read, chain: chain.len(), faults })
    }

    /// What the verifier of real traffic says of the chain, names left aside.
    fn trusts(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: Millis,
    ) -> Result<Option<TlsFault>, NoFile> {
        let verifier = self.verifier().map_err(|why| NoFile::Blind(why.to_string()))?;
        let at = Duration::from_millis(u64::try_from(now.0).unwrap_or(0));
        // Any name will do: the chain is judged before the name is.
        let any = ServerName::try_from("name.invalid").map_err(|e| NoFile::Blind(e.to_string()))?;
        let at = UnixTime::since_unix_epoch(at);
        let fault = match verifier.verify_server_cert(leaf, rest, &any, &[], at) {
            Ok(_) => None,
            Err(error) => Some(TlsFault::of(&error)).filter(|f| *f != TlsFault::WrongName),
        };
        Ok(fault)
    }
}

fn bytes(file: &Path) -> Result<Vec<u8>, NoFile> {
    let opened = std::fs::File::open(file).map_err(|e| {
        if e.kind() == std::io::ErrorKind::NotFound {
            return NoFile::Missing;
        }
        if e.kind() == std::io::ErrorKind::PermissionDenied {
            let file = file.display();
            return NoFile::Blind(format!(
                "reef may not read it; let its group read it: chgrp reef {file}; chmod g+r {file}"
            ));
        }
        NoFile::Blind(e.to_string())
    })?;
    let mut bytes = Vec::new();
    let read = opened.take(LARGEST).read_to_end(&mut bytes);
    read.map_err(|e| NoFile::Blind(e.to_string()))?;
    Ok(bytes)
}

/// The certificates in the order of the file; a key between them is passed over.
fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, NoFile> {
    let pem: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match pem {
        Ok(found) if !found.is_empty() => Ok(found),
        Err(e) => Err(NoFile::Broken(format!("it is no proper PEM: {e}"))),
        Ok(_) => match X509Certificate::from_der(bytes) {
            Ok(_) => Ok(vec![CertificateDer::from(bytes.to_vec())]),
            Err(_) => Err(NoFile::Broken("it holds no certificate in PEM or DER".into())),
        },
    }
}

fn is_for(leaf: &CertificateDer<'_>, name: &str) -> Result<bool, NoFile> {
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| NoFile::Blind(format!("{name:?} is no host name")))?;
    let named = ParsedCertificate::try_from(leaf)
        .and_then(|leaf| rustls::client::verify_server_name(&leaf, &name));
    Ok(named.is_ok())
}

/// Whether each certificate is signed in the name of the next: a server that sends another chain is
/// refused by whoever does not happen to know the missing part.
fn holds_together(chain: &[CertificateDer<'_>]) -> Option<TlsFault> {
    for pair in chain.windows(2) {
        let [below, above] = pair else { continue };
        let (Ok((_, below)), Ok((_, above))) =
            (X509Certificate::from_der(below), X509Certificate::from_der(above))
        else {
            return Some(TlsFault::Other("its chain cannot be read".into()));
        };
        if below.issuer().as_raw() != above.subject().as_raw() {
            return Some(TlsFault::Other(format!(
                "its chain is broken: after {} comes {}, which did not issue it",
                below.subject(),
                above.subject()
            )));
        }
    }
    None
}

/// The files that `pattern` names, sorted: a `*` stands for any text within one part of the path, but
/// for a leading dot. Blocks.
pub fn files(pattern: &Path) -> Result<Vec<PathBuf>, NoFile> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.components() {
        let std::path::Component::Normal(part) = part else { continue };
        let Some(part) = part.to_str() else { continue };
        let mut next = Vec::new();
        for folder in found {
            if !part.contains('*') {
                next.push(folder.join(part));
                continue;
            }
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                    let folder = folder.display();
                    return Err(NoFile::Blind(format!("reef may not list {folder}")));
                }
                Err(_) => continue,
            };
            for entry in entries.take(10_000).filter_map(Result::ok) {
                if entry.file_name().to_str().is_some_and(|name| matches(part, name)) {
                    next.push(entry.path());
                }
            }
        }
        found = next;
        if MOST < found.len() {
            return Err(NoFile::Blind(format!("the pattern finds more than {MOST} files")));
        }
    }
    found.retain(|file| file.symlink_metadata().is_ok());
    found.sort();
    Ok(found)
}

/// Whether `name` is `pattern` with each star replaced.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_within_one_part() {
        for (pattern, name, want) in [
            ("*.pem", "web.pem", true),
            ("*.pem", "web.pem.bak", false),
            ("*.pem", ".hidden.pem", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "ace", true),
            ("a*c*e", "aec", false),
            ("ab*ba", "aba", false),
            ("*", "x", true),
            ("x", "x", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/fullchain.pem", "a/fullchain.pem", "a/privkey.pem", ".git/fullchain.pem"] {
            let file = dir.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let found = files(&dir.path().join("*/fullchain.pem")).unwrap();
        let want = ["a/fullchain.pem", "b/fullchain.pem"].map(|name| dir.path().join(name));
        assert_eq!(found, want);
        assert_eq!(files(&dir.path().join("*/none.pem")).unwrap(), Vec::<PathBuf>::new());
    }
}
