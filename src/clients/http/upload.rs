//! A PUT whose body is read from a file while it is sent: at no time are more than a few pieces of it in memory.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::Method;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{Answer, BODY, Http, answer, with_body};
use crate::gate::permit::Permit;
use crate::model::time::Span;

/// What is read of the file at once.
const PIECE: usize = 128 << 10;
/// Pieces that wait for the network.
const WAITING: usize = 4;

/// A file on its way to a server.
pub struct PutRequest {
    pub url: WebUrl,
    pub headers: Vec<(String, String)>,
    /// Read from its beginning, wherever it stands.
    pub file: File,
    /// As much of it is sent, and said beforehand; a file that is shorter by now breaks it off.
    pub bytes: u64,
    /// For the whole of it.
    pub timeout: Span,
}

impl fmt::Debug for PutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PUT {} bytes to {} within {}", self.bytes, self.url, self.timeout)
    }
}

impl Http {
    /// Sends a file. Redirects are not followed, and nothing is sent twice.
    pub async fn put(&self, _: &Permit, request: PutRequest) -> Result<Answer, HttpError> {
        let (started, timeout) = (Instant::now(), request.timeout);
        let sending = async {
            let PutRequest { url, headers, file, bytes, .. } = request;
            let body = FromFile { pieces: pieces(file, bytes), left: bytes };
            let sent = with_body(Method::PUT, &url, &headers, body)?;
            let came = self.wire(&url)?.send(&url, sent, BODY).await?;
            Ok(answer(came, started))
        };
        let sent = tokio::time::timeout(timeout.duration(), sending).await;
        sent.unwrap_or(Err(HttpError::TimedOut(timeout)))
    }
}

/// Reads on a thread that may block, no further ahead than the network is.
fn pieces(file: File, bytes: u64) -> mpsc::Receiver<io::Result<Bytes>> {
    let (to, pieces) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut at = 0;
        while at < bytes {
            let room = usize::try_from(bytes - at).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; room];
            let read = match file.read_at(&mut piece, at) {
                Ok(0) => {
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter now"))
                }
                Ok(n) => {
                    piece.truncate(n);
                    at += n as u64;
                    Ok(Bytes::from(piece))
                }
                Err(why) => Err(why),
            };
            let over = read.is_err();
            // Nobody takes it any more where the sending broke off.
            if to.blocking_send(read).is_err() || over {
                return;
            }
        }
    });
    pieces
}

struct FromFile {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl Body for FromFile {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = self.get_mut();
        if body.left == 0 {
            return Poll::Ready(None);
        }
        body.pieces.poll_recv(cx).map(|piece| {
            let gone = || io::Error::other("the reading of the file broke off");
            let piece = piece.unwrap_or_else(|| Err(gone()));
            if let Ok(piece) = &piece {
                body.left = body.left.saturating_sub(piece.len() as u64);
            }
            Some(piece.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
