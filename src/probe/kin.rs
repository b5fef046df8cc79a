//! Whose red explains a reading of a database: of a standby that is down, both ends tell, and one of them is the cause.

use crate::clients::declared::Declared;
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::target::{Signal, Target, Thing};

/// The family of one server.
#[derive(Debug, Clone, Default)]
pub struct Kin {
    servers: Declared,
    /// What the operator called it.
    name: String,
}

impl Kin {
    pub fn new(servers: Declared, name: &str) -> Self {
        Self { servers, name: name.to_owned() }
    }

    /// Gives each reading about replication its parent, where the config names the other end: what a primary misses is
    /// explained by the standby that does not answer, and what a standby lags by what its primary sees.
    pub fn placed(&self, mut readings: Vec<Reading>) -> Vec<Reading> {
        for reading in &mut readings {
            if matches!(reading.signal.aspect.as_str(), "lag" | "replica") {
                reading.parent = self.parent(reading).or(reading.parent.take());
            }
        }
        readings
    }

    fn parent(&self, reading: &Reading) -> Option<Signal> {
        let signal = |target: Target, aspect| Signal {
            probe: reading.signal.probe.clone(),
            target,
            aspect: Word::of(aspect),
        };
        let own = reading.signal.target.name();
        let part = own.strip_prefix(self.name.as_str()).and_then(|rest| rest.strip_prefix('.'));
        if let Some(standby) = part.and_then(|part| self.servers.standby_of(&self.name, part)) {
            return (reading.reason.as_str() == "missing").then(|| signal(standby, "server"));
        }
        let (primary, called) = self.servers.primary_of(&self.name)?;
        let at: &HostName = primary.on();
        let seen =
            Target::new(at.clone(), Thing::Endpoint, &format!("{}.{called}", primary.name()));
        let aspect = if reading.signal.probe.as_str() == "mariadb" { "replica" } else { "lag" };
        seen.ok().map(|seen| signal(seen, aspect))
    }
}
