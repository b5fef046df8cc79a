//! The command line's end of the socket.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::clients::socket::{NoDaemon, SocketClient};
use crate::control::ROUTE;
use crate::model::time::Span;
use crate::operator::order::{Order, Refusal};

/// Why an order brought no view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// No daemon listens at any of these places.
    NotRunning(Vec<PathBuf>),
    /// A daemon is there, but did not answer: not this user's, too slow, broken off.
    Daemon(NoDaemon),
    /// It answered no.
    Refused(Refusal),
    /// It answered what this command does not understand.
    Odd(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(places) => {
                f.write_str("reef is not running (no daemon at ")?;
                for (n, path) in places.iter().enumerate() {
                    write!(f, "{}{}", if n == 0 { "" } else { ", " }, path.display())?;
                }
                f.write_str("). Start it with `reef run`, or say with --state where its state is")
            }
            Self::Daemon(why) => why.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Odd(what) => write!(
                f,
                "reef answered what this command does not understand: {what}. Is the command of another version \
                 than the daemon?"
            ),
        }
    }
}

impl std::error::Error for NoAnswer {}

/// Gives orders to the daemon at the first place where one listens.
#[derive(Debug)]
pub struct Client {
    sockets: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Envelope {
    Ok(Json),
    Refused(Refusal),
}

impl Client {
    /// Looks for the daemon at these sockets, in order.
    pub fn new(sockets: Vec<PathBuf>) -> Self {
        Self { sockets }
    }

    /// The places where it looks.
    pub fn sockets(&self) -> &[PathBuf] {
        &self.sockets
    }

    /// The view as it came.
    pub async fn ask(&self, order: &Order) -> Result<Json, NoAnswer> {
        let body = serde_json::to_value(order).map_err(|e| NoAnswer::Odd(e.to_string()))?;
        let mut forbidden = None;
        for path in &self.sockets {
            match SocketClient::new(path, patience(order)).post(ROUTE, &body).await {
                Ok((_, answer)) => return open(path, answer),
                Err(NoDaemon::Absent(_)) => {}
                // There may be another daemon, of this user's, further on.
                Err(why @ NoDaemon::Forbidden(_)) => forbidden = Some(why),
                Err(why @ (NoDaemon::TimedOut(_) | NoDaemon::Broken(_))) => {
                    return Err(NoAnswer::Daemon(why));
                }
            }
        }
        match forbidden {
            Some(why) => Err(NoAnswer::Daemon(why)),
            None => Err(NoAnswer::NotRunning(self.sockets.clone())),
        }
    }
}

fn open(path: &Path, answer: Json) -> Result<Json, NoAnswer> {
    match serde_json::from_value(answer) {
        Ok(Envelope::Ok(view)) => Ok(view),
        Ok(Envelope::Refused(refusal)) => Err(NoAnswer::Refused(refusal)),
        Err(error) => Err(NoAnswer::Odd(format!("{error} ({})", path.display()))),
    }
}

/// A view out of its JSON.
pub fn view<T: DeserializeOwned>(json: Json) -> Result<T, NoAnswer> {
    serde_json::from_value(json).map_err(|error| NoAnswer::Odd(error.to_string()))
}

/// How long an order may take: some look at machines before they answer.
fn patience(order: &Order) -> Span {
    match order {
        // Servers that do not run yet are started for it.
        Order::Offered { .. } => Span::mins(2),
        Order::Status
        | Order::Incidents { .. }
        | Order::Approvals { .. }
        | Order::AuditList { .. }
        | Order::AuditShow { .. }
        | Order::Runbooks
        | Order::RunbookRecord { .. }
        | Order::RunbookDemote { .. }
        | Order::RunbookPromote { .. }
        | Order::AcceptTool { .. }
        | Order::AuditTimeline { .. }
        | Order::AuditExport { .. }
        | Order::Tools
        | Order::DrillProgress
        | Order::Run { .. }
        | Order::Ack { .. }
        | Order::SilenceAdd { .. }
        | Order::Silences
        | Order::SilenceExpire { .. }
        | Order::Ping { .. }
        | Order::Deny { .. }
        | Order::Settle { .. }
        | Order::Pause { .. }
        | Order::Resume => Span::secs(10),
        Order::Approve { .. } | Order::Reload | Order::Report | Order::Drill => Span::secs(60),
        Order::Check { .. }
        | Order::AuditVerify { .. }
        | Order::Renew { .. }
        | Order::RunbookTest { .. }
        | Order::RunbookRun { .. }
        | Order::Undo { .. } => Span::mins(3),
    }
}
