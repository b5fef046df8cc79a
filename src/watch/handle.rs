//! The rest of reef's hand on the tick loop.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

use crate::Fut;
use crate::model::ids::HostName;
use crate::model::reading::{Concern, Reading};
use crate::model::target::Signal;
use crate::run::runner::Looker;
use crate::watch::ticker::{About, Above, Command, Standing};

/// Sends commands to the tick loop. A clone is the same hand.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

impl Handle {
    /// How many commands may wait; the loop takes them between two looks.
    const WAITING: usize = 64;

    /// A hand and the loop's end of it.
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, loop_end) = mpsc::channel(Self::WAITING);
        (Self { commands }, loop_end)
    }

    /// Every signal as it stands.
    pub async fn snapshot(&self) -> Vec<Standing> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Snapshot { reply }).await;
        answer.await.unwrap_or_default()
    }

    /// What could not be looked at because it is not there: probe, host and why.
    pub async fn absent(&self) -> Vec<(String, HostName, String)> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Absent { reply }).await;
        answer.await.unwrap_or_default()
    }

    /// What the config says of the probes behind these signals.
    pub async fn about(&self, signals: Vec<Signal>) -> BTreeMap<Signal, About> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::About { signals, reply }).await;
        answer.await.unwrap_or_default()
    }

    /// Everything that these signals hang on, as it stands.
    pub async fn above(&self, signals: Vec<Signal>) -> BTreeMap<Signal, Above> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Above { signals, reply }).await;
        answer.await.unwrap_or_default()
    }

    /// Makes a look at this signal due now; nobody waits for it.
    pub async fn nudge(&self, signal: Signal) {
        let (reply, _) = oneshot::channel();
        self.send(Command::Look { signal, reply }).await;
    }

    /// Looks at everything now; returns when all looks that were begun have ended.
    pub async fn look_all(&self) {
        let (reply, answer) = oneshot::channel();
        self.send(Command::LookAll { reply }).await;
        drop(answer.await);
    }

    pub async fn send(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("the tick loop has ended");
        }
    }
}

impl Looker for Handle {
    fn look<'a>(&'a self, signal: &'a Signal) -> Fut<'a, Result<Reading, String>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.send(Command::Look { signal: signal.clone(), reply }).await;
            let readings = answer.await.map_err(|_| format!("no probe speaks of {signal}"))?;
            readings
                .into_iter()
                .next()
                .ok_or_else(|| format!("the probe said nothing about {signal}"))
        })
    }

    fn around<'a>(&'a self, host: &'a HostName) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let all = self.snapshot().await;
            let readings = all.into_iter().map(|standing| standing.reading);
            // What a model is shown: nothing that an intruder may have done.
            let usual = |r: &Reading| r.concern == Concern::Usual && r.signal.target.on() == host;
            readings.filter(usual).collect()
        })
    }
}
