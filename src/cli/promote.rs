//! `reef runbook promote|demote NAME [HOST]`: autonomy is earned, and granted by the human in the config.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use toml_edit::{DocumentMut, Item, TableLike};

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::cli::page::Page;
use crate::cli::table::Table;
use crate::cli::when::When;
use crate::config::given::Source;
use crate::control::client::view;
use crate::daemon::life;
use crate::model::ids::RunbookName;
use crate::model::plan::Leash;
use crate::model::time::Millis;
use crate::operator::order::Order;
use crate::operator::view::{Done, Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(value_parser = crate::cli::runbook::name)]
    name: RunbookName,
    /// The host [else: this machine]
    host: Option<String>,
    /// Add the line to the config file, where its record bears it; comments stay. A demotion is forgotten then
    #[arg(long)]
    write: bool,
    /// With --write: though its record does not bear it
    #[arg(long, requires = "write")]
    unearned: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoteArgs {
    #[arg(value_parser = crate::cli::runbook::name)]
    name: RunbookName,
    /// The host [else: this machine]
    host: Option<String>,
    /// How far it may go from now on: ask or observe
    #[arg(long, default_value = "ask", value_parser = leash)]
    to: Leash,
    /// Why, for the audit log
    #[arg(long, default_value = "")]
    note: String,
}

fn leash(given: &str) -> Result<Leash, String> {
    match Leash::parse(given) {
        Some(leash @ (Leash::Ask | Leash::Observe)) => Ok(leash),
        Some(Leash::Auto) | None => Err("a demotion is to ask or to observe".into()),
    }
}

pub(crate) async fn demote(cx: &mut Cx, args: DemoteArgs) -> Result<Exit, Failure> {
    let DemoteArgs { name, host, to: leash, note } = args;
    cx.just(&Order::RunbookDemote { name, host, leash, note }).await
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    let order = Order::RunbookRecord { name: args.name.clone(), host: args.host.clone() };
    let json = cx.ask(&order).await?;
    let record: Record = view(json.clone())?;
    match cx.out.format {
        Format::Json => cx.out.json(&json)?,
        Format::Words => {
            let text = render(&record, cx.env.zone.name(), cx.clock.now(), &cx.out.page);
            cx.out.say(&text)?;
        }
    }
    if !args.write {
        return Ok(Exit::DONE);
    }
    let wrong = |m: crate::config::mistakes::Mistakes| Failure::Usage(m.to_string());
    let source = Source::find(cx.common.config.as_deref(), &cx.env).map_err(wrong)?;
    let Some(path) = &source.path else {
        return Err(anyhow!(
            "there is no config file yet to write to; put the line into ~/.config/reef/config.toml, with a ceiling that allows it"
        )
        .into());
    };
    let text = with_line(&source.text, &record.line)?;
    let changed = Source { text: text.clone(), ..source.clone() };
    life::check(changed, &cx.env).map_err(wrong)?;
    // The daemon says whether its record bears it, and forgets a demotion, before anything is written.
    let order = Order::RunbookPromote { name: args.name, host: args.host, unearned: args.unearned };
    let done: Done = view(cx.ask(&order).await?)?;
    cx.out.note(&done.words);
    replace(path, &text)?;
    cx.out.note(&format!("written to {}; `reef reload` puts it in force", path.display()));
    Ok(Exit::DONE)
}

pub(crate) fn render(record: &Record, zone: &str, now: Millis, page: &Page) -> String {
    let mut out = String::new();
    if record.rows.is_empty() {
        out.push_str(&format!("{} has not run yet: there is nothing to go by\n", record.name));
    } else {
        let when = When::new(zone, now);
        let head = ["host", "leash", "runs", "fixed", "not fixed", "same by hand", "last"];
        let mut table = Table::new(&head, &[0]);
        for row in &record.rows {
            let by_hand = match row.matched + row.differed {
                0 => "-".to_owned(),
                all => format!("{} of {all}", row.matched),
            };
            table.row([
                row.host.clone().unwrap_or_else(|| "-".into()).into(),
                row.leash.map_or("-", Leash::as_str).into(),
                row.runs.to_string().into(),
                row.fixed.to_string().into(),
                row.not_fixed.to_string().into(),
                by_hand.into(),
                when.at(row.last_at).into(),
            ]);
        }
        out.push_str(&table.render(page));
        out.push('\n');
        for row in &record.rows {
            let host = row.host.as_deref().unwrap_or("without a host");
            let verdict = match row.lacks.as_slice() {
                [] => "has earned to act by itself".to_owned(),
                lacks => format!("has not earned it yet: {}", lacks.join("; ")),
            };
            let demoted = match &row.demoted {
                Some(why) => format!(". Demoted: {why}"),
                None => String::new(),
            };
            out.push_str(&page.wrap(&format!("{host}: {verdict}{demoted}"), 0));
        }
    }
    out.push_str("\nthis lets it act by itself, as far as the ceilings go (add it to the config, or --write):\n\n");
    for line in record.line.lines() {
        out.push_str(&format!("  {line}\n"));
    }
    out
}

