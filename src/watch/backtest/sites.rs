//! Series of the blackbox exporter as answers and certificates.

use std::collections::BTreeMap;

use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{Answer, Http};
use crate::clients::prometheus::{Labels, Prometheus, PrometheusError};
use crate::clients::tls::{Leaf, Tls};
use crate::model::ids::HostName;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::{Millis, Span};
use crate::policy::triage::Tuning;
use crate::probe::http::{self, HttpProbe};
use crate::probe::tls::{self, At, TlsProbe};
use crate::watch::backtest::{Day, Line};
use crate::watch::replay::{Manner, Replay};

/// As often as a certificate is looked at.
const CERTIFICATES: Span = Span::mins(15);
/// What a certificate lives where only its end is known.
const LIVES: [Span; 3] = [Span::days(90), Span::days(398), Span::days(10 * 365)];

/// What today's config says of one endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub settings: http::Settings,
    pub tuning: Tuning,
}

/// All targets of the blackbox exporter.
#[derive(Debug)]
pub(crate) struct Sites<'a> {
    /// The endpoints of today's config.
    known: &'a [Endpoint],
    sites: BTreeMap<String, Site>,
}

#[derive(Debug)]
struct Site {
    http: HttpProbe,
    manner: Manner,
    tls: Option<TlsProbe>,
    spoke: bool,
    success: Line,
    took: Line,
    status: Line,
    ends: Line,
}

impl<'a> Sites<'a> {
    pub(crate) fn new(known: &'a [Endpoint]) -> Self {
        Self { known, sites: BTreeMap::new() }
    }

    /// Reads a day.
    pub(crate) async fn read(
        &mut self,
        prometheus: &Prometheus,
        day: Day,
    ) -> Result<(), PrometheusError> {
        for site in self.sites.values_mut() {
            (site.success, site.took) = Default::default();
            (site.status, site.ends) = Default::default();
        }
        for series in day.read(prometheus, "probe_success").await? {
            if let Some(site) = self.site(&series.labels) {
                site.success = Line::of(series);
            }
        }
        for series in day.read(prometheus, "probe_duration_seconds").await? {
            if let Some(site) = self.site(&series.labels) {
                site.took = Line::of(series);
            }
        }
        for series in day.read(prometheus, "probe_http_status_code").await? {
            if let Some(site) = self.site(&series.labels) {
                site.status = Line::of(series);
            }
        }
        for series in day.read(prometheus, "probe_ssl_earliest_cert_expiry").await? {
            if let Some(site) = self.site(&series.labels) {
                site.ends = Line::of(series);
            }
        }
        Ok(())
    }

    fn site(&mut self, labels: &Labels) -> Option<&mut Site> {
        let instance = labels.get("instance")?;
        if !self.sites.contains_key(instance) {
            let site = Site::new(instance, self.known)?;
            self.sites.insert(instance.clone(), site);
        }
        self.sites.get_mut(instance)
    }

    /// Gives every target that was probed at this minute its reading; false where none was.
    pub(crate) fn look(&mut self, replay: &mut Replay, now: Millis) -> bool {
        let mut any = false;
        for site in self.sites.values_mut() {
            any |= site.look(replay, now);
        }
        any
    }

    pub(crate) fn sites(&self) -> usize {
        self.sites.len()
    }

    pub(crate) fn certificates(&self) -> usize {
        self.sites.values().filter(|site| site.tls.is_some() && site.spoke).count()
    }
}

