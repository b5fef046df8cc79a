//! What the config declares of its clusters, for the tools: how each is reached, and the few files by which it
//! may be changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Settings;
use crate::clients::tls::pair::PairFiles;
use crate::model::digest::Digest;
use crate::model::ids::HostName;
use crate::model::object::Object;
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// A file of the operator's, and what it held when it was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredFile {
    pub file: AbsPath,
    pub digest: Digest,
}

/// One cluster.
#[derive(Debug, Clone)]
pub struct Declared {
    pub settings: Settings,
    /// By the names that the operator gave.
    pub manifests: BTreeMap<String, DeclaredFile>,
    pub patches: BTreeMap<String, (Object, DeclaredFile)>,
    /// Certificate and key of TLS secrets.
    pub secrets: BTreeMap<Object, DeclaredSecret>,
}

/// One TLS secret: what goes into it, and where what is in it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredSecret {
    pub files: PairFiles,
    pub wire: Option<Wire>,
}

/// A TLS server of the config that serves what lies in a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// The endpoint's name: that of its tls probe.
    pub endpoint: String,
    /// How long it may take to read the secret anew.
    pub within: Span,
}

impl DeclaredFile {
    /// What the file holds, if it is still what was declared. Blocks; small files only.
    pub fn read(&self) -> Result<String, String> {
        use std::io::Read;
        let file = &self.file;
        let opened = std::fs::File::open(file.as_path()).map_err(|e| format!("{file}: {e}"))?;
        let mut bytes = Vec::new();
        let most = super::manifest::LARGEST;
        opened.take(most + 1).read_to_end(&mut bytes).map_err(|e| format!("{file}: {e}"))?;
        if most < u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
            return Err(format!("{file} is larger than {most} bytes"));
        }
        let is = Digest::of(&bytes);
        if is != self.digest {
            return Err(format!(
                "{file} is no longer what was declared: its sha256 is {is}. Look at it, then write that into the config"
            ));
        }
        String::from_utf8(bytes).map_err(|_| format!("{file} is no text"))
    }
}

/// All clusters of one config. Filled while the config is read; clones share it.
#[derive(Debug, Clone, Default)]
pub struct DeclaredClusters(Arc<Mutex<BTreeMap<HostName, Declared>>>);

impl DeclaredClusters {
    pub fn add(&self, name: HostName, declared: Declared) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, declared);
    }

    pub fn all(&self) -> BTreeMap<HostName, Declared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.yaml");
        std::fs::write(&path, "a: 1\n").unwrap();
        let file = AbsPath::new(path.to_str().unwrap()).unwrap();
        let declared = DeclaredFile { file, digest: Digest::of(b"a: 1\n") };
        assert_eq!(declared.read().unwrap(), "a: 1\n");
        std::fs::write(&path, "a: 2\n").unwrap();
        let why = declared.read().unwrap_err();
        assert!(why.contains(&Digest::of(b"a: 2\n").to_string()), "{why}");
    }
}
