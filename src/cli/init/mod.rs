//! `reef init`: looks at this machine and the hosts of the ssh config, asks a few questions, and writes a commented config
//! and an inventory. It changes nothing else, and overwrites nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::cli::Cx;
use crate::cli::alone::Scratch;
use crate::cli::exit::{Exit, Failure};
use crate::cli::init::answers::Answers;
use crate::cli::init::found::{Concern, Engine, Found, Remotes};
use crate::cli::init::remotes::Asked;
use crate::cli::init::write::Readers;
use crate::cli::out::{Format, Talk};
use crate::cli::page::{Page, count};
use crate::clients::ssh::keys;
use crate::clients::survey::{listening, ssh_config};
use crate::clients::tls::Tls;
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::places::{EMBEDDED, Places, Room, ServiceUser};
use crate::daemon::assemble;
use crate::model::ids::{HostName, RunbookName};
use crate::model::target::AbsPath;
use crate::policy::inventory::FILE;
use crate::probe::reef_self::Uncounted;

mod answers;
mod config;
mod endpoints;
mod found;
mod inventory;
mod look;
mod remotes;
mod summary;
#[cfg(test)]
mod tests;
mod toml;
mod write;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ask nothing: take the defaults
    #[arg(short, long)]
    yes: bool,
    /// The ssh config whose hosts are looked at [else: that of the user who runs this]
    #[arg(long, value_name = "PATH")]
    ssh_config: Option<PathBuf>,
}

/// Where both files go.
struct Targets {
    config: PathBuf,
    inventory: PathBuf,
    service: Option<ServiceUser>,
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    let targets = targets(cx)?;
    let asks = match (args.yes, cx.talk(), cx.out.format) {
        (true, _, _) => false,
        (false, Talk::Terminal, Format::Words) => true,
        (false, _, _) => {
            return Err(Failure::Usage(
                "init asks a few questions, and there is no terminal to ask on; --yes takes the defaults".into(),
            ));
        }
    };
    let asked = ssh(args.ssh_config.as_deref())?;
    if cx.out.format == Format::Words {
        cx.out.note(
            "looking at this machine and at the hosts of the ssh config; nothing is changed ...",
        );
    }
    let found = Box::pin(look(cx, asked)).await?;
    if cx.out.format == Format::Words {
        let text = summary::before(&found, &cx.out.page);
        cx.out.say(&text)?;
    }
    let answers = if asks { answers::ask(&mut cx.out, &found)? } else { Answers::default() };
    let config = config::config(&found, &answers);
    let probes = checked(&config, &targets.config, &cx.env)?;
    let older = written(&targets, &config, &inventory::inventory(&found, &answers))?;
    match cx.out.format {
        Format::Json => cx.out.json(&in_json(&found, &targets, probes))?,
        Format::Words => {
            let text = done(&found, &targets, probes, older.as_deref(), &cx.out.page);
            cx.out.say(&text)?;
        }
    }
    Ok(Exit::DONE)
}

/// Refuses before anything is looked at where a config is there already.
fn targets(cx: &Cx) -> Result<Targets, Failure> {
    let config = match Room::find(cx.common.config.as_deref(), &cx.env).map_err(Failure::Usage)? {
        Room::Free(path) => path,
        Room::Taken(path) => {
            let path = path.display();
            return Err(Failure::Usage(format!(
                "{path} is there already, and init never overwrites. `reef config check` checks it; to begin anew move it \
                 away first; `reef init -c OTHER.toml` writes what it finds now to a file of its own"
            )));
        }
    };
    let places = Places::to_set_up(cx.common.state.as_deref(), &cx.env).map_err(Failure::Usage)?;
    let service = ServiceUser::find(&cx.env);
    Ok(Targets { config, inventory: places.state.join(FILE), service })
}

/// Which ssh config is read: the one that was named, or the one that ssh itself would read.
fn ssh(named: Option<&Path>) -> Result<Option<Asked>, Failure> {
    let user = rustix::process::geteuid().as_raw();
    let user = if user == 0 { "root".to_owned() } else { format!("the user {user}") };
    let Some(named) = named else {
        let file = keys::home().map(|home| Path::new(&home).join(".ssh/config"));
        let file = file.filter(|file| file.exists());
        return Ok(file.map(|file| Asked { file, ssh_config: None, user }));
    };
    let wrong = |why: String| Failure::Usage(format!("--ssh-config {}: {why}", named.display()));
    let file = std::fs::canonicalize(named).map_err(|error| wrong(error.to_string()))?;
    if file.is_dir() {
        return Err(wrong("is a folder; name the file in it".into()));
    }
    let text = file.to_str().ok_or_else(|| wrong("its name is no UTF-8".into()))?;
    let ssh_config = AbsPath::new(text).map_err(|bad| wrong(bad.to_string()))?;
    Ok(Some(Asked { file, ssh_config: Some(ssh_config), user }))
}

