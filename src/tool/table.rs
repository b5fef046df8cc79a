//! The table of tools.

use crate::gate::tool::Tool;
#[cfg(feature = "kube")]
use crate::tool::kube::{
    apply, cordon, drain, evict, node, patch, pod, restart, rollout, said, scale, tls_secret,
};
use crate::tool::world::World;
use crate::tool::{
    compose, container, disk, files, host, human, image, journal, logs, memory, mount, net,
    process, raw, tail, unit, web,
};

/// All tools, sorted by family. The past that some keep in memory lives as long as the table.
#[expect(clippy::too_many_lines, reason = "one row a tool")]
pub fn table(world: &World) -> Vec<Box<dyn Tool>> {
    vec![
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
        #[cfg(feature = "kube")]
        apply::apply(world),
        #[cfg(feature = "kube")]
        cordon::cordon(world),
        #[cfg(feature = "kube")]
        drain::drain(world),
        #[cfg(feature = "kube")]
        said::events(world),
        #[cfg(feature = "kube")]
        evict::evict(world),
        #[cfg(feature = "kube")]
        evict::evict_bare(world),
        #[cfg(feature = "kube")]
        said::logs(world),
        #[cfg(feature = "kube")]
        node::node(world),
        #[cfg(feature = "kube")]
        patch::patch(world),
        #[cfg(feature = "kube")]
        pod::pod(world),
        #[cfg(feature = "kube")]
        pod::pods(world),
        #[cfg(feature = "kube")]
        restart::restart(world),
        #[cfg(feature = "kube")]
        rollout::rollback(world),
        #[cfg(feature = "kube")]
        rollout::rollout(world),
        #[cfg(feature = "kube")]
        scale::scale(world),
        #[cfg(feature = "kube")]
        tls_secret::tls_secret(world),
        #[cfg(feature = "kube")]
        cordon::uncordon(world),
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
