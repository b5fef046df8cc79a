//! Ansible playbooks that the config declares: checked, and run.

use std::sync::Arc;

use crate::Fut;
use crate::clients::ansible::recap::Report;
use crate::clients::ansible::seal::Seal;
use crate::clients::ansible::{Playbook, Played, Standing};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::ids::{HostName, ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Effect, Found, NOTHING_TO_UNDO, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::{Kind, Value, Values};
use crate::tool::args::{Args, failed, gives, made, refused, required};
use crate::tool::world::World;

/// How much of a diff a question shows, in characters.
const DIFF: usize = 3_000;
const NAME: &str = "its name below [playbook]";

fn check_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("ansible.check"),
        summary: "Run a declared playbook with --check --diff: what it would change on its hosts",
        inputs: vec![required("playbook", Kind::Word, NAME)],
        gives: vec![
            gives("hosts", Kind::Int, "hosts that the recap tells of"),
            gives("changed", Kind::Int, "tasks that would change something, over all hosts"),
            gives("failed", Kind::Int, "tasks that fail, also because a check cannot do them"),
            gives("unreachable", Kind::Int, "hosts that could not be reached"),
            gives("sealed", Kind::Flag, "whether its hash is what the config declares"),
            gives("recap", Kind::Text, "a part a host"),
            gives("diff", Kind::Text, "what would change"),
        ],
        max_tier: Tier::Low,
        tiers: "always low: only what the config declares, and nothing whose text says that it acts in a check",
        undo: NOTHING_TO_UNDO,
        errors: "a playbook that the config does not declare; one that acts in a check, or takes in files that `with` does not name; no ansible-playbook on this machine",
        timeout: Span::hours(1),
        example: "tool = \"ansible.check\"\nargs = { playbook = \"site\" }",
    }
}

fn run_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("ansible.run"),
        summary: "Run a declared playbook on its declared hosts",
        inputs: vec![required("playbook", Kind::Word, NAME)],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "critical; high where the config says so with its hash, as long as that hash is its own",
        undo: "none: a playbook says what shall be, not what was",
        errors: "hosts that are unreachable or fail, whatever its exit code; files or an inventory that changed since they were approved; no ansible-playbook on this machine",
        timeout: Span(Span::hours(1).0 + Span::mins(5).0),
        example: "tool = \"ansible.run\"\nargs = { playbook = \"site\" }",
    }
}

/// The playbook that a call names. It runs from this machine, and answers for this machine and its own hosts.
fn playbook(world: &World, args: &Args<'_>) -> Result<Arc<Playbook>, ToolError> {
    let all = &world.inventory.playbooks;
    let name = args.word("playbook").map_or("", Word::as_str);
    let found = all.iter().find(|(known, _)| known.as_str() == name).map(|(_, p)| Arc::clone(p));
    let found = found.ok_or_else(|| {
        let known: Vec<&str> = all.keys().map(Word::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        refused(format!("the config declares no [playbook.{name}]; it declares {known}"))
    })?;
    let on = args.call().target.on();
    if *on != world.here && !found.hosts.iter().any(|host| host.as_str() == on.as_str()) {
        return Err(refused(format!(
            "{on} is none of the hosts of [playbook.{name}]: write it among its hosts, if it may answer there"
        )));
    }
    Ok(found)
}

fn int(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// `ansible.check`.
pub fn check(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(check_spec(), move |args| {
        let playbook = playbook(&world, args)?;
        Ok(Parsed::Query(Box::new(Check { playbook })))
    })
}

struct Check {
    playbook: Arc<Playbook>,
}

impl Query for Check {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let standing = self.playbook.standing();
            let seal = standing.seal.as_ref().map_err(failed)?;
            let report = self.playbook.check(seal).await.map_err(failed)?;
            let text = |text: &str| Value::Text(Tainted::bounded(text, DIFF));
            let values = [
                ("hosts", int(report.hosts.len() as u64)),
                ("changed", int(report.changed())),
                ("failed", int(report.failed())),
                ("unreachable", int(report.unreachable())),
                ("sealed", Value::Flag(self.playbook.sha256 == Some(seal.digest))),
                ("recap", text(&report.words())),
                ("diff", text(&report.diff)),
            ];
            let values: Values = values.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
            let mut words = format!("{}: {}", self.playbook, report.words());
            for line in
                report.errors.iter().take(5).map(String::as_str).chain([report.diff.trim_end()])
            {
                words.push_str(&format!("\n{line}"));
            }
            Ok(Found { values, words: Tainted::bounded(words.trim_end(), 2 * DIFF) })
        })
    }
}

