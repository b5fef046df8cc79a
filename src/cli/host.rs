//! `reef host list|trust|authorize`: the ways to other hosts. Needs no daemon, and writes nothing.

mod authorize;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::anyhow;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::Cx;
use crate::cli::alone::Scratch;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::cli::page::Ink;
use crate::cli::table::{Cell, Table};
use crate::clients::collector;
use crate::clients::host::HostLink;
use crate::clients::ssh::SshHost;
use crate::clients::ssh::gatekeeper::{self, Listed};
use crate::clients::ssh::keys::{self, Known, Offered, Route};
use crate::clock::SystemClock;
use crate::config::given::Source;
use crate::config::hosts::Ssh;
use crate::config::mistakes::hint;
use crate::daemon::assemble;
use crate::model::fact::{Fact, FactValue};
use crate::model::ids::HostName;
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Thing};
use crate::model::value::{Kind, Value};
use crate::policy::denied::Sudo;
use crate::policy::redact::Redactor;
use crate::probe::How;
use crate::probe::reef_self::Uncounted;
use crate::runbook::{Arg, Runbook};
use crate::tool::grants::{Needs, grants, shapes};
use crate::tool::world::Inventory;

/// Where the collector lies on a host, if nobody says otherwise.
const PLACE: &str = "/usr/local/bin/reef-collect";
/// The same of the gatekeeper of a key that may act.
const ACTS: &str = "/usr/local/bin/reef-act";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Every host of the config: the way to it, whether it answers, and how fast
    List,
    /// The fingerprints that a host offers, and the command that trusts it
    Trust {
        /// As the config calls it
        host: String,
    },
    /// A key line that lets reef look at a host and do nothing else, and the collector it runs
    Authorize {
        /// As the config calls it
        host: String,
        /// Print the collector alone, to be piped to the host
        #[arg(long)]
        collector: bool,
        /// A line for a second key, by which reef may run exactly the listed commands there
        #[arg(long)]
        act: bool,
        /// With --act: print the gatekeeper alone, to be piped to the host
        #[arg(long, requires = "act")]
        gatekeeper: bool,
        /// Where the collector, or the gatekeeper, lies on the host
        #[arg(long, value_name = "PATH")]
        at: Option<String>,
    },
}

pub(crate) async fn run(cx: &mut Cx, command: Command) -> Result<Exit, Failure> {
    let known = Hosts::read(cx)?;
    match command {
        Command::List => list(cx, known).await,
        Command::Trust { host } => {
            let (name, ssh) = known.named(&host)?;
            trust(cx, &name, &ssh).await
        }
        Command::Authorize { host, act: true, gatekeeper, at, collector: _ } => {
            let (name, ssh) = known.named(&host)?;
            let listed = known.listed(&name);
            let sudo = if known.sudo.contains(&name) { Sudo::Yes } else { Sudo::No };
            let files = known.files(&name);
            let program = gatekeeper::program(&listed, files.as_ref(), &known.shapes(&name), sudo);
            if gatekeeper {
                cx.out.say(&program)?;
                return Ok(Exit::DONE);
            }
            let acting = authorize::Acting {
                listed,
                files: files.filter(|_| sudo == Sudo::No),
                shapes: known.shapes(&name),
                program,
                at: authorize::place(at.as_deref().unwrap_or(ACTS))?,
            };
            authorize::to_act(cx, &name, &ssh, &acting).await
        }
        Command::Authorize { host, collector, at, act: false, gatekeeper: _ } => {
            let at = at.unwrap_or_else(|| PLACE.to_owned());
            let (name, ssh) = known.named(&host)?;
            let program = collector::to_install(known.paths.get(&name).unwrap_or(&BTreeSet::new()));
            if collector {
                cx.out.say(&program)?;
                return Ok(Exit::DONE);
            }
            authorize::to_look(cx, &name, &ssh, &program, &at).await
        }
    }
}

/// What the config says of other hosts.
struct Hosts {
    ways: BTreeMap<HostName, Ssh>,
    /// The files and folders that its probes look at.
    paths: BTreeMap<HostName, BTreeSet<AbsPath>>,
    /// The units that they look at.
    units: BTreeMap<HostName, BTreeSet<String>>,
    /// Hosts on which reef acts by sudo.
    sudo: BTreeSet<HostName>,
    inventory: Inventory,
    books: Vec<Runbook>,
}

