//! A provider by commands that the operator wrote: one argv for each verb, no shell. A placeholder is one whole
//! argument, and what fills it is a typed value.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Fut;
use crate::clients::ansible::Playbook;
use crate::clients::docker::engine::NotDone;
use crate::clients::host::{HostLink, LinkError};
use crate::clients::process::{self, Given, Limits};
use crate::clients::provider::played::{self, Playbooks, Rehearsed, vars};
use crate::clients::provider::{
    Deed, MARK, Machine, Made, Means, Power, Provider, Rule, Snapshot, StoppedBy, word_of,
};
use crate::gate::permit::Permit;
use crate::model::digest::Digest;
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};
use crate::policy::argv::Argv;
use crate::policy::denied::{Said, Want, denied};
use crate::policy::redact::Redactor;

/// For the command that tells how a machine is.
const LOOK: Limits = Limits { timeout: Span::secs(10), max_output: 64 << 10 };
/// As much of an output as is told.
const REFUSAL: usize = 300;

/// The verbs that a command can be written for, each with the placeholders that it may have beside `{vm}`.
pub const VERBS: &[(&str, &[&str])] = &[
    ("state", &[]),
    ("start", &[]),
    ("stop", &[]),
    ("create", &["{template}", "{mark}"]),
    ("delete", &[]),
    ("resize", &["{volume}", "{bytes}"]),
    ("limit", &["{memory}", "{cores}"]),
    ("rule_add", RULE),
    ("rule_remove", RULE),
    ("snapshot", &["{snapshot}"]),
    ("rollback", &["{snapshot}"]),
    ("forget", &["{snapshot}"]),
];

const RULE: &[&str] = &["{direction}", "{verdict}", "{protocol}", "{port}", "{source}"];

/// One argv for each verb.
pub type Commands = BTreeMap<String, Vec<String>>;

/// Why a command cannot stand for a verb. `{vm}` must be in it: a command that names no machine would touch
/// another one than was asked about.
pub fn check(verb: &str, argv: &[String]) -> Result<(), String> {
    let (_, more) = VERBS
        .iter()
        .find(|(name, _)| *name == verb)
        .ok_or_else(|| format!("is no verb; write one of {}", names()))?;
    let Some((program, rest)) = argv.split_first() else {
        return Err("names no program".into());
    };
    if !program.starts_with('/') || program.contains(['{', '}']) {
        return Err(format!("begins with {program:?}, which is no program by its whole path"));
    }
    for part in rest.iter().filter(|part| part.contains(['{', '}'])) {
        if part != "{vm}" && !more.contains(&part.as_str()) {
            return Err(format!(
                "has {part:?}; a placeholder is one whole argument, for {verb}: {}",
                [&["{vm}"][..], more].concat().join(", ")
            ));
        }
    }
    let missing = ["{vm}"].iter().chain(*more).find(|needed| {
        // Anybody may be meant, and nobody has to know who made it.
        !["{source}", "{mark}"].contains(needed) && !rest.iter().any(|part| part == **needed)
    });
    match missing {
        Some(missing) => Err(format!("does not have {missing} among its arguments")),
        None => Ok(()),
    }
}

