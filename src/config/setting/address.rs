//! Hosts as the network knows them.

use crate::config::given::Given;
use crate::config::setting::{Address, Setting, text};

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