impl Hosts {
    fn read(cx: &Cx) -> Result<Self, Failure> {
        let wrong =
            |mistakes: crate::config::mistakes::Mistakes| Failure::Usage(mistakes.to_string());
        let source = Source::find(cx.common.config.as_deref(), &cx.env).map_err(wrong)?;
        let read = assemble::read(source, &cx.env, Arc::new(Uncounted));
        let (assembled, probes) = read.map_err(wrong)?;
        let inventory = assembled.inventory(&AbsPath::root(), &AbsPath::root());
        let books = assembled.shelf.books;
        let by_sudo = assembled.globals.hosts.iter().filter(|(_, section)| section.sudo);
        let sudo = by_sudo.map(|(name, _)| name.clone()).collect();
        let sections = assembled.globals.hosts.into_iter();
        let ways: BTreeMap<HostName, Ssh> =
            sections.filter_map(|(name, section)| Some((name, section.ssh?))).collect();
        let mut units: BTreeMap<HostName, BTreeSet<String>> = BTreeMap::new();
        let mut paths: BTreeMap<HostName, BTreeSet<AbsPath>> = BTreeMap::new();
        for probe in &probes {
            let How::Host(how) = &probe.how else { continue };
            let of_host = paths.entry(probe.host.clone()).or_default();
            of_host.extend(how.wants().iter().filter_map(Fact::path).cloned());
            let of_host = units.entry(probe.host.clone()).or_default();
            of_host.extend(how.wants().iter().filter_map(Fact::unit).map(ToString::to_string));
        }
        // What fills a disk is looked for below what may be touched there.
        for name in ways.keys() {
            paths.entry(HostName::clone(name)).or_default().extend(touched(&books));
        }
        // What stands behind an endpoint is restarted for it.
        for unit in probes.iter().filter_map(|probe| probe.served_by.as_ref()) {
            if unit.thing() == Thing::Unit {
                units.entry(unit.on().clone()).or_default().insert(unit.name().to_owned());
            }
        }
        Ok(Self { ways, paths, units, sudo, inventory, books })
    }

    /// Every command that reef may need on a host by this config and its runbooks.
    fn listed(&self, name: &HostName) -> Vec<Listed> {
        grants(name, &self.inventory, &self.needs(name))
    }

    /// And every shape of one.
    fn shapes(&self, name: &HostName) -> gatekeeper::Shapes {
        shapes(name, &self.inventory, &self.needs(name))
    }

    fn needs(&self, name: &HostName) -> Needs {
        let mut needs =
            Needs { units: self.units.get(name).cloned().unwrap_or_default(), ..Needs::default() };
        for step in self.books.iter().flat_map(Runbook::steps) {
            needs.tools.insert(step.tool.clone());
        }
        for step in self.books.iter().flat_map(Runbook::steps) {
            match (step.tool.as_str(), step.args.get("argv")) {
                ("host.exec", Some(Arg::Literal(literal))) => {
                    if let Ok(Value::Argv(parts)) = literal.read(&Kind::Argv, name) {
                        needs.commands.push(parts);
                    }
                }
                ("journal.vacuum", _) => needs.vacuums = true,
                (_, _) => {}
            }
        }
        needs
    }

    /// The folders below which runbooks may let reef touch files, and where quarantine is.
    fn files(&self, name: &HostName) -> Option<gatekeeper::Files> {
        let roots = touched(&self.books);
        let quarantine = self.inventory.quarantine_of(name).ok()?;
        (!roots.is_empty()).then_some(gatekeeper::Files { roots, quarantine })
    }

    fn named(&self, given: &str) -> Result<(HostName, Ssh), Failure> {
        let found = self.ways.iter().find(|(name, _)| name.as_str() == given);
        found.map(|(name, ssh)| (name.clone(), ssh.clone())).ok_or_else(|| {
            let hint = hint(given, self.ways.keys().map(HostName::as_str));
            Failure::Usage(format!("the config has no host {given}{hint}; write [host.{given}]"))
        })
    }
}

