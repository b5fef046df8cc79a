//! What ails a replication, judged by what both ends say. Pure.

use crate::clients::answer::NoAnswer;
use crate::clients::mysql;
#[cfg(feature = "postgres")]
use crate::clients::postgres;
use crate::model::time::Span;
use crate::model::value::human_bytes;

/// From where on a standby's volume is what ails it, in percent.
const FULL: u64 = 97;

/// What one end says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    #[cfg(feature = "postgres")]
    Postgres(postgres::Seen),
    Mariadb(mysql::Seen),
}

/// What is known of one end.
pub type Seen = Option<Result<Said, NoAnswer>>;

/// What the unit of a standby is by its manager's word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Service {
    /// No unit is declared, or its host does not tell.
    #[default]
    Untold,
    Runs,
    /// It ended by itself.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

/// What is known beside the servers' own words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Around {
    pub service: Service,
    /// How full the fullest volume of the standby's host is, in percent.
    pub disk: Option<u64>,
    /// What the primary calls the standby.
    pub called: String,
}

/// The cause in a word that runbooks match, why in words, and what a human would do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub cause: &'static str,
    pub why: String,
    pub next: &'static str,
    pub behind: u64,
}

fn verdict(cause: &'static str, why: impl Into<String>, next: &'static str) -> Verdict {
    Verdict { cause, why: why.into(), next, behind: 0 }
}

/// Judges both ends.
pub fn judge(primary: &Seen, standby: &Seen, around: &Around) -> Verdict {
    if let Some(of_primary) = at_primary(primary) {
        return of_primary;
    }
    match standby {
        None => verdict(
            "standby-undeclared",
            "the config names no server that follows it, so only one end can be looked at",
            "give the standby a probe of its own with primary = and served_by =, then this names the cause",
        ),
        Some(Err(why)) => down(why, around),
        #[cfg(feature = "postgres")]
        Some(Ok(Said::Postgres(seen))) => of_postgres(primary, seen, around),
        Some(Ok(Said::Mariadb(seen))) => of_mariadb(seen, around),
    }
}

/// What is wrong with the primary: nothing on the standby would help then.
fn at_primary(primary: &Seen) -> Option<Verdict> {
    match primary {
        Some(Err(why)) if why.is_blindness() => Some(verdict(
            "primary-unseen",
            format!("reef may not look at the primary: {why}"),
            "give reef's user the right to look (pg_monitor, or REPLICA MONITOR)",
        )),
        Some(Err(why)) => Some(verdict(
            "primary-down",
            format!("the primary does not answer: {why}"),
            "bring the primary back, or promote the standby: both are decisions for a human, and reef restarts no primary",
        )),
        #[cfg(feature = "postgres")]
        Some(Ok(Said::Postgres(seen))) if matches!(seen.role, postgres::Role::Standby(_)) => {
            Some(verdict(
                "primary-demoted",
                "what the config calls the primary is a standby itself",
                "find out which server takes writes; two that do have parted for good",
            ))
        }
        _otherwise => None,
    }
}

/// A standby that does not answer.
fn down(why: &NoAnswer, around: &Around) -> Verdict {
    if why.is_blindness() {
        return verdict(
            "standby-unseen",
            format!("reef may not look at the standby: {why}"),
            "give reef's user the right to look (pg_monitor, or REPLICA MONITOR)",
        );
    }
    if let Some(disk) = around.disk.filter(|disk| FULL <= *disk) {
        return verdict(
            "disk-full",
            format!(
                "the standby does not answer ({why}), and a volume of its host is {disk} % full"
            ),
            "make room on the standby's host first: a restart would only fail again",
        );
    }
    match (&around.service, why) {
        (Service::Stopped, _) => verdict(
            "stopped",
            "somebody stopped the standby",
            "start it again when that work is done; until then its slot keeps WAL on the primary's disk",
        ),
        (Service::Failed, _) => verdict(
            "standby-down",
            format!("the standby's service ended by itself, and it does not answer: {why}"),
            "look into its log, then start it",
        ),
        (Service::Runs, NoAnswer::Busy(said)) => verdict(
            "standby-starting",
            format!("the standby is starting: {said}"),
            "wait: a standby that replays much WAL takes its time",
        ),
        (Service::Runs, NoAnswer::TimedOut(after)) => verdict(
            "standby-hung",
            format!("the standby's service runs and does not answer within {after}"),
            "restart the standby",
        ),
        (Service::Runs, _) => verdict(
            "network",
            format!("the standby's service runs, but nobody reaches it: {why}"),
            "look at its listen_addresses, its port, and the firewall between",
        ),
        (Service::Untold, _) => verdict(
            "standby-unreachable",
            format!("the standby does not answer: {why}"),
            "look whether its service runs; with served_by = in its probe reef sees that itself",
        ),
    }
}

