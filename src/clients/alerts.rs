//! Alertmanager's alerts by its API, version 2. Reads only.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::clients::answer::NoAnswer;
use crate::clients::json::Api;

/// One alert as Alertmanager has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Held {
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    pub status: Status,
}

/// What Alertmanager does with it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub state: State,
    #[serde(default)]
    pub silenced_by: Vec<String>,
    #[serde(default)]
    pub inhibited_by: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Active,
    /// Silenced, or inhibited by another.
    Suppressed,
    /// It came this moment.
    #[serde(other)]
    Unprocessed,
}

/// All alerts that are not resolved; `None` where no Alertmanager answers.
pub async fn held(api: &Api) -> Result<Option<Vec<Held>>, NoAnswer> {
    api.find("api/v2/alerts", &[]).await
}
