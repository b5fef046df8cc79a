//! PostgreSQL: one read-only connection per server, kept between looks, and what it says of replication.

mod rows;

use std::fmt;
use std::path::PathBuf;

use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::clients::answer::NoAnswer;
pub use crate::clients::postgres::rows::{
    Connections, Receiver, Role, Seen, Sessions, Slot, Standby,
};
use crate::clients::tls::trust::{self, TlsFault};
use crate::config::given::Given;
use crate::config::keys::Key;
use crate::config::setting::Setting;
use crate::gate::permit::Permit;
use crate::model::time::Span;

/// A server and a user: `postgres://reef@nas:5432/postgres`. Never with a password.
#[derive(Clone)]
pub struct PgUrl {
    written: String,
    config: tokio_postgres::Config,
}

impl PgUrl {
    /// The host's name or address; empty for a unix socket.
    pub fn host(&self) -> &str {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host,
            Some(Host::Unix(_)) | None => "",
        }
    }
}

impl fmt::Debug for PgUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Setting for PgUrl {
    fn read(given: &Given) -> Result<Self, String> {
        let written = String::read(given)?;
        let wrong = "is no URL of a PostgreSQL server: write postgres://USER@HOST:5432/DATABASE";
        if !written.starts_with("postgres://") && !written.starts_with("postgresql://") {
            return Err(wrong.into());
        }
        let config: tokio_postgres::Config = written.parse().map_err(|_| wrong.to_owned())?;
        match () {
            () if config.get_password().is_some() => {
                Err("has a password in it: write password_file = \"/path\" beside it".into())
            }
            () if config.get_hosts().len() != 1 => Err(wrong.into()),
            () if config.get_user().is_none() => Err("names no user: write USER@HOST".into()),
            () => Ok(Self { written, config }),
        }
    }
    fn show(&self) -> String {
        self.written.clone()
    }
}

/// Whether and how the server's certificate is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    Off,
    /// By the system's authorities and those in this file.
    Verified(Option<PathBuf>),
}

/// A server and who we are there, as the config has it.
#[derive(Clone)]
pub struct Server {
    pub url: PgUrl,
    pub password: Option<Key>,
    pub encryption: Encryption,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres server {:?}", self.url)
    }
}

impl Server {
    /// A client with a connection of its own; `timeout` bounds each statement.
    pub fn client(&self, timeout: Span) -> Postgres {
        Postgres::new(self.url.clone(), self.password.clone(), self.encryption.clone(), timeout)
    }
}

/// One server. Connects at the first look and keeps the connection.
pub struct Postgres {
    url: PgUrl,
    password: Option<Key>,
    encryption: Encryption,
    timeout: Span,
    kept: Option<(Client, JoinSet<()>)>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres client of {:?}", self.url)
    }
}

impl Postgres {
    /// `timeout` bounds each statement on the server as well.
    pub fn new(url: PgUrl, password: Option<Key>, encryption: Encryption, timeout: Span) -> Self {
        Self { url, password, encryption, timeout, kept: None }
    }

    /// What the server says of itself, its standbys and its slots. A look that fails, or that is
    /// dropped, drops the connection too.
    pub async fn look(&mut self) -> Result<Seen, NoAnswer> {
        let (client, connection) = match self.kept.take() {
            Some(kept) if !kept.0.is_closed() => kept,
            Some(_) | None => self.connect().await?,
        };
        let seen = rows::seen(&client).await?;
        self.kept = Some((client, connection));
        Ok(seen)
    }

    /// Who is connected, and since when they hold a transaction.
    pub async fn sessions(&mut self) -> Result<Sessions, NoAnswer> {
        let (client, connection) = self.connect().await?;
        let seen = rows::sessions(&client).await?;
        self.kept = Some((client, connection));
        Ok(seen)
    }

    /// Has it write a checkpoint; on a standby that is a restartpoint. PostgreSQL takes it for a read.
    pub async fn checkpoint(&mut self, _: &Permit) -> Result<(), NoAnswer> {
        let (client, _connection) = self.connect().await?;
        client.batch_execute("CHECKPOINT").await.map_err(|e| why(&e))
    }

    async fn connect(&self) -> Result<(Client, JoinSet<()>), NoAnswer> {
        let mut config = self.url.config.clone();
        if let Some(key) = &self.password {
            let password = key.value().map_err(|why| NoAnswer::Setup(why.to_owned()))?;
            config.password(password.expose_secret());
        }
        config.application_name("reef");
        config.connect_timeout(self.timeout.duration());
        // A look must never change anything, nor wait behind a lock for ever.
        config.options(format!(
            "-c default_transaction_read_only=on -c statement_timeout={0} -c lock_timeout={0}",
            self.timeout.0
        ));
        let mut running = JoinSet::new();
        let client = match &self.encryption {
            Encryption::Off => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await.map_err(|e| why(&e))?;
                running.spawn(async move { drop(connection.await) });
                client
            }
            Encryption::Verified(ca_file) => {
                config.ssl_mode(SslMode::Require);
                let roots = trust::roots(ca_file.as_deref()).map_err(NoAnswer::Setup)?;
                let mut tls = trust::client_config(roots).map_err(NoAnswer::Setup)?;
                tls.alpn_protocols = vec![b"postgresql".to_vec()];
                let tls = MakeRustlsConnect::new(tls);
                let (client, connection) = config.connect(tls).await.map_err(|e| why(&e))?;
                running.spawn(async move { drop(connection.await) });
                client
            }
        };
        Ok((client, running))
    }
}

/// The rows of one statement, as text.
async fn query(client: &Client, statement: &str) -> Result<Vec<SimpleQueryRow>, NoAnswer> {
    let answer = client.simple_query(statement).await.map_err(|e| why(&e))?;
    let row = |message| {
        if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None }
    };
    Ok(answer.into_iter().filter_map(row).collect())
}

/// Sorts what the library says, by the server's code or by the cause it carries.
fn why(error: &tokio_postgres::Error) -> NoAnswer {
    if let Some(said) = error.as_db_error() {
        let words = said.message().to_owned();
        let code = said.code();
        return match () {
            () if code.code().starts_with("28") || *code == SqlState::INSUFFICIENT_PRIVILEGE => {
                NoAnswer::Denied(words)
            }
            () if *code == SqlState::INVALID_CATALOG_NAME => NoAnswer::Setup(words),
            // Starting up, shutting down, too many connections.
            () if code.code().starts_with("57P") || code.code().starts_with("53") => {
                NoAnswer::Busy(words)
            }
            () => NoAnswer::Broken(words),
        };
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    let mut last = error.to_string();
    while let Some(this) = cause {
        if let Some(fault) = this.downcast_ref::<rustls::Error>() {
            return NoAnswer::Tls(TlsFault::of(fault));
        }
        if let Some(io) = this.downcast_ref::<std::io::Error>() {
            return match NoAnswer::of_io(io) {
                NoAnswer::Broken(words) if words.contains("lookup address") => {
                    NoAnswer::NoName(words)
                }
                other @ (NoAnswer::Broken(_)
                | NoAnswer::Refused
                | NoAnswer::TimedOut(_)
                | NoAnswer::NoName(_)
                | NoAnswer::Unreachable(_)
                | NoAnswer::Tls(_)
                | NoAnswer::Busy(_)
                | NoAnswer::Denied(_)
                | NoAnswer::Setup(_)) => other,
            };
        }
        last = this.to_string();
        cause = this.source();
    }
    match last.contains("password") || last.contains("authentication") {
        true => NoAnswer::Denied(last),
        false => NoAnswer::Broken(last),
    }
}
