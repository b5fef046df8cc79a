//! Endpoints of the inventory: a GET.

use std::sync::Arc;

use crate::Fut;
use crate::clients::http::url::WebUrl;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::ToolName;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{Args, failed, gives, made, refused, required};
use crate::tool::network::Web;
use crate::tool::world::{Endpoint, World};

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

/// The endpoint of a call: one that the config names, never an address from a call.
pub(super) fn endpoint(world: &World, args: &Args<'_>) -> Result<(Target, Endpoint), ToolError> {
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
