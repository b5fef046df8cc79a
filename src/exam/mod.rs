//! The fake estate: hosts, models and endpoints that keep state and answer like real ones.

pub mod endpoint;
pub mod engine;
pub mod estate;
pub mod hands;
pub mod host;
pub mod model;
pub mod obey;
pub mod phone;
pub mod protocol;
pub mod proxmox;
pub mod unit;
pub mod web;
