//! The ways to machines, engines and servers, as the config names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clients::docker::engine::{Engine, Engines};
use crate::clients::docker::{ByApi, ByCommand, Named, Place};
use crate::clients::host::local::LocalHost;
use crate::clients::host::{HostLink, Hosts};
use crate::clients::ssh::{SshHost, Turns};
use crate::config::globals::{Docker, Globals};
use crate::config::hosts::HostSection;
#[cfg(feature = "mcp")]
use crate::config::secret::SecretCommand;
use crate::daemon::assemble::Assembled;
use crate::daemon::live::Making;
#[cfg(feature = "mcp")]
use crate::daemon::looked::Looked;
use crate::model::ids::HostName;
use crate::policy::denied::Sudo;
use crate::policy::redact::Redactor;

/// The MCP servers, by name.
#[cfg(feature = "mcp")]
pub type Servers = crate::clients::mcp::Servers;
/// There are none.
#[cfg(not(feature = "mcp"))]
pub type Servers = ();

impl Making {
    /// The servers, none of them started.
    #[cfg(feature = "mcp")]
    pub(super) async fn servers(
        &self,
        assembled: &Assembled,
        commands: &dyn SecretCommand,
    ) -> Result<Servers, String> {
        let mut servers = Servers::new();
        for (name, settings) in &assembled.mcp {
            let ready = settings.ready(&self.env, commands).await?;
            let book: Arc<dyn crate::clients::mcp::Book> = Arc::<Looked>::clone(&self.looked);
            let server =
                crate::clients::mcp::Server::new(ready, Arc::clone(&assembled.redactor), book);
            servers.insert(name.clone(), Arc::new(server));
        }
        Ok(servers)
    }

    /// The ways to the hosts; nothing is connected yet.
    pub(super) fn hosts(
        &self,
        globals: &Globals,
        redactor: &Arc<Redactor>,
        servers: &Servers,
    ) -> Hosts {
        let local = LocalHost::new(
            globals.host_name.clone(),
            Arc::clone(&self.clock),
            Arc::clone(redactor),
        )
        .with_docker(engine(globals))
        .with_sudo(sudo(globals.hosts.get(&globals.host_name)));
        let mut hosts: Hosts = BTreeMap::new();
        hosts.insert(globals.host_name.clone(), Arc::new(local));
        let control = self.folders.state.as_path().join("ssh");
        let turns = Turns::default();
        for (name, section) in &globals.hosts {
            if let Some(ssh) = section.ssh.clone() {
                let link = SshHost::new(
                    name.clone(),
                    ssh,
                    control.clone(),
                    Arc::clone(&self.clock),
                    Arc::clone(redactor),
                );
                let link = link.with_stacks(section.stacks.clone()).in_turn(&turns);
                let link = link.with_sudo(sudo(Some(section)));
                let link = if section.sleeps { link.that_may_be_off() } else { link };
                hosts.insert(name.clone(), Arc::new(link));
            }
            #[cfg(feature = "mcp")]
            if let Some(server) = section.via.as_ref().and_then(|via| servers.get(&via.0)) {
                let link = crate::clients::mcp::host::McpHost::new(
                    name.clone(),
                    Arc::clone(server),
                    Arc::clone(&self.clock),
                    Arc::clone(redactor),
                );
                let link = link.with_stacks(section.stacks.clone()).with_sudo(sudo(Some(section)));
                hosts.insert(name.clone(), Arc::new(link));
            }
        }
        #[cfg(not(feature = "mcp"))]
        let () = servers;
        hosts
    }
}

fn sudo(section: Option<&HostSection>) -> Sudo {
    if section.is_some_and(|section| section.sudo) { Sudo::Yes } else { Sudo::No }
}

/// The engines that may be acted on: this machine's by its socket, those of other hosts by their command.
pub(super) fn engines(assembled: &Assembled, hosts: &Hosts) -> Engines {
    let here = &assembled.globals.host_name;
    let engine = |(host, link): (&HostName, &Arc<dyn HostLink>)| {
        let engine: Arc<dyn Engine> = match host == here {
            true => {
                let socket = assembled.globals.docker.socket.clone();
                Arc::new(ByApi::new(socket, Arc::clone(&assembled.redactor)))
            }
            false => Arc::new(ByCommand::new(Arc::clone(link))),
        };
        (host.clone(), engine)
    };
    hosts.iter().map(engine).collect()
}

/// This machine's container engine, as the config tells of it.
fn engine(globals: &Globals) -> Place {
    let own = globals.hosts.get(&globals.host_name);
    let named = match globals.docker == Docker::default() {
        true => Named::No,
        false => Named::Yes,
    };
    Place {
        socket: globals.docker.socket.clone(),
        named,
        stacks: own.map(|section| section.stacks.clone()).unwrap_or_default(),
    }
}