/// The roots of all runbooks with a step that compresses files or moves them away.
fn touched(books: &[Runbook]) -> BTreeSet<AbsPath> {
    let touches = |tool: &str| tool.starts_with("files.") || tool == "logs.rotate";
    let touching = |book: &&Runbook| book.steps().any(|step| touches(step.tool.as_str()));
    books.iter().filter(touching).flat_map(|book| book.roots.iter().cloned()).collect()
}

/// One host as `list` found it.
struct Row {
    name: HostName,
    route: Result<Route, String>,
    up: Result<String, String>,
    /// The first look, with the connection, and one more over it, in milliseconds.
    first: u128,
    warm: Option<u128>,
    trips: u64,
    installed: bool,
}

async fn list(cx: &mut Cx, hosts: Hosts) -> Result<Exit, Failure> {
    let scratch = Scratch::make(&cx.env)?;
    let mut looks = JoinSet::new();
    for (name, ssh) in hosts.ways {
        let folder = scratch.path().join(name.as_str());
        looks.spawn(async move { look(name, ssh, folder).await });
    }
    let mut rows = looks.join_all().await;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let exit = if rows.iter().all(|row| row.up.is_ok()) { Exit::DONE } else { Exit::FAILED };
    match cx.out.format {
        Format::Json => {
            let rows: Vec<Json> = rows.iter().map(in_json).collect();
            cx.out.json(&json!({ "hosts": rows }))?;
        }
        Format::Words if rows.is_empty() => {
            cx.out.say(
                "the config names no other host; `[host.NAME]` is enough for one that ssh knows\n",
            )?;
        }
        Format::Words => {
            let mut table = Table::new(&["host", "way", "look", "collector", "state"], &[1, 4]);
            for row in &rows {
                table.row(cells(row));
            }
            let mut text = table.render(&cx.out.page);
            for row in &rows {
                if let Err(why) = &row.up {
                    text.push_str(&cx.out.page.wrap(&format!("{}: {why}", row.name), 0));
                }
            }
            cx.out.say(&text)?;
        }
    }
    drop(scratch);
    Ok(exit)
}

async fn look(name: HostName, ssh: Ssh, folder: std::path::PathBuf) -> Row {
    let route = keys::route(&name, &ssh).await;
    let redactor = Arc::new(Redactor::new(Vec::new()));
    let link = SshHost::new(name.clone(), ssh, folder, Arc::new(SystemClock), redactor);
    let wanted = BTreeSet::from([Fact::Uptime, Fact::Boot, Fact::Memory]);
    let uptime = |facts: &crate::model::fact::Facts| match facts.get(&Fact::Uptime) {
        Some(Ok(FactValue::Uptime(up))) => Ok(format!("up for {up}")),
        Some(Err(why)) => Err(why.to_string()),
        Some(Ok(_)) | None => Err("it was not asked".to_owned()),
    };
    let began = Instant::now();
    let up = uptime(&link.facts(&wanted).await);
    let first = began.elapsed().as_millis();
    let (mut warm, before) = (None, link.trips_so_far());
    if up.is_ok() {
        let began = Instant::now();
        if uptime(&link.facts(&wanted).await).is_ok() {
            warm = Some(began.elapsed().as_millis());
        }
    }
    let trips = link.trips_so_far() - before;
    Row { route, up, first, warm, trips, installed: link.has_collector(), name }
}

fn way(route: &Route) -> String {
    let via = route.jump.as_ref().map(|jump| format!(" via {jump}")).unwrap_or_default();
    format!("{}@{}{via}", route.user, route.address())
}

fn cells(row: &Row) -> Vec<Cell> {
    let (ink, state) = match &row.up {
        Ok(up) => (Ink::Of(Severity::Green), up.clone()),
        Err(why) => (Ink::Of(Severity::Red), why.clone()),
    };
    let look = match row.warm {
        Some(warm) => format!("{warm} ms, {} trip (first {} ms)", row.trips, row.first),
        None => format!("{} ms", row.first),
    };
    let collector = match (&row.up, row.installed) {
        (Err(_), _) => "",
        (Ok(_), true) => "installed",
        (Ok(_), false) => "sent",
    };
    let state = if row.up.is_ok() { state } else { "does not answer".to_owned() };
    let shown = row.route.as_ref().map_or_else(Clone::clone, way);
    vec![
        Cell::of(Ink::Bold, row.name.to_string()),
        shown.into(),
        look.into(),
        collector.into(),
        Cell::of(ink, state),
    ]
}

