//! From the config's text to a checked whole: every section is asked of the layer that owns it, and
//! every mistake is told at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::provider::config::Declared;
use crate::clock::zone::Zone;
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::globals::Globals;
use crate::config::hosts::HostSection;
use crate::config::keys::Keys;
use crate::config::mistakes::{Mistake, Mistakes};
use crate::config::places::EMBEDDED;
use crate::config::secret::SecretSource;
use crate::config::section::{Outcome, Reader, Section};
use crate::daemon::about::{about_no_runbook, about_no_server, about_no_tool, set_as_configured};
use crate::daemon::books::{self, Shelf};
use crate::daemon::{providers, wire};
#[cfg(feature = "mcp")]
use crate::model::ids::Word;
use crate::model::ids::{HostName, RunbookName};
use crate::model::target::{AbsPath, Target};
use crate::model::tool::ToolSpec;
use crate::policy::redact::Redactor;
use crate::policy::telling::Telling;
use crate::probe::ask::{Context, Endpoint};
use crate::probe::care::Care;
use crate::probe::reef_self::Tally;
use crate::probe::{Probe, table};
use crate::tool::world::{self, Inventory, LogSource};
use crate::{llm, notify};

/// A checked config.
#[derive(Debug)]
pub struct Assembled {
    pub globals: Globals,
    pub endpoints: Vec<Endpoint>,
    pub notify: Vec<notify::table::Settings>,
    /// When and how much the human is told.
    pub telling: Telling,
    pub model: Option<llm::table::Settings>,
    pub shelf: Shelf,
    /// Every key with its value and origin, and what is not fatal.
    pub outcome: Outcome,
    /// The file, if there is one.
    pub path: Option<String>,
    /// Shared by all that reads; it learns the secrets once they are fetched.
    pub redactor: std::sync::Arc<Redactor>,
    /// The secrets of the probes.
    pub keys: Keys,
    /// The clusters, as the tools reach them.
    #[cfg(feature = "kube")]
    clusters: crate::clients::kube::declared::DeclaredClusters,
    playbooks: crate::clients::ansible::declared::Playbooks,
    zones: crate::clients::dns::declared::Zones,
    switches: crate::clients::switch::Switches,
    backups: crate::clients::backup::Backups,
    stacks: crate::clients::terraform::declared::DeclaredStacks,
    /// The servers that tools may use.
    servers: crate::clients::declared::Declared,
    /// The MCP servers.
    #[cfg(feature = "mcp")]
    pub mcp: BTreeMap<Word, crate::clients::mcp::settings::Settings>,
    /// Who keeps virtual machines.
    pub providers: BTreeMap<HostName, Declared>,
    /// What stands behind a probe, by the last part of its name.
    served_by: BTreeMap<String, Target>,
}

