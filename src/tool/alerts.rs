//! What a Prometheus of the config knows: its rules, what fires, and the expressions that the config asks it.

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::json::Api;
use crate::clients::prometheus::{AlertState, Health, Labels, Prometheus};
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::ToolName;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{Args, failed, gives, made, refused, required};
use crate::tool::world::World;

const PATIENCE: Span = Span::secs(10);
/// Lines that are told in words.
const TOLD: usize = 20;
/// Of one label or annotation.
const SHOWN: usize = 80;

const ENDPOINT: &str = "HOST:endpoint:NAME of a prometheus or an alerts probe";

fn list_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("alerts.list"),
        summary: "List the alerts that fire or wait to fire at a Prometheus of the config",
        inputs: vec![required("endpoint", Kind::Target, ENDPOINT)],
        gives: vec![
            gives("firing", Kind::Int, "how many fire"),
            gives("pending", Kind::Int, "how many wait"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "an endpoint that is no Prometheus of the config; an Alertmanager, which keeps no rules",
        timeout: Span::secs(15),
        example: "tool = \"alerts.list\"\nargs = { endpoint = \"mini:endpoint:rules\" }",
    }
}

fn rules_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("alerts.rules"),
        summary: "List a Prometheus' rules for alerts: which fire, and which cannot be evaluated",
        inputs: vec![required("endpoint", Kind::Target, ENDPOINT)],
        gives: vec![
            gives("rules", Kind::Int, "how many there are"),
            gives("firing", Kind::Int, "how many fire"),
            gives("broken", Kind::Int, "how many could not be evaluated at their last turn"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "an endpoint that is no Prometheus of the config; an Alertmanager, which keeps no rules",
        timeout: Span::secs(15),
        example: "tool = \"alerts.rules\"\nargs = { endpoint = \"mini:endpoint:rules\" }",
    }
}

fn query_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("metrics.query"),
        summary: "Ask a Prometheus the expression that the config's probe of this name has; no other can be given",
        inputs: vec![required(
            "endpoint",
            Kind::Target,
            "HOST:endpoint:NAME of a prometheus probe",
        )],
        gives: vec![
            gives("series", Kind::Int, "how many series it gives"),
            gives("highest", Kind::Text, "the highest value, with its labels"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "an endpoint that is no prometheus probe of the config; an expression that it refuses",
        timeout: Span::secs(15),
        example: "tool = \"metrics.query\"\nargs = { endpoint = \"mini:endpoint:rules\" }",
    }
}

/// Which of the three is asked.
enum What {
    Alerts,
    Rules,
    Expression(String),
}

struct Ask {
    target: Target,
    api: Api,
    what: What,
}

fn api(world: &World, args: &Args<'_>) -> Result<(Target, Api), ToolError> {
    let target = args.target("endpoint", Thing::Endpoint)?;
    match world.inventory.servers.rules.get(target.name()) {
        Some(api) => Ok((target.clone(), api.clone())),
        None => {
            Err(refused(format!("{target} is no prometheus and no alerts probe of the config")))
        }
    }
}

/// `alerts.list`.
pub fn list(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(list_spec(), move |args| {
        let (target, api) = api(&world, args)?;
        Ok(Parsed::Query(Box::new(Ask { target, api, what: What::Alerts })))
    })
}

/// `alerts.rules`.
pub fn rules(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(rules_spec(), move |args| {
        let (target, api) = api(&world, args)?;
        Ok(Parsed::Query(Box::new(Ask { target, api, what: What::Rules })))
    })
}

/// `metrics.query`.
pub fn query(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(query_spec(), move |args| {
        let (target, api) = api(&world, args)?;
        match world.inventory.servers.expressions.get(target.name()) {
            Some(expression) => {
                let what = What::Expression(expression.clone());
                Ok(Parsed::Query(Box::new(Ask { target, api, what })))
            }
            None => Err(refused(format!("{target} is no prometheus probe of the config"))),
        }
    })
}

impl Query for Ask {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let answer = within(PATIENCE, self.asked()).await;
            answer.map_err(|why| failed(format!("{}: {why}", self.target)))
        })
    }
}

