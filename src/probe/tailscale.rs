//! `tailscale`: whether this machine's tailscaled is up, and how long its key is still good.

use serde::Deserialize;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::http::Http;
use crate::clients::http::url::WebUrl;
use crate::clients::json::{Api, Login};
use crate::clock::zone;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past};

const STATE: &str = "state";
const KEY: &str = "key";
/// The name that tailscaled wants to be called by on its socket.
const BASE: &str = "http://local-tailscaled.sock";

/// When a key must be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `yellow`: below so much left. Default 14 days.
    pub yellow: Span,
    /// `red`: below so much left. Default 3 days.
    pub red: Span,
}

#[derive(Debug)]
pub struct TailscaleProbe {
    settings: Settings,
    voice: Voice,
    http: Http,
    timeout: Span,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    /// Running, Stopped, NeedsLogin, NeedsMachineAuth, Starting, NoState.
    backend_state: String,
    #[serde(rename = "Self")]
    own: Option<Node>,
    #[serde(default)]
    health: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    /// Absent where keys do not expire.
    key_expiry: Option<String>,
}

impl TailscaleProbe {
    pub fn new(settings: Settings, voice: Voice, socket: &AbsPath, timeout: Span) -> Self {
        Self { settings, voice, http: Http::at_socket(socket.as_path()), timeout }
    }

    async fn ask(&self) -> Result<Status, NoAnswer> {
        let url = WebUrl::parse(BASE).map_err(NoAnswer::Setup)?;
        let (http, timeout) = (self.http.clone(), self.timeout);
        let api = Api { http, url, login: Login::Nobody, timeout };
        api.get("localapi/v0/status", &[("peers", "false".to_owned())]).await
    }

    fn judge(&self, status: &Status, now: Millis) -> Vec<Reading> {
        let (judged, what) = match status.backend_state.as_str() {
            "Running" => ((Severity::Green, "ok"), "connected"),
            // Somebody ran `tailscale down`.
            "Stopped" => ((Severity::Green, "stopped"), "switched off by hand"),
            "NeedsLogin" => {
                ((Severity::Red, "needs-login"), "its key is no longer good: run tailscale up")
            }
            "NeedsMachineAuth" => {
                ((Severity::Red, "needs-approval"), "the machine waits for an admin's approval")
            }
            "Starting" => ((Severity::Yellow, "starting"), "starting, and not connected yet"),
            _ => ((Severity::Unknown, "no-state"), "it has no state yet"),
        };
        let health = status.health.iter().flatten().next();
        let words = match health {
            Some(said) if judged.1 != "stopped" => format!("{what}; it says: {said}"),
            Some(_) | None => what.to_owned(),
        };
        vec![self.voice.reading(STATE, judged, &words, now), self.key(status, now)]
    }

    fn key(&self, status: &Status, now: Millis) -> Reading {
        let Some(said) = status.own.as_ref().and_then(|own| own.key_expiry.as_deref()) else {
            let words = "its key does not expire";
            return self.voice.reading(KEY, (Severity::Green, "ok"), words, now);
        };
        let Some(until) = zone::read(said) else {
            let words = "it says no readable time at which its key expires";
            return self.voice.reading(KEY, (Severity::Unknown, "no-time"), words, now);
        };
        let left = Span(until.0.saturating_sub(now.0));
        let days = left.as_secs_f64() / 86_400.0;
        let in_days = |span: Span| Some(span.as_secs_f64() / 86_400.0);
        let levels = Threshold {
            yellow: in_days(self.settings.yellow),
            red: in_days(self.settings.red),
            direction: Direction::Below,
            margin: 0.5,
        };
        let judged = levels.judge(days);
        let (reason, words) = match judged.severity {
            Severity::Green => ("ok", format!("its key is good for {left}")),
            Severity::Unknown | Severity::Yellow | Severity::Red if left.0 <= 0 => {
                ("expired", "its key has expired: run tailscale up".to_owned())
            }
            Severity::Unknown | Severity::Yellow | Severity::Red => (
                "expiring",
                format!("its key expires in {left}: log in anew, or disable its expiry"),
            ),
        };
        let mut reading = self.voice.reading(KEY, (judged.severity, reason), &words, now);
        (reading.clears, reading.value, reading.unit) =
            (judged.clears, Some(days), Some(Unit::Days));
        reading
    }
}

