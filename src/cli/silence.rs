//! `reef silence add|list|expire`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::page::Page;
use crate::cli::table::Table;
use crate::cli::when::When;
use crate::config::given::Given;
use crate::config::setting::Setting;
use crate::model::ids::SilenceId;
use crate::model::silence::Pattern;
use crate::model::time::Span;
use crate::operator::order::Order;
use crate::operator::view::Silences;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Look and record as ever, and tell nobody for a while
    Add {
        /// A probe (http.jellyfin), a kind (disk), a host (nas) or a target (nas:/srv); `http.*` stands for several
        #[arg(value_name = "MATCH", value_parser = pattern)]
        about: Pattern,
        /// For how long: 2h, 3d
        #[arg(long = "for", value_name = "TIME", value_parser = span)]
        lasts: Span,
        /// Why, for the report
        #[arg(long)]
        note: String,
    },
    /// Those that stand, and those of the config
    List,
    /// End one before its time
    Expire {
        /// The silence: S-2
        id: SilenceId,
    },
}

pub(crate) async fn run(cx: &mut Cx, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Add { about, lasts, note } => {
            cx.just(&Order::SilenceAdd { about, lasts, note }).await
        }
        Command::Expire { id } => cx.just(&Order::SilenceExpire { id }).await,
        Command::List => {
            let json = cx.ask(&Order::Silences).await?;
            cx.show(json, render)?;
            Ok(Exit::DONE)
        }
    }
}

/// A duration as the config takes it.
pub(crate) fn span(given: &str) -> Result<Span, String> {
    Span::read(&Given::Text(given.to_owned()))
}

fn pattern(given: &str) -> Result<Pattern, String> {
    Pattern::parse(given)
}

pub(crate) fn render(view: &Silences, page: &Page) -> String {
    if view.silences.is_empty() && view.recurring.is_empty() {
        return "nothing is silenced\n".into();
    }
    let when = When::new(&view.zone, view.now);
    let mut table = Table::new(&["id", "about", "until", "by", "note"], &[4, 1, 3]);
    for silence in &view.silences {
        table.row([
            silence.id.to_string().into(),
            silence.about.to_string().into(),
            when.at(silence.until).into(),
            silence.by.as_str().into(),
            silence.note.as_str().into(),
        ]);
    }
    for silence in &view.recurring {
        let until = match silence.until {
            Some(until) => when.at(until),
            None => silence.when.clone(),
        };
        table.row([
            silence.name.as_str().into(),
            silence.about.join(", ").into(),
            until.into(),
            "config".into(),
            silence.note.as_deref().unwrap_or("").into(),
        ]);
    }
    table.render(page)
}
