//! What shows only once all layers are read: sections about something that is not there, and what they set.

use crate::config::globals::Globals;
use crate::config::hosts::RunbookSection;
use crate::config::mistakes::hint;
use crate::config::section::Section;
use crate::daemon::books::Shelf;
use crate::model::ids::{RunbookName, ToolName};
use crate::model::tool::ToolSpec;
use crate::runbook::Runbook;

/// A leash for a runbook that nobody knows would never apply, and nobody would notice.
pub(super) fn about_no_runbook(root: &mut Section, shelf: &Shelf) {
    // What cannot be a name at all was told already.
    let unknown = |name: &String| {
        RunbookName::new(name.as_str()).is_ok_and(|name| !shelf.names.contains(&name))
    };
    let unknown: Vec<String> = root.names("runbook").into_iter().filter(unknown).collect();
    if unknown.is_empty() {
        return;
    }
    let mut tables = root.section("runbook");
    for name in unknown {
        let hint = hint(&name, shelf.names.iter().map(RunbookName::as_str));
        tables.mistake(&name, format!("is no runbook here{hint}"));
    }
}

/// Limits of a tool that is not there would hold for nothing.
pub(super) fn about_no_tool(root: &mut Section, globals: Option<&Globals>, tools: &[ToolSpec]) {
    let names = || tools.iter().map(|spec| spec.name.as_str());
    for name in globals.iter().flat_map(|g| g.limits.tools.keys()).map(ToolName::as_str) {
        if !names().any(|known| known == name) {
            let mut limits = root.section("limits");
            limits.section("tool").mistake(name, format!("is no tool{}", hint(name, names())));
        }
    }
}

/// A host by way of a server that is not there could never be reached.
pub(super) fn about_no_server(root: &mut Section, globals: Option<&Globals>, servers: &[&str]) {
    for (host, section) in globals.iter().flat_map(|g| &g.hosts) {
        if let Some(via) = &section.via
            && !servers.contains(&via.0.as_str())
        {
            let hint = hint(via.0.as_str(), servers.iter().copied());
            let what = format!("via: there is no [mcp.{}]{hint}", via.0);
            root.section("host").mistake(host.as_str(), what);
        }
    }
}

/// Other values for the params of a runbook, read by the kinds that they have in its front matter.
fn set_params(root: &mut Section, book: &mut Runbook, section: &RunbookSection) {
    for (name, given) in &section.params {
        if let Err(why) = book.set_param(name, &given.0) {
            let mut tables = root.section("runbook");
            tables.mistake(book.name.as_str(), format!("params.{name} {why}"));
        }
    }
}

/// What the config says of each runbook instead of its front matter.
pub(super) fn set_as_configured(root: &mut Section, shelf: &mut Shelf, globals: Option<&Globals>) {
    for (name, section) in globals.iter().flat_map(|g| &g.runbooks) {
        if let Some(book) = shelf.books.iter_mut().find(|book| book.name == *name) {
            set_params(root, book, section);
            book.attempts = section.attempts.unwrap_or(book.attempts);
            book.cooldown = section.cooldown.unwrap_or(book.cooldown);
        }
    }
}
