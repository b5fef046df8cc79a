//! The tick loop, looks, triage and incidents.
