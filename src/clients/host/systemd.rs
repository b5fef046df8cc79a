//! Units, by one `systemctl show` for all that are wanted.

use std::collections::BTreeSet;
use std::path::Path;

use tokio::time::sleep;

use crate::clients::process::{Given, Limits, Raw, run_raw};
use crate::model::fact::{NoFact, Unit};
use crate::model::ids::UnitName;
use crate::model::time::{Millis, Span};

/// What is asked of each unit; the figures of [`Unit`].
const PROPERTIES: &str = "--property=Id,ActiveState,SubState,LoadState,Result,UnitFileState,\
    NRestarts,MainPID,ExecMainStatus,InactiveEnterTimestampMonotonic";

/// A unit that is between stop and start is looked at once more after this.
const SETTLE: Span = Span::secs(3);

/// A unit that stopped longer ago than this is not about to start again.
const JUST_NOW: Span = Span::secs(10);

/// More failed units than this are not told apart.
const MOST: usize = 100;

/// What the clocks said when units were asked.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub wall: Millis,
    /// CLOCK_MONOTONIC, which systemd's monotonic times are on.
    pub monotonic: Span,
}

/// The words of a host that runs another manager.
pub const ANOTHER: &str =
    "this host does not run systemd; watch its services with process or http probes";

/// Whether this machine runs systemd (sd_booted(3)); says what that means where it does not.
pub fn present(root: &Path) -> Result<(), NoFact> {
    match root.join("run/systemd/system").is_dir() {
        true => Ok(()),
        false => Err(NoFact::Absent(ANOTHER.into())),
    }
}

/// The units by the order of `names`.
pub async fn units(names: &[UnitName], now: Now) -> Result<Vec<Unit>, NoFact> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let units = show(names, now).await?;
    let moving: BTreeSet<usize> =
        (0..units.len()).filter(|&i| is_moving(&units[i], now.wall)).collect();
    if moving.is_empty() {
        return Ok(units);
    }
    sleep(SETTLE.duration()).await;
    show(names, now).await
}

/// The failed units of this machine.
pub async fn failed(now: Now) -> Result<Vec<Unit>, NoFact> {
    let list = "systemctl list-units --failed --all --plain --full --no-legend --no-pager";
    let names = parse_list(&String::from_utf8_lossy(&systemctl(list, &[]).await?.stdout));
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut units = show(&names, now).await?;
    // One that was started meanwhile is not failed.
    units.retain(|unit| unit.active == "failed");
    Ok(units)
}

async fn show(names: &[UnitName], now: Now) -> Result<Vec<Unit>, NoFact> {
    let raw = systemctl(&format!("systemctl show --no-pager {PROPERTIES} --"), names).await?;
    let units = parse_show(&String::from_utf8_lossy(&raw.stdout), now);
    match units.len() == names.len() {
        true => Ok(units),
        false => Err(NoFact::Failed(format!(
            "systemctl told of {} units where {} were asked for",
            units.len(),
            names.len()
        ))),
    }
}

/// Runs a `systemctl` that only shows; its words are constants, and `names` end it.
pub(in crate::clients) async fn systemctl(
    command: &str,
    names: &[UnitName],
) -> Result<Raw, NoFact> {
    let words = command.split(' ').map(str::to_owned);
    let argv: Vec<String> = words.chain(names.iter().map(ToString::to_string)).collect();
    let limits = Limits { timeout: Span::secs(8), max_output: 1 << 20 };
    let raw = run_raw(&argv, limits, &Given::default()).await;
    let raw = raw.map_err(|why| NoFact::Failed(format!("systemctl: {why}")))?;
    match raw.code {
        Some(0) => Ok(raw),
        Some(_) | None => {
            let why = String::from_utf8_lossy(&raw.stderr);
            let why: String = why.lines().next().unwrap_or("failed").chars().take(200).collect();
            Err(NoFact::Failed(format!("systemctl: {why}")))
        }
    }
}

/// Between stop and start, or so shortly after a stop that a start may follow.
fn is_moving(unit: &Unit, now: Millis) -> bool {
    match unit.active.as_str() {
        "activating" | "deactivating" => true,
        "inactive" => unit.inactive_at != Millis(0) && now.since(unit.inactive_at) < JUST_NOW,
        _ => false,
    }
}

