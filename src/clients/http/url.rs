//! The URLs that reef speaks to.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::config::given::Given;
use crate::config::setting::Setting;

/// An http or https URL with a host. Printed without user name, password and query, because those
/// may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl(reqwest::Url);

impl WebUrl {
    /// Checks a URL; the error is a clause for people that does not repeat what was given.
    pub fn parse(given: &str) -> Result<Self, String> {
        let url = reqwest::Url::parse(given.trim())
            .map_err(|e| format!("is no URL ({e}): write it as https://host/path"))?;
        match url.scheme() {
            "http" | "https" => {}
            other => {
                return Err(format!("starts with {other}: only http and https are spoken here"));
            }
        }
        match url.host_str() {
            None | Some("") => Err("names no host".into()),
            Some(_) if url.port() == Some(0) => Err("has no port from 1 to 65535".into()),
            Some(_) => Ok(Self(url)),
        }
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host as it stands in the URL: a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']')
    }

    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(0)
    }

    /// Its path, `/` at the least.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Its path and query, as a request line names them.
    pub(in crate::clients) fn path_and_query(&self) -> String {
        self.0
            .query()
            .map_or_else(|| self.0.path().to_owned(), |q| format!("{}?{q}", self.0.path()))
    }

    /// The user name and the password that the URL carries.
    pub(super) fn credentials(&self) -> Option<(String, String)> {
        let plain = |coded: &str| percent_decode_str(coded).decode_utf8_lossy().into_owned();
        let password = plain(self.0.password().unwrap_or(""));
        self.has_credentials().then(|| (plain(self.0.username()), password))
    }

    /// Whether the URL carries a user name or a password, which belong into a secret.
    pub fn has_credentials(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// This URL with `rest` (no leading slash) below its path.
    pub fn below(&self, rest: &str) -> Self {
        let mut url = self.0.clone();
        let path = format!("{}/{rest}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Self(url)
    }

    /// This URL with another path, without a query.
    pub fn at_path(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(path);
        url.set_query(None);
        Self(url)
    }

    /// This URL with these pairs as its query, encoded; a query that it had is replaced.
    pub fn asking(&self, pairs: &[(&str, String)]) -> Self {
        let mut url = self.0.clone();
        url.set_query(None);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Self(url)
    }

    /// This URL with each of `parts` as one part of its path, whatever characters are in it.
    pub fn with_parts(&self, parts: &[&str]) -> Option<Self> {
        let mut url = self.0.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
        Some(Self(url))
    }

    /// This URL with the query `name=value&...`, which is encoded already.
    pub fn with_query(&self, query: &str) -> Self {
        let mut url = self.0.clone();
        url.set_query(Some(query));
        Self(url)
    }

    /// What the Host header says: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or("");
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The server's root and the last part of the path: `https://ntfy.example/` and `reef`.
    pub fn last_part(&self) -> Option<(Self, String)> {
        let last = self.0.path_segments()?.next_back().filter(|part| !part.is_empty())?.to_owned();
        let mut base = self.0.clone();
        base.path_segments_mut().ok()?.pop().push("");
        base.set_query(None);
        base.set_fragment(None);
        Some((Self(base), last))
    }

    /// Where a redirect may be followed to: the same host, never from https back to http.
    pub(super) fn redirected(&self, location: &str) -> Option<Self> {
        let to = Self(self.0.join(location).ok()?);
        let downgraded = self.is_https() && !to.is_https();
        let web = matches!(to.0.scheme(), "http" | "https");
        (web && !downgraded && to.host() == self.host()).then_some(to)
    }

    /// The whole URL with whatever secrets it holds: for requests, never for output.
    pub fn whole(&self) -> &str {
        self.0.as_str()
    }
}

impl Setting for WebUrl {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(&String::read(given)?)
    }
    /// Without what may be a secret, so it may say less than was written.
    fn show(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or(""))?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_prints_without_its_secrets() {
        let url = WebUrl::parse("https://me:hunter2@nas.example:8443/a/b?token=abc").unwrap();
        assert_eq!(url.to_string(), "https://nas.example:8443/a/b");
        assert_eq!((url.host(), url.port(), url.has_credentials()), ("nas.example", 8443, true));
        assert!(!format!("{url:?}").contains("hunter2"));
        assert_eq!(WebUrl::parse("http://[::1]:80/").unwrap().host(), "::1");
    }

    #[test]
    fn host_and_port_are_told_from_the_rest() {
        for (text, host, port) in [
            ("http://nas:8096/a@b:1", "nas", 8096),
            ("https://user:pw@Photos.example?x", "photos.example", 443),
            ("http://[fe80::1]/", "fe80::1", 80),
            ("HTTPS://x", "x", 443),
        ] {
            let url = WebUrl::parse(text).unwrap();
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn only_the_web_is_spoken() {
        let strange = ["http://x:0/", "http://x:99999/", "http://x y/", "nas:8096"];
        let other = ["", "nas", "ftp://nas/x", "file:///etc/passwd", "http://", "https:///x"];
        for given in strange.into_iter().chain(other) {
            // `https:///x` is read as host `x` by the URL standard: it must not pass as an empty host.
            let taken = WebUrl::parse(given).map(|url| url.host().to_owned());
            assert!(taken.as_ref().is_err() || taken == Ok("x".into()), "{given}: {taken:?}");
        }
    }

    #[test]
    fn redirects_stay_on_their_host_and_keep_tls() {
        let from =
            |u: &str, to: &str| WebUrl::parse(u).unwrap().redirected(to).map(|u| u.to_string());
        assert_eq!(from("http://a/x", "/login").as_deref(), Some("http://a/login"));
        assert_eq!(from("http://a/x", "https://a/").as_deref(), Some("https://a/"));
        assert_eq!(from("https://a/x", "http://a/"), None);
        assert_eq!(from("http://a/x", "http://b/"), None);
        assert_eq!(from("http://a/x", "file:///etc/passwd"), None);
    }

    #[test]
    fn paths_go_below_a_base() {
        let at = |u: &str| WebUrl::parse(u).unwrap().below("chat/completions").to_string();
        assert_eq!(at("http://ai:11434/v1"), "http://ai:11434/v1/chat/completions");
        assert_eq!(at("http://ai:11434/v1/"), "http://ai:11434/v1/chat/completions");
    }
}
