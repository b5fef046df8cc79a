//! Ansible by its command: a playbook that the config declares, checked or run, and what it says of each host.

mod covers;
pub mod declared;
pub mod recap;
pub mod seal;
mod taken;

use std::collections::BTreeMap;
use std::fmt;

use crate::clients::ansible::recap::{Began, Report, listed};
use crate::clients::ansible::seal::{Seal, seal};
use crate::clients::host::{LinkError, noted};
use crate::clients::outfit::Outfit;
use crate::clients::process::{self, Limits, Raw, RunError};
use crate::gate::permit::Permit;
use crate::model::digest::{Canonical, Digest};
use crate::model::ids::Word;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::model::tool::Tier;

/// The program, where the config names no other one.
const PROGRAM: &str = "ansible-playbook";
/// What is kept of the beginning of its output, and of its end, where the recap stands.
const HEAD: usize = 2 << 20;
const TAIL: usize = 512 << 10;
/// How much of what it said an error repeats, in characters.
const SAID: usize = 800;
/// For a look at the inventory.
const SHORT: Span = Span::mins(2);
/// A connection that outlives its play would hide that its host is gone.
const ONE_EACH: &str = "-o ControlMaster=no -o ControlPath=none";

/// A playbook that the config declares.
#[derive(Debug, Clone)]
pub struct Playbook {
    pub name: Word,
    pub file: AbsPath,
    pub inventory: AbsPath,
    /// Hosts or groups of the inventory that it is limited to; empty: all that it names.
    pub hosts: Vec<Word>,
    pub tags: Vec<Word>,
    /// Extra variables, given as one JSON object; none of them is the config's.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// Files and folders that it takes in, part of its hash.
    pub with: Vec<AbsPath>,
    pub sha256: Option<Digest>,
    /// What it is while its hash is as declared: high or critical.
    pub tier: Tier,
    pub binary: Option<String>,
    /// How long it may take, checked or run.
    pub within: Span,
    pub outfit: Outfit,
}

/// What a playbook is at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub tier: Tier,
    /// Why it is that, as a clause: "its hash is what the config declares".
    pub why: String,
    /// Its files; or why they cannot be read.
    pub seal: Result<Seal, String>,
}

/// How a run ended.
#[derive(Debug)]
pub enum Played {
    Ended {
        report: Report,
        code: Option<i32>,
        took: Span,
    },
    /// Provably no play began.
    NotStarted(String),
    Unknown(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    ListHosts,
    Check,
    Run,
}

impl Playbook {
    /// Reads its files. Blocks; small files only.
    pub fn standing(&self) -> Standing {
        let seal = seal(&self.file, &self.with);
        let (tier, why) = match (&seal, self.sha256) {
            (Err(why), _) => (Tier::Critical, format!("it cannot be read: {why}")),
            (Ok(_), _) if self.tier != Tier::High => {
                (Tier::Critical, "the config does not say that it is less".to_owned())
            }
            (Ok(_), None) => (Tier::Critical, "the config declares no hash of it".to_owned()),
            (Ok(seal), Some(declared)) if seal.digest != declared => (
                Tier::Critical,
                format!(
                    "it was changed, so it is critical again: its hash is {}, the config declares {}",
                    seal.digest,
                    declared.short()
                ),
            ),
            (Ok(Seal { uncovered: Some(why), .. }), Some(_)) => (Tier::Critical, why.clone()),
            (Ok(_), Some(_)) => (Tier::High, "its hash is what the config declares".to_owned()),
        };
        Standing { tier, why, seal }
    }

    /// What exactly would be run on which hosts: another byte is another plan.
    pub fn exactly(&self, seal: &Seal, hosts: &[String]) -> Digest {
        Canonical::new("ansible run 1")
            .bytes(&seal.digest.0)
            .list(self.argv(Mode::Run).iter(), |to, part| to.text(part))
            .list(hosts.iter(), |to, host| to.text(host))
            .finish()
    }

    /// The hosts that it would go to, as the inventory has them now. Reaches none of them; its roles must be found
    /// for that, so they are looked for where the seal says.
    pub async fn hosts(&self, seal: &Seal) -> Result<Vec<String>, String> {
        let raw = self.play(Mode::ListHosts, SHORT, seal).await.map_err(|e| self.lost(&e))?;
        let hosts = listed(&String::from_utf8_lossy(&raw.stdout));
        match raw.code {
            Some(0) if !hosts.is_empty() => Ok(hosts),
            Some(0) => Err(format!("{self}: no host of the inventory fits")),
            _ => Err(self.why(&raw)),
        }
    }

    /// Runs it with `--check --diff`: what would change, without changing it.
    pub async fn check(&self, seal: &Seal) -> Result<Report, String> {
        if let Some(why) = seal.uncovered.as_ref().or(seal.acts_in_check.as_ref()) {
            return Err(format!("nobody can say that a check of {self} only looks: {why}"));
        }
        let raw = self.play(Mode::Check, self.within, seal).await.map_err(|e| self.lost(&e))?;
        let report = Report::parse(&String::from_utf8_lossy(&raw.stdout));
        match report.hosts.is_empty() {
            true => Err(self.why(&raw)),
            false => Ok(self.cleaned(report)),
        }
    }

