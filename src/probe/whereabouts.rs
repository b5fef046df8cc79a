//! On which host the thing of a probe is, and what that implies.

use crate::config::mistakes::hint;
use crate::model::ids::HostName;
use crate::probe::ask::Ask;

impl Ask<'_> {
    /// `host = "nas"`: where the thing is; this machine where nothing is said.
    pub fn host(&mut self) -> HostName {
        let here = self.cx.here.clone();
        let Some(given) = self.opt::<String>("host") else { return here };
        if given == "this" {
            return here;
        }
        match self.cx.hosts.iter().find(|host| host.as_str() == given) {
            Some(host) => host.clone(),
            None => {
                let hint = hint(&given, self.cx.hosts.iter().map(HostName::as_str));
                self.mistake(
                    "host",
                    format!("\"{given}\" is no host here{hint}; write [host.{given}]"),
                );
                here
            }
        }
    }

    /// Everything on another host is explained by that host.
    pub(super) fn implied_parent(&self, host: &HostName) -> Option<String> {
        self.cx.remotes.contains_key(host).then(|| host.to_string())
    }
}