/// The config with the keys of `line` in it; all else, comments too, as it was.
fn with_line(config: &str, line: &str) -> anyhow::Result<String> {
    let mut document: DocumentMut = config.parse().context("the config is no TOML")?;
    let addition: DocumentMut = line.parse().context("the line to add is no TOML")?;
    merge(document.as_table_mut(), addition.as_table())?;
    Ok(document.to_string())
}

/// Puts every key of `from` into `to`; a table goes into the table of its name.
fn merge(to: &mut dyn TableLike, from: &dyn TableLike) -> anyhow::Result<()> {
    for (key, item) in from.iter() {
        match (to.get_mut(key), item.as_table_like()) {
            (None, _) => drop(to.insert(key, item.clone())),
            (Some(there), Some(within)) => match there.as_table_like_mut() {
                Some(there) => merge(there, within)?,
                // `leash = "ask"` for all hosts: the wish for one must not drop it silently.
                None => bail!(
                    "{key} stands in the config as one value for all; write by hand what you want for each"
                ),
            },
            (Some(there), None) => replace_value(there, item),
        }
    }
    Ok(())
}

/// The new value where the old one stood, with the old one's comment.
fn replace_value(there: &mut Item, item: &Item) {
    let decor = there.as_value().map(|old| old.decor().clone());
    *there = item.clone();
    if let (Some(value), Some(decor)) = (there.as_value_mut(), decor) {
        *value.decor_mut() = decor;
    }
}

/// Replaces a file whole: a crash in between leaves the old one. A link stays a link.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let path =
        std::fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?;
    let mode = std::fs::metadata(&path)?.permissions().mode() & 0o7777;
    let beside = path.with_extension("toml.new");
    let context = || format!("cannot write {}", beside.display());
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .with_context(context)?;
    let mut write = || -> std::io::Result<()> {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &path)
    };
    write().with_context(context).inspect_err(|_| {
        // Half a file beside the config helps nobody.
        drop(std::fs::remove_file(&beside));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[runbook.disk-full]\nleash = { nas = \"auto\" }";

    #[test]
    fn the_line_is_added_and_everything_else_stays() {
        for (config, want) in [
            ("", "[runbook.disk-full]\nleash = { nas = \"auto\" }\n"),
            (
                "# mine\nceiling = \"auto\" # all\n",
                "# mine\nceiling = \"auto\" # all\n\n[runbook.disk-full]\nleash = { nas = \"auto\" }\n",
            ),
            (
                "[runbook.disk-full]\n# careful\nleash = { mini = \"ask\", nas = \"ask\" } # both\n",
                "[runbook.disk-full]\n# careful\nleash = { mini = \"ask\", nas = \"auto\" } # both\n",
            ),
            (
                "[runbook.cpu]\nenabled = false\n",
                "[runbook.cpu]\nenabled = false\n\n[runbook.disk-full]\nleash = { nas = \"auto\" }\n",
            ),
        ] {
            let text = with_line(config, LINE).unwrap();
            let squeezed =
                |s: &str| s.lines().filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
            assert_eq!(squeezed(&text), squeezed(want), "{config}");
            assert!(text.contains("nas = \"auto\""), "{text}");
        }
        let why = with_line("[runbook.disk-full]\nleash = \"ask\"\n", LINE).unwrap_err();
        assert!(why.to_string().contains("one value for all"), "{why}");
    }

    #[test]
    fn the_file_keeps_its_mode_and_a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("config.toml"), dir.path().join("link.toml"));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        // Somebody's own file of that name is not overwritten.
        std::fs::write(dir.path().join("config.toml.new"), "mine").unwrap();
        assert!(replace(&link, "newer").is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join("config.toml.new")).unwrap(), "mine");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    }
}
