//! Redis and its kin: RESP2 questions over one connection per look.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::TlsConnector;

use crate::Fut;
use crate::clients::answer::{NoAnswer, connect};
use crate::clients::tls::trust;
use crate::config::given::Given;
use crate::config::keys::Key;
use crate::config::setting::Setting;

/// More is no answer to a question of ours.
const LONGEST_LINE: u64 = 4 << 10;
const LARGEST_TEXT: usize = 64 << 10;
const MOST_ITEMS: usize = 2_000;
const DEEPEST: u8 = 4;

/// `redis://nas:6379/0`, `rediss://` with TLS. Never with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    written: String,
    pub host: String,
    port: u16,
    user: Option<String>,
    database: u32,
    tls: bool,
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Setting for RedisUrl {
    fn read(given: &Given) -> Result<Self, String> {
        const WRONG: &str = "is no URL of a Redis server: write redis://HOST:6379/0";
        let written = String::read(given)?;
        let url = reqwest::Url::parse(&written).map_err(|_| WRONG.to_owned())?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _other => return Err(WRONG.into()),
        };
        if url.password().is_some() {
            return Err("has a password in it: write password_file = \"/path\" beside it".into());
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(WRONG)?;
        let path = url.path().trim_matches('/');
        let database = if path.is_empty() { 0 } else { path.parse().map_err(|_| WRONG)? };
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(6379),
            user: Some(url.username().to_owned()).filter(|user| !user.is_empty()),
            written,
            database,
            tls,
        })
    }
    fn show(&self) -> String {
        self.written.clone()
    }
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    pub entries: u64,
    /// Consumers of the group that was asked for.
    pub consumers: Option<u64>,
}

/// One server.
#[derive(Clone)]
pub struct Redis {
    pub url: RedisUrl,
    pub password: Option<Key>,
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis client of {:?}", self.url)
    }
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Text(String),
    Number(i64),
    List(Vec<Said>),
    Nothing,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}
type Line = BufReader<Box<dyn Duplex>>;

impl Redis {
    /// How many entries a key has: a list, a stream, a set or a sorted set; none where there is no such
    /// key, because an empty queue is none. With `group`, what that group of a stream's readers has not
    /// acknowledged yet. Whoever calls limits the time.
    pub async fn length(&self, key: &str, group: Option<&str>) -> Result<Option<Length>, NoAnswer> {
        let mut line = self.connect().await?;
        let Said::Text(kind) = ask(&mut line, &["TYPE", key]).await? else { return Err(broken()) };
        let command = match (kind.as_str(), group) {
            ("none", None) => return Ok(Some(Length { entries: 0, consumers: None })),
            ("none", Some(_)) => return Ok(None),
            ("stream", Some(group)) => {
                let said = ask(&mut line, &["XINFO", "GROUPS", key]).await?;
                return of_group(&said, group);
            }
            ("list", _) => "LLEN",
            ("stream", None) => "XLEN",
            ("set", _) => "SCARD",
            ("zset", _) => "ZCARD",
            (other, _) => {
                return Err(NoAnswer::Setup(format!("the key {key} is a {other} and no queue")));
            }
        };
        match ask(&mut line, &[command, key]).await? {
            Said::Number(n) => {
                Ok(Some(Length { entries: n.max(0).unsigned_abs(), consumers: None }))
            }
            Said::Text(_) | Said::List(_) | Said::Nothing => Err(broken()),
        }
    }

