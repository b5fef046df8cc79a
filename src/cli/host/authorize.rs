//! The lines for authorized_keys: of a key that may only look, and of one that may run what is listed.

use anyhow::anyhow;
use serde_json::json;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::clients::ssh::gatekeeper::{Files, Images, Kill, Listed, Shapes};
use crate::clients::ssh::keys;
use crate::config::hosts::Ssh;
use crate::model::ids::HostName;
use crate::model::target::AbsPath;

pub(super) async fn to_look(
    cx: &mut Cx,
    name: &HostName,
    ssh: &Ssh,
    program: &str,
    at: &str,
) -> Result<Exit, Failure> {
    let place = place(at)?;
    let route = keys::route(name, ssh).await.map_err(|why| anyhow!(why))?;
    let key = keys::public_key(&route).await.map_err(|why| anyhow!(why))?;
    let line = format!("restrict,command=\"{place}\" {key}");
    if cx.out.format == Format::Json {
        cx.out.json(&json!({ "line": line, "collector": program, "at": place.as_str() }))?;
        return Ok(Exit::DONE);
    }
    cx.out.say(&format!(
        "# With this key reef can look at {name}, and do nothing else there.\n\
         # 1. Put the collector below on {name} as {place}, mode 755, owned by root:\n\
         #    reef host authorize {name} --collector | ssh {name} 'cat >{place} && chmod 755 {place}'\n\
         # 2. Put this line into the authorized_keys of {user} there, in place of the key's line:\n\
         {line}\n\n\
         # The collector. A new probe of a file there wants it anew.\n{program}",
        user = route.user
    ))?;
    Ok(Exit::DONE)
}

pub(super) fn place(at: &str) -> Result<AbsPath, Failure> {
    let place = AbsPath::new(at).map_err(|bad| Failure::Usage(format!("--at: {bad}")))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    if !place.as_str().chars().all(plain) {
        return Err(Failure::Usage(
            "--at: letters, digits and /-_. only, for a shell reads it".into(),
        ));
    }
    Ok(place)
}

/// What a key that may act is authorized for.
pub(super) struct Acting {
    pub(super) listed: Vec<Listed>,
    /// Below which folders files may be compressed and moved away, where they may.
    pub(super) files: Option<Files>,
    pub(super) shapes: Shapes,
    pub(super) program: String,
    pub(super) at: AbsPath,
}

pub(super) async fn to_act(
    cx: &mut Cx,
    name: &HostName,
    ssh: &Ssh,
    acting: &Acting,
) -> Result<Exit, Failure> {
    let Some(key_file) = ssh.act_key.clone() else {
        return Err(Failure::Usage(format!(
            "[host.{name}] names no key to act by: make one with `ssh-keygen -t ed25519 -f \
             /etc/reef/act` and write act_key = \"/etc/reef/act\""
        )));
    };
    if acting.listed.is_empty() && acting.files.is_none() && acting.shapes == Shapes::default() {
        return Err(Failure::Usage(format!(
            "by this config there is nothing that reef may do on {name}: name units (a unit probe, or \
             restartable), mounts or a reboot under [host.{name}]"
        )));
    }
    let by_key = Ssh { key_file: Some(key_file), ..ssh.clone() };
    let route = keys::route(name, &by_key).await.map_err(|why| anyhow!(why))?;
    let key = keys::public_key(&route).await.map_err(|why| anyhow!(why))?;
    let Acting { listed, files, shapes, program, at } = acting;
    let line = format!("restrict,command=\"{at}\" {key}");
    let commands: Vec<String> = listed.iter().map(|one| one.argv.to_string()).collect();
    if cx.out.format == Format::Json {
        cx.out.json(
            &json!({ "line": line, "gatekeeper": program, "at": at.as_str(), "commands": commands,
                "files": files.as_ref().map(|files| &files.roots) }),
        )?;
        return Ok(Exit::DONE);
    }
    let roots = |files: &Files| -> String {
        files.roots.iter().map(|root| format!("#     {root}\n")).collect()
    };
    let below = files.as_ref().map(|files| {
        format!(
            "# Which files fill a disk nobody knows beforehand, so for them no command is listed. reef's own program for\n\
             # files is part of the gatekeeper: it compresses, rotates and moves plain files into {}\n\
             # and back, below these folders only, each as reef named it (volume, inode, length, time):\n{}",
            files.quarantine,
            roots(files)
        )
    });
    let below = below.unwrap_or_default() + &by_shape(shapes);
    let may: String = commands.iter().map(|command| format!("#   {command}\n")).collect();
    cx.out.say(&format!(
        "# With this key reef can run exactly these commands on {name}, and nothing else there:\n{may}{below}\
         # 1. Put the gatekeeper below on {name} as {at}, mode 755, owned by root:\n\
         #    reef host authorize {name} --act --gatekeeper | ssh {name} 'cat >{at} && chmod 755 {at}'\n\
         # 2. Add this line to the authorized_keys of {user} there, beside the key that looks:\n\
         {line}\n\n\
         # The gatekeeper. Another unit, mount or raw command in the config wants it anew.\n{program}",
        user = route.user
    ))?;
    Ok(Exit::DONE)
}

/// What is let by its shape, for people.
fn by_shape(shapes: &Shapes) -> String {
    let mut text = String::new();
    if !shapes.compose.is_empty() {
        text.push_str(&format!(
            "# Projects of compose whose files lie in {}: pull, up -d and restart, and nothing else of compose.\n",
            shapes.compose.join(", ")
        ));
    }
    match shapes.images {
        Images::May => {
            text.push_str("# Images: docker pull, tag, and rmi of one by its digest.\n");
        }
        Images::Never => {}
    }
    match shapes.kill {
        Kill::May => text.push_str(
            "# One process: ended by its number and start time, which reef's own program holds against /proc first.\n",
        ),
        Kill::Never => {}
    }
    text
}
