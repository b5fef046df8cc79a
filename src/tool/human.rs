//! Messages to the human, whose text no call can choose.

use crate::Fut;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{ToolName, Word};
use crate::model::message::Urgency;
use crate::model::taint::Tainted;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{failed, made, optional, refused};
use crate::tool::world::World;

/// `human.message`: low, because it changes nothing on a machine and chooses no words.
pub fn message(world: &World) -> Box<dyn Tool> {
    let spec = ToolSpec {
        name: ToolName::of("human.message"),
        summary: "Tell the human about the incident of this target, in reef's own words",
        inputs: vec![optional(
            "urgency",
            Kind::Word,
            "`message` (held in quiet hours) or `page` (breaks them)",
        )],
        gives: vec![crate::model::tool::Gives {
            name: "urgency",
            kind: Kind::Word,
            doc: "How it was enqueued",
        }],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no open incident about the target",
        timeout: Span::secs(10),
        example: "tool = \"human.message\"\nargs = { urgency = \"message\" }",
    };
    let outbox = world.outbox.clone();
    made(spec, move |args| {
        let urgency = match args.word("urgency").map(Word::as_str) {
            None | Some("message") => Urgency::Message,
            Some("page") => Urgency::Page,
            Some(other) => {
                return Err(refused(format!("urgency is message or page, not {other}")));
            }
        };
        let (outbox, about) = (outbox.clone(), args.call().target.clone());
        Ok(Parsed::Query(Box::new(Message { outbox, about, urgency })))
    })
}

struct Message {
    outbox: std::sync::Arc<dyn crate::tool::world::Outbox>,
    about: Target,
    urgency: Urgency,
}

impl Query for Message {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let words = self.outbox.tell(&self.about, self.urgency).await.map_err(failed)?;
            let urgency = Value::Word(Word::of(self.urgency.as_str()));
            let values = [("urgency".to_owned(), urgency)].into();
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}