    async fn connect(&self) -> Result<Line, NoAnswer> {
        let tcp = connect(&self.url.host, self.url.port).await?;
        let io: Box<dyn Duplex> = match self.url.tls {
            false => Box::new(tcp),
            true => {
                let roots = trust::roots(self.ca_file.as_deref()).map_err(NoAnswer::Setup)?;
                let mut config = trust::client_config(roots).map_err(NoAnswer::Setup)?;
                config.alpn_protocols.clear();
                let name = ServerName::try_from(self.url.host.clone())
                    .map_err(|e| NoAnswer::Setup(e.to_string()))?;
                let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
                Box::new(connecting.await.map_err(|e| NoAnswer::of_io(&e))?)
            }
        };
        let mut line = BufReader::new(io);
        if let Some(key) = &self.password {
            let password = key.value().map_err(|why| NoAnswer::Setup(why.to_owned()))?;
            let password = password.expose_secret();
            match &self.url.user {
                Some(user) => ask(&mut line, &["AUTH", user, password]).await?,
                None => ask(&mut line, &["AUTH", password]).await?,
            };
        }
        if self.url.database != 0 {
            ask(&mut line, &["SELECT", &self.url.database.to_string()]).await?;
        }
        Ok(line)
    }
}

fn broken() -> NoAnswer {
    NoAnswer::Broken("an answer that does not follow the protocol".into())
}

/// Pending entries and, where the server knows it (7.0), those not delivered yet.
fn of_group(said: &Said, group: &str) -> Result<Option<Length>, NoAnswer> {
    let Said::List(groups) = said else { return Err(broken()) };
    for one in groups {
        let Said::List(pairs) = one else { return Err(broken()) };
        let value = |name: &str| {
            let named = |pair: &&[Said]| pair[0] == Said::Text(name.to_owned());
            pairs.chunks_exact(2).find(named).map(|pair| pair[1].clone())
        };
        if value("name") != Some(Said::Text(group.to_owned())) {
            continue;
        }
        let number = |name| match value(name) {
            Some(Said::Number(n)) => Some(n.max(0).unsigned_abs()),
            Some(Said::Text(_) | Said::List(_) | Said::Nothing) | None => None,
        };
        let pending = number("pending").ok_or_else(broken)?;
        let entries = pending.saturating_add(number("lag").unwrap_or(0));
        return Ok(Some(Length { entries, consumers: number("consumers") }));
    }
    Ok(None)
}

async fn ask(line: &mut Line, words: &[&str]) -> Result<Said, NoAnswer> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command += &format!("${}\r\n{word}\r\n", word.len());
    }
    let io = |e: std::io::Error| NoAnswer::of_io(&e);
    line.write_all(command.as_bytes()).await.map_err(io)?;
    line.flush().await.map_err(io)?;
    answer(line, DEEPEST).await
}

/// Reads one answer; a list within a list within a list is as deep as they go.
fn answer<'a, R: AsyncBufReadExt + Unpin + Send>(
    line: &'a mut R,
    deep: u8,
) -> Fut<'a, Result<Said, NoAnswer>> {
    Box::pin(async move {
        let io = |e: std::io::Error| NoAnswer::of_io(&e);
        let mut head = Vec::new();
        (&mut *line).take(LONGEST_LINE).read_until(b'\n', &mut head).await.map_err(io)?;
        let Some(head) = head.strip_suffix(b"\r\n") else { return Err(broken()) };
        let head = String::from_utf8_lossy(head);
        let (Some(kind), Some(rest)) = (head.chars().next(), head.get(1..)) else {
            return Err(broken());
        };
        let length = || rest.parse::<i64>().map_err(|_| broken());
        match kind {
            '+' => Ok(Said::Text(rest.to_owned())),
            '-' => Err(refused(rest)),
            ':' => Ok(Said::Number(length()?)),
            '$' => {
                let Ok(n) = usize::try_from(length()?) else { return Ok(Said::Nothing) };
                if LARGEST_TEXT < n {
                    return Err(NoAnswer::Broken(format!("a text of {n} bytes")));
                }
                let mut text = vec![0; n + 2];
                line.read_exact(&mut text).await.map_err(io)?;
                text.truncate(n);
                Ok(Said::Text(String::from_utf8_lossy(&text).into_owned()))
            }
            '*' => {
                let Ok(n) = usize::try_from(length()?) else { return Ok(Said::Nothing) };
                let Some(deeper) = deep.checked_sub(1).filter(|_| n <= MOST_ITEMS) else {
                    return Err(NoAnswer::Broken(format!("a list of {n}, too many or too deep")));
                };
                let mut items = Vec::new();
                for _ in 0..n {
                    items.push(answer(line, deeper).await?);
                }
                Ok(Said::List(items))
            }
            _other => Err(broken()),
        }
    })
}

