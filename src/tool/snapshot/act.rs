//! What is done with a snapshot, planned from how the file system is, and proven by looking at it again.

use crate::Fut;
use crate::clock::zone::stamp;
use crate::config::snapshots::SnapshotBy;
use crate::gate::permit::Permit;
use crate::gate::rules::UNDO_FOR;
use crate::gate::tool::Action;
use crate::model::digest::Digest;
use crate::model::ids::{ToolName, Word};
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::model::tool::{ActionResult, Call, Effect, Holds, Repeat, Tier, ToolError, Undo};
use crate::model::value::{Value, human_bytes};
use crate::tool::args::{failed, refused};
use crate::tool::command::{output, read_only};
use crate::tool::snapshot::files::SHORT;
use crate::tool::snapshot::place::{Place, Seen};
use crate::tool::world::World;

/// No snapshot is kept longer: how far back it is looked whose one is.
const LONGEST: Span = Span::days(90);
/// Behind the word of a snapshot that a rollback took of what it replaced.
const BACK: &str = "-back";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// The first free name, where none is given.
    Create {
        name: Option<&'static str>,
    },
    Rollback {
        name: &'static str,
    },
    Forget {
        name: &'static str,
    },
}

pub(super) struct Change {
    pub world: World,
    pub place: Place,
    pub call: Call,
    pub deed: Deed,
}

/// What comes of a deed as the file system is now.
pub(super) struct Planned {
    pub name: &'static str,
    /// Where a rollback keeps what it replaces.
    pub spare: Option<&'static str>,
    pub words: String,
    /// Nothing is to be done; the words say why.
    nothing: bool,
    undo: Undo,
}

impl Planned {
    fn nothing(name: &'static str, words: String) -> Self {
        let undo = Undo::Impossible("nothing is to be changed".into());
        Self { name, spare: None, words, nothing: true, undo }
    }
}

impl Change {
    async fn planned(&self) -> Result<Planned, ToolError> {
        let seen = self.place.look().await?;
        match self.deed {
            Deed::Create { name } => self.creates(&seen, name).await,
            Deed::Rollback { name } => self.rolls_back(&seen, name).await,
            Deed::Forget { name } => self.forgets(&seen, name).await,
        }
    }

    async fn creates(&self, seen: &Seen, name: Option<&'static str>) -> Result<Planned, ToolError> {
        let (at, words) = (&self.place.at, self.place.words());
        let Some(name) = name.or_else(|| seen.free()) else {
            return Err(refused(format!(
                "{at} has eight snapshots of reef's already, which are all that it keeps: \
                 snapshot.forget removes one before its time"
            )));
        };
        if seen.find(name).is_some() || seen.taken.contains(name) {
            return Err(refused(format!("{at} has a {name} already; leave the name out")));
        }
        self.can_go_back().await?;
        let keep = match self.call.args.get("keep") {
            Some(Value::Span(keep)) => *keep,
            Some(_) | None => UNDO_FOR,
        };
        let back = match &self.place.of.by {
            SnapshotBy::Btrfs => {
                "brings all files there back, also what others wrote since, and keeps what it \
                 replaces for 7 d"
            }
            SnapshotBy::Zfs(_) => {
                "brings all of it back, loses what anybody wrote since, and is possible only \
                 while no newer snapshot is there"
            }
        };
        let words = format!(
            "take the read-only snapshot {name} of {words}, kept for {keep}; the rollback to it {back}"
        );
        let undo = Undo::By(self.rollback_to(name, self.mark().cloned()));
        Ok(Planned { name, spare: None, words, nothing: false, undo })
    }

    /// A subvolume is brought back by a program that not every host has: without it there is no undo.
    async fn can_go_back(&self) -> Result<(), ToolError> {
        if self.place.of.by != SnapshotBy::Btrfs {
            return Ok(());
        }
        let which = read_only(&["which", "rsync"])?;
        let said = output(self.place.link.as_ref(), &which, SHORT).await?;
        match said.code {
            Some(0) => Ok(()),
            _ => Err(refused(format!(
                "rsync, which a rollback of btrfs is made with, is not on {}; install it there",
                self.place.at.on()
            ))),
        }
    }

