//! The engine of a host behind SSH, by its `docker` command: each change is one argv.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::Fut;
use crate::clients::docker::by_api::{newest, stamp};
use crate::clients::docker::engine::{Engine, Image, ImageId, ImageName, Newest, NotDone, denied};
use crate::clients::host::{HostLink, LinkError, Output};
use crate::clock::zone::instant;
use crate::gate::permit::Permit;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::argv::Argv;
use crate::policy::argv::classify::{Class, classify};

const SHORT: Span = Span::secs(15);
/// Kept of a container's newest lines.
const LONGEST: usize = 256 << 10;

/// The `docker` of a host.
pub struct ByCommand {
    link: Arc<dyn HostLink>,
}

impl fmt::Debug for ByCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docker on {:?}", self.link)
    }
}

impl ByCommand {
    pub fn new(link: Arc<dyn HostLink>) -> Self {
        Self { link }
    }

    async fn ask(&self, parts: &[&str]) -> Result<Output, String> {
        let argv = argv(parts)?;
        let Class::ReadOnly(read) = classify(&argv) else {
            return Err(format!("{argv} is not proven to read only"));
        };
        let output = self.link.read(&read, SHORT).await.map_err(|e| e.to_string())?;
        match output.code {
            Some(0) => Ok(output),
            _ => Err(format!("{argv}: {}", output.stderr.first_line())),
        }
    }

    async fn act(&self, permit: &Permit, parts: &[&str], within: Span) -> Result<(), NotDone> {
        let argv = argv(parts).map_err(NotDone::NotStarted)?;
        let done = self.link.exec(permit, &argv, within).await;
        sort(done, &argv, &format!("{}", self.link.name())).map(drop)
    }
}

/// The commands that start a container anew: what a key that may only act lists for it.
pub fn anew(name: &str) -> [[&str; 4]; 2] {
    [["docker", "restart", "--", name], ["docker", "start", "--", name]]
}

fn argv(parts: &[&str]) -> Result<Argv, String> {
    Argv::new(parts.iter().map(|part| (*part).to_owned()).collect()).map_err(|e| e.to_string())
}

/// What became of a command of Docker or of compose, with both of its outputs where it failed.
pub fn sort(done: Result<Output, LinkError>, argv: &Argv, host: &str) -> Result<Output, NotDone> {
    let output = match done {
        Ok(output) if output.code == Some(0) => return Ok(output),
        Ok(output) => output,
        Err(LinkError::NotStarted(why)) => return Err(NotDone::NotStarted(why)),
        // The engine goes on with what its asker asked for.
        Err(why @ (LinkError::TimedOut(_) | LinkError::Lost(_))) => {
            return Err(NotDone::Unknown(why.to_string()));
        }
    };
    let said = output.stderr.as_str();
    let has = |part: &str| said.contains(part);
    if (has("permission denied") || has("Permission denied") || has("PermissionError"))
        && (has("docker.sock") || has("Docker daemon") || has("connect"))
    {
        let whom = format!("the user that reef comes as on {host}");
        return Err(NotDone::NotStarted(denied(&whom, &argv.to_string())));
    }
    if has("a password is required") || has("a terminal is required") {
        let grant =
            format!("{argv} on {host} wants a password: let sudoers allow exactly this command");
        return Err(NotDone::NotStarted(grant));
    }
    let nothing = [
        "Cannot connect to the Docker daemon",
        "No such container",
        "No such image",
        "Couldn't connect to Docker daemon",
        "unknown shorthand flag",
        "is not a docker command",
    ];
    let last = |text: &Tainted| {
        let line = text.as_str().lines().rfind(|line| !line.trim().is_empty()).unwrap_or("");
        line.chars().take(300).collect::<String>()
    };
    if nothing.iter().any(|part| has(part)) {
        return Err(NotDone::NotStarted(last(&output.stderr)));
    }
    let code = output.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
    let mut words = format!("{argv} ended with {code}: {}", last(&output.stderr));
    let out = last(&output.stdout);
    if !out.is_empty() {
        words.push_str(&format!("; its output ends with: {out}"));
    }
    Err(NotDone::Failed(words))
}