    /// Runs it, with the roles that its seal covers and no others of their names.
    pub async fn run(&self, permit: &Permit, seal: &Seal) -> Played {
        let ended = self.play(Mode::Run, self.within, seal).await;
        let argv = self.argv(Mode::Run);
        let raw = match ended {
            Ok(raw) => raw,
            Err(why) => {
                let link = LinkError::from(why.clone());
                drop(noted(permit, &argv, Err(link), &self.outfit.redactor));
                return match why {
                    RunError::NotStarted(_) => Played::NotStarted(self.lost(&why)),
                    RunError::TimedOut { .. } | RunError::Lost(_) => Played::Unknown(format!(
                        "{}; on its hosts the last task may go on",
                        self.lost(&why)
                    )),
                };
            }
        };
        let output = self.outfit.clean(&raw, HEAD + TAIL);
        // The record is what counts; the output is taken apart below.
        drop(noted(permit, &argv, Ok(output), &self.outfit.redactor));
        let report = Report::parse(&String::from_utf8_lossy(&raw.stdout));
        match (report.began, report.hosts.is_empty(), raw.code) {
            (Began::No, true, Some(_)) => Played::NotStarted(self.why(&raw)),
            (_, true, _) => {
                Played::Unknown(format!("{}; no recap says how far it came", self.why(&raw)))
            }
            (_, false, code) => {
                Played::Ended { report: self.cleaned(report), code, took: raw.took }
            }
        }
    }

    fn cleaned(&self, report: Report) -> Report {
        let clean = |text: &str| self.outfit.redactor.redact(text).into_owned();
        let errors = report.errors.iter().map(|line| clean(line)).collect();
        Report { errors, diff: clean(&report.diff), ..report }
    }

    fn program(&self) -> &str {
        self.binary.as_deref().unwrap_or(PROGRAM)
    }

    fn argv(&self, mode: Mode) -> Vec<String> {
        let join = |words: &[Word]| words.iter().map(Word::as_str).collect::<Vec<_>>().join(",");
        let (hosts, tags) = (join(&self.hosts), join(&self.tags));
        let mut argv = vec![self.program(), "-i", self.inventory.as_str(), self.file.as_str()];
        for (option, value) in [("--limit", &hosts), ("--tags", &tags)] {
            if !value.is_empty() {
                argv.extend([option, value]);
            }
        }
        let vars = serde_json::to_string(&self.vars).unwrap_or_default();
        if !self.vars.is_empty() {
            // What begins with a brace is JSON to Ansible, never NAME=VALUE.
            argv.extend(["-e", &vars]);
        }
        match mode {
            Mode::ListHosts => argv.push("--list-hosts"),
            Mode::Check => argv.extend(["--check", "--diff"]),
            Mode::Run => argv.push("--diff"),
        }
        argv.into_iter().map(str::to_owned).collect()
    }

    /// Its output's beginning and end: a play may print more than anybody keeps.
    async fn play(&self, mode: Mode, within: Span, seal: &Seal) -> Result<Raw, RunError> {
        let args = self.outfit.get("ANSIBLE_SSH_ARGS").unwrap_or("-C");
        let ssh = format!("{ONE_EACH} {args}");
        let roles = seal.roles_path.as_deref();
        let mut own = vec![
            ("ANSIBLE_SSH_ARGS", ssh.as_str()),
            ("ANSIBLE_NOCOLOR", "1"),
            ("ANSIBLE_FORCE_COLOR", "0"),
            ("ANSIBLE_STDOUT_CALLBACK", "default"),
            ("ANSIBLE_RETRY_FILES_ENABLED", "0"),
            // It takes no other encoding.
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
        ];
        own.extend(roles.map(|roles| ("ANSIBLE_ROLES_PATH", roles)));
        let given = self.outfit.given(&own).map_err(RunError::NotStarted)?;
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        let mut keep = |chunk: &[u8]| {
            let room = HEAD.saturating_sub(head.len()).min(chunk.len());
            head.extend_from_slice(&chunk[..room]);
            tail.extend_from_slice(&chunk[room..]);
            let over = if 2 * TAIL < tail.len() { tail.len() - TAIL } else { 0 };
            tail.drain(..over);
            over
        };
        let limits = Limits { timeout: within, max_output: TAIL };
        let raw = process::run_into(&self.argv(mode), limits, &given, &mut keep).await?;
        head.extend(tail);
        Ok(Raw { stdout: head, ..raw })
    }

    fn lost(&self, why: &RunError) -> String {
        let hint = match why {
            RunError::NotStarted(_) => {
                format!(
                    "; install ansible-core, or write binary = \"/path\" below [playbook.{}]",
                    self.name
                )
            }
            RunError::TimedOut { .. } | RunError::Lost(_) => String::new(),
        };
        format!("{} {self}: {why}{hint}", self.program())
    }

    /// Why it ended without a recap.
    fn why(&self, raw: &Raw) -> String {
        let code = raw.code.map_or("a signal".to_owned(), |c| format!("code {c}"));
        let both = [&raw.stderr[..], &raw.stdout[..]].concat();
        let said = self.outfit.line(&String::from_utf8_lossy(&both), SAID);
        let said = if said.is_empty() { "it said nothing" } else { &said };
        format!("{} {self} ended with {code}: {said}", self.program())
    }
}

impl fmt::Display for Playbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.file)
    }
}
