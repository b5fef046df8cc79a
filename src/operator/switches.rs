//! Pause, resume, reload.

use std::sync::Arc;

use crate::gate::facts::{BREAKER_RESET, HOLD, PAUSED, RESUMED};
use crate::gate::settle;
use crate::operator::order::{Refusal, Who};
use crate::operator::view::{Done, ReportView};
use crate::operator::{Operator, refuse};

impl Operator {
    /// Nothing above low is dispatched once this returned: the gate reads the switch in the very
    /// transaction that dispatches. It survives restarts.
    pub(crate) async fn pause(&self, note: Option<&str>, who: Who) -> Result<Done, Refusal> {
        let (now, by) = (self.now(), who.to_string());
        let words = match note {
            Some(note) => format!("{by}: {note}"),
            None => by.clone(),
        };
        self.store()
            .call(move |db| {
                db.atomically(|db| {
                    db.set_flag(PAUSED, Some(&words), now)?;
                    settle::note(db, &by, "paused", &words, now).map(drop)
                })
            })
            .await?;
        Ok(Done {
            words: "paused: reef looks and tells, and does nothing above low until `reef resume`"
                .into(),
        })
    }

    /// Lifts the pause and the hold, and lets breakers pass that waited for a human.
    pub(crate) async fn resume(&self, who: Who) -> Result<Done, Refusal> {
        let (now, by) = (self.now(), who.to_string());
        let lifted = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    let mut lifted = Vec::new();
                    for (flag, word) in [(PAUSED, "the pause"), (HOLD, "the hold")] {
                        if db.flag(flag)?.is_some() {
                            db.set_flag(flag, None, now)?;
                            lifted.push(word);
                        }
                    }
                    db.set_flag(RESUMED, Some(&now.0.to_string()), now)?;
                    db.set_flag(BREAKER_RESET, Some(&now.0.to_string()), now)?;
                    settle::note(db, &by, "resumed", &lifted.join(", "), now)?;
                    Ok(lifted)
                })
            })
            .await?;
        self.runner.endings.send_modify(|n| *n += 1);
        Ok(Done {
            words: match lifted.is_empty() {
                true => {
                    "nothing was paused or held; breakers that waited for you pass again".into()
                }
                false => format!(
                    "lifted {}; breakers that waited for you pass again",
                    lifted.join(" and ")
                ),
            },
        })
    }

    /// The config whole or not at all.
    pub(crate) async fn reload(&self, who: Who) -> Result<Done, Refusal> {
        let outcome = (self.reload)().await;
        if outcome.is_ok() {
            self.expect_jobs().await?;
        }
        // Plans that wait look whether their runbook is still what it was.
        self.runner.answers.send_modify(|n| *n += 1);
        let (now, by) = (self.now(), who.to_string());
        let (what, reason) = match &outcome {
            Ok(words) => ("reloaded", words.clone()),
            Err(why) => ("kept the old config", why.lines().next().unwrap_or_default().to_owned()),
        };
        self.store().call(move |db| settle::note(db, &by, what, &reason, now)).await?;
        match outcome {
            Ok(words) => Ok(Done { words }),
            Err(why) => refuse(format!("the old config stays in force:\n{why}")),
        }
    }

    /// Writes the report now.
    pub(crate) async fn report(self: &Arc<Self>) -> Result<ReportView, Refusal> {
        let written = self.reporter.write().await?;
        Ok(ReportView { path: written.path.display().to_string(), markdown: written.markdown })
    }
}
