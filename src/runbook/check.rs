//! What can only be known with the tools and the readings at hand.

use std::collections::BTreeMap;

use crate::config::mistakes::hint;
use crate::model::ids::{ToolName, Word};
use crate::model::severity::Severity;
use crate::model::target::AbsPath;
use crate::model::tool::{Gives, Input, Need, Tier, ToolSpec};
use crate::model::value::Kind;
use crate::runbook::bind::always;
use crate::runbook::literal::Literal;
use crate::runbook::{
    Arg, AskDef, Asked, Condition, Limit, Mistake, Ref, RefOf, Runbook, StepDef, Template,
    VerifyRule,
};

type Tools<'a> = &'a dyn Fn(&ToolName) -> Option<ToolSpec>;

/// Holds a runbook against the tools and against what the readings of each kind of probe give
/// (`None` where there is no such tool or probe). All mistakes at once, by line.
pub fn check(
    book: &Runbook,
    tools: &dyn Fn(&ToolName) -> Option<ToolSpec>,
    readings: &dyn Fn(&Word) -> Option<Vec<Gives>>,
) -> Vec<Mistake> {
    let mut checker = Checker { book, tools, reading: always().to_vec(), out: Vec::new() };
    checker.probes(readings);
    checker.tool_list();
    for step in book.steps() {
        checker.step(step);
    }
    for (line, what) in crate::runbook::order::raw_before_declared(book) {
        checker.say(line, what);
    }
    for ask in book.questions() {
        checker.ask(ask);
    }
    let leaves = book.leave.iter().map(|leave| &leave.when);
    leaves.chain(book.escalations.iter().map(|e| &e.when)).for_each(|w| checker.conditions(w));
    book.escalations.iter().for_each(|e| checker.template(&e.why, e.line));
    checker.verify();
    checker.examples();
    let mut out = checker.out;
    out.sort();
    out.dedup();
    out
}

struct Checker<'a> {
    book: &'a Runbook,
    tools: Tools<'a>,
    /// What every reading that the runbook answers gives.
    reading: Vec<Gives>,
    out: Vec<Mistake>,
}

