//! The questions to a MariaDB or MySQL server, and their answers as values.

use crate::clients::answer::NoAnswer;
use crate::clients::mysql::wire::Row;
use crate::clients::mysql::{Line, why};
use crate::model::taint::Tainted;
use crate::model::time::Span;

/// Whether the replicas that are connected are asked for: it needs a privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Replicas,
    Nothing,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `MariaDB 10.11.14`.
    pub product: Tainted,
    pub connections: Connections,
    /// One for each primary that it replicates.
    pub channels: Vec<Channel>,
    /// Those that are connected to it; empty where they were not asked for.
    pub replicas: Vec<Replica>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub used: u64,
    pub most: u64,
}

/// A replica asked itself: one connection to a primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Empty for the only one.
    pub name: String,
    /// What fetches: `Yes`, `No`, `Connecting`, `Preparing`.
    pub io: String,
    /// What applies: `Yes` or `No`.
    pub sql: String,
    /// `None` is NULL, which says that it is broken.
    pub behind: Option<Span>,
    /// How far it is to stay behind.
    pub delay: Span,
    /// The last error of either; empty without one.
    pub error: Tainted,
}

/// A replica as its primary sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub server_id: String,
    /// Its report_host; empty where it does not report one.
    pub host: String,
}

/// What servers call the same thing, the newest word first.
const STATUS: [&str; 3] = ["SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS"];
const REPLICAS: [&str; 2] = ["SHOW REPLICAS", "SHOW SLAVE HOSTS"];
/// What a server answers to a statement that it does not know.
const NO_SYNTAX: u16 = 1064;

pub(super) async fn seen(line: &mut Line, version: &str, wanted: Wanted) -> Result<Seen, NoAnswer> {
    let used = plain(line, "SHOW GLOBAL STATUS LIKE 'Threads_connected'").await?;
    let most = plain(line, "SELECT @@global.max_connections AS Value").await?;
    let number = |rows: &[Row]| -> Option<u64> { text(rows.first()?, "Value")?.parse().ok() };
    let connections =
        Connections { used: number(&used).unwrap_or(0), most: number(&most).unwrap_or(0) };
    let channels = first_known(line, &STATUS).await?.iter().map(channel).collect();
    let replicas = match wanted {
        Wanted::Replicas => first_known(line, &REPLICAS).await?.iter().map(replica).collect(),
        Wanted::Nothing => Vec::new(),
    };
    Ok(Seen { product: product(version), connections, channels, replicas })
}

async fn plain(line: &mut Line, statement: &str) -> Result<Vec<Row>, NoAnswer> {
    line.query(statement).await?.map_err(why)
}

/// The answer to the first statement that the server knows.
async fn first_known(line: &mut Line, statements: &[&str]) -> Result<Vec<Row>, NoAnswer> {
    let mut last = NoAnswer::Broken("no statement".into());
    for statement in statements {
        match line.query(statement).await? {
            Ok(rows) => return Ok(rows),
            Err(no) if no.code == NO_SYNTAX => last = why(no),
            Err(no) => return Err(why(no)),
        }
    }
    Err(last)
}

/// `5.5.5-10.11.14-MariaDB-0+deb12u2` is MariaDB 10.11.14; the prefix is for old replicas.
fn product(version: &str) -> Tainted {
    let bare = version.strip_prefix("5.5.5-").unwrap_or(version);
    let number = bare.split('-').next().unwrap_or(bare);
    let name = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
    Tainted::bounded(&format!("{name} {number}"), 40)
}

fn channel(row: &Row) -> Channel {
    let either = |names: [&str; 2]| names.into_iter().find_map(|name| text(row, name));
    let behind = either(["Seconds_Behind_Master", "Seconds_Behind_Source"]);
    let error = either(["Last_SQL_Error", "Last_SQL_Error"]).filter(|e| !e.is_empty());
    let error = error.or_else(|| text(row, "Last_IO_Error")).unwrap_or_default();
    let seconds = |text: &str| text.parse::<i64>().ok().map(|n| Span::secs(n.max(0)));
    Channel {
        name: either(["Connection_name", "Channel_Name"]).unwrap_or_default(),
        io: either(["Slave_IO_Running", "Replica_IO_Running"]).unwrap_or_default(),
        sql: either(["Slave_SQL_Running", "Replica_SQL_Running"]).unwrap_or_default(),
        behind: behind.as_deref().and_then(seconds),
        delay: text(row, "SQL_Delay").as_deref().and_then(seconds).unwrap_or(Span(0)),
        error: Tainted::bounded(&error, 200),
    }
}

fn replica(row: &Row) -> Replica {
    Replica {
        server_id: text(row, "Server_id").or_else(|| text(row, "Server_Id")).unwrap_or_default(),
        host: text(row, "Host").unwrap_or_default(),
    }
}

fn text(row: &Row, name: &str) -> Option<String> {
    row.get(name)?.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_products_are_read() {
        assert_eq!(product("5.5.5-10.11.14-MariaDB-0+deb12u2").as_str(), "MariaDB 10.11.14");
        assert_eq!(product("8.4.3").as_str(), "MySQL 8.4.3");
        let row = |pairs: &[(&str, Option<&str>)]| -> Row {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned))).collect()
        };
        let maria = channel(&row(&[
            ("Connection_name", Some("")),
            ("Slave_IO_Running", Some("Yes")),
            ("Slave_SQL_Running", Some("No")),
            ("Seconds_Behind_Master", None),
            ("Last_SQL_Error", Some("duplicate key")),
            ("SQL_Delay", Some("8")),
        ]));
        assert_eq!((maria.behind, maria.delay), (None, Span::secs(8)));
        assert_eq!((maria.sql.as_str(), maria.error.as_str()), ("No", "duplicate key"));
        let mysql = channel(&row(&[
            ("Channel_Name", Some("a")),
            ("Replica_IO_Running", Some("Connecting")),
            ("Seconds_Behind_Source", Some("4")),
            ("Last_SQL_Error", Some("")),
            ("Last_IO_Error", Some("cannot connect")),
        ]));
        assert_eq!((mysql.io.as_str(), mysql.behind), ("Connecting", Some(Span::secs(4))));
        assert_eq!(mysql.error.as_str(), "cannot connect");
    }
}
