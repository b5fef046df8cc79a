//! From a file's text to a runbook, or to all that is wrong with it.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::config::mistakes::hint;
use crate::model::digest::Digest;
use crate::model::ids::{RunbookName, StepName};
use crate::runbook::block::{self, Fenced};
use crate::runbook::fields::{self, Toml, brief};
use crate::runbook::front;
use crate::runbook::reference::Names;
use crate::runbook::{
    Asked, Block, DEFAULT_VERIFY, EscalateDef, LeaveDef, Mistake, Runbook, VerifyRule,
};

/// The longest file that is read, in bytes: a hundred times what anybody reads at 3 AM.
const LONGEST: usize = 256 << 10;

/// The most blocks for the machine; a plan with more steps is no plan.
const MOST_BLOCKS: usize = 100;

/// What a fenced block is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FenceKind {
    Step,
    Ask,
    Leave,
    Escalate,
    Verify,
}

/// A fenced block for the machine.
#[derive(Debug)]
struct Fence {
    kind: FenceKind,
    /// Of the opening fence.
    line: usize,
    toml: Toml,
    /// In the body.
    range: Range<usize>,
}

/// Reads one runbook. What needs the tools or the readings is left to [`crate::runbook::check()`].
pub fn parse(name: RunbookName, text: &str) -> Result<Runbook, Vec<Mistake>> {
    if LONGEST < text.len() {
        let what = format!("the file has {} bytes; a runbook has at most {LONGEST}", text.len());
        return Err(vec![Mistake::new(1, what)]);
    }
    let (toml, body, body_line) = split(text).map_err(|mistake| vec![mistake])?;
    let mut out = Vec::new();
    let fences = fences(body, body_line, &mut out);
    if MOST_BLOCKS < fences.len() {
        let what =
            format!("there are {} blocks; a runbook has at most {MOST_BLOCKS}", fences.len());
        return Err(vec![Mistake::new(1, what)]);
    }
    let mut names = step_names(&fences, &mut out);
    let digest = Digest::of(text.as_bytes());
    let front = front::read_front(name, digest, &toml, &mut names, &mut out);
    let blocks = read_blocks(&fences, &names, &mut out);
    if fences.iter().all(|fence| !matches!(fence.kind, FenceKind::Step | FenceKind::Ask)) {
        out.push(Mistake::hinted(1, "there is no step and no question", "write a ```step block"));
    }
    out.extend(asked_steps(&blocks.blocks, &fences, &names));
    match front {
        Some(front) if out.is_empty() => Ok(Runbook {
            blocks: blocks.blocks,
            leave: blocks.leave,
            escalations: blocks.escalations,
            verify: blocks.verify.unwrap_or(DEFAULT_VERIFY),
            prose: prose(body, &fences),
            ..front
        }),
        Some(_) | None => {
            out.sort();
            out.dedup();
            Err(out)
        }
    }
}

/// What the fenced blocks hold.
#[derive(Default)]
struct Blocks {
    blocks: Vec<Block>,
    leave: Vec<LeaveDef>,
    escalations: Vec<EscalateDef>,
    verify: Option<VerifyRule>,
}

fn read_blocks(fences: &[Fence], names: &Names, out: &mut Vec<Mistake>) -> Blocks {
    let mut found = Blocks::default();
    let (mut n_steps, mut n_verify) = (0, 0);
    for fence in fences {
        let at = Fenced { toml: &fence.toml, line: fence.line, names };
        match fence.kind {
            FenceKind::Step => {
                found.blocks.extend(block::read_step(&at, n_steps, out).map(Block::Step));
                n_steps += 1;
            }
            FenceKind::Ask => found.blocks.extend(block::read_ask(&at, out).map(Block::Ask)),
            FenceKind::Leave => found.leave.extend(block::read_leave(&at, out)),
            FenceKind::Escalate => found.escalations.extend(block::read_escalate(&at, out)),
            FenceKind::Verify => {
                n_verify += 1;
                if n_verify == 2 {
                    out.push(Mistake::new(fence.line, "there is a verify block already"));
                }
                found.verify = block::read_verify(&at, out);
            }
        }
    }
    found
}

