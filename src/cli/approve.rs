//! `reef approve A-17 [CHOICE]`: shows what is asked, then takes the yes.

use crate::cli::Cx;
use crate::cli::approvals::became;
use crate::cli::confirm::{Given, Said, proceed, somebody};
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::{Format, Out, Talk};
use crate::cli::page::Page;
use crate::cli::when::When;
use crate::control::client::view;
use crate::gate::words;
use crate::model::approval::{Approval, ApprovalState, Choice};
use crate::model::ids::ApprovalId;
use crate::operator::order::{Order, Refusal};
use crate::operator::view::Approvals;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The question: A-17
    id: ApprovalId,
    /// Which of several choices, from 1
    choice: Option<usize>,
    /// Do not ask again; never enough for a critical plan
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    let given = Given::of(args.yes);
    let pending: Approvals = view(cx.ask(&Order::Approvals { all: false }).await?)?;
    let Some(approval) = pending.approvals.iter().find(|a| a.id == args.id) else {
        return Err(gone(cx, args.id).await?);
    };
    somebody(cx.talk(), given)?;
    let when = When::new(&pending.zone, pending.now);
    // As JSON there is one answer; what is asked is a remark beside it.
    let asked = question(approval, &cx.out.page, &when);
    match cx.out.format {
        Format::Words => cx.out.say(&asked)?,
        Format::Json => cx.out.note(asked.trim_end()),
    }
    let choice = choose(&mut cx.out, approval, args.choice)?;
    let plan = approval.choices.get(choice).and_then(|c| c.plan.as_ref());
    let typed = match proceed(&mut cx.out, plan, given)? {
        Said::Yes => None,
        Said::Named(name) => Some(name),
        Said::No => {
            cx.out.note(&format!(
                "reef: {} is not approved; `reef deny {0}` says no for good",
                args.id
            ));
            return Ok(Exit::FAILED);
        }
    };
    cx.just(&Order::Approve { id: args.id, choice: Some(choice + 1), typed }).await
}

/// Why a question does not wait.
async fn gone(cx: &Cx, id: ApprovalId) -> Result<Failure, Failure> {
    let all: Approvals = view(cx.ask(&Order::Approvals { all: true }).await?)?;
    let when = When::new(&all.zone, all.now);
    let why = match all.approvals.iter().find(|a| a.id == id) {
        Some(approval) => format!("{id} does not wait any more: {}", became(approval, &when)),
        None => format!("there is no question {id}; `reef approvals` shows what waits"),
    };
    Ok(Refusal { why }.into())
}

/// The question, what each choice would do, and until when it stands.
pub(crate) fn question(approval: &Approval, page: &Page, when: &When) -> String {
    let mut out = page.wrap(&approval.question, 0);
    let several = 1 < approval.choices.len();
    for (n, choice) in approval.choices.iter().enumerate() {
        if several {
            out.push_str(&page.wrap(&format!("{}: {}", n + 1, choice.say), 2));
        }
        out.push_str(&does(choice, approval, page));
    }
    out.push_str(&format!("{} · {}\n", approval.tier, became(approval, when)));
    out
}

/// The plan of a choice, unless the question spelled it out already.
fn does(choice: &Choice, approval: &Approval, page: &Page) -> String {
    let Some(plan) = &choice.plan else {
        // Where no answer does anything, that needs no line for each.
        return match approval.choices.iter().any(|choice| choice.plan.is_some()) {
            true => page.wrap("does nothing", 5),
            false => String::new(),
        };
    };
    let words = words::plan(plan);
    let told = words.lines().next().is_some_and(|line| approval.question.contains(line));
    let indent = if 1 < approval.choices.len() { 5 } else { 2 };
    if told { String::new() } else { page.wrap(&words, indent) }
}

/// The index of the choice.
pub(crate) fn choose(
    out: &mut Out,
    approval: &Approval,
    given: Option<usize>,
) -> Result<usize, Failure> {
    let n = approval.choices.len();
    let fits = |choice: usize| (1..=n).contains(&choice).then(|| choice - 1);
    if !matches!(approval.state, ApprovalState::Pending) || n == 0 {
        return Err(Refusal { why: format!("{} has nothing to choose", approval.id) }.into());
    }
    if let Some(given) = given {
        let wrong = || format!("{} has choices 1 to {n}, not {given}", approval.id);
        return fits(given).ok_or_else(|| Failure::Usage(wrong()));
    }
    if n == 1 {
        return Ok(0);
    }
    let say_which =
        || Failure::Usage(format!("say which of the {n}: `reef approve {} 1`", approval.id));
    if out.talk == Talk::Piped {
        return Err(say_which());
    }
    let typed = out.ask(&format!("Which? [1-{n}]"))?.unwrap_or_default();
    typed.parse().ok().and_then(fits).ok_or_else(say_which)
}
