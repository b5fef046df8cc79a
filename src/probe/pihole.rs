//! `pihole`: whether a Pi-hole blocks, and how old its lists are.

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::http::url::WebUrl;
use crate::clients::json::{Api, Login};
use crate::clients::pihole::{Pihole, State};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, service};

const BLOCKING: &str = "blocking";
const LISTS: &str = "lists";

#[derive(Debug)]
pub struct PiholeProbe {
    /// `gravity`: the age from which its lists are old; red at three times as much. Default 15 days.
    gravity: Span,
    pihole: Pihole,
    voice: Voice,
    timeout: Span,
}

impl PiholeProbe {
    pub fn new(gravity: Span, pihole: Pihole, voice: Voice, timeout: Span) -> Self {
        Self { gravity, pihole, voice, timeout }
    }

    fn judge(&self, state: &State, now: Millis) -> Vec<Reading> {
        let (judged, words) = match (state.blocking.as_str(), state.off_for) {
            ("enabled", _) => {
                ((Severity::Green, "ok"), format!("it blocks {} domains", state.domains))
            }
            ("disabled", Some(left)) => {
                let words = format!("switched off by hand for another {left}");
                ((Severity::Green, "paused"), words)
            }
            ("disabled", None) => (
                (Severity::Yellow, "disabled"),
                "it blocks nothing, and is not set to begin again".to_owned(),
            ),
            ("failed", _) => ((Severity::Red, "failed"), "it cannot block: its DNS failed".into()),
            (_, _) => {
                ((Severity::Unknown, "no-state"), "it does not say whether it blocks".to_owned())
            }
        };
        vec![self.voice.reading(BLOCKING, judged, &words, now), self.lists(state, now)]
    }

    fn lists(&self, state: &State, now: Millis) -> Reading {
        let Some(at) = state.fetched_at else {
            let words = "its lists were never fetched, or it does not say when";
            return self.voice.reading(LISTS, (Severity::Unknown, "no-time"), words, now);
        };
        let age = now.since(at);
        let judged = match () {
            () if state.domains == 0 => (Severity::Red, "empty"),
            () if self.gravity.0.saturating_mul(3) < age.0 => (Severity::Red, "old"),
            () if self.gravity < age => (Severity::Yellow, "old"),
            () => (Severity::Green, "ok"),
        };
        let words = match judged.1 {
            "empty" => "its lists have no domain: run pihole -g".to_owned(),
            "old" => format!("its lists are {age} old: run pihole -g"),
            _ => format!("its lists are {age} old"),
        };
        let mut reading = self.voice.reading(LISTS, judged, &words, now);
        reading.values.insert("age".into(), Value::Span(age));
        reading
    }
}

impl NetProbe for PiholeProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.timeout, self.pihole.state()).await {
                Ok(state) => self.judge(&state, now),
                Err(why) => vec![
                    self.voice.unanswered(BLOCKING, &why, now),
                    self.voice.unseen(LISTS, &why, now),
                ],
            }
        })
    }

    fn leave(&mut self) -> Option<Fut<'_, ()>> {
        Some(Box::pin(self.pihole.log_out()))
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        vec![self.voice.unseen(BLOCKING, &why, now), self.voice.unseen(LISTS, &why, now)]
    }
}

/// What a reading of it has; `age` where it is that of its lists.
pub fn gives() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "age", kind: Kind::Span, doc: "how long ago its lists were fetched" },
    ]
}