/// The front matter, the body, and the body's first line.
fn split(text: &str) -> Result<(Toml, &str, usize), Mistake> {
    const HOW: &str = "write TOML between a first line +++ and another line +++";
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = 0;
    let mut opened = None;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let is_mark = line.trim_end() == "+++";
        match opened {
            None if is_mark => opened = Some(at + line.len()),
            None => {
                return Err(Mistake::hinted(1, "the file does not begin with front matter", HOW));
            }
            Some(start) if is_mark => {
                let toml = Toml { text: text[start..at].to_owned(), first_line: 2 };
                return Ok((toml, &text[at + line.len()..], index + 2));
            }
            Some(_) => {}
        }
        at += line.len();
    }
    let what = if text.is_empty() { "the file is empty" } else { "the front matter has no end" };
    Err(Mistake::hinted(1, what, HOW))
}

/// All blocks for the machine, in the order of the file.
fn fences(body: &str, body_line: usize, out: &mut Vec<Mistake>) -> Vec<Fence> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(body.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let line_of = |at: usize| starts.partition_point(|start| *start <= at) + body_line - 1;
    let mut found = Vec::new();
    let mut open: Option<Fence> = None;
    for (event, range) in Parser::new_ext(body, Options::empty()).into_offset_iter() {
        if let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) = &event {
            let line = line_of(range.start);
            let kind = fence_kind(info, line, out);
            let toml = Toml { text: String::new(), first_line: line + 1 };
            open = kind.map(|kind| Fence { kind, line, toml, range });
        } else if let Event::Text(text) = &event {
            open.iter_mut().for_each(|fence| fence.toml.text.push_str(text));
        } else if let Event::End(TagEnd::CodeBlock) = &event {
            let Some(fence) = open.take() else { continue };
            if !is_closed(&body[fence.range.clone()]) {
                let what = "the block is not closed";
                out.push(Mistake::hinted(fence.line, what, "end it with a line ```"));
            }
            found.push(fence);
        }
    }
    found
}

/// What the word after a fence asks for; a block that is nearly ours is told, never passed over.
fn fence_kind(info: &str, line: usize, out: &mut Vec<Mistake>) -> Option<FenceKind> {
    const KINDS: [(&str, FenceKind); 5] = [
        ("step", FenceKind::Step),
        ("ask", FenceKind::Ask),
        ("leave", FenceKind::Leave),
        ("escalate", FenceKind::Escalate),
        ("verify", FenceKind::Verify),
    ];
    let word = info.trim();
    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == word) {
        return Some(*kind);
    }
    let first = word.split_whitespace().next().unwrap_or("");
    let near = |name: &str| {
        let given = first.to_lowercase();
        given == name
            || given.len() <= 12 && 3 < name.len() && strsim::damerau_levenshtein(&given, name) < 2
    };
    if let Some((name, _)) = KINDS.iter().find(|(name, _)| near(name)) {
        let what = format!("a block is called \"{}\"", brief(word));
        let hint = format!("did you mean \"{name}\"? A block that is not for reef is called text");
        out.push(Mistake::hinted(line, what, hint));
    }
    None
}

fn is_closed(source: &str) -> bool {
    let mark = if source.starts_with('~') { "~~~" } else { "```" };
    let mut lines = source.lines();
    lines.next();
    lines
        .next_back()
        .is_some_and(|last| last.trim_start_matches(['>', ' ', '\t']).starts_with(mark))
}

