//! The table of tools.

use crate::gate::tool::Tool;
#[cfg(feature = "kube")]
use crate::tool::kube::{
    apply, cordon, drain, evict, node, patch, pod, restart, rollout, said, scale, tls_secret,
};
use crate::tool::world::World;
use crate::tool::{
    compose, container, disk, files, host, human, image, infra, journal, logs, memory, mount, net,
    process, raw, tail, unit, web,
};

/// All tools, sorted by family. The past that some keep in memory lives as long as the table.
pub fn table(world: &World) -> Vec<Box<dyn Tool>> {
    #[cfg_attr(not(feature = "kube"), expect(unused_mut, reason = "clusters come behind"))]
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
        infra::firewall::rule(world),
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
        infra::shape::create(world),
        infra::shape::delete(world),
        infra::snapshot::forget(world),
        infra::shape::limit(world),
        infra::snapshot::rollback(world),
        infra::snapshot::snapshot(world),
        infra::power::start(world),
        infra::power::stop(world),
        infra::shape::resize(world),
    ];
    #[cfg(feature = "kube")]
    all.extend(of_clusters(world));
    all
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
