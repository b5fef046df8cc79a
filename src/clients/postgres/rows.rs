//! The questions to a PostgreSQL server, and their answers as values.

use tokio_postgres::{Client, SimpleQueryRow};

use crate::clients::answer::NoAnswer;
use crate::clients::postgres::query;
use crate::model::taint::Tainted;
use crate::model::time::Span;

/// Standbys and slots that are kept; more is no home.
const MOST: usize = 100;

/// What a server says.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// `15.14`.
    pub version: Tainted,
    pub connections: Connections,
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub used: u64,
    /// Without those that are reserved for administrators.
    pub most: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    Primary {
        /// Bytes of WAL since the beginning.
        position: u64,
        standbys: Vec<Standby>,
        slots: Vec<Slot>,
    },
    Standby(Receiver),
}

/// A standby as its primary sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standby {
    /// Its application_name.
    pub name: String,
    /// `streaming`, `catchup`, ...; `None` where our user may not see it.
    pub state: Option<String>,
    /// How far it has replayed, in bytes since the beginning; `None` where it does not say.
    pub replayed: Option<u64>,
    /// The lag that it measured last; `None` while it has nothing to measure.
    pub measured: Option<Span>,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub name: Tainted,
    pub active: bool,
    /// WAL that is kept for it.
    pub retained: u64,
    /// `reserved`, `extended`, `unreserved` or `lost`; empty before version 13.
    pub status: String,
}

/// A standby as it sees itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiver {
    /// Whether a WAL receiver runs.
    pub connected: bool,
    /// Whether it is fed from an archive where no receiver runs.
    pub from_archive: bool,
    pub paused: bool,
    /// Received, but not replayed yet; `None` where nothing was received since its start.
    pub bytes: Option<u64>,
    /// The age of the last transaction replayed. Grows on a primary that is idle.
    pub age: Option<Span>,
}

/// Who is connected to a server, reef's own session left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    pub used: u64,
    pub most: u64,
    /// With a statement under way.
    pub active: u64,
    /// Idle within a transaction.
    pub idle: u64,
    /// Of which our user may not see what they do.
    pub hidden: u64,
    /// How long the longest transaction is under way.
    pub oldest: Span,
}

impl Sessions {
    /// `12 of 97 connections, 3 active, 1 idle in a transaction, the longest since 4 s`.
    pub fn words(&self) -> String {
        let Self { used, most, active, idle, oldest, .. } = self;
        format!(
            "{used} of {most} connections, {active} active, {idle} idle in a transaction, the longest for {oldest}"
        )
    }
}

const SESSIONS: &str = "SELECT count(*) AS used, \
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most, \
    count(*) FILTER (WHERE state = 'active') AS active, \
    count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle, \
    count(*) FILTER (WHERE query = '<insufficient privilege>') AS hidden, \
    coalesce((extract(epoch FROM max(clock_timestamp() - xact_start)) * 1000)::bigint, 0) AS oldest \
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

pub(super) async fn sessions(client: &Client) -> Result<Sessions, NoAnswer> {
    let row = one(query(client, SESSIONS).await?)?;
    let n = |column| number(&row, column).ok_or_else(|| NoAnswer::Broken("no numbers".into()));
    Ok(Sessions {
        used: n("used")?,
        most: n("most")?,
        active: n("active")?,
        idle: n("idle")?,
        hidden: n("hidden")?,
        oldest: span(&row, "oldest").unwrap_or(Span(0)),
    })
}

const SELF: &str = "SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS standby, \
    (SELECT sum(numbackends) FROM pg_stat_database) AS used, \
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most";

const STANDBYS: &str = "SELECT application_name AS name, state, pg_wal_lsn_diff(replay_lsn, '0/0') AS replayed, \
    (extract(epoch FROM replay_lag) * 1000)::bigint AS lag FROM pg_stat_replication ORDER BY 1 LIMIT 101";

const POSITION: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS position";

const SLOTS: &str = "SELECT slot_name AS name, active, to_jsonb(s) ->> 'wal_status' AS status, \
    greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint AS retained \
    FROM pg_replication_slots s WHERE NOT temporary ORDER BY 1 LIMIT 101";

const RECEIVER: &str = "SELECT (SELECT count(*) FROM pg_stat_wal_receiver) AS receivers, \
    pg_is_wal_replay_paused() AS paused, coalesce(to_jsonb(a) ->> 'setting', '') AS restore, \
    pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint AS bytes, \
    (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::bigint AS age \
    FROM (SELECT 1) AS one LEFT JOIN pg_settings a ON a.name = 'restore_command'";

pub(super) async fn seen(client: &Client) -> Result<Seen, NoAnswer> {
    let own = one(query(client, SELF).await?)?;
    let role = match flag(&own, "standby") {
        true => Role::Standby(receiver(&one(query(client, RECEIVER).await?)?)),
        false => {
            // The standbys first: what they have replayed is never ahead of a position read later.
            let standbys = query(client, STANDBYS).await?;
            let position = one(query(client, POSITION).await?)?;
            let slots = query(client, SLOTS).await?;
            Role::Primary {
                position: number(&position, "position").unwrap_or(0),
                standbys: standbys.iter().take(MOST).map(standby).collect(),
                slots: slots.iter().take(MOST).map(slot).collect(),
            }
        }
    };
    let version = text(&own, "version").unwrap_or_default();
    // Debian appends its package's version in brackets.
    let version = Tainted::bounded(version.split_whitespace().next().unwrap_or_default(), 20);
    let connections = Connections {
        used: number(&own, "used").unwrap_or(0),
        most: number(&own, "most").unwrap_or(0),
    };
    Ok(Seen { version, connections, role })
}

fn one(rows: Vec<SimpleQueryRow>) -> Result<SimpleQueryRow, NoAnswer> {
    rows.into_iter().next().ok_or_else(|| NoAnswer::Broken("an answer without a row".into()))
}

fn standby(row: &SimpleQueryRow) -> Standby {
    Standby {
        name: text(row, "name").unwrap_or_default().chars().take(64).collect(),
        state: text(row, "state"),
        replayed: number(row, "replayed"),
        measured: span(row, "lag"),
    }
}

fn slot(row: &SimpleQueryRow) -> Slot {
    Slot {
        name: Tainted::bounded(&text(row, "name").unwrap_or_default(), 64),
        active: flag(row, "active"),
        retained: number(row, "retained").unwrap_or(0),
        status: text(row, "status").unwrap_or_default(),
    }
}

fn receiver(row: &SimpleQueryRow) -> Receiver {
    Receiver {
        connected: number(row, "receivers").is_some_and(|n| 0 < n),
        from_archive: text(row, "restore").is_some_and(|command| !command.is_empty()),
        paused: flag(row, "paused"),
        // Replayed from an archive it may be ahead of what was received: that is no lag.
        bytes: text(row, "bytes")
            .and_then(|b| b.parse::<i64>().ok())
            .map(|b| b.max(0).unsigned_abs()),
        age: span(row, "age"),
    }
}

fn text(row: &SimpleQueryRow, column: &str) -> Option<String> {
    row.try_get(column).ok().flatten().map(str::to_owned)
}

fn flag(row: &SimpleQueryRow, column: &str) -> bool {
    text(row, column).as_deref() == Some("t")
}

fn number(row: &SimpleQueryRow, column: &str) -> Option<u64> {
    text(row, column)?.parse().ok()
}

fn span(row: &SimpleQueryRow, column: &str) -> Option<Span> {
    Some(Span(text(row, column)?.parse::<i64>().ok()?.max(0)))
}
