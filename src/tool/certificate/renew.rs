//! `certificate.renew`: certbot renews the one certificate behind an endpoint. Exit 0 proves nothing: it counts as done when there is
//! another certificate than before.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::clients::tls::TlsServer;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::digest::Digest;
use crate::model::ids::ToolName;
use crate::model::renewal::{Lineage, Renewals};
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::Kind;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::renewer::{Disk, Method, disk, lineage_names, schedule};
use crate::tool::args::{failed, made, refused, required};
use crate::tool::certificate::look::{Looked, look, renewals};
use crate::tool::command;
use crate::tool::outcome::Doing;
use crate::tool::web::endpoint;
use crate::tool::world::World;

/// A challenge over DNS waits minutes for its records to spread.
pub const TIMEOUT: Span = Span::mins(10);
const LOG: &str = "/var/log/letsencrypt/letsencrypt.log";

fn renew_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("certificate.renew"),
        summary: "Renew the certificate of an endpoint by certbot, without force",
        inputs: vec![required("endpoint", Kind::Target, "HOST:endpoint:NAME")],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: certbot keeps the former certificate beside it",
        errors: "another program renews it; a name that the config does not say (`lineage` on the probe); the authority refuses; certbot ends well and nothing changed; no right to run certbot as root",
        timeout: TIMEOUT,
        example: "tool = \"certificate.renew\"\nargs = { endpoint = \"nas:endpoint:photos\" }",
    }
}

/// `certificate.renew`.
pub fn renew(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(renew_spec(), move |args| {
        let (target, endpoint) = endpoint(&world, args)?;
        let Some(peer) = endpoint.tls else {
            return Err(refused(format!("{target} has no TLS server in the config")));
        };
        let link = command::link(&world, &target)?;
        Ok(Parsed::Action(Box::new(Renew { world: world.clone(), link, target, peer })))
    })
}

/// The command for one lineage. Without a terminal certbot would first sleep for up to eight minutes.
fn renewal(lineage: &str, folder: Option<&AbsPath>) -> Result<Argv, ToolError> {
    let mut parts = vec![
        "certbot",
        "renew",
        "--cert-name",
        lineage,
        "--non-interactive",
        "--no-random-sleep-on-renew",
    ];
    if let Some(folder) = folder {
        parts.extend(["--config-dir", folder.as_str()]);
    }
    command::argv(&parts)
}

/// Every command that renewing an endpoint's certificate may need.
pub fn commands(peer: &TlsServer) -> Vec<Argv> {
    let names = lineage_names(peer.lineage.as_deref(), &peer.name);
    let folder = peer.config_dir.as_ref();
    names.iter().filter_map(|name| renewal(name, folder).ok()).collect()
}

struct Renew {
    world: World,
    link: Arc<dyn HostLink>,
    target: Target,
    peer: TlsServer,
}

/// By what one certificate of a lineage is told from another; none where nothing of it can be seen.
fn mark(lineage: &Lineage) -> Option<Digest> {
    let serial = lineage.on_disk.as_ref().map(|disk| disk.serial.as_str());
    // Its file is written with each certificate, and with nothing else that certbot does.
    let changed = lineage.changed_at.map(|at| at.0.to_string());
    if serial.is_none() && changed.is_none() {
        return None;
    }
    // Where the certificate itself is seen, its serial alone says whether there is another.
    let of = serial.map_or_else(|| changed.unwrap_or_default(), str::to_owned);
    Some(Digest::of(format!("{}\n{of}", lineage.name).as_bytes()))
}

impl Renew {
    /// Where all of certbot lies, and its lock: as the config says, never as a machine does.
    fn folder(&self) -> &str {
        self.peer.config_dir.as_ref().map_or(Lineage::FOLDER, AbsPath::as_str)
    }

    /// The lineage that may be renewed, with the mark of its present certificate.
    fn lineage<'a>(&self, looked: &'a Looked) -> Result<(&'a Lineage, Digest), ToolError> {
        let finding = looked.finding();
        let (method, why) = (finding.method, &finding.why);
        let lineage = match (method, finding.lineage) {
            (Method::Certbot, Some(lineage)) => lineage,
            (Method::SelfSigned, _) => {
                return Err(refused("it signs for itself: nobody renews it"));
            }
            (Method::Unknown, _) | (Method::Certbot, None) => {
                return Err(refused(format!("certbot does not renew it: {why}")));
            }
            (other, _) => {
                let other = other.called();
                return Err(refused(format!("{other} renews it, so certbot does not: {why}")));
            }
        };
        let name = &lineage.name;
        if !lineage_names(self.peer.lineage.as_deref(), &self.peer.name).contains(name) {
            return Err(refused(format!(
                "certbot calls it {name}, which the config does not say: write lineage = \"{name}\" at the probe tls.{}",
                self.target.name()
            )));
        }
        if lineage.folder() != self.folder() {
            return Err(refused(format!(
                "certbot keeps {name} below {0}, which the config does not say: write config_dir = \"{0}\" at the probe tls.{1}",
                lineage.folder(),
                self.target.name()
            )));
        }
        if lineage.stopped {
            return Err(refused(format!("{name} has autorenew = False: somebody stopped it")));
        }
        if disk(looked.shown(), lineage) == Disk::Newer {
            return Err(refused(format!(
                "{name} was renewed already: its server only has to read it anew"
            )));
        }
        let mark = mark(lineage).ok_or_else(|| {
            failed(format!(
                "nothing of {name} can be seen, so nobody could tell whether it was renewed"
            ))
        })?;
        Ok((lineage, mark))
    }

    /// The lineage as it is now; found by its name, because a server may show the old certificate for a while.
    async fn now(&self, name: &str) -> Result<(Renewals, Lineage), String> {
        let found = renewals(&self.world, &self.target).await?;
        let of = |lineage: &&Lineage| lineage.name == name && lineage.folder() == self.folder();
        match found.lineages.iter().find(of).cloned() {
            Some(lineage) => Ok((found, lineage)),
            None => Err(format!("{}/renewal/{name}.conf is gone", self.folder())),
        }
    }

    fn words(&self, looked: &Looked, lineage: &Lineage) -> String {
        let names: Vec<String> = looked.leaf.names.iter().map(ToString::to_string).collect();
        let days = looked.leaf.not_after.since(self.world.now.now()).0.div_euclid(86_400_000);
        let after = match (lineage.installer.is_empty(), lineage.hook.is_empty()) {
            (_, false) => format!("certbot then runs its hook: {}", lineage.hook),
            (false, true) => format!("certbot then reloads {} by itself", lineage.installer),
            (true, true) => match self.world.inventory.served_by.get(self.target.name()) {
                Some(served) => format!("{served} serves it and must read it anew afterwards"),
                None => "nothing is known to read it anew afterwards: say it with served_by".into(),
            },
        };
        let mut words = format!(
            "renew the certificate {} (for {}; {days} days left) by certbot, without force, proven by {} to {}; {after}",
            lineage.name,
            names.join(", "),
            if lineage.authenticator.is_empty() { "certbot's way" } else { &lineage.authenticator },
            if lineage.server.is_empty() { "its authority" } else { &lineage.server },
        );
        let broken = looked.schedule().broken;
        if !broken.is_empty() {
            words.push_str(&format!(". It did not renew by itself: {}", broken.join("; ")));
        }
        words.chars().filter(|c| !c.is_control()).take(900).collect()
    }
}

