//! The chain's last heads in a file beside the database: truncation is found against them.

use std::path::Path;

use anyhow::Result;

use crate::model::audit::ChainHead;

/// The heads in `audit.head`, oldest first; none where there is no file.
pub fn read(_dir: &Path) -> Result<Vec<ChainHead>> {
    todo!()
}
