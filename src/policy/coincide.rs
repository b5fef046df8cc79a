//! Which change a fault or a drift coincides with. That is no proof; it is where a human looks first.

use crate::model::change::{Change, ChangeKind};
use crate::model::target::{Target, Thing};
use crate::model::time::{Millis, Span};

/// How long before an incident a change may lie, and how much later than its beginning it may be noticed.
pub const BEFORE_INCIDENT: Around = Around { before: Span::mins(45), after: Span::mins(10) };
/// The same for a drift, whose beginning is known to some hours.
pub const AROUND_DRIFT: Around = Around { before: Span::hours(9), after: Span::hours(6) };

/// The time around a beginning in which a change coincides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    pub before: Span,
    pub after: Span,
}

/// The change that lies closest to what began: of the thing itself before one that carries its name,
/// before one of its host; within each the one nearest in time.
pub fn coinciding<'a>(
    changes: &'a [Change],
    target: &Target,
    began: Millis,
    around: Around,
) -> Option<&'a Change> {
    changes
        .iter()
        .filter(|change| began - around.before <= change.at && change.at <= began + around.after)
        .filter_map(|change| Some((kinship(change, target)?, change)))
        .min_by_key(|(kinship, change)| (*kinship, (change.at.0 - began.0).abs()))
        .map(|(_, change)| change)
}

/// How close a change is to a target; `None` where they have nothing to do with each other.
fn kinship(change: &Change, target: &Target) -> Option<u8> {
    if change.target == *target && target.thing() != Thing::Host {
        return Some(0);
    }
    // `endpoint:jellyfin` and the container or unit of that name, wherever it runs.
    let plain = |name: &str| name.trim_end_matches(".service").to_owned();
    let named = !target.name().is_empty() && plain(change.target.name()) == plain(target.name());
    if named && target.thing() != Thing::Path {
        return Some(1);
    }
    if change.host() != target.on() {
        return None;
    }
    let of_all = match change.kind {
        ChangeKind::Package | ChangeKind::Config | ChangeKind::Reboot => true,
        ChangeKind::Image
        | ChangeKind::Deployment
        | ChangeKind::Certificate
        | ChangeKind::Switched => change.target.thing() == Thing::Host,
    };
    // Whatever runs on a host uses its memory, processors and volumes.
    let of_host = matches!(target.thing(), Thing::Host | Thing::Path | Thing::Log);
    (of_all || of_host && change.kind != ChangeKind::Certificate).then_some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(mins: i64, target: &str, kind: ChangeKind) -> Change {
        Change::new(Millis(0) + Span::mins(mins), target.parse().unwrap(), kind, "x")
    }

    #[test]
    fn the_closest_kin_within_the_time() {
        use ChangeKind::{Certificate, Image, Package, Reboot};
        let changes = [
            change(100, "mini:unit:jellyfin.service", Image),
            change(130, "mini:unit:photos.service", Image),
            change(110, "mini", Package),
            change(131, "nas", Reboot),
            change(133, "mini:endpoint:wiki", Certificate),
        ];
        for (target, began, want) in [
            ("mini:unit:jellyfin.service", 135, Some(0)),
            ("mini:endpoint:jellyfin", 135, Some(0)),
            // Another service: the host's packages may be why, a neighbour's image is not.
            ("mini:endpoint:wiki", 135, Some(4)),
            ("mini:unit:web.service", 135, Some(2)),
            ("mini", 135, Some(1)),
            ("mini:/var", 135, Some(1)),
            ("nas:/tank", 135, Some(3)),
            ("pi", 135, None),
            ("mini", 300, None),
            ("mini", 60, None),
            // Noticed a little later than what it caused.
            ("nas", 125, Some(3)),
        ] {
            let began = Millis(0) + Span::mins(began);
            let got = coinciding(&changes, &target.parse().unwrap(), began, BEFORE_INCIDENT);
            assert_eq!(got, want.map(|i: usize| &changes[i]), "{target}");
        }
    }
}