/// `pihole.NAME = "url"`, or a table with `password` (version 5: its token), `gravity`, and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(url) = ask.main::<WebUrl>("url") else { return Vec::new() };
    let host = url.host().to_owned();
    let http = service::http(ask);
    let password = ask.secret("password");
    let gravity = ask.or("gravity", Span::days(15));
    let common = Common::with(Span::mins(5), Span::secs(10));
    let Some(placed) = voice::place(ask, "pihole", &host, common) else { return Vec::new() };
    let timeout = placed.common.timeout;
    let pihole = Pihole::new(Api { http, url, login: Login::Nobody, timeout }, password);
    let probe = PiholeProbe::new(gravity, pihole, placed.voice.clone(), timeout);
    placed.draft(ask, BLOCKING, probe)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::extract::{RawQuery, State as Shared};
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::json;

    use super::*;
    use crate::clients::http::Http;
    use crate::clients::http::loopback::serve;
    use crate::config::keys::held;
    use crate::probe::ask::NoPast;

    const NOW: Millis = Millis(1_700_000_000_000);

    /// As version 6 has it: whoever has no session is refused, and a session may end at any time.
    #[derive(Default)]
    struct Sixth {
        session: Option<String>,
        log_ins: usize,
        log_outs: usize,
        blocking: &'static str,
        timer: Option<f64>,
        /// What logs in may do nothing.
        sees_nothing: bool,
    }

    type Held = Shared<Arc<Mutex<Sixth>>>;

    fn may(state: &Sixth, headers: &HeaderMap) -> bool {
        let said = headers.get("x-ftl-sid").and_then(|sid| sid.to_str().ok());
        said.is_some() && said == state.session.as_deref() && !state.sees_nothing
    }

    fn sixth(state: Arc<Mutex<Sixth>>) -> Router {
        let denied = || {
            let why =
                json!({"error": {"key": "unauthorized", "message": "Unauthorized", "hint": null}});
            (StatusCode::UNAUTHORIZED, Json(why))
        };
        Router::new()
            .route(
                "/api/auth",
                post(move |Shared(state): Held, Json(body): Json<serde_json::Value>| async move {
                    let mut state = state.lock().unwrap();
                    if body["password"] != "s3cret" {
                        let no = json!({"session": {"valid": false, "sid": null, "validity": -1}});
                        return (StatusCode::UNAUTHORIZED, Json(no));
                    }
                    state.log_ins += 1;
                    let sid = format!("sid{}", state.log_ins);
                    state.session = Some(sid.clone());
                    (StatusCode::OK, Json(json!({"session": {"valid": true, "totp": false, "sid": sid, "validity": 1800}})))
                })
                .delete(|Shared(state): Held, headers: HeaderMap| async move {
                    let mut state = state.lock().unwrap();
                    if headers.get("x-ftl-sid").is_none() {
                        return StatusCode::UNAUTHORIZED;
                    }
                    state.session = None;
                    state.log_outs += 1;
                    StatusCode::NO_CONTENT
                }),
            )
            .route(
                "/api/dns/blocking",
                get(move |Shared(state): Held, headers: HeaderMap| async move {
                    let state = state.lock().unwrap();
                    if !may(&state, &headers) {
                        return denied();
                    }
                    let said = json!({"blocking": state.blocking, "timer": state.timer, "took": 0.001});
                    (StatusCode::OK, Json(said))
                }),
            )
            .route(
                "/api/stats/summary",
                get(move |Shared(state): Held, headers: HeaderMap| async move {
                    if !may(&state.lock().unwrap(), &headers) {
                        return denied();
                    }
                    let said = json!({"queries": {"total": 7497}, "gravity":
                        {"domains_being_blocked": 104756, "last_update": NOW.0 / 1_000 - 86_400}});
                    (StatusCode::OK, Json(said))
                }),
            )
            .with_state(state)
    }

    fn probe(base: &str, password: &str) -> PiholeProbe {
        let url = WebUrl::parse(base).unwrap();
        let api = Api { http: Http::new(), url, login: Login::Nobody, timeout: Span::secs(5) };
        let voice = Voice::new("pihole", "mini:endpoint:dns".parse().unwrap());
        let pihole = Pihole::new(api, Some(held(password)));
        PiholeProbe::new(Span::days(15), pihole, voice, Span::secs(5))
    }

    #[tokio::test]
    async fn version_six_is_logged_in_to_once_and_anew_when_its_session_ends() {
        let state = Arc::new(Mutex::new(Sixth { blocking: "enabled", ..Sixth::default() }));
        let (base, _tasks) = serve(sixth(Arc::clone(&state))).await;
        let mut good = probe(&base, "s3cret");
        for (blocking, timer, severity, reason) in [
            ("enabled", None, Severity::Green, "ok"),
            ("disabled", Some(299.5), Severity::Green, "paused"),
            ("disabled", None, Severity::Yellow, "disabled"),
            ("failed", None, Severity::Red, "failed"),
        ] {
            (state.lock().unwrap().blocking, state.lock().unwrap().timer) = (blocking, timer);
            let told = good.look(&NoPast, NOW).await;
            assert_eq!((told[0].severity, told[0].reason.as_str()), (severity, reason));
            assert_eq!(
                (told[1].severity, told[1].words.as_str()),
                (Severity::Green, "its lists are 24 h old")
            );
        }
        assert_eq!(state.lock().unwrap().log_ins, 1, "one session is kept");
        // What is logged in and may see nothing takes no place after the other.
        state.lock().unwrap().sees_nothing = true;
        let mut poor = probe(&base, "s3cret");
        for _ in 0..3 {
            assert_eq!(poor.look(&NoPast, NOW).await[0].reason.as_str(), "denied");
        }
        assert_eq!(state.lock().unwrap().log_ins, 2);
        state.lock().unwrap().sees_nothing = false;
        state.lock().unwrap().log_ins = 1;
        state.lock().unwrap().session = None;
        assert_eq!(good.look(&NoPast, NOW).await[0].reason.as_str(), "failed");
        assert_eq!(state.lock().unwrap().log_ins, 2);
        // The one that opened nothing was given back at once.
        assert_eq!(state.lock().unwrap().log_outs, 1);
        let told = probe(&base, "wrong").look(&NoPast, NOW).await;
        assert_eq!((told[0].severity, told[0].reason.as_str()), (Severity::Unknown, "denied"));
    }

    #[tokio::test]
    async fn whoever_looks_no_more_logs_out() {
        let state = Arc::new(Mutex::new(Sixth { blocking: "enabled", ..Sixth::default() }));
        let (base, _tasks) = serve(sixth(Arc::clone(&state))).await;
        let mut idle = probe(&base, "s3cret");
        idle.leave().unwrap().await;
        assert_eq!(state.lock().unwrap().log_outs, 0, "there was nothing to give back");
        idle.look(&NoPast, NOW).await;
        assert!(state.lock().unwrap().session.is_some());
        idle.leave().unwrap().await;
        idle.leave().unwrap().await;
        assert_eq!(state.lock().unwrap().session, None);
        assert_eq!(state.lock().unwrap().log_outs, 1, "once");
        // Whoever is asked again logs in again.
        assert_eq!(idle.look(&NoPast, NOW).await[0].reason.as_str(), "ok");
    }

    #[tokio::test]
    async fn version_five_is_known_by_what_it_lacks() {
        let app = Router::new().route(
            "/admin/api.php",
            get(|RawQuery(query): RawQuery| async move {
                if !query.unwrap_or_default().contains("auth=t0ken") {
                    return Json(json!([]));
                }
                Json(json!({"domains_being_blocked": 0, "status": "disabled",
                    "gravity_last_updated": {"file_exists": true, "absolute": NOW.0 / 1_000 - 1, "relative": {"days": 0}}}))
            }),
        );
        let (base, _tasks) = serve(app).await;
        let told = probe(&base, "t0ken").look(&NoPast, NOW).await;
        let brief: Vec<_> = told.iter().map(|r| (r.severity, r.reason.as_str())).collect();
        assert_eq!(brief, [(Severity::Yellow, "disabled"), (Severity::Red, "empty")]);
        let told = probe(&base, "other").look(&NoPast, NOW).await;
        assert_eq!(told[0].reason.as_str(), "denied");
    }
}
