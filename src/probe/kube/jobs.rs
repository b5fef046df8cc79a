//! Jobs and what starts them by the clock.

use std::collections::BTreeMap;

use crate::clients::kube::objects::{CronJob, Job, condition};
use crate::clock::cron::Cron;
use crate::clock::zone::Zone;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::probe::kube::INTENDED;
use crate::probe::kube::pods::{Fare, Trouble};

/// The controller starts a job within seconds; on a busy cluster within minutes.
const LATE: Span = Span::mins(5);

/// What one came to: severity, reason, words.
pub(super) type Came = (Severity, &'static str, String);

/// Judges one job by its conditions, and while it runs by its pods.
pub(super) fn job(job: &Job, pods: &[Fare]) -> Came {
    let is = |kind: &str| {
        condition(&job.status.conditions, kind).filter(|condition| condition.status == "True")
    };
    if let Some(failed) = is("Failed") {
        let words = format!("failed: {}: {}", failed.reason, failed.message);
        return (Severity::Yellow, "failed", words);
    }
    if is("Complete").is_some() {
        return (Severity::Green, "ok", "done".into());
    }
    if job.spec.suspend {
        return (Severity::Green, INTENDED, "suspended, as somebody wanted".into());
    }
    let hard = |pod: &&Fare| !pod.over && pod.trouble.is_some_and(Trouble::is_hard);
    match pods.iter().filter(hard).min_by_key(|pod| pod.trouble) {
        Some(pod) => {
            let reason = pod.trouble.map_or("failed", Trouble::word);
            (Severity::Yellow, reason, format!("runs, but {}: {}", pod.name, pod.words))
        }
        None if 0 < job.status.failed => {
            (Severity::Green, "ok", format!("runs; {} attempts failed", job.status.failed))
        }
        None => (Severity::Green, "ok", "runs".into()),
    }
}

/// Judges what runs by the clock: its newest job, and whether there is one. `jobs` are its own.
pub(super) fn cron_job(
    cron: &CronJob,
    jobs: &[&Job],
    pods: &BTreeMap<String, Vec<Fare>>,
    now: Millis,
) -> Came {
    if cron.spec.suspend {
        return (Severity::Green, INTENDED, "suspended, as somebody wanted".into());
    }
    let began = |job: &&&Job| job.status.start_time.0.or(job.metadata.creation_timestamp.0);
    let newest = jobs.iter().max_by_key(began);
    let came = newest.map(|one| {
        let own = pods.get(&one.metadata.name).map_or(&[][..], Vec::as_slice);
        (job(one, own), one.metadata.name.as_str())
    });
    if let Some(((severity, reason, words), name)) = &came
        && *severity != Severity::Green
    {
        // A run of the night that failed is nobody's experiment.
        let severity = if *reason == "failed" { Severity::Red } else { *severity };
        return (severity, reason, format!("its newest job {name} {words}"));
    }
    if let Some(since) = missed(cron, now) {
        let words = format!("due {} ago and not started", now.since(since));
        return (Severity::Yellow, "missed", words);
    }
    let last = cron.status.last_schedule_time.0;
    let words = match (last, came) {
        (Some(at), Some(((_, _, words), _))) => format!("started {} ago, {words}", now.since(at)),
        (Some(at), None) => format!("started {} ago", now.since(at)),
        (None, _) => "not yet due".to_owned(),
    };
    (Severity::Green, "ok", words)
}

/// The slot at which it should have started and did not. Without a time zone the controller goes by its
/// own, which nobody tells: then it takes two slots to be sure.
fn missed(cron: &CronJob, now: Millis) -> Option<Millis> {
    if !cron.status.active.is_empty() {
        return None;
    }
    let schedule = Cron::parse(&cron.spec.schedule).ok()?;
    let zone = match &cron.spec.time_zone {
        Some(name) => Some(Zone::parse(name)?),
        None => None,
    };
    let last = cron.status.last_schedule_time.0.or(cron.metadata.creation_timestamp.0)?;
    let in_zone = zone.or_else(|| Zone::parse("UTC"))?;
    let first = schedule.next_after(last, in_zone)?;
    let sure = match zone {
        Some(_) => first,
        None => schedule.next_after(first, in_zone)?,
    };
    (sure + LATE < now).then_some(first)
}
