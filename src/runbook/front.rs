//! The front matter: what a runbook answers and how far it may go.

use std::collections::BTreeSet;

use regex::RegexBuilder;

use crate::clock::window::Window;
use crate::config::section::{Entry, Section};
use crate::model::digest::Digest;
use crate::model::ids::{RunbookName, ToolName, Word};
use crate::model::message::Urgency;
use crate::model::plan::{Leash, OnFailure};
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Bounds, Tier};
use crate::model::value::Kind;
use crate::runbook::fields::{Toml, read, word_of};
use crate::runbook::literal::{Literal, command, thing};
use crate::runbook::reference::Names;
use crate::runbook::{
    DEFAULT_VERIFY, Example, Lines, Match, Mistake, Param, Pattern, Runbook, TargetMatch,
};

/// The largest compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// Reads the front matter into a runbook without blocks. The names of the params go to `names` even
/// where something else is wrong, so that one slip is told once.
pub(super) fn read_front(
    name: RunbookName,
    digest: Digest,
    toml: &Toml,
    names: &mut Names,
    out: &mut Vec<Mistake>,
) -> Option<Runbook> {
    let (mut book, lines) = read(toml, out, |s| {
        let title = s.need::<String>("title");
        let matches = read_match(s);
        let params = read_params(s);
        names.params = params.iter().map(|(name, _)| name.clone()).collect();
        let book = Runbook {
            name,
            digest,
            title: title.unwrap_or_default(),
            matches,
            leash: s.or("leash", Leash::Ask),
            max_tier: s.or("max_tier", Tier::Low),
            tools: s.list::<ToolName>("tools").unwrap_or_default(),
            roots: read_roots(s),
            commands: read_commands(s),
            peers: read_peers(s),
            attempts: at_least_one(s, "attempts", 1),
            cooldown: s.or("cooldown", Span::hours(1)),
            escalate: word_of(
                s,
                "escalate",
                Urgency::Message,
                &[("message", Urgency::Message), ("page", Urgency::Page)],
            ),
            on_failure: word_of(
                s,
                "on_failure",
                OnFailure::Stop,
                &[("stop", OnFailure::Stop), ("undo", OnFailure::Undo)],
            ),
            max_targets: at_least_one(s, "max_targets", Bounds::default().max_targets),
            window: s.list::<Window>("window").unwrap_or_default(),
            timezone: s.opt("timezone"),
            at_most: s.opt("at_most"),
            cause: s.opt::<String>("cause").filter(|cause| !cause.trim().is_empty()),
            params: params.into_iter().collect(),
            blocks: Vec::new(),
            leave: Vec::new(),
            escalations: Vec::new(),
            verify: DEFAULT_VERIFY,
            prose: String::new(),
            must_match: read_examples(s, "must_match"),
            must_not_match: read_examples(s, "must_not_match"),
            lines: Lines::default(),
        };
        if book.title.trim().is_empty() && s.has("title") {
            s.mistake("title", "is empty");
        }
        Some(book)
    })?;
    for (name, param) in &mut book.params {
        let at = |table: &str| lines.at(&format!("{table}.{name}"), 0);
        param.line = at("params").max(at("retention")).max(1);
    }
    for (key, examples) in
        [("must_match", &mut book.must_match), ("must_not_match", &mut book.must_not_match)]
    {
        for (n, example) in examples.iter_mut().enumerate() {
            example.line = lines.nth(&format!("{key}.probe"), n, 1);
        }
    }
    Some(Runbook { lines, ..book })
}

fn at_least_one(s: &mut Section, key: &str, default: u32) -> u32 {
    let n = s.or(key, default);
    if n == 0 {
        s.mistake(key, "is 0; write at least 1");
    }
    n
}

fn read_roots(s: &mut Section) -> Vec<AbsPath> {
    let roots = s.list::<AbsPath>("roots");
    match &roots {
        Some(roots) if roots.is_empty() => {
            s.mistake("roots", "is empty; name the folders that may be touched, or leave it out");
        }
        Some(roots) if roots.iter().any(|root| root.as_str() == "/") => {
            s.mistake(
                "roots",
                "\"/\" would be the whole machine; name the folders that may be touched",
            );
        }
        Some(_) | None => {}
    }
    roots.unwrap_or_default()
}

/// `commands = [["sh", "-c", "..."]]`.
fn read_commands(s: &mut Section) -> Vec<Vec<String>> {
    let wrong = "is no list of commands; write commands = [[\"sh\", \"-c\", \"...\"]]";
    let Some(given) = s.opt::<Literal>("commands") else { return Vec::new() };
    let Literal::List(items) = given else {
        s.mistake("commands", wrong);
        return Vec::new();
    };
    let one = |item: &Literal| match item {
        Literal::List(parts) => command(parts).ok(),
        Literal::Text(_) | Literal::Int(_) | Literal::Flag(_) | Literal::Table(_) => None,
    };
    items.iter().map(one).collect::<Option<Vec<_>>>().unwrap_or_else(|| {
        s.mistake("commands", wrong);
        Vec::new()
    })
}

