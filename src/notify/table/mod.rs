//! The one table of ways to the human, and what the config says of each.

use std::io::Write;

use crate::clients::http::Http;
use crate::clock::zone::Zone;
use crate::config::env::Env;
use crate::config::mistakes::hint;
use crate::config::secret::{SecretCommand, SecretSource};
use crate::config::section::{Entry, Section};
use crate::model::ids::Word;
use crate::notify::terminal::Terminal;
use crate::notify::{Notifier, ntfy, webhook};
use crate::policy::telling::Telling;

/// The ways that a table in `[notify.NAME]` may take, one each.
const WAYS: [&str; 2] = ["ntfy", "webhook"];

/// One configured way, before its secrets are fetched.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `phone` of `[notify.phone]`.
    pub name: String,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Ntfy(ntfy::Settings),
    Webhook(webhook::Settings),
}

/// Reads `[notify.NAME]` tables. The terminal needs none.
pub fn configure(root: &mut Section) -> Vec<Settings> {
    configure_in(root, Zone::UTC).0
}

/// As [`configure`], with when and how much is told; `zone` is the config's own.
pub fn configure_in(root: &mut Section, zone: Zone) -> (Vec<Settings>, Telling) {
    let mut section = root.section("notify");
    let telling = Telling::read(root, &mut section, zone);
    let mut found = Vec::new();
    for (name, entry) in section.entries() {
        let Entry::Table(mut table) = entry else {
            section.mistake(&name, format!("is no table; write [notify.{name}]"));
            continue;
        };
        if name == Terminal::NAME || Word::new(name.as_str()).is_err() {
            section.mistake(&name, "cannot be a name here; choose another, like phone");
            continue;
        }
        if let Some(way) = one_way(&mut table) {
            found.push(Settings { name, way });
        }
    }
    (found, telling)
}

fn one_way(table: &mut Section) -> Option<Way> {
    let written: Vec<&str> = WAYS.into_iter().filter(|way| table.has(way)).collect();
    match written[..] {
        ["ntfy"] => ntfy::configure(&mut table.section("ntfy")).map(Way::Ntfy),
        ["webhook"] => webhook::configure(&mut table.section("webhook")).map(Way::Webhook),
        [] => {
            let name = table.name().to_owned();
            let hint = hint(&name, WAYS);
            table.mistake(
                "ntfy",
                format!("is missing: write ntfy = {{ url = … }} or webhook = {{ url = … }}{hint}"),
            );
            None
        }
        [_, second, ..] => {
            table.mistake(second, "is one way too many: give it a table of its own");
            None
        }
        [_] => None,
    }
}

/// Fetches the secrets and makes the notifiers, the terminal first. The errors name what could not
/// be fetched.
pub async fn build(
    settings: &[Settings],
    env: &Env,
    commands: &dyn SecretCommand,
    terminal: Box<dyn Write + Send>,
    http: &Http,
) -> Result<Vec<Box<dyn Notifier>>, Vec<String>> {
    let mut notifiers: Vec<Box<dyn Notifier>> = vec![Box::new(Terminal::new(terminal))];
    let mut wrong = Vec::new();
    for Settings { name, way } in settings {
        let source = match way {
            Way::Ntfy(ntfy) => ntfy.token(),
            Way::Webhook(webhook) => webhook.secret(),
        };
        let secret = match fetched(source, env, commands).await {
            Ok(secret) => secret,
            Err(why) => {
                wrong.push(format!("notify.{name}: {why}"));
                continue;
            }
        };
        notifiers.push(match way {
            Way::Ntfy(ntfy) => Box::new(ntfy.build(name, secret, http.clone())),
            Way::Webhook(webhook) => Box::new(webhook.build(name, secret, http.clone())),
        });
    }
    match wrong.is_empty() {
        true => Ok(notifiers),
        false => Err(wrong),
    }
}

async fn fetched(
    source: Option<&SecretSource>,
    env: &Env,
    commands: &dyn SecretCommand,
) -> Result<Option<secrecy::SecretString>, String> {
    match source {
        Some(source) => source.resolve(env, commands).await.map(Some),
        None => Ok(None),
    }
}

/// The secrets that the config names here, for the redactor.
pub fn secrets(settings: &[Settings]) -> impl Iterator<Item = &SecretSource> {
    settings.iter().filter_map(|settings| match &settings.way {
        Way::Ntfy(ntfy) => ntfy.token(),
        Way::Webhook(webhook) => webhook.secret(),
    })
}

#[cfg(test)]
mod tests;
