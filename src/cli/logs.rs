//! What the daemon logs, to stderr: text or JSON, as the config says.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::cli::page::{Detail, Paint};
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::globals::{Globals, Log, LogFormat, LogLevel};
use crate::config::section::Reader;

/// What a config says about logs; the defaults where it cannot be read, for its mistakes are told by
/// whoever reads it whole.
pub(crate) fn configured(source: &Source, env: &Env) -> Log {
    let (_, mut root) = Reader::open(source.clone(), env.clone());
    let default = Log { format: LogFormat::Text, level: LogLevel::Info };
    Globals::read(&mut root).map_or(default, |globals| globals.log)
}

/// Logs from now on; reef's own at the configured level, what its libraries say only when it is a
/// warning.
pub(crate) fn begin(log: Log, detail: Detail, paint: Paint, env: &Env) {
    let level = match detail {
        Detail::Full => log.level.max(LogLevel::Debug),
        Detail::Brief => log.level,
    };
    let others = level.min(LogLevel::Warn);
    // The client of Kubernetes logs what it returns as well, without saying of what: a probe tells it.
    let quiet = "kube_client=off";
    let filter = EnvFilter::new(format!("{},{quiet},reef={}", others.as_str(), level.as_str()));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(paint == Paint::Coloured)
        .with_span_events(FmtSpan::NONE)
        .with_target(false);
    // A second one in a process is a test's: the first stays.
    match (log.format, env.get("JOURNAL_STREAM")) {
        (LogFormat::Json, _) => drop(lines.json().try_init()),
        // The journal stamps every line itself.
        (LogFormat::Text, Some(_)) => drop(lines.without_time().try_init()),
        (LogFormat::Text, None) => drop(lines.try_init()),
    }
}
