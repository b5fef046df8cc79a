//! `reef approvals [renew A-17]`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::left;
use crate::cli::page::{Ink, Page};
use crate::cli::when::When;
use crate::model::approval::{Approval, ApprovalState};
use crate::model::ids::ApprovalId;
use crate::operator::order::Order;
use crate::operator::view::{Approvals, Planned};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The answered and expired ones of the last 90 days too
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Plan an old question afresh from how things are now, and ask again
    Renew {
        /// The question: A-17
        id: ApprovalId,
    },
}

pub(crate) async fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    if let Some(Command::Renew { id }) = &args.command {
        return renew(cx, *id).await;
    }
    let json = match cx.ask_if_running(&Order::Approvals { all: args.all }).await? {
        Some(json) => json,
        None => {
            serde_json::to_value(left::approvals(cx, args.all)?).map_err(anyhow::Error::from)?
        }
    };
    cx.show(json, render)?;
    Ok(Exit::DONE)
}

/// What came of it: another question, a plan that runs by itself by now, or nothing to do.
async fn renew(cx: &mut Cx, id: ApprovalId) -> Result<Exit, Failure> {
    let json = cx.ask(&Order::Renew { id }).await?;
    cx.show(json, render_renewed)?;
    Ok(Exit::DONE)
}

pub(crate) fn render_renewed(planned: &Planned, page: &Page) -> String {
    let mut out = page.wrap(&planned.words, 0);
    match planned.approval {
        Some(id) => out.push_str(&format!("  reef approve {id}   reef deny {id}\n")),
        None if planned.plan.is_some() => out.push_str("it runs: its leash allows that by now\n"),
        None => out.push_str("nothing is asked\n"),
    }
    out
}

pub(crate) fn render(view: &Approvals, page: &Page) -> String {
    if view.approvals.is_empty() {
        return "no questions\n".into();
    }
    let when = When::new(&view.zone, view.now);
    let each: Vec<String> = view.approvals.iter().map(|a| one(a, page, &when)).collect();
    each.join("\n")
}

/// One question with its choices and what to type.
fn one(approval: &Approval, page: &Page, when: &When) -> String {
    let id = page.ink(Ink::Bold, &approval.id.to_string());
    let mut about = vec![approval.tier.to_string()];
    about.extend(approval.incident.map(|incident| incident.to_string()));
    about.push(format!("asked {}", when.at(approval.asked_at)));
    about.push(became(approval, when));
    let mut out = format!("{id}  {}\n", about.join(" · "));
    out.push_str(&page.wrap(&approval.question, 2));
    if 1 < approval.choices.len() {
        for (n, choice) in approval.choices.iter().enumerate() {
            out.push_str(&page.wrap(&format!("{}: {}", n + 1, choice.say), 4));
        }
    }
    if approval.state == ApprovalState::Pending {
        let choice = if 1 < approval.choices.len() { " N" } else { "" };
        out.push_str(&format!("  reef approve {0}{choice}   reef deny {0}\n", approval.id));
    }
    out
}

/// `expires 09:14`, or what became of it.
pub(crate) fn became(approval: &Approval, when: &When) -> String {
    match &approval.state {
        ApprovalState::Pending => {
            format!("expires {}, silence means no", when.at(approval.expires_at))
        }
        ApprovalState::Approved { choice, by, at } => {
            let say = approval.choices.get(*choice).map_or("", |c| c.say.as_str());
            format!("approved {} by {by}: {say}", when.at(*at))
        }
        ApprovalState::Denied { by, at } => format!("denied {} by {by}", when.at(*at)),
        ApprovalState::Expired { at } => format!("expired {}", when.at(*at)),
        ApprovalState::Void { why, at } => format!("void since {}: {why}", when.at(*at)),
        ApprovalState::Used { at } => format!("used {}", when.at(*at)),
    }
}