/// certbot's own log, as far as it may be read: where a failure is explained.
fn log() -> Vec<ReadOnly> {
    let path = AbsPath::new(LOG).ok();
    path.and_then(|log| command::read_log(&["tail", "-n", "4", LOG], &log).ok())
        .into_iter()
        .collect()
}

/// The last lines of that log, as words that follow others.
async fn logged(link: &dyn HostLink) -> String {
    let mut said = String::new();
    for argv in log() {
        if let Ok(output) = command::output(link, &argv, Span::secs(5)).await {
            let lines: Vec<&str> = output.stdout.as_str().lines().map(str::trim).collect();
            said.extend(format!("; {LOG} ends with: {}", lines.join(" / ")).chars().take(600));
        }
    }
    said
}

impl Action for Renew {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        // What is renewed already is left alone by certbot, but an order that failed counts towards the authority's limits.
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        let mut keys = vec![self.target.clone()];
        // certbot takes a lock over all that it keeps.
        keys.extend(
            AbsPath::new(self.folder()).map(|at| Target::path(self.target.on().clone(), &at)),
        );
        keys
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let looked = look(&self.world, &self.target, &self.peer).await?;
            let (lineage, mark) = self.lineage(&looked)?;
            let effect = Effect {
                words: self.words(&looked, lineage),
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: Some(mark),
            };
            let why =
                "an authority takes no certificate back; certbot keeps the former one beside it";
            Ok((effect, Undo::Impossible(why.into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let looked = match look(&self.world, &self.target, &self.peer).await {
                Ok(looked) => looked,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let (before, argv) = match self.lineage(&looked) {
                Ok((lineage, mark)) if permit.step().effect.artifact == Some(mark) => {
                    match renewal(&lineage.name, self.peer.config_dir.as_ref()) {
                        Ok(argv) => (lineage.clone(), argv),
                        Err(why) => return ActionResult::NotStarted(why.to_string()),
                    }
                }
                Ok((lineage, _)) => {
                    return ActionResult::NotStarted(format!(
                        "{} is no longer as it was when this was planned",
                        lineage.name
                    ));
                }
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let doing = Doing {
                link: Arc::clone(&self.link),
                argv,
                timeout: TIMEOUT,
                what: format!("certbot renew --cert-name {}", before.name),
                done: format!("certbot renewed {}", before.name),
                after: log(),
            };
            match doing.run(&permit).await {
                ActionResult::Done(words) => self.changed(&before, &words).await,
                other @ (ActionResult::NotStarted(_)
                | ActionResult::Failed(_)
                | ActionResult::Unknown(_)) => other,
            }
        })
    }
}

impl Renew {
    /// What certbot's good ending is worth.
    async fn changed(&self, before: &Lineage, words: &str) -> ActionResult {
        let name = &before.name;
        let (host, after) = match self.now(name).await {
            Ok(now) => now,
            Err(why) => {
                return ActionResult::Failed(format!(
                    "certbot ended well, but whether {name} is a new one could not be seen: {why}"
                ));
            }
        };
        if mark(&after) == mark(before) {
            let logged = logged(self.link.as_ref()).await;
            return ActionResult::Failed(format!(
                "certbot ended well, but nothing changed: {name} is the same certificate as before{logged}"
            ));
        }
        let mut did = words.to_owned();
        if let (Some(old), Some(new)) = (&before.on_disk, &after.on_disk) {
            let days = new.not_after.since(self.world.now.now()).0.div_euclid(86_400_000);
            did.push_str(&format!(
                ": serial {} instead of {}, {days} days left",
                new.serial, old.serial
            ));
        }
        match schedule(Method::Certbot, Some(&host)).to_mend() {
            None => ActionResult::Done(did),
            Some(mend) => ActionResult::done_but(&did, &format!("certificate renewed; {mend}")),
        }
    }
}