/// Looks at everything.
async fn look(cx: &Cx, asked: Option<Asked>) -> Result<Found, Failure> {
    let (here, books) = defaults(&cx.env)?;
    let now = cx.clock.now();
    let at = format!("{} {}", cx.env.zone.day(now), cx.env.zone.hm(now));
    let mut found = Found::nothing(here.clone(), at);
    found.books = books;
    let scratch = Scratch::make(&cx.env)?;
    let ports = listening::here(Path::new("/proc"));
    let remotes = async {
        match asked {
            Some(asked) => {
                let home = keys::home().unwrap_or_else(|| "/".to_owned());
                let named = ssh_config::read(&asked.file, Path::new(&home));
                remotes::look(asked, named, &here, scratch.path()).await
            }
            None => Remotes::default(),
        }
    };
    let client = Tls::new();
    let (remotes, endpoints, ()) = tokio::join!(
        remotes,
        endpoints::tls(&client, &ports, &here),
        look::machine(&mut found, &cx.env, &ports),
    );
    let mut taken: BTreeSet<String> =
        remotes.hosts.iter().map(|host| host.name.to_string()).collect();
    taken.insert(here.to_string());
    found.clusters = endpoints::clusters(&cx.env, &taken).await;
    (found.remotes, found.endpoints) = (remotes, endpoints);
    Ok(found)
}

/// What this machine is called, and the shipped runbooks with their concerns.
fn defaults(env: &Env) -> Result<(HostName, Vec<(RunbookName, Concern)>), Failure> {
    let read = assemble::read(Source::new(EMBEDDED, ""), env, Arc::new(Uncounted));
    let (assembled, _) = read.map_err(|mistakes| anyhow::anyhow!("{mistakes}"))?;
    let concern = |probes: &[crate::model::ids::Word]| {
        let of = probes.first().map_or("", crate::model::ids::Word::as_str);
        Concern::of_probe(of)
    };
    let books = assembled.shelf.books.iter();
    let books = books.map(|book| (book.name.clone(), concern(&book.matches.probe))).collect();
    Ok((assembled.globals.host_name, books))
}

/// How many probes the config makes. One with mistakes would be a fault of reef's, and is not written.
fn checked(config: &str, path: &Path, env: &Env) -> Result<usize, Failure> {
    let source = Source::new(path.display().to_string(), config);
    match assemble::read(source, env, Arc::new(Uncounted)) {
        Ok((_, probes)) => Ok(probes.len()),
        Err(mistakes) => Err(anyhow::anyhow!(
            "what init would write is no config, which is a fault of reef; nothing was written:\n{mistakes}"
        )
        .into()),
    }
}

/// The inventory first: the config is what says that init was done. Gives the older inventory, where one was kept.
fn written(targets: &Targets, config: &str, inventory: &str) -> Result<Option<PathBuf>, Failure> {
    // Before anything is written: both folders can be.
    let machine = match targets.service {
        Some(_) => 0o755,
        None => 0o700,
    };
    write::folder_of(&targets.config, machine)?;
    write::folder_of(&targets.inventory, 0o700)?;
    let older = write::keep_older(&targets.inventory)?;
    write::new_file(&targets.inventory, inventory, Readers::Nobody)?;
    let readers = match targets.service {
        Some(user) => {
            if let Some(folder) = targets.inventory.parent() {
                write::hand_over(folder, user)?;
            }
            write::hand_over(&targets.inventory, user)?;
            Readers::Service(user)
        }
        None => Readers::Nobody,
    };
    write::new_file(&targets.config, config, readers)?;
    Ok(older)
}

fn done(
    found: &Found,
    targets: &Targets,
    probes: usize,
    older: Option<&Path>,
    page: &Page,
) -> String {
    let mut text = format!("\nwrote {} ({})", targets.config.display(), count(probes, "probe"));
    text.push_str(&format!("\nwrote {}", targets.inventory.display()));
    if let Some(older) = older {
        text.push_str(&format!("; the one before is {}", older.display()));
    }
    text.push_str("\nNothing else was changed, here or on any host.\n");
    let own = format!(" -c {}", targets.config.display());
    let mut next = vec![format!("reef{own} config check"), format!("reef{own} run")];
    if let Some(host) = found.remotes.answering().next() {
        next.push(format!("reef{own} check {}", host.name));
    }
    text.push_str(&format!("next: {}\n", page.flow(&next)));
    text
}

fn in_json(found: &Found, targets: &Targets, probes: usize) -> Json {
    let hosts: Vec<Json> = found
        .remotes
        .hosts
        .iter()
        .map(|host| {
            let why = host.state.as_ref().err();
            json!({ "host": host.name, "way": host.way, "answers": why.is_none(), "why": why })
        })
        .collect();
    let engine = match &found.engine {
        Engine::None => Json::Null,
        Engine::Silent(why) => json!({ "why": why }),
        Engine::Runs { containers, stacks, .. } => json!({
            "containers": containers.iter().map(|c| &c.name).collect::<Vec<_>>(),
            "stacks": stacks.iter().map(|s| &s.name).collect::<Vec<_>>(),
        }),
    };
    json!({
        "config": targets.config.display().to_string(),
        "inventory": targets.inventory.display().to_string(),
        "probes": probes,
        "hosts": hosts,
        "left_out": found.remotes.left_out.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>(),
        "services": found.services(),
        "engine": engine,
    })
}
