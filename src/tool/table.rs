//! The table of tools.

use crate::gate::tool::Tool;
use crate::tool::world::World;
use crate::tool::{disk, files, human, logs, memory, process, unit, web};

/// All tools, sorted by family. The past that some keep in memory lives as long as the table.
pub fn table(world: &World) -> Vec<Box<dyn Tool>> {
    vec![
        disk::usage(world),
        files::clean(world),
        files::compress(world),
        files::decompress(world),
        files::empty_quarantine(world),
        files::quarantine(world),
        files::restore(world),
        web::get(world),
        human::message(world),
        logs::patterns(world),
        logs::rotate(world),
        memory::usage(world),
        process::kill(world),
        process::list(world),
        web::inspect(world),
        unit::logs(world),
        unit::restart(world),
        unit::status(world),
    ]
}
