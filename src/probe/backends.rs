//! `backends`: the servers behind a load balancer: yellow while some serve, red when none does.

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::balancer::{self, Group, Haproxy};
use crate::clients::http::url::WebUrl;
use crate::clients::json::Api;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::parts::{Parts, part, tally};
use crate::probe::spoken::number;
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, service};

const BALANCER: &str = "balancer";
/// The balancers that are known, by the key that names one.
const BALANCERS: [&str; 3] = ["haproxy", "traefik", "caddy"];
/// As many servers as are named.
const SHOWN: usize = 5;

/// Who is asked.
#[derive(Debug, Clone)]
pub enum Balancer {
    Haproxy(Haproxy),
    Traefik(Api),
    Caddy(Api),
}

#[derive(Debug)]
pub struct BackendsProbe {
    balancer: Balancer,
    timeout: Span,
    voice: Voice,
    parts: Parts,
}

impl BackendsProbe {
    pub fn new(balancer: Balancer, timeout: Span, voice: Voice) -> Self {
        Self { balancer, timeout, voice, parts: Parts::new() }
    }

    async fn ask(&self) -> Result<Vec<Group>, NoAnswer> {
        match &self.balancer {
            Balancer::Haproxy(haproxy) => haproxy.groups().await,
            Balancer::Traefik(api) => balancer::traefik(api).await,
            Balancer::Caddy(api) => balancer::caddy(api).await,
        }
    }

    fn judge(&mut self, groups: &[Group], now: Millis) -> Vec<Reading> {
        let parts: Vec<Reading> = groups.iter().map(|group| self.reading(group, now)).collect();
        let words = match parts.is_empty() {
            true => "it has no backends".to_owned(),
            false => format!("backends: {}", tally(&parts)),
        };
        let main = self.voice.reading(BALANCER, (Severity::Green, "ok"), &words, now);
        self.parts.seen(main, parts)
    }

    fn reading(&self, group: &Group, now: Millis) -> Reading {
        let Group { name, serving, down, off, fault } = group;
        let all = serving + down.len() + off;
        let judged = match (serving, down.len(), fault) {
            (_, _, Some(_)) if *serving == 0 => (Severity::Red, "fault"),
            (_, _, Some(_)) => (Severity::Yellow, "fault"),
            (0, 1.., None) => (Severity::Red, "none-serves"),
            (_, 1.., None) => (Severity::Yellow, "some-down"),
            // Nothing is known of servers that nobody checks, and what is off was taken out by hand.
            (0, 0, None) if 0 < *off => (Severity::Green, "off"),
            (_, 0, None) => (Severity::Green, "ok"),
        };
        let mut words = match (serving, all) {
            (_, 0) => format!("{name}: no servers are told"),
            (0, _) if !down.is_empty() => format!("{name}: none of {all} serves"),
            (serving, all) => format!("{name}: {serving} of {all} serve"),
        };
        if let Some(fault) = fault {
            words += &format!("; {fault}");
        }
        if !down.is_empty() {
            let named: Vec<&str> = down.iter().take(SHOWN).map(String::as_str).collect();
            words += &format!("; down: {}", named.join(", "));
            if SHOWN < down.len() {
                words += &format!(" and {} more", down.len() - SHOWN);
            }
        }
        if 0 < *off {
            words += &format!("; {off} taken out on purpose");
        }
        let mut reading = part(&self.voice, name).reading("servers", judged, &words, now);
        reading.value = Some(number(down.len() as u64));
        reading.unit = Some(Unit::Count);
        for (name, n) in [("serving", *serving), ("down", down.len())] {
            let n = i64::try_from(n).unwrap_or(i64::MAX);
            reading.values.insert(name.into(), Value::Int(n));
        }
        reading
    }
}

impl NetProbe for BackendsProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.timeout, self.ask()).await {
                Ok(groups) => self.judge(&groups, now),
                Err(why) => self.parts.unseen(self.voice.unanswered(BALANCER, &why, now), &why),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        self.parts.unseen(self.voice.unseen(BALANCER, &why, now), &why)
    }

    fn retired(&mut self) -> Vec<Signal> {
        self.parts.retired()
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.parts.recall(&self.voice.signal("part"), parts);
    }
}

/// What a reading of it has; `serving` and `down` where it is one backend's.
pub fn gives() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "serving", kind: Kind::Int, doc: "servers that are asked" },
        Gives { name: "down", kind: Kind::Int, doc: "servers that do not answer" },
    ]
}

