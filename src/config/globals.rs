//! The keys that belong to no probe, notifier or model.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::clock::cron::Cron;
use crate::clock::zone::{DayTime, Zone};
use crate::config::given::Given;
use crate::config::hosts::{HostSection, RunbookSection, read_hosts, read_runbooks};
use crate::config::section::{Entry, Section};
use crate::config::setting::{Setting, one_of};
use crate::model::ids::{HostName, RunbookName, ToolName};
use crate::model::incident::HoldScope;
use crate::model::plan::Leash;
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// All of them, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Globals {
    /// How far any leash may rise; a host's and a runbook's own ceilings can only be lower.
    pub ceiling: Leash,
    /// Whom several independent new reds hold.
    pub hold_scope: HoldScope,
    /// What this machine is called in targets.
    pub host_name: HostName,
    /// For the report's times, the hours that people read, and the days of budgets.
    pub timezone: Zone,
    /// How often a page is repeated until it is acknowledged.
    pub pages_repeat: Span,
    /// The operator's own runbooks; one with a shipped one's name replaces it.
    pub runbook_dir: Option<AbsPath>,
    pub report: Report,
    pub limits: Limits,
    pub breaker: Breaker,
    pub web: Listen,
    pub log: Log,
    pub docker: Docker,
    pub hosts: BTreeMap<HostName, HostSection>,
    pub runbooks: BTreeMap<RunbookName, RunbookSection>,
}

/// When the morning report is written, and when it is brought up to date and delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub cron: Cron,
    pub deliver_at: DayTime,
}

/// The most actions above low.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// On one target within an hour.
    pub per_service_hour: u32,
    /// On one target within a day.
    pub per_service_day: u32,
    /// In all within an hour.
    pub per_hour: u32,
    /// Of one tool on one target, beside what holds for all of them.
    pub tools: BTreeMap<ToolName, ToolLimits>,
}

/// The most actions of one tool on one target, where the config says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ToolLimits {
    /// Within an hour.
    pub per_service_hour: Option<u32>,
    /// Within a day.
    pub per_service_day: Option<u32>,
}

/// When failures pause acting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// So many failures ...
    pub failures: u32,
    /// ... within this time pause ...
    pub within: Span,
    /// ... for this long; then one action is tried.
    pub pause: Span,
    /// So many failures in a row wait for a human.
    pub give_up: u32,
}

/// Where the web page is served. Loopback only: it knows no passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    At(SocketAddr),
    Off,
}

/// This machine's container engine: Docker, or Podman by its compatible socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    pub socket: PathBuf,
}

impl Default for Docker {
    fn default() -> Self {
        Self { socket: PathBuf::from("/var/run/docker.sock") }
    }
}

impl Docker {
    /// As the config says, else what the docker command itself goes by.
    fn read(mut section: Section) -> Self {
        let of_env = section.env().get("DOCKER_HOST").and_then(|host| host.strip_prefix("unix://"));
        let of_env = of_env.and_then(|path| AbsPath::new(path).ok());
        let usual = of_env.or_else(|| AbsPath::new("/var/run/docker.sock").ok());
        let socket = usual.map(|usual| section.or("socket", usual));
        section.finish();
        socket.map_or_else(Self::default, |path| Self { socket: path.as_path().to_owned() })
    }
}

/// How reef logs to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

