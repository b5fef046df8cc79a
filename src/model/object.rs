//! Objects of a Kubernetes cluster by namespace, kind and name.

use std::fmt;

use crate::model::ids::BadName;

/// The kinds that reef speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    /// A pod of its own, or of a controller that reef does not know.
    Pod,
    /// A persistent volume claim.
    Claim,
    Secret,
    Ingress,
}

impl ObjectKind {
    pub const ALL: [Self; 9] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
        Self::Pod,
        Self::Claim,
        Self::Secret,
        Self::Ingress,
    ];

    /// As `kubectl` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Job => "job",
            Self::CronJob => "cronjob",
            Self::Pod => "pod",
            Self::Claim => "pvc",
            Self::Secret => "secret",
            Self::Ingress => "ingress",
        }
    }

    /// None where no kind has that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One object of a namespace. Written `media/deployment/jellyfin`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    namespace: String,
    kind: ObjectKind,
    name: String,
}

impl Object {
    /// Namespace and name are checked as the API server checks them, so that no text of a cluster can
    /// widen or steer what they select.
    pub fn new(namespace: &str, kind: ObjectKind, name: &str) -> Result<Self, BadName> {
        for (part, longest) in [(namespace, 63), (name, 253)] {
            check(part, longest)?;
        }
        Ok(Self { namespace: namespace.to_owned(), kind, name: name.to_owned() })
    }

    /// Reads `NAMESPACE/KIND/NAME`.
    pub fn parse(given: &str) -> Result<Self, BadName> {
        let bad = || BadName {
            given: given.chars().take(60).collect(),
            why: "is no object of a cluster: write NAMESPACE/deployment/NAME",
        };
        let mut parts = given.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(namespace), Some(kind), Some(name), None) => {
                Self::new(namespace, ObjectKind::parse(kind).ok_or_else(bad)?, name)
            }
            _ => Err(bad()),
        }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.kind, self.name)
    }
}

/// A DNS subdomain name (RFC 1123), as Kubernetes takes it.
fn check(part: &str, longest: usize) -> Result<(), BadName> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = part.len() <= longest
        && part.starts_with(edge)
        && part.ends_with(edge)
        && part.chars().all(plain);
    if good {
        return Ok(());
    }
    Err(BadName {
        given: part.chars().take(60).collect(),
        why: "is no Kubernetes name: lower-case letters, digits, '-' and '.'",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_print_as_they_parse() {
        for kind in ObjectKind::ALL {
            let text = format!("media/{kind}/a.b-c");
            assert_eq!(Object::parse(&text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_selects_more_or_steers_is_no_object() {
        for text in [
            "",
            "media/deployment",
            "media/deployment/",
            "/deployment/a",
            "media/deployment/*",
            "media/deployment/-a",
            "media/deployment/a/b",
            "media/namespace/a",
            "media/deployment/..",
            "Media/deployment/a",
            "media/deployment/a?watch=1",
            "media/deployment/a b",
        ] {
            assert!(Object::parse(text).is_err(), "{text}");
        }
    }
}
