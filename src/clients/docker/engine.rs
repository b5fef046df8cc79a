//! What may be done with the containers of a host, and what only its engine tells.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::gate::permit::Permit;
use crate::model::ids::HostName;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::model::tool::ActionResult;

/// The engine of one host: over its socket here, by its command elsewhere.
pub trait Engine: Send + Sync + fmt::Debug {
    /// The newest lines of a container, of both its channels, redacted.
    fn logs<'a>(&'a self, name: &'a str, wanted: Newest) -> Fut<'a, Result<Tainted, String>>;
    /// Images that neither a name nor a container holds on to.
    fn dangling(&self) -> Fut<'_, Result<Vec<Image>, String>>;
    /// Where it keeps its images.
    fn root(&self) -> Fut<'_, Result<AbsPath, String>>;
    /// How compose is told where the engine is: `unix:///run/x.sock`; `None` where it finds it by itself.
    fn place(&self) -> Option<String>;
    /// Stops a container and starts it again.
    fn restart<'a>(
        &'a self,
        permit: &'a Permit,
        name: &'a str,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>>;
    /// Starts a container that has ended. Doing it twice is as doing it once.
    fn start<'a>(
        &'a self,
        permit: &'a Permit,
        name: &'a str,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>>;
    /// Fetches what a name stands for now. What it stood for before stays.
    fn pull<'a>(
        &'a self,
        permit: &'a Permit,
        image: &'a ImageName,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>>;
    /// Gives an image a name, which may have been another one's.
    fn tag<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a ImageId,
        name: &'a ImageName,
    ) -> Fut<'a, Result<(), NotDone>>;
    /// Removes an image that nothing uses.
    fn remove_image<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a ImageId,
    ) -> Fut<'a, Result<(), NotDone>>;
}

/// The engines that reef may act on, by host.
pub type Engines = BTreeMap<HostName, Arc<dyn Engine>>;

/// Which lines of a container are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    pub lines: usize,
    /// Only what it said before that: when its present life began, for what it said in the one before.
    pub before: Option<Millis>,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    /// Provably nothing happened.
    NotStarted(String),
    /// The engine tried, or refused, and says why.
    Failed(String),
    /// It was sent, and no answer came.
    Unknown(String),
}

impl NotDone {
    /// As the end of an action; `what` says which: `restart jellyfin`.
    pub fn result(self, what: &str) -> ActionResult {
        match self {
            Self::NotStarted(why) => ActionResult::NotStarted(format!("{what}: {why}")),
            Self::Failed(why) => ActionResult::Failed(format!("{what}: {why}")),
            Self::Unknown(why) => ActionResult::Unknown(format!("{what}: {why}")),
        }
    }
}

/// An image, as far as tidying up wants to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub id: ImageId,
    pub created_at: Millis,
    pub bytes: u64,
}

/// The digest of an image's config, 64 lowercase digits: what it is, whatever its names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageId(String);

impl ImageId {
    /// Takes it with or without `sha256:`.
    pub fn new(given: &str) -> Option<Self> {
        let digits = given.strip_prefix("sha256:").unwrap_or(given);
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (digits.len() == 64 && digits.bytes().all(digit)).then(|| Self(digits.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As engines write it.
    pub fn full(&self) -> String {
        format!("sha256:{}", self.0)
    }

    /// As people read it.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// What an image is asked for by: `jellyfin/jellyfin:10.9`, `127.0.0.1:5000/app`. `latest` where no tag is
/// said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    repository: String,
    tag: Tag,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tag {
    Named(String),
    /// It is one image for ever, and there is nothing newer to it.
    Pinned(String),
}

impl ImageName {
    /// `None` for what is no name: an id, an empty text, an option.
    pub fn new(given: &str) -> Option<Self> {
        let plain = |text: &str, more: &str| {
            !text.is_empty()
                && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if 300 < given.len() || ImageId::new(given).is_some() {
            return None;
        }
        let (rest, tag) = match given.split_once('@') {
            Some((rest, digest)) => {
                ImageId::new(digest.strip_prefix("sha256:")?)?;
                (rest, Tag::Pinned(digest.to_owned()))
            }
            // A colon before the last slash is that of a port.
            None => match given.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
                Some((rest, tag)) if plain(tag, "_.-") => (rest, Tag::Named(tag.to_owned())),
                Some(_) => return None,
                None => (given, Tag::Named("latest".to_owned())),
            },
        };
        let parts = || rest.split('/');
        (plain(rest, "_.-/:") && parts().all(|part| plain(part, "_.-:")))
            .then(|| Self { repository: rest.to_owned(), tag })
    }

    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, where it is no digest.
    pub fn tag(&self) -> Option<&str> {
        match &self.tag {
            Tag::Named(tag) => Some(tag),
            Tag::Pinned(_) => None,
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Tag::Named(tag) => write!(f, "{}:{tag}", self.repository),
            Tag::Pinned(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

/// Who may not: the words that name the missing right and the narrowest grant that would serve.
pub(super) fn denied(whom: &str, what: &str) -> String {
    format!(
        "{whom} may not use the container engine. Membership of the group docker is root in effect: \
         rather let a socket proxy pass this one request ({what})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_are_read_as_engines_do() {
        for (given, repository, tag) in [
            ("nginx", "nginx", Some("latest")),
            ("jellyfin/jellyfin:10.9", "jellyfin/jellyfin", Some("10.9")),
            ("127.0.0.1:5000/app", "127.0.0.1:5000/app", Some("latest")),
            ("127.0.0.1:5000/app:v2", "127.0.0.1:5000/app", Some("v2")),
            (&format!("a/b@sha256:{}", "0a".repeat(32)), "a/b", None),
        ] {
            let name = ImageName::new(given).unwrap();
            assert_eq!((name.repository(), name.tag()), (repository, tag), "{given}");
        }
        for given in
            ["", "-x", "a b", "a:", "a//b", "a/-b", "a@sha256:12", "a;b", "$(x)", &"0a".repeat(32)]
        {
            assert!(ImageName::new(given).is_none(), "{given:?}");
        }
    }

    #[test]
    fn an_id_is_64_digits() {
        let digits = "0a".repeat(32);
        assert_eq!(ImageId::new(&format!("sha256:{digits}")).unwrap().as_str(), digits);
        for given in ["", "0a", &"0A".repeat(32), &"0g".repeat(32)] {
            assert!(ImageId::new(given).is_none(), "{given:?}");
        }
    }
}
