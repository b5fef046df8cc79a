//! Acting as root by sudo, and as whom reef acts otherwise.

use crate::clients::host::{LinkError, Output};
use crate::clients::process::{self, Given, Limits};
use crate::model::time::Span;
use crate::policy::denied::seconds;
use crate::policy::redact::Redactor;

/// What sudo and its time limit may take beyond the command's own time.
const LATER: Span = Span::secs(4);

/// Runs a command of this machine as root, with the limit inside: a signal from here would not reach what
/// runs as root.
pub(super) async fn run(
    argv: &[String],
    timeout: Span,
    redactor: &Redactor,
) -> Result<Output, LinkError> {
    let patience = Span(timeout.0.saturating_add(LATER.0));
    let limits = Limits { timeout: patience, ..Limits::default() };
    let argv = raised(argv, timeout);
    let output = process::run(&argv, limits, &Given::default(), redactor).await?;
    match output.code {
        // timeout(1): 124 where the time struck, 137 where it took the second signal.
        Some(124 | 137) => Err(LinkError::TimedOut(timeout)),
        Some(_) | None => Ok(output),
    }
}

/// A command as root, under a limit that is inside: `sudo -n timeout -k 2 120 systemctl restart x`.
pub fn raised(argv: &[String], timeout: Span) -> Vec<String> {
    let seconds = seconds(timeout).to_string();
    let wrappers = ["sudo", "-n", "timeout", "-k", "2", &seconds].map(str::to_owned);
    wrappers.into_iter().chain(argv.iter().cloned()).collect()
}

/// The name of the user that runs this, by /etc/passwd.
pub fn own_name() -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2) == Some(&uid.as_str())).then(|| fields.first().map(|n| (*n).to_owned()))?
    })
}
