//! Incidents, their readings, and triage's counters.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value as Json;

use crate::model::ids::IncidentId;
use crate::model::incident::Incident;
use crate::model::reading::Reading;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::store::actions::Drill;
use crate::store::db::Db;

impl Db {
    /// Opens an incident; an error where the signal has an unresolved one already.
    pub fn open_incident(
        &mut self,
        _reading: &Reading,
        _drill: Drill,
        _now: Millis,
    ) -> Result<Incident> {
        todo!()
    }

    pub fn save_incident(&mut self, _incident: &Incident) -> Result<()> {
        todo!()
    }

    pub fn incident(&self, _id: IncidentId) -> Result<Option<Incident>> {
        todo!()
    }

    /// Oldest first.
    pub fn unresolved(&self) -> Result<Vec<Incident>> {
        todo!()
    }

    /// Opened since then, or still unresolved; newest first.
    pub fn incidents(&self, _since: Millis, _limit: u32) -> Result<Vec<Incident>> {
        todo!()
    }

    /// The unresolved incident of a signal.
    pub fn incident_of(&self, _signal: &Signal) -> Result<Option<Incident>> {
        todo!()
    }

    pub fn add_incident_reading(&mut self, _id: IncidentId, _reading: &Reading) -> Result<()> {
        todo!()
    }

    /// The newest readings of an incident, oldest of them first.
    pub fn incident_readings(&self, _id: IncidentId, _limit: u32) -> Result<Vec<Reading>> {
        todo!()
    }

    /// Stores the counters given, in one go; `Null` forgets a signal's.
    pub fn save_triage(&mut self, _counters: &BTreeMap<Signal, Json>) -> Result<()> {
        todo!()
    }

    pub fn triage(&self) -> Result<BTreeMap<Signal, Json>> {
        todo!()
    }
}
