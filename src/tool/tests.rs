//! Tests over the whole table, and of each family against real files and processes.

mod acts;
mod disk;
mod files;
mod full;
mod hosts;
mod process;
mod schema;
mod stage;
