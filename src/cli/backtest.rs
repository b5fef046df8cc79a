//! `reef backtest`: the operator's own history through today's thresholds.

use serde_json::json;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::cli::page::{Ink, Page, pad};
use crate::cli::when::When;
use crate::clients::http::Http;
use crate::clients::http::url::WebUrl;
use crate::clients::prometheus::Prometheus;
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::mistakes::Mistakes;
use crate::config::section::{Entry, Reader};
use crate::daemon::life;
use crate::model::ids::{HostName, Word};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::triage::Tuning;
use crate::probe::ask::{Ask, Common, Context, host_signal};
use crate::probe::if_there::Sleeps;
use crate::probe::table::{Made, kind};
use crate::probe::{How, Probe, http, reach};
use crate::watch::backtest::sites::Endpoint;
use crate::watch::backtest::{self, Backtest, Today};
use crate::watch::replay::Told;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server, as http://prometheus:9090
    #[arg(long, value_name = "URL")]
    prometheus: String,
    /// How far back
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// An environment variable whose value is the bearer token
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
}

/// What is printed.
struct Tested {
    backtest: Backtest,
    days: u16,
    from: Millis,
    to: Millis,
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    let wrong = |mistakes: Mistakes| Failure::Usage(mistakes.to_string());
    let source = Source::find(cx.common.config.as_deref(), &cx.env).map_err(wrong)?;
    let checked = life::check(source.clone(), &cx.env).map_err(wrong)?;
    let url = WebUrl::parse(&args.prometheus)
        .map_err(|why| Failure::Usage(format!("--prometheus {why}")))?;
    let mut headers = Vec::new();
    if let Some(name) = &args.token_env {
        let token = cx.env.get(name);
        let token =
            token.ok_or_else(|| Failure::Usage(format!("--token-env: {name} is not set")))?;
        headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
    }
    let at = url.to_string();
    let prometheus = Prometheus::new(url, Http::new(), headers, Span::mins(2));
    // Whole minutes: the pace of the probes.
    let to = Millis(cx.clock.now().0.div_euclid(60_000) * 60_000);
    let from = to - Span::days(i64::from(args.days));
    let env = cx.env.clone();
    let makes = |host: &HostName| probes(source.clone(), &env, host);
    let endpoints = endpoints(source.clone(), &env, &checked.globals.host_name);
    let today = Today { makes: &makes, endpoints: &endpoints, zone: checked.globals.timezone };
    let done = backtest::run(&prometheus, today, from, to, |_| {}).await;
    let backtest = done.map_err(|why| anyhow::anyhow!("{at}: {why}"))?;
    let tested = Tested { backtest, days: args.days, from, to };
    match cx.out.format {
        Format::Json => cx.out.json(&as_json(&tested))?,
        Format::Words => {
            let when = When::new(checked.globals.timezone.name(), tested.to);
            let text = render(&tested, &when, &cx.out.page);
            cx.out.say(&text)?;
        }
    }
    Ok(Exit::DONE)
}

/// The endpoints that the config names, as it judges them.
fn endpoints(source: Source, env: &Env, here: &HostName) -> Vec<Endpoint> {
    let (_reader, mut root) = Reader::open(source, env.clone());
    let mut section = root.section("probe").section("http");
    let cx = Context::new(here.clone());
    let mut found = Vec::new();
    for (name, entry) in section.entries() {
        let mut ask = match entry {
            Entry::Short(text) => Ask::short(&name, text, &mut section, &cx),
            Entry::Table(table) => Ask::table(&name, table, &mut section, &cx),
            Entry::Other => continue,
        };
        found.extend(http::levels(&mut ask).map(|(settings, common)| Endpoint {
            settings,
            tuning: Tuning {
                fire_after: common.fire_after,
                often: common.care.fire_of.beside(common.fire_after),
                clear_after: common.clear_after,
                // The pace at which Prometheus is read.
                ..Tuning::default()
            },
        }));
    }
    found
}

