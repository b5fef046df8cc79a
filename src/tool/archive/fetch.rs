//! `logs.fetch`: an archived log comes back under its own name, if what the bucket gives is what was put there.

use crate::Fut;
use crate::clients::declared::Store;
use crate::clients::files::{FilesError, Limits, Rooted};
use crate::clients::s3::objects::{LARGEST, Object, PIECE};
use crate::clock::zone;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::digest::Digest;
use crate::model::ids::ToolName;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::{Kind, human_bytes};
use crate::tool::archive::{meant, place, words};
use crate::tool::args::{failed, made, optional, refused, required};
use crate::tool::pick;
use crate::tool::world::World;

/// What comes back in a second at the least, for the estimate of how long it takes.
const BYTES_A_SECOND: u64 = 4 << 20;
/// Digits of a digest in the names of objects: all of them, and twelve in those of earlier days.
const DIGITS: std::ops::RangeInclusive<usize> = 12..=64;
/// How many a refusal names.
const NAMED: usize = 8;

fn fetch_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("logs.fetch"),
        summary: "Bring one archived log back from the bucket to its place, proven by its recorded digest",
        inputs: vec![
            required("path", Kind::Path, "the log as it was called, within the declared roots"),
            optional(
                "day",
                Kind::Word,
                "of which day it is, as 2026-10-31, where there are several",
            ),
            optional("sha256", Kind::Word, "the beginning of its digest, where a day has several"),
            optional("store", Kind::Word, "one of the config's s3 probes with archive = true"),
        ],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium: it overwrites nothing",
        undo: "logs.archive of it, which keeps what is in the bucket",
        errors: "no such log in the bucket, or several (the refusal names them); a file of that name; no room; other bytes than were recorded: nothing is kept then",
        timeout: Span::mins(60),
        example: "tool = \"logs.fetch\"\nargs = { path = \"/var/log/app.log.1.gz\", day = \"2026-10-31\" }",
    }
}

/// `logs.fetch`.
pub fn fetch(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let spec = fetch_spec();
    let timeout = spec.timeout;
    made(spec, move |args| {
        args.only_on(&world.here)?;
        let world = world.on(&world.here)?;
        let to = args.rooted("path")?;
        pick::guard(&world.inventory, &world.quarantine, &to)?;
        let Some((_, store)) = meant(&world.inventory, args)? else {
            return Err(refused(
                "the config declares no store for logs: write archive = true into an s3 probe",
            ));
        };
        let word = |name: &str| args.word(name).map(|word| word.as_str().to_ascii_lowercase());
        let (day, sha256) = (word("day"), word("sha256"));
        if sha256.as_ref().is_some_and(|digits| !digits.chars().all(|c| c.is_ascii_hexdigit())) {
            return Err(refused("sha256 is the beginning of a digest in hex"));
        }
        let (world, call) = (world.clone(), args.call().clone());
        Ok(Parsed::Action(Box::new(Fetch { world, call, to, store, day, sha256, timeout })))
    })
}

struct Fetch {
    world: World,
    call: Call,
    to: Rooted,
    store: Store,
    day: Option<String>,
    sha256: Option<String>,
    timeout: Span,
}

/// An object with what its name says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Archived {
    key: String,
    bytes: u64,
    day: String,
    /// As much of its digest as is recorded.
    sha256: String,
}

/// What an object's name says, if it is one of this file: `2026-10-31-DIGEST-NAME` after the folder.
fn archived(object: &Object, below: &str, name: &str) -> Option<Archived> {
    let rest = object.key.strip_prefix(below)?.strip_suffix(name)?.strip_suffix('-')?;
    let (day, sha256) = (rest.get(..10)?, rest.get(10..)?.strip_prefix('-')?);
    let hex = DIGITS.contains(&sha256.len())
        && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_day = zone::read(&format!("{day}T00:00:00Z")).is_some();
    (hex && is_day).then(|| Archived {
        key: object.key.clone(),
        bytes: object.bytes,
        day: day.to_owned(),
        sha256: sha256.to_owned(),
    })
}

