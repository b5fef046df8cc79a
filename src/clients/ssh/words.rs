//! What ssh says, in words that tell what to do.

use std::error::Error as _;

use openssh::Error;

use crate::clients::host::LinkError;
use crate::clients::ssh::gatekeeper::REFUSES;
use crate::model::ids::HostName;
use crate::model::taint::Tainted;

/// Why there is no connection.
pub(super) fn not_connected(host: &HostName, error: &Error) -> String {
    let said = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    of_ssh(host, &said)
}

/// Whether these words say that nobody is there at all.
pub(super) fn is_off(words: &str) -> bool {
    ["did not answer over SSH", "No route to host", "Network is unreachable", "Host is down"]
        .iter()
        .any(|part| words.contains(part))
}

fn of_ssh(host: &HostName, said: &str) -> String {
    let has = |part: &str| said.contains(part);
    match () {
        () if has("IDENTIFICATION HAS CHANGED") => format!(
            "{host} shows another host key than before: either it was reinstalled, or something \
             else answers in its place; `reef host trust {host}` shows what it offers, to compare \
             on its own console, and the next command"
        ),
        () if has("Host key verification failed") || has("host key is known") => format!(
            "the host key of {host} is not known here: `reef host trust {host}` shows its \
             fingerprints to compare, and the next command"
        ),
        () if has("Permission denied") => {
            format!(
                "{host} does not accept this user's key: add it to authorized_keys there, or the \
                 line that `reef host authorize {host}` prints"
            )
        }
        () if has("Connection refused") => {
            format!("{host} refuses SSH connections: is sshd running?")
        }
        () if has("Could not resolve") => format!("the name of {host} has no address"),
        () if has("timed out") => format!("{host} did not answer over SSH in time"),
        () if has("No such file or directory") && has("ssh") => {
            "there is no `ssh` program here: install openssh-client".to_owned()
        }
        () => {
            let line = Tainted::bounded(said.trim(), 200);
            format!("no SSH connection to {host}: {}", line.first_line())
        }
    }
}

/// A command was on its way when the link broke: it may run.
pub(super) fn lost(error: &Error) -> LinkError {
    let cause = error.source().map(|e| format!(": {e}")).unwrap_or_default();
    let said = format!("{error}{cause}");
    LinkError::Lost(Tainted::bounded(&said, 200).as_str().to_owned())
}

/// Whether a restricted key refused the command.
pub(super) fn only_collects(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).contains("this key may only look at this host")
}

/// Whether the gatekeeper of a key that may act refused the command.
pub(super) fn not_listed(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).contains(REFUSES)
}

/// Whether exit 126 or 127 is of `timeout` itself, or of the shell that did not find it, and not of a
/// program that was started.
pub(in crate::clients) fn never_started(stderr: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stderr);
    text.contains("timeout: failed to run command")
        || text.contains("timeout: not found")
        || text.contains("timeout: command not found")
        || text.contains("timeout: can't execute")
        || text.contains("sudo: not found")
        || text.contains("sudo: command not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_do() {
        let nas = HostName::new("nas").unwrap();
        for (said, part) in [
            ("Host key verification failed.", "reef host trust nas"),
            (
                "No ED25519 host key is known for [127.0.0.1]:22 and you have requested strict checking.\nHost key verification failed.",
                "is not known here",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "another host key",
            ),
            ("me@nas: Permission denied (publickey).", "authorized_keys"),
            ("connect to host nas port 22: Connection refused", "is sshd running"),
            ("Could not resolve hostname nas: Name or service not known", "no address"),
            ("kex_exchange\x1b[31m_identification: banner line 0", "no SSH connection to nas"),
        ] {
            let words = of_ssh(&nas, said);
            assert!(words.contains(part) && !words.contains('\x1b'), "{said}: {words}");
        }
    }
}
