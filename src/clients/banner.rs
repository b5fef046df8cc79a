//! A TCP port, and what it says first.

use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::clients::answer::{NoAnswer, connect};
use crate::model::taint::Tainted;
use crate::model::time::Span;

/// The most of a banner that is read.
const LONGEST: usize = 512;

/// What a port said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Until the connection stood.
    pub took: Span,
    /// What it said by itself, as far as it was waited for.
    pub banner: Tainted,
    /// Whether what was expected came.
    pub fits: bool,
}

/// Connects, and reads until `expect` has come, the peer is done, or `timeout` is over. Sends nothing.
pub async fn look(
    host: &str,
    port: u16,
    expect: Option<&str>,
    timeout: Span,
) -> Result<Opened, NoAnswer> {
    let began = Instant::now();
    let connecting = tokio::time::timeout(timeout.duration(), connect(host, port)).await;
    let mut stream = connecting.unwrap_or(Err(NoAnswer::TimedOut(timeout)))?;
    let took = Span::from(began.elapsed());
    let Some(expect) = expect else {
        return Ok(Opened { took, banner: Tainted::default(), fits: true });
    };
    let mut said = Vec::new();
    let reading = async {
        let mut buffer = [0; 128];
        while said.len() < LONGEST && !contains(&said, expect) {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n) => said.extend_from_slice(&buffer[..n]),
            }
        }
    };
    let left = Span(timeout.0.saturating_sub(Span::from(began.elapsed()).0));
    // A silent peer has said what it has said.
    let _over = tokio::time::timeout(left.duration(), reading).await;
    let fits = contains(&said, expect);
    Ok(Opened { took, banner: Tainted::from_bytes(&said), fits })
}

fn contains(said: &[u8], expect: &str) -> bool {
    expect.is_empty() || said.windows(expect.len()).any(|part| part == expect.as_bytes())
}
