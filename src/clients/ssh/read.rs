//! What comes over a channel, bounded while it is read.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::clients::collector::Request;

/// Kept of a command's stdout and of its stderr each; what comes after is read and dropped.
pub(super) const LONGEST: usize = 1 << 20;
/// The same of a collection, which may have a megabyte of each followed log.
const LONGEST_COLLECTION: usize = 8 << 20;
/// Reads until the collector's last mark.
pub(super) async fn until_whole(
    mut from: impl AsyncRead + Unpin,
    request: &Request,
    into: &mut Vec<u8>,
) {
    let mut chunk = vec![0; 32 << 10];
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        let room = LONGEST_COLLECTION.saturating_sub(into.len()).min(n);
        into.extend_from_slice(&chunk[..room]);
        if request.is_whole(into) || room == 0 {
            return;
        }
    }
}

/// Reads to the end and keeps the first part.
pub(super) async fn bounded(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut chunk = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        let room = LONGEST.saturating_sub(kept.len()).min(n);
        kept.extend_from_slice(&chunk[..room]);
    }
    kept
}