    async fn rolls_back(&self, seen: &Seen, name: &'static str) -> Result<Planned, ToolError> {
        let (at, words) = (&self.place.at, self.place.words());
        let Some(own) = seen.find(name) else {
            return Err(refused(format!("{at} has no snapshot {name} (any more)")));
        };
        let taken = match self.whose(name).await? {
            Whose::Ours(at) => own.at.or(at),
            Whose::Another => {
                return Err(refused(format!(
                    "what is called {name} of {at} now was taken later for something else; the one \
                     that was meant is gone"
                )));
            }
        };
        let when = taken.map_or(String::new(), |at| format!(" of {}", stamp(at)));
        match &self.place.of.by {
            SnapshotBy::Zfs(dataset) => {
                if let Some(newest) = seen.newest.as_deref().filter(|newest| *newest != name) {
                    return Err(refused(format!(
                        "{dataset}@{name} is not the newest snapshot, {newest} is: rolling back \
                         would destroy what is newer. Copy what you need from {}/.zfs/snapshot/{name}",
                        self.place.of.path
                    )));
                }
                let lost =
                    seen.written.map_or("what".to_owned(), |n| format!("{} that", human_bytes(n)));
                let words = format!(
                    "roll {words} back to its snapshot {name}{when}: {lost} was written since is \
                     lost, whoever wrote it. Stop what has files open there"
                );
                let undo = Undo::Impossible("what was written since the snapshot is lost".into());
                Ok(Planned { name, spare: None, words, nothing: false, undo })
            }
            SnapshotBy::Btrfs => {
                if let Some(mount) = seen.below.first() {
                    return Err(refused(format!(
                        "{mount} is mounted within {at}: roll it back by hand, so that what is \
                         mounted stays as it is"
                    )));
                }
                let Some(spare) = seen.free() else {
                    return Err(refused(format!(
                        "{at} has eight snapshots of reef's already, and a rollback keeps what it \
                         replaces in one more: snapshot.forget removes one"
                    )));
                };
                self.can_go_back().await?;
                let words = format!(
                    "bring all files of {words} back to its snapshot {name}{when}: what was changed \
                     or deleted since returns, what was made since goes, whoever did it. All of that \
                     is kept in the snapshot {spare} for {UNDO_FOR}; subvolumes within stay as they \
                     are. Stop what has files open there"
                );
                let undo = Undo::By(self.rollback_to(spare, self.mark().and_then(turned)));
                Ok(Planned { name, spare: Some(spare), words, nothing: false, undo })
            }
        }
    }

    async fn forgets(&self, seen: &Seen, name: &'static str) -> Result<Planned, ToolError> {
        let at = &self.place.at;
        if seen.find(name).is_none() {
            return Ok(Planned::nothing(name, format!("{at} has no snapshot {name} (any more)")));
        }
        if self.whose(name).await? == Whose::Another {
            let words = format!("{name} of {at} is another by now, which stays");
            return Ok(Planned::nothing(name, words));
        }
        let words = format!("remove the snapshot {name} of {}", self.place.words());
        let undo = Undo::Impossible("a snapshot that was removed is gone".into());
        Ok(Planned { name, spare: None, words, nothing: false, undo })
    }

    fn mark(&self) -> Option<&Word> {
        match self.call.args.get("mark") {
            Some(Value::Word(mark)) => Some(mark),
            Some(_) | None => None,
        }
    }