/// `ansible.run`.
pub fn run(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(run_spec(), move |args| {
        let playbook = playbook(&world, args)?;
        let own = Target::new(world.here.clone(), Thing::Playbook, playbook.name.as_str());
        let mut lease = vec![own.map_err(refused)?];
        // A host that reef knows by the same name is not acted on beside it.
        let known = playbook.hosts.iter().filter_map(|host| HostName::new(host.as_str()).ok());
        lease.extend(known.filter(|host| world.hosts.contains_key(host)).map(Target::host));
        // Its files decide the tier: what they are now, not what they were when the config was read.
        let standing = playbook.standing();
        Ok(Parsed::Action(Box::new(Run { playbook, standing, lease })))
    })
}

struct Run {
    playbook: Arc<Playbook>,
    standing: Standing,
    lease: Vec<Target>,
}

impl Run {
    async fn previewed(&self) -> Result<(Effect, Undo), ToolError> {
        let seal = self.standing.seal.as_ref().map_err(refused)?;
        let hosts = self.playbook.hosts(seal).await.map_err(failed)?;
        // What its hash does not cover may act in a check too: then only its words are there to decide by.
        let report = match &seal.uncovered {
            Some(_) => None,
            None => Some(self.playbook.check(seal).await.map_err(failed)?),
        };
        // What a check skips may change something when it is run.
        let may_change = |r: &Report| r.changed() + r.skipped() + r.failed() + r.unreachable();
        let effect = Effect {
            words: self.words(&hosts, report.as_ref(), seal),
            max_items: report.as_ref().map_or(0, may_change),
            max_bytes: 0,
            takes: None,
            artifact: Some(self.playbook.exactly(seal, &hosts)),
        };
        let why = "a playbook says what shall be, not what was: nothing takes it back";
        Ok((effect, Undo::Impossible(why.into())))
    }

    fn words(&self, hosts: &[String], report: Option<&Report>, seal: &Seal) -> String {
        let mut words = format!(
            "run the playbook {} on {} [{}: {}]; ",
            self.playbook,
            hosts.iter().take(20).cloned().collect::<Vec<_>>().join(", "),
            self.standing.tier,
            self.standing.why,
        );
        let Some(report) = report else {
            let why = seal.uncovered.as_deref().unwrap_or_default();
            words.push_str(&format!(
                "what it would change is not known, because it is not checked: {why}"
            ));
            return words;
        };
        words.push_str(&format!("its check says: {}", report.words()));
        if let Some(wrong) = report.wrong(hosts) {
            words.push_str(&format!("; already in the check {wrong}"));
        }
        if 0 < report.skipped() {
            words.push_str("; what a check skips (commands, mostly) is not in its diff");
        }
        let diff = Tainted::bounded(report.diff.trim_end(), DIFF);
        for line in diff.as_str().lines() {
            words.push_str(&format!("\n  {line}"));
        }
        words
    }

    async fn act(&self, permit: &Permit) -> ActionResult {
        let ready = async {
            let seal = self.standing.seal.as_ref().map_err(Clone::clone)?;
            let hosts = self.playbook.hosts(seal).await?;
            if permit.step().effect.artifact != Some(self.playbook.exactly(seal, &hosts)) {
                return Err(
                    "its files or its hosts are not what was approved: plan anew".to_owned()
                );
            }
            Ok((hosts, seal))
        };
        let (hosts, seal) = match ready.await {
            Ok(ready) => ready,
            Err(why) => return ActionResult::NotStarted(format!("{}: {why}", self.playbook)),
        };
        match self.playbook.run(permit, seal).await {
            Played::Ended { report, code, took } => self.ended(&report, code, took, &hosts),
            Played::NotStarted(why) => ActionResult::NotStarted(why),
            Played::Unknown(why) => ActionResult::Unknown(why),
        }
    }

    fn ended(
        &self,
        report: &Report,
        code: Option<i32>,
        took: Span,
        hosts: &[String],
    ) -> ActionResult {
        let recap = report.words();
        let code = code.map_or("a signal".to_owned(), |c| format!("code {c}"));
        // The recap counts: a host may be dead though the exit code is 0.
        match report.wrong(hosts) {
            None if code == "code 0" => {
                ActionResult::Done(format!("ran the playbook {} in {took}: {recap}", self.playbook))
            }
            wrong => {
                let wrong = wrong.unwrap_or_else(|| "no host says why".into());
                let errors: Vec<&str> = report.errors.iter().take(3).map(String::as_str).collect();
                ActionResult::Failed(format!(
                    "the playbook {} ended with {code}; {wrong}; {recap}; {}",
                    self.playbook,
                    errors.join(" / ")
                ))
            }
        }
    }
}

impl Action for Run {
    fn tier(&self) -> Tier {
        self.standing.tier
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        self.lease.clone()
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(self.previewed())
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move { self.act(&permit).await })
    }
}
