//! Commands for a host, as values.

use crate::clients::host::{HostLink, LinkError, Output};
use crate::gate::looks::noted;
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::ToolError;
use crate::policy::argv::classify::{Class, classify, classify_with};
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::denied::{Said, Want, denied};
use crate::tool::args::{failed, refused};
use crate::tool::world::World;
use std::sync::Arc;

/// The link to the host of a target.
pub fn link(world: &World, target: &Target) -> Result<Arc<dyn HostLink>, ToolError> {
    world.hosts.get(target.on()).cloned().ok_or_else(|| {
        let known: Vec<_> = world.hosts.keys().map(ToString::to_string).collect();
        refused(format!("{} is no host of the config; known: {}", target.on(), known.join(", ")))
    })
}

/// A command of parts.
pub fn argv(parts: &[&str]) -> Result<Argv, ToolError> {
    Argv::new(parts.iter().map(|part| (*part).to_owned()).collect()).map_err(refused)
}

/// A command that the classifier lets through as read-only.
pub fn read_only(parts: &[&str]) -> Result<ReadOnly, ToolError> {
    let argv = argv(parts)?;
    let class = classify(&argv);
    only_reads(&argv, class)
}

/// As [`read_only`], where `cat`, `head` and `tail` may also read this log of the config.
pub fn read_log(parts: &[&str], log: &AbsPath) -> Result<ReadOnly, ToolError> {
    let argv = argv(parts)?;
    let class = classify_with(&argv, std::slice::from_ref(log));
    only_reads(&argv, class)
}

fn only_reads(argv: &Argv, class: Class) -> Result<ReadOnly, ToolError> {
    match class {
        Class::ReadOnly(argv) => Ok(argv),
        Class::Critical { why } | Class::Evaluator { why } => {
            Err(refused(format!("{argv}: {why}")))
        }
    }
}

/// Those of these commands that only read: for a fixed list of looks, where one more or less is no matter.
pub fn reads(all: &[&[&str]]) -> Vec<ReadOnly> {
    all.iter().filter_map(|parts| read_only(parts).ok()).collect()
}

/// Runs a reading command, and once more where the way to the host broke: it changes nothing.
pub async fn output(
    link: &dyn HostLink,
    argv: &ReadOnly,
    timeout: Span,
) -> Result<Output, ToolError> {
    let mut said = link.read(argv, timeout).await;
    if let Err(LinkError::NotStarted(_) | LinkError::Lost(_)) = said {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        said = link.read(argv, timeout).await;
    }
    let program = argv.argv().program();
    match &said {
        Ok(output) => {
            let outputs = [output.stdout.as_str(), output.stderr.as_str()];
            noted(argv.argv().as_slice(), output.code, outputs);
        }
        Err(why) => noted(argv.argv().as_slice(), None, [&why.to_string(), ""]),
    }
    let output = said.map_err(|e: LinkError| failed(format!("{program}: {e}")))?;
    let denied = denied(&Said {
        host: link.name(),
        standing: &link.standing(),
        argv: argv.argv().as_slice(),
        timeout,
        want: Want::Look,
        code: output.code,
        stderr: output.stderr.as_str(),
    });
    match denied {
        Some(denied) => {
            Err(failed(format!("{program}: {denied} (it said: {})", output.stderr.first_line())))
        }
        None => Ok(output),
    }
}

/// Runs a reading command; an exit code above zero is an error with the first line that it said.
pub async fn read(
    link: &dyn HostLink,
    argv: &ReadOnly,
    timeout: Span,
) -> Result<Output, ToolError> {
    let output = output(link, argv, timeout).await?;
    match output.code {
        Some(0) => Ok(output),
        code => {
            let code = code.map_or("a signal".to_owned(), |c| format!("code {c}"));
            Err(failed(format!(
                "{} ended with {code}: {}",
                argv.argv().program(),
                output.stderr.first_line()
            )))
        }
    }
}