#[cfg(feature = "postgres")]
fn of_postgres(primary: &Seen, seen: &postgres::Seen, around: &Around) -> Verdict {
    let receiver = match &seen.role {
        postgres::Role::Standby(receiver) => receiver,
        postgres::Role::Primary { .. } => {
            return verdict(
                "promoted",
                "the standby takes writes itself: it was promoted",
                "find out which of the two is the primary now; the other must be made anew from it",
            );
        }
    };
    let (mut behind, mut sees, mut lost) = (receiver.bytes.unwrap_or(0), true, None);
    if let Some(Ok(Said::Postgres(postgres::Seen {
        role: postgres::Role::Primary { position, standbys, slots },
        ..
    }))) = primary
    {
        let it = standbys.iter().filter(|standby| standby.name == around.called);
        let replayed = it.filter_map(|standby| standby.replayed).min();
        sees = replayed.is_some();
        behind = replayed.map_or(behind, |replayed| position.saturating_sub(replayed));
        lost = slots.iter().find(|s| matches!(s.status.as_str(), "lost" | "unreserved"));
    }
    let amount = human_bytes(behind);
    let told = match () {
        () if lost.is_some() => verdict(
            "wal-lost",
            "the primary no longer has the WAL that the standby needs",
            "make the standby anew (pg_basebackup): no restart brings lost WAL back",
        ),
        () if receiver.paused => verdict(
            "replay-paused",
            format!("somebody paused the replay; it is {amount} behind"),
            "SELECT pg_wal_replay_resume() on the standby, once whoever paused it agrees",
        ),
        () if !receiver.connected && !receiver.from_archive => match around.disk {
            Some(disk) if FULL <= disk => verdict(
                "disk-full",
                format!("the standby receives nothing, and a volume of its host is {disk} % full"),
                "make room on the standby's host; it goes on by itself then",
            ),
            Some(_) | None => verdict(
                "disconnected",
                "both servers answer, but the standby receives nothing from the primary",
                "look into the standby's log: primary_conninfo, the password, pg_hba.conf or the network between",
            ),
        },
        () if 0 < behind && sees => verdict(
            "behind",
            format!("it streams and is {amount} behind"),
            "look at what the standby's disk can write, and at long queries there that replay waits for",
        ),
        () if !sees && matches!(primary, Some(Ok(_))) => verdict(
            "unknown-name",
            format!("the standby receives, but the primary knows none called {}", around.called),
            "write its application_name into standby = of its probe",
        ),
        () => verdict("ok", "it streams and has replayed everything", "nothing"),
    };
    Verdict { behind, ..told }
}

fn of_mariadb(seen: &mysql::Seen, around: &Around) -> Verdict {
    let Some(channel) = seen.channels.first() else {
        return verdict(
            "not-set-up",
            "it replicates nothing: its replication was reset or never set up",
            "set it up anew from a backup of the primary",
        );
    };
    let error = channel.error.first_line();
    let full = around.disk.filter(|disk| FULL <= *disk);
    match (channel.sql.as_str(), channel.io.as_str(), channel.behind) {
        _ if full.is_some() && (channel.sql == "No" || channel.io == "No") => verdict(
            "disk-full",
            format!(
                "replication stopped, and a volume of its host is {} % full",
                full.unwrap_or(0)
            ),
            "make room on the replica's host, then START REPLICA",
        ),
        ("No", _, _) if error.is_empty() => verdict(
            "stopped",
            "somebody stopped the replica's SQL thread",
            "START REPLICA SQL_THREAD, once whoever stopped it agrees",
        ),
        ("No", _, _) => verdict(
            "apply-failed",
            format!("the replica cannot apply what it got: {error}"),
            "the two have parted: compare the row that it names; never skip it blindly",
        ),
        (_, "No", _) if error.is_empty() => verdict(
            "stopped",
            "somebody stopped the replica's IO thread",
            "START REPLICA, once whoever stopped it agrees",
        ),
        (_, "No", _) => verdict(
            "fetch-failed",
            format!("the replica fetches nothing: {error}"),
            "binary logs that were purged mean a new copy; a refused login means its user on the primary",
        ),
        (_, "Connecting", _) => verdict(
            "disconnected",
            format!("the replica cannot reach its primary: {error}"),
            "look at the primary's port, the replication user's password, and the network between",
        ),
        (_, _, None) => verdict(
            "unknown",
            format!("the replica does not know how far it is behind {error}"),
            "SHOW REPLICA STATUS there, and its error log",
        ),
        (_, _, Some(behind)) if channel.delay < behind && Span(0) < behind => verdict(
            "behind",
            format!("it replicates and is {behind} behind"),
            "look at long transactions on the primary and at what the replica's disk can write",
        ),
        (_, _, Some(_)) => verdict("ok", "it replicates and is not behind", "nothing"),
    }
}

