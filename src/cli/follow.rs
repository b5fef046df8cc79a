//! What a typed command planned: shown, asked, and followed to its ending.

use std::time::Duration;

use crate::cli::Cx;
use crate::cli::approve;
use crate::cli::confirm::{Given, Said, proceed};
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::cli::when::When;
use crate::control::client::view;
use crate::model::approval::Approval;
use crate::model::ids::{ApprovalId, RunId};
use crate::model::plan::Verdict;
use crate::operator::order::{Order, Refusal};
use crate::operator::view::{Approvals, Planned, RunView};

/// How often a run is asked how it stands.
const POLL: Duration = Duration::from_millis(250);

/// Shows a plan; nothing more.
pub(crate) fn rehearsed(cx: &mut Cx, planned: &Planned) -> Result<Exit, Failure> {
    match cx.out.format {
        Format::Json => {
            cx.out.json(&serde_json::to_value(planned).map_err(anyhow::Error::from)?)?;
        }
        Format::Words => {
            cx.out.prose(&planned.words)?;
            let would = match (&planned.verdict, &planned.plan) {
                (_, None) => "nothing would be done".to_owned(),
                (Verdict::Allow, _) => "it would run".into(),
                (Verdict::Ask { why }, _) => format!("it would ask first: {why}"),
                (Verdict::Forbid { why }, _) => format!("it would be refused: {why}"),
            };
            cx.out.say(&format!("Dry run: nothing was changed; {would}."))?;
        }
    }
    Ok(Exit::DONE)
}

/// Shows the plan, asks, and goes along to its ending.
pub(crate) async fn carry(cx: &mut Cx, planned: &Planned, given: Given) -> Result<Exit, Failure> {
    // The runbook may have asked a question of its own: one yes does not say which of its choices.
    let several = match planned.approval {
        Some(id) => several(cx, id).await?,
        None => None,
    };
    if planned.plan.is_some() && several.is_none() {
        match cx.out.format {
            Format::Words => cx.out.prose(&planned.words)?,
            Format::Json => cx.out.note(&planned.words),
        }
    }
    if let Some(id) = planned.approval {
        let (choice, plan) = match several {
            Some(approval) => {
                let choice = approve::choose(&mut cx.out, &approval, None)?;
                let picked = approval.choices.into_iter().nth(choice);
                let Some(plan) = picked.as_ref().and_then(|c| c.plan.clone()) else {
                    // There is nothing to be sure of: it does nothing.
                    return answered(cx, id, choice, picked.map(|c| c.say)).await;
                };
                (choice, Some(plan))
            }
            None => (0, planned.plan.clone()),
        };
        let typed = match proceed(&mut cx.out, plan.as_ref(), given) {
            Ok(Said::Yes) => None,
            Ok(Said::Named(name)) => Some(name),
            // The question is answered with no: nothing of it is left waiting.
            Ok(Said::No) => {
                cx.ask(&Order::Deny { id }).await?;
                cx.out.note("reef: nothing was done");
                return Ok(Exit::FAILED);
            }
            Err(failure) => {
                cx.ask(&Order::Deny { id }).await?;
                return Err(failure);
            }
        };
        cx.ask(&Order::Approve { id, choice: Some(choice + 1), typed }).await?;
    }
    ending(cx, planned.run).await
}

/// An answer upon which nothing is done was asked for and given: that is no failure.
async fn answered(
    cx: &mut Cx,
    id: ApprovalId,
    choice: usize,
    said: Option<String>,
) -> Result<Exit, Failure> {
    let json = cx.ask(&Order::Approve { id, choice: Some(choice + 1), typed: None }).await?;
    match cx.out.format {
        Format::Json => cx.out.json(&json)?,
        Format::Words => cx.out.say(&format!(
            "Noted: {}. reef does nothing about it.",
            said.unwrap_or_default().trim_end_matches('.')
        ))?,
    }
    Ok(Exit::DONE)
}

/// The question, where it has several choices.
async fn several(cx: &mut Cx, id: ApprovalId) -> Result<Option<Approval>, Failure> {
    let pending: Approvals = view(cx.ask(&Order::Approvals { all: false }).await?)?;
    let found = pending.approvals.into_iter().find(|a| a.id == id && 1 < a.choices.len());
    if let Some(approval) = &found {
        let asked =
            approve::question(approval, &cx.out.page, &When::new(&pending.zone, pending.now));
        match cx.out.format {
            Format::Words => cx.out.say(&asked)?,
            Format::Json => cx.out.note(asked.trim_end()),
        }
    }
    Ok(found)
}

/// Tells each state of a run once, until it ended.
async fn ending(cx: &mut Cx, run: RunId) -> Result<Exit, Failure> {
    let mut last = String::new();
    loop {
        let json = cx.ask(&Order::Run { run }).await?;
        let now: RunView = view(json.clone())?;
        let Some(ending) = &now.ending else {
            if now.state != last && cx.out.format == Format::Words {
                cx.out.say(&format!("{run} is {}", now.state))?;
            }
            last = now.state;
            tokio::time::sleep(POLL).await;
            continue;
        };
        match cx.out.format {
            Format::Json => cx.out.json(&json)?,
            Format::Words => cx.out.prose(&told(&now, ending))?,
        }
        return Ok(exit(ending));
    }
}

/// `fixed: the probe that fired is green`, and what to type next.
fn told(run: &RunView, ending: &str) -> String {
    let mut out = format!("{ending}: {}\n", run.words);
    if run.words.is_empty() {
        out = format!("{ending}\n");
    }
    for action in &run.actions {
        out.push_str(&format!("{action}: `reef audit show {action}`, `reef undo {action}`\n"));
    }
    out
}

/// Done as far as it could be done, or not.
fn exit(ending: &str) -> Exit {
    match ending {
        "fixed" | "done but not verified" | "nothing to do" | "observed" => Exit::DONE,
        _ => Exit::FAILED,
    }
}

/// A run that ended before there was a plan says so itself.
pub(crate) fn planned(json: serde_json::Value) -> Result<Planned, Failure> {
    let planned: Planned = view(json)?;
    match &planned.verdict {
        Verdict::Forbid { why } if planned.approval.is_none() && planned.plan.is_some() => {
            Err(Refusal { why: format!("{}\nrefused: {why}", planned.words) }.into())
        }
        Verdict::Allow | Verdict::Ask { .. } | Verdict::Forbid { .. } => Ok(planned),
    }
}
