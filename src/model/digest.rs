//! SHA-256 digests over bytes of our own making.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of plain bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first eight hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        const WHY: &str = "a digest is 64 hex digits";
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(WHY);
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| WHY)?;
        }
        Ok(Self(bytes))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Builds the canonical bytes of a value: every field with its length before it, so that no two
/// values share their bytes whatever the fields hold.
#[derive(Debug, Default)]
pub struct Canonical(Sha256);

impl Canonical {
    /// Starts the bytes of one kind of value; `kind` keeps the kinds apart.
    pub fn new(kind: &str) -> Self {
        Self::default().text(kind)
    }

    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    #[must_use]
    pub fn int(self, n: i64) -> Self {
        self.bytes(&n.to_be_bytes())
    }

    /// A list: its length, then what `each` adds for an item.
    #[must_use]
    pub fn list<T>(
        self,
        items: impl ExactSizeIterator<Item = T>,
        each: impl Fn(Self, T) -> Self,
    ) -> Self {
        let n = i64::try_from(items.len()).unwrap_or(i64::MAX);
        items.fold(self.int(n), each)
    }

    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}
