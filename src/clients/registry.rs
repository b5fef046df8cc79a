//! What the registry of a domain says: by RDAP (RFC 9083), else by whois (RFC 3912).

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::clients::answer::{NoAnswer, connect, within};
use crate::clients::http::url::WebUrl;
use crate::clients::http::{GetRequest, Http};
use crate::clock::zone;
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};

/// Where the registries' servers are listed, and asked where nothing else is known.
pub const BOOTSTRAP: &str = "https://data.iana.org/rdap/dns.json";
pub const WHOIS: &str = "whois.iana.org:43";
/// The list changes a few times a month.
const LIST_KEPT: Span = Span::days(7);
const LARGEST_LIST: usize = 4 << 20;
const LARGEST_WHOIS: u64 = 64 << 10;

/// What is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// `None` where the registry publishes no date.
    pub expires: Option<Millis>,
    /// In lower case: `active`, `client hold`, `redemption period`.
    pub statuses: Vec<String>,
    /// Who said so.
    pub by: Tainted,
}

/// Why nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRecord {
    /// The registry knows no such domain.
    NotRegistered,
    /// Nobody could be asked.
    Blind(NoAnswer),
}

/// Asks registries. Keeps the list of them.
#[derive(Debug)]
pub struct Registry {
    http: Http,
    bootstrap: WebUrl,
    whois: (String, u16),
    list: Option<(Millis, BTreeMap<String, WebUrl>)>,
}

impl Registry {
    pub fn new(http: Http, bootstrap: WebUrl, whois: (String, u16)) -> Self {
        Self { http, bootstrap, whois, list: None }
    }

    /// What is known of `domain`, in lower case. Each question takes `timeout` at the most.
    pub async fn look(
        &mut self,
        domain: &str,
        now: Millis,
        timeout: Span,
    ) -> Result<Registered, NoRecord> {
        let by_rdap = match self.server(domain, now, timeout).await {
            Ok(Some(server)) => self.rdap(&server, domain, timeout).await,
            // Not every registry speaks RDAP.
            Ok(None) => Err(NoRecord::Blind(NoAnswer::Setup("its registry has no RDAP".into()))),
            Err(why) => Err(NoRecord::Blind(why)),
        };
        match by_rdap {
            Err(NoRecord::Blind(why)) => {
                let asked = within(timeout, self.whois(domain)).await;
                asked.unwrap_or(Err(NoRecord::Blind(why)))
            }
            Ok(_) | Err(NoRecord::NotRegistered) => by_rdap,
        }
    }

    async fn server(
        &mut self,
        domain: &str,
        now: Millis,
        timeout: Span,
    ) -> Result<Option<WebUrl>, NoAnswer> {
        let fresh = |(at, _): &&(Millis, _)| now.since(*at) < LIST_KEPT;
        if self.list.as_ref().filter(fresh).is_none() {
            let mut request = GetRequest::new(self.bootstrap.clone(), timeout);
            request.max_body = LARGEST_LIST;
            let answer = self.http.get(&request).await?;
            let list = (answer.status == 200).then(|| servers(&answer.body)).flatten();
            let broken =
                || NoAnswer::Broken(format!("{} is no list of registries", self.bootstrap));
            self.list = Some((now, list.ok_or_else(broken)?));
        }
        let Some((_, list)) = &self.list else { return Ok(None) };
        // The longest known ending of the name.
        let endings = domain.match_indices('.').map(|(at, _)| &domain[at + 1..]);
        Ok(endings.filter_map(|ending| list.get(ending)).next().cloned())
    }

    async fn rdap(
        &self,
        server: &WebUrl,
        domain: &str,
        timeout: Span,
    ) -> Result<Registered, NoRecord> {
        let broken = |why: String| NoRecord::Blind(NoAnswer::Broken(why));
        let url = server.with_parts(&["domain", domain]);
        let url = url.ok_or_else(|| broken(format!("{server} takes no path")))?;
        let mut request = GetRequest::new(url, timeout);
        request.headers.push(("accept".into(), "application/rdap+json".into()));
        request.max_body = 256 << 10;
        let answer = self.http.get(&request).await.map_err(|e| NoRecord::Blind(e.into()))?;
        match answer.status {
            200 => registered(&answer.body, server.host())
                .ok_or_else(|| broken(format!("{server} gave no answer in RDAP"))),
            404 => Err(NoRecord::NotRegistered),
            429 => Err(NoRecord::Blind(NoAnswer::Busy("it is asked too often".into()))),
            status => Err(broken(format!("{server} answers {status}"))),
        }
    }

    /// Asks the first server, and the one that it refers to. An error is that of the first.
    async fn whois(&self, domain: &str) -> Result<Result<Registered, NoRecord>, NoAnswer> {
        let (host, port) = &self.whois;
        let first = ask(host, *port, domain).await?;
        let referred = fields(&first).find(|(name, _)| matches!(*name, "refer" | "whois"));
        let (by, text) = match referred {
            Some((_, to)) => {
                let (host, port) = to.split_once(':').unwrap_or((to, "43"));
                let port = port.parse().unwrap_or(43);
                (host.to_owned(), ask(host, port, domain).await?)
            }
            None => (host.clone(), first),
        };
        Ok(told(&text, &by))
    }
}