    /// The name is used again later: whether it still is what the call's word says.
    async fn whose(&self, name: &str) -> Result<Whose, ToolError> {
        let since = self.world.now.now() - LONGEST;
        let tools = [ToolName::of("snapshot.create"), ToolName::of("snapshot.rollback")];
        let undos =
            self.world.deeds.undos(&tools, &self.call.target, since).await.map_err(failed)?;
        let word = |call: &Call, arg: &str| match call.args.get(arg) {
            Some(Value::Word(word)) => Some(word.clone()),
            Some(_) | None => None,
        };
        let named = |call: &Call| word(call, "name").is_some_and(|n| n.as_str() == name);
        let last = undos.into_iter().rev().find(|(_, call)| named(call));
        Ok(match (self.mark(), last) {
            (None, last) => Whose::Ours(last.map(|(at, _)| at)),
            (Some(mark), Some((at, call))) if word(&call, "mark").as_ref() == Some(mark) => {
                Whose::Ours(Some(at))
            }
            (Some(_), _) => Whose::Another,
        })
    }

    fn rollback_to(&self, name: &'static str, mark: Option<Word>) -> Call {
        let mut call = Call { tool: ToolName::of("snapshot.rollback"), ..self.call.clone() };
        call.args.retain(|name, _| name == "of");
        call.args.insert("name".into(), Value::Word(Word::of(name)));
        call.args.extend(mark.map(|mark| ("mark".to_owned(), Value::Word(mark))));
        call
    }

    /// What exactly was previewed.
    fn artifact(&self, planned: &Planned) -> Digest {
        let exact =
            format!("{:?} {} {:?} {:?}", self.deed, planned.name, planned.spare, self.place.of);
        Digest::of(exact.as_bytes())
    }
}

/// What a snapshot's name stands for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// What was meant, and when it was taken as far as reef knows.
    Ours(Option<Millis>),
    Another,
}

/// The word of the snapshot that a rollback takes of what it replaces.
fn turned(mark: &Word) -> Option<Word> {
    let text = mark.as_str();
    match text.strip_suffix(BACK) {
        Some(before) => Word::new(before).ok(),
        None => Word::new(format!("{text}{BACK}")).ok(),
    }
}

impl Action for Change {
    fn tier(&self) -> Tier {
        match self.deed {
            Deed::Create { .. } => Tier::Medium,
            Deed::Rollback { .. } | Deed::Forget { .. } => Tier::Critical,
        }
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn holds(&self) -> Option<Holds> {
        // It is removed when this is over, and with it the way back.
        match (&self.deed, self.call.args.get("keep")) {
            (Deed::Create { .. }, Some(Value::Span(keep))) => Some(Holds::For(*keep)),
            (Deed::Create { .. } | Deed::Rollback { .. } | Deed::Forget { .. }, _) => None,
        }
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.place.at.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let planned = self.planned().await?;
            let takes = match self.deed {
                Deed::Create { .. } | Deed::Forget { .. } => Span::secs(5),
                Deed::Rollback { .. } => Span::mins(1),
            };
            let effect = Effect {
                artifact: (!planned.nothing).then(|| self.artifact(&planned)),
                words: planned.words,
                max_items: if planned.nothing { 0 } else { 1 },
                max_bytes: 0,
                takes: Some(takes),
            };
            Ok((effect, planned.undo))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let planned = match self.planned().await {
                Ok(planned) => planned,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            if permit.step().effect.artifact != Some(self.artifact(&planned)) {
                return ActionResult::NotStarted(format!(
                    "the snapshots of {} are no longer as they were when this was planned",
                    self.place.at
                ));
            }
            let (name, what) = (planned.name, planned.words.as_str());
            match self.deed {
                Deed::Create { .. } => self.takes(&permit, name, what).await,
                Deed::Rollback { .. } => self.brings_back(&permit, &planned).await,
                Deed::Forget { .. } => self.forgotten(&permit, name, what).await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_of_a_rollback_has_the_first_words_again() {
        let mark = Word::of("reef-run-12");
        let back = turned(&mark).unwrap();
        assert_eq!(back.as_str(), "reef-run-12-back");
        assert_eq!(turned(&back), Some(mark));
    }
}
