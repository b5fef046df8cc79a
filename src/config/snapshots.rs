//! `[host.NAME] snapshots`: the file systems of which a snapshot is taken before a step of tier high.

use std::fmt;

use crate::config::given::Given;
use crate::config::section::{Entry, Section};
use crate::config::setting::Setting;
use crate::model::ids::{HostName, UnitName};
use crate::model::target::{AbsPath, Target, Thing};

/// One file system that has snapshots, and what lives on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Where it is mounted, or where the subvolume lies.
    pub path: AbsPath,
    pub by: SnapshotBy,
    /// What lives there beside what names a path below it.
    pub holds: Vec<Holds>,
}

/// What takes the snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotBy {
    /// The path is a btrfs subvolume.
    Btrfs,
    /// The path is where this dataset is mounted.
    Zfs(Dataset),
}

/// A ZFS dataset's name: `tank/web`. It becomes part of an argument of zfs(8), in which `@`, `%` and `,` would name
/// something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset(String);

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Dataset {
    /// Checks and wraps a name.
    pub fn new(name: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        let part = |part: &str| !part.is_empty() && part != ".." && part.chars().all(plain);
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        match first && name.len() <= 200 && name.split('/').all(part) {
            true => Ok(Self(name.to_owned())),
            false => Err("is no dataset; write \"tank/web\"".into()),
        }
    }
}

impl Setting for Dataset {
    fn read(given: &Given) -> Result<Self, String> {
        Self::new(&String::read(given)?)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// What lives on a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All that is on the host.
    Everything,
    /// What lies below another path.
    Path(AbsPath),
    Unit(UnitName),
    Container(String),
    Stack(String),
}

impl Setting for Holds {
    /// `web.service`, `container:photos`, `stack:media`, `/etc/web`, or `*` for all of the host.
    fn read(given: &Given) -> Result<Self, String> {
        let text = String::read(given)?;
        let name = |thing: Thing, name: &str| {
            let target = Target::new(HostName::of("this"), thing, name);
            target.map(|target| target.name().to_owned()).map_err(|bad| bad.why.to_owned())
        };
        match text.as_str() {
            "*" => Ok(Self::Everything),
            path if path.starts_with('/') => AbsPath::read(given).map(Self::Path),
            text => match text.split_once(':') {
                Some(("container", of)) => name(Thing::Container, of).map(Self::Container),
                Some(("stack", of)) => name(Thing::Stack, of).map(Self::Stack),
                Some(_) | None => UnitName::read(given).map(Self::Unit),
            },
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Everything => "*".to_owned(),
            Self::Path(path) => path.show(),
            Self::Unit(unit) => unit.show(),
            Self::Container(name) => format!("container:{name}"),
            Self::Stack(name) => format!("stack:{name}"),
        }
    }
}

/// The table `snapshots` of a host, by paths.
pub(super) fn read(host: &mut Section) -> Vec<FileSystem> {
    let mut all = host.section("snapshots");
    let mut found: Vec<FileSystem> = Vec::new();
    for (key, entry) in all.entries() {
        let Entry::Table(mut section) = entry else {
            all.mistake(&key, format!("is not a table; write \"{key}\" = {{}}"));
            continue;
        };
        let by = match section.opt("zfs") {
            Some(dataset) => SnapshotBy::Zfs(dataset),
            None => SnapshotBy::Btrfs,
        };
        let holds = section.list_or("holds", Vec::new());
        section.finish();
        match AbsPath::new(&key) {
            Ok(path) if path.as_str() == "/" => {
                let why = "is the whole machine, which is not rolled back while it runs";
                all.mistake(&key, why);
            }
            Ok(path) => found.push(FileSystem { path, by, holds }),
            Err(bad) => all.mistake(&key, format!("as a path it {}", bad.why)),
        }
    }
    all.finish();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_a_name_and_nothing_that_zfs_would_read_otherwise() {
        for good in ["tank", "tank/web", "rpool/ROOT/debian-1", "tank/a_b.c:d"] {
            assert!(Dataset::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/tank", "tank/", "tank//a", "tank@x", "tank/a%b", "-r", "a,b", "1", "a b"]
        {
            assert!(Dataset::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_lives_there_is_read_as_it_is_shown() {
        let all = ["*", "/etc/web", "web.service", "container:photos", "stack:media"];
        for text in all {
            let read = Holds::read(&Given::Text(text.into())).unwrap();
            assert_eq!(read.show(), text);
        }
        assert!(Holds::read(&Given::Text("container:a b;c".into())).is_err());
    }
}
