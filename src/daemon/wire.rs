//! Small adapters: what a layer asks for by a trait, made of what another layer has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::SecretString;

use crate::Fut;
use crate::clients::files::LocalFiles;
use crate::clients::host::Hosts;
use crate::clients::process::{self, Given, Limits};
use crate::clients::signal::LocalProcesses;
use crate::clock::Clock;
use crate::config::env::Env;
use crate::config::secret::SecretCommand;
use crate::control::Carries;
use crate::gate::hands::Onlooker;
use crate::gate::rules::Rules;
use crate::model::fact::{Fact, FactValue};
use crate::model::hands::Hands;
use crate::model::ids::{HostName, ToolName};
use crate::model::message::Urgency;
use crate::model::push::Report;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Call, ToolSpec, Undo};
use crate::operator::Operator;
use crate::operator::order::{Order, Refusal, Who};
use crate::operator::view::Status;
use crate::probe::push::Board;
use crate::probe::reef_self::{Counts, Tally};
use crate::report::own::Own;
use crate::report::{Standing, Standings};
use crate::run::announce::{Words, announce, headline};
use crate::store::Store;
use crate::tool::network::Network;
use crate::tool::table::table;
use crate::tool::world::{Deeds, History, Inventory, NoDeeds, NoHistory, Numbers, Outbox, World};
use crate::watch::handle::Handle;
use crate::watch::pulse::Pulse;
use crate::web::Site;
use crate::web::metrics::Metrics;

/// The operator's own argv for a secret: run as written, nothing of it kept but the secret.
#[derive(Debug)]
pub struct SecretPrograms {
    /// What pass, vault, bws and op find their stores by.
    env: BTreeMap<String, String>,
}

/// The variables that secret stores go by; nothing else of reef's environment reaches them.
const STORES: [&str; 12] = [
    "HOME",
    "GNUPGHOME",
    "PASSWORD_STORE_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "VAULT_ADDR",
    "VAULT_TOKEN",
    "VAULT_NAMESPACE",
    "BWS_ACCESS_TOKEN",
    "BWS_SERVER_URL",
    "OP_SERVICE_ACCOUNT_TOKEN",
];

impl SecretPrograms {
    pub fn new(env: &Env) -> Self {
        let known = |name: &&str| env.get(name).map(|value| ((*name).to_owned(), value.to_owned()));
        Self { env: STORES.iter().filter_map(known).collect() }
    }
}

/// A vault may want a moment; a prompt for a passphrase would want for ever.
const SECRET_WITHIN: Span = Span::secs(20);

impl SecretCommand for SecretPrograms {
    fn run<'a>(&'a self, argv: &'a [String]) -> Fut<'a, Result<SecretString, String>> {
        Box::pin(async move {
            let limits = Limits { timeout: SECRET_WITHIN, max_output: 64 << 10 };
            let given = Given { env: self.env.clone(), ..Given::default() };
            let raw = process::run_raw(argv, limits, &given).await.map_err(|e| e.to_string())?;
            if raw.code != Some(0) {
                return Err(format!(
                    "it ended with {}",
                    raw.code.map_or("a signal".into(), |c| format!("exit code {c}"))
                ));
            }
            let text =
                String::from_utf8(raw.stdout).map_err(|_| "it printed no text".to_owned())?;
            Ok(SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned()))
        })
    }
}

impl Tally for Pulse {
    fn counts(&self) -> Counts {
        Counts {
            looks: Self::count(&self.looks),
            failed: Self::count(&self.broken) + Self::count(&self.timed_out),
            missed: Self::count(&self.missed),
        }
    }

    fn pushes(&self) -> Arc<Board> {
        Arc::clone(&self.pushes)
    }
}

/// `human.message`: the text is composed here, from the incident that the call is about.
#[derive(Debug)]
pub struct ToolOutbox {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub rules: tokio::sync::watch::Receiver<Arc<Rules>>,
}

