//! A deed with a snapshot, carried out and proven: an exit code proves nothing.

use crate::gate::permit::Permit;
use crate::model::time::Span;
use crate::model::tool::ActionResult;
use crate::policy::argv::Argv;
use crate::tool::outcome::Doing;
use crate::tool::snapshot::act::{Change, Planned};
use crate::tool::snapshot::files::{LONG, SHORT};
use crate::tool::snapshot::place::Seen;

impl Change {
    async fn does(&self, permit: &Permit, argv: Argv, timeout: Span, what: &str) -> ActionResult {
        let link = std::sync::Arc::clone(&self.place.link);
        let (what, done) = (what.to_owned(), what.to_owned());
        Doing { link, argv, timeout, what, done, after: Vec::new() }.run(permit).await
    }

    /// Takes a snapshot and looks whether it is there.
    pub(super) async fn takes(
        &self,
        permit: &Permit,
        name: &'static str,
        what: &str,
    ) -> ActionResult {
        let argv = match self.place.of.take(name) {
            Ok(argv) => argv,
            Err(why) => return ActionResult::NotStarted(why.to_string()),
        };
        let done = self.does(permit, argv, SHORT, what).await;
        let ActionResult::Done(_) = done else { return done };
        self.proven(what, |seen| seen.find(name).is_some(), "it is not there").await
    }

    pub(super) async fn forgotten(&self, permit: &Permit, name: &str, what: &str) -> ActionResult {
        let argv = match self.place.of.forget(name) {
            Ok(argv) => argv,
            Err(why) => return ActionResult::NotStarted(why.to_string()),
        };
        let done = self.does(permit, argv, SHORT, what).await;
        let ActionResult::Done(_) = done else { return done };
        self.proven(what, |seen| seen.find(name).is_none(), "it is still there").await
    }

    /// Looks whether it came to pass: an exit code proves nothing.
    async fn proven(
        &self,
        what: &str,
        is: impl FnOnce(&Seen) -> bool,
        otherwise: &str,
    ) -> ActionResult {
        match self.place.look().await {
            Ok(seen) if is(&seen) => ActionResult::Done(format!("done and seen: {what}")),
            Ok(_) => {
                ActionResult::Failed(format!("{what}: the command ended well, but {otherwise}"))
            }
            Err(why) => ActionResult::Unknown(format!(
                "{what}: the command ended well, and how it is now was not seen: {why}"
            )),
        }
    }

    pub(super) async fn brings_back(&self, permit: &Permit, planned: &Planned) -> ActionResult {
        let (name, what) = (planned.name, planned.words.as_str());
        let commands = self.place.of.back(name).and_then(|b| Ok((b, self.place.of.differs(name)?)));
        let (back, differs) = match commands {
            Ok(commands) => commands,
            Err(why) => return ActionResult::NotStarted(why.to_string()),
        };
        if let Some(spare) = planned.spare {
            let first = format!("keep what is there now as {spare}");
            match self.takes(permit, spare, &first).await {
                ActionResult::Done(_) => {}
                ActionResult::NotStarted(why) | ActionResult::Failed(why) => {
                    return ActionResult::NotStarted(format!("nothing was rolled back: {why}"));
                }
                unknown @ ActionResult::Unknown(_) => return unknown,
            }
        }
        let before = match self.place.look().await {
            Ok(seen) => seen.written,
            Err(why) => return ActionResult::NotStarted(format!("nothing was rolled back: {why}")),
        };
        match (self.does(permit, back, LONG, what).await, planned.spare) {
            (ActionResult::Done(_), _) => {}
            (ActionResult::NotStarted(why), Some(spare)) => {
                return ActionResult::Failed(format!("only {spare} was taken: {why}"));
            }
            (other, _) => return other,
        }
        let Some(differs) = differs else {
            let less = |seen: &Seen| seen.newest.as_deref() == Some(name) && seen.written <= before;
            return self.proven(what, less, "as much is written since as before").await;
        };
        match self.place.link.exec(permit, &differs, LONG).await {
            Ok(said) if said.code == Some(0) => match left(said.stdout.as_str()) {
                0 => ActionResult::Done(format!("done and seen, nothing differs: {what}")),
                n => ActionResult::done_but(
                    &format!("done: {what}"),
                    &format!("{n} files differ again, because something writes there"),
                ),
            },
            Ok(said) => ActionResult::Unknown(format!(
                "{what}: the copy ended well, and what differs was not told: {}",
                said.stderr.first_line()
            )),
            Err(why) => ActionResult::Unknown(format!(
                "{what}: the copy ended well, and what differs was not told: {why}"
            )),
        }
    }
}

/// How many files rsync would still change. A folder that it cannot delete holds a subvolume, which stays.
fn left(told: &str) -> usize {
    let stays = |line: &str| line.starts_with("*deleting") && line.ends_with('/');
    let change = |line: &&str| line.starts_with(['>', 'c', 'h', '.', '*']) && line.contains(' ');
    told.lines().filter(change).filter(|line| !stays(line) && !line.starts_with("cannot")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_still_differs_is_counted_and_what_stays_on_purpose_is_not() {
        let told = "cannot delete non-empty directory: nd\n*deleting   nd/\n>f..t...... a\n\
                    hf..t...... hard\n.d..t...... ./\n*deleting   made\n\n";
        assert_eq!(left(told), 4);
        assert_eq!(left("*deleting   nd/deep/\n*deleting   nd/\n"), 0);
        assert_eq!(left(""), 0);
    }
}
