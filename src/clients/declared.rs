//! What the config says beside its probes of the servers that tools may use: collected while the probes are read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::http::Http;
use crate::clients::s3::Bucket;

/// A bucket into which logs may go.
#[derive(Debug, Clone)]
pub struct Store {
    pub bucket: Bucket,
    pub http: Http,
}

/// All of them, by the names of their endpoints.
#[derive(Debug, Clone, Default)]
pub struct All {
    pub stores: BTreeMap<String, Store>,
}

/// Filled while the config is read; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Declared(Arc<Mutex<All>>);

impl Declared {
    pub fn add(&self, add: impl FnOnce(&mut All)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn all(&self) -> All {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
