//! Mount points: what is behind one, and mounting and unmounting those that the config declares.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::fact::{Fact, FactValue, Volume};
use crate::model::ids::{HostName, ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Found, NOTHING_TO_UNDO, READS, Repeat, Tier, ToolError, ToolSpec,
    Undo,
};
use crate::model::value::{Kind, Value, Values};
use crate::policy::argv::Argv;
use crate::tool::args::{Args, failed, gives, made, optional, refused, required};
use crate::tool::command;
use crate::tool::host::fact;
use crate::tool::outcome::Doing;
use crate::tool::world::World;

/// How long mount(8) may take: a server that is slow to answer is not yet one that is gone.
pub const TIMEOUT: Span = Span::secs(60);

fn status_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("mount.status"),
        summary: "Look at a mount point: whether it answers, and whether its server does",
        inputs: vec![required("mount", Kind::Target, "HOST:/path")],
        gives: vec![
            gives("state", Kind::Word, "mounted, stale or absent"),
            gives("declared", Kind::Flag, "whether the config lets reef mount and unmount it"),
            gives("source", Kind::Text, "what is mounted there"),
            gives("server", Kind::Target, "the host behind it, where the config names that host"),
            gives(
                "server_port",
                Kind::Word,
                "open, refused, timeout, unreachable ... of that host",
            ),
            gives("server_ping", Kind::Word, "answers, silent or unknown"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a host that the config does not name, or that does not answer",
        timeout: Span::secs(30),
        example: "tool = \"mount.status\"\nargs = { mount = \"mini:/mnt/photos\" }",
    }
}

fn mount_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("mount.mount"),
        summary: "Mount a declared mount point as the host's fstab says",
        inputs: vec![required("mount", Kind::Target, "HOST:/path, one of the host's `mounts`")],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "mount.unmount",
        errors: "a path that is not among `mounts` of its host, or not in its fstab; a missing right",
        timeout: Span::secs(90),
        example: "tool = \"mount.mount\"\nargs = { mount = \"mini:/mnt/photos\" }",
    }
}

fn unmount_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("mount.unmount"),
        summary: "Unmount a declared mount point",
        inputs: vec![
            required("mount", Kind::Target, "HOST:/path, one of the host's `mounts`"),
            optional("lazy", Kind::Flag, "detach it now, though something still waits for it"),
        ],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "mount.mount",
        errors: "a path that is not among `mounts` of its host; something that uses it; a missing right",
        timeout: Span::secs(90),
        example: "tool = \"mount.unmount\"\nargs = { mount = \"mini:/mnt/photos\", lazy = true }",
    }
}

/// `mount.status`.
pub fn status(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(status_spec(), move |args| {
        let mount = args.target("mount", Thing::Path)?.clone();
        let link = command::link(&world, &mount)?;
        Ok(Parsed::Query(Box::new(Status { world: world.clone(), link, mount })))
    })
}

struct Status {
    world: World,
    link: Arc<dyn HostLink>,
    mount: Target,
}

/// The volume of a mount point as it is now.
async fn volume(link: &dyn HostLink, path: &AbsPath) -> Result<Option<Volume>, ToolError> {
    let FactValue::Volumes(volumes) = fact(link, Fact::Volumes).await? else {
        return Err(failed("the collection told of no volumes"));
    };
    Ok(volumes.into_iter().find(|volume| volume.mount == *path))
}

/// What is mounted there by the host's own list: of another host's volumes only those that hang are told.
async fn mounted(link: &dyn HostLink, path: &AbsPath) -> Option<String> {
    let argv = command::read_only(&["findmnt", "-n", "-o", "SOURCE", path.as_str()]).ok()?;
    let output = link.read(&argv, Span::secs(5)).await.ok()?;
    let source = output.stdout.as_str().trim().to_owned();
    (output.code == Some(0) && !source.is_empty()).then_some(source)
}

/// `mounted`, `stale` or `absent`.
fn state(volume: Option<&Volume>) -> &'static str {
    match volume {
        Some(volume) if volume.stale.is_some() => "stale",
        Some(_) => "mounted",
        None => "absent",
    }
}

/// The host of the config that a source names: `nas:/export`, `ann@nas:/x`, `//nas/share`.
fn server(world: &World, source: &str) -> Option<HostName> {
    let after = source.trim_start_matches('/');
    let end = after.find([':', '/'])?;
    let called = after[..end].rsplit('@').next()?;
    let known = world.inventory.ways.iter().find(|(name, ssh)| {
        name.as_str().eq_ignore_ascii_case(called)
            || ssh.address.as_ref().is_some_and(|at| at.as_str().eq_ignore_ascii_case(called))
    });
    known.map(|(name, _)| name.clone())
}