/// Sorts an error by its first word.
fn refused(words: &str) -> NoAnswer {
    let words: String = words.chars().take(200).collect();
    match words.split_whitespace().next().unwrap_or_default() {
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => NoAnswer::Denied(words),
        "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" => NoAnswer::Busy(words),
        // A server without a password refuses one: the config is wrong, not the server.
        _other if words.contains("AUTH") => NoAnswer::Denied(words),
        _other if words.contains("max number of clients") => NoAnswer::Busy(words),
        _other => NoAnswer::Broken(words),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn read(bytes: &[u8]) -> Result<Said, NoAnswer> {
        answer(&mut BufReader::new(bytes), DEEPEST).await
    }

    #[tokio::test]
    async fn answers_are_read_and_bounded() {
        let text = |t: &str| Said::Text(t.to_owned());
        assert_eq!(read(b"+list\r\n").await, Ok(text("list")));
        assert_eq!(read(b":42\r\n").await, Ok(Said::Number(42)));
        assert_eq!(read(b"$-1\r\n").await, Ok(Said::Nothing));
        assert_eq!(read(b"$2\r\nhi\r\n").await, Ok(text("hi")));
        let list = Said::List(vec![Said::Number(1), Said::List(vec![text("x")])]);
        assert_eq!(read(b"*2\r\n:1\r\n*1\r\n+x\r\n").await, Ok(list));
        for (bytes, word) in [
            (&b"-NOAUTH Authentication required.\r\n"[..], "denied"),
            (b"-WRONGPASS invalid\r\n", "denied"),
            (b"-LOADING Redis is loading\r\n", "busy"),
            (b"-ERR unknown command\r\n", "broken"),
            (b"$99999999\r\n", "broken"),
            (b"*99999999\r\n", "broken"),
            (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "broken"),
            (b"HTTP/1.1 400 Bad\r\n", "broken"),
            (b"", "broken"),
        ] {
            assert_eq!(read(bytes).await.unwrap_err().word(), word, "{bytes:?}");
        }
    }

    #[test]
    fn a_group_has_what_it_did_not_acknowledge() {
        let t = |text: &str| Said::Text(text.to_owned());
        let n = Said::Number;
        let group = |name: &str, lag: Said| {
            let pairs =
                vec![t("name"), t(name), t("consumers"), n(2), t("pending"), n(5), t("lag"), lag];
            Said::List(pairs)
        };
        let all = Said::List(vec![group("a", n(7)), group("b", Said::Nothing)]);
        let of = |name| of_group(&all, name).unwrap();
        assert_eq!(of("a"), Some(Length { entries: 12, consumers: Some(2) }));
        assert_eq!(of("b"), Some(Length { entries: 5, consumers: Some(2) }));
        assert_eq!(of("c"), None);
    }

    #[test]
    fn urls_read_as_people_write_them() {
        let read = |text: &str| RedisUrl::read(&Given::Text(text.into()));
        let url = read("rediss://reef@nas:6380/3").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.database, url.tls), ("nas", 6380, 3, true));
        assert_eq!(url.user.as_deref(), Some("reef"));
        assert_eq!(read("redis://[::1]").unwrap().host, "::1");
        for wrong in ["nas:6379", "http://nas", "redis://nas/x", "redis://a:hunter2@nas"] {
            assert!(!read(wrong).unwrap_err().contains("hunter2"), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..100), n in 0_usize..5) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let with = [&b"+$*:-"[n..=n], &b"1\r\n"[..], &bytes[..]].concat();
            let _read = runtime.block_on(async { (read(&bytes).await, read(&with).await) });
        }
    }
}
