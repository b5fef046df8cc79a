//! The table of tools.

use crate::gate::tool::Tool;
use crate::tool::world::World;
use crate::tool::{
    disk, files, host, human, journal, logs, memory, mount, net, process, raw, tail, unit, web,
};

/// All tools, sorted by family. The past that some keep in memory lives as long as the table.
pub fn table(world: &World) -> Vec<Box<dyn Tool>> {
    vec![
        disk::usage(world),
        net::lookup(world),
        files::clean(world),
        files::compress(world),
        files::decompress(world),
        files::empty_quarantine(world),
        files::quarantine(world),
        files::restore(world),
        tail::tail(world),
        tail::log(world),
        host::df(world),
        raw::exec(world),
        host::load(world),
        host::reboot(world),
        raw::run(world),
        web::get(world),
        human::message(world),
        journal::vacuum(world),
        logs::patterns(world),
        logs::rotate(world),
        memory::usage(world),
        mount::mount(world),
        mount::status(world),
        mount::unmount(world),
        net::reach(world),
        process::kill(world),
        process::list(world),
        web::inspect(world),
        unit::logs(world),
        unit::restart(world),
        unit::status(world),
    ]
}
