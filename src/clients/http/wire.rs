//! One exchange over one connection, and the connections that are kept between looks.
//!
//! hyper speaks HTTP. Nothing polls a connection between two looks: what is kept is the socket alone, so
//! that a thousand idle connections cost no task, no wake-up and no buffer.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::{Request, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use crate::clients::http::BODY;
use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::model::time::Span;

/// Longer than the interval between two looks, so that the connection is still there.
const KEPT_ALIVE: Span = Span::secs(150);
/// All looks of a tick go out at once; one that finds no idle connection pays for a new one, which costs
/// more than the look. No more are kept than looks went out at once.
const KEPT_PER_PLACE: usize = 256;
/// The head of an answer and a piece of its body must fit in here.
const BUFFER: usize = 64 << 10;

/// The way to servers: over plain connections, over TLS, or to a unix socket.
pub(super) struct Wire {
    connector: HttpConnector,
    tls: Option<TlsConnector>,
    socket: Option<PathBuf>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// By host and port.
    lines: BTreeMap<(String, u16), Vec<(Instant, Line)>>,
    swept_at: Option<Instant>,
}

/// Whether a request may go out again over a new connection when a kept one proves to be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Yes,
    No,
}

/// What came back.
pub(super) struct Came {
    pub status: u16,
    pub location: Option<String>,
    pub body: Vec<u8>,
    /// Whether the body went on beyond what was kept.
    pub cut: bool,
}

impl Wire {
    pub(super) fn new(tls: Option<rustls::ClientConfig>, socket: Option<PathBuf>) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let tls = tls.map(|mut config| {
            // No other version is spoken here.
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsConnector::from(Arc::new(config))
        });
        Self { connector, tls, socket, idle: Mutex::default() }
    }

    /// Sends one request to the server of `url` and reads its answer, of the body up to `max_body`.
    pub(super) async fn ask(
        &self,
        url: &WebUrl,
        request: Request<Full<Bytes>>,
        max_body: usize,
        again: Again,
    ) -> Result<Came, HttpError> {
        if again == Again::Yes
            && let Some(line) = self.kept(url)
        {
            match exchange(line, request.clone(), max_body).await {
                Ok((came, line)) => return Ok(self.keep(url, came, line)),
                // The server closed it meanwhile, which says nothing about the server.
                Err(Failed::Early(_)) => {}
                Err(Failed::Late(error)) => return Err(HttpError::of_causes(&error)),
            }
        }
        let line = self.open(url).await?;
        match exchange(line, request, max_body).await {
            Ok((came, line)) => Ok(self.keep(url, came, line)),
            Err(Failed::Early(error) | Failed::Late(error)) => Err(HttpError::of_causes(&error)),
        }
    }

    /// Sends one request, whose body can be read only once, over a connection of its own.
    pub(super) async fn send<B>(
        &self,
        url: &WebUrl,
        request: Request<B>,
        max_body: usize,
    ) -> Result<Came, HttpError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let line = self.open(url).await?;
        match exchange(line, request, max_body).await {
            Ok((came, line)) => Ok(self.keep(url, came, line)),
            Err(Failed::Early(error) | Failed::Late(error)) => Err(HttpError::of_causes(&error)),
        }
    }

    async fn open(&self, url: &WebUrl) -> Result<Line, HttpError> {
        if let Some(socket) = &self.socket {
            let stream = UnixStream::connect(socket).await;
            return stream.map(Line::Unix).map_err(|e| HttpError::of_causes(&e));
        }
        let to = format!("{}://{}", if url.is_https() { "https" } else { "http" }, url.authority());
        let to = Uri::try_from(to).map_err(|e| HttpError::Setup(e.to_string()))?;
        let opened = self.connector.clone().call(to).await;
        let tcp = opened.map_err(|e| HttpError::of_causes(&e))?.into_inner();
        let Some(tls) = &self.tls else { return Ok(Line::Tcp(tcp)) };
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|_| HttpError::Setup(format!("{} is no name for TLS", url.host())))?;
        let stream = tls.connect(name, tcp).await.map_err(|e| HttpError::of_causes(&e))?;
        Ok(Line::Tls(Box::new(stream)))
    }

    fn kept(&self, url: &WebUrl) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = idle.lines.get_mut(&place(url))?;
        while let Some((since, line)) = lines.pop() {
            if since.elapsed() < KEPT_ALIVE.duration() && line.is_quiet() {
                return Some(line);
            }
        }
        None
    }

    fn keep(&self, url: &WebUrl, came: Came, line: Option<Line>) -> Came {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(line) = line {
            let lines = idle.lines.entry(place(url)).or_default();
            if lines.len() < KEPT_PER_PLACE {
                lines.push((now, line));
            }
        }
        if idle.swept_at.is_none_or(|at| KEPT_ALIVE.duration() < now - at) {
            idle.swept_at = Some(now);
            idle.lines.retain(|_, lines| {
                lines.retain(|(since, _)| now - *since < KEPT_ALIVE.duration());
                !lines.is_empty()
            });
        }
        came
    }
}

