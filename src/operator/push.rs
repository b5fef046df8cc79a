//! Jobs report in.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::config::mistakes::hint;
use crate::model::push::{Pushed, Report};
use crate::model::target::{Target, Thing};
use crate::operator::order::Refusal;
use crate::operator::view::Done;
use crate::operator::{Operator, refuse};
use crate::probe::push::signal;

impl Operator {
    /// Takes a job's report: stored before it counts, then looked at at once.
    pub async fn ping(&self, name: &str, report: Report, said: &str) -> Result<Done, Refusal> {
        let board = Arc::clone(&self.pulse.pushes);
        let Some(said) = board.clean(name, said) else {
            let known = board.names();
            let hint = hint(name, known.iter().map(String::as_str));
            return refuse(format!(
                "no job \"{name}\" is expected{hint}; write push.{name} = \"24h\" into [probe] and reload"
            ));
        };
        let (now, key) = (self.now(), name.to_owned());
        let pushed = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    let before = db.pushes()?.remove(&key);
                    let before = before.unwrap_or(Pushed { known_from: now, ..Pushed::default() });
                    let after = before.heard(report, &said, now);
                    db.save_push(&key, &after)?;
                    Ok(after)
                })
            })
            .await?;
        board.set(name, pushed);
        if let Ok(target) = Target::new(self.here.clone(), Thing::Endpoint, name) {
            self.watch.nudge(signal(target)).await;
        }
        let what = match report {
            Report::Ok => "ok",
            Report::Start => "begins",
            Report::Fail => "failed",
        };
        Ok(Done { words: format!("{name}: {what}") })
    }

    /// Gives the probes what a former life heard, and notes since when a new job is waited for: a restart does not put
    /// its first report off.
    pub(crate) async fn expect_jobs(&self) -> anyhow::Result<()> {
        let board = Arc::clone(&self.pulse.pushes);
        let (now, names) = (self.now(), board.names());
        let known = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    let mut known = db.pushes()?;
                    for name in names {
                        if let Entry::Vacant(vacant) = known.entry(name) {
                            let new = Pushed { known_from: now, ..Pushed::default() };
                            db.save_push(vacant.key(), &new)?;
                            vacant.insert(new);
                        }
                    }
                    Ok(known)
                })
            })
            .await?;
        for (name, pushed) in known {
            board.set(&name, pushed);
        }
        Ok(())
    }
}