/// `backends.NAME = { haproxy | traefik | caddy = "URL" }`, HAProxy also by the path of its stats socket, with a login and
/// the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let written: Vec<&str> = BALANCERS.into_iter().filter(|key| ask.has(key)).collect();
    let [which] = written[..] else {
        let name = ask.name.to_owned();
        let why = "names no balancer, or more than one: write haproxy, traefik or caddy = \"URL\"";
        ask.mistake(&name, why);
        return Vec::new();
    };
    let Some(given) = ask.opt::<String>(which) else { return Vec::new() };
    let common = Common::with(Span::mins(1), Span::secs(10));
    let (balancer, host) = if which == "haproxy" && given.starts_with('/') {
        let Some(path) = ask.opt::<AbsPath>(which) else { return Vec::new() };
        let path = path.as_path().to_owned();
        (Balancer::Haproxy(Haproxy::Socket(path)), "localhost".to_owned())
    } else {
        let Some(url) = ask.opt::<WebUrl>(which) else { return Vec::new() };
        let host = url.host().to_owned();
        // The whole look has its time.
        let api = Api { timeout: Span::mins(5), ..service::api(ask, url) };
        match which {
            "haproxy" => (Balancer::Haproxy(Haproxy::Page(api)), host),
            "traefik" => (Balancer::Traefik(api), host),
            _ => (Balancer::Caddy(api), host),
        }
    };
    let Some(placed) = voice::place(ask, "backends", &host, common) else { return Vec::new() };
    let timeout = placed.common.timeout;
    let probe = BackendsProbe::new(balancer, timeout, placed.voice.clone());
    placed.draft(ask, BALANCER, probe)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;

    use super::*;
    use crate::clients::http::Http;
    use crate::clients::http::loopback::serve;
    use crate::clients::json::Login;
    use crate::probe::ask::NoPast;

    const TRAEFIK: &str = r#"[
        {"loadBalancer":{"servers":[{"url":"http://10.0.0.5:80"},{"url":"http://10.0.0.6:80"}]},"status":"enabled",
         "usedBy":["app@docker"],"serverStatus":{"http://10.0.0.5:80":"UP","http://10.0.0.6:80":"DOWN"},
         "name":"app@docker","provider":"docker","type":"loadbalancer"},
        {"status":"enabled","serverStatus":{"http://10.0.0.7:80":"DOWN"},"name":"db@file","provider":"file"},
        {"status":"disabled","error":["no server"],"name":"odd@file","provider":"file"},
        {"status":"enabled","name":"api@internal","provider":"internal"}]"#;
    const CADDY: &str = r#"[{"address":"10.0.1.1:80","num_requests":4,"fails":2},
        {"address":"10.0.1.2:80","num_requests":5,"fails":0}]"#;

    async fn look(of: impl Fn(Api) -> Balancer) -> Vec<(String, Severity, String)> {
        let app = Router::new()
            .route("/api/http/services", get(|| async { TRAEFIK }))
            .route("/reverse_proxy/upstreams", get(|| async { CADDY }));
        let (base, _tasks) = serve(app).await;
        let url = WebUrl::parse(&base).unwrap();
        let api = Api { http: Http::new(), url, login: Login::Nobody, timeout: Span::secs(5) };
        let voice = Voice::new("backends", "mini:endpoint:edge".parse().unwrap());
        let mut probe = BackendsProbe::new(of(api), Span::secs(5), voice);
        let told = probe.look(&NoPast, Millis(1)).await;
        assert_eq!(told[0].severity, Severity::Green);
        for reading in &told[1..] {
            assert!(gives().iter().all(|g| reading.values[g.name].fits(&g.kind)));
        }
        told.into_iter()
            .skip(1)
            .map(|r| (r.reason.to_string(), r.severity, r.words.to_string()))
            .collect()
    }

    #[tokio::test]
    async fn traefik_says_which_servers_are_down() {
        let told = look(Balancer::Traefik).await;
        let brief: Vec<_> =
            told.iter().map(|(reason, severity, _)| (reason.as_str(), *severity)).collect();
        use Severity::{Red, Yellow};
        assert_eq!(brief, [("some-down", Yellow), ("none-serves", Red), ("fault", Red)]);
        assert_eq!(told[0].2, "app@docker: 1 of 2 serve; down: http://10.0.0.6:80");
        assert_eq!(told[1].2, "db@file: none of 1 serves; down: http://10.0.0.7:80");
        assert!(told[2].2.contains("disabled: no server"), "{}", told[2].2);
    }

    #[tokio::test]
    async fn caddy_says_which_upstreams_failed() {
        let told = look(Balancer::Caddy).await;
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].0.as_str(), told[0].1), ("some-down", Severity::Yellow));
        assert!(told[0].2.contains("10.0.1.1:80 (2 failed)"), "{}", told[0].2);
    }

    #[test]
    fn what_is_taken_out_on_purpose_is_no_fault() {
        let voice = Voice::new("backends", "mini:endpoint:edge".parse().unwrap());
        let url = WebUrl::parse("http://127.0.0.1:1/").unwrap();
        let api = Api { http: Http::new(), url, login: Login::Nobody, timeout: Span::secs(5) };
        let probe = BackendsProbe::new(Balancer::Caddy(api), Span::secs(5), voice);
        for (serving, down, off, severity, reason) in [
            (2, 0, 0, Severity::Green, "ok"),
            (1, 0, 1, Severity::Green, "ok"),
            (0, 0, 2, Severity::Green, "off"),
            (0, 0, 0, Severity::Green, "ok"),
            (1, 1, 1, Severity::Yellow, "some-down"),
            (0, 1, 1, Severity::Red, "none-serves"),
        ] {
            let down = vec!["x".to_owned(); down];
            let group = Group { name: "g".into(), serving, down, off, fault: None };
            let reading = probe.reading(&group, Millis(1));
            assert_eq!(
                (reading.severity, reading.reason.as_str()),
                (severity, reason),
                "{group:?}"
            );
        }
    }
}
