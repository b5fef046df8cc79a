//! Secrets out of text, where its bytes enter and again before a prompt.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use regex::Regex;
use secrecy::{ExposeSecret as _, SecretString};

use crate::policy::redact::needles::{Case, Needles};
use crate::policy::redact::rules::{RULES, Rule};

mod forms;
mod needles;
mod rules;

/// The kind of a secret that the config knows.
const KNOWN: &str = "known secret";

/// Replaces secrets by `[redacted KIND]`. Built once from the secrets that the config knows; a pattern
/// compiles when text first holds one of its words.
pub struct Redactor {
    /// Replaced when secrets become known; whoever reads goes on with what it took.
    needles: RwLock<Arc<Needles>>,
    /// Of each rule, compiled when first needed. `None` inside: it does not compile, which a test over
    /// the table rules out.
    compiled: Vec<OnceLock<Option<Regex>>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(..)")
    }
}

/// What is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hit {
    span: Range<usize>,
    kind: &'static str,
}

impl Redactor {
    /// `known` are secrets found literally and in base64, hex, URL and JSON forms. Those under 4 bytes
    /// are left out: they would blank half of every log.
    // Taken by value: the caller hands its copies over.
    #[expect(clippy::needless_pass_by_value, reason = "secrets are handed over, not lent")]
    pub fn new(known: Vec<SecretString>) -> Self {
        let mut needles = Needles::default();
        for (i, rule) in RULES.iter().enumerate() {
            for keyword in rule.keywords {
                needles.add(keyword.as_bytes(), Case::Any, Some(i));
            }
        }
        let needles = RwLock::new(Arc::new(needles));
        let redactor = Self { needles, compiled: RULES.iter().map(|_| OnceLock::new()).collect() };
        redactor.learn(&known);
        redactor
    }

    /// More known secrets: they are fetched after the first things that redact are made.
    pub fn learn(&self, known: &[SecretString]) {
        let mut shared = self.needles.write().unwrap_or_else(PoisonError::into_inner);
        let mut needles = (**shared).clone();
        for secret in known {
            for form in forms::of(secret.expose_secret()) {
                needles.add(form.as_bytes(), Case::Exact, None);
            }
        }
        *shared = Arc::new(needles);
    }

    fn needles(&self) -> Arc<Needles> {
        Arc::clone(&self.needles.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The text without secrets. Doing it twice is as doing it once.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        // What stood beside a secret may be one by itself: until nothing more is found. Each round
        // leaves less that is no marker, so there is a last one.
        loop {
            let hits = self.hits(&text);
            if hits.is_empty() {
                return text;
            }
            text = Cow::Owned(replace(&text, &hits));
        }
    }

    /// What to replace, in order, none touching another.
    fn hits(&self, text: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        if self.needles().any(text.as_bytes()) {
            for piece in between_markers(text) {
                self.hits_in(&text[piece.clone()], piece.start, &mut hits);
            }
        }
        // The longer of two that begin together; then what lies within another joins it.
        hits.sort_by_key(|hit| (hit.span.start, usize::MAX - hit.span.end));
        let mut apart: Vec<Hit> = Vec::new();
        for hit in hits {
            match apart.last_mut() {
                Some(last) if hit.span.start < last.span.end => {
                    last.span.end = last.span.end.max(hit.span.end);
                }
                _ => apart.push(hit),
            }
        }
        apart
    }

    fn hits_in(&self, piece: &str, start: usize, hits: &mut Vec<Hit>) {
        let at = |span: Range<usize>| span.start + start..span.end + start;
        let mut wanted = vec![false; RULES.len()];
        self.needles().each(piece.as_bytes(), |span, rule| match rule {
            Some(rule) => wanted[rule] = true,
            None => hits.push(Hit { span: at(span), kind: KNOWN }),
        });
        for (i, rule) in RULES.iter().enumerate().filter(|(i, _)| wanted[*i]) {
            let Some(regex) = self.compiled[i].get_or_init(|| Regex::new(rule.pattern).ok()) else {
                continue;
            };
            hits.extend(
                secrets(regex, rule, piece).map(|span| Hit { span: at(span), kind: rule.kind }),
            );
        }
    }
}

/// Where a rule finds secrets: the last group that took part, or the whole match.
fn secrets(regex: &Regex, rule: &Rule, piece: &str) -> impl Iterator<Item = Range<usize>> {
    regex.captures_iter(piece).filter_map(|found| {
        let secret = found.iter().flatten().last()?;
        let takes = !secret.is_empty() && rule.value.takes(secret.as_str());
        takes.then(|| secret.range())
    })
}

fn replace(text: &str, hits: &[Hit]) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for hit in hits {
        clean.push_str(&text[end..hit.span.start]);
        clean.push_str("[redacted ");
        clean.push_str(hit.kind);
        clean.push(']');
        end = hit.span.end;
    }
    clean.push_str(&text[end..]);
    clean
}

/// The text between markers that stand already. Only kinds of our own make a marker: a log line cannot
/// hide a secret in one of its making.
fn between_markers(text: &str) -> Vec<Range<usize>> {
    const OPEN: &str = "[redacted ";
    let mut pieces = Vec::new();
    let (mut start, mut from) = (0, 0);
    while let Some(open) = text[from..].find(OPEN).map(|i| i + from) {
        from = open + OPEN.len();
        let kind = text[from..].split_once(']').map_or("", |(kind, _)| kind);
        if kind == KNOWN || RULES.iter().any(|rule| rule.kind == kind) {
            pieces.push(start..open);
            from += kind.len() + 1;
            start = from;
        }
    }
    pieces.push(start..text.len());
    pieces
}

#[cfg(test)]
mod tests;
