//! What may be restarted to bring a host back to its senses.

use crate::config::given::Given;
use crate::config::setting::Setting;
use crate::model::ids::{HostName, UnitName};
use crate::model::target::{Target, Thing};

/// What may be restarted for using too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restartable {
    Unit(UnitName),
    /// By its name.
    Container(String),
}

impl Setting for Restartable {
    /// `nginx` is a unit, `container:jellyfin` a container.
    fn read(given: &Given) -> Result<Self, String> {
        let Given::Text(text) = given else { return UnitName::read(given).map(Self::Unit) };
        match text.strip_prefix("container:") {
            // A container's name has rules that any target's name has.
            Some(name) => Target::new(HostName::of("this"), Thing::Container, name)
                .map(|target| Self::Container(target.name().to_owned()))
                .map_err(|bad| format!("as a container's name it {}", bad.why)),
            None => UnitName::read(given).map(Self::Unit),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Unit(unit) => unit.show(),
            Self::Container(name) => format!("container:{name}"),
        }
    }
}

impl Restartable {
    /// What it is on a host.
    pub fn on(&self, host: &HostName) -> Option<Target> {
        match self {
            Self::Unit(unit) => Target::new(host.clone(), Thing::Unit, unit.as_str()).ok(),
            Self::Container(name) => Target::new(host.clone(), Thing::Container, name).ok(),
        }
    }
}