/// Reads and checks the whole config; the probes are apart, because they go to the tick loop's thread.
pub fn read(
    source: Source,
    env: &Env,
    tally: std::sync::Arc<dyn Tally>,
) -> Result<(Assembled, Vec<Probe>), Mistakes> {
    let path = (source.name != EMBEDDED).then(|| source.name.clone());
    let (reader, mut root) = Reader::open(source, env.clone());
    let globals = Globals::read(&mut root);
    // Without globals the other sections are still read, so that their mistakes are told too.
    let cx = context(globals.as_ref(), tally);
    let watched = table::from_config(&mut root, &cx);
    let playbooks =
        crate::clients::ansible::declared::read(root.section("playbook"), &cx.keys, &cx.redactor);
    let providers = providers::read(&mut root, globals.as_ref(), &cx, &playbooks);
    let zone = globals.as_ref().map_or(Zone::UTC, |g| g.timezone);
    let (notify, telling) = notify::table::configure_in(&mut root, zone);
    let model = llm::table::configure(&mut root);
    let zones = crate::clients::dns::declared::read(root.section("dns"), &cx.keys, &cx.redactor);
    let switches = switches(&mut root, globals.as_ref(), &cx);
    let backups = {
        let hosts: Vec<HostName> = globals.iter().flat_map(|g| g.hosts.keys().cloned()).collect();
        crate::clients::backup::read(root.section("backup"), &cx.here, &hosts)
    };
    #[cfg(feature = "mcp")]
    let mcp = crate::clients::mcp::settings::read(&mut root);
    #[cfg(feature = "mcp")]
    let servers: Vec<&str> = mcp.keys().map(Word::as_str).collect();
    #[cfg(not(feature = "mcp"))]
    let servers: Vec<&str> = Vec::new();
    about_no_server(&mut root, globals.as_ref(), &servers);
    let tools = wire::tool_specs(&cx.here);
    about_no_tool(&mut root, globals.as_ref(), &tools);
    let shelf = shelf(&mut root, globals.as_ref(), &tools);
    root.finish();
    match (reader.done(), shelf, globals) {
        (Ok(outcome), Ok(shelf), Some(globals)) => {
            let probes = watched.probes;
            let served_by = served_by(&probes);
            let endpoints = watched.endpoints;
            Ok((
                Assembled {
                    globals,
                    endpoints,
                    notify,
                    telling,
                    model,
                    shelf,
                    outcome,
                    path,
                    redactor: cx.redactor,
                    keys: cx.keys,
                    #[cfg(feature = "kube")]
                    clusters: cx.clusters,
                    playbooks,
                    zones,
                    switches,
                    backups,
                    stacks: cx.stacks,
                    servers: cx.servers,
                    #[cfg(feature = "mcp")]
                    mcp,
                    providers,
                    served_by,
                },
                probes,
            ))
        }
        (done, shelf, _) => {
            let of_config = done.err().map(|m| m.all().to_vec()).unwrap_or_default();
            let of_books = shelf.err().unwrap_or_default();
            let all: Vec<Mistake> = of_config.into_iter().chain(of_books).collect();
            Err(Mistakes::new(all)
                .unwrap_or_else(|| Mistakes::one(Mistake::of_file("config", "could not be read"))))
        }
    }
}

/// The runbooks, shipped and own, as the config sets them.
fn shelf(
    root: &mut Section,
    globals: Option<&Globals>,
    tools: &[ToolSpec],
) -> Result<Shelf, Vec<Mistake>> {
    let folder = globals.and_then(|g| g.runbook_dir.as_ref());
    let enabled = |name: &RunbookName| {
        globals.and_then(|g| g.runbooks.get(name)).is_none_or(|section| section.enabled)
    };
    let mut shelf = books::read(folder.map(AbsPath::as_path), enabled, tools)?;
    set_as_configured(root, &mut shelf, globals);
    // Without globals nobody knows the operator's own runbooks, if there are any.
    if globals.is_some() || !root.has("runbook_dir") {
        about_no_runbook(root, &shelf);
    }
    Ok(shelf)
}

/// The name in `USER@HOST:PORT`, of several hops the last.
fn last_hop(jump: &str) -> Option<&str> {
    let hop = jump.rsplit(',').next()?;
    hop.rsplit('@').next()?.split(':').next()
}

fn context(globals: Option<&Globals>, tally: std::sync::Arc<dyn Tally>) -> Context {
    let here = globals.map_or_else(|| HostName::of("this-machine"), |g| g.host_name.clone());
    let mut hosts = BTreeSet::from([here.clone()]);
    let (mut remotes, mut wakes) = (BTreeMap::new(), BTreeSet::new());
    let (mut sleepers, mut care) = (BTreeSet::new(), BTreeMap::new());
    let mut known_as = BTreeMap::from([("this".to_owned(), here.clone())]);
    for (name, section) in globals.iter().flat_map(|g| &g.hosts) {
        hosts.insert(name.clone());
        if section.ssh.is_some() || section.via.is_some() {
            // A host that is gone through explains those behind it.
            let through =
                section.ssh.as_ref().and_then(|ssh| ssh.jump.as_deref()).and_then(last_hop);
            let through = through
                .filter(|hop| globals.is_some_and(|g| g.hosts.keys().any(|h| h.as_str() == *hop)));
            let (needs, tolerance) = (section.depends_on.clone(), section.tolerance);
            care.insert(name.clone(), Care { needs, tolerance, ..Care::default() });
            let parent = section.parent.as_ref().map(ToString::to_string);
            remotes.insert(name.clone(), parent.or(through.map(str::to_owned)));
        }
        if section.sleeps {
            sleepers.insert(name.clone());
        }
        if section.wakes {
            wakes.insert(name.clone());
        }
        if let Some(address) = section.ssh.as_ref().and_then(|ssh| ssh.address.as_ref()) {
            known_as.insert(address.to_string().to_ascii_lowercase(), name.clone());
        }
    }
    let pushes = tally.pushes();
    let zone = globals.map_or(Zone::UTC, |g| g.timezone);
    Context {
        hosts,
        remotes,
        care,
        wakes,
        sleepers,
        known_as,
        tally,
        pushes,
        zone,
        ..Context::new(here)
    }
}