impl Fetch {
    /// The one object that is meant.
    async fn meant(&self) -> Result<Archived, ToolError> {
        let (folder, name) = self.to.path.as_str().rsplit_once('/').unwrap_or_default();
        let Store { bucket, http } = &self.store;
        let below = format!("{}{}{folder}/", bucket.prefix, self.world.here);
        let found = bucket.find(http, &below, self.world.now.now()).await;
        let found = found.map_err(|why| failed(words(&why, &self.store)))?;
        let all: Vec<Archived> = found.iter().filter_map(|o| archived(o, &below, name)).collect();
        let fits = |one: &&Archived| {
            self.day.as_ref().is_none_or(|day| one.day == *day)
                && self.sha256.as_ref().is_none_or(|sha256| {
                    one.sha256.starts_with(sha256.as_str())
                        || sha256.starts_with(one.sha256.as_str())
                })
        };
        let fitting: Vec<&Archived> = all.iter().filter(fits).collect();
        match fitting[..] {
            [one] if one.bytes <= LARGEST => Ok(one.clone()),
            [one] => Err(refused(format!("{} has {}", one.key, human_bytes(one.bytes)))),
            [] if all.is_empty() => Err(refused(format!(
                "{} holds no {} of this machine",
                place(&self.store),
                self.to.path
            ))),
            [] => Err(refused(format!("none is meant by that; there are {}", listed(&all)))),
            _ => {
                let fitting: Vec<Archived> = fitting.into_iter().cloned().collect();
                Err(refused(format!("which one? say its day or sha256: {}", listed(&fitting))))
            }
        }
    }

    /// Whether its name is free: what is there is never overwritten.
    async fn is_free(&self) -> Result<(), ToolError> {
        let limits = Limits { entries: 10, time: Span::secs(2) };
        match self.world.files.walk(&self.to, limits, Box::new(|_| ())).await {
            Ok(_) => Err(refused(format!("{} is there: it is not overwritten", self.to.path))),
            Err(FilesError::Changed(_)) => Ok(()),
            Err(
                why @ (FilesError::NoRoom
                | FilesError::Failed(_)
                | FilesError::NotStarted(_)
                | FilesError::Unknown(_)),
            ) => Err(failed(why)),
        }
    }

    async fn carry(&self, permit: &Permit, one: &Archived) -> ActionResult {
        let path = &self.to.path;
        let mut receiving = match self.world.files.receive(permit, &self.to, one.bytes).await {
            Ok(receiving) => receiving,
            Err(why) => return ActionResult::NotStarted(why.to_string()),
        };
        let Store { bucket, http } = &self.store;
        let (mut at, until) = (0_u64, self.world.now.now() + self.timeout);
        while at <= one.bytes {
            if until <= self.world.now.now() {
                return ActionResult::Failed(format!(
                    "{path}: stopped after {}; nothing was kept",
                    self.timeout
                ));
            }
            // The last piece asks for one byte more than there should be.
            let wanted = (one.bytes + 1 - at).min(PIECE);
            let piece = bucket.piece(http, &one.key, (at, wanted), self.world.now.now()).await;
            let piece = match piece {
                Ok(piece) => piece,
                Err(why) => {
                    let why = words(&why, &self.store);
                    return ActionResult::Failed(format!("{path}: {why}; nothing was kept"));
                }
            };
            let came = piece.len() as u64;
            at += came;
            receiving = match receiving.add(piece).await {
                Ok(receiving) => receiving,
                Err(why) => {
                    return ActionResult::Failed(format!("{path}: {why}; nothing was kept"));
                }
            };
            if came < wanted {
                break;
            }
        }
        let (bytes, sha256) = receiving.is();
        if bytes != one.bytes || !sha256.starts_with(&one.sha256) {
            return ActionResult::Failed(format!(
                "{path}: the bucket gives {bytes} bytes with digest {sha256:.12}, recorded are {} with {:.12}; nothing was kept",
                one.bytes, one.sha256
            ));
        }
        let day = zone::read(&format!("{}T00:00:00Z", one.day));
        match receiving.keep(day).await {
            Ok(()) => ActionResult::Done(format!(
                "{path} is back from {}, {} with the recorded digest {sha256:.12}; it is for reef's user alone (mode 600)",
                place(&self.store),
                human_bytes(bytes)
            )),
            Err(why) => ActionResult::Failed(format!("{path}: {why}; nothing was kept")),
        }
    }
}