fn place(url: &WebUrl) -> (String, u16) {
    (url.host().to_owned(), url.port())
}

/// Why an exchange brought nothing.
enum Failed {
    /// Before anything came.
    Early(hyper::Error),
    Late(hyper::Error),
}

/// Asks over `line`; gives it back where it can be asked again.
async fn exchange<B>(
    line: Line,
    request: Request<B>,
    max_body: usize,
) -> Result<(Came, Option<Line>), Failed>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let opened = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(line)).await;
    let (mut sender, mut connection) = opened.map_err(Failed::Early)?;
    let mut over = false;
    let (came, whole) = {
        let mut talk = pin!(talk(&mut sender, request, max_body));
        poll_fn(|cx| {
            if let Poll::Ready(came) = talk.as_mut().poll(cx) {
                return Poll::Ready(came);
            }
            // The connection moves the bytes. Its own end, and why, reach the talk through the sender.
            if !over {
                over = connection.poll_without_shutdown(cx).is_ready();
            }
            talk.as_mut().poll(cx)
        })
        .await?
    };
    if !over && whole {
        over = poll_fn(|cx| Poll::Ready(connection.poll_without_shutdown(cx).is_ready())).await;
    }
    let again = !over && whole && sender.is_ready();
    let parts = again.then(|| connection.into_parts()).filter(|parts| parts.read_buf.is_empty());
    Ok((came, parts.map(|parts| parts.io.into_inner())))
}

/// Keeps the body up to its bound, and reads on a little: a body that was read to its end leaves the
/// connection to the next request, one that was not closes it.
async fn talk<B>(
    sender: &mut http1::SendRequest<B>,
    request: Request<B>,
    max_body: usize,
) -> Result<(Came, bool), Failed>
where
    B: Body<Data = Bytes> + 'static,
{
    let response = sender.send_request(request).await.map_err(Failed::Early)?;
    let status = response.status().as_u16();
    let location = response.headers().get("location").and_then(|to| to.to_str().ok());
    let location = location.map(str::to_owned);
    let mut incoming = response.into_body();
    let (mut body, mut seen) = (Vec::new(), 0_usize);
    let mut whole = true;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(Failed::Late)?;
        let Some(piece) = frame.data_ref() else { continue };
        seen = seen.saturating_add(piece.len());
        let room = max_body - body.len();
        body.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
        if max_body.max(BODY) < seen {
            whole = false;
            break;
        }
    }
    Ok((Came { status, location, body, cut: max_body < seen }, whole))
}

/// A connection.
enum Line {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Line {
    /// Whether the server has said nothing since the last exchange: neither closed it nor spoke unasked.
    fn is_quiet(&self) -> bool {
        let said = match self {
            Self::Tcp(stream) => stream.try_read(&mut [0]),
            // A ticket for the next handshake may come at any time: what it was shows in the exchange.
            Self::Tls(_) => return true,
            Self::Unix(stream) => stream.try_read(&mut [0]),
        };
        said.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