impl Assembled {
    /// Every secret that the config names: fetched once, and known to the redactor.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let of_model = self.model.as_ref().and_then(|m| m.key().cloned());
        #[cfg(feature = "mcp")]
        let of_servers = self.mcp.values().flat_map(|server| server.secrets.values().cloned());
        #[cfg(not(feature = "mcp"))]
        let of_servers = std::iter::empty();
        let of_messages = notify::table::secrets(&self.notify).cloned();
        of_messages.chain(of_model).chain(of_servers).collect()
    }

    /// Whether the config names no MCP server.
    pub fn without_servers(&self) -> bool {
        #[cfg(feature = "mcp")]
        return self.mcp.is_empty();
        #[cfg(not(feature = "mcp"))]
        true
    }

    /// What the config names, for the tools. `state` is reef's own folder, which no action touches
    /// but for the drill's scratch.
    pub fn inventory(&self, state: &AbsPath, scratch: &AbsPath) -> Inventory {
        let of_host = |(host, section): (&HostName, &HostSection)| {
            section.restartable.iter().filter_map(|what| what.on(host)).collect::<Vec<_>>()
        };
        Inventory {
            endpoints: self
                .endpoints
                .iter()
                .map(|e| (e.target.name().to_owned(), endpoint(e)))
                .collect(),
            places: self
                .endpoints
                .iter()
                .map(|e| (e.target.name().to_owned(), e.target.on().clone()))
                .collect(),
            restartable: self.globals.hosts.iter().flat_map(of_host).collect(),
            logs: self.logs(),
            protected: vec![state.clone()],
            scratch: Some(scratch.clone()),
            databases: BTreeSet::new(),
            patterns: self
                .shelf
                .books
                .iter()
                .filter_map(|b| b.matches.pattern.as_ref())
                .map(|p| p.0.as_str().to_owned())
                .collect(),
            served_by: self.served_by.clone(),
            servers: self.servers.all(),
            resolvers: self.resolvers(),
            ways: self.ways(),
            playbooks: self.playbooks.clone(),
            zones: self.zones.clone(),
            switches: self.switches.clone(),
            backups: self.backups.clone(),
            terraforms: self.stacks.all(),
            plans: AbsPath::new(&format!("{state}/terraform")).ok(),
            mounts: self.paths_of(|section| &section.mounts),
            filesystems: self
                .globals
                .hosts
                .iter()
                .flat_map(|(host, section)| section.snapshots.iter().map(move |fs| (host, fs)))
                .map(|(host, fs)| (Target::path(host.clone(), &fs.path), fs.by.clone()))
                .collect(),
            tails: self.paths_of(|section| &section.tails),
            repositories: self.paths_of(|section| &section.repositories),
            quarantines: self
                .globals
                .hosts
                .iter()
                .filter_map(|(host, section)| Some((host.clone(), section.quarantine.clone()?)))
                .collect(),
            reboots: self
                .globals
                .hosts
                .iter()
                .filter(|(_, section)| !section.reboot.is_empty())
                .map(|(host, section)| (host.clone(), section.reboot.clone()))
                .collect(),
            stacks: self
                .globals
                .hosts
                .iter()
                .map(|(host, section)| (host.clone(), section.stacks.clone()))
                .collect(),
        }
    }

    /// The clusters of the config with clients of their own.
    #[cfg(feature = "kube")]
    pub fn clusters(&self) -> world::Clusters {
        let known =
            |(name, declared)| (name, std::sync::Arc::new(world::KnownCluster::of(declared)));
        self.clusters.all().into_iter().map(known).collect()
    }

    fn resolvers(&self) -> BTreeMap<String, crate::clients::dns::Resolver> {
        let one = |endpoint: &Endpoint| {
            Some((endpoint.target.name().to_owned(), endpoint.resolver.clone()?))
        };
        self.endpoints.iter().filter_map(one).collect()
    }

    fn ways(&self) -> BTreeMap<HostName, crate::config::hosts::Ssh> {
        let hosts = self.globals.hosts.iter();
        hosts.filter_map(|(host, section)| Some((host.clone(), section.ssh.clone()?))).collect()
    }

    /// Paths that the config says of its hosts, with their hosts.
    fn paths_of(&self, of: impl Fn(&HostSection) -> &Vec<AbsPath>) -> BTreeSet<Target> {
        let one = |(host, section): (&HostName, &HostSection)| {
            of(section).iter().map(|path| Target::path(host.clone(), path)).collect::<Vec<_>>()
        };
        self.globals.hosts.iter().flat_map(one).collect()
    }

    fn logs(&self) -> BTreeMap<String, LogSource> {
        let mut logs = BTreeMap::from([("journal".to_owned(), LogSource::Journal)]);
        for record in &self.outcome.records {
            // `probe.errors.NAME = "/path"` and `probe.errors.NAME.log = "/path"`.
            let Some(rest) = record.path.strip_prefix("probe.errors.") else { continue };
            let (name, key) = rest.split_once('.').unwrap_or((rest, "log"));
            let shown = record.shown.trim_matches('"');
            if key == "log"
                && let Ok(path) = AbsPath::new(shown)
            {
                logs.insert(name.to_owned(), LogSource::File(path));
            }
        }
        logs
    }
}