impl Query for Status {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let path = self.mount.as_path().ok_or_else(|| refused("it is no path"))?;
            let volume = volume(self.link.as_ref(), &path).await?;
            let source = match &volume {
                Some(volume) => Some(volume.source.clone()),
                None => mounted(self.link.as_ref(), &path).await,
            };
            let state = match (&volume, &source) {
                (None, Some(_)) => "mounted",
                (volume, _) => state(volume.as_ref()),
            };
            let declared = self.world.inventory.mounts.contains(&self.mount);
            let mut values = Values::from([
                ("state".to_owned(), Value::Word(Word::of(state))),
                ("declared".to_owned(), Value::Flag(declared)),
            ]);
            let mut words = format!("{} is {state}", self.mount);
            if let Some(told) = &source {
                let source = Tainted::bounded(told, 200);
                words.push_str(&format!(", of {source}"));
                values.insert("source".into(), Value::Text(source));
                if let Some(host) = server(&self.world, told) {
                    let knocked = match self.world.inventory.ways.get(&host) {
                        Some(ssh) => self.world.web.knock(&host, ssh).await,
                        None => return Err(failed(format!("{host} is gone from the config"))),
                    };
                    words.push_str(&format!(
                        "; its server {host}: SSH port {}, ping {}",
                        knocked.port, knocked.ping
                    ));
                    values.insert("server".into(), Value::Target(Target::host(host)));
                    values.insert("server_port".into(), Value::Word(Word::of(knocked.port)));
                    values.insert("server_ping".into(), Value::Word(Word::of(knocked.ping)));
                }
            }
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}

/// What is to be done with a mount point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Mount,
    Unmount,
    /// Detached at once; what uses it keeps what it has open.
    Detach,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            Self::Unmount => "unmount",
            Self::Detach => "detach",
        }
    }

    fn parts(self, path: &str) -> Vec<&str> {
        match self {
            Self::Mount => vec!["mount", path],
            Self::Unmount => vec!["umount", path],
            Self::Detach => vec!["umount", "-l", path],
        }
    }
}

/// Every command by which a declared mount point is mounted and unmounted.
pub fn commands(path: &AbsPath) -> Vec<Argv> {
    let all = [What::Mount, What::Unmount, What::Detach];
    all.iter().filter_map(|what| command::argv(&what.parts(path.as_str())).ok()).collect()
}

fn action(world: &World, args: &Args<'_>, what: What) -> Result<Parsed, ToolError> {
    let mount = args.target("mount", Thing::Path)?.clone();
    if !world.inventory.mounts.contains(&mount) {
        let (host, path) = (mount.on(), mount.name());
        return Err(refused(format!(
            "{mount} is not among the mount points of {host} that reef may touch; write mounts = \
             [\"{path}\"] under [host.{host}]"
        )));
    }
    let link = command::link(world, &mount)?;
    let argv = command::argv(&what.parts(mount.name()))?;
    let call = args.call().clone();
    Ok(Parsed::Action(Box::new(Change { link, argv, mount, what, call })))
}

/// `mount.mount`.
pub fn mount(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(mount_spec(), move |args| action(&world, args, What::Mount))
}

/// `mount.unmount`.
pub fn unmount(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(unmount_spec(), move |args| {
        let lazy = args.flag("lazy") == Some(true);
        action(&world, args, if lazy { What::Detach } else { What::Unmount })
    })
}

struct Change {
    link: Arc<dyn HostLink>,
    argv: Argv,
    mount: Target,
    what: What,
    call: Call,
}

impl Action for Change {
    fn tier(&self) -> Tier {
        Tier::Medium
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.mount.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let path = self.mount.as_path().ok_or_else(|| refused("it is no path"))?;
            let now = state(volume(self.link.as_ref(), &path).await?.as_ref());
            let words = format!("{} {} (now {now})", self.what.word(), self.mount);
            let effect = Effect {
                words,
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::secs(5)),
                artifact: None,
            };
            let back = match self.what {
                What::Mount => "mount.unmount",
                What::Unmount | What::Detach => "mount.mount",
            };
            let mut undo = Call { tool: ToolName::of(back), ..self.call.clone() };
            undo.args.remove("lazy");
            Ok((effect, Undo::By(undo)))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let after = [
                &["findmnt", "--target", self.mount.name()][..],
                &["journalctl", "-k", "-n", "10", "--no-pager", "-o", "cat"],
            ];
            let doing = Doing {
                link: self.link,
                argv: self.argv,
                timeout: TIMEOUT,
                what: format!("{} {}", self.what.word(), self.mount),
                done: format!("{}ed {}", self.what.word(), self.mount),
                after: command::reads(&after),
            };
            doing.run(&permit).await
        })
    }
}