macro_rules! words {
    ($($type:ident { $($word:literal => $value:ident),* })*) => {$(
        impl $type {
            const WORDS: &[(&'static str, Self)] = &[$(($word, Self::$value)),*];

            /// The word for it in the config.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word),* }
            }
        }

        impl Setting for $type {
            fn read(given: &Given) -> Result<Self, String> {
                one_of(given, Self::WORDS)
            }
            fn show(&self) -> String {
                self.as_str().to_owned()
            }
        }
    )*};
}
words! {
    HoldScope { "global" => Global, "host" => Host }
    LogFormat { "text" => Text, "json" => Json }
    LogLevel { "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug }
}

impl Setting for Listen {
    fn read(given: &Given) -> Result<Self, String> {
        const WHY: &str = "is no address with a port; write 127.0.0.1:7333, [::1]:7333 or off";
        let text = String::read(given)?;
        if text == "off" {
            return Ok(Self::Off);
        }
        let address: SocketAddr = text.parse().map_err(|_| WHY)?;
        if !address.ip().is_loopback() {
            return Err(
                "is not on loopback; the page knows no passwords, so put a reverse proxy that does in front of 127.0.0.1"
                    .into(),
            );
        }
        Ok(Self::At(address))
    }
    fn show(&self) -> String {
        match self {
            Self::At(address) => address.to_string(),
            Self::Off => "off".into(),
        }
    }
}

/// This machine's name where the kernel's is no name for a target.
const NAMELESS: &str = "this-machine";

impl Globals {
    /// Reads them from the root; the sections of other layers are left to them. `None` only together
    /// with a mistake.
    pub fn read(root: &mut Section) -> Option<Self> {
        let host_name = host_name(root);
        let timezone = root.env().zone;
        let report = Report::read(root.section("report"));
        Some(Self {
            ceiling: root.or("ceiling", Leash::Observe),
            hold_scope: root.or("hold_scope", HoldScope::Global),
            timezone: root.or("timezone", timezone),
            pages_repeat: at_least(root, "pages_repeat", Span::mins(30), Span::mins(1)),
            runbook_dir: root.opt("runbook_dir"),
            limits: Limits::read(root.section("limits")),
            breaker: Breaker::read(root.section("breaker")),
            web: web(root.section("web")),
            log: Log::read(root.section("log")),
            docker: Docker::read(root.section("docker")),
            hosts: read_hosts(root.section("host"), &host_name),
            runbooks: read_runbooks(root.section("runbook"), &host_name),
            host_name,
            report: report?,
        })
    }

    /// The ceiling on a host: the lower of the global one and its own.
    pub fn ceiling_on(&self, host: &HostName) -> Leash {
        let own = self.hosts.get(host).and_then(|section| section.ceiling);
        own.map_or(self.ceiling, |own| own.min(self.ceiling))
    }
}

/// As the operator says, else what the kernel says without its domain.
fn host_name(root: &mut Section) -> HostName {
    let machine = root.env().machine.clone();
    let short = machine.split('.').next().unwrap_or("");
    let own = HostName::new(short).unwrap_or_else(|_| HostName::of(NAMELESS));
    root.or("host_name", own)
}

/// A key with a lower bound, below which it would do harm.
pub fn at_least<T: Setting + PartialOrd>(
    section: &mut Section,
    key: &str,
    default: T,
    least: T,
) -> T {
    let value = section.or(key, default);
    if value < least {
        section.mistake(key, format!("{} is too little; at least {}", value.show(), least.show()));
        return least;
    }
    value
}

const CRON: &str = "0 4 * * *";
const DELIVER: &str = "07:00";

fn default<T: Setting>(text: &str) -> Option<T> {
    T::read(&Given::Text(text.to_owned())).ok()
}

impl Report {
    fn read(mut section: Section) -> Option<Self> {
        // The default stands in for a mistake, so that what hangs on the globals is still checked.
        let cron = section.or_text("cron", CRON).or_else(|| default(CRON));
        let deliver_at = section.or_text("deliver_at", DELIVER).or_else(|| default(DELIVER));
        section.finish();
        Some(Self { cron: cron?, deliver_at: deliver_at? })
    }
}

impl Limits {
    fn read(mut section: Section) -> Self {
        let limits = Self {
            per_service_hour: section.or("per_service_hour", 3),
            per_service_day: section.or("per_service_day", 5),
            per_hour: section.or("per_hour", 10),
            tools: ToolLimits::read_all(section.section("tool")),
        };
        section.finish();
        limits
    }
}

impl ToolLimits {
    fn read_all(mut all: Section) -> BTreeMap<ToolName, Self> {
        let mut tools = BTreeMap::new();
        for (key, entry) in all.entries() {
            let Entry::Table(mut section) = entry else {
                all.mistake(&key, format!("is not a table; write [limits.tool.\"{key}\"]"));
                continue;
            };
            let limits = Self {
                per_service_hour: section.opt("per_service_hour"),
                per_service_day: section.opt("per_service_day"),
            };
            section.finish();
            match ToolName::new(key.as_str()) {
                Ok(name) => drop(tools.insert(name, limits)),
                Err(bad) => all.mistake(&key, format!("as a tool's name it {}", bad.why)),
            }
        }
        all.finish();
        tools
    }
}

impl Breaker {
    fn read(mut section: Section) -> Self {
        let breaker = Self {
            failures: at_least(&mut section, "failures", 2, 1),
            within: at_least(&mut section, "within", Span::mins(10), Span::secs(1)),
            pause: at_least(&mut section, "pause", Span::mins(30), Span::secs(1)),
            give_up: at_least(&mut section, "give_up", 5, 1),
        };
        section.finish();
        breaker
    }
}

fn web(mut section: Section) -> Listen {
    let listen = section.or("listen", Listen::At(SocketAddr::from(([127, 0, 0, 1], 7333))));
    section.finish();
    listen
}

impl Log {
    fn read(mut section: Section) -> Self {
        let log = Self {
            format: section.or("format", LogFormat::Text),
            level: section.or("level", LogLevel::Info),
        };
        section.finish();
        log
    }
}
