//! `dns`: whether a resolver knows the own names, and whether it finds those of the world.

use std::net::IpAddr;

use crate::Fut;
use crate::clients::dns::{Dns, NoAddress, Resolver, Server};
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Context, Draft, Endpoint, Named, host_signal};
use crate::probe::{How, NetProbe, Past};

/// A name that is kept for documentation and is always there (RFC 2606).
const OF_THE_WORLD: &str = "example.com";
/// A name that a resolver answers by itself, with "no such name" as a rule (RFC 8375).
const OF_THE_HOME: &str = "home.arpa";

/// What a resolver is asked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `server`: an address with or without a port; left out, this machine's own resolver.
    pub server: Server,
    /// `own`: a name that this resolver itself knows. Left out, any answer counts: the question is
    /// for `home.arpa`, and "no such name" is an answer.
    pub own: Option<String>,
    /// `upstream`: a name of the world, which it must ask others for. Default example.com.
    pub upstream: String,
    /// `timeout`: of one question. Default 5 s.
    pub timeout: Span,
}

impl Settings {
    pub fn new(server: Server) -> Self {
        Self { server, own: None, upstream: OF_THE_WORLD.into(), timeout: Span::secs(5) }
    }
}

/// Asks one resolver two questions.
#[derive(Debug)]
pub struct DnsProbe {
    settings: Settings,
    target: Target,
    /// What runs it, where the config says so.
    served_by: Option<Target>,
    dns: Dns,
}

impl DnsProbe {
    pub fn new(settings: Settings, target: Target) -> Self {
        let dns = Dns::new(settings.server, settings.timeout);
        Self { settings, target, served_by: None, dns }
    }

    /// With what runs it.
    #[must_use]
    pub fn served_by(self, served_by: Option<Target>) -> Self {
        Self { served_by, ..self }
    }

    fn signal(&self, aspect: &'static str) -> Signal {
        signal(self.target.clone(), aspect)
    }

    fn reading(
        &self,
        aspect: &'static str,
        name: &str,
        answer: &Result<Vec<IpAddr>, NoAddress>,
        now: Millis,
    ) -> Reading {
        let server = self.settings.server;
        let (severity, reason, words) = match answer {
            Ok(found) => {
                let more = match found.len() {
                    0 | 1 => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                let first = found.first().map(ToString::to_string).unwrap_or_default();
                (Severity::Green, "ok", format!("{name} is {first}{more}"))
            }
            Err(why @ NoAddress::Setup(_)) => {
                (Severity::Unknown, why.word(), format!("{server} {why}"))
            }
            Err(why) => (Severity::Red, why.word(), format!("{server} {why} (asked for {name})")),
        };
        let reading = Reading::new(self.signal(aspect), now, severity, Word::of(reason), &words);
        self.with_endpoint(reading)
    }

    /// Any word from the server proves that it is there.
    fn reading_alive(&self, answer: &Result<Vec<IpAddr>, NoAddress>, now: Millis) -> Reading {
        match answer {
            Ok(_)
            | Err(
                NoAddress::NoSuchName
                | NoAddress::NoRecord
                | NoAddress::Denied
                | NoAddress::Failed(_),
            ) => {
                let words = format!("{} answers", self.settings.server);
                let green =
                    Reading::new(self.signal("own"), now, Severity::Green, Word::of("ok"), &words);
                self.with_endpoint(green)
            }
            Err(
                NoAddress::TimedOut(_)
                | NoAddress::Closed
                | NoAddress::Unreachable(_)
                | NoAddress::Broken(_)
                | NoAddress::Setup(_),
            ) => self.reading("own", OF_THE_HOME, answer, now),
        }
    }

    fn with_endpoint(&self, mut reading: Reading) -> Reading {
        reading.values.insert("endpoint".into(), Value::Target(self.target.clone()));
        if let Some(unit) = &self.served_by {
            let name = if unit.thing() == Thing::Container { "container" } else { "unit" };
            reading.values.insert(name.into(), Value::Target(unit.clone()));
        }
        reading
    }
}

impl NetProbe for DnsProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let own_name = self.settings.own.as_deref().unwrap_or(OF_THE_HOME);
            let upstream_name = self.settings.upstream.as_str();
            let (own_answer, upstream) =
                tokio::join!(self.dns.addresses(own_name), self.dns.addresses(upstream_name));
            let own = match &self.settings.own {
                Some(name) => self.reading("own", name, &own_answer, now),
                None => self.reading_alive(&own_answer, now),
            };
            // Where nobody answers, nothing is known of the world's names: that is one fault and not two.
            let upstream = if is_dead(&own_answer) && is_dead(&upstream) {
                let words = format!("{} does not answer", self.settings.server);
                let reading =
                    Reading::unknown(self.signal("upstream"), now, Word::of("dead"), &words);
                self.with_endpoint(reading)
            } else {
                self.reading("upstream", upstream_name, &upstream, now)
            };
            vec![own, upstream]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        ["own", "upstream"]
            .map(|aspect| {
                let words = format!("the look did not end within {after}");
                let signal = self.signal(aspect);
                self.with_endpoint(Reading::unknown(signal, now, Word::of("timeout"), &words))
            })
            .into()
    }
}