impl Site {
    fn new(instance: &str, known: &[Endpoint]) -> Option<Self> {
        let url = WebUrl::parse(instance).or_else(|_| WebUrl::parse(&format!("http://{instance}")));
        let url = url.ok()?;
        let name = url.host().to_owned() + url.path();
        let plain =
            |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '-' };
        let name: String = name.trim_end_matches('/').chars().map(plain).take(60).collect();
        let target = Target::new(HostName::of("prometheus"), Thing::Endpoint, &name).ok()?;
        let at = At { host: url.host().to_owned(), port: url.port() };
        let tls = url
            .is_https()
            .then(|| TlsProbe::new(tls::Settings::new(at), target.clone(), Tls::default()));
        let mut manner = Manner::usual(None);
        let mut settings = http::Settings::new(url.clone());
        if let Some(known) = configured(&url, known) {
            settings = known.settings.clone();
            // Prometheus keeps no bodies; whether the exporter liked one its own word says.
            settings.body = None;
            manner.tuning = known.tuning;
        }
        let http = HttpProbe::new(settings, target, None, Http::new());
        Some(Self {
            http,
            manner,
            tls,
            spoke: false,
            success: Line::default(),
            took: Line::default(),
            status: Line::default(),
            ends: Line::default(),
        })
    }

    fn look(&mut self, replay: &mut Replay, now: Millis) -> bool {
        let Some(success) = self.success.at(now) else { return false };
        let took = Span(whole(self.took.at(now).unwrap_or(0.0) * 1_000.0));
        let status = self.status.at(now).map(whole).and_then(|code| u16::try_from(code).ok());
        let came = match (0.5 < success, status) {
            (true, status) => {
                // A target that speaks no HTTP has no status; that it answered is all there is to know.
                let status = status.filter(|code| *code != 0).unwrap_or(200);
                Ok(Answer { status, took, body: Vec::new(), cut: false })
            }
            (false, Some(status)) if status != 0 => {
                Ok(Answer { status, took, body: Vec::new(), cut: false })
            }
            (false, _) => Err(HttpError::Unreachable("the probe failed".into())),
        };
        let mut reading = self.http.seen(&came, now);
        // The exporter did not like what our own levels would: its word counts.
        if success < 0.5 && reading.severity < Severity::Red {
            reading = self.http.seen(&Err(HttpError::Broken("the probe failed".into())), now);
        }
        replay.take(vec![reading], &self.manner);
        if now.0 % CERTIFICATES.0 < super::STEP.0
            && let (Some(tls), Some(ends)) = (&mut self.tls, self.ends.at(now))
        {
            self.spoke = true;
            let reading = tls.seen(leaf(Millis(whole(ends * 1_000.0)), now), replay.pasts(), now);
            let tuning = Tuning { fire_after: 2, ..Tuning::default() };
            replay.take(vec![reading], &Manner { tuning, parent: None, depends_on: Vec::new() });
        }
        true
    }
}

/// The endpoint of the config that an exporter's target is: the same URL, or else the only one at that server.
fn configured<'a>(url: &WebUrl, known: &'a [Endpoint]) -> Option<&'a Endpoint> {
    let path = |url: &WebUrl| url.path().trim_end_matches('/').to_owned();
    let server = |url: &WebUrl| (url.is_https(), url.host().to_owned(), url.port());
    let mut there = known.iter().filter(|one| server(&one.settings.url) == server(url));
    let same = there.clone().find(|one| path(&one.settings.url) == path(url));
    same.or_else(|| there.next().filter(|_| there.next().is_none()))
}

/// A certificate of which only the end is known: it lives as short as common ones do that reach so far.
fn leaf(not_after: Millis, now: Millis) -> Leaf {
    let left = not_after.since(now);
    let life = LIVES.into_iter().find(|life| left <= *life).unwrap_or(left);
    Leaf {
        not_before: not_after - life,
        not_after,
        names: Vec::new(),
        issuer: Tainted::default(),
        serial: not_after.0.to_string(),
        self_signed: false,
    }
}

/// To the nearest whole number.
#[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
fn whole(n: f64) -> i64 {
    n.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, slow: Span) -> Endpoint {
        let url = WebUrl::parse(url).unwrap();
        let tuning = Tuning { fire_after: 1, ..Tuning::default() };
        Endpoint { settings: http::Settings { slow, ..http::Settings::new(url) }, tuning }
    }

    #[test]
    fn a_target_is_judged_by_the_levels_of_its_endpoint() {
        let known = [
            endpoint("https://a.example/", Span::secs(9)),
            endpoint("https://b.example/health", Span::secs(9)),
            endpoint("https://c.example/1", Span::secs(9)),
            endpoint("https://c.example/2", Span::secs(9)),
        ];
        let line = |value: f64| Line { values: vec![(Millis(0), value)], next: 0 };
        for (instance, want) in [
            ("https://a.example", Severity::Green),
            // The only endpoint at that server.
            ("https://b.example/", Severity::Green),
            ("https://c.example/2", Severity::Green),
            ("https://c.example/3", Severity::Yellow),
            ("http://a.example", Severity::Yellow),
            ("https://other.example", Severity::Yellow),
        ] {
            let mut site = Site::new(instance, &known).unwrap();
            (site.success, site.took, site.status) = (line(1.0), line(5.0), line(200.0));
            let mut replay = Replay::default();
            assert!(site.look(&mut replay, Millis(0)));
            let told = replay.told().iter().map(|told| told.severity).max();
            let fires = site.manner.tuning.fire_after;
            assert_eq!(fires == 1, want == Severity::Green, "{instance}");
            let judged = site.http.seen(
                &Ok(Answer { status: 200, took: Span::secs(5), body: Vec::new(), cut: false }),
                Millis(1),
            );
            assert_eq!((judged.severity, told), (want, None), "{instance}");
        }
    }
}
