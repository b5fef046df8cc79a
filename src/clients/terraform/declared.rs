//! The folders of Terraform that the config declares, for the tools.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::terraform::Stack;
use crate::model::ids::Word;

/// All of one config. Filled while the config is read; clones share it.
#[derive(Debug, Clone, Default)]
pub struct DeclaredStacks(Arc<Mutex<BTreeMap<Word, Arc<Stack>>>>);

impl DeclaredStacks {
    pub fn add(&self, stack: Arc<Stack>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(stack.name.clone(), stack);
    }

    pub fn all(&self) -> BTreeMap<Word, Arc<Stack>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
