//! Terraform and OpenTofu by their command: what would change, a plan that is kept, and that plan applied.

pub mod declared;
pub mod kept;
pub mod lines;
pub mod plan;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;
use tokio::sync::Mutex;

use crate::clients::host::{LinkError, noted};
use crate::clients::outfit::Outfit;
use crate::clients::process::{self, Limits, Raw, RunError};
use crate::clients::terraform::kept::{Kept, Plans};
use crate::clients::terraform::lines::{Lines, Summary};
use crate::clients::terraform::plan::Changes;
use crate::gate::permit::Permit;
use crate::model::digest::{Canonical, Digest};
use crate::model::ids::{HostName, Word};
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// Where reef looks, in this order, when the config does not say which.
const PROGRAMS: [&str; 2] = ["terraform", "tofu"];
/// What is kept of its output. A larger plan is refused: nobody would read it.
const MOST: usize = 32 << 20;
/// For what only reads files of this machine, or the state.
const SHORT: Span = Span::secs(60);
/// How much of what it said an error repeats, in characters.
const SAID: usize = 800;

/// A folder that the config declares.
#[derive(Debug, Clone)]
pub struct Stack {
    pub name: Word,
    pub folder: AbsPath,
    /// A name that is looked for, or a path; `None`: whichever of the two is there.
    pub binary: Option<String>,
    /// Addresses that may be changed in place without always asking.
    pub addresses: BTreeSet<String>,
    /// Hosts that it makes: what is wrong on one of them may be answered by it.
    pub hosts: BTreeSet<HostName>,
    /// How long a plan may take.
    pub plan_within: Span,
    /// How long it may take to apply one.
    pub apply_within: Span,
    pub outfit: Outfit,
    /// One plan at a time: they share the file that is written first.
    pub turn: Arc<Mutex<()>>,
}

/// What a look without a plan file brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Address and action of each resource that would change; empty together with `differs` where only outputs would.
    pub planned: Vec<(String, String)>,
    pub differs: Differs,
    /// Resources that were changed behind Terraform's back.
    pub drifted: Vec<String>,
}

/// Whether what is there is what the files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    No,
    Yes,
}

/// How an apply ended.
#[derive(Debug)]
pub enum Applied {
    /// With exit code 0; what it says it did.
    Ended { summary: Option<Summary>, ended: Vec<(String, String)>, took: Span },
    /// Provably before anything was touched.
    NotStarted(String),
    /// In the middle: what was done before, and why it ended.
    Failed { ended: Vec<(String, String)>, begun: Vec<(String, String)>, why: String },
    /// Nobody knows.
    Unknown(String),
}

impl Stack {
    /// What would change, without a lock and without a file.
    pub async fn look(&self) -> Result<Seen, String> {
        let args =
            ["plan", "-detailed-exitcode", "-input=false", "-lock=false", "-no-color", "-json"];
        let raw = self.run(&args, self.plan_within).await.map_err(|e| self.lost(&e))?;
        let lines = Lines::parse(&String::from_utf8_lossy(&raw.stdout));
        let differs = match raw.code {
            Some(0) => Differs::No,
            Some(2) => Differs::Yes,
            _ => return Err(self.why(&raw, &lines)),
        };
        Ok(Seen { planned: lines.planned, differs, drifted: lines.drifted })
    }

    /// Makes a plan and keeps its file below reef's own state. Of a world that did not change since, the plan that is
    /// kept already is the answer: what was approved stays what it was.
    pub async fn plan(&self, plans: &Plans) -> Result<Kept, String> {
        let _turn = self.turn.lock().await;
        let file = plans.fresh(&self.name)?;
        let out = format!("-out={file}");
        let args = ["plan", "-input=false", "-lock=false", "-no-color", "-json", &out];
        let raw = self.run(&args, self.plan_within).await.map_err(|e| self.lost(&e))?;
        if raw.code != Some(0) {
            return Err(self.why(&raw, &Lines::parse(&String::from_utf8_lossy(&raw.stdout))));
        }
        let bytes = kept::bytes(&file)?;
        let (changes, means) = self.show(&file).await?;
        let state = self.state().await?;
        let kept = Kept { plan: Digest::of(&bytes), means, state, changes };
        plans.keep(&self.name, &file, kept)
    }

    /// What a plan file would do, and what it means: alike for two files of the same plan over the same world.
    async fn show(&self, file: &AbsPath) -> Result<(Changes, Digest), String> {
        let raw = self.run(&["show", "-json", file.as_str()], SHORT).await;
        let raw = raw.map_err(|e| self.lost(&e))?;
        if raw.code != Some(0) {
            return Err(self.why(&raw, &Lines::default()));
        }
        if 0 < raw.dropped {
            return Err(format!("the plan of {} is larger than {MOST} bytes", self.name));
        }
        let mut json: Json = serde_json::from_slice(&raw.stdout)
            .map_err(|why| format!("the plan of {} is not understood: {why}", self.name))?;
        let changes = Changes::read(&json, &self.outfit.redactor)?;
        if let Some(table) = json.as_object_mut() {
            table.remove("timestamp");
        }
        Ok((changes, Digest::of(json.to_string().as_bytes())))
    }

