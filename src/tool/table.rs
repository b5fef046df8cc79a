//! The table of tools.

use crate::gate::tool::Tool;
#[cfg(feature = "kube")]
use crate::tool::kube::{
    apply, cordon, drain, evict, node, patch, pod, restart, rollout, said, scale, tls_secret,
};
#[cfg(feature = "mcp")]
use crate::tool::mcp;
#[cfg(feature = "postgres")]
use crate::tool::postgres;
use crate::tool::world::World;
use crate::tool::{
    alerts, ansible, archive, backup, certificate, compose, container, database, debug, disk,
    files, host, human, image, infra, journal, logs, memory, mount, net, process, raw, record,
    reload, snapshot, tail, terraform, traces, unit, web,
};

/// All tools, sorted by family. The past that some keep in memory lives as long as the table.
pub fn table(world: &World) -> Vec<Box<dyn Tool>> {
    let mut all = vec![
        alerts::list(world),
        alerts::rules(world),
        ansible::check(world),
        ansible::run(world),
        backup::create(world),
        certificate::file::inspect(world),
        certificate::renew::renew(world),
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
        database::replication::replication(world),
        database::restart::restart_standby(world),
        debug::disable(world),
        debug::enable(world),
        disk::usage(world),
        net::lookup(world),
        record::record(world),
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
        archive::upload::archive(world),
        archive::fetch::fetch(world),
        logs::patterns(world),
        logs::rotate(world),
        archive::store::store(world),
        memory::usage(world),
        alerts::query(world),
        mount::mount(world),
        mount::status(world),
        mount::unmount(world),
        net::reach(world),
        process::kill(world),
        process::list(world),
        snapshot::create(world),
        snapshot::forget(world),
        snapshot::list(world),
        snapshot::rollback(world),
        terraform::apply(world),
        terraform::plan(world),
        certificate::inspect::inspect(world),
        traces::search(world),
        unit::logs(world),
        reload::reload(world),
        unit::restart(world),
        unit::status(world),
    ];
    all.extend(of_providers(world));
    #[cfg(feature = "postgres")]
    all.extend(of_databases(world));
    #[cfg(feature = "kube")]
    all.extend(of_clusters(world));
    #[cfg(feature = "mcp")]
    all.extend(of_servers(world));
    all
}

/// Those for the virtual machines of a provider.
fn of_providers(world: &World) -> Vec<Box<dyn Tool>> {
    vec![
        infra::firewall::rule(world),
        infra::shape::create(world),
        infra::shape::delete(world),
        infra::snapshot::forget(world),
        infra::shape::limit(world),
        infra::snapshot::rollback(world),
        infra::snapshot::snapshot(world),
        infra::power::start(world),
        infra::power::stop(world),
        infra::shape::resize(world),
    ]
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

/// Those for PostgreSQL.
#[cfg(feature = "postgres")]
fn of_databases(world: &World) -> Vec<Box<dyn Tool>> {
    vec![
        // What comes before a restart, and what shows that it may come.
        postgres::checkpoint(world),
        postgres::connections(world),
        postgres::drain(world),
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
