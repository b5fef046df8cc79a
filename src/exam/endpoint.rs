//! A network probe whose other side the test plays.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Fut;
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::probe::{How, NetProbe, Past, Probe};

/// What the other side does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Face {
    Answers(Severity, String),
    /// Takes the connection and says nothing.
    Hangs,
}

/// The other side of one probe. A clone is the same side.
#[derive(Debug, Clone)]
pub struct FakeEndpoint {
    signal: Signal,
    face: Arc<Mutex<Face>>,
}

impl FakeEndpoint {
    /// Answers well, until told otherwise.
    pub fn new(signal: Signal) -> Self {
        Self { signal, face: Arc::new(Mutex::new(Face::Answers(Severity::Green, "200".into()))) }
    }

    pub fn turns(&self, severity: Severity) {
        self.face(Face::Answers(severity, format!("plays {severity}")));
    }

    pub fn face(&self, face: Face) {
        *self.face.lock().unwrap_or_else(PoisonError::into_inner) = face;
    }

    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    /// The probe that looks at it every minute, by this name in config and output.
    pub fn probe(&self, name: &str, host: &HostName, parent: Option<Signal>) -> Probe {
        Probe {
            kind: self.signal.probe.clone(),
            name: name.to_owned(),
            host: host.clone(),
            every: Span::mins(1),
            timeout: Span::secs(10),
            fire_after: 3,
            clear_after: 2,
            wakes: false,
            care: crate::probe::care::Care::default(),
            parent,
            served_by: None,
            how: How::Net(Box::new(self.clone())),
        }
    }
}

impl NetProbe for FakeEndpoint {
    fn look<'a>(&'a mut self, _: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let face = self.face.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match face {
                Face::Answers(severity, words) => {
                    let reason = if severity == Severity::Green { "ok" } else { "plays" };
                    vec![Reading::new(self.signal.clone(), now, severity, Word::of(reason), &words)]
                }
                Face::Hangs => std::future::pending().await,
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let words = format!("no answer within {after}");
        vec![Reading::new(self.signal.clone(), now, Severity::Red, Word::of("slow"), &words)]
    }
}
