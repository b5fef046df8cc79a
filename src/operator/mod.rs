//! What a human may do; every surface calls it.
//!
//! An [`order::Order`] comes in from a surface that has made sure who it is from, and a
//! [`view`] goes out. Nothing here prints and nothing here is reachable by a model.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value as Json;
use tokio::sync::{Mutex, watch};

use crate::Fut;
use crate::clock::zone::Zone;
use crate::gate::Gate;
use crate::model::ids::HostName;
use crate::model::target::AbsPath;
use crate::model::time::Millis;
use crate::operator::drill::DrillState;
use crate::operator::order::{Order, Refusal, Who};
use crate::report::Reporter;
use crate::run::runner::Runner;
use crate::store::Store;
use crate::watch::handle::Handle;
use crate::watch::pulse::Pulse;

pub mod act;
pub mod answer;
pub mod audit;
pub mod drill;
#[cfg(feature = "mcp")]
pub mod offered;
pub mod order;
pub mod promote;
pub mod push;
pub mod runbooks;
pub mod silence;
pub mod status;
pub mod switches;
pub mod timeline;
pub mod trail;
pub mod view;

/// What the config says that people want to see; a reload replaces it.
#[derive(Debug, Clone)]
pub struct Facts {
    pub zone: Zone,
    /// The config file, if there is one.
    pub config: Option<String>,
    /// Where the page is.
    pub page: Option<String>,
    pub model: Option<String>,
    pub findings: Vec<String>,
    /// The hosts that the config names, without this one.
    pub hosts: BTreeSet<HostName>,
    /// Where each runbook came from: `shipped`, or its file.
    pub books: std::collections::BTreeMap<String, String>,
    /// The MCP servers.
    #[cfg(feature = "mcp")]
    pub mcp: crate::clients::mcp::Servers,
}

/// Reads the config anew; says in one line what was swapped, or why nothing was.
pub type Reload = Box<dyn Fn() -> Fut<'static, Result<String, String>> + Send + Sync>;

/// Carries out orders. One for the daemon's life.
pub struct Operator {
    pub runner: Arc<Runner>,
    pub watch: Handle,
    pub pulse: Arc<Pulse>,
    pub reporter: Arc<Reporter>,
    pub facts: watch::Receiver<Arc<Facts>>,
    pub reload: Reload,
    pub here: HostName,
    pub started_at: Millis,
    /// The drill's folder: all it may touch.
    pub scratch: AbsPath,
    /// The drill under way, or the last one.
    pub drill: Arc<Mutex<Option<DrillState>>>,
    /// Why the page is not served, where it could not be: reef watches without it.
    pub no_page: OnceLock<String>,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operator")
    }
}

impl Operator {
    pub(crate) fn store(&self) -> &Store {
        &self.runner.store
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.runner.gate
    }

    pub(crate) fn now(&self) -> Millis {
        self.runner.clock.now()
    }

    pub(crate) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts.borrow())
    }

    /// Does what a human wants and answers with the view that the order names.
    #[expect(
        clippy::cognitive_complexity,
        reason = "one flat match: every order and who carries it out"
    )]
    pub async fn carry_out(self: &Arc<Self>, order: Order, who: Who) -> Result<Json, Refusal> {
        match order {
            Order::Status => json(&self.status().await?),
            Order::Check { host } => json(&self.check(host.as_deref()).await?),
            Order::Incidents { all } => json(&self.incidents(all).await?),
            Order::Approvals { all } => json(&self.approvals(all).await?),
            Order::Approve { id, choice, typed } => {
                json(&self.approve(id, choice, typed.as_deref(), who).await?)
            }
            Order::Renew { id } => json(&self.renew(id, who).await?),
            Order::Deny { id } => json(&self.deny(id, who).await?),
            Order::Ack { incident, note, lasts } => {
                json(&self.acknowledge(incident, note.as_deref(), lasts, who).await?)
            }
            Order::SilenceAdd { about, lasts, note } => {
                json(&self.silence(about, lasts, &note, who).await?)
            }
            Order::Silences => json(&self.silences().await?),
            Order::SilenceExpire { id } => json(&self.end_silence(id, who).await?),
            Order::Ping { name, report, said } => json(&self.ping(&name, report, &said).await?),
            Order::Undo { action } => json(&self.undo(action, who).await?),
            Order::Settle { action, became, note } => {
                json(&self.settle(action, became, &note, who).await?)
            }
            Order::AuditList { limit, kind, incident, text } => {
                json(&self.audit_list(limit, kind, incident, text).await?)
            }
            Order::AuditShow { seq } => json(&self.audit_show(seq).await?),
            Order::AuditVerify { heads } => json(&self.audit_verify(heads).await?),
            Order::AuditTimeline { incident } => json(&self.audit_timeline(incident).await?),
            Order::AuditExport { after } => json(&self.audit_export(after).await?),
            Order::Report => json(&self.report().await?),
            Order::Runbooks => json(&self.runbooks().await?),
            Order::RunbookTest { probe, severity, target, reason, text } => json(
                &self
                    .runbook_test(&probe, severity, target, reason.as_deref(), text.as_deref())
                    .await?,
            ),
            Order::RunbookRun { name, on, set, dry_run } => {
                json(&self.runbook_run(name, on, set, dry_run, who).await?)
            }
            Order::RunbookRecord { name, host } => {
                json(&self.runbook_record(name, host.as_deref()).await?)
            }
            Order::RunbookDemote { name, host, leash, note } => {
                json(&self.runbook_demote(name, host.as_deref(), leash, &note, who).await?)
            }
            Order::RunbookPromote { name, host, unearned } => {
                json(&self.runbook_promote(name, host.as_deref(), unearned, who).await?)
            }
            Order::Tools => json(&self.tools()),
            #[cfg(feature = "mcp")]
            Order::Offered { server } => json(&self.offered(server.as_deref()).await?),
            #[cfg(feature = "mcp")]
            Order::AcceptTool { tool, digest } => {
                json(&self.accept_tool(&tool, digest, who).await?)
            }
            #[cfg(not(feature = "mcp"))]
            Order::Offered { .. } => json(&view::OfferedTools::default()),
            #[cfg(not(feature = "mcp"))]
            Order::AcceptTool { .. } => refuse("this reef was built without MCP servers"),
            Order::Pause { note } => json(&self.pause(note.as_deref(), who).await?),
            Order::Resume => json(&self.resume(who).await?),
            Order::Reload => json(&self.reload(who).await?),
            Order::Drill => json(&self.begin_drill().await?),
            Order::DrillProgress => json(&self.drill_progress().await?),
            Order::Run { run } => json(&self.run_view(run).await?),
        }
    }
}

fn json<T: serde::Serialize>(view: &T) -> Result<Json, Refusal> {
    serde_json::to_value(view)
        .map_err(|e| Refusal { why: format!("the answer cannot be written: {e}") })
}

/// A refusal in words.
pub(crate) fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { why: why.into() })
}
