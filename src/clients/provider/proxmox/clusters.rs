//! The clusters of `[proxmox]`, for the providers that act on them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::proxmox::Proxmox;

/// By their names. Filled while the config is read; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Clusters(Arc<Mutex<BTreeMap<String, Proxmox>>>);

impl Clusters {
    pub fn add(&self, name: &str, proxmox: Proxmox) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), proxmox);
    }

    pub fn get(&self, name: &str) -> Option<Proxmox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}
