//! `container.memory`: what a container used before it was killed, and whether that was a leak or a spike.

use crate::Fut;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::container::ContainerState;
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values, human_bytes};
use crate::policy::growth::{Growth, Point, judge};
use crate::tool::args::{failed, gives, made, required};
use crate::tool::container::{ARGUMENT, At, target_of};
use crate::tool::world::World;

/// How far back lives are looked at.
const BACK: Span = Span::days(2);
/// How far back kills are counted.
const DAY: Span = Span::days(1);

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("container.memory"),
        summary: "Tell a leak from a spike by a container's memory before it was killed",
        inputs: vec![required("container", Kind::Target, ARGUMENT)],
        gives: vec![
            gives("verdict", Kind::Word, "leak, spike, start (never came to run), host or unsure"),
            gives("why", Kind::Text, "what the verdict goes by"),
            gives("limit", Kind::Bytes, "what it may use, where limited"),
            gives("used", Kind::Bytes, "what it used when it was last seen"),
            gives("most", Kind::Bytes, "the most that it was seen with"),
            gives(
                "kills",
                Kind::Int,
                "kills for want of memory within a day, as far as they are known",
            ),
            gives("looks", Kind::Int, "how often its memory was seen"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no such container; a history that cannot be read",
        timeout: Span::secs(20),
        example: "tool = \"container.memory\"\nargs = { container = \"mini:container:jellyfin\" }",
    }
}

/// `container.memory`.
pub fn memory(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let target = args.container("container")?;
        let at = At::of(&world, &target)?;
        Ok(Parsed::Query(Box::new(Memory { at, target })))
    })
}

struct Memory {
    at: At,
    target: Target,
}

/// The signals of a container in history: what the probe of containers keeps of it.
fn signal(target: &Target, aspect: &'static str) -> Signal {
    Signal { probe: Word::of("docker"), target: target.clone(), aspect: Word::of(aspect) }
}

impl Query for Memory {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let (at, now) = (&self.at, self.at.world.now.now());
            let c = at.find(&self.target).await?;
            let target = target_of(at, &c).unwrap_or_else(|| self.target.clone());
            let history = &at.world.history;
            let past = |signal: Signal, since: Millis| async move {
                history
                    .since(&signal, since)
                    .await
                    .map_err(|why| failed(format!("the history: {why}")))
            };
            let points: Vec<Point> = past(signal(&target, "memory"), now - BACK)
                .await?
                .into_iter()
                .filter_map(|(at, bytes)| Some((at, whole(bytes)?)))
                .collect();
            let kills = kills(&points, now).max(u64::from(c.oom_killed));
            let lived = match (c.state, c.started_at, c.finished_at) {
                (ContainerState::Running, _, _) | (_, None, _) | (_, _, None) => None,
                (_, Some(began), Some(ended)) => Some(ended.since(began)),
            };
            let (verdict, why) = match c.memory_limit {
                // Then it was the machine that had no memory left.
                None => {
                    ("host", "it has no limit of its own: the machine ran out of memory".to_owned())
                }
                Some(limit) => {
                    let judged = judge(&points, limit, lived.filter(|_| c.oom_killed));
                    (judged.growth.as_str(), judged.words)
                }
            };
            let last = c.memory.or_else(|| points.last().map(|(_, bytes)| *bytes));
            let mut values = Values::from([
                ("verdict".to_owned(), Value::Word(Word::of(verdict))),
                ("why".to_owned(), Value::Text(Tainted::bounded(&why, 300))),
                ("kills".to_owned(), Value::Int(i64::try_from(kills).unwrap_or(i64::MAX))),
                ("looks".to_owned(), Value::Int(i64::try_from(points.len()).unwrap_or(i64::MAX))),
            ]);
            let most = points.iter().map(|(_, bytes)| *bytes).max();
            for (name, bytes) in [("limit", c.memory_limit), ("used", last), ("most", most)] {
                values.extend(bytes.map(|bytes| (name.to_owned(), Value::Bytes(bytes))));
            }
            let hint = match verdict == Growth::Leak.as_str() {
                true => "; consider memory limit increase or code fix",
                false => "",
            };
            let seen =
                most.map_or("never".to_owned(), |most| format!("{} at most", human_bytes(most)));
            let words = format!(
                "{}: {verdict}: {why}{hint}; seen {} times with {seen}, {kills} kills within a day",
                c.name,
                points.len()
            );
            Ok(Found { values, words: Tainted::bounded(&words, 1_000) })
        })
    }
}

fn whole(bytes: f64) -> Option<u64> {
    // No container has more; what is no number at all is no memory either.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded just above"
    )]
    (0.0..1e18).contains(&bytes).then_some(bytes as u64)
}

/// How often its memory fell to less than half within a day, from one look to the next.
fn kills(points: &[Point], now: Millis) -> u64 {
    let fell = |pair: &&[Point]| matches!(pair, [(_, before), (at, after)] if *after < *before / 2 && now.since(*at) < DAY);
    points.windows(2).filter(fell).count() as u64
}
