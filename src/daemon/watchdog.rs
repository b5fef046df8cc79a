//! The watcher is watched: systemd is told that reef is ready, and its watchdog is fed only while the
//! tick loop moves and every overdue look has ended. The database is not asked.

use std::sync::Arc;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::time::Span;
use crate::watch::pulse::Pulse;

/// How far behind its own appointment the loop may be.
const GRACE: Span = Span::secs(15);

/// Says a word to systemd; without systemd nothing happens.
pub fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd could not be told: {error}");
    }
}

/// Feeds the watchdog at half its interval, as long as the loop is healthy. Ends at once where there
/// is no watchdog.
pub async fn feed(pulse: Arc<Pulse>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    loop {
        if pulse.alive(clock.now(), GRACE) {
            say(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the tick loop does not move: the watchdog is not fed");
        }
        tokio::select! {
            () = tokio::time::sleep(interval / 2) => {}
            () = stop.cancelled() => return,
        }
    }
}
