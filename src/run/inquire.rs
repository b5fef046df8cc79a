//! The inquiry: low steps run, values are bound, conditions decided; what is left is a plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::Offer;
use crate::model::approval::Choice;
use crate::model::ids::{RunId, StepName};
use crate::model::incident::Incident;
use crate::model::plan::{Ending, Origin, Plan, Step};
use crate::model::reading::Reading;
use crate::model::time::Span;
use crate::model::told::Told;
use crate::model::tool::{Bounds, Found, Tier};
use crate::run::announce::look_later;
use crate::run::by_hand::by_hand;
use crate::run::runner::{Runner, Start};
use crate::run::snapshot::Before;
use crate::runbook::{self, Asked, Bindings, Blames, LeaveDef, Resolved, Runbook, StepDef};
use crate::store::db::Db;

/// How long a fix has to show where nothing says how long.
pub(crate) const WITHIN: Span = Span::mins(5);

/// What the inquiry came to.
#[derive(Debug)]
pub(crate) enum Inquired {
    Plan(Box<Plan>),
    Question { question: String, choices: Vec<Choice> },
    Ended(Ending),
}

/// The inquiry without judgement: over, or what the runbook says with what was gathered for it.
enum AsWritten {
    Ended(Ending),
    Gathered(Option<Inquired>, Box<Gathered>),
}

/// What a run is about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub incident: Option<Incident>,
    pub reading: Reading,
}

/// One round of one run: what everything in an inquiry goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub run: RunId,
    pub round: u32,
    pub start: &'a Start,
    pub subject: &'a Subject,
}

/// What the inquiry gathered on its way.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub book: Option<Runbook>,
    pub bindings: Option<Bindings>,
    /// What the low steps found, in order.
    pub found: Vec<(StepName, Found)>,
    /// Steps above low that apply by themselves, previewed.
    pub steps: Vec<Step>,
    /// What is taken before the first of them that is high, where the config says so.
    pub snapshots: Vec<Before>,
    /// Steps that run only when an option picks them, previewed where they can be.
    pub asked: BTreeMap<StepName, Step>,
    /// Why steps do not apply.
    pub skipped: Vec<String>,
}

impl Runner {
    /// Runs all low steps of the runbook and resolves the rest. Where judgement is needed (a question
    /// stands, nothing applies, no runbook fits) the agent is asked first, if there is one.
    pub(crate) async fn inquire(
        self: &Arc<Self>,
        run: RunId,
        round: u32,
        start: &Start,
    ) -> anyhow::Result<Inquired> {
        let subject = self.subject(start).await?;
        let case = Case { run, round, start, subject: &subject };
        let (routine, gathered) = match self.as_written(case).await? {
            AsWritten::Ended(ending) => return Ok(Inquired::Ended(ending)),
            AsWritten::Gathered(routine, gathered) => (routine, gathered),
        };
        match routine {
            Some(Inquired::Plan(plan)) => Ok(Inquired::Plan(plan)),
            needs_judgement => {
                if let Some(judged) = self.judge_by_agent(case, &gathered).await? {
                    return Ok(judged);
                }
                Ok(needs_judgement
                    .unwrap_or_else(|| Inquired::Ended(nothing_applies(&subject, &gathered))))
            }
        }
    }

    /// The inquiry as the runbook alone has it.
    pub(crate) async fn inquire_without_agent(
        &self,
        run: RunId,
        start: &Start,
    ) -> anyhow::Result<Inquired> {
        let subject = self.subject(start).await?;
        let case = Case { run, round: 0, start, subject: &subject };
        Ok(match self.as_written(case).await? {
            AsWritten::Ended(ending) => Inquired::Ended(ending),
            AsWritten::Gathered(Some(routine), _) => routine,
            AsWritten::Gathered(None, gathered) => {
                Inquired::Ended(nothing_applies(&subject, &gathered))
            }
        })
    }

    async fn as_written(&self, case: Case<'_>) -> anyhow::Result<AsWritten> {
        let Case { run, start, subject, .. } = case;
        if let Some(ending) = still_wanted(subject) {
            return Ok(AsWritten::Ended(ending));
        }
        self.gate.tell(run, Told::about(&subject.reading, start.incident));
        let book = match &start.runbook {
            Some(name) => Some(self.book(name)?),
            None => None,
        };
        let gathered = match self.gather(case, book).await {
            Ok(gathered) => gathered,
            Err(why) => return Ok(AsWritten::Ended(Ending::Escalated(format!("{why:#}")))),
        };
        if let Some(leave) = left_alone(&gathered)? {
            self.look_again(start, leave).await?;
            return Ok(AsWritten::Ended(Ending::NothingToDo(leave.why.clone())));
        }
        let routine = self.routine(case, &gathered)?;
        self.note_blame(case, &gathered).await?;
        Ok(AsWritten::Gathered(routine, Box::new(gathered)))
    }

