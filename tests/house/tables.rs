//! A tool or probe that is written is in its table.

use crate::rust::lines_with;
use crate::tree::{Role, nothing_wrong, read, source};

#[test]
fn every_tool_is_in_the_table() {
    let table = read("src/tool/table.rs");
    let mut wrong = Vec::new();
    let mut tools = 0;
    for file in source().iter().filter(|f| f.role == Role::Binary && f.house() == "tool") {
        let family = file.path.rsplit('/').next().unwrap().trim_end_matches(".rs");
        for line in file.live().lines() {
            let Some(name) = line
                .strip_prefix("pub fn ")
                .and_then(|l| l.split_once("(world: &World) -> Box<dyn Tool>"))
            else {
                continue;
            };
            tools += 1;
            let row = format!("{family}::{}(world),", name.0);
            // A family that is a folder is named with it: `compose::read::ps`.
            if ![" ", "::"].iter().any(|before| table.contains(&format!("{before}{row}"))) {
                wrong.push(format!("{}: {} is not in src/tool/table.rs", file.path, name.0));
            }
        }
    }
    assert!(15 < tools, "only {tools} tools were found: has their signature changed?");
    assert_eq!(table.matches("(world),").count(), tools, "the table has a row without a tool");
    nothing_wrong(&wrong, "a tool is one function and one row");
}

#[test]
fn every_probe_is_in_the_table() {
    let parts = ["kinds.rs", "kinds/machine.rs", "kinds/named.rs"];
    let table: String = parts.map(|part| read(&format!("src/probe/table/{part}"))).concat();
    let mut wrong = Vec::new();
    let mut kinds = 0;
    for file in source().iter().filter(|f| f.role == Role::Binary && f.house() == "probe") {
        if lines_with(file.live(), "pub fn gives()").is_empty() {
            continue;
        }
        kinds += 1;
        let path = file.path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let name = path.rsplit('/').next().unwrap();
        if !table.contains(&format!("gives: {name}::gives,")) {
            wrong.push(format!("{}: {name} is not in src/probe/table/kinds", file.path));
        }
    }
    assert_eq!(table.matches("::gives,").count(), kinds, "the table has a row without a probe");
    nothing_wrong(&wrong, "a kind of probe is one file and one row");
}
