//! Endpoints of the inventory: a GET, and the certificate that they present.

use std::sync::Arc;

use crate::Fut;
use crate::clients::http::url::WebUrl;
use crate::clients::tls::Leaf;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{Args, failed, gives, made, refused, required};
use crate::tool::world::{Endpoint, Peer, Web, World};

fn get_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("http.get"),
        summary: "Fetch an endpoint that the config names; no other address can be given",
        inputs: vec![required("endpoint", Kind::Target, "HOST:endpoint:NAME")],
        gives: vec![
            gives("status", Kind::Int, "the HTTP status"),
            gives("took", Kind::Span, "until the answer's head was there"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a name that is no endpoint of the config; no answer within ten seconds",
        timeout: Span::secs(15),
        example: "tool = \"http.get\"\nargs = { endpoint = \"nas:endpoint:jellyfin\" }",
    }
}

fn inspect_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("tls.inspect"),
        summary: "Look at an endpoint's certificate: days left, issuer, and who renews it",
        inputs: vec![required("endpoint", Kind::Target, "HOST:endpoint:NAME")],
        gives: vec![
            gives("days", Kind::Int, "whole days left; negative when it has ended"),
            gives("method", Kind::Word, "certbot, caddy, traefik, self-signed or unknown"),
            gives("issuer", Kind::Text, "who signed it"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a name that is no endpoint of the config; no TLS handshake within ten seconds",
        timeout: Span::secs(15),
        example: "tool = \"tls.inspect\"\nargs = { endpoint = \"nas:endpoint:photos\" }",
    }
}

/// The endpoint of a call: one that the config names, never an address from a call.
fn endpoint(world: &World, args: &Args<'_>) -> Result<(Target, Endpoint), ToolError> {
    let target = args.target("endpoint", Thing::Endpoint)?;
    match world.inventory.endpoints.get(target.name()) {
        Some(endpoint) => Ok((target.clone(), endpoint.clone())),
        None => {
            let known: Vec<_> = world.inventory.endpoints.keys().cloned().collect();
            Err(refused(format!(
                "{target} is no endpoint of the config; known: {}",
                known.join(", ")
            )))
        }
    }
}

/// `http.get`.
pub fn get(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(get_spec(), move |args| {
        let (target, endpoint) = endpoint(&world, args)?;
        let Some(url) = endpoint.url else {
            return Err(refused(format!("{target} has no URL in the config")));
        };
        Ok(Parsed::Query(Box::new(Get { web: world.web.clone(), target, url })))
    })
}

struct Get {
    web: Arc<dyn Web>,
    target: Target,
    url: WebUrl,
}

impl Query for Get {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let answer = self.web.get(&self.url).await.map_err(failed)?;
            let values = [
                ("status".to_owned(), Value::Int(i64::from(answer.status))),
                ("took".to_owned(), Value::Span(answer.took)),
            ];
            let words = format!("{} answered {} in {}", self.target, answer.status, answer.took);
            Ok(Found { values: values.into(), words: Tainted::new(&words) })
        })
    }
}

/// `tls.inspect`.
pub fn inspect(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(inspect_spec(), move |args| {
        let (target, endpoint) = endpoint(&world, args)?;
        let Some(peer) = endpoint.tls else {
            return Err(refused(format!("{target} has no TLS server in the config")));
        };
        Ok(Parsed::Query(Box::new(Inspect { world: world.clone(), target, peer })))
    })
}

struct Inspect {
    world: World,
    target: Target,
    peer: Peer,
}

impl Query for Inspect {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let certificate = self.world.web.certificate(&self.peer).await.map_err(failed)?;
            let left = certificate.not_after.0 - self.world.now.now().0;
            let days = left.div_euclid(86_400_000);
            let (method, why) = self.method(&certificate).await;
            let values = [
                ("days".to_owned(), Value::Int(days)),
                ("method".to_owned(), Value::Word(Word::of(method))),
                ("issuer".to_owned(), Value::Text(certificate.issuer.clone())),
            ];
            let words = format!(
                "{}: {days} days left, issued by {}, renewed by {method}: {why}",
                self.target,
                certificate.issuer.first_line()
            );
            Ok(Found { values: values.into(), words: Tainted::new(&words) })
        })
    }
}

impl Inspect {
    /// Who renews it, and by what sign.
    async fn method(&self, certificate: &Leaf) -> (&'static str, String) {
        let issuer = certificate.issuer.as_str();
        // Both sign for themselves where nobody told them to do better.
        for (word, sign) in
            [("caddy", "Caddy Local Authority"), ("traefik", "TRAEFIK DEFAULT CERT")]
        {
            if issuer.contains(sign) {
                return (word, format!("the issuer is {sign}"));
            }
        }
        if certificate.self_signed {
            return ("self-signed", "issuer and subject are the same".into());
        }
        if let Some(file) = self.certbot(certificate).await {
            return ("certbot", format!("{file} names it"));
        }
        let served = self.world.inventory.served_by.get(self.target.name());
        let unit = served.map(|unit| unit.name().to_ascii_lowercase()).unwrap_or_default();
        for word in ["caddy", "traefik"] {
            if unit.contains(word) {
                return (word, format!("{unit} serves it"));
            }
        }
        ("unknown", "no sign of certbot, Caddy or Traefik".into())
    }

    /// The renewal file of certbot that names one of the certificate's names. Only the config's own host
    /// is asked for: certbot's folder is read on this machine.
    async fn certbot(&self, certificate: &Leaf) -> Option<String> {
        if self.target.on() != &self.world.here {
            return None;
        }
        let folder = self.world.inventory.certbot.clone()?;
        let names = certificate.names.clone();
        tokio::task::spawn_blocking(move || {
            let files = std::fs::read_dir(folder.as_path()).ok()?;
            let mut files: Vec<_> = files.flatten().map(|f| f.path()).collect();
            files.sort();
            files.into_iter().take(500).find_map(|path| {
                if path.extension()? != "conf" {
                    return None;
                }
                let is_named = |text: &str| names.iter().any(|name| mentions(text, name.as_str()));
                let stem = path.file_stem()?.to_str()?;
                let of_name = names.iter().any(|name| name.as_str() == stem);
                let text = || std::fs::read_to_string(&path).unwrap_or_default();
                (of_name || is_named(&text())).then(|| path.display().to_string())
            })
        })
        .await
        .ok()?
    }
}

/// Whether a text has a name as a whole word: `home.example` is not in `www.home.example`.
fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '*');
    text.split(|c| !part(c)).any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certbot_files_name_whole_names() {
        assert!(mentions("[[webroot_map]]\na.example = /srv", "a.example"));
        assert!(!mentions("b.a.example = /srv", "a.example"));
    }
}
