//! What MCP servers offered, and what the operator accepted of it, as the store has it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::Fut;
use crate::clients::mcp::Book;
use crate::clients::mcp::offered::Offered;
use crate::clock::Clock;
use crate::model::digest::Digest;
use crate::store::Store;

/// The looks begin before the store is open: until then no server's tool is known to be accepted.
#[derive(Debug)]
pub struct Looked {
    clock: Arc<dyn Clock>,
    store: OnceLock<Store>,
}

impl Looked {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, store: OnceLock::new() }
    }

    /// From now on it is known.
    pub fn open(&self, store: &Store) {
        self.store.get_or_init(|| store.clone());
    }
}

impl Book for Looked {
    fn seen<'a>(
        &'a self,
        server: &'a str,
        offered: &'a [Offered],
    ) -> Fut<'a, Result<BTreeMap<String, Digest>, String>> {
        Box::pin(async move {
            let Some(store) = self.store.get() else {
                return Err("reef has only just begun: what was accepted is not known yet".into());
            };
            let row = |one: &Offered| {
                let json = serde_json::to_string(one).map_err(|e| e.to_string())?;
                Ok((one.name.clone(), one.digest, json))
            };
            let rows = offered.iter().map(row).collect::<Result<Vec<_>, String>>()?;
            let (server, now) = (server.to_owned(), self.clock.now());
            let known = store.call(move |db| {
                db.save_offered(&server, &rows, now)?;
                db.offered(Some(&server))
            });
            let known = known.await.map_err(|error| format!("{error:#}"))?;
            let accepted =
                known.into_iter().filter_map(|row| Some((row.tool, row.accepted?.digest)));
            Ok(accepted.collect())
        })
    }
}
