//! Pi-hole: version 6 by its API, version 5 by `api.php`. Reads only; version 6 wants a log-in first.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clients::answer::NoAnswer;
use crate::clients::http::PostRequest;
use crate::clients::json::{Api, found};
use crate::config::keys::Key;
use crate::model::time::{Millis, Span};

/// What a Pi-hole says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// `enabled`, `disabled`, or what else it says.
    pub blocking: String,
    /// Switched off for so much longer.
    pub off_for: Option<Span>,
    /// How many domains its lists have.
    pub domains: u64,
    /// When its lists were fetched.
    pub fetched_at: Option<Millis>,
}

/// One Pi-hole. It keeps its log-in: there are few places for them, and each lasts for half an hour.
#[derive(Debug)]
pub struct Pihole {
    api: Api,
    /// The password of version 6, or of an app there; the token of version 5.
    password: Option<Key>,
    session: Mutex<Kept>,
}

/// What is kept from one question to the next.
#[derive(Debug, Default)]
struct Kept {
    sid: Option<String>,
    /// A log-in that was good and opened nothing is not tried again for as long as a session lasts.
    in_vain_until: Option<Instant>,
}

/// How long a session lives on after its last use.
const LASTS: Duration = Duration::from_secs(1_800);

/// Log-ins are answered at once or not at all.
const LARGEST: usize = 64 << 10;
const SID: &str = "x-ftl-sid";

#[derive(Deserialize)]
struct Auth {
    session: Session,
}

#[derive(Deserialize)]
struct Session {
    #[serde(default)]
    valid: bool,
    sid: Option<String>,
}

#[derive(Deserialize)]
struct Blocking {
    blocking: String,
    timer: Option<f64>,
}

#[derive(Deserialize)]
struct Summary {
    gravity: Gravity,
}

#[derive(Deserialize)]
struct Gravity {
    #[serde(default)]
    domains_being_blocked: u64,
    #[serde(default)]
    last_update: i64,
}

#[derive(Deserialize)]
struct Fifth {
    status: String,
    #[serde(default)]
    domains_being_blocked: u64,
    gravity_last_updated: Option<Updated>,
}

#[derive(Deserialize)]
struct Updated {
    absolute: Option<i64>,
}

impl Pihole {
    pub fn new(api: Api, password: Option<Key>) -> Self {
        Self { api, password, session: Mutex::default() }
    }

    fn password(&self) -> Result<Option<&str>, NoAnswer> {
        let value = |key| Key::value(key).map_err(|why| NoAnswer::Setup(why.to_owned()));
        Ok(self.password.as_ref().map(value).transpose()?.map(ExposeSecret::expose_secret))
    }

    pub async fn state(&self) -> Result<State, NoAnswer> {
        let mut session = self.session.lock().await;
        let mut asked = self.sixth(session.sid.as_deref()).await;
        let denied = matches!(asked, Err(NoAnswer::Denied(_)));
        let in_vain = session.in_vain_until.is_some_and(|until| Instant::now() < until);
        if denied && self.password.is_some() && !in_vain {
            session.sid = Some(self.log_in().await?);
            asked = self.sixth(session.sid.as_deref()).await;
            let still = matches!(asked, Err(NoAnswer::Denied(_)));
            session.in_vain_until = still.then(|| Instant::now() + LASTS);
            if still && let Some(sid) = session.sid.take() {
                self.end(sid).await;
            }
        }
        match asked? {
            Some(state) => Ok(state),
            None => self.fifth().await,
        }
    }

    /// `None` where this is no version 6.
    async fn sixth(&self, session: Option<&str>) -> Result<Option<State>, NoAnswer> {
        const DENIED: &str = "it wants a password (an app password of its settings is enough)";
        let sid: Vec<_> = session.map(|sid| (SID.to_owned(), sid.to_owned())).into_iter().collect();
        let answer = self.api.answer("api/dns/blocking", &[], sid.clone()).await?;
        let Some(Blocking { blocking, timer }) = found(&answer, DENIED)? else { return Ok(None) };
        let answer = self.api.answer("api/stats/summary", &[], sid).await?;
        let Some(Summary { gravity }) = found(&answer, DENIED)? else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a switch, clamped")]
        let off_for = timer.map(|left| Span::secs(left.clamp(0.0, 1e9) as i64));
        Ok(Some(State {
            blocking,
            off_for,
            domains: gravity.domains_being_blocked,
            fetched_at: instant(Some(gravity.last_update)),
        }))
    }

    /// Changes nothing but that a session is held.
    async fn log_in(&self) -> Result<String, NoAnswer> {
        let body = serde_json::json!({ "password": self.password()?.unwrap_or_default() });
        let request = PostRequest {
            url: self.api.url.below("api/auth"),
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
            timeout: self.api.timeout,
            max_body: LARGEST,
        };
        let answer = self.api.http.post(&request).await?;
        if answer.status == 429 {
            return Err(NoAnswer::Denied("it has no place for another log-in".into()));
        }
        match found::<Auth>(&answer, "the password is wrong")? {
            Some(Auth { session: Session { valid: true, sid: Some(sid) } }) => Ok(sid),
            Some(_) | None => Err(NoAnswer::Denied("the password is wrong".into())),
        }
    }

    /// Gives back the place of its log-in.
    pub async fn log_out(&self) {
        if let Some(sid) = self.session.lock().await.sid.take() {
            self.end(sid).await;
        }
    }

    /// Where that fails it ends by itself, half an hour after its last use.
    async fn end(&self, sid: String) {
        let request = PostRequest {
            url: self.api.url.below("api/auth"),
            headers: vec![(SID.to_owned(), sid)],
            body: Vec::new(),
            timeout: self.api.timeout,
            max_body: LARGEST,
        };
        if let Err(why) = self.api.http.end_session(&request).await {
            tracing::debug!("could not log out at {}: {why}", self.api.url);
        }
    }

    async fn fifth(&self) -> Result<State, NoAnswer> {
        let mut query = vec![("summaryRaw", String::new())];
        query.extend(self.password()?.map(|token| ("auth", token.to_owned())));
        let said: serde_json::Value = self.api.get("admin/api.php", &query).await?;
        // Who may not ask is answered with an empty list.
        if said.as_array().is_some_and(Vec::is_empty) {
            return Err(NoAnswer::Denied("it wants its token as the password".into()));
        }
        let said: Fifth = serde_json::from_value(said)
            .map_err(|e| NoAnswer::Broken(format!("not what a Pi-hole says: {e}")))?;
        Ok(State {
            blocking: said.status,
            off_for: None,
            domains: said.domains_being_blocked,
            fetched_at: instant(said.gravity_last_updated.and_then(|at| at.absolute)),
        })
    }
}

fn instant(unix: Option<i64>) -> Option<Millis> {
    unix.filter(|unix| 0 < *unix).map(|unix| Millis(unix.saturating_mul(1_000)))
}