/// The names of `list-units --plain --no-legend`; some versions still draw a dot in front.
pub fn parse_list(text: &str) -> Vec<UnitName> {
    let name = |line: &str| {
        let word = line.split_whitespace().find(|w| w.contains('.'))?;
        UnitName::new(word).ok()
    };
    text.lines().filter_map(name).take(MOST).collect()
}

/// `systemctl show`: `Name=value` lines, an empty line between units.
pub fn parse_show(text: &str, now: Now) -> Vec<Unit> {
    text.split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .map(|block| one(block, now))
        .collect()
}

fn one(block: &str, now: Now) -> Unit {
    let field = |name: &str| {
        let value = block.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or("").trim().to_owned()
    };
    let stopped = field("InactiveEnterTimestampMonotonic").parse::<i64>().unwrap_or(0) / 1_000;
    let inactive_at = match stopped {
        0 => Millis(0),
        at => now.wall - Span(now.monotonic.0.saturating_sub(at).max(0)),
    };
    Unit {
        name: field("Id"),
        active: field("ActiveState"),
        sub: field("SubState"),
        load: field("LoadState"),
        result: field("Result"),
        enabled: field("UnitFileState"),
        restarts: field("NRestarts").parse().unwrap_or(0),
        main_pid: field("MainPID").parse().unwrap_or(0),
        exit_code: field("ExecMainStatus").parse().unwrap_or(0),
        inactive_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { wall: Millis(1_700_000_100_000), monotonic: Span::secs(500) };

    /// As systemd 252 prints them.
    const SHOWN: &str = "MainPID=0\nNRestarts=3\nExecMainStatus=1\nResult=exit-code\nId=flaky.service\n\
        LoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=static\n\
        InactiveEnterTimestampMonotonic=400000000\n\n\
        Id=none.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n\
        InactiveEnterTimestampMonotonic=0\n\n\
        MainPID=9\nNRestarts=1\nExecMainStatus=0\nResult=success\nId=a@b.service\nLoadState=loaded\n\
        ActiveState=active\nSubState=running\nUnitFileState=enabled\nInactiveEnterTimestampMonotonic=0\n";

    #[test]
    fn units_are_read_in_order() {
        let got = parse_show(SHOWN, NOW);
        let flaky = Unit {
            name: "flaky.service".into(),
            active: "failed".into(),
            sub: "failed".into(),
            load: "loaded".into(),
            result: "exit-code".into(),
            enabled: "static".into(),
            restarts: 3,
            main_pid: 0,
            exit_code: 1,
            inactive_at: Millis(1_700_000_000_000),
        };
        assert_eq!(got[0], flaky);
        assert_eq!((got[1].load.as_str(), got[1].restarts), ("not-found", 0));
        assert_eq!((got[2].name.as_str(), got[2].main_pid), ("a@b.service", 9));
        assert_eq!(parse_show("\n", NOW), []);
    }

    #[test]
    fn lists_are_read_with_and_without_dots() {
        let text = "nginx.service loaded failed failed A web server\n\
            ● mnt-x.mount loaded failed failed /mnt/x\n\n";
        let names: Vec<_> = parse_list(text).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["nginx.service", "mnt-x.mount"]);
    }

    #[test]
    fn failure_mode_i_only_a_unit_between_stop_and_start_is_waited_for() {
        let base = parse_show(SHOWN, NOW).remove(2);
        let unit = |active: &str, ago: i64| Unit {
            active: active.into(),
            inactive_at: NOW.wall - Span::secs(ago),
            ..base.clone()
        };
        for (unit, want) in [
            (unit("activating", 100), true),
            (unit("deactivating", 100), true),
            (unit("inactive", 2), true),
            (unit("inactive", 60), false),
            (unit("active", 1), false),
            (unit("failed", 1), false),
            (Unit { inactive_at: Millis(0), ..unit("inactive", 0) }, false),
        ] {
            assert_eq!(is_moving(&unit, NOW.wall), want, "{unit:?}");
        }
    }

    #[test]
    fn a_host_without_systemd_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let Err(NoFact::Absent(words)) = present(folder.path()) else { panic!("found one") };
        assert!(words.contains("process or http probes"));
        std::fs::create_dir_all(folder.path().join("run/systemd/system")).unwrap();
        assert_eq!(present(folder.path()), Ok(()));
    }
}