impl Checker<'_> {
    fn say(&mut self, line: usize, what: impl Into<String>) {
        let what = what.into();
        self.out.push(match what.split_once("; ") {
            Some((what, hint)) => Mistake::hinted(line, what, hint),
            None => Mistake::new(line, what),
        });
    }

    fn probes(&mut self, readings: &dyn Fn(&Word) -> Option<Vec<Gives>>) {
        let mut common: Option<Vec<Gives>> = None;
        for probe in &self.book.matches.probe {
            let Some(gives) = readings(probe) else {
                let line = self.book.lines.at("match.probe", 1);
                self.say(line, format!("match.probe: no probe is called \"{probe}\""));
                continue;
            };
            // With several probes only what each of them gives is there for sure.
            common = Some(match common {
                None => gives,
                Some(mut common) => {
                    let shared =
                        |c: &Gives| gives.iter().any(|g| (g.name, &g.kind) == (c.name, &c.kind));
                    common.retain(shared);
                    common
                }
            });
        }
        self.reading.extend(common.unwrap_or_default());
    }

    fn tool_list(&mut self) {
        for (n, name) in self.book.tools.iter().enumerate() {
            let line = self.book.lines.at("tools", 1);
            match (self.tools)(name) {
                None => self.say(line, format!("tools: no tool is called \"{name}\"")),
                Some(spec) if self.book.max_tier < spec.max_tier => {
                    let (tier, most) = (spec.max_tier, self.book.max_tier);
                    let what = format!("tools: {name} can be {tier}, above max_tier, {most}");
                    self.say(line, what);
                }
                Some(_) if self.book.tools[..n].contains(name) => {
                    self.say(line, format!("tools: {name} stands there twice"));
                }
                Some(_) => {}
            }
        }
    }

    /// The spec of a tool that a block uses; told where it is unknown or not listed.
    fn tool(&mut self, name: &ToolName, line: usize) -> Option<ToolSpec> {
        if !self.book.tools.contains(name) {
            let wrong = match (self.tools)(name) {
                Some(_) => format!(" is not listed in tools; add \"{name}\" to the front matter"),
                None => {
                    let listed = self.book.tools.iter().map(ToolName::as_str).collect::<Vec<_>>();
                    format!(" is not known{}", hint(name.as_str(), listed))
                }
            };
            self.say(line, format!("tool {name}{wrong}"));
        }
        (self.tools)(name)
    }

    fn step(&mut self, step: &StepDef) {
        let line = step.lines.at("tool", step.line);
        let Some(spec) = self.tool(&step.tool, line) else { return };
        if self.book.max_tier < spec.max_tier && !self.book.tools.contains(&step.tool) {
            let (tier, most) = (spec.max_tier, self.book.max_tier);
            self.say(line, format!("{} can be {tier}, above max_tier, {most}", step.tool));
        }
        if step.asked == Asked::Yes && spec.max_tier == Tier::Low {
            let line = step.lines.at("asked", step.line);
            self.say(line, format!("{} changes nothing; leave out asked = true", step.tool));
        }
        self.conditions(&step.when);
        let at = |name: &str| step.lines.at(&format!("args.{name}"), step.line);
        self.arguments(&step.args, &spec, step.line, &at);
        if let Some(arg) = &step.target {
            self.target(arg, &spec, step.lines.at("target", step.line));
        }
    }

    fn arguments(
        &mut self,
        args: &BTreeMap<String, Arg>,
        spec: &ToolSpec,
        line: usize,
        at: &dyn Fn(&str) -> usize,
    ) {
        for (name, arg) in args {
            let line = at(name);
            match spec.inputs.iter().find(|input| input.name == name) {
                Some(input) => self.argument(arg, input, spec, line),
                None => {
                    let names = spec.inputs.iter().map(|input| input.name).collect::<Vec<_>>();
                    self.say(
                        line,
                        format!("{} takes no \"{name}\"{}", spec.name, hint(name, names)),
                    );
                }
            }
        }
        for input in &spec.inputs {
            if input.need == Need::Required && !args.contains_key(input.name) {
                let (tool, name, kind) = (&spec.name, input.name, &input.kind);
                self.say(line, format!("{tool} needs {name}, a {kind}; {}", input.doc));
            }
        }
    }

    fn argument(&mut self, arg: &Arg, input: &Input, spec: &ToolSpec, line: usize) {
        let name = input.name;
        match arg {
            Arg::Literal(literal) => match literal.fits(&input.kind) {
                Ok(()) => self.literal_paths(literal, &input.kind, spec, line),
                Err(why) => self.say(line, format!("{name}: {why}")),
            },
            Arg::Ref(r) => {
                let Some(kind) = self.kind_of(r, line) else { return };
                if has_text(&kind) {
                    self.say(
                        line,
                        format!("{name}: {r} is text from outside, which fills no argument"),
                    );
                } else if kind != input.kind {
                    let letters = match (&r.of, &input.kind) {
                        (RefOf::Step(_), Kind::Word | Kind::Target | Kind::Text) => {
                            format!("; to mean these very letters, write {{ literal = \"{r}\" }}")
                        }
                        (_, _) => String::new(),
                    };
                    self.say(
                        line,
                        format!("{name}: {r} is a {kind}, not a {}{letters}", input.kind),
                    );
                }
                self.needs_roots(&input.kind, spec, line);
            }
        }
    }

    /// A path that a step above low would touch must lie below a root.
    fn literal_paths(&mut self, literal: &Literal, kind: &Kind, spec: &ToolSpec, line: usize) {
        match (kind, literal) {
            (Kind::Path, Literal::Text(text)) if Tier::Low < spec.max_tier => {
                let inside = AbsPath::new(text)
                    .is_ok_and(|path| self.book.roots.iter().any(|root| path.is_below(root)));
                if !inside {
                    let what = format!("{text} lies outside roots; add its folder to roots");
                    self.say(line, what);
                }
            }
            (Kind::List(of), Literal::List(items)) => {
                items.iter().for_each(|item| self.literal_paths(item, of, spec, line));
            }
            (_, _) => {}
        }
    }

    fn needs_roots(&mut self, kind: &Kind, spec: &ToolSpec, line: usize) {
        let path = match kind {
            Kind::List(of) => **of == Kind::Path,
            Kind::Path => true,
            Kind::Int
            | Kind::Bytes
            | Kind::Span
            | Kind::Flag
            | Kind::Word
            | Kind::Target
            | Kind::Argv
            | Kind::Json
            | Kind::Line
            | Kind::Text => false,
        };
        if path && Tier::Low < spec.max_tier && self.book.roots.is_empty() {
            let what = format!(
                "{} may touch no path, as there are no roots; write roots = [\"/var/log\"]",
                spec.name
            );
            self.say(line, what);
        }
    }

    fn target(&mut self, arg: &Arg, spec: &ToolSpec, line: usize) {
        match arg {
            Arg::Literal(literal) => {
                if let Err(why) = literal.fits(&Kind::Target) {
                    self.say(line, format!("target: {why}"));
                }
            }
            Arg::Ref(r) => match self.kind_of(r, line) {
                Some(kind @ (Kind::Target | Kind::Path)) => self.needs_roots(&kind, spec, line),
                Some(kind) => {
                    self.say(line, format!("target: {r} is a {kind}, neither target nor path"));
                }
                None => {}
            },
        }
    }

    /// The kind of a reference; told where there is no such value.
    fn kind_of(&mut self, r: &Ref, line: usize) -> Option<Kind> {
        let gives = match &r.of {
            RefOf::Param => return self.book.params.get(&r.field).map(|param| param.kind.clone()),
            RefOf::Reading => self.reading.clone(),
            RefOf::Step(name) => {
                let spec = self.book.step(name).and_then(|step| (self.tools)(&step.tool))?;
                if Tier::Low < spec.max_tier {
                    let what = format!(
                        "{r}: step \"{name}\" is above low; only low steps, which run before the plan is made, give values"
                    );
                    self.say(line, what);
                    return None;
                }
                spec.gives
            }
        };
        let found =
            gives.iter().find(|gives| gives.name == r.field).map(|gives| gives.kind.clone());
        if found.is_none() {
            let names = gives.iter().map(|gives| gives.name).collect::<Vec<_>>();
            let of = match &r.of {
                RefOf::Step(name) => format!("step \"{name}\" gives"),
                RefOf::Reading | RefOf::Param => "this reading gives".to_owned(),
            };
            self.say(line, format!("{r}: {of} no \"{}\"{}", r.field, hint(&r.field, names)));
        }
        found
    }

    fn conditions(&mut self, conditions: &[Condition]) {
        for condition in conditions {
            let (r, line) = (&condition.value, condition.line);
            let Some(kind) = self.kind_of(r, line) else { continue };
            // A list is compared item by item.
            let kind = if let Kind::List(of) = kind { *of } else { kind };
            if kind == Kind::Text {
                self.say(line, format!("{r} is text from outside, which decides nothing"));
                continue;
            }
            let ordered = matches!(kind, Kind::Int | Kind::Bytes | Kind::Span);
            let limit = condition.test.limit().cloned();
            if limit.is_some() && !ordered {
                self.say(line, format!("{r} is a {kind}, which has no order; use is or in"));
                continue;
            }
            if let Some(Limit::Param(param)) = &limit
                && let Some(of) = self.kind_of(param, line)
                && of != kind
            {
                self.say(line, format!("{r} is a {kind}, and {param} a {of}"));
            }
            for literal in condition.test.literals() {
                if let Err(why) = literal.fits(&kind) {
                    self.say(line, format!("{r}: {why}"));
                }
                self.known_severity(r, literal, line);
            }
        }
    }

    /// A severity that there is not would never hold, and nobody would notice.
    fn known_severity(&mut self, r: &Ref, literal: &Literal, line: usize) {
        let (RefOf::Reading, "severity", Literal::Text(text)) = (&r.of, r.field.as_str(), literal)
        else {
            return;
        };
        if Severity::parse(text).is_none() {
            let names = Severity::ALL.map(Severity::as_str);
            self.say(line, format!("{r}: {} is no severity{}", literal.show(), hint(text, names)));
        }
    }

    fn ask(&mut self, ask: &AskDef) {
        self.conditions(&ask.when);
        self.template(&ask.question, ask.line);
        for option in &ask.options {
            self.template(&option.say, option.line);
            self.conditions(&option.when);
            let Some(r) = &option.each else { continue };
            match self.kind_of(r, option.line) {
                Some(Kind::List(_)) | None => {}
                Some(kind) => self.say(option.line, format!("each: {r} is a {kind}, not a list")),
            }
        }
    }

    fn template(&mut self, template: &Template, line: usize) {
        for r in template.refs() {
            self.kind_of(r, line);
        }
    }

    fn verify(&mut self) {
        let VerifyRule::Query { tool, args, value, is, line, .. } = &self.book.verify else {
            return;
        };
        let Some(spec) = self.tool(tool, *line) else {
            return self.say(*line, format!("verify: no tool is called \"{tool}\""));
        };
        if Tier::Low < spec.max_tier {
            self.say(*line, format!("verify: {tool} is above low; a proof changes nothing"));
        }
        self.arguments(args, &spec, *line, &|_| *line);
        match spec.gives.iter().find(|gives| gives.name == value) {
            Some(gives) if has_text(&gives.kind) => {
                self.say(
                    *line,
                    format!("verify: {value} is text from outside, which proves nothing"),
                );
            }
            Some(gives) => {
                if let Err(why) = is.fits(&gives.kind) {
                    self.say(*line, format!("verify: {why}"));
                }
            }
            None => {
                let names = spec.gives.iter().map(|gives| gives.name).collect::<Vec<_>>();
                self.say(
                    *line,
                    format!("verify: {tool} gives no \"{value}\"{}", hint(value, names)),
                );
            }
        }
    }

    fn examples(&mut self) {
        let matches = &self.book.matches;
        let missed = self.book.must_match.iter().filter(|example| !example.is_taken_by(matches));
        let taken = self.book.must_not_match.iter().filter(|example| example.is_taken_by(matches));
        let told: Vec<Mistake> = missed
            .map(|e| Mistake::new(e.line, "must_match: match does not take this reading"))
            .chain(taken.map(|e| Mistake::new(e.line, "must_not_match: match takes this reading")))
            .collect();
        self.out.extend(told);
    }
}

fn has_text(kind: &Kind) -> bool {
    *kind == Kind::Text || matches!(kind, Kind::List(of) if has_text(of))
}
