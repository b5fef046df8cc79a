//! Typed LISTs: one per kind and namespace, in pages.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::objects::nullable;
use super::{Cluster, NoCluster};

/// Objects of one page.
const PAGE: usize = 500;
/// No home has more of one kind; a list that goes on is read no further.
const MOST: usize = 5_000;

/// A kind of objects, and where the API server keeps it.
pub trait Listed: DeserializeOwned + Send {
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    const GROUP: &'static str;
    /// In the plural, as in paths and refusals.
    const RESOURCE: &'static str;
    /// Whether its objects live in namespaces.
    const PLACE: Place = Place::Namespaced;
}

/// Where objects of a kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Cluster,
    Namespaced,
}

/// How fresh a list must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// As the store behind the API server has it: hangs with that store.
    Store,
    /// As the API server remembers it (`resourceVersion=0`): cheap, and seconds old at the most.
    Memory,
}

/// A list as it was read.
#[derive(Debug, Clone)]
pub struct List<T> {
    pub items: Vec<T>,
    /// From where a watch goes on.
    pub version: String,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), version: String::new() }
    }
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: PageMeta,
    // An empty list of Go is `null`.
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PageMeta {
    #[serde(deserialize_with = "nullable")]
    resource_version: String,
    #[serde(rename = "continue", deserialize_with = "nullable")]
    next: String,
}

/// Where objects of this kind are listed: in one namespace, or everywhere.
pub(super) fn path<T: Listed>(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if T::PLACE == Place::Namespaced => {
            format!("{}/namespaces/{namespace}/{}", T::GROUP, T::RESOURCE)
        }
        Some(_) | None => format!("{}/{}", T::GROUP, T::RESOURCE),
    }
}

impl Cluster {
    /// Lists one kind in the given namespaces, everywhere where none is given. `only` is a field selector
    /// of ours: `type=Warning`.
    pub async fn list<T: Listed>(
        &self,
        namespaces: &[String],
        fresh: Fresh,
        only: Option<&'static str>,
    ) -> Result<List<T>, NoCluster> {
        if namespaces.is_empty() || T::PLACE == Place::Cluster {
            return self.list_at(&path::<T>(None), fresh, only).await;
        }
        let mut all = List::default();
        for namespace in namespaces {
            let one = self.list_at::<T>(&path::<T>(Some(namespace)), fresh, only).await?;
            all.version = one.version;
            all.items.extend(one.items);
        }
        Ok(all)
    }

    async fn list_at<T: Listed>(
        &self,
        path: &str,
        fresh: Fresh,
        only: Option<&'static str>,
    ) -> Result<List<T>, NoCluster> {
        let mut all = List::default();
        let mut next = String::new();
        let mut again = true;
        loop {
            let mut query = format!("{path}?limit={PAGE}");
            match (next.is_empty(), fresh) {
                (false, _) => query += &format!("&continue={}", encoded(&next)),
                (true, Fresh::Memory) => query += "&resourceVersion=0",
                (true, Fresh::Store) => {}
            }
            if let Some(only) = only {
                query += &format!("&fieldSelector={}", encoded(only));
            }
            let body = match self.get(&query).await {
                Ok(body) => body,
                // The pages before this one are too old to go on from: begin anew, once.
                Err(NoCluster::Gone) if !next.is_empty() && again => {
                    again = false;
                    next.clear();
                    all.items.clear();
                    continue;
                }
                Err(why) => return Err(why),
            };
            let page: Page<T> = serde_json::from_slice(&body).map_err(|e| {
                // Never the body: a list of secrets is one too.
                NoCluster::Failed(format!("its list of {} cannot be read: {e}", T::RESOURCE))
            })?;
            if !page.kind.ends_with("List") {
                // An empty answer of something in between must not tell everything as gone.
                let words = format!("what came for {} is no list", T::RESOURCE);
                return Err(NoCluster::Failed(words));
            }
            all.items.extend(page.items.unwrap_or_default());
            all.version = page.metadata.resource_version;
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(all);
            }
            if MOST <= all.items.len() {
                // Half a list would tell what lies beyond as gone.
                return Err(NoCluster::Failed(format!("more than {MOST} {}", T::RESOURCE)));
            }
        }
    }
}

/// For a query: what is no plain letter as `%XX`.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