/// The names of all steps, so that a reference can be told from a literal anywhere in the file.
fn step_names(fences: &[Fence], out: &mut Vec<Mistake>) -> Names {
    let mut names = Names::default();
    for fence in fences.iter().filter(|fence| fence.kind == FenceKind::Step) {
        let text =
            Some(fence.toml.text.as_str()).filter(|t| t.len() <= fields::LONGEST).unwrap_or("");
        let (table, _) = toml::de::DeTable::parse_recoverable(text);
        let given = table.get_ref().get("name");
        let name = given.and_then(|given| StepName::new(given.get_ref().as_str()?).ok());
        // A step whose name is missing or wrong is told when the whole step is read; here it keeps its
        // place, so that the others' places are right.
        names.steps.push((name.clone(), fence.line));
        let Some(name) = name else { continue };
        let at = given.map_or(0, |given| given.span().start);
        let line = fence.toml.first_line + text[..at].matches('\n').count();
        if matches!(name.as_str(), "reading" | "param" | "each") || name.as_str().contains('.') {
            let what = format!("a step cannot be called \"{name}\"");
            let hint = "\"NAME.FIELD\" would not be clear; call it otherwise";
            out.push(Mistake::hinted(line, what, hint));
        }
        let known = names.steps.split_last().map_or(&[][..], |(_, earlier)| earlier);
        if let Some((_, first)) = known.iter().find(|(known, _)| known.as_ref() == Some(&name)) {
            let what = format!("the step on line {first} is called \"{name}\" too");
            out.push(Mistake::hinted(line, what, "give each step a name of its own"));
        }
    }
    names
}

/// Options and the steps that they pick must fit each other.
fn asked_steps(blocks: &[Block], fences: &[Fence], names: &Names) -> Vec<Mistake> {
    let (mut steps, mut options) = (Vec::new(), Vec::new());
    for block in blocks {
        match block {
            Block::Step(step) => steps.push(step),
            Block::Ask(ask) => options.extend(&ask.options),
        }
    }
    let mut out = Vec::new();
    let picked = |step: &StepName| options.iter().any(|option| option.steps.contains(step));
    // Where a question could not be read, nobody knows what it would have picked.
    let asks = blocks.iter().filter(|block| matches!(block, Block::Ask(_))).count();
    let all_read = asks == fences.iter().filter(|f| f.kind == FenceKind::Ask).count();
    for step in steps.iter().filter(|s| all_read && s.asked == Asked::Yes && !picked(&s.name)) {
        let what = format!("no option picks step \"{}\", so it never runs", step.name);
        let hint = "name it in an option's steps, or leave out asked = true";
        out.push(Mistake::hinted(step.line, what, hint));
    }
    let known = names.steps.iter().filter_map(|(name, _)| Some(name.as_ref()?.as_str()));
    for (option, name) in options.iter().flat_map(|o| o.steps.iter().map(move |name| (o, name))) {
        match steps.iter().find(|step| step.name == *name).map(|step| step.asked) {
            Some(Asked::Yes) => {}
            Some(Asked::No) => {
                let what = format!("an option picks step \"{name}\", which runs by itself");
                out.push(Mistake::hinted(option.line, what, "give the step asked = true"));
            }
            // A step that could not be read is told already.
            None if known.clone().any(|known| known == name.as_str()) => {}
            None => {
                let hint = hint(name.as_str(), known.clone());
                let what = format!("an option picks step \"{name}\", which is not here");
                out.push(Mistake::hinted(option.line, what, hint.trim_start_matches("; ")));
            }
        }
    }
    out
}

/// The body without the blocks for the machine.
fn prose(body: &str, fences: &[Fence]) -> String {
    let mut prose = String::new();
    let mut at = 0;
    for fence in fences {
        prose.push_str(body.get(at..fence.range.start).unwrap_or(""));
        at = fence.range.end.max(at);
    }
    prose.push_str(body.get(at..).unwrap_or(""));
    let mut lines: Vec<&str> = prose.lines().map(str::trim_end).collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    lines.join("\n").trim().to_owned()
}