impl NetProbe for TailscaleProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.timeout, self.ask()).await {
                Ok(status) => self.judge(&status, now),
                Err(why) => {
                    vec![self.voice.unanswered(STATE, &why, now), self.voice.unseen(KEY, &why, now)]
                }
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        vec![self.voice.unseen(STATE, &why, now), self.voice.unseen(KEY, &why, now)]
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![voice::endpoint()]
}

/// `tailscale.NAME = "/var/run/tailscale/tailscaled.sock"`, or a table with `socket`, `yellow`, `red`, and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(socket) = ask.main::<AbsPath>("socket") else { return Vec::new() };
    let settings =
        Settings { yellow: ask.or("yellow", Span::days(14)), red: ask.or("red", Span::days(3)) };
    if settings.yellow < settings.red {
        ask.mistake("yellow", "is shorter than red: yellow comes first");
    }
    let common = Common::with(Span::mins(5), Span::secs(10));
    let Some(placed) = voice::place(ask, "tailscale", "localhost", common) else {
        return Vec::new();
    };
    let timeout = placed.common.timeout;
    let probe = TailscaleProbe::new(settings, placed.voice.clone(), &socket, timeout);
    placed.draft(ask, STATE, probe)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::get;

    use super::*;
    use crate::probe::ask::NoPast;

    #[tokio::test]
    async fn its_state_and_its_key_are_two_things() {
        let now = zone::read("2026-03-02T12:00:00Z").unwrap();
        let dir = tempfile::tempdir().unwrap();
        use Severity::{Green, Red, Unknown, Yellow};
        for (n, (said, state, key)) in [
            (r#"{"BackendState":"Running","Self":{"KeyExpiry":"2026-06-02T12:00:00Z"},"Health":null}"#,
                (Green, "ok"), (Green, "ok")),
            (r#"{"BackendState":"Running","Self":{"KeyExpiry":"2026-03-09T12:00:00Z"},"Health":["x"]}"#,
                (Green, "ok"), (Yellow, "expiring")),
            (r#"{"BackendState":"NeedsLogin","Self":{"KeyExpiry":"2026-03-01T12:00:00Z"}}"#,
                (Red, "needs-login"), (Red, "expired")),
            (r#"{"BackendState":"Stopped","Self":{}}"#, (Green, "stopped"), (Green, "ok")),
            (r#"{"BackendState":"NoState"}"#, (Unknown, "no-state"), (Green, "ok")),
            ("no", (Red, "broken"), (Unknown, "broken")),
        ]
        .into_iter()
        .enumerate()
        {
            let path = dir.path().join(n.to_string());
            let listener = tokio::net::UnixListener::bind(&path).unwrap();
            let app = Router::new().route(
                "/localapi/v0/status",
                get(move |headers: HeaderMap| async move {
                    assert_eq!(headers["host"], "local-tailscaled.sock");
                    said
                }),
            );
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(async move { axum::serve(listener, app).await });
            let settings = Settings { yellow: Span::days(14), red: Span::days(3) };
            let voice = Voice::new("tailscale", "mini:endpoint:this".parse().unwrap());
            let socket = AbsPath::new(path.to_str().unwrap()).unwrap();
            let mut probe = TailscaleProbe::new(settings, voice, &socket, Span::secs(5));
            let told = probe.look(&NoPast, now).await;
            let brief = |n: usize| (told[n].severity, told[n].reason.as_str());
            assert_eq!((brief(0), brief(1)), (state, key), "{said}: {told:?}");
        }
    }
}