fn listed(all: &[Archived]) -> String {
    let one = |a: &Archived| format!("{} {:.12} ({})", a.day, a.sha256, human_bytes(a.bytes));
    let mut shown: Vec<String> = all.iter().take(NAMED).map(one).collect();
    if NAMED < all.len() {
        shown.push(format!("and {} more", all.len() - NAMED));
    }
    shown.join(", ")
}

/// What must still be so when it is fetched.
fn mark(one: &Archived) -> Digest {
    Digest::of(format!("{} {}", one.bytes, one.key).as_bytes())
}

impl Action for Fetch {
    fn tier(&self) -> Tier {
        Tier::Medium
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        pick::lease(&self.call, &self.to)
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            self.is_free().await?;
            let one = self.meant().await?;
            let effect = Effect {
                words: format!(
                    "bring {} of {} back from {}, {} with digest {:.12}; nothing is overwritten",
                    self.to.path,
                    one.day,
                    place(&self.store),
                    human_bytes(one.bytes),
                    one.sha256
                ),
                max_items: 1,
                max_bytes: one.bytes,
                takes: i64::try_from(1 + one.bytes / BYTES_A_SECOND).ok().map(Span::secs),
                artifact: Some(mark(&one)),
            };
            let mut undo = Call { tool: ToolName::of("logs.archive"), ..self.call.clone() };
            undo.args.retain(|name, _| ["path", "store"].contains(&name.as_str()));
            Ok((effect, Undo::By(undo)))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let one = match self.meant().await {
                Ok(one) => one,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            if permit.step().effect.artifact != Some(mark(&one)) {
                return ActionResult::NotStarted(format!(
                    "{} in the bucket is not what was planned",
                    self.to.path
                ));
            }
            self.carry(&permit, &one).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_reef_gave_names_an_archived_log() {
        let full = "ab".repeat(32);
        let of = |key: &str| {
            let object = Object { key: key.to_owned(), bytes: 5 };
            archived(&object, "of/mini/var/log/", "app-1.log.1.gz").map(|a| (a.day, a.sha256.len()))
        };
        let day = "2026-10-31".to_owned();
        for (key, want) in [
            (format!("of/mini/var/log/{day}-{full}-app-1.log.1.gz"), Some((day.clone(), 64))),
            (format!("of/mini/var/log/{day}-0123456789ab-app-1.log.1.gz"), Some((day.clone(), 12))),
            (format!("of/mini/var/log/{day}-0123456789a-app-1.log.1.gz"), None),
            (format!("of/mini/var/log/{day}-0123456789AB-app-1.log.1.gz"), None),
            (format!("of/mini/var/log/{day}-0123456789ab-other-app-1.log.1.gz"), None),
            (format!("of/mini/var/log/x/{day}-0123456789ab-app-1.log.1.gz"), None),
            ("of/mini/var/log/2026-13-31-0123456789ab-app-1.log.1.gz".to_owned(), None),
            (format!("of/nas/var/log/{day}-0123456789ab-app-1.log.1.gz"), None),
            ("of/mini/var/log/-app-1.log.1.gz".to_owned(), None),
        ] {
            assert_eq!(of(&key), want, "{key}");
        }
    }
}
