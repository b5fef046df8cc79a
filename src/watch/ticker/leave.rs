//! Probes that look no more give back what they hold elsewhere.

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::model::time::Span;
use crate::probe::How;

/// For one of them; whoever does not answer keeps it until it ends by itself.
const WITHIN: Span = Span::secs(2);

/// Those on their way.
#[derive(Debug, Default)]
pub(super) struct Leaving(JoinSet<()>);

impl Leaving {
    /// Sends one off, where it is not away at a look.
    pub(super) fn add(&mut self, how: Option<How>) {
        while self.0.try_join_next().is_some() {}
        if let Some(How::Net(mut probe)) = how {
            self.0.spawn(async move {
                if let Some(leaving) = probe.leave() {
                    drop(timeout(WITHIN.duration(), leaving).await);
                }
            });
        }
    }

    /// Until all of them are gone.
    pub(super) async fn all(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}
