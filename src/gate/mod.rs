//! The one door: what may happen is judged and recorded here before it happens.

pub mod permit;
pub mod tool;