fn names() -> String {
    VERBS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Machines by commands on this machine.
#[derive(Debug)]
pub struct CommandProvider {
    pub link: Arc<dyn HostLink>,
    pub commands: Commands,
    /// Verbs that a playbook stands for.
    pub playbooks: Playbooks,
    pub redactor: Arc<Redactor>,
}

impl CommandProvider {
    fn argv(&self, verb: &str, filled: &[(&str, String)]) -> Result<Argv, String> {
        let template = self.commands.get(verb).ok_or_else(|| {
            format!("no command is declared for {verb}; write command.{verb} = [\"/path/to/program\", \"{{vm}}\"]")
        })?;
        let fill = |part: &String| match filled.iter().find(|(name, _)| name == part) {
            Some((_, value)) => value.clone(),
            None => part.clone(),
        };
        Argv::new(template.iter().map(fill).collect()).map_err(|why| why.to_string())
    }

    async fn state(&self, id: &str) -> Result<Machine, String> {
        let argv = self.argv("state", &[("{vm}", id.to_owned())])?;
        let said = process::run(argv.as_slice(), LOOK, &Given::default(), &self.redactor).await;
        let said = said.map_err(|why| format!("{}: {why}", argv.program()))?;
        if said.code != Some(0) {
            let code = said.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
            return Err(format!("{argv} ended with {code}: {}", said.stderr.first_line()));
        }
        read(said.stdout.as_str()).map_err(|why| format!("{argv}: {why}"))
    }

    async fn run(
        &self,
        permit: &Permit,
        id: &str,
        seen: &Machine,
        deed: &Deed,
        within: Span,
    ) -> Result<(), NotDone> {
        let (verb, more) = filled(deed, seen).map_err(NotDone::NotStarted)?;
        let mut values = vec![("{vm}", id.to_owned())];
        values.extend(more);
        if let Some(playbook) = self.playbooks.get(verb) {
            return played::run(permit, &played::with(playbook, vars(&values), within)).await;
        }
        let argv = self.argv(verb, &values).map_err(NotDone::NotStarted)?;
        let output = match self.link.exec(permit, &argv, within).await {
            Ok(output) if output.code == Some(0) => return Ok(()),
            Ok(output) => output,
            Err(LinkError::NotStarted(why)) => {
                return Err(NotDone::NotStarted(format!("{argv}: {why}")));
            }
            Err(why @ (LinkError::TimedOut(_) | LinkError::Lost(_))) => {
                return Err(NotDone::Unknown(format!("{argv}: {why}")));
            }
        };
        let code = output.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
        let said = format!("{}{}", output.stderr.as_str(), output.stdout.as_str());
        let said = Tainted::bounded(said.trim(), REFUSAL);
        let missing = denied(&Said {
            host: self.link.name(),
            standing: &self.link.standing(),
            argv: argv.as_slice(),
            timeout: within,
            want: Want::Act,
            code: output.code,
            stderr: output.stderr.as_str(),
        });
        Err(NotDone::Failed(match missing {
            Some(denied) => format!("{denied} (it said: {said})"),
            None => format!("{argv} ended with {code}: {said}"),
        }))
    }
}

impl CommandProvider {
    /// The playbook of a deed with its variables, where a playbook stands for its verb.
    fn playbook(&self, id: &str, seen: &Machine, deed: &Deed) -> Result<Option<Playbook>, String> {
        let (verb, more) = filled(deed, seen)?;
        let Some(playbook) = self.playbooks.get(verb) else { return Ok(None) };
        let mut values = vec![("{vm}", id.to_owned())];
        values.extend(more);
        Ok(Some(played::with(playbook, vars(&values), playbook.within)))
    }
}

type Filled = (&'static str, Vec<(&'static str, String)>);

/// The verb of a deed.
fn verb_of(deed: &Deed) -> &'static str {
    match deed {
        Deed::Start => "start",
        Deed::Stop => "stop",
        Deed::Create { .. } => "create",
        Deed::Delete => "delete",
        Deed::Grow { .. } => "resize",
        Deed::Limit { .. } => "limit",
        Deed::Admit(_) => "rule_add",
        Deed::Withdraw(_) => "rule_remove",
        Deed::Snapshot { .. } => "snapshot",
        Deed::Rollback { .. } => "rollback",
        Deed::Forget { .. } => "forget",
    }
}