    /// The digest of the whole state as it stands.
    async fn state(&self) -> Result<Digest, String> {
        let raw = self.run(&["state", "pull"], SHORT).await.map_err(|e| self.lost(&e))?;
        match raw.code {
            Some(0) => Ok(Canonical::new("state")
                .bytes(&raw.stdout)
                .int(i64::try_from(raw.dropped).unwrap_or(-1))
                .finish()),
            _ => Err(self.why(&raw, &Lines::default())),
        }
    }

    /// Applies the kept plan `digest`, and nothing else. Looks first whether it still is what was approved and the state
    /// what it was planned over; `tier_holds` judges what the file says once more.
    pub async fn apply(
        &self,
        permit: &Permit,
        plans: &Plans,
        digest: Digest,
        tier_holds: impl Fn(&Changes) -> Result<(), String>,
    ) -> Applied {
        let ready = async {
            let (kept, file) = plans.find(&self.name, digest)?;
            let (changes, means) = self.show(&file).await?;
            if changes != kept.changes || means != kept.means {
                return Err("what is kept of the plan is not what its file says".to_owned());
            }
            tier_holds(&changes)?;
            if self.state().await? != kept.state {
                return Err(
                    "the state was changed since the plan was made: it is stale, plan anew"
                        .to_owned(),
                );
            }
            Ok(file)
        };
        let file = match ready.await {
            Ok(file) => file,
            Err(why) => return Applied::NotStarted(why),
        };
        let args =
            ["apply", "-input=false", "-lock-timeout=30s", "-no-color", "-json", file.as_str()];
        let ended = self.run(&args, self.apply_within).await;
        let argv = self.argv(&args);
        match ended {
            Ok(raw) => {
                let output = self.outfit.clean(&raw, MOST);
                // The record is what counts; the output was taken apart before.
                drop(noted(permit, &argv, Ok(output), &self.outfit.redactor));
                self.ended(&raw)
            }
            Err(why) => {
                let link = LinkError::from(why.clone());
                drop(noted(permit, &argv, Err(link), &self.outfit.redactor));
                match why {
                    RunError::NotStarted(why) => Applied::NotStarted(why),
                    RunError::TimedOut { .. } | RunError::Lost(_) => Applied::Unknown(format!(
                        "{why}; it may go on or have left the state locked: look at `{} plan` in {}",
                        self.program(),
                        self.folder
                    )),
                }
            }
        }
    }

    fn ended(&self, raw: &Raw) -> Applied {
        let lines = Lines::parse(&String::from_utf8_lossy(&raw.stdout));
        if raw.code == Some(0) {
            let summary = lines.summary.filter(|s| s.operation == "apply");
            return Applied::Ended { summary, ended: lines.ended, took: raw.took };
        }
        let why = self.why(raw, &lines);
        // It tells of each resource before it touches it.
        match lines.begun.is_empty()
            && raw.code.is_some()
            && raw.dropped == 0
            && !lines.errors.is_empty()
        {
            true => Applied::NotStarted(why),
            false => Applied::Failed { ended: lines.ended, begun: lines.begun, why },
        }
    }

    /// Why it ended otherwise than well, with the next step where that is known.
    fn why(&self, raw: &Raw, lines: &Lines) -> String {
        let code = raw.code.map_or("a signal".to_owned(), |c| format!("code {c}"));
        let stderr = String::from_utf8_lossy(&raw.stderr);
        let said = match lines.errors.is_empty() {
            false => lines.errors.join("; "),
            true => stderr.into_owned(),
        };
        let said = self.outfit.line(&said, SAID);
        let said = if said.is_empty() { "it said nothing".to_owned() } else { said };
        let lower = said.to_ascii_lowercase();
        let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let next = if any(&["terraform init", "tofu init"]) {
            format!("; run `{} -chdir={} init` by hand once", self.program(), self.folder)
        } else if any(&[
            "accessdenied",
            "access denied",
            "unauthorized",
            "forbidden",
            "permission denied",
            " 401",
            " 403",
        ]) {
            format!(
                "; a right is missing: give what reef uses for {0} (env and secrets below [terraform.{0}], or its files) that one, and no more",
                self.name
            )
        } else {
            String::new()
        };
        format!("{} in {} ended with {code}: {said}{next}", self.program(), self.folder)
    }

    fn lost(&self, why: &RunError) -> String {
        let hint = match why {
            RunError::NotStarted(_) => format!(
                "; install terraform or tofu, or write binary = \"/path\" below [terraform.{}]",
                self.name
            ),
            RunError::TimedOut { .. } | RunError::Lost(_) => String::new(),
        };
        format!("{} in {}: {why}{hint}", self.program(), self.folder)
    }

    /// The program that is run.
    pub fn program(&self) -> &str {
        match &self.binary {
            Some(binary) => binary,
            None => PROGRAMS.into_iter().find(|p| process::is_there(p)).unwrap_or(PROGRAMS[0]),
        }
    }

    fn argv(&self, args: &[&str]) -> Vec<String> {
        let chdir = format!("-chdir={}", self.folder);
        [self.program(), &chdir]
            .into_iter()
            .chain(args.iter().copied())
            .map(str::to_owned)
            .collect()
    }

    async fn run(&self, args: &[&str], timeout: Span) -> Result<Raw, RunError> {
        let own = [("TF_IN_AUTOMATION", "1"), ("TF_INPUT", "0"), ("CHECKPOINT_DISABLE", "1")];
        let given = self.outfit.given(&own).map_err(RunError::NotStarted)?;
        process::run_raw(&self.argv(args), Limits { timeout, max_output: MOST }, &given).await
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.folder)
    }
}
