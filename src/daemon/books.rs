//! The runbooks in force: the shipped ones, and the operator's folder over them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use crate::config::mistakes::Mistake;
use crate::model::ids::{RunbookName, ToolName, Word};
use crate::model::tool::{Gives, ToolSpec};
use crate::probe::table;
use crate::runbook::{Runbook, check, parse, shipped};

/// A runbook is a page, not a library.
const LARGEST: u64 = 1 << 20;

/// Runbooks with where each came from.
#[derive(Debug, Default)]
pub struct Shelf {
    pub books: Vec<Runbook>,
    /// Of all there are, those that are switched off too.
    pub names: BTreeSet<RunbookName>,
    /// `shipped`, or the file.
    pub origins: BTreeMap<String, String>,
}

/// Reads and checks all runbooks. A file in `folder` replaces the shipped one of its name. Every mistake
/// of every file is told at once; with one, there is no shelf.
pub fn read(
    folder: Option<&Path>,
    enabled: impl Fn(&RunbookName) -> bool,
    tools: &[ToolSpec],
) -> Result<Shelf, Vec<Mistake>> {
    let mut texts: BTreeMap<String, (String, String)> = shipped()
        .into_iter()
        .map(|(name, text)| (name.to_owned(), ("shipped".to_owned(), text.to_owned())))
        .collect();
    let mut mistakes = Vec::new();
    if let Some(folder) = folder {
        match of_folder(folder) {
            Ok(found) => texts.extend(found),
            Err(found) => mistakes.extend(found),
        }
    }
    let mut shelf = Shelf::default();
    for (name, (origin, text)) in texts {
        match one(&name, &text, tools) {
            Ok(book) if enabled(&book.name) => {
                shelf.names.insert(book.name.clone());
                shelf.origins.insert(name, origin);
                shelf.books.push(book);
            }
            Ok(book) => drop(shelf.names.insert(book.name)),
            Err(found) => {
                let file =
                    if origin == "shipped" { format!("runbook {name} (shipped)") } else { origin };
                mistakes.extend(found.into_iter().map(|m| {
                    let mut mistake = Mistake::of_file(
                        &file,
                        m.hint.map_or(m.what.clone(), |hint| format!("{}; {hint}", m.what)),
                    );
                    mistake.line = m.line;
                    mistake
                }));
            }
        }
    }
    if mistakes.is_empty() { Ok(shelf) } else { Err(mistakes) }
}

/// Parses and checks one runbook against the tools and the probes there are.
pub fn one(
    name: &str,
    text: &str,
    tools: &[ToolSpec],
) -> Result<Runbook, Vec<crate::runbook::Mistake>> {
    let wrong = |what: String| vec![crate::runbook::Mistake { line: 1, what, hint: None }];
    let name = RunbookName::new(name).map_err(|e| wrong(e.to_string()))?;
    let book = parse(name, text)?;
    let tool = |name: &ToolName| tools.iter().find(|spec| spec.name == *name).cloned();
    let gives = |kind: &Word| -> Option<Vec<Gives>> { table::gives_of(kind.as_str()) };
    let mistakes = check(&book, &tool, &gives);
    if mistakes.is_empty() { Ok(book) } else { Err(mistakes) }
}

fn of_folder(folder: &Path) -> Result<BTreeMap<String, (String, String)>, Vec<Mistake>> {
    let shown = folder.display().to_string();
    let entries = std::fs::read_dir(folder).map_err(|e| {
        vec![Mistake::of_file(&shown, format!("the runbook folder cannot be read: {e}"))]
    })?;
    let mut found = BTreeMap::new();
    let mut mistakes = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let is_book = path.extension().is_some_and(|e| e == "md");
        let Some(name) = path.file_stem().and_then(|s| s.to_str()).filter(|_| is_book) else {
            continue;
        };
        if name.eq_ignore_ascii_case("readme") {
            continue;
        }
        let shown = path.display().to_string();
        match text_of(&path) {
            Ok(text) => drop(found.insert(name.to_owned(), (shown, text))),
            Err(what) => mistakes.push(Mistake::of_file(shown, what)),
        }
    }
    if mistakes.is_empty() { Ok(found) } else { Err(mistakes) }
}

/// A runbook's text. A pipe or a device of that name would be read for ever.
fn text_of(path: &Path) -> Result<String, String> {
    let unread = |error: std::io::Error| format!("cannot be read: {error}");
    if !std::fs::metadata(path).map_err(unread)?.is_file() {
        return Err("is no file: a runbook is a page of text".into());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unread)?;
    if LARGEST < bytes.len() as u64 {
        return Err("is larger than 1 MiB: a runbook is a page".into());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".into())
}