/// Whether nobody answered at all.
fn is_dead(answer: &Result<Vec<IpAddr>, NoAddress>) -> bool {
    matches!(answer, Err(NoAddress::TimedOut(_) | NoAddress::Closed | NoAddress::Unreachable(_)))
}

/// One of the two signals of a resolver.
fn signal(target: Target, aspect: &'static str) -> Signal {
    Signal { probe: Word::of("dns"), target, aspect: Word::of(aspect) }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "endpoint", kind: Kind::Target, doc: "the resolver, HOST:endpoint:NAME" },
        Gives { name: "unit", kind: Kind::Target, doc: "what runs it, where served_by says so" },
    ]
}

/// `dns.NAME = "192.168.1.3"`, or a table with the keys of [`Settings`] and the common ones.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let given: String = ask.main_or("server", "system".into());
    let server = match Server::parse(&given) {
        Ok(server) => server,
        Err(why) => {
            ask.mistake("server", why);
            return Vec::new();
        }
    };
    let mut settings = Settings::new(server);
    settings.own = ask.opt("own");
    settings.upstream = ask.or("upstream", settings.upstream);
    let known = match server {
        Server::System => Some(ask.cx.here.clone()),
        Server::At(at) => ask.cx.host_of(&at.ip().to_string()),
    };
    let host = known.clone().unwrap_or_else(|| ask.cx.here.clone());
    let common = ask.common(common(), &host);
    settings.timeout = common.timeout;
    let Some(target) = ask.target(&host, Thing::Endpoint) else { return Vec::new() };
    let mut draft = draft(ask.name, settings, target, &common);
    draft.probe.parent =
        known.filter(|known| *known != ask.cx.here).map(|known| host_signal(&known));
    vec![draft]
}

/// The resolver of this machine, as the embedded default watches it.
pub fn of_this_machine(cx: &Context) -> Option<Draft> {
    let target = Target::new(cx.here.clone(), Thing::Endpoint, "resolver").ok()?;
    Some(draft("resolver", Settings::new(Server::System), target, &common()))
}

fn common() -> Common {
    Common::with(Span::mins(1), Span::secs(5))
}

fn draft(name: &str, settings: Settings, target: Target, common: &Common) -> Draft {
    let host: HostName = target.on().clone();
    let mut common = common.clone();
    common.timeout = Span(settings.timeout.0 + 1_000);
    let main = signal(target.clone(), "own");
    let parent = common.parent.clone();
    let watched = Endpoint {
        target: target.clone(),
        url: None,
        tls: None,
        resolver: Some(Resolver {
            server: settings.server,
            own: settings.own.clone(),
            upstream: settings.upstream.clone(),
        }),
    };
    let served_by = common.served_by.clone();
    let how = How::Net(Box::new(DnsProbe::new(settings, target).served_by(served_by)));
    let probe = common.probe(Word::of("dns"), format!("dns.{name}"), host, how);
    Draft { probe, main, parent, endpoint: Some(watched), named: Named::Yes }
}

#[cfg(test)]
mod tests;
