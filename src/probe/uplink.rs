//! `uplink`: this machine's own way to the network. While it is gone, everything beyond it is explained.

use crate::Fut;
use crate::clients::uplink::{Neighbour, Uplink, WayOut};
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::probe::ask::{Common, Context, Draft, Named};
use crate::probe::{How, NetProbe, Past};

/// What it is called in config and output.
pub const NAME: &str = "uplink";

/// Looks at the routes of this machine.
#[derive(Debug)]
pub struct UplinkProbe {
    signal: Signal,
    uplink: Uplink,
    /// The interface of the way out that was there last: a machine that never had one misses none.
    had: Option<String>,
}

/// The signal that says whether this machine is online: the parent of all that lies beyond it.
pub fn signal(here: &HostName) -> Signal {
    let target = Target::host(here.clone());
    Signal { probe: Word::of(NAME), target, aspect: Word::of("route") }
}

/// The probe that every machine has.
pub fn of_this_machine(cx: &Context) -> Draft {
    let main = signal(&cx.here);
    let probe = UplinkProbe { signal: main.clone(), uplink: Uplink::default(), had: None };
    // Two looks half a minute apart: what hangs on it must not be confirmed first.
    let common = Common { fire_after: 2, ..Common::with(Span::secs(30), Span::secs(5)) };
    let how = How::Net(Box::new(probe));
    let probe = common.probe(Word::of(NAME), NAME.into(), cx.here.clone(), how);
    Draft { probe, main, parent: None, endpoint: None, named: Named::Implied }
}

pub fn gives() -> Vec<Gives> {
    Vec::new()
}

impl UplinkProbe {
    fn judge(&mut self, seen: Result<Option<WayOut>, String>, now: Millis) -> Vec<Reading> {
        let of = |severity, reason, words: &str| {
            vec![Reading::new(self.signal.clone(), now, severity, Word::of(reason), words)]
        };
        match (seen, &self.had) {
            (Err(why), Some(_)) => of(Severity::Unknown, "unread", &why),
            // Nothing to say: no such files, or a machine on purpose without a way out.
            (Err(_), None) | (Ok(None), None) => Vec::new(),
            (Ok(None), Some(had)) => {
                let words = format!("this machine is offline: no default route (it was {had})");
                of(Severity::Red, "no-route", &words)
            }
            (Ok(Some(way)), _) => {
                let readings = judge(&way).map_or_else(
                    || {
                        let by = way.gateway.map_or(String::new(), |g| format!(" by {g}"));
                        of(Severity::Green, "ok", &format!("{}{by}", way.interface))
                    },
                    |(reason, words)| of(Severity::Red, reason, &words),
                );
                self.had = Some(way.interface);
                readings
            }
        }
    }
}

/// What is wrong with a way out, if anything is.
fn judge(way: &WayOut) -> Option<(&'static str, String)> {
    let WayOut { interface, gateway, state, neighbour } = way;
    match (state.as_str(), gateway, neighbour) {
        ("down" | "lowerlayerdown" | "notpresent", _, _) => {
            Some(("link", format!("this machine is offline: {interface} is {state}")))
        }
        (_, Some(gateway), Neighbour::Silent) => Some((
            "gateway",
            format!(
                "this machine is offline: the gateway {gateway} does not answer on {interface}"
            ),
        )),
        (_, _, Neighbour::Answers | Neighbour::Silent | Neighbour::NotAsked) => None,
    }
}

impl NetProbe for UplinkProbe {
    fn look<'a>(&'a mut self, _: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let seen = self.uplink.look();
            self.judge(seen, now)
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let words = format!("no answer within {after}");
        vec![Reading::unknown(self.signal.clone(), now, Word::of("slow"), &words)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> UplinkProbe {
        UplinkProbe { signal: signal(&HostName::of("mini")), uplink: Uplink::default(), had: None }
    }

    fn way(state: &str, neighbour: Neighbour) -> Result<Option<WayOut>, String> {
        let gateway = Some(std::net::Ipv4Addr::new(192, 168, 1, 1));
        Ok(Some(WayOut { interface: "eth0".into(), gateway, state: state.into(), neighbour }))
    }

    #[test]
    fn a_machine_without_a_way_out_misses_none_and_one_that_lost_it_is_offline() {
        let mut probe = probe();
        assert_eq!(probe.judge(Ok(None), Millis(1)), []);
        assert_eq!(probe.judge(Err("gone".into()), Millis(1)), []);
        for (seen, want) in [
            (way("up", Neighbour::Answers), (Severity::Green, "ok")),
            // A tunnel knows no state.
            (way("unknown", Neighbour::NotAsked), (Severity::Green, "ok")),
            (way("down", Neighbour::Answers), (Severity::Red, "link")),
            (way("up", Neighbour::Silent), (Severity::Red, "gateway")),
            (Ok(None), (Severity::Red, "no-route")),
            (Err("gone".into()), (Severity::Unknown, "unread")),
        ] {
            let got = probe.judge(seen.clone(), Millis(2));
            assert_eq!((got[0].severity, got[0].reason.as_str()), want, "{seen:?}");
        }
    }
}