/// The servers by the endings they serve, of the list (RFC 9224).
fn servers(body: &[u8]) -> Option<BTreeMap<String, WebUrl>> {
    #[derive(Deserialize)]
    struct List {
        services: Vec<(Vec<String>, Vec<String>)>,
    }
    let list: List = serde_json::from_slice(body).ok()?;
    let mut servers = BTreeMap::new();
    for (endings, urls) in list.services {
        let https = urls.iter().find(|url| url.starts_with("https://"));
        let Some(url) = https.or(urls.first()).and_then(|url| WebUrl::parse(url).ok()) else {
            continue;
        };
        servers.extend(endings.into_iter().map(|e| (e.to_ascii_lowercase(), url.clone())));
    }
    (!servers.is_empty()).then_some(servers)
}

fn registered(body: &[u8], by: &str) -> Option<Registered> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "eventAction")]
        action: String,
        #[serde(rename = "eventDate")]
        date: String,
    }
    #[derive(Deserialize)]
    struct Domain {
        #[serde(rename = "objectClassName")]
        class: String,
        #[serde(default)]
        events: Vec<Event>,
        #[serde(default)]
        status: Vec<String>,
    }
    let domain: Domain = serde_json::from_slice(body).ok()?;
    if domain.class != "domain" {
        return None;
    }
    // The registrar's own date may lie behind the registry's: the registry's is the one that counts.
    let expiration = domain.events.iter().find(|e| e.action == "expiration");
    Some(Registered {
        expires: expiration.and_then(|event| zone::read(&event.date)),
        statuses: domain.status.iter().take(20).map(|s| s.to_lowercase()).collect(),
        by: Tainted::bounded(by, 100),
    })
}

async fn ask(host: &str, port: u16, domain: &str) -> Result<String, NoAnswer> {
    let mut stream = connect(host, port).await?;
    let io = |e: std::io::Error| NoAnswer::of_io(&e);
    stream.write_all(format!("{domain}\r\n").as_bytes()).await.map_err(io)?;
    let mut said = Vec::new();
    stream.take(LARGEST_WHOIS).read_to_end(&mut said).await.map_err(io)?;
    Ok(String::from_utf8_lossy(&said).to_lowercase())
}

/// `name: value` lines, both trimmed.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let pair = |line: &'_ str| line.split_once(':').map(|(n, v)| (n.trim().len(), v.trim().len()));
    text.lines().filter(move |line| pair(line).is_some_and(|(n, v)| 0 < n && 0 < v)).filter_map(
        |line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim(), value.trim()))
        },
    )
}

/// What registries call the day on which a domain ends.
const ENDS: [&str; 11] = [
    "registry expiry date",
    "registrar registration expiration date",
    "expiry date",
    "expiration date",
    "expiration time",
    "expire date",
    "expires",
    "expires on",
    "expire",
    "paid-till",
    "renewal date",
];

/// What they say where there is none.
const NONE: [&str; 7] = [
    "no match",
    "not found",
    "no entries found",
    "no data found",
    "no object found",
    "status: free",
    "is available for registration",
];

/// Reads a whois answer, in lower case.
fn told(text: &str, by: &str) -> Result<Registered, NoRecord> {
    let ends = fields(text).filter(|(name, _)| ENDS.contains(name));
    let expires = ends.filter_map(|(_, value)| zone::read(&value.to_uppercase())).next();
    let states = fields(text).filter(|(name, _)| matches!(*name, "status" | "domain status"));
    // `clientHold https://icann.org/epp#clientHold`: the link says it again.
    let statuses: Vec<String> =
        states.filter_map(|(_, v)| v.split_whitespace().next()).take(20).map(spaced).collect();
    if expires.is_none() && NONE.iter().any(|none| text.contains(none)) {
        return Err(NoRecord::NotRegistered);
    }
    if expires.is_none() && statuses.is_empty() {
        let why = NoAnswer::Broken(format!("{by} says neither a date nor a status"));
        return Err(NoRecord::Blind(why));
    }
    Ok(Registered { expires, statuses, by: Tainted::bounded(by, 100) })
}

/// EPP's words as RDAP writes them (RFC 8056).
fn spaced(word: &str) -> String {
    let known = [
        ("clienthold", "client hold"),
        ("serverhold", "server hold"),
        ("pendingdelete", "pending delete"),
        ("redemptionperiod", "redemption period"),
        ("connect", "active"),
        ("ok", "active"),
    ];
    known.iter().find(|(epp, _)| *epp == word).map_or(word, |(_, rdap)| *rdap).to_owned()
}
