//! What a reading speaks of and what a tool acts on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::ids::{BadName, HostName, Word};
use crate::model::object::Object;

/// The kinds of things on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// The host itself.
    Host,
    /// A volume's mount point, a folder or a file.
    Path,
    /// A systemd unit.
    Unit,
    /// A process: `PID@STARTTIME`, where the start time (clock ticks since boot, proc(5)) tells it
    /// from a later process with the same number.
    Process,
    /// A network name by its name in the config: the URL, port or server is looked up there.
    Endpoint,
    /// A network interface.
    Interface,
    /// A log: the journal, or a file by its name in the config.
    Log,
    /// A backup by its name in the config.
    Backup,
    /// A check that the operator brought, by its name in the config.
    Check,
    /// A member of a Kubernetes cluster; the host is the cluster's name in the config.
    Member,
    /// A container by its name.
    Container,
    /// A compose project by its name.
    Stack,
    /// A service of a compose project, `PROJECT/SERVICE`: whichever containers it has at the moment.
    Composed,
    /// A service of a Swarm by its name; the host is the manager that tells of it.
    Service,
    /// A node of a Swarm by its name.
    Node,
    /// An object of a Kubernetes cluster, `NAMESPACE/KIND/NAME`; the host is the cluster's name in the
    /// config.
    Object,
    /// A folder of Terraform or OpenTofu, by its name in the config; the host is the one that runs it.
    Terraform,
    /// An Ansible playbook, by its name in the config; the host is the one that runs it.
    Playbook,
    /// An MCP server of the config by its name, or `SERVER/TOOL`.
    Mcp,
    /// A virtual machine or system container of a provider, by the name that the config gives it; the host is
    /// the provider's name there.
    Vm,
    /// A part of reef itself.
    Reef,
}

impl Thing {
    const TAGGED: [(Self, &'static str); 18] = [
        (Self::Unit, "unit"),
        (Self::Process, "pid"),
        (Self::Endpoint, "endpoint"),
        (Self::Interface, "net"),
        (Self::Log, "log"),
        (Self::Backup, "backup"),
        (Self::Check, "check"),
        (Self::Member, "member"),
        (Self::Container, "container"),
        (Self::Stack, "stack"),
        (Self::Composed, "compose"),
        (Self::Service, "service"),
        (Self::Node, "node"),
        (Self::Terraform, "terraform"),
        (Self::Playbook, "playbook"),
        (Self::Mcp, "mcp"),
        (Self::Vm, "vm"),
        (Self::Reef, "reef"),
    ];

    fn tag(self) -> Option<&'static str> {
        Self::TAGGED.iter().find(|(thing, _)| *thing == self).map(|(_, tag)| *tag)
    }
}

/// One thing on one host. Written `mini`, `mini:/var`, `mini:unit:nginx.service`,
/// `k3s/media/deployment/jellyfin`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    host: HostName,
    thing: Thing,
    name: Arc<str>,
}

impl Target {
    /// The host itself.
    pub fn host(host: HostName) -> Self {
        Self { host, thing: Thing::Host, name: "".into() }
    }

    /// A path on a host.
    pub fn path(host: HostName, path: &AbsPath) -> Self {
        Self { host, thing: Thing::Path, name: path.as_str().into() }
    }

    /// An object of a cluster.
    pub fn object(cluster: HostName, object: &Object) -> Self {
        Self { host: cluster, thing: Thing::Object, name: object.to_string().into() }
    }

    /// Anything else by its name. Empty, starred and option-like names are errors, because a
    /// selector that widens must not exist.
    pub fn new(host: HostName, thing: Thing, name: &str) -> Result<Self, BadName> {
        match thing {
            Thing::Host if name.is_empty() => Ok(Self::host(host)),
            Thing::Host => {
                Err(BadName { given: name.into(), why: "is too much: a host has no part" })
            }
            Thing::Path => Ok(Self::path(host, &AbsPath::new(name)?)),
            Thing::Object => Ok(Self::object(host, &Object::parse(name)?)),
            Thing::Composed => {
                let why = "is no PROJECT/SERVICE";
                let bad = || BadName { given: name.chars().take(60).collect(), why };
                let (project, service) = name.split_once('/').ok_or_else(bad)?;
                Word::new(project)?;
                Word::new(service)?;
                Ok(Self { host, thing, name: name.into() })
            }
            Thing::Mcp => {
                let (server, tool) = name.split_once('/').unwrap_or((name, "any"));
                Word::new(server)?;
                // A tool's name may have slashes of its own.
                tool.split('/').try_for_each(|part| Word::new(part).map(drop))?;
                Ok(Self { host, thing, name: name.into() })
            }
            Thing::Unit
            | Thing::Process
            | Thing::Endpoint
            | Thing::Interface
            | Thing::Log
            | Thing::Backup
            | Thing::Check
            | Thing::Member
            | Thing::Container
            | Thing::Stack
            | Thing::Service
            | Thing::Node
            | Thing::Terraform
            | Thing::Playbook
            | Thing::Vm
            | Thing::Reef => {
                // A unit's name has the strictest rules of these that still take templates: `a@b.service`.
                crate::model::ids::UnitName::new(name)?;
                Ok(Self { host, thing, name: name.into() })
            }
        }
    }

    pub fn on(&self) -> &HostName {
        &self.host
    }

    /// The same, where people said `this` for the machine that they are on.
    pub fn with_this_as(self, here: &HostName) -> Self {
        match self.host.as_str() {
            "this" => Self { host: here.clone(), ..self },
            _ => self,
        }
    }

