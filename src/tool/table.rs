//! The table of tools.

use crate::gate::tool::Tool;
#[cfg(feature = "kube")]
use crate::tool::kube::{
    apply, cordon, drain, evict, node, patch, pod, restart, rollout, said, scale, tls_secret,
};
#[cfg(feature = "mcp")]
use crate::tool::mcp;
use crate::tool::world::World;
use crate::tool::{
    compose, container, disk, files, host, human, image, journal, logs, memory, mount, net,
    process, raw, tail, unit, web,
};

/// All tools, sorted by family. The past that some keep in memory lives as long as the table.
pub fn table(world: &World) -> Vec<Box<dyn Tool>> {
    #[cfg_attr(
        not(any(feature = "kube", feature = "mcp")),
        expect(unused_mut, reason = "clusters and servers come behind")
    )]
    let mut all = vec![
        compose::read::check(world),
        compose::health::health(world),
        compose::read::ps(world),
        compose::update::pull(world),
        compose::restart::restart(world),
        compose::rollback::rollback(world),
        compose::update::up(world),
        container::read::inspect(world),
        container::read::list(world),
        container::read::logs(world),
        container::memory::memory(world),
        container::act::restart(world),
        container::act::start(world),
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
        image::prune(world),
        image::pull(world),
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
    ];
    #[cfg(feature = "kube")]
    all.extend(of_clusters(world));
    #[cfg(feature = "mcp")]
    all.extend(of_servers(world));
    all
}

/// Those of MCP servers, whatever their names.
#[cfg(feature = "mcp")]
fn of_servers(world: &World) -> Vec<Box<dyn Tool>> {
    vec![
        // One row each for all of them: which tool is an argument.
        mcp::call(world),
        mcp::read(world),
        mcp::tools(world),
    ]
}

/// Those for Kubernetes clusters.
#[cfg(feature = "kube")]
fn of_clusters(world: &World) -> Vec<Box<dyn Tool>> {
    vec![
        apply::apply(world),
        cordon::cordon(world),
        drain::drain(world),
        said::events(world),
        evict::evict(world),
        evict::evict_bare(world),
        said::logs(world),
        node::node(world),
        patch::patch(world),
        pod::pod(world),
        pod::pods(world),
        restart::restart(world),
        rollout::rollback(world),
        rollout::rollout(world),
        scale::scale(world),
        tls_secret::tls_secret(world),
        cordon::uncordon(world),
    ]
}
