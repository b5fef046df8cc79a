#![doc = include_str!("README.md")]

use std::future::Future;
use std::pin::Pin;

pub mod agent;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod exam;
pub mod gate;
pub mod llm;
pub mod model;
pub mod notify;
pub mod operator;
pub mod policy;
pub mod probe;
pub mod report;
pub mod run;
pub mod runbook;
pub mod store;
pub mod tool;
pub mod watch;
pub mod web;

/// A boxed future: what object-safe async traits return here.
pub type Fut<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