    pub fn thing(&self) -> Thing {
        self.thing
    }

    /// The thing's name without its host; empty for a host.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path, where this is one.
    pub fn as_path(&self) -> Option<AbsPath> {
        (self.thing == Thing::Path).then(|| AbsPath(self.name.as_ref().to_owned()))
    }

    /// Project and service, where this is a service of a compose project.
    pub fn as_composed(&self) -> Option<(&str, &str)> {
        (self.thing == Thing::Composed).then(|| self.name.split_once('/')).flatten()
    }

    /// Server and tool, where this is a tool of an MCP server.
    pub fn as_mcp(&self) -> Option<(&str, &str)> {
        (self.thing == Thing::Mcp).then(|| self.name.split_once('/')).flatten()
    }

    /// The object, where this is one.
    pub fn as_object(&self) -> Option<Object> {
        (self.thing == Thing::Object).then(|| Object::parse(&self.name).ok()).flatten()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.thing, self.thing.tag()) {
            (Thing::Host, _) => f.pad(self.host.as_str()),
            (Thing::Object, _) => f.pad(&format!("{}/{}", self.host, self.name)),
            (_, None) => f.pad(&format!("{}:{}", self.host, self.name)),
            (_, Some(tag)) => f.pad(&format!("{}:{tag}:{}", self.host, self.name)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Target {
    type Err = BadName;

    fn from_str(given: &str) -> Result<Self, BadName> {
        let Some((host, rest)) = given.split_once(':') else {
            // No host has a slash in its name, and no object a colon.
            if let Some((cluster, object)) = given.split_once('/') {
                return Self::new(HostName::new(cluster)?, Thing::Object, object);
            }
            return Ok(Self::host(HostName::new(given)?));
        };
        let host = HostName::new(host)?;
        if rest.starts_with('/') {
            return Self::new(host, Thing::Path, rest);
        }
        let unknown = || BadName {
            given: given.chars().take(60).collect(),
            why: "is no target: write HOST, HOST:/path or HOST:unit:NAME",
        };
        let (tag, name) = rest.split_once(':').ok_or_else(unknown)?;
        let (thing, _) = Thing::TAGGED.iter().find(|(_, t)| *t == tag).ok_or_else(unknown)?;
        Self::new(host, *thing, name)
    }
}

impl TryFrom<String> for Target {
    type Error = BadName;
    fn try_from(given: String) -> Result<Self, BadName> {
        given.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// What one probe watches about one target: the unit of triage, history and verification.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal {
    /// The probe's kind: `disk`, `http`.
    pub probe: Word,
    pub target: Target,
    /// Which of the probe's aspects: `bytes`, `inodes`, `status`.
    pub aspect: Word,
}

impl fmt::Display for Signal {
    /// `disk mini:/var bytes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.probe, self.target, self.aspect)
    }
}

/// An absolute path in normal form: no `.` or `..`, no double or trailing slash, UTF-8.
///
/// Links are not resolved here; whoever opens it stays below its root while doing so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AbsPath(String);

impl AbsPath {
    pub fn new(given: &str) -> Result<Self, BadName> {
        let bad = |why| BadName { given: given.chars().take(60).collect(), why };
        if !given.starts_with('/') {
            return Err(bad("is not an absolute path"));
        }
        if 4_096 < given.len() {
            return Err(bad("is longer than 4096 bytes"));
        }
        if given.chars().any(char::is_control) {
            return Err(bad("has a control character"));
        }
        let mut parts = Vec::new();
        for part in given.split('/') {
            match part {
                "" | "." => {}
                ".." => return Err(bad("has '..', which may leave its root")),
                part => parts.push(part),
            }
        }
        Ok(Self(format!("/{}", parts.join("/"))))
    }

    /// `/`.
    pub fn root() -> Self {
        Self("/".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn as_path(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }

    /// Whether this path is `root` or lies below it, by name alone.
    pub fn is_below(&self, root: &Self) -> bool {
        root.0 == "/"
            || self.0 == root.0
            || self.0.strip_prefix(&root.0).is_some_and(|r| r.starts_with('/'))
    }
}

impl TryFrom<String> for AbsPath {
    type Error = BadName;
    fn try_from(given: String) -> Result<Self, BadName> {
        Self::new(&given)
    }
}

impl From<AbsPath> for String {
    fn from(path: AbsPath) -> Self {
        path.0
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_print_as_they_parse() {
        for text in [
            "mini",
            "mini:/",
            "mini:/var/log",
            "mini:unit:a@b.service",
            "mini:pid:12@99",
            "nas:endpoint:jellyfin",
            "k3s:member:pi-1",
            "k3s/media/deployment/jellyfin",
            "nas:container:jellyfin",
            "nas:compose:media/jellyfin",
            "mini:terraform:web",
            "mini:playbook:site",
            "pve:vm:web",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn widening_selectors_are_errors() {
        for text in [
            "",
            "*",
            "mini:*",
            "mini:unit:",
            "mini:unit:*",
            "mini:unit:-x",
            "-x",
            "mini:/a/../b",
            "mini:what:x",
            "mini:compose:media",
            "mini:compose:media/",
            "mini:compose:/web",
            "mini:compose:media/-x",
            "mini:compose:a/b/c",
            "mini:",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_path_is_below_its_root_by_whole_parts() {
        let path = |p| AbsPath::new(p).unwrap();
        assert!(path("/var/log/x").is_below(&path("/var/log/")));
        assert!(!path("/var/logs").is_below(&path("/var/log")));
    }
}