impl Outbox for ToolOutbox {
    fn tell<'a>(&'a self, about: &'a Target, urgency: Urgency) -> Fut<'a, Result<String, String>> {
        Box::pin(async move {
            let (about, now, rules) =
                (about.clone(), self.clock.now(), Arc::clone(&self.rules.borrow()));
            let told = self
                .store
                .call(move |db| {
                    db.atomically(|db| {
                        let open = db.unresolved()?.into_iter().find(|i| i.signal.target == about);
                        let Some(mut incident) = open else { return Ok(None) };
                        let title = headline(&incident);
                        let words = Words {
                            body: incident.reading.words.to_string(),
                            title: title.clone(),
                            severity: incident.severity,
                            about: "told",
                        };
                        announce(db, &rules, &mut incident, urgency, &words, now)?;
                        db.save_incident(&incident)?;
                        Ok(Some(title))
                    })
                })
                .await;
            match told {
                Ok(Some(title)) => Ok(title),
                Ok(None) => Err("there is no open incident about it".into()),
                Err(error) => Err(format!("{error:#}")),
            }
        })
    }
}

/// What reef did, as its audit log tells it.
#[derive(Debug)]
pub struct StoreDeeds {
    pub store: Store,
}

impl Deeds for StoreDeeds {
    fn count<'a>(
        &'a self,
        tool: &'a ToolName,
        target: &'a Target,
        since: Millis,
    ) -> Fut<'a, Result<u32, String>> {
        Box::pin(async move {
            let (tool, target) = (tool.clone(), target.clone());
            let rows = self.store.call(move |db| db.actions_since(since)).await;
            let rows = rows.map_err(|error| format!("the audit log cannot be read: {error:#}"))?;
            let did = |row: &&crate::store::actions::ActionRow| {
                // What provably did not happen is no deed.
                let nothing = row.closed.as_ref().is_some_and(|(_, word)| word == "not started");
                row.tool == tool && row.target == target && !nothing
            };
            Ok(u32::try_from(rows.iter().filter(did).count()).unwrap_or(u32::MAX))
        })
    }

    fn undos<'a>(
        &'a self,
        tools: &'a [ToolName],
        target: &'a Target,
        since: Millis,
    ) -> Fut<'a, Result<Vec<(Millis, Call)>, String>> {
        Box::pin(async move {
            let rows = self.store.call(move |db| db.actions_since(since)).await;
            let mut rows =
                rows.map_err(|error| format!("the audit log cannot be read: {error:#}"))?;
            rows.sort_by_key(|row| row.id);
            let undo = |row: crate::store::actions::ActionRow| {
                let nothing = row.closed.as_ref().is_some_and(|(_, word)| word == "not started");
                let did = tools.contains(&row.tool) && row.target == *target && !nothing;
                match row.step.undo {
                    Undo::By(call) if did => Some((row.at, call)),
                    Undo::By(_) | Undo::Impossible(_) => None,
                }
            };
            Ok(rows.into_iter().filter_map(undo).collect())
        })
    }

    fn took<'a>(
        &'a self,
        tool: &'a ToolName,
        target: &'a Target,
        since: Millis,
    ) -> Fut<'a, Result<Vec<Span>, String>> {
        Box::pin(async move {
            let rows = self.store.call(move |db| db.actions_since(since)).await;
            let mut rows =
                rows.map_err(|error| format!("the audit log cannot be read: {error:#}"))?;
            rows.sort_by_key(|row| row.id);
            let took = |row: &crate::store::actions::ActionRow| {
                let (ended, word) = row.closed.as_ref()?;
                let did = word == "done" && row.tool == *tool && row.target == *target;
                did.then(|| ended.since(row.at))
            };
            Ok(rows.iter().filter_map(took).collect())
        })
    }
}

/// The tools' specs without a world behind them: for checks that run no tool.
pub fn tool_specs(here: &HostName) -> Vec<ToolSpec> {
    let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
    let world = World {
        here: here.clone(),
        hosts: BTreeMap::new(),
        files: Arc::new(LocalFiles),
        processes: Arc::new(LocalProcesses),
        engines: BTreeMap::new(),
        history: Arc::new(NoHistory),
        web: Arc::new(Network::default()),
        outbox: Arc::new(Nowhere),
        deeds: Arc::new(NoDeeds),
        #[cfg(feature = "kube")]
        clusters: BTreeMap::new(),
        #[cfg(feature = "mcp")]
        mcp: BTreeMap::new(),
        providers: BTreeMap::new(),
        inventory: Arc::new(Inventory::default()),
        now: clock,
        quarantine: AbsPath::root(),
        formerly: None,
    };
    table(&world).iter().map(|tool| tool.spec().clone()).collect()
}

