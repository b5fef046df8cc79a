//! Reading the config anew: whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::given::Source;
use crate::daemon::assemble;
use crate::daemon::build::Swap;
use crate::daemon::jobs::Schedule;
use crate::daemon::life::schedule;
use crate::daemon::live::Making;
use crate::daemon::wire::SecretPrograms;
use crate::model::change::{Change, ChangeKind};
use crate::model::target::Target;
use crate::operator::Reload;
use crate::store::Store;
use crate::watch::pulse::Pulse;

/// What a reload needs of the first reading.
#[derive(Debug)]
pub struct Again {
    /// The path that was named, if one was; else the places are searched anew.
    pub config: Option<PathBuf>,
    pub making: Making,
    pub store: Store,
    pub pulse: Arc<Pulse>,
    pub schedule: watch::Sender<Schedule>,
}

impl Again {
    /// The operator's handle for it.
    pub fn reloader(self, swap: Swap) -> Reload {
        let this = Arc::new(self);
        Box::new(move || {
            let (this, swap) = (Arc::clone(&this), swap.clone());
            Box::pin(async move { this.reload(&swap).await })
        })
    }

    /// Validates everything, secrets included, and swaps at once; on any mistake the old config stays.
    async fn reload(&self, swap: &Swap) -> Result<String, String> {
        let env = &self.making.env;
        let source = Source::find(self.config.as_deref(), env).map_err(|m| m.to_string())?;
        let (assembled, probes) =
            assemble::read(source, env, Arc::clone(&self.pulse) as _).map_err(|m| m.to_string())?;
        let live = self.making.live(&assembled, &SecretPrograms::new(env)).await?;
        let words = format!(
            "{} is in force: {} probes, {} runbooks, ceiling {}",
            assembled.path.as_deref().unwrap_or("the built-in default"),
            probes.len(),
            assembled.shelf.books.len(),
            live.rules.ceiling,
        );
        let rules = swap.rules.subscribe();
        let tools = self.making.tools(&assembled, &live.hosts, &live.mcp, &self.store, rules);
        self.schedule.send_replace(schedule(&assembled.globals));
        swap.apply(live, probes, tools).await;
        let here = Target::host(assembled.globals.host_name.clone());
        let change = Change::new(self.making.clock.now(), here, ChangeKind::Config, &words);
        let recorded = self.store.readings().call(move |r| r.add_changes(&[change])).await;
        // The config is in force whether or not history has room for it.
        recorded.unwrap_or_else(|error| tracing::warn!("{error:#}"));
        Ok(words)
    }
}
