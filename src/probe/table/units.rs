//! The units of this machine that are watched without a line of config.

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::fact::{Fact, Facts};
use crate::model::ids::{HostName, UnitName, Word};
use crate::model::reading::Reading;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::probe::ask::{Common, Context, Draft, Named};
use crate::probe::{HostProbe, How, Past, spoken, unit};

/// What people miss when it is gone, on the machines of a home. Each is watched where it is enabled.
const USUAL: [&str; 24] = [
    "apache2",
    "caddy",
    "chrony",
    "containerd",
    "cron",
    "cups",
    "docker",
    "dovecot",
    "fail2ban",
    "grafana-server",
    "k3s",
    "libvirtd",
    "mariadb",
    "nfs-server",
    "nginx",
    "pihole-FTL",
    "postfix",
    "postgresql",
    "redis-server",
    "smbd",
    "ssh",
    "systemd-timesyncd",
    "tailscaled",
    "zfs-zed",
];

/// Every failed unit, and the usual ones that are enabled. What the config names has a probe of its
/// own: `spoken_for` are their signals.
pub(super) fn of_here(cx: &Context, spoken_for: BTreeSet<Signal>) -> Draft {
    let settings = unit::Settings { units: enabled(&cx.systemd), ..unit::Settings::default() };
    let inner = unit::UnitProbe::new(settings, cx.here.clone());
    let how = How::Host(Box::new(Except { inner: Box::new(inner), spoken_for }));
    let common = Common::with(Span::mins(1), Span::secs(20));
    let probe = common.probe(Word::of("unit"), "unit".into(), cx.here.clone(), how);
    let main = spoken::host_signal("unit", &cx.here, "failed");
    Draft { probe, main, parent: None, endpoint: None, named: Named::Implied }
}

/// Every failed unit of another host, but for those that the config names.
pub(super) fn of_remote(host: &HostName, spoken_for: BTreeSet<Signal>) -> Draft {
    let inner = unit::UnitProbe::new(unit::Settings::default(), host.clone());
    let how = How::Host(Box::new(Except { inner: Box::new(inner), spoken_for }));
    let common = Common::with(Span::mins(1), Span::secs(20));
    let probe = common.probe(Word::of("unit"), "unit".into(), host.clone(), how);
    let main = spoken::host_signal("unit", host, "failed");
    Draft { probe, main, parent: None, endpoint: None, named: Named::Implied }
}

/// The usual units that some target wants, as `systemctl enable` leaves its links.
pub fn enabled(systemd: &Path) -> Vec<UnitName> {
    let is_wanted = |name: &str| {
        ["multi-user.target.wants", "sysinit.target.wants", "default.target.wants"]
            .iter()
            .any(|wants| systemd.join(wants).join(name).symlink_metadata().is_ok())
    };
    let names = USUAL.iter().map(|name| format!("{name}.service"));
    names.filter(|name| is_wanted(name)).filter_map(|name| UnitName::new(name).ok()).collect()
}

/// A probe that leaves some signals to others: two voices for one signal would count each look twice.
struct Except {
    inner: Box<dyn HostProbe>,
    spoken_for: BTreeSet<Signal>,
}

impl HostProbe for Except {
    fn wants(&self) -> BTreeSet<Fact> {
        self.inner.wants()
    }

    fn judge(&mut self, facts: &Facts, past: &dyn Past, now: Millis) -> Vec<Reading> {
        let mut readings = self.inner.judge(facts, past, now);
        readings.retain(|reading| !self.spoken_for.contains(&reading.signal));
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::{FactValue, NoFact};
    use crate::probe::ask::NoPast;

    #[test]
    fn the_usual_units_are_watched_where_they_are_enabled() {
        let dir = tempfile::tempdir().unwrap();
        let wants = dir.path().join("multi-user.target.wants");
        std::fs::create_dir(&wants).unwrap();
        for name in ["cron.service", "ssh.service", "my-own.service"] {
            std::os::unix::fs::symlink("/nonexistent", wants.join(name)).unwrap();
        }
        let mut cx = Context::new(HostName::new("mini").unwrap());
        cx.systemd = dir.path().to_owned();
        let cron = Signal {
            target: "mini:unit:cron.service".parse().unwrap(),
            ..spoken::host_signal("unit", &cx.here, "state")
        };
        let draft = of_here(&cx, BTreeSet::from([cron.clone()]));
        let How::Host(mut probe) = draft.probe.how else { panic!("it is a host probe") };
        let wanted = probe.wants();
        let unit = |name: &str| Fact::Unit(UnitName::new(name).unwrap());
        assert!(wanted.contains(&unit("cron.service")) && wanted.contains(&unit("ssh.service")));
        assert!(wanted.contains(&Fact::FailedUnits) && wanted.len() == 3);

        let gone = |_| Err::<FactValue, _>(NoFact::Failed("no answer".into()));
        let facts: Facts = wanted.into_iter().map(|fact| (fact.clone(), gone(fact))).collect();
        let told: Vec<String> =
            probe.judge(&facts, &NoPast, Millis(1)).iter().map(|r| r.signal.to_string()).collect();
        assert!(told.iter().any(|signal| signal.contains("ssh.service")), "{told:?}");
        assert!(!told.contains(&cron.to_string()), "{told:?}");
    }
}