/// The outbox of a world that tells nobody.
#[derive(Debug)]
struct Nowhere;

impl Outbox for Nowhere {
    fn tell<'a>(
        &'a self,
        _about: &'a Target,
        _urgency: Urgency,
    ) -> Fut<'a, Result<String, String>> {
        Box::pin(async { Err("nobody is told from here".into()) })
    }
}

/// What the store keeps of a signal.
#[derive(Debug)]
pub struct Seen(pub Store);

impl History for Seen {
    fn since<'a>(&'a self, signal: &'a Signal, since: Millis) -> Fut<'a, Result<Numbers, String>> {
        Box::pin(async move {
            let signal = signal.clone();
            let found =
                self.0.readings().call(move |readings| readings.history(&signal, since)).await;
            let number = |sample: crate::store::readings::Sample| Some((sample.at, sample.value?));
            match found {
                Ok(samples) => Ok(samples.into_iter().filter_map(number).collect()),
                Err(error) => Err(format!("{error:#}")),
            }
        })
    }
}

/// The operator behind the socket.
#[derive(Debug)]
pub struct Orders(pub Arc<Operator>);

impl Carries for Orders {
    fn carry_out<'a>(
        &'a self,
        order: Order,
        who: Who,
    ) -> Fut<'a, Result<serde_json::Value, Refusal>> {
        Box::pin(self.0.carry_out(order, who))
    }
}

/// The ways to the hosts, for who asks whether somebody works there.
#[derive(Debug)]
pub struct Links(pub Hosts);

impl Onlooker for Links {
    fn hands<'a>(&'a self, host: &'a HostName) -> Fut<'a, Option<Result<Hands, String>>> {
        Box::pin(async move {
            let link = self.0.get(host)?;
            let mut facts = link.facts(&BTreeSet::from([Fact::Hands])).await;
            Some(match facts.remove(&Fact::Hands) {
                Some(Ok(FactValue::Hands(hands))) => Ok(hands),
                Some(Err(why)) => Err(why.to_string()),
                Some(Ok(_)) | None => Err("it was not asked".to_owned()),
            })
        })
    }
}

/// The signals as they stand, for the report.
#[derive(Debug)]
pub struct Signals(pub Handle);

impl Standings for Signals {
    fn now(&self) -> Fut<'_, Vec<Standing>> {
        Box::pin(async move {
            let standing = |s: crate::watch::ticker::Standing| Standing {
                name: s.about.name,
                reading: s.reading,
                since: s.since,
            };
            self.0.snapshot().await.into_iter().map(standing).collect()
        })
    }
}

/// What reef itself used, with what its tick loop counted.
pub fn own(pulse: &Pulse, started_at: Millis) -> Own {
    Own {
        looks: Pulse::count(&pulse.looks),
        late: Pulse::count(&pulse.late),
        missed: Pulse::count(&pulse.missed),
        failed: Pulse::count(&pulse.timed_out) + Pulse::count(&pulse.broken),
        ..Own::of_this_process(started_at)
    }
}

/// The page's view of the daemon.
#[derive(Debug)]
pub struct Page {
    pub operator: Arc<Operator>,
    pub pulse: Arc<Pulse>,
}

/// The loop may be this far behind its own appointment.
const GRACE: Span = Span::secs(15);

impl Site for Page {
    fn status(&self) -> Fut<'_, Result<Status, String>> {
        Box::pin(async move { self.operator.status().await.map_err(|refusal| refusal.why) })
    }

    fn report(&self) -> Fut<'_, Result<String, String>> {
        Box::pin(async move { self.operator.reporter.latest().await.map_err(|e| format!("{e:#}")) })
    }

    fn metrics(&self) -> Fut<'_, Metrics> {
        Box::pin(async move {
            let own = own(&self.pulse, self.operator.started_at);
            let signals = self.operator.signals().await;
            Metrics::gather(&self.operator.runner.store, &self.pulse, own, signals).await
        })
    }

    fn ping(&self, name: String, report: Report, said: String) -> Fut<'_, Result<String, String>> {
        Box::pin(async move {
            let heard = self.operator.ping(&name, report, &said).await;
            heard.map(|done| done.words).map_err(|refusal| refusal.why)
        })
    }

    fn healthy(&self) -> bool {
        self.pulse.alive(self.operator.runner.clock.now(), GRACE)
    }
}
