//! `traces.search`.

use crate::Fut;
use crate::clients::answer::within;
use crate::clients::traces::Traces;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{failed, gives, made, optional, refused, required};
use crate::tool::world::World;

/// The longest past that is searched.
const LONGEST: Span = Span::days(1);
/// Traces that are told in words.
const TOLD: usize = 5;

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("traces.search"),
        summary: "Look through a service's newest traces: how many failed, and where; which was slowest",
        inputs: vec![
            required("endpoint", Kind::Target, "HOST:endpoint:NAME of a traces probe"),
            required("service", Kind::Word, "one of that probe's `services`"),
            optional("since", Kind::Span, "how far back, a day at the most; 1 h unless said"),
        ],
        gives: vec![
            gives("traces", Kind::Int, "how many were found, 50 at the most"),
            gives("failed", Kind::Int, "how many of them failed"),
            gives("slowest", Kind::Span, "how long the slowest took"),
            gives(
                "worst",
                Kind::Text,
                "where the first failed one failed, or the slowest spent its time",
            ),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "an endpoint that is no traces probe of the config; a service that it does not name; no answer within ten seconds",
        timeout: Span::secs(15),
        example: "tool = \"traces.search\"\nargs = { endpoint = \"mini:endpoint:jaeger\", service = \"api\" }",
    }
}

/// `traces.search`.
pub fn search(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let target = args.target("endpoint", Thing::Endpoint)?;
        let Some(traces) = world.inventory.servers.traces.get(target.name()) else {
            return Err(refused(format!("{target} is no traces probe of the config")));
        };
        let service = args.word("service").ok_or_else(|| refused("service is missing"))?;
        // No name that somebody chose leaves this machine.
        if !traces.services.contains(service) {
            let known: Vec<_> = traces.services.iter().map(ToString::to_string).collect();
            return Err(refused(format!(
                "{target} does not name the service {service}; known: {}",
                known.join(", ")
            )));
        }
        let since = args.span("since").unwrap_or(Span::hours(1)).min(LONGEST);
        let (target, traces, service) = (target.clone(), traces.clone(), service.clone());
        let search = Search { world: world.clone(), target, traces, service, since };
        Ok(Parsed::Query(Box::new(search)))
    })
}

struct Search {
    world: World,
    target: Target,
    traces: Traces,
    service: Word,
    since: Span,
}

impl Query for Search {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let Self { target, service, since, .. } = &*self;
            let asking = self.traces.search(service, *since, self.world.now.now());
            let found = within(Span::secs(10), asking).await;
            let found = found.map_err(|why| failed(format!("{target}: {why}")))?;
            let failures = found.iter().filter(|trace| trace.failed).count();
            let slowest = found.iter().map(|trace| trace.took).max().unwrap_or(Span(0));
            let worst = found.first().map(|trace| trace.worst.clone()).unwrap_or_default();
            let told: Vec<String> = found
                .iter()
                .take(TOLD)
                .map(|t| {
                    let how = if t.failed { "failed" } else { "took" };
                    let place = match t.worst.is_empty() {
                        true => String::new(),
                        false => format!(" at {}", t.worst),
                    };
                    format!("{} {how} {}{place} ({})", t.root, t.took, t.id)
                })
                .collect();
            let words = format!(
                "{service}: {} traces within {since}, {failures} failed, the slowest took {slowest}; {}",
                found.len(),
                told.join("; ")
            );
            let int = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
            let values = [
                ("traces".to_owned(), int(found.len())),
                ("failed".to_owned(), int(failures)),
                ("slowest".to_owned(), Value::Span(slowest)),
                ("worst".to_owned(), Value::Text(worst)),
            ];
            Ok(Found { values: values.into(), words: Tainted::new(&words) })
        })
    }
}