fn switches(
    root: &mut Section,
    globals: Option<&Globals>,
    cx: &Context,
) -> crate::clients::switch::Switches {
    let hosts: Vec<HostName> = globals.iter().flat_map(|g| g.hosts.keys().cloned()).collect();
    crate::clients::switch::read(root.section("debug"), &cx.here, &hosts, &cx.redactor)
}

fn served_by(probes: &[Probe]) -> BTreeMap<String, Target> {
    let last_part = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    probes
        .iter()
        .filter_map(|probe| probe.served_by.clone().map(|unit| (last_part(&probe.name), unit)))
        .collect()
}

fn endpoint(endpoint: &Endpoint) -> world::Endpoint {
    world::Endpoint { url: endpoint.url.clone(), tls: endpoint.tls.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Span;
    use crate::probe::ask::host_signal;
    use crate::watch::pulse::Pulse;

    fn read_text(text: &str) -> Result<(Assembled, Vec<Probe>), Mistakes> {
        let env = Env::of([]);
        read(Source::new("config.toml", text), &env, std::sync::Arc::new(Pulse::default()) as _)
    }

    #[test]
    fn a_wrong_parent_and_a_finding_are_told_with_all_other_mistakes() {
        let wrong = read_text(
            "host_name = \"mini\"\n[report]\ncron = \"never\"\n[host.nas]\ndepends_on = [\"nsa\"]\n\
             [host.this]\ntolerance = \"1m\"\n[host.pi]\nparent = \"nos\"\n[probe]\n\
             http.auth = \"http://me:word@auth.example/\"\n\
             http.broken = { url = \"no url\", parent = \"naz\", depends_on = [\"http.auth\", \"pai\"] }\n\
             http.child = { url = \"http://child.example/\", parent = \"http.broken\" }\n\
             http.other = { url = \"http://other.example/\", parent = \"http.chield\" }\n",
        );
        let told = wrong.unwrap_err().to_string();
        for part in [
            "[report] cron",
            "depends_on of nas: \"nsa\"",
            "[host.this] tolerance: is for other hosts",
            "the parent of pi: \"nos\"",
            "no mistake, but: [probe.http] auth: has a password in it",
            "parent: \"naz\"",
            "depends_on: \"pai\"",
            "parent: \"http.chield\" is no host and no probe here; did you mean \"http.child\"?",
            "8 mistakes",
        ] {
            assert!(told.contains(part), "{part:?} is not in\n{told}");
        }
        assert!(!told.contains("\"http.broken\" is no"), "{told}");
    }

    #[test]
    fn a_table_of_a_hosts_probe_stands_below_that_host() {
        read_text("host_name = \"mini\"\n[host.nas]\ndisk.\"/\" = { yellow = \"80 %\" }\n")
            .unwrap();
        let wrong = read_text(
            "host_name = \"mini\"\n[host.this.disk]\nred = \"99 %\"\n[host.nas]\nmemory = 3\n\
             [host.pi.dsik]\nred = \"99 %\"\n[host.gate.disk]\nred = \"lots\"\n",
        );
        let told = wrong.unwrap_err().to_string();
        for part in [
            "disk: mini is this machine: write [probe.disk]",
            "memory: is not a table; write [host.nas.memory]",
            "\"dsik\" is not a section here; did you mean \"disk\"?",
            "[host.gate.disk] red",
            "4 mistakes",
        ] {
            assert!(told.contains(part), "{part:?} is not in\n{told}");
        }
    }

    #[test]
    fn a_host_may_be_tolerated_and_depend_on_others() {
        let (_, probes) = read_text(
            "host_name = \"mini\"\n[host.nas]\ndepends_on = [\"pi\", \"http.auth\"]\ntolerance = \"10m\"\n\
             [host.pi]\n[probe]\nhttp.auth = \"http://auth.example/\"\n",
        )
        .unwrap();
        let of = |host: &str| {
            let is_it = |p: &&Probe| p.kind.as_str() == "host" && p.host.as_str() == host;
            let probe = probes.iter().find(is_it).unwrap();
            (probe.care.tolerance, probe.care.depends_on.clone())
        };
        let (tolerance, above) = of("nas");
        assert_eq!(tolerance, Some(Span::mins(10)));
        assert!(above.contains(&host_signal(&HostName::of("pi"))), "{above:?}");
        assert!(above.iter().any(|signal| signal.probe.as_str() == "http"), "{above:?}");
        assert_eq!(of("pi").0, None);
    }
}

#[cfg(test)]
mod tests_of_runbooks {
    use super::*;
    #[cfg(not(feature = "mcp"))]
    use crate::model::ids::Word;
    use crate::model::reading::Reading;
    use crate::model::severity::Severity;
    use crate::model::target::Signal;
    use crate::model::time::{Millis, Span};
    use crate::model::value::Value;
    use crate::probe::reef_self::Tally;
    use crate::runbook::{Bindings, Ref, RefOf};
    use crate::watch::pulse::Pulse;

    fn shelf(text: &str) -> Result<Shelf, String> {
        let tally: std::sync::Arc<dyn Tally> = std::sync::Arc::new(Pulse::default());
        let source = Source::new("config.toml", text.to_owned());
        read(source, &Env::of([]), tally).map(|(read, _)| read.shelf).map_err(|m| m.to_string())
    }

    /// "Rotated logs only over 14 days": what the runbook's steps see then.
    #[test]
    fn a_param_of_a_runbook_is_the_operators_to_set() {
        let shelf = shelf("[runbook.disk-full]\nparams = { rotated = \"14d\" }\n").unwrap();
        let book = shelf.books.iter().find(|book| book.name.as_str() == "disk-full").unwrap();
        let signal = Signal {
            probe: Word::of("disk"),
            target: "mini:/var".parse().unwrap(),
            aspect: Word::of("bytes"),
        };
        let reading = Reading::new(signal, Millis(0), Severity::Red, Word::of("bytes"), "full");
        let bindings = Bindings::new(book, &reading);
        let param = |field: &str| {
            let of = Ref { of: RefOf::Param, field: field.to_owned() };
            bindings.get(&of).unwrap().clone()
        };
        assert_eq!(param("rotated"), Value::Span(Span::days(14)));
        assert_eq!(param("temp"), Value::Span(Span::days(10)), "what is not said stays");
    }

    #[test]
    fn a_wrong_param_is_told_with_its_name() {
        for (params, words) in [
            ("{ rotatd = \"14d\" }", "params.rotatd is no param of this runbook; did you mean"),
            ("{ rotated = \"soon\" }", "params.rotated"),
            ("{ rotated = [1] }", "not one plain value"),
        ] {
            let why = shelf(&format!("[runbook.disk-full]\nparams = {params}\n")).unwrap_err();
            assert!(why.contains(words), "{params}: {why}");
        }
        let why = shelf("[runbook.disk-full]\nwindow = \"25:00-26:00\"\n").unwrap_err();
        assert!(why.contains("is no window"), "{why}");
        let why = shelf("[runbook.disk-full]\ntimezone = \"Europe/Berlinn\"\n").unwrap_err();
        assert!(why.contains("did you mean \"Europe/Berlin\""), "{why}");
    }
}
