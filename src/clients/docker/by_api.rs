//! The engine of this machine, by its HTTP API: each change is one request with a permit.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use crate::Fut;
use crate::clients::docker::api::{Api, ApiError, Sent, quoted};
use crate::clients::docker::engine::{Engine, Image, ImageId, ImageName, Newest, NotDone, denied};
use crate::gate::permit::Permit;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::policy::redact::Redactor;

/// Kept of a container's newest lines.
const LONGEST: usize = 256 << 10;
/// For what an engine does by itself, within milliseconds.
const SHORT: Span = Span::secs(10);
/// Where every program looks for an engine.
const USUAL: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// The engine behind a socket.
pub struct ByApi {
    api: Api,
    redactor: Arc<Redactor>,
}

impl fmt::Debug for ByApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.api.fmt(f)
    }
}

impl ByApi {
    /// Connects when it is first asked.
    pub fn new(socket: PathBuf, redactor: Arc<Redactor>) -> Self {
        Self { api: Api::new(socket), redactor }
    }

    async fn post(&self, permit: &Permit, path: &str, within: Span) -> Result<Vec<u8>, NotDone> {
        let sent = self.api.send(permit, Sent::Post, path, within).await;
        match &sent {
            Err(ApiError::NoSocket(_) | ApiError::Refused(_)) => permit.unreached(),
            Err(ApiError::Forbidden(_) | ApiError::Status(401 | 403, _)) => permit.denied(),
            Ok(_) | Err(ApiError::Status(..) | ApiError::TimedOut(_) | ApiError::Broken(_)) => {
                permit.reached();
            }
        }
        sent.map_err(|error| not_done(error, &format!("POST {}", bare(path))))
    }
}

/// A path without its query, which may be long.
fn bare(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn not_done(error: ApiError, request: &str) -> NotDone {
    let words = error.to_string();
    match error {
        ApiError::NoSocket(_) | ApiError::Refused(_) => NotDone::NotStarted(words),
        ApiError::Forbidden(path) => NotDone::NotStarted(denied(
            &format!("the user that runs reef ({})", path.display()),
            request,
        )),
        ApiError::Status(401 | 403, said) => {
            NotDone::NotStarted(format!("{}; it said: {said}", denied("reef", request)))
        }
        ApiError::Status(404, said) => NotDone::NotStarted(said),
        ApiError::Status(_, said) => NotDone::Failed(said),
        ApiError::TimedOut(_) | ApiError::Broken(_) => NotDone::Unknown(words),
    }
}

/// An item of `GET /images/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listed {
    id: String,
    created: i64,
    size: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    docker_root_dir: String,
}

/// A line of a pull's progress; only its errors matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Progress {
    error: Option<String>,
}

impl Engine for ByApi {
    fn logs<'a>(&'a self, name: &'a str, wanted: Newest) -> Fut<'a, Result<Tainted, String>> {
        Box::pin(async move {
            let mut path = format!(
                "/containers/{}/logs?stdout=1&stderr=1&tail={}",
                quoted(name),
                wanted.lines
            );
            if let Some(at) = wanted.before {
                path.push_str(&format!("&until={}", stamp(at)));
            }
            let bytes = self.api.text(&path).await.map_err(|e| e.to_string())?;
            let text = self.redactor.redact(&unframed(&bytes)).into_owned();
            Ok(Tainted::bounded(&newest(&text), LONGEST))
        })
    }

    fn dangling(&self) -> Fut<'_, Result<Vec<Image>, String>> {
        Box::pin(async move {
            let path = format!("/images/json?filters={}", quoted(r#"{"dangling":["true"]}"#));
            let listed = self.api.get::<Vec<Listed>>(&path).await.map_err(|e| e.to_string())?;
            let image = |listed: Listed| {
                let created_at = Millis(listed.created.saturating_mul(1_000));
                let bytes = u64::try_from(listed.size).unwrap_or(0);
                Some(Image { id: ImageId::new(&listed.id)?, created_at, bytes })
            };
            Ok(listed.into_iter().filter_map(image).collect())
        })
    }

    fn root(&self) -> Fut<'_, Result<AbsPath, String>> {
        Box::pin(async move {
            let info = self.api.get::<Info>("/info").await.map_err(|e| e.to_string())?;
            AbsPath::new(&info.docker_root_dir).map_err(|e| e.to_string())
        })
    }

    fn place(&self) -> Option<String> {
        let socket = self.api.socket();
        let usual = USUAL.iter().any(|usual| socket == std::path::Path::new(usual));
        (!usual).then(|| format!("unix://{}", socket.display()))
    }

