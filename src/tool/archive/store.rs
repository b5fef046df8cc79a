//! `logs.store`: whether there is a bucket for logs at all.

use crate::Fut;
use crate::clients::declared::Store;
use crate::clients::s3::NoList;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{HostName, ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::archive::{meant, place, words};
use crate::tool::args::{gives, made, optional};
use crate::tool::world::World;

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("logs.store"),
        summary: "Say whether the config declares a bucket for logs, and whether it answers",
        inputs: vec![optional("store", Kind::Word, "its name; left out, the only one there is")],
        gives: vec![
            gives(
                "state",
                Kind::Word,
                "ok, none, several, elsewhere (for another host's logs), missing, denied, refused, timeout ...",
            ),
            gives("why", Kind::Text, "which bucket it is, or why there is none to be had"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a name that is no store of the config",
        timeout: Span::secs(40),
        example: "tool = \"logs.store\"",
    }
}

/// `logs.store`.
pub fn store(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let on = args.call().target.on();
        // A host that the config does not name is no answer.
        world.on(on)?;
        let elsewhere = (*on != world.here).then(|| on.clone());
        let known = world.inventory.servers.stores.len();
        // Two of them are an answer here: a runbook that is for all must not fail for it.
        let store = match args.word("store") {
            None if known > 1 => None,
            _ => meant(&world.inventory, args)?,
        };
        Ok(Parsed::Query(Box::new(State { world: world.clone(), store, known, elsewhere })))
    })
}

struct State {
    world: World,
    store: Option<(String, Store)>,
    /// How many the config declares.
    known: usize,
    /// The host of the logs, where it is another one.
    elsewhere: Option<HostName>,
}

impl Query for State {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let (state, why) = match &self.store {
                // What is declared to be kept is not thrown away because its way there is missing.
                Some((_, store)) if self.elsewhere.is_some() => {
                    ("elsewhere", format!("{} takes the logs of this machine only", place(store)))
                }
                None if self.known > 1 => {
                    ("several", format!("{} buckets are declared: which is meant?", self.known))
                }
                None => ("none", "no bucket is declared".to_owned()),
                Some((_, store)) => {
                    match store.bucket.answers(&store.http, self.world.now.now()).await {
                        Ok(()) => ("ok", format!("{} answers", place(store))),
                        Err(why) => {
                            let said = words(&why, store);
                            (word(&why), format!("{} is not to be had: {said}", place(store)))
                        }
                    }
                }
            };
            let why = Tainted::new(&why);
            let values = [
                ("state".to_owned(), Value::Word(Word::of(state))),
                ("why".to_owned(), Value::Text(why.clone())),
            ];
            Ok(Found { values: values.into(), words: why })
        })
    }
}

fn word(why: &NoList) -> &'static str {
    match why {
        NoList::NoSuchBucket => "missing",
        NoList::NoAnswer(why) => why.word(),
    }
}
