//! What was quarantined is deleted when its time is over: the promise that its plan made.

use std::collections::BTreeSet;

use crate::gate::rules::UNDO_FOR;
use crate::model::ids::{HostName, ToolName};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{Bounds, Call};
use crate::model::value::Value;
use crate::store::timers::Timer;
use crate::watch::responder::Responder;

/// How long what was quarantined can be had back.
pub const KEPT: Span = UNDO_FOR;
/// How often is looked for what is over its time.
const EVERY: Span = Span::days(1);
/// How far back is looked for hosts that may have one: a host that was off for long keeps its own.
const LONGEST: Span = Span::days(90);
/// What moves files into it.
const FILLED_BY: [&str; 3] = ["files.clean", "files.quarantine", "logs.archive"];
pub const KEY: &str = "quarantine";

impl Responder {
    /// Sees to it that the quarantine is looked at once a day. Called at every start.
    pub async fn promise_quarantine(&self) -> anyhow::Result<()> {
        self.recurs(KEY, EVERY).await
    }

    pub(crate) async fn empty_quarantine(&self, timer: &Timer) -> anyhow::Result<()> {
        self.recur(timer, KEY, EVERY).await?;
        let since = self.runner.clock.now() - LONGEST;
        let rows = self.runner.store.call(move |db| db.actions_since(since)).await?;
        // A host on which nothing was ever moved away has no quarantine.
        let moved = rows.iter().filter(|row| FILLED_BY.contains(&row.tool.as_str()));
        let mut hosts: BTreeSet<HostName> = moved.map(|row| row.target.on().clone()).collect();
        hosts.insert(self.here.clone());
        for host in hosts {
            let what = format!("the quarantine of {host}");
            let call = Call {
                tool: ToolName::of("files.empty_quarantine"),
                target: Target::host(host),
                args: [
                    ("all".to_owned(), Value::Flag(true)),
                    ("older".to_owned(), Value::Span(KEPT)),
                ]
                .into(),
                bounds: Bounds::default(),
            };
            let why = "quarantined files are over their time";
            self.keep_promise("empty", &call, &what, why).await?;
        }
        Ok(())
    }
}
