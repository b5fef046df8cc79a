//! Ansible and Terraform come before raw commands: what is declared, previewed and can be run again is tried first.

use crate::runbook::Runbook;

/// Tools by which what the operator declared is done.
const DECLARED: [&str; 2] = ["ansible.run", "terraform.apply"];
/// Tools that do whatever they are told.
const RAW: &str = "host.exec";

/// Raw steps that stand before a declared one, by their lines.
pub(super) fn raw_before_declared(book: &Runbook) -> Vec<(usize, String)> {
    let steps: Vec<_> = book.steps().collect();
    let mut wrong = Vec::new();
    for (n, step) in steps.iter().enumerate().filter(|(_, step)| step.tool.as_str() == RAW) {
        let later = steps.iter().skip(n + 1).find(|s| DECLARED.contains(&s.tool.as_str()));
        if let Some(later) = later {
            let (line, tool) = (step.lines.at("tool", step.line), &later.tool);
            wrong.push((
                line,
                format!("{RAW} stands before {tool}; what the config declares comes first: move {} above it", later.name),
            ));
        }
    }
    wrong
}