    /// What is left alone now may be something else when it does not end.
    async fn look_again(&self, start: &Start, leave: &LeaveDef) -> anyhow::Result<()> {
        let (Origin::Incident(id), Some(again)) = (&start.origin, leave.again) else {
            return Ok(());
        };
        let (id, at) = (*id, self.clock.now() + again);
        self.store.call(move |db| look_later(db, id, at)).await
    }

    /// Notes on the incident whether the runbook, which has nothing to do, finds what it hangs on to be at fault.
    async fn note_blame(&self, case: Case<'_>, gathered: &Gathered) -> anyhow::Result<()> {
        let Some(incident) = &case.subject.incident else { return Ok(()) };
        let blames = match (&gathered.book, &gathered.bindings) {
            (Some(book), Some(bindings)) if gathered.steps.is_empty() => {
                runbook::blames(book, bindings)?
            }
            (Some(_) | None, _) => Blames::Itself,
        };
        let (id, blames_parent) = (incident.id, blames == Blames::Parent);
        if incident.care.blames_parent == blames_parent {
            return Ok(());
        }
        let noting = move |db: &mut Db| {
            let Some(mut incident) = db.incident(id)? else { return Ok(()) };
            incident.care.blames_parent = blames_parent;
            db.save_incident(&incident)
        };
        self.store.call(noting).await
    }

    /// What this run is about: the incident's reading, or a fresh look at what the operator named.
    pub(crate) async fn subject(&self, start: &Start) -> anyhow::Result<Subject> {
        if let Some(id) = start.incident {
            let incident = self.store.call(move |db| db.incident(id)).await?;
            let incident =
                incident.ok_or_else(|| anyhow::anyhow!("the store has no incident {id}"))?;
            let reading = incident.reading.clone();
            return Ok(Subject { incident: Some(incident), reading });
        }
        let on = start
            .on
            .clone()
            .ok_or_else(|| anyhow::anyhow!("a runbook without an incident needs --on TARGET"))?;
        let name =
            start.runbook.as_ref().ok_or_else(|| anyhow::anyhow!("nothing was named to run"))?;
        let book = self.book(name)?;
        let around = self.looker.around(on.on()).await;
        let known = around
            .into_iter()
            .find(|r| r.signal.target == on && book.matches.probe.contains(&r.signal.probe));
        let reading = match known {
            Some(reading) => self.looker.look(&reading.signal).await.unwrap_or(reading),
            None => by_hand(&book, &on, self.clock.now()),
        };
        Ok(Subject { incident: None, reading })
    }

    pub(crate) async fn gather(
        &self,
        case: Case<'_>,
        book: Option<Runbook>,
    ) -> anyhow::Result<Gathered> {
        let Case { start, subject, .. } = case;
        let mut gathered = Gathered {
            book: None,
            bindings: None,
            found: Vec::new(),
            steps: Vec::new(),
            snapshots: Vec::new(),
            asked: BTreeMap::new(),
            skipped: Vec::new(),
        };
        let Some(book) = book else { return Ok(gathered) };
        let attempt = subject.incident.as_ref().map_or(0, |incident| incident.attempts) + 1;
        let mut bindings = Bindings::new(&book, &subject.reading).on_attempt(attempt);
        for (name, value) in &start.params {
            bindings
                .set(name, &value.to_string())
                .map_err(|why| anyhow::anyhow!("--set {name}: {why}"))?;
        }
        for step in book.steps() {
            if self.tier_of(step) == Some(Tier::Low) {
                self.inquire_step(case, &book, step, &mut bindings, &mut gathered).await?;
            }
        }
        // A yellow is diagnosed; it is acted on only by a runbook that names yellow.
        let acts = subject.incident.as_ref().is_none_or(|i| book.matches.acts_at(i.severity));
        for step in book.steps().filter(|_| acts) {
            if self.tier_of(step) != Some(Tier::Low) {
                self.plan_step(subject, &book, step, &bindings, &mut gathered).await?;
            }
        }
        let steps: Vec<&Step> = gathered.steps.iter().chain(gathered.asked.values()).collect();
        gathered.snapshots = self.snapshots_before(case.run, &steps).await?;
        gathered.bindings = Some(bindings);
        gathered.book = Some(book);
        Ok(gathered)
    }

    fn tier_of(&self, step: &StepDef) -> Option<Tier> {
        self.gate.spec(&step.tool).map(|spec| spec.max_tier)
    }

