//! `tls.inspect`: the certificate that an endpoint shows, who renews it, and what is broken about that.

use crate::Fut;
use crate::clients::tls::TlsServer;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, Gives, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values};
use crate::policy::renewer::{Disk, disk};
use crate::tool::args::{gives, made, refused, required};
use crate::tool::certificate::look::{Looked, look};
use crate::tool::web::endpoint;
use crate::tool::world::World;

/// What is found of a certificate wherever it is seen.
pub(super) fn about() -> Vec<Gives> {
    vec![
        gives("days", Kind::Int, "whole days left; negative when it has ended"),
        gives(
            "method",
            Kind::Word,
            "certbot, acme-sh, lego, dehydrated, caddy, traefik, cert-manager, self-signed or unknown",
        ),
        gives("called", Kind::Text, "that program's name as people write it"),
        gives("why", Kind::Text, "the sign by which it is known"),
        gives("issuer", Kind::Text, "who signed it"),
        gives("serial", Kind::Text, "its serial number in hex"),
        gives(
            "due",
            Kind::Flag,
            "false where certbot has a newer one, which the server only has to read",
        ),
        gives(
            "starts",
            Kind::Word,
            "what starts the renewal: timer, cron, broken, nothing, unknown",
        ),
        gives("broken", Kind::Text, "what is broken about that, and what mends it"),
    ]
}

fn inspect_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("tls.inspect"),
        summary: "Look at an endpoint's certificate: days left, who renews it, what is broken about that",
        inputs: vec![required("endpoint", Kind::Target, "HOST:endpoint:NAME")],
        gives: [
            about(),
            vec![
                gives("unit", Kind::Target, "the unit that serves it, where served_by says so"),
                gives(
                    "container",
                    Kind::Target,
                    "the container that serves it, where served_by says so",
                ),
            ],
        ]
        .concat(),
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a name that is no endpoint of the config; no TLS handshake within ten seconds",
        timeout: Span::secs(30),
        example: "tool = \"tls.inspect\"\nargs = { endpoint = \"nas:endpoint:photos\" }",
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
    peer: TlsServer,
}

impl Query for Inspect {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let looked = look(&self.world, &self.target, &self.peer).await?;
            let days = looked.leaf.not_after.since(self.world.now.now()).0.div_euclid(86_400_000);
            let (mut values, words) = found(&looked);
            values.insert("days".into(), Value::Int(days));
            if let Some(served) = self.world.inventory.served_by.get(self.target.name()) {
                let contained = matches!(served.thing(), Thing::Container | Thing::Composed);
                let name = if contained { "container" } else { "unit" };
                values.insert(name.into(), Value::Target(served.clone()));
            }
            let words = format!("{}: {days} days left, {words}", self.target);
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}

/// The values but for days and who serves it, and the words after the days.
pub(super) fn found(looked: &Looked) -> (Values, String) {
    let (finding, schedule) = (looked.finding(), looked.schedule());
    let text = |text: &str| Value::Text(Tainted::new(text));
    let newer = finding.lineage.is_some_and(|l| disk(looked.shown(), l) == Disk::Newer);
    let broken = schedule.broken.join("; ");
    let values = [
        ("method", Value::Word(Word::of(finding.method.as_str()))),
        ("called", text(finding.method.called())),
        ("why", text(&finding.why)),
        ("issuer", Value::Text(looked.leaf.issuer.clone())),
        ("serial", text(&looked.leaf.serial)),
        ("due", Value::Flag(!newer)),
        ("starts", Value::Word(Word::of(schedule.starts.as_str()))),
        ("broken", text(if broken.is_empty() { "nothing is broken" } else { &broken })),
    ];
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let by = finding.method.renewed_by();
    let mut words =
        format!("issued by {}, renewed by {by}: {}", looked.leaf.issuer.first_line(), finding.why);
    if newer {
        words.push_str("; a newer one lies on the disk, and this is the old one");
    }
    if !broken.is_empty() {
        words.push_str(&format!("; broken: {broken}"));
    }
    if let Err(why) = &looked.host {
        words.push_str(&format!("; not asked: {why}"));
    }
    (values, words)
}