fn in_json(row: &Row) -> Json {
    json!({
        "host": row.name,
        "way": row.route.as_ref().map_or_else(Clone::clone, way),
        "user": row.route.as_ref().map(|route| route.user.clone()).unwrap_or_default(),
        "up": row.up.is_ok(),
        "state": row.up.as_ref().map_or_else(Clone::clone, Clone::clone),
        "first_ms": u64::try_from(row.first).unwrap_or(u64::MAX),
        "look_ms": row.warm.and_then(|ms| u64::try_from(ms).ok()),
        "round_trips": row.trips,
        "collector_installed": row.installed,
    })
}

async fn trust(cx: &mut Cx, name: &HostName, ssh: &Ssh) -> Result<Exit, Failure> {
    let route = keys::route(name, ssh).await.map_err(|why| anyhow!(why))?;
    let offered = keys::offered(&route).await.map_err(|why| anyhow!(why))?;
    let next = next(&route, &offered);
    match cx.out.format {
        Format::Json => cx.out.json(&json!({
            "host": name,
            "address": route.known_as(),
            "fingerprints": offered.fingerprints,
            "known": match offered.known { Known::Yes => "yes", Known::No => "no", Known::Others => "others" },
            "next": next,
        }))?,
        Format::Words => cx.out.say(&shown(name, &route, &offered, &next))?,
    }
    Ok(if offered.known == Known::Yes { Exit::DONE } else { Exit::FAILED })
}

/// The commands to give, in order.
fn next(route: &Route, offered: &Offered) -> Vec<String> {
    let file = &route.known_hosts;
    let quoted = route.known_as();
    let quoted = if quoted.starts_with('[') { format!("'{quoted}'") } else { quoted };
    let trust = route.trust();
    match offered.known {
        Known::Yes => Vec::new(),
        Known::No => vec![trust],
        Known::Others => vec![format!("ssh-keygen -R {quoted} -f {file}"), trust],
    }
}

fn shown(name: &HostName, route: &Route, offered: &Offered, next: &[String]) -> String {
    let mut out = format!("{name} ({}) offers:\n", route.address());
    for fingerprint in &offered.fingerprints {
        out.push_str(&format!("  {fingerprint}\n"));
    }
    match offered.known {
        Known::Yes => {
            out.push_str(&format!("These are known in {}.\n", route.known_hosts));
            return out;
        }
        Known::No => out.push_str("None of them is known here."),
        Known::Others => out.push_str(
            "Other keys are known under its name: it was reinstalled, or something else answers in its place.",
        ),
    }
    out.push_str(
        " Compare them on its own console:\n  for key in /etc/ssh/ssh_host_*.pub; do ssh-keygen -lf $key; done\n\
         If they are the same, as the user that runs reef:\n",
    );
    for command in next {
        out.push_str(&format!("  {command}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_is_exact() {
        let route = Route {
            hostname: "192.168.1.4".into(),
            port: 2222,
            known_hosts: "/etc/reef/known_hosts".into(),
            ..Route::default()
        };
        let offered =
            |known| Offered { lines: vec![], fingerprints: vec!["256 SHA256:x".into()], known };
        let scan = "ssh-keyscan -T 5 -p 2222 192.168.1.4 >> /etc/reef/known_hosts";
        assert_eq!(next(&route, &offered(Known::No)), [scan]);
        let remove = "ssh-keygen -R '[192.168.1.4]:2222' -f /etc/reef/known_hosts";
        assert_eq!(next(&route, &offered(Known::Others)), [remove, scan]);
        assert_eq!(next(&route, &offered(Known::Yes)), Vec::<String>::new());
        let name = HostName::of("nas");
        let text = shown(&name, &route, &offered(Known::No), &next(&route, &offered(Known::No)));
        assert!(text.contains("256 SHA256:x") && text.contains(scan), "{text}");
    }
}
