//! Reports over real stores, golden texts, and text that means harm.

mod bounded;
mod golden;
mod hostile;
mod scene;
mod written;