fn int(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A label or annotation as it may be shown.
fn shown(labels: &Labels, name: &str) -> Tainted {
    Tainted::bounded(labels.get(name).map_or("", String::as_str), SHOWN)
}

impl Ask {
    async fn asked(&self) -> Result<Found, NoAnswer> {
        let Api { http, url, login, timeout } = &self.api;
        let server = Prometheus::new(url.clone(), http.clone(), login.headers()?, *timeout);
        match &self.what {
            What::Alerts => self.alerts(&server).await,
            What::Rules => self.rules(&server).await,
            What::Expression(expression) => self.expression(&server, expression).await,
        }
    }

    fn found(&self, summary: &str, told: &[String], values: Vec<(&str, Value)>) -> Found {
        let words = format!("{}: {summary}; {}", self.target, told.join("; "));
        let values = values.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        Found { values, words: Tainted::new(words.trim_end_matches("; ")) }
    }

    async fn alerts(&self, server: &Prometheus) -> Result<Found, NoAnswer> {
        let all = server.alerts().await?;
        let of = |state| all.iter().filter(move |alert| alert.state == state);
        let (firing, pending) = (of(AlertState::Firing).count(), of(AlertState::Pending).count());
        let told: Vec<String> = of(AlertState::Firing)
            .chain(of(AlertState::Pending))
            .take(TOLD)
            .map(|a| {
                let why = shown(&a.annotations, "summary");
                let state = if a.state == AlertState::Firing { "fires" } else { "waits" };
                format!("{} {state} {why}", shown(&a.labels, "alertname")).trim_end().to_owned()
            })
            .collect();
        let values = vec![("firing", int(firing)), ("pending", int(pending))];
        Ok(self.found(&format!("{firing} fire, {pending} wait"), &told, values))
    }

    async fn rules(&self, server: &Prometheus) -> Result<Found, NoAnswer> {
        let all = server.rules().await?;
        let broken = all.iter().filter(|rule| rule.health == Health::Broken).count();
        let firing = all.iter().filter(|rule| rule.state == AlertState::Firing).count();
        let mut sorted: Vec<_> = all.iter().collect();
        // What is broken first: an alert that cannot be evaluated never fires.
        sorted.sort_by_key(|r| (r.health != Health::Broken, r.state != AlertState::Firing));
        let told: Vec<String> = sorted
            .into_iter()
            .take(TOLD)
            .map(|rule| {
                let name = Tainted::bounded(&rule.name, SHOWN);
                match (rule.health, rule.state) {
                    (Health::Broken, _) => {
                        format!("{name} is broken: {}", Tainted::bounded(&rule.error, SHOWN))
                    }
                    (Health::Fine, AlertState::Firing) => format!("{name} fires"),
                    (Health::Fine, AlertState::Pending) => format!("{name} waits"),
                    (Health::Fine, AlertState::Inactive) => format!("{name} is quiet"),
                }
            })
            .collect();
        let values =
            vec![("rules", int(all.len())), ("firing", int(firing)), ("broken", int(broken))];
        let summary = format!("{} rules, {firing} fire, {broken} broken", all.len());
        Ok(self.found(&summary, &told, values))
    }

    async fn expression(&self, server: &Prometheus, asked: &str) -> Result<Found, NoAnswer> {
        let mut all = server.query(asked, None).await?;
        all.sort_by(|a, b| b.value.total_cmp(&a.value));
        let told: Vec<String> = all
            .iter()
            .take(TOLD)
            .map(|point| {
                let labels: Vec<String> = point
                    .labels
                    .iter()
                    .filter(|(name, _)| *name != "__name__")
                    .map(|(name, value)| format!("{name}={}", Tainted::bounded(value, SHOWN)))
                    .collect();
                format!("{} {}", point.value, labels.join(" ")).trim_end().to_owned()
            })
            .collect();
        let highest = Tainted::bounded(told.first().map_or("", String::as_str), 200);
        let values = vec![("series", int(all.len())), ("highest", Value::Text(highest))];
        Ok(self.found(&format!("{} series", all.len()), &told, values))
    }
}
