//! One writing process per state folder.

use std::path::Path;

use crate::store::open::OpenError;

/// Held for as long as it lives; the kernel lets go when the process dies.
#[derive(Debug)]
pub struct Lock(());

impl Lock {
    pub fn take(_dir: &Path) -> Result<Self, OpenError> {
        todo!()
    }
}
