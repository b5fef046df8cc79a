//! Which facts are there at once, and which may keep a collection waiting.

use std::collections::BTreeSet;

use crate::model::fact::Fact;

/// The facts of one tick in two collections: those that the kernel answers at once, and those that a
/// program, a server or a large folder answers, in seconds at worst. Asked for side by side, no slow one
/// delays a quick one.
pub fn by_pace(wanted: BTreeSet<Fact>) -> [BTreeSet<Fact>; 2] {
    let (quick, slow) = wanted.into_iter().partition(is_quick);
    [quick, slow]
}

/// Whether the kernel answers at once.
pub fn is_quick(fact: &Fact) -> bool {
    match fact {
        Fact::Memory
        | Fact::Pressure
        | Fact::OomKills
        | Fact::Cpu
        | Fact::Interfaces
        | Fact::Uptime
        | Fact::Processes(_)
        | Fact::Busiest
        | Fact::FileLines(_)
        | Fact::Arrays
        | Fact::Sensors
        | Fact::Hands
        | Fact::Boot => true,
        // A stale mount costs a second, a unit between stop and start three, a walk up to twenty.
        Fact::Volumes
        | Fact::Folder(_)
        | Fact::Newest(_)
        | Fact::Unit(_)
        | Fact::FailedUnits
        | Fact::Containers
        | Fact::Stacks
        | Fact::Swarm
        | Fact::JournalErrors
        | Fact::Drives
        | Fact::Pools
        | Fact::TimeSync
        | Fact::Updates
        | Fact::Logins(_)
        | Fact::Listening
        | Fact::Guarded(_)
        | Fact::Renewals
        | Fact::Files(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_the_two() {
        let wanted = BTreeSet::from([Fact::Cpu, Fact::Volumes, Fact::Memory, Fact::FailedUnits]);
        let [quick, slow] = by_pace(wanted);
        assert_eq!(quick, BTreeSet::from([Fact::Cpu, Fact::Memory]));
        assert_eq!(slow, BTreeSet::from([Fact::Volumes, Fact::FailedUnits]));
    }
}