/// The verb of a deed, and what fills its placeholders.
fn filled(deed: &Deed, seen: &Machine) -> Result<Filled, String> {
    let of_rule = |rule: &Rule| {
        let Rule { direction, verdict, protocol, port, source } = rule;
        vec![
            ("{direction}", (*direction).to_owned()),
            ("{verdict}", (*verdict).to_owned()),
            ("{protocol}", (*protocol).to_owned()),
            ("{port}", port.to_string()),
            ("{source}", source.clone().unwrap_or_else(|| "any".into())),
        ]
    };
    let more = match deed {
        Deed::Start | Deed::Stop | Deed::Delete => Vec::new(),
        Deed::Create { template, .. } => {
            vec![("{template}", template.clone()), ("{mark}", MARK.to_owned())]
        }
        Deed::Grow { volume, to } => {
            vec![("{volume}", volume.clone()), ("{bytes}", to.to_string())]
        }
        Deed::Limit { memory, cores } => {
            let untold =
                |what: &str| format!("its state does not tell its {what}, which must stay");
            let memory = memory.or(seen.memory).ok_or_else(|| untold("memory"))?;
            let cores = cores.or(seen.cores).ok_or_else(|| untold("cores"))?;
            vec![("{memory}", memory.to_string()), ("{cores}", cores.to_string())]
        }
        Deed::Admit(rule) | Deed::Withdraw(rule) => of_rule(rule),
        Deed::Snapshot { name } | Deed::Rollback { name } | Deed::Forget { name } => {
            vec![("{snapshot}", name.clone())]
        }
    };
    Ok((verb_of(deed), more))
}

/// What the state command printed: `KEY=VALUE` lines, `status` among them.
///
/// `status=running|stopped|paused|absent`, `stopped_by=itself|WHO`, `memory=BYTES`, `cores=N`,
/// `volume.NAME=BYTES`, `snapshot=NAME`, `since=NAME`, `up=SECONDS`,
/// `rule=in accept tcp 443 any`, `made_by=reef`.
fn read(text: &str) -> Result<Machine, String> {
    let mut machine = Machine::absent();
    let mut told = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let wrong = || {
            let line = Tainted::bounded(line, 80);
            format!("it printed {line:?}, which is none of the lines that tell a state")
        };
        let (key, value) = line.split_once('=').ok_or_else(wrong)?;
        match (key, key.strip_prefix("volume.")) {
            ("status", _) => {
                told = true;
                machine.power = match value {
                    "running" => Power::Running,
                    "stopped" => Power::Stopped,
                    "paused" => Power::Other,
                    "absent" => Power::Absent,
                    _ => return Err(wrong()),
                };
            }
            ("stopped_by", _) => {
                machine.stopped_by = match value {
                    "itself" => StoppedBy::Itself,
                    "reef" => StoppedBy::Reef,
                    who => StoppedBy::Somebody(Tainted::bounded(who, 60).as_str().to_owned()),
                };
            }
            ("memory", _) => machine.memory = Some(value.parse().map_err(|_| wrong())?),
            ("cores", _) => machine.cores = Some(value.parse().map_err(|_| wrong())?),
            ("snapshot", _) => {
                machine.snapshots.push(Snapshot { name: value.to_owned(), at: None::<Millis> });
            }
            ("since", _) => machine.since = Some(value.to_owned()),
            ("up", _) => machine.up = Some(Span::secs(value.parse().map_err(|_| wrong())?)),
            ("rule", _) => machine.rules.extend(rule(value)),
            ("made_by", _) if value == "reef" => machine.origin = Made::ByReef,
            ("made_by", _) => machine.origin = Made::ByOthers,
            (_, Some(name)) if !name.is_empty() => {
                machine.volumes.insert(name.to_owned(), value.parse().map_err(|_| wrong())?);
            }
            _ => return Err(wrong()),
        }
    }
    if told { Ok(machine) } else { Err("it printed no line `status=...`".into()) }
}

/// A rule that says more than one of ours can is not one of ours.
fn rule(text: &str) -> Option<Rule> {
    let mut parts = text.split_whitespace();
    let rule = Rule {
        direction: word_of(parts.next()?, Rule::DIRECTIONS)?,
        verdict: word_of(parts.next()?, Rule::VERDICTS)?,
        protocol: word_of(parts.next()?, Rule::PROTOCOLS)?,
        port: parts.next()?.parse().ok()?,
        source: parts.next().filter(|source| *source != "any").map(str::to_owned),
    };
    parts.next().is_none().then_some(rule)
}

