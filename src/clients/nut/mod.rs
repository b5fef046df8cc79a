//! Network UPS Tools: the variables of one UPS, asked of its upsd (RFC 9271).

use std::collections::BTreeMap;
use std::fmt;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::model::time::Span;

/// A driver tells less than a hundred variables.
const MOST: usize = 1_000;
/// Of one line, in bytes.
const LONGEST: u64 = 1 << 10;

/// Why a UPS told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoUps {
    /// The server could not be reached.
    Unreachable(String),
    /// The server answers, and knows no UPS of this name.
    Unknown,
    /// The server does not hear the UPS: cable, driver.
    Stale(String),
    /// What came was no answer, or a refusal.
    Refused(String),
    TimedOut(Span),
}

impl fmt::Display for NoUps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "upsd cannot be reached: {why}"),
            Self::Unknown => f.write_str("upsd knows no UPS of this name; see upsc -l"),
            Self::Stale(why) => {
                write!(f, "upsd does not hear the UPS ({why}): see its cable and its driver")
            }
            Self::Refused(why) => write!(f, "upsd refuses: {why}"),
            Self::TimedOut(after) => write!(f, "upsd did not answer within {after}"),
        }
    }
}

/// All variables of the UPS, by their names: `ups.status` is `OL CHRG`.
pub async fn variables(
    host: &str,
    port: u16,
    ups: &str,
    within: Span,
) -> Result<BTreeMap<String, String>, NoUps> {
    let asking = ask(host, port, ups);
    timeout(within.duration(), asking).await.unwrap_or(Err(NoUps::TimedOut(within)))
}

async fn ask(host: &str, port: u16, ups: &str) -> Result<BTreeMap<String, String>, NoUps> {
    let unreachable = |why: std::io::Error| NoUps::Unreachable(why.to_string());
    let mut stream = TcpStream::connect((host, port)).await.map_err(unreachable)?;
    let asked = format!("LIST VAR {ups}\n");
    stream.write_all(asked.as_bytes()).await.map_err(unreachable)?;
    let mut reader = BufReader::new(stream);
    let mut found = BTreeMap::new();
    for _ in 0..MOST {
        let mut line = String::new();
        let n = (&mut reader).take(LONGEST).read_line(&mut line).await.map_err(unreachable)?;
        let line = line.trim_end();
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            _ if n == 0 => return Err(NoUps::Refused("it closed the connection".into())),
            ["BEGIN", "LIST", ..] => {}
            ["END", "LIST", ..] => {
                // Best effort: the server closes an idle connection itself.
                drop(reader.get_mut().write_all(b"LOGOUT\n").await);
                return Ok(found);
            }
            ["VAR", _, name, value] => {
                found.insert(name.to_owned(), unquote(value));
            }
            ["ERR", "UNKNOWN-UPS", ..] => return Err(NoUps::Unknown),
            ["ERR", why @ ("DATA-STALE" | "DRIVER-NOT-CONNECTED"), ..] => {
                return Err(NoUps::Stale(why.to_ascii_lowercase()));
            }
            _ => return Err(NoUps::Refused(line.chars().take(100).collect())),
        }
    }
    Err(NoUps::Refused("it tells variables without end".into()))
}

/// `"a \"b\""`, where a backslash stands before quotes and itself.
fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
pub(crate) mod fake;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::nut::fake::Upsd;

    #[tokio::test]
    async fn variables_come_and_each_refusal_is_told_apart() {
        let upsd = Upsd::start().await;
        upsd.set("rack", &[("ups.status", "OL"), ("ups.model", "Back \"UPS\" \\ 700")]);
        let ask = |ups: &'static str| variables("127.0.0.1", upsd.port(), ups, Span::secs(5));
        let found = ask("rack").await.unwrap();
        assert_eq!(found["ups.status"], "OL");
        assert_eq!(found["ups.model"], "Back \"UPS\" \\ 700");
        assert_eq!(ask("cellar").await, Err(NoUps::Unknown));
        upsd.unplug("rack");
        assert!(matches!(ask("rack").await, Err(NoUps::Stale(_))));
        let port = upsd.port();
        drop(upsd);
        let gone = variables("127.0.0.1", port, "rack", Span::secs(5)).await;
        assert!(matches!(gone, Err(NoUps::Unreachable(_))), "{gone:?}");
        // Somebody who listens and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let hung = variables("127.0.0.1", port, "rack", Span(100)).await;
        assert_eq!(hung, Err(NoUps::TimedOut(Span(100))));
    }
}
