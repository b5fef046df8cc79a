//! Proof: a fix counts when the probe that fired is green again.

use crate::clock::zone::stamp;
use crate::gate::crash::Point;
use crate::model::plan::{Origin, Plan, Verify};
use crate::model::run::{Green, RunState};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::run::runner::Runner;

/// How long to wait between two looks: soon at first, calmer when it takes longer.
fn pause(looked: u32) -> Span {
    match looked {
        0 => Span(0),
        1..=3 => Span(300),
        4..=10 => Span::secs(2),
        _ => Span::secs(10),
    }
}

/// Green is to stay: looked at now and then, and at the end.
fn until_sure(plan: &Plan, since: Millis, now: Millis) -> Span {
    let stays = match &plan.verify {
        Verify::Probe { stays, .. } | Verify::Query { stays, .. } => *stays,
        Verify::Not(_) => Span(0),
    };
    (since + stays).since(now).clamp(Span(300), Span::secs(10))
}

impl Runner {
    /// Looks until the answer moves the run: green long enough is for the state machine to say.
    /// `None` when reef stops meanwhile.
    pub(crate) async fn verify(&self, plan: &Plan, state: &RunState) -> Option<Green> {
        let RunState::Verifying { green_since, until, .. } = state else { return Some(Green::No) };
        self.gate.reached(Point::VerifyStarted);
        let mut looked = 0;
        loop {
            let pause = match green_since {
                Some(since) => until_sure(plan, *since, self.clock.now()),
                None => pause(looked),
            };
            tokio::select! {
                () = tokio::time::sleep(pause.duration()) => {}
                () = self.stop.cancelled() => return None,
            }
            let green = self.proven(plan).await;
            looked += 1;
            // A red that is still within its time is looked at again without a record each time.
            if green == Green::Yes || *until <= self.clock.now() || green_since.is_some() {
                return Some(green);
            }
        }
    }

    async fn proven(&self, plan: &Plan) -> Green {
        match &plan.verify {
            Verify::Probe { signal, .. } => match self.looker.look(signal).await {
                Ok(reading) => {
                    let (severity, words) = (reading.severity, reading.words.first_line());
                    let at = stamp(reading.at);
                    self.gate.showed(plan.run, format!("{severity} {signal}: {words}, {at}"));
                    // Judged at the levels that clear: a value on the edge proves nothing.
                    if reading.clears == Severity::Green { Green::Yes } else { Green::No }
                }
                Err(why) => {
                    self.gate.showed(plan.run, format!("{signal} could not be looked at: {why}"));
                    Green::No
                }
            },
            Verify::Query { call, value, is, .. } => {
                let answer = self.gate.query(plan.run, &Origin::Timer, call).await;
                let at = stamp(self.clock.now());
                let said = answer.map(|found| found.values.get(value).map(ToString::to_string));
                let showed = match &said {
                    Ok(Some(said)) => format!("{call} says {value} = {said}, {at}"),
                    Ok(None) => format!("{call} says no {value}, {at}"),
                    Err(why) => format!("{call} could not be asked: {why}, {at}"),
                };
                self.gate.showed(plan.run, showed);
                if said.is_ok_and(|said| said.as_ref() == Some(is)) {
                    Green::Yes
                } else {
                    Green::No
                }
            }
            Verify::Not(_) => Green::No,
        }
    }
}