impl Provider for CommandProvider {
    fn look<'a>(&'a self, id: &'a str) -> Fut<'a, Result<Machine, String>> {
        Box::pin(self.state(id))
    }

    fn act<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a str,
        seen: &'a Machine,
        deed: &'a Deed,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(self.run(permit, id, seen, deed, within))
    }

    fn means(&self, deed: &Deed) -> Option<Means> {
        self.playbooks.get(verb_of(deed)).map(|playbook| Means { tier: playbook.standing().tier })
    }

    fn rehearse<'a>(
        &'a self,
        id: &'a str,
        seen: &'a Machine,
        deed: &'a Deed,
    ) -> Fut<'a, Result<Option<Rehearsed>, String>> {
        Box::pin(async move {
            match self.playbook(id, seen, deed)? {
                Some(playbook) => played::rehearse(&playbook).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn exactly<'a>(
        &'a self,
        id: &'a str,
        seen: &'a Machine,
        deed: &'a Deed,
    ) -> Fut<'a, Result<Option<Digest>, String>> {
        Box::pin(async move {
            match self.playbook(id, seen, deed)? {
                Some(playbook) => played::exactly(&playbook).await.map(Some),
                None => Ok(None),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn a_placeholder_is_one_whole_argument() {
        for (verb, parts, why) in [
            ("start", &["/usr/bin/virsh", "start", "{vm}"][..], None),
            ("resize", &["/bin/x", "{vm}", "{volume}", "{bytes}"], None),
            (
                "rule_add",
                &["/bin/x", "{vm}", "{direction}", "{verdict}", "{protocol}", "{port}"],
                None,
            ),
            ("start", &["virsh", "start", "{vm}"], Some("no program by its whole path")),
            ("start", &["/bin/x", "--domain={vm}"], Some("one whole argument")),
            ("start", &["/bin/x", "{vm}", "{bytes}"], Some("one whole argument")),
            ("start", &["/bin/{vm}"], Some("no program by its whole path")),
            ("start", &["/bin/x"], Some("does not have {vm}")),
            ("snapshot", &["/bin/x", "{vm}"], Some("does not have {snapshot}")),
            ("start", &[], Some("names no program")),
            ("sing", &["/bin/x", "{vm}"], Some("is no verb")),
        ] {
            let is = check(verb, &argv(parts)).err();
            match (&is, why) {
                (None, None) => {}
                (Some(is), Some(why)) => assert!(is.contains(why), "{verb} {parts:?}: {is}"),
                _ => panic!("{verb} {parts:?}: {is:?}"),
            }
        }
    }

    #[test]
    fn a_state_is_read_line_by_line_and_what_is_not_known_is_no_state() {
        let text = "status=running\nmemory=2147483648\ncores=2\nvolume.root=10\nsnapshot=a\nsince=a\nup=5\n\
                    rule=in ACCEPT tcp 443 any\nrule=in accept icmp\nmade_by=reef\n";
        let machine = read(text).unwrap();
        assert_eq!((machine.power, machine.cores), (Power::Running, Some(2)));
        assert_eq!(machine.volumes["root"], 10);
        assert_eq!(machine.rules.len(), 1, "what is no rule of ours is left out");
        assert_eq!(machine.rules[0].to_string(), "accept in tcp port 443 from anybody");
        assert!(machine.has_snapshot("a") && machine.origin == Made::ByReef);
        for (text, why) in [
            ("", "no line `status"),
            ("cores=2", "no line `status"),
            ("status=fine", "status=fine"),
            ("status=running\nmemory=much", "memory=much"),
            ("status=running\nhello", "hello"),
        ] {
            let is = read(text).unwrap_err();
            assert!(is.contains(why), "{text:?}: {is}");
        }
    }
}