/// `peers = ["a:unit:web.service", "b:unit:web.service"]`.
fn read_peers(s: &mut Section) -> Vec<Target> {
    let Some(peers) = s.list::<Target>("peers") else { return Vec::new() };
    let looked_at = [Thing::Unit, Thing::Container, Thing::Composed];
    if let Some(odd) = peers.iter().find(|peer| !looked_at.contains(&peer.thing())) {
        s.mistake("peers", format!("{odd} is neither a unit nor a container"));
    } else if peers.iter().collect::<BTreeSet<_>>().len() < 2 {
        s.mistake("peers", "names fewer than two; name all that do the same work");
    }
    peers
}

fn read_match(s: &mut Section) -> Match {
    if !s.has("match") {
        s.mistake("match", "is missing; write match = { probe = \"disk\", severity = [\"red\"] }");
    }
    let written = s.has("match");
    let mut m = s.section("match");
    let matches = Match {
        probe: m.list::<Word>("probe").unwrap_or_default(),
        severity: m.list::<Severity>("severity").unwrap_or_default(),
        target: m.opt::<String>("target").and_then(|text| match target_match(&text) {
            Ok(target) => Some(target),
            Err(why) => {
                m.mistake("target", why);
                None
            }
        }),
        reason: m.list::<Word>("reason").unwrap_or_default(),
        pattern: m.opt::<String>("pattern").and_then(|text| match pattern(&text) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                m.mistake("pattern", why);
                None
            }
        }),
    };
    if matches.severity.contains(&Severity::Green) {
        m.mistake(
            "severity",
            "names green, which no runbook answers; write yellow, red or unknown",
        );
    }
    let narrow = ["probe", "target", "reason", "pattern"].iter().any(|key| m.has(key));
    m.finish();
    if written && !narrow {
        s.mistake("match", "takes every reading; name a probe, target, reason or pattern");
    }
    matches
}

/// A target, `:/var` on any host, or a kind of thing.
fn target_match(text: &str) -> Result<TargetMatch, String> {
    if let Some(bare) = text.strip_prefix(':') {
        // Any host will do: only the thing and its name are kept.
        let target = format!("host:{bare}").parse::<Target>().map_err(|bad| bad.to_string())?;
        return Ok(TargetMatch::AnyHost { thing: target.thing(), name: target.name().to_owned() });
    }
    if let Some(kind) = thing(text) {
        return Ok(TargetMatch::Kind(kind));
    }
    let target = text.parse::<Target>().map_err(|bad| {
        format!("{bad}; write HOST:/path, :/path for any host, or a kind like unit")
    })?;
    Ok(TargetMatch::Exact(target))
}

fn pattern(text: &str) -> Result<Pattern, String> {
    if text.trim().is_empty() {
        return Err("is empty, which every line matches".into());
    }
    let built = RegexBuilder::new(text)
        .size_limit(LARGEST_PATTERN)
        .dfa_size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|error| {
            let last = error.to_string();
            let last = last.lines().last().unwrap_or("").trim().to_owned();
            format!("is no regular expression: {}", last.trim_start_matches("error: "))
        })?;
    if built.is_match("") {
        return Err("matches even an empty line, and so every line".into());
    }
    Ok(Pattern(built))
}

/// `params` are typed by their shape; what stands under `retention` is a duration.
fn read_params(s: &mut Section) -> Vec<(String, Param)> {
    let mut found: Vec<(String, Param)> = Vec::new();
    for table in ["params", "retention"] {
        let mut inner = s.section(table);
        for (name, entry) in inner.entries() {
            if let Entry::Table(table) = entry {
                table.finish();
                inner.mistake(&name, "is a table; a param is one value");
                continue;
            }
            let Some(literal) = inner.opt::<Literal>(&name) else { continue };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if !name.chars().all(plain) {
                inner.mistake(&name, "has more than letters, digits, '-' and '_' in its name");
            }
            if found.iter().any(|(known, _)| *known == name) {
                inner.mistake(&name, "stands under params already");
            }
            let kind = match table {
                "retention" => literal.fits(&Kind::Span).map(|()| Kind::Span),
                _ => literal.shape().map_err(|why| format!("{} {why}", literal.show())),
            };
            match kind {
                Ok(kind) => found.push((name, Param { kind, literal, line: 0 })),
                Err(why) => inner.mistake(&name, why),
            }
        }
        inner.finish();
    }
    found
}

fn read_examples(s: &mut Section, key: &str) -> Vec<Example> {
    let read = |mut e: Section| {
        let probe = e.need::<Word>("probe");
        let severity = e.or("severity", Severity::Red);
        let target = e.opt::<Target>("target");
        let reason = e.opt::<Word>("reason");
        let text = e.opt::<String>("text");
        e.finish();
        Some(Example { probe: probe?, severity, target, reason, text, line: 0 })
    };
    s.sections(key).into_iter().filter_map(read).collect()
}