    fn restart<'a>(
        &'a self,
        permit: &'a Permit,
        name: &'a str,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move {
            let path = format!("/containers/{}/restart", quoted(name));
            self.post(permit, &path, within).await.map(drop)
        })
    }

    fn start<'a>(
        &'a self,
        permit: &'a Permit,
        name: &'a str,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move {
            let path = format!("/containers/{}/start", quoted(name));
            self.post(permit, &path, within).await.map(drop)
        })
    }

    fn pull<'a>(
        &'a self,
        permit: &'a Permit,
        image: &'a ImageName,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move {
            let Some(tag) = image.tag() else {
                return Err(NotDone::NotStarted(format!("{image} is pinned: nothing is newer")));
            };
            let path = format!(
                "/images/create?fromImage={}&tag={}",
                quoted(image.repository()),
                quoted(tag)
            );
            let told = self.post(permit, &path, within).await?;
            // The answer began well and may have ended badly.
            let lines = serde_json::Deserializer::from_slice(&told).into_iter::<Progress>();
            match lines.map_while(Result::ok).find_map(|line| line.error) {
                Some(why) => {
                    Err(NotDone::Failed(Tainted::bounded(&why, 300).first_line().to_owned()))
                }
                None => Ok(()),
            }
        })
    }

    fn tag<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a ImageId,
        name: &'a ImageName,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move {
            let Some(tag) = name.tag() else {
                return Err(NotDone::NotStarted(format!("{name} is pinned to one image")));
            };
            let (repo, tag) = (quoted(name.repository()), quoted(tag));
            let path = format!("/images/{}/tag?repo={repo}&tag={tag}", quoted(&id.full()));
            self.post(permit, &path, SHORT).await.map(drop)
        })
    }

    fn remove_image<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a ImageId,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move {
            let path = format!("/images/{}", quoted(&id.full()));
            let sent = self.api.send(permit, Sent::Delete, &path, Span::secs(60)).await;
            sent.map(drop).map_err(|error| not_done(error, &format!("DELETE {path}")))
        })
    }
}

/// Seconds with their thousandths, as the API takes times.
pub(super) fn stamp(at: Millis) -> String {
    format!("{}.{:03}", at.0.div_euclid(1_000), at.0.rem_euclid(1_000))
}

/// The lines without the eight bytes before each piece by which the engine tells the channels apart; a
/// container with a terminal has no such.
fn unframed(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [kind @ 0..=2, 0, 0, 0, a, b, c, d, ..] = *rest {
        let _ = kind;
        let long = u32::from_be_bytes([a, b, c, d]);
        let end = usize::try_from(long).unwrap_or(usize::MAX).saturating_add(8).min(rest.len());
        text.extend_from_slice(rest.get(8..end).unwrap_or_default());
        rest = rest.get(end..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    String::from_utf8_lossy(&text).into_owned()
}

/// The end of a text that is too long, from a line's beginning.
pub(super) fn newest(text: &str) -> String {
    let Some(over) = text.len().checked_sub(LONGEST).filter(|over| 0 < *over) else {
        return text.to_owned();
    };
    let from =
        text.bytes().skip(over).position(|b| b == b'\n').map_or(text.len(), |n| over + n + 1);
    text.get(from..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_are_put_together() {
        let framed = b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\x02c\n";
        assert_eq!(unframed(framed), "ab\nc\n");
        assert_eq!(unframed(b"\x01\0\0\0\0\0\0\xffcut"), "cut");
        assert_eq!(unframed(b"a terminal\r\n"), "a terminal\r\n");
        assert_eq!(unframed(b""), "");
    }

    #[test]
    fn of_too_many_lines_the_newest_are_kept() {
        let text = "line of a log\n".repeat(40_000);
        let kept = newest(&text);
        assert!(kept.len() <= LONGEST && LONGEST - 20 < kept.len(), "{}", kept.len());
        assert!(kept.starts_with("line of"));
        assert_eq!(newest("short"), "short");
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_was_provably_not_asked() {
        let permit = Permit::for_test(crate::gate::step_for_test());
        let engine = ByApi::new("/nowhere/x.sock".into(), Arc::new(Redactor::new(Vec::new())));
        let said = engine.start(&permit, "web", SHORT).await;
        assert!(matches!(said, Err(NotDone::NotStarted(_))), "{said:?}");
        assert!(permit.is_unreached());
    }

    #[test]
    fn a_refusal_is_told_from_an_end_that_nobody_knows() {
        let path = || PathBuf::from("/s");
        let of = |error| not_done(error, "POST /containers/web/restart");
        assert!(matches!(of(ApiError::NoSocket(path())), NotDone::NotStarted(_)));
        assert!(matches!(of(ApiError::Refused(path())), NotDone::NotStarted(_)));
        assert!(matches!(of(ApiError::TimedOut(Span::secs(1))), NotDone::Unknown(_)));
        assert!(matches!(of(ApiError::Broken("cut".into())), NotDone::Unknown(_)));
        assert!(matches!(of(ApiError::Status(500, "no".into())), NotDone::Failed(_)));
        for error in [ApiError::Forbidden(path()), ApiError::Status(403, "Forbidden".into())] {
            let NotDone::NotStarted(why) = of(error) else { panic!("it may have happened") };
            assert!(
                why.contains("may not use") && why.contains("/containers/web/restart"),
                "{why}"
            );
        }
    }
}
