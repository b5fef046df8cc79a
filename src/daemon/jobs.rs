//! What happens by the clock: the report is written at its cron time, brought up to date and
//! delivered in the morning.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::cron::Cron;
use crate::clock::zone::DayTime;
use crate::model::time::{Millis, Span};
use crate::operator::Operator;

/// When the report's two moments are.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub write: Cron,
    pub deliver: DayTime,
}

/// The store's switches that remember the last slot that ran, so that each runs at most once across
/// restarts and clock jumps.
const WRITTEN: &str = "report-written";
const DELIVERED: &str = "report-delivered";
/// How often the clock is looked at: it may jump.
const AT_MOST: Duration = Duration::from_secs(60);
/// How far ahead of the clock a slot that ran may lie before the clock of then counts as wrong.
const AHEAD: Span = Span::days(1);

/// Runs the report's jobs until told to stop.
pub async fn reports(
    operator: Arc<Operator>,
    schedule: watch::Receiver<Schedule>,
    stop: CancellationToken,
) {
    loop {
        let next = match round(&operator, &schedule).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!("the report could not be written: {error:#}");
                Span::mins(1)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(next.duration().min(AT_MOST)) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Does what is due; how long until the next thing is.
async fn round(
    operator: &Arc<Operator>,
    schedule: &watch::Receiver<Schedule>,
) -> anyhow::Result<Span> {
    let schedule = schedule.borrow().clone();
    let now = operator.now();
    let zone = operator.facts().zone;
    let since = last(operator, WRITTEN, now).await?;
    if let Some(slot) = schedule.write.due(since, now, zone) {
        remember(operator, WRITTEN, slot, now).await?;
        operator.reporter.write().await?;
    }
    let since = last(operator, DELIVERED, now).await?;
    if let Some(at) = schedule.deliver.next_after(since, zone)
        && at <= now
    {
        remember(operator, DELIVERED, now, now).await?;
        operator.reporter.deliver(&operator.gate().rules().notify).await?;
    }
    let next_write = schedule.write.next_after(now, zone);
    let next_deliver = schedule.deliver.next_after(now, zone);
    Ok([next_write, next_deliver]
        .into_iter()
        .flatten()
        .min()
        .map_or(Span::mins(1), |at| at.since(now)))
}

/// When this last ran. A first life starts counting now, so that nothing of the past is made up for.
async fn last(operator: &Operator, flag: &'static str, now: Millis) -> anyhow::Result<Millis> {
    let stored = operator.store().call(move |db| db.flag(flag)).await?;
    match stored.and_then(|at| at.parse().ok()) {
        // A clock that jumped back a little comes to the same slots again: they have run.
        Some(at) if at <= (now + AHEAD).0 => Ok(Millis(at).min(now)),
        // One that was far ahead must not make the job wait until it catches up.
        Some(_) | None => {
            remember(operator, flag, now, now).await?;
            Ok(now)
        }
    }
}

async fn remember(
    operator: &Operator,
    flag: &'static str,
    at: Millis,
    now: Millis,
) -> anyhow::Result<()> {
    operator.store().call(move |db| db.set_flag(flag, Some(&at.0.to_string()), now)).await
}
