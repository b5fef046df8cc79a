//! What an investigation starts from: gathered by the run, all of it held by code.

use crate::model::ids::StepName;
use crate::model::incident::Incident;
use crate::model::reading::Reading;
use crate::model::time::Millis;
use crate::model::tool::{Found, Tier};
use crate::runbook::Runbook;

/// The context that an incident deserves.
#[derive(Debug, Clone)]
pub struct Brief {
    pub incident: Incident,
    /// Readings of the incident's own signal, oldest first.
    pub history: Vec<Reading>,
    /// One line for each earlier fix of this signal that was verified.
    pub worked_before: Vec<String>,
    /// The newest readings of signals that may have to do with it.
    pub related: Vec<Reading>,
    /// The host in lines: load, memory, volumes, failed units.
    pub host_state: Vec<String>,
    /// What `reef init` and the operator wrote down about its host; empty where nobody did.
    pub inventory: String,
    /// Actions, restarts and changed images, newest last.
    pub recent_changes: Vec<String>,
    /// The matched runbook.
    pub runbook: Option<Runbook>,
    /// Its steps and options that code already resolved and previewed.
    pub offers: Vec<Offer>,
    /// What its own inquiry found.
    pub found: Vec<(StepName, Found)>,
    pub now: Millis,
}

/// A step of the matched runbook that the agent may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub step: StepName,
    pub tier: Tier,
    /// The preview's words.
    pub words: String,
}
