//! Where a TLS server listens, as people write it.

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    pub host: String,
    pub port: u16,
}

impl At {
    /// `photos.example`, `photos.example:8443`, `[::1]:443`; port 443 where none is said.
    pub fn parse(given: &str) -> Result<Self, String> {
        Self::or_port(given, 443)
    }

    /// As [`At::parse`] with another port where none is said.
    pub fn or_port(given: &str, usual: u16) -> Result<Self, String> {
        const WHY: &str = "is no server: write HOST or HOST:PORT";
        let given = given.strip_prefix("https://").unwrap_or(given).trim_end_matches('/');
        let (host, port) = match given.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(WHY)?)),
            None => match given.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (given, None),
            },
        };
        let port = match port {
            None => usual,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(WHY)?,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        match !host.is_empty() && host.chars().all(plain) {
            true => Ok(Self { host: host.to_owned(), port }),
            false => Err(WHY.into()),
        }
    }
}

impl At {
    /// As [`At::parse`], where no port is meant by itself.
    pub fn with_port(given: &str) -> Result<Self, String> {
        let said = given.rsplit_once(']').map_or(given, |(_, rest)| rest).contains(':');
        match said {
            true => Self::parse(given),
            false => Err("names no port: write HOST:PORT".into()),
        }
    }
}