#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests {
    use super::*;
    use crate::clients::mysql::Channel;
    use crate::clients::postgres::{Connections, Receiver, Role, Slot, Standby};
    use crate::model::taint::Tainted;

    fn pg(role: Role) -> Seen {
        let connections = Connections { used: 1, most: 97 };
        Some(Ok(Said::Postgres(postgres::Seen {
            version: Tainted::new("15.14"),
            connections,
            role,
        })))
    }

    fn primary(replayed: Option<u64>, status: &str) -> Seen {
        let streams = |replayed| Standby {
            name: "one".into(),
            state: Some("streaming".into()),
            replayed: Some(replayed),
            measured: None,
        };
        let slot =
            Slot { name: Tainted::new("one"), active: true, retained: 0, status: status.into() };
        let standbys = replayed.map(streams).into_iter().collect();
        pg(Role::Primary { position: 1_000, standbys, slots: vec![slot] })
    }

    fn receiver() -> Receiver {
        Receiver {
            connected: true,
            from_archive: false,
            paused: false,
            bytes: Some(0),
            age: Some(Span(0)),
        }
    }

    fn around(service: Service, disk: Option<u64>) -> Around {
        Around { service, disk, called: "one".into() }
    }

    #[test]
    fn each_state_of_a_postgresql_pair_has_its_cause() {
        let up = || primary(Some(1_000), "reserved");
        let standby = |receiver| pg(Role::Standby(receiver));
        let no = |why: NoAnswer| Some(Err(why));
        let paused = Receiver { paused: true, ..receiver() };
        let cut = Receiver { connected: false, ..receiver() };
        let timed = || no(NoAnswer::TimedOut(Span::secs(10)));
        use Service::{Failed, Runs, Stopped, Untold};
        for (primary, standby, service, disk, want) in [
            (up(), standby(receiver()), Runs, None, "ok"),
            (primary(Some(400), "reserved"), standby(receiver()), Runs, None, "behind"),
            (primary(Some(400), "reserved"), standby(paused), Runs, None, "replay-paused"),
            (primary(None, "reserved"), standby(cut), Runs, Some(20), "disconnected"),
            (primary(None, "reserved"), standby(cut), Runs, Some(99), "disk-full"),
            (primary(None, "lost"), standby(cut), Runs, None, "wal-lost"),
            (primary(None, "reserved"), standby(receiver()), Runs, None, "unknown-name"),
            (up(), up(), Runs, None, "promoted"),
            (standby(receiver()), standby(receiver()), Runs, None, "primary-demoted"),
            (no(NoAnswer::Refused), no(NoAnswer::Refused), Failed, None, "primary-down"),
            (no(NoAnswer::Denied("no".into())), standby(receiver()), Runs, None, "primary-unseen"),
            (primary(None, "reserved"), no(NoAnswer::Refused), Failed, None, "standby-down"),
            (primary(None, "reserved"), no(NoAnswer::Refused), Failed, Some(98), "disk-full"),
            (primary(None, "reserved"), no(NoAnswer::Refused), Stopped, None, "stopped"),
            (primary(None, "reserved"), no(NoAnswer::Refused), Runs, None, "network"),
            (primary(None, "reserved"), no(NoAnswer::Refused), Untold, None, "standby-unreachable"),
            (primary(None, "reserved"), timed(), Runs, None, "standby-hung"),
            (up(), no(NoAnswer::Busy("starting up".into())), Runs, None, "standby-starting"),
            (up(), no(NoAnswer::Setup("no key".into())), Runs, None, "standby-unseen"),
            (primary(None, "reserved"), None, Untold, None, "standby-undeclared"),
        ] {
            let told = judge(&primary, &standby, &around(service.clone(), disk));
            assert_eq!(told.cause, want, "{primary:?} {standby:?} {service:?} {disk:?}");
            assert!(!told.why.is_empty() && !told.next.is_empty(), "{want}");
        }
        let behind =
            judge(&primary(Some(400), "reserved"), &standby(receiver()), &around(Runs, None));
        assert_eq!(behind.behind, 600);
    }

    #[test]
    fn each_state_of_a_mariadb_replica_has_its_cause() {
        let channel = |io: &str, sql: &str, behind: Option<i64>, error: &str| Channel {
            name: String::new(),
            io: io.into(),
            sql: sql.into(),
            behind: behind.map(Span::secs),
            delay: Span(0),
            error: Tainted::new(error),
        };
        let seen = |channels: Vec<Channel>| {
            let connections = mysql::Connections { used: 1, most: 151 };
            let (product, replicas) = (Tainted::new("MariaDB"), Vec::new());
            Some(Ok(Said::Mariadb(mysql::Seen { product, connections, channels, replicas })))
        };
        for (channels, disk, want) in [
            (vec![channel("Yes", "Yes", Some(0), "")], None, "ok"),
            (vec![channel("Yes", "Yes", Some(90), "")], None, "behind"),
            (vec![channel("Yes", "No", None, "Duplicate entry")], None, "apply-failed"),
            (vec![channel("Yes", "No", None, "")], None, "stopped"),
            (vec![channel("No", "Yes", None, "")], None, "stopped"),
            (vec![channel("No", "Yes", None, "error 1236")], None, "fetch-failed"),
            (vec![channel("No", "No", None, "disk full")], Some(100), "disk-full"),
            (vec![channel("Connecting", "Yes", None, "refused")], None, "disconnected"),
            (vec![channel("Yes", "Yes", None, "")], None, "unknown"),
            (vec![], None, "not-set-up"),
        ] {
            let told = judge(&seen(vec![]), &seen(channels.clone()), &around(Service::Runs, disk));
            assert_eq!(told.cause, want, "{channels:?}");
        }
    }
}
