//! Packages and reboots that wait: one line a week for the whole estate, and on no host a fault.

use serde::{Deserialize, Serialize};

use crate::clock::zone::Zone;
use crate::model::value::{Value, Values};
use crate::report::Standing;
use crate::report::morning::Morning;
use crate::report::plain::{counted, plain};

/// Hosts that the line names; the others are counted.
const NAMED: usize = 5;

/// What waits on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    pub host: String,
    pub packages: u64,
    /// Those among them that close holes.
    pub holes: u64,
    pub reboot: bool,
}

/// Every host on which something waits, the most urgent first.
pub(super) fn on_hosts(standings: &[Standing]) -> Vec<Waits> {
    let of = |standing: &Standing| {
        let reading = &standing.reading;
        let told = reading.signal.probe.as_str() == "updates";
        let waits = Waits {
            host: reading.signal.target.on().to_string(),
            packages: count(&reading.values, "pending"),
            holes: count(&reading.values, "security"),
            reboot: matches!(reading.values.get("reboot"), Some(Value::Text(text)) if text.as_str() == "wanted"),
        };
        (told && (0 < waits.packages || waits.reboot)).then_some(waits)
    };
    let mut all: Vec<Waits> = standings.iter().filter_map(of).collect();
    all.sort_by(|a, b| (b.holes, b.packages, &a.host).cmp(&(a.holes, a.packages, &b.host)));
    all
}

fn count(values: &Values, name: &str) -> u64 {
    match values.get(name) {
        Some(Value::Int(n)) => u64::try_from(*n).unwrap_or(0),
        Some(_) | None => 0,
    }
}

/// The line, in the first report that comes after a Sunday began: whoever reads of it each morning reads over it.
pub(super) fn line_of_week(morning: &Morning, zone: Zone) -> Option<String> {
    let sunday = zone.start_of_sunday(morning.until);
    if morning.since < sunday { line(&morning.waiting) } else { None }
}

/// `12 packages wait on nas (3 close holes), 4 on mini; a reboot is wanted on nas`. `None` where nothing waits.
pub(super) fn line(all: &[Waits]) -> Option<String> {
    let mut said = Vec::new();
    for (n, waits) in all.iter().filter(|waits| 0 < waits.packages).enumerate() {
        let number = match n {
            0 if waits.packages == 1 => "1 package waits".to_owned(),
            0 => format!("{} wait", counted(waits.packages, "package")),
            _ => waits.packages.to_string(),
        };
        let holes = match waits.holes {
            0 => String::new(),
            1 => " (1 closes a hole)".to_owned(),
            holes => format!(" ({holes} close holes)"),
        };
        said.push(format!("{number} on {}{holes}", plain(&waits.host)));
    }
    let packages = named(said);
    let reboots = named(all.iter().filter(|w| w.reboot).map(|w| plain(&w.host)).collect());
    match (packages, reboots) {
        (None, None) => None,
        (Some(packages), None) => Some(packages),
        (None, Some(reboots)) => Some(format!("a reboot is wanted on {reboots}")),
        (Some(packages), Some(reboots)) => {
            Some(format!("{packages}; a reboot is wanted on {reboots}"))
        }
    }
}

/// The first of them in a row, and how many more there are.
fn named(all: Vec<String>) -> Option<String> {
    let more = all.len().saturating_sub(NAMED);
    let shown: Vec<String> = all.into_iter().take(NAMED).collect();
    if shown.is_empty() {
        return None;
    }
    let more = match more {
        0 => String::new(),
        n => format!(" and on {}", counted(n as u64, "other host")),
    };
    Some(shown.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{HostName, Word};
    use crate::model::reading::Reading;
    use crate::model::severity::Severity;
    use crate::model::taint::Tainted;
    use crate::model::target::{Signal, Target};
    use crate::model::time::{Millis, Span};
    use crate::report::render::render;

    fn standing(host: &'static str, packages: i64, holes: i64, reboot: &str) -> Standing {
        let target = Target::host(HostName::of(host));
        let signal = Signal { probe: Word::of("updates"), target, aspect: Word::of("pending") };
        let mut reading =
            Reading::new(signal, Millis(0), Severity::Green, Word::of("ok"), "they wait");
        reading.values = Values::from([
            ("pending".to_owned(), Value::Int(packages)),
            ("security".to_owned(), Value::Int(holes)),
            ("reboot".to_owned(), Value::Text(Tainted::new(reboot))),
        ]);
        Standing { name: "updates".into(), reading, since: Millis(0) }
    }

    #[test]
    fn what_waits_is_one_line_for_the_whole_estate() {
        let nas = || standing("nas", 12, 3, "wanted");
        let cases: [(Vec<Standing>, Option<&str>); 5] = [
            (vec![standing("mini", 0, 0, "no")], None),
            (
                vec![standing("mini", 4, 0, "no"), nas(), standing("pi", 0, 0, "wanted")],
                Some(
                    "12 packages wait on nas (3 close holes), 4 on mini; a reboot is wanted on nas, pi",
                ),
            ),
            (vec![standing("mini", 1, 1, "no")], Some("1 package waits on mini (1 closes a hole)")),
            (vec![standing("pi", 0, 0, "wanted")], Some("a reboot is wanted on pi")),
            (
                (0..8).map(|_| standing("a", 1, 0, "no")).collect(),
                Some("1 package waits on a, 1 on a, 1 on a, 1 on a, 1 on a and on 3 other hosts"),
            ),
        ];
        for (standings, want) in cases {
            assert_eq!(line(&on_hosts(&standings)).as_deref(), want);
        }
        let told = render(&night("2026-03-08", Span::hours(24), &[nas()]), &Zone::UTC);
        let want =
            "\n## Updates\n- 12 packages wait on nas (3 close holes); a reboot is wanted on nas\n";
        assert!(told.contains(want), "{told}");
        assert!(told.contains("Nothing needs you") || !told.contains("## Needs you"), "{told}");
        assert!(
            !render(&night("2026-03-08", Span::hours(24), &[]), &Zone::UTC).contains("Updates")
        );
    }

    /// The report that is written at 04:00 UTC of a day.
    fn night(day: &str, tells: Span, standings: &[Standing]) -> Morning {
        let until = crate::clock::zone::instant(&format!("{day}T04:00:00Z")).unwrap();
        let waiting = on_hosts(standings);
        Morning { since: until - tells, until, waiting, ..Morning::default() }
    }

    #[test]
    fn what_waits_is_told_once_a_week() {
        let day = Span::hours(24);
        let auckland = Zone::parse("Pacific/Auckland").unwrap();
        for (written, tells, zone, told) in [
            // 2026-03-08 is a Sunday.
            ("2026-03-07", day, Zone::UTC, false),
            ("2026-03-08", day, Zone::UTC, true),
            ("2026-03-09", day, Zone::UTC, false),
            ("2026-03-11", day, Zone::UTC, false),
            // reef was off over the Sunday.
            ("2026-03-10", Span::hours(72), Zone::UTC, true),
            ("2026-03-11", Span::hours(72), Zone::UTC, false),
            // There it is 17:00 of the same day, and the report of Saturday came 24 hours before.
            ("2026-03-08", day, auckland, true),
            ("2026-03-09", day, auckland, false),
        ] {
            let morning = night(written, tells, &[standing("nas", 12, 3, "wanted")]);
            let page = render(&morning, &zone);
            assert_eq!(page.contains("## Updates"), told, "{written} {zone:?} {page}");
            // Whoever asks by program has it every day.
            assert_eq!(morning.waiting.len(), 1);
        }
    }
}
