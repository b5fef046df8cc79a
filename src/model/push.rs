//! Jobs that report in by themselves.

use serde::{Deserialize, Serialize};

use crate::model::taint::Tainted;
use crate::model::time::Millis;

/// What is kept of a job's reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pushed {
    /// When reef first expected it: the first report is due one period later.
    pub known_from: Millis,
    /// When it last said that it is done and well.
    pub ok_at: Option<Millis>,
    /// When it last said that it begins.
    pub started_at: Option<Millis>,
    /// When it last said that it failed.
    pub failed_at: Option<Millis>,
    /// How long its last run took, where it said when it began.
    pub took_ms: Option<i64>,
    /// What it said with its last report.
    pub said: Option<Tainted>,
}

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Done, and well.
    Ok,
    /// It begins.
    Start,
    Fail,
}

/// The most that is kept of what a job says.
pub const MOST_SAID: usize = 1_000;

impl Pushed {
    /// Takes one report.
    #[must_use]
    pub fn heard(self, report: Report, said: &str, now: Millis) -> Self {
        let said = (!said.trim().is_empty()).then(|| Tainted::bounded(said.trim(), MOST_SAID));
        let began = self.started_at.filter(|at| {
            let ended = self.ok_at.max(self.failed_at);
            ended.is_none_or(|ended| ended < *at)
        });
        let took_ms = began.map(|at| now.since(at).0);
        match report {
            Report::Start => Self { started_at: Some(now), ..self },
            Report::Ok => Self { ok_at: Some(now), took_ms, said, ..self },
            Report::Fail => Self { failed_at: Some(now), took_ms, said, ..self },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_takes_from_its_start_to_its_end() {
        let job =
            Pushed::default().heard(Report::Start, "", Millis(5)).heard(Report::Ok, "x", Millis(9));
        assert_eq!((job.took_ms, job.said.as_ref().map(Tainted::as_str)), (Some(4), Some("x")));
        let job = job.heard(Report::Fail, " ", Millis(20));
        assert_eq!((job.took_ms, job.said.clone()), (None, None), "it did not say when it began");
        let job = job.heard(Report::Ok, &"y".repeat(5_000), Millis(30));
        assert!(job.said.is_some_and(|said| said.as_str().len() <= MOST_SAID + 16));
    }
}
