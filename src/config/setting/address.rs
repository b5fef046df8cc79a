//! Names and addresses in the network.

use crate::config::given::Given;
use crate::config::setting::{Address, Setting, Url, text};

impl Url {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without port, user and brackets, in lower case.
    pub fn host(&self) -> String {
        let (host, _) = self.authority();
        host.to_ascii_lowercase()
    }

    /// The port as written, or the scheme's own.
    pub fn port(&self) -> u16 {
        let (_, port) = self.authority();
        port.and_then(|p| p.parse().ok()).unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    pub fn is_https(&self) -> bool {
        self.0.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    }

    fn authority(&self) -> (&str, Option<&str>) {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let whole = rest.split(['/', '?', '#']).next().unwrap_or("");
        let place = whole.rsplit_once('@').map_or(whole, |(_, place)| place);
        if let Some((host, after)) = place.strip_prefix('[').and_then(|p| p.split_once(']')) {
            return (host, after.strip_prefix(':'));
        }
        match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    }
}

impl Setting for Url {
    fn read(given: &Given) -> Result<Self, String> {
        const WHY: &str = "is no address; write http://HOST/PATH or https://HOST/PATH";
        let text = text(given, "an address")?;
        let (scheme, _) = text.split_once("://").ok_or(WHY)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(WHY.into());
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("has white space or a control character".into());
        }
        let url = Self(text.to_owned());
        let (host, port) = url.authority();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(plain) {
            return Err(WHY.into());
        }
        if port.is_some_and(|port| {
            port.parse::<u16>().is_ok_and(|n| n == 0) || port.parse::<u16>().is_err()
        }) {
            return Err("has no port from 1 to 65535 after its host".into());
        }
        Ok(url)
    }
    fn show(&self) -> String {
        self.0.clone()
    }
}

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Address {
    fn read(given: &Given) -> Result<Self, String> {
        let text = text(given, "an address")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name = !text.is_empty() && !text.starts_with('-') && text.chars().all(plain);
        if name || text.parse::<std::net::IpAddr>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err("is no host name and no IP address".into())
    }
    fn show(&self) -> String {
        self.0.clone()
    }
}
