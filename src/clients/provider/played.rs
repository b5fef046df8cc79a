//! A verb of a provider by a declared playbook: what fills its placeholders is given as extra variables, each with its type, and
//! its check is what a human sees before.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::clients::ansible::{Playbook, Played, Standing};
use crate::clients::docker::engine::NotDone;
use crate::gate::permit::Permit;
use crate::model::digest::Digest;
use crate::model::taint::Tainted;
use crate::model::time::Span;

/// How much of a diff a question shows, in characters.
const DIFF: usize = 2_000;
/// What is told of a play that failed.
const SAID: usize = 600;

/// One playbook for each verb that has one.
pub type Playbooks = BTreeMap<String, Arc<Playbook>>;

/// What a check of a playbook said.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    pub words: String,
    /// Its files, its variables and its hosts: another byte is another plan.
    pub exactly: Digest,
}

/// Placeholders whose value is a number.
const NUMBERS: [&str; 4] = ["{bytes}", "{memory}", "{cores}", "{port}"];

/// The extra variables: `{vm}` becomes `reef_vm`, so that none is a name of Ansible's own.
pub fn vars(filled: &[(&str, String)]) -> BTreeMap<String, Json> {
    let typed = |name: &str, value: &String| match value.parse::<u64>() {
        Ok(number) if NUMBERS.contains(&name) => Json::from(number),
        Ok(_) | Err(_) => Json::String(value.clone()),
    };
    let named = |name: &str| format!("reef_{}", name.trim_matches(['{', '}']));
    filled.iter().map(|(name, value)| (named(name), typed(name, value))).collect()
}

/// The playbook with these variables, for at most so long.
pub fn with(playbook: &Playbook, vars: BTreeMap<String, Json>, within: Span) -> Playbook {
    Playbook { vars, within: playbook.within.min(within), ..playbook.clone() }
}

/// What it is at the moment, and exactly.
async fn exact(playbook: &Playbook) -> Result<(Standing, Vec<String>, Digest), String> {
    let standing = playbook.standing();
    let seal = standing.seal.clone()?;
    let hosts = playbook.hosts(&seal).await?;
    let exactly = playbook.exactly(&seal, &hosts);
    Ok((standing, hosts, exactly))
}

/// As [`Rehearsed::exactly`], without a check.
pub async fn exactly(playbook: &Playbook) -> Result<Digest, String> {
    exact(playbook).await.map(|(_, _, exactly)| exactly)
}

/// Runs it with `--check --diff`.
pub async fn rehearse(playbook: &Playbook) -> Result<Rehearsed, String> {
    let (standing, hosts, exactly) = exact(playbook).await?;
    let seal = standing.seal.clone()?;
    let report = playbook.check(&seal).await?;
    let mut words = format!(
        "by the playbook {playbook} on {} [{}: {}]; its check says: {}",
        hosts.iter().take(20).cloned().collect::<Vec<_>>().join(", "),
        standing.tier,
        standing.why,
        report.words()
    );
    if let Some(wrong) = report.wrong(&hosts) {
        words.push_str(&format!("; already in the check {wrong}"));
    }
    if 0 < report.skipped() {
        words.push_str("; what a check skips (commands, mostly) is not in its diff");
    }
    let diff = Tainted::bounded(report.diff.trim_end(), DIFF);
    for line in diff.as_str().lines() {
        words.push_str(&format!("\n  {line}"));
    }
    Ok(Rehearsed { words, exactly })
}

/// Runs it. Its recap counts, not its exit code alone.
pub async fn run(permit: &Permit, playbook: &Playbook) -> Result<(), NotDone> {
    let (standing, hosts, _) = exact(playbook).await.map_err(NotDone::NotStarted)?;
    let seal = standing.seal.map_err(NotDone::NotStarted)?;
    match playbook.run(permit, &seal).await {
        Played::NotStarted(why) => Err(NotDone::NotStarted(why)),
        Played::Unknown(why) => Err(NotDone::Unknown(why)),
        Played::Ended { report, code, .. } => {
            let wrong = report.wrong(&hosts);
            if wrong.is_none() && code == Some(0) {
                return Ok(());
            }
            let code = code.map_or("a signal".to_owned(), |code| format!("code {code}"));
            let wrong = wrong.unwrap_or_else(|| "no host says why".into());
            let errors: Vec<&str> = report.errors.iter().take(3).map(String::as_str).collect();
            let said = Tainted::bounded(&errors.join(" / "), SAID);
            Err(NotDone::Failed(format!(
                "the playbook {playbook} ended with {code}; {wrong}; {}; {said}",
                report.words()
            )))
        }
    }
}
