//! The line to a server: made on first use, kept, ended when idle, and not made again and again where nobody
//! answers.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{ClientRequest, ServerResult};
use rmcp::service::ServiceError;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::clients::mcp::CallError;
use crate::clients::mcp::live::{self, Live};
use crate::clients::mcp::settings::Ready;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// A server that nobody asked for so long is ended.
const IDLE: Span = Span::mins(10);
/// Between two starts of a server that does not come up: at first, and at most.
const FIRST_PAUSE: Span = Span::secs(5);
const LONGEST_PAUSE: Span = Span::mins(5);

/// What is held of one server.
pub(super) struct Line {
    pub(super) ready: Ready,
    redactor: Arc<Redactor>,
    held: Arc<tokio::sync::Mutex<Held>>,
    /// Ends it when it was idle.
    closing: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Held {
    live: Option<Arc<Live>>,
    failed: Option<Failed>,
}

/// The last start, where it failed.
struct Failed {
    at: Instant,
    pause: Span,
    why: String,
}

impl Line {
    pub(super) fn new(ready: Ready, redactor: Arc<Redactor>) -> Self {
        Self { ready, redactor, held: Arc::default(), closing: Mutex::default() }
    }

    /// Asks over a connection; one that broke or hangs is left.
    pub(super) async fn ask(
        &self,
        live: &Arc<Live>,
        request: ClientRequest,
        deadline: Instant,
    ) -> Result<ServerResult, CallError> {
        let asked = self.ask_once(live, request, deadline).await;
        if let Err(CallError::TimedOut(_) | CallError::Lost(_)) = asked {
            // What hangs is ended with all that it started; the next call begins anew.
            self.leave(live).await;
        }
        asked
    }

    async fn ask_once(
        &self,
        live: &Live,
        request: ClientRequest,
        deadline: Instant,
    ) -> Result<ServerResult, CallError> {
        let began = Instant::now();
        let came = timeout_at(deadline, live.peer().send_request(request)).await;
        live.touch();
        let text = |text: String| Tainted::bounded(&self.redactor.redact(&text), 400);
        match came {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(ServiceError::McpError(why))) => {
                Err(CallError::Refused(text(why.message.into_owned()).to_string()))
            }
            Ok(Err(why)) => match live::never_sent(&why) {
                Some(why) => Err(CallError::NotSent(text(why).to_string())),
                None => {
                    let said = live.said();
                    let said = if said.is_empty() { why.to_string() } else { said };
                    Err(CallError::Lost(text(said).to_string()))
                }
            },
            Err(_) => Err(CallError::TimedOut(Span::from(began.elapsed()))),
        }
    }

    /// The standing connection, or a new one. Who asks soon after a start that failed gets the same
    /// refusal.
    pub(super) async fn live(&self) -> Result<Arc<Live>, String> {
        let mut held = self.held.lock().await;
        if let Some(live) = &held.live
            && live.stands()
        {
            live.touch();
            return Ok(Arc::clone(live));
        }
        held.live = None;
        if let Some(failed) = &held.failed
            && failed.at.elapsed() < failed.pause.duration()
        {
            return Err(failed.why.clone());
        }
        match Live::begin(&self.ready).await {
            Ok(live) => {
                let live = Arc::new(live);
                *held = Held { live: Some(Arc::clone(&live)), failed: None };
                drop(held);
                self.close_when_idle();
                Ok(live)
            }
            Err(why) => {
                let why = format!(
                    "mcp:{} does not start: {}",
                    self.ready.settings.name,
                    Tainted::bounded(&self.redactor.redact(&why), 600)
                );
                let pause = held.failed.as_ref().map_or(FIRST_PAUSE, |failed| {
                    Span(failed.pause.0.saturating_mul(2)).min(LONGEST_PAUSE)
                });
                held.failed = Some(Failed { at: Instant::now(), pause, why: why.clone() });
                Err(why)
            }
        }
    }

    /// Ends a connection with all that was started for it.
    pub(super) async fn leave(&self, live: &Arc<Live>) {
        live.end();
        let mut held = self.held.lock().await;
        held.live = held.live.take().filter(|other| !Arc::ptr_eq(other, live));
    }

    /// A program that nobody talks with is memory for nothing.
    fn close_when_idle(&self) {
        let held = Arc::clone(&self.held);
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        closing.abort_all();
        closing.spawn(async move {
            loop {
                tokio::time::sleep(IDLE.duration()).await;
                let mut held = held.lock().await;
                let Some(live) = &held.live else { return };
                // Who holds it beside this asks it something.
                if IDLE.duration() <= live.idle() && Arc::strong_count(live) == 1 {
                    held.live = None;
                    return;
                }
            }
        });
    }
}
