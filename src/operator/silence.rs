//! Silences: what a human does not want to be told for a while.

use crate::gate::settle;
use crate::model::ids::SilenceId;
use crate::model::silence::{Pattern, Silence};
use crate::model::time::Span;
use crate::operator::order::{Refusal, Who};
use crate::operator::view::{Done, RecurringSilence, Silences};
use crate::operator::{Operator, refuse};

/// The longest: what nobody wants to hear of for longer is better not watched.
const LONGEST: Span = Span::days(90);

impl Operator {
    /// Begins one now. It is looked at and recorded as ever; what fires within it is in the report, and what still
    /// stands when it ends is told then.
    pub(crate) async fn silence(
        &self,
        about: Pattern,
        lasts: Span,
        note: &str,
        who: Who,
    ) -> Result<Done, Refusal> {
        let (now, by, note) = (self.now(), who.to_string(), note.trim().to_owned());
        if note.is_empty() {
            return refuse("a silence needs a note: the report says why nobody was told");
        }
        if lasts < Span::mins(1) || LONGEST < lasts {
            return refuse(format!("a silence lasts from a minute to {LONGEST}"));
        }
        let snapshot = self.watch.snapshot().await;
        let fits = snapshot.iter().filter(|s| about.is_about(&s.reading.signal, &s.about.name));
        let fits = fits.count();
        if fits == 0 {
            return refuse(format!(
                "\"{about}\" is about nothing that reef watches; `reef check -v` names probes, hosts and targets"
            ));
        }
        let silence = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    let silence = db.add_silence(&about, &note, &by, now, now + lasts)?;
                    let what = format!("silenced {about} for {lasts}: {}", silence.id);
                    settle::note(db, &by, &what, &note, now)?;
                    Ok(silence)
                })
            })
            .await?;
        // What stands already falls silent too.
        self.runner.endings.send_modify(|n| *n += 1);
        let Silence { id, about, until, .. } = silence;
        let zone = self.facts().zone;
        let signals = if fits == 1 { "1 signal".to_owned() } else { format!("{fits} signals") };
        Ok(Done {
            words: format!(
                "{id}: {about} ({signals}) is silent until {} {}; what still stands then is told",
                zone.day(until),
                zone.hm(until)
            ),
        })
    }

    pub(crate) async fn silences(&self) -> Result<Silences, Refusal> {
        let (now, rules) = (self.now(), self.gate().rules());
        let silences = self.store().call(move |db| db.silences(now)).await?;
        let recurring = rules.telling.silences.iter().map(|silence| RecurringSilence {
            name: silence.name.clone(),
            about: silence.about.iter().map(ToString::to_string).collect(),
            when: format!("{} {}", silence.when, silence.zone),
            note: silence.note.clone(),
            until: silence.when.around(now, silence.zone).map(|stretch| stretch.until),
        });
        let recurring = recurring.collect();
        Ok(Silences { zone: self.facts().zone.to_string(), now, silences, recurring })
    }

    pub(crate) async fn end_silence(&self, id: SilenceId, who: Who) -> Result<Done, Refusal> {
        let (now, by) = (self.now(), who.to_string());
        let ended = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    let ended = db.expire_silence(id, now)?;
                    if let Some(silence) = &ended {
                        let what = format!("ended {id} of {}", silence.about);
                        settle::note(db, &by, &what, &silence.note, now)?;
                    }
                    Ok(ended)
                })
            })
            .await?;
        let Some(silence) = ended else {
            return refuse(format!("no silence {id} stands; `reef silence list` shows them"));
        };
        self.runner.endings.send_modify(|n| *n += 1);
        Ok(Done { words: format!("{id} has ended: {} is told again", silence.about) })
    }
}
