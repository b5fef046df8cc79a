//! Tests over whole files: against a table of tools and readings as the machine has them.

mod binding;
mod checking;
mod hostile;
mod parsing;
mod shipping;
mod stub;
