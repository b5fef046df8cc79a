//! What somebody changed on the estate: an image, a package, a config, a reboot. Changes are recorded as
//! events, so that what went wrong afterwards can be held against them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::HostName;
use crate::model::taint::Tainted;
use crate::model::target::Target;
use crate::model::time::Millis;

/// The kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A container runs another image.
    Image,
    /// A deployment, a compose project or a release was rolled out.
    Deployment,
    /// Packages were installed, upgraded or removed.
    Package,
    /// A config file, a setting, reef's own config.
    Config,
    /// The host came up anew.
    Reboot,
    /// An endpoint shows another certificate.
    Certificate,
    /// Something was started or stopped on purpose.
    Switched,
}

impl ChangeKind {
    pub const ALL: [Self; 7] = [
        Self::Image,
        Self::Deployment,
        Self::Package,
        Self::Config,
        Self::Reboot,
        Self::Certificate,
        Self::Switched,
    ];

    /// One word, as it stands in the store and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Deployment => "deployment",
            Self::Package => "package",
            Self::Config => "config",
            Self::Reboot => "reboot",
            Self::Certificate => "certificate",
            Self::Switched => "switched",
        }
    }

    /// As it is said before a time: `image changed 08:38`.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Image => "image changed",
            Self::Deployment => "deployed",
            Self::Package => "packages changed",
            Self::Config => "config changed",
            Self::Reboot => "rebooted",
            Self::Certificate => "certificate changed",
            Self::Switched => "started or stopped by hand",
        }
    }

    /// None where no kind has that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One change, as a probe or the watch saw it. It is history, never a reading and never a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it happened where that is known, else when it was first seen.
    pub at: Millis,
    /// What changed: a container, a member of a cluster, or the host itself for packages and reboots.
    pub target: Target,
    pub kind: ChangeKind,
    /// One line for people: `jellyfin 10.9.1 -> 10.9.2`.
    pub words: Tainted,
}

impl Change {
    /// `words` are bounded here.
    pub fn new(at: Millis, target: Target, kind: ChangeKind, words: &str) -> Self {
        Self { at, target, kind, words: Tainted::bounded(words, 200) }
    }

    /// The host that it happened on.
    pub fn host(&self) -> &HostName {
        self.target.on()
    }
}
