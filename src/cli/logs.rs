//! What the daemon logs, to stderr: text or JSON, as the config says.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

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
    let wanted = Targets::new()
        .with_default(filter(others))
        // The client of Kubernetes logs what it returns as well, without saying of what: a probe tells it.
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("reef", filter(level));
    let logs = tracing_subscriber::registry().with(wanted);
    let lines =
        layer().with_writer(std::io::stderr).with_ansi(paint == Paint::Coloured).with_target(false);
    // A second one in a process is a test's: the first stays.
    match (log.format, env.get("JOURNAL_STREAM")) {
        (LogFormat::Json, _) => drop(logs.with(lines.json()).try_init()),
        // The journal stamps every line itself.
        (LogFormat::Text, Some(_)) => drop(logs.with(lines.without_time()).try_init()),
        (LogFormat::Text, None) => drop(logs.with(lines).try_init()),
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}