    async fn inquire_step(
        &self,
        case: Case<'_>,
        book: &Runbook,
        step: &StepDef,
        bindings: &mut Bindings,
        gathered: &mut Gathered,
    ) -> anyhow::Result<()> {
        let Case { run, start, subject, .. } = case;
        let resolved = self.resolve(step, bindings, &book.bounds(), subject)?;
        let call = match resolved {
            Resolved::Call(call) => call,
            Resolved::Skip(why) => {
                bindings.skipped(&step.name, &why);
                gathered.skipped.push(format!("{}: {why}", step.name));
                return Ok(());
            }
        };
        self.gate.called(run, &call);
        match self.gate.query_again(run, &start.origin, &call).await {
            Ok(found) => {
                bindings.found(&step.name, &found);
                gathered.found.push((step.name.clone(), found));
                Ok(())
            }
            // What cannot be found out must not be guessed.
            Err(error) => {
                anyhow::bail!("step {} ({}) could not look: {error}", step.name, step.tool)
            }
        }
    }

    async fn plan_step(
        &self,
        subject: &Subject,
        book: &Runbook,
        step: &StepDef,
        bindings: &Bindings,
        gathered: &mut Gathered,
    ) -> anyhow::Result<()> {
        let call = match self.resolve(step, bindings, &book.bounds(), subject) {
            Ok(Resolved::Call(call)) => call,
            Ok(Resolved::Skip(why)) => {
                gathered.skipped.push(format!("{}: {why}", step.name));
                return Ok(());
            }
            Err(error) => anyhow::bail!("step {}: {error}", step.name),
        };
        let planned = match (self.gate.preview(&step.name, &call).await, step.asked) {
            (Ok(planned), _) => planned,
            (Err(error), Asked::Yes) => {
                // An option that cannot be had is not offered; the others still are.
                gathered.skipped.push(format!("{}: {error}", step.name));
                return Ok(());
            }
            (Err(error), Asked::No) => {
                anyhow::bail!("step {} cannot be previewed: {error}", step.name)
            }
        };
        if book.max_tier < planned.tier {
            anyhow::bail!(
                "step {} is {}, above the runbook's max_tier {}",
                step.name,
                planned.tier,
                book.max_tier
            );
        }
        let nothing = planned.effect.max_items == 0;
        match step.asked {
            _ if nothing => {
                gathered.skipped.push(format!("{}: {}", step.name, planned.effect.words));
            }
            Asked::No => gathered.steps.push(planned),
            Asked::Yes => drop(gathered.asked.insert(step.name.clone(), planned)),
        }
        Ok(())
    }

    fn resolve(
        &self,
        step: &StepDef,
        bindings: &Bindings,
        bounds: &Bounds,
        subject: &Subject,
    ) -> anyhow::Result<Resolved> {
        let spec = self
            .gate
            .spec(&step.tool)
            .ok_or_else(|| anyhow::anyhow!("there is no tool {}", step.tool))?;
        Ok(runbook::resolve(step, &spec, bindings, bounds, &subject.reading.signal.target)?)
    }
}

impl Gathered {
    /// The steps that a model may choose among: all that code resolved for this incident.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        let offer = |step: &Step| Offer {
            step: step.name.clone(),
            tier: step.tier,
            words: step.effect.words.clone(),
        };
        self.steps.iter().chain(self.asked.values()).map(offer).collect()
    }
}

/// An incident that resolved before its run began wants nothing any more.
fn still_wanted(subject: &Subject) -> Option<Ending> {
    let incident = subject.incident.as_ref()?;
    let over = matches!(incident.state, crate::model::incident::IncidentState::Resolved { .. });
    over.then(|| Ending::NothingToDo("it resolved by itself".into()))
}

/// What the runbook says is nothing to act on, if it says so of this.
pub(crate) fn left_alone(gathered: &Gathered) -> anyhow::Result<Option<&LeaveDef>> {
    let (Some(book), Some(bindings)) = (&gathered.book, &gathered.bindings) else {
        return Ok(None);
    };
    Ok(runbook::leaves(book, bindings)?)
}

pub(crate) fn nothing_applies(subject: &Subject, gathered: &Gathered) -> Ending {
    let found: Vec<String> = gathered
        .found
        .iter()
        .map(|(step, found)| format!("{step}: {}", found.words.first_line()))
        .collect();
    let context = found.iter().chain(&gathered.skipped).cloned().collect::<Vec<_>>().join("; ");
    match &gathered.book {
        None => Ending::Escalated(format!("no runbook answers {}", subject.reading.signal)),
        Some(book) if context.is_empty() => {
            Ending::Escalated(format!("the runbook {} has no step for this", book.name))
        }
        Some(book) => {
            Ending::Escalated(format!("no step of the runbook {} applies: {context}", book.name))
        }
    }
}
