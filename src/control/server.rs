//! The daemon's end of the socket.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use axum::serve::IncomingStream;
use serde_json::json;
use tokio::net::{UnixListener, UnixSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::control::peer::Peer;
use crate::control::{Carries, ROUTE, rights};
use crate::operator::order::{Order, Refusal, Who};

/// More than any order.
const LARGEST: usize = 1 << 20;

/// How many may wait to be accepted.
const BACKLOG: u32 = 64;

/// How long half a request may keep the daemon from stopping.
const LINGER: Duration = Duration::from_secs(5);

/// The longest path that a socket may have (unix(7): `sun_path` has 108 bytes, one of them a zero).
const LONGEST_PATH: usize = 107;

/// While it is made, it has another name: nobody may connect before its mode is right.
const UNFINISHED: &str = ".new";

/// Why there is no socket.
#[derive(Debug)]
pub enum BindError {
    /// A daemon answers on it.
    Live(PathBuf),
    /// Something that is no socket has its name.
    InTheWay(PathBuf),
    TooLong(PathBuf),
    Other(PathBuf, std::io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live(path) => write!(
                f,
                "another reef answers on {}. Stop that one first, or give this one another folder with --state",
                path.display()
            ),
            Self::InTheWay(path) => write!(
                f,
                "{} is there and is no socket. Move it away, or give reef another folder with --state",
                path.display()
            ),
            Self::TooLong(path) => write!(
                f,
                "the path of the socket, {}, is longer than {} bytes. Name a folder with a shorter path with --state",
                path.display(),
                LONGEST_PATH - UNFINISHED.len()
            ),
            Self::Other(path, error) => {
                write!(f, "the socket {} cannot be made: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for BindError {}

/// A socket that is listened on. Dropping it takes its file away.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of the socket, known by its inode: another's of the same name is not ours to remove.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: Option<(u64, u64)>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.inode.is_some() && inode(&self.path) == self.inode {
            // Nothing can be done about a file that stays: the next daemon replaces it.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

impl Server {
    /// Listens at `path`, for the user that runs reef alone (0600). What a dead daemon left is replaced.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let other = |error| BindError::Other(path.to_owned(), error);
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        if LONGEST_PATH < unfinished.len() {
            return Err(BindError::TooLong(path.to_owned()));
        }
        not_taken(path)?;
        let unfinished = Path::new(&unfinished);
        match std::fs::remove_file(unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(other(error)),
            Ok(()) | Err(_) => {}
        }
        let socket = UnixSocket::new_stream().map_err(other)?;
        socket.bind(unfinished).map_err(other)?;
        let made = || {
            std::fs::set_permissions(unfinished, std::fs::Permissions::from_mode(0o600))?;
            let listener = socket.listen(BACKLOG)?;
            std::fs::rename(unfinished, path)?;
            Ok(listener)
        };
        let listener = made().map_err(other)?;
        let file = SocketFile { path: path.to_owned(), inode: inode(path) };
        Ok(Self { listener, file })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Takes orders until `stop`, then lets those under way end. An order goes on to its end even if
    /// whoever gave it has hung up.
    pub async fn serve(
        self,
        carries: Arc<dyn Carries>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let orders = TaskTracker::new();
        let own = rustix::process::geteuid().as_raw();
        let desk = Arc::new(Desk { carries, own, orders: orders.clone() });
        let app = Router::new()
            .route(ROUTE, post(take))
            .fallback(nowhere)
            .layer(DefaultBodyLimit::max(LARGEST))
            .with_state(desk);
        let callers = app.into_make_service_with_connect_info::<Caller>();
        let serving = axum::serve(self.listener, callers)
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(LINGER).await;
        };
        let served = tokio::select! {
            served = serving => served,
            // Somebody connected and never finished a request: nothing of theirs is under way.
            () = late => Ok(()),
        };
        orders.close();
        orders.wait().await;
        drop(self.file);
        served.context("the socket for orders broke")
    }
}

/// Refuses to take the place of a daemon that lives, or of what is no socket.
fn not_taken(path: &Path) -> Result<(), BindError> {
    let other = |error| BindError::Other(path.to_owned(), error);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(other(error)),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(BindError::InTheWay(path.to_owned()));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(BindError::Live(path.to_owned())),
        Err(error)
            if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) =>
        {
            Ok(())
        }
        // A full backlog is a daemon that is alive and busy.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(BindError::Live(path.to_owned()))
        }
        Err(error) => Err(other(error)),
    }
}

/// Where orders are taken.
struct Desk {
    carries: Arc<dyn Carries>,
    /// The daemon's own uid.
    own: u32,
    orders: TaskTracker,
}

/// The peer of a connection; `None` where the kernel does not say who it is.
#[derive(Debug, Clone, Copy)]
struct Caller(Option<Peer>);

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(Peer::of(stream.io().peer_cred()))
    }
}

async fn take(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(Caller(peer)): ConnectInfo<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(why) => {
            let words = match why.status() {
                StatusCode::PAYLOAD_TOO_LARGE => "an order has at most 1 MiB".to_owned(),
                _ => why.body_text(),
            };
            return refused(why.status(), &Refusal { why: words });
        }
    };
    let order: Order = match serde_json::from_slice(&body) {
        Ok(order) => order,
        Err(error) => {
            let why = format!(
                "this reef does not know such an order: {error}. Is the command of another version than the daemon?"
            );
            return refused(StatusCode::BAD_REQUEST, &Refusal { why });
        }
    };
    let Some(peer) = peer else {
        let why = "the kernel does not say who is asking".into();
        return refused(StatusCode::FORBIDDEN, &Refusal { why });
    };
    if let Err(refusal) = rights::may(&peer, &order, desk.own) {
        tracing::warn!(uid = peer.uid, "refused over the socket: {refusal}");
        return refused(StatusCode::FORBIDDEN, &refusal);
    }
    // On a task of its own: a caller that hangs up drops this future, but not what it has begun.
    let carries = Arc::clone(&desk.carries);
    let who = Who { uid: peer.uid };
    let carried = desk.orders.spawn(async move { carries.carry_out(order, who).await }).await;
    match carried {
        Ok(Ok(view)) => Json(json!({ "ok": view })).into_response(),
        Ok(Err(refusal)) => refused(StatusCode::UNPROCESSABLE_ENTITY, &refusal),
        Err(broken) => {
            tracing::error!("an order broke: {broken}");
            let why = "carrying out this order broke within reef; its log says more".into();
            refused(StatusCode::INTERNAL_SERVER_ERROR, &Refusal { why })
        }
    }
}

async fn nowhere() -> Response {
    let why = format!("orders go to POST {ROUTE}");
    refused(StatusCode::NOT_FOUND, &Refusal { why })
}

fn refused(status: StatusCode, refusal: &Refusal) -> Response {
    (status, Json(json!({ "refused": refusal }))).into_response()
}

#[cfg(test)]
mod tests;