/// The probes of a host with the levels of the config: its own where `[host.NAME.disk]` says so, else this machine's.
fn probes(source: Source, env: &Env, host: &HostName) -> Vec<Probe> {
    let (_reader, mut root) = Reader::open(source, env.clone());
    let mut section = root.section("probe");
    let mut hosts = root.section("host");
    let mut of_host = hosts.section(host.as_str());
    let mut probes = vec![reach::of_host(host, None, Sleeps::No).probe];
    for name in ["disk", "memory", "cpu"] {
        let Some(Made::Machine { common, make }) = kind(name).map(|kind| &kind.made) else {
            continue;
        };
        let mut own = match of_host.is_table(name) {
            true => of_host.section(name),
            false => section.section(name),
        };
        let common = Common::of_machine(&mut own, &common());
        let how = How::Host(make(&mut own, host.clone()));
        let mut probe = common.probe(Word::of(name), name.to_owned(), host.clone(), how);
        probe.parent = Some(host_signal(host));
        probes.push(probe);
    }
    probes
}

fn messages(backtest: &Backtest) -> impl Iterator<Item = &Told> {
    backtest.told.iter().filter(|told| told.explained_by.is_none())
}

fn render(tested: &Tested, when: &When, page: &Page) -> String {
    let Tested { backtest, days, to, .. } = tested;
    let told: Vec<&Told> = messages(backtest).collect();
    let count =
        |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let mut out = format!(
        "{days} days of {}, {} and {}: {}, {}\n",
        count(backtest.hosts.len(), "host"),
        count(backtest.sites, "endpoint"),
        count(backtest.certificates, "certificate"),
        count(backtest.signals, "signal"),
        count(usize::try_from(backtest.readings).unwrap_or(usize::MAX), "reading"),
    );
    let reds = told.iter().filter(|t| t.severity == Severity::Red).count();
    out.push_str(&match told.len() {
        0 => "would have messaged never\n".to_owned(),
        1 => "would have messaged once; here it is\n".to_owned(),
        n => format!("would have messaged {n} times ({reds} red); here they are\n"),
    });
    for told in &told {
        let lasted = match told.resolved_at {
            Some(_) => format!("for {}", told.lasted(*to)),
            None => "still so".to_owned(),
        };
        let word = pad(told.severity.as_str(), 8);
        let rest = format!("{}  ", pad(&when.at(told.opened_at), 16));
        let text = format!("{}: {}, {lasted}", told.signal, told.words);
        out.push_str(&page.hang(Ink::Of(told.severity), &word, &rest, &text));
    }
    let explained = backtest.told.len() - told.len();
    if 0 < explained {
        out.push_str(&format!("{explained} more explained by one of these: no message\n"));
    }
    if 0 < backtest.blind {
        let blind = Span::mins(i64::try_from(backtest.blind).unwrap_or(i64::MAX / 60_000));
        out.push_str(&format!("Prometheus has nothing of {blind} of that time\n"));
    }
    out.push_str("not in Prometheus, so not replayed: units, logs, backups, name servers\n");
    out
}

fn as_json(tested: &Tested) -> serde_json::Value {
    let Tested { backtest, days, from, to } = tested;
    let told = |told: &Told| {
        json!({
            "signal": told.signal.to_string(),
            "severity": told.severity,
            "opened_at": told.opened_at,
            "red_at": told.red_at,
            "resolved_at": told.resolved_at,
            "words": told.words,
            "looks": told.looks,
            "explained_by": told.explained_by.as_ref().map(ToString::to_string),
        })
    };
    json!({
        "days": days,
        "from": from,
        "to": to,
        "hosts": backtest.hosts,
        "endpoints": backtest.sites,
        "certificates": backtest.certificates,
        "signals": backtest.signals,
        "readings": backtest.readings,
        "blind_minutes": backtest.blind,
        "messages": messages(backtest).count(),
        "told": backtest.told.iter().map(told).collect::<Vec<_>>(),
    })
}
