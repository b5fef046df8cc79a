//! The morning report.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::model::audit::ChainHead;
use crate::store::Store;

/// Writes reports.
#[derive(Debug)]
pub struct Reporter {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    /// `STATE/reports`.
    pub folder: PathBuf,
}

/// A report as it was written.
#[derive(Debug, Clone)]
pub struct Written {
    pub path: PathBuf,
    pub markdown: String,
}

impl Reporter {
    /// Gathers, renders and writes the report of the day that ends now.
    pub async fn write(&self) -> anyhow::Result<Written> {
        anyhow::bail!("not yet")
    }

    /// Enqueues the opening lines.
    pub async fn deliver(&self, _to: &[String]) -> anyhow::Result<()> {
        Ok(())
    }

    /// The chain's heads that stand in earlier reports and in the anchor file.
    pub fn anchors(&self) -> Vec<ChainHead> {
        Vec::new()
    }
}
