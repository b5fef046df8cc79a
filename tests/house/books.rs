//! Every shipped runbook parses and checks against the real tools and probes.

use reef::daemon::{books, wire};
use reef::model::ids::HostName;
use reef::runbook::shipped;

use crate::tree::{below, read};

#[test]
fn every_runbook_holds_against_the_real_tables() {
    let tools = wire::tool_specs(&HostName::of("mini"));
    let shelf = books::read(None, |_| true, &tools);
    let shelf = shelf.unwrap_or_else(|mistakes| {
        panic!("{}", mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    });
    let names: Vec<&str> = shelf.books.iter().map(|book| book.name.as_str()).collect();
    let files: Vec<String> =
        below("runbooks").into_iter().filter(|p| !p.ends_with("README.md")).collect();
    let mut of_files: Vec<&str> =
        files.iter().map(|p| p.trim_start_matches("runbooks/").trim_end_matches(".md")).collect();
    of_files.sort_unstable();
    assert_eq!(names, of_files, "what lies in runbooks/ is what is shipped");
}

#[test]
fn the_binary_carries_the_files_as_they_are() {
    for (name, text) in shipped() {
        assert_eq!(text, read(&format!("runbooks/{name}.md")), "{name}");
    }
}

#[test]
fn a_runbook_opens_with_a_title_and_a_sentence_for_the_night() {
    for (name, text) in shipped() {
        let prose = text.split("+++").nth(2).unwrap_or_default().trim_start();
        let mut lines = prose.lines();
        assert!(lines.next().is_some_and(|l| l.starts_with("# ")), "{name}: no title");
        let says = lines.find(|line| !line.is_empty()).unwrap_or_default();
        assert!(
            20 < says.len() && !says.starts_with("```"),
            "{name}: says nothing to a human: {says:?}"
        );
    }
}