/// A line of `docker images --format json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "CreatedAt")]
    created_at: String,
    #[serde(rename = "Size")]
    size: String,
}

impl Listed {
    fn image(&self) -> Option<Image> {
        let words: Vec<&str> = self.created_at.split_ascii_whitespace().collect();
        let [day, time, zone, ..] = words[..] else { return None };
        let (hours, minutes) = zone.split_at_checked(3)?;
        Some(Image {
            id: ImageId::new(&self.id)?,
            created_at: instant(&format!("{day}T{time}{hours}:{minutes}"))?,
            bytes: size(&self.size),
        })
    }
}

/// `1.24GB`, in powers of a thousand, as the command rounds it.
fn size(text: &str) -> u64 {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let power = match unit.to_ascii_uppercase().as_str() {
        "KB" => 1,
        "MB" => 2,
        "GB" => 3,
        "TB" => 4,
        _ => 0,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let thousandths = format!("{part:0<3}").get(..3).and_then(|p| p.parse::<u64>().ok());
    let whole = whole.parse::<u64>().unwrap_or(0).saturating_mul(1_000);
    let thousandths = whole.saturating_add(thousandths.unwrap_or(0));
    thousandths.saturating_mul(1_000_u64.saturating_pow(power)) / 1_000
}

impl Engine for ByCommand {
    fn logs<'a>(&'a self, name: &'a str, wanted: Newest) -> Fut<'a, Result<Tainted, String>> {
        Box::pin(async move {
            let (lines, before) = (wanted.lines.to_string(), wanted.before.map(stamp));
            let mut parts = vec!["docker", "logs", "--tail", &lines];
            if let Some(before) = &before {
                parts.extend(["--until", before.as_str()]);
            }
            parts.push(name);
            let output = self.ask(&parts).await?;
            let both = format!("{}\n{}", output.stdout.as_str(), output.stderr.as_str());
            Ok(Tainted::bounded(&newest(&both), LONGEST))
        })
    }

    fn dangling(&self) -> Fut<'_, Result<Vec<Image>, String>> {
        Box::pin(async move {
            let parts = [
                "docker",
                "images",
                "--no-trunc",
                "--filter",
                "dangling=true",
                "--format",
                "{{json .}}",
            ];
            let output = self.ask(&parts).await?;
            let line = |line: &str| serde_json::from_str::<Listed>(line).ok()?.image();
            Ok(output.stdout.as_str().lines().filter_map(line).collect())
        })
    }

    fn root(&self) -> Fut<'_, Result<AbsPath, String>> {
        Box::pin(async move {
            let output = self.ask(&["docker", "info"]).await?;
            let told = output.stdout.as_str().lines();
            let root = told.filter_map(|line| line.trim().strip_prefix("Docker Root Dir: ")).next();
            let root = root.ok_or("docker info tells no root folder")?;
            AbsPath::new(root.trim()).map_err(|e| e.to_string())
        })
    }

    fn place(&self) -> Option<String> {
        None
    }

    fn restart<'a>(
        &'a self,
        permit: &'a Permit,
        name: &'a str,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move { self.act(permit, &anew(name)[0], within).await })
    }

    fn start<'a>(
        &'a self,
        permit: &'a Permit,
        name: &'a str,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move { self.act(permit, &anew(name)[1], within).await })
    }

    fn pull<'a>(
        &'a self,
        permit: &'a Permit,
        image: &'a ImageName,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move {
            let name = image.to_string();
            self.act(permit, &["docker", "pull", "--quiet", "--", &name], within).await
        })
    }

    fn tag<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a ImageId,
        name: &'a ImageName,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move {
            let (id, name) = (id.full(), name.to_string());
            self.act(permit, &["docker", "tag", "--", &id, &name], SHORT).await
        })
    }

    fn remove_image<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a ImageId,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async move {
            let id = id.full();
            self.act(permit, &["docker", "rmi", "--", &id], Span::secs(60)).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Millis;

    fn said(code: i32, stdout: &str, stderr: &str) -> Result<Output, LinkError> {
        Ok(Output {
            code: Some(code),
            stdout: Tainted::new(stdout),
            stderr: Tainted::new(stderr),
            took: Span(1),
        })
    }

    #[test]
    fn a_missing_right_is_named_and_a_failure_has_both_outputs() {
        let argv = argv(&["docker", "restart", "--", "web"]).unwrap();
        let of = |done| sort(done, &argv, "nas").map(drop).unwrap_err();
        for stderr in [
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "Got permission denied while trying to connect to the Docker daemon socket",
            "sudo: a password is required",
        ] {
            let NotDone::NotStarted(why) = of(said(1, "", stderr)) else { panic!("{stderr}") };
            assert!(why.contains("docker restart -- web") && why.contains("nas"), "{why}");
        }
        for stderr in [
            "Error response from daemon: No such container: web",
            "Cannot connect to the Docker daemon at x",
        ] {
            assert!(matches!(of(said(1, "", stderr)), NotDone::NotStarted(_)), "{stderr}");
        }
        let failed = of(said(1, "one\ntwo\n", "a\nError response from daemon: driver failed\n"));
        let NotDone::Failed(why) = failed else { panic!("{failed:?}") };
        assert!(why.contains("driver failed") && why.ends_with("two"), "{why}");
        assert!(matches!(of(Err(LinkError::TimedOut(Span(5)))), NotDone::Unknown(_)));
        assert!(matches!(of(Err(LinkError::Lost("x".into()))), NotDone::Unknown(_)));
        assert!(matches!(of(Err(LinkError::NotStarted("x".into()))), NotDone::NotStarted(_)));
        assert!(sort(said(0, "web", ""), &argv, "nas").is_ok());
    }

    #[test]
    fn images_are_read_as_the_command_prints_them() {
        let line = format!(
            r#"{{"ID":"sha256:{}","CreatedAt":"2026-11-21 00:57:27 +0200 CEST","Size":"1.24GB"}}"#,
            "0a".repeat(32)
        );
        let image = serde_json::from_str::<Listed>(&line).unwrap().image().unwrap();
        assert_eq!((image.created_at, image.bytes), (Millis(1_795_215_447_000), 1_240_000_000));
        for (text, want) in
            [("4.2MB", 4_200_000), ("977kB", 977_000), ("12B", 12), ("x", 0), ("", 0)]
        {
            assert_eq!(size(text), want, "{text}");
        }
    }

    #[test]
    fn what_it_asks_is_proven_to_read_only() {
        for parts in [
            &["docker", "info"][..],
            &["docker", "logs", "--tail", "200", "--until", "1795215447.120", "web"],
            &[
                "docker",
                "images",
                "--no-trunc",
                "--filter",
                "dangling=true",
                "--format",
                "{{json .}}",
            ],
            &["docker", "compose", "version"],
            &["docker-compose", "version"],
        ] {
            let class = classify(&argv(parts).unwrap());
            assert!(matches!(class, Class::ReadOnly(_)), "{parts:?}: {class:?}");
        }
        for parts in [
            &["docker", "compose", "up"][..],
            &["docker", "compose", "version", "up"],
            &["docker", "compose", "-f", "x", "version"],
            &["docker-compose", "up", "version"],
            &["docker", "images", "prune"],
            &["docker", "image", "prune"],
        ] {
            let class = classify(&argv(parts).unwrap());
            assert!(!matches!(class, Class::ReadOnly(_)), "{parts:?}");
        }
    }
}
