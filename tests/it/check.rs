//! `reef check` where no daemon runs.

use crate::lab::{Home, list};

#[test]
fn a_check_alone_misses_none_of_its_own_looks() {
    let home = Home::new("");
    // All that this machine brings: some looks are still under way when the next are due.
    for _ in 0..2 {
        let said = home.reef(&["check", "--json"]);
        let signals = list(&said.json(), "signals");
        let named = |s: &&serde_json::Value| {
            s["reading"]["signal"]["aspect"] == "missed-looks" && s["name"] == "reef"
        };
        let missed = signals.iter().find(named).unwrap_or_else(|| panic!("{said:#?}"));
        assert_eq!(missed["reading"]["value"], 0.0, "{missed:#}");
    }
}
