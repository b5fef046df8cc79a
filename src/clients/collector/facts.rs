//! Which sections answer which fact, and how what they print is read.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::collector::followed::{Journal, Tail};
use crate::clients::collector::volumes::Hanging;
use crate::clients::collector::{
    Arg, Ask, Piece, Printed, guard, listings, processes, renewals, sections, volumes,
};
use crate::clients::docker::printed;
use crate::clients::host::lines::Errors;
use crate::clients::host::scan::Scan;
use crate::clients::host::{
    arrays, drives, guarded, hands, pace, pools, proc, sensors, systemd, upkeep,
};
use crate::model::fact::{Fact, FactValue, Facts, NoFact, OomKills};
use crate::model::ids::UnitName;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::policy::redact::Redactor;

/// What is kept of a host from collection to collection.
#[derive(Debug, Default)]
pub struct Kept {
    scan: Scan,
    kills: Option<OomKills>,
    journal: Journal,
    logins: guard::Read,
    tails: BTreeMap<AbsPath, Tail>,
    hanging: Hanging,
    could_write: BTreeSet<AbsPath>,
    /// Where compose files lie that no container names.
    stacks: Vec<String>,
    /// Built when a log is first followed: the patterns take memory.
    errors: Option<Errors>,
}

/// Whose clock the host's is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The host is the machine that reef runs on.
    Own,
    Another,
}

/// What an answer is read with.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    pub now: Millis,
    pub redactor: &'a Redactor,
    pub whose: Whose,
}

impl Kept {
    pub fn with_stacks(stacks: Vec<String>) -> Self {
        Self { stacks, ..Self::default() }
    }

    /// What to ask for these facts: what the kernel answers first, so that it is there if the rest is cut
    /// off.
    pub fn asks(&mut self, wanted: &BTreeSet<Fact>) -> Vec<Ask> {
        let (quick, slow): (Vec<&Fact>, Vec<&Fact>) =
            wanted.iter().partition(|f| pace::is_quick(f));
        let units = units(wanted);
        let mut asks = Vec::new();
        for fact in quick.into_iter().chain(slow) {
            if let Fact::FileLines(path) = fact {
                let tail = self.tails.entry(path.clone());
                asks.push(tail.or_insert_with(|| Tail::new(path.clone())).ask());
                continue;
            }
            if fact.unit().is_some() {
                asks.extend(units.clone());
                continue;
            }
            asks.push(self.ask(fact));
            if *fact == Fact::Hands {
                asks.extend([Ask::of(sections::PEOPLE), Ask::of(sections::BOOT)]);
            }
            if *fact == Fact::Memory {
                asks.push(Ask::of(sections::ARCSTATS));
            } else if *fact == Fact::Volumes {
                asks.push(self.served());
            }
        }
        asks
    }

    /// The one section of a fact.
    fn ask(&self, fact: &Fact) -> Ask {
        match fact {
            Fact::Memory => Ask::of(sections::MEMINFO),
            Fact::Volumes => Ask::of(sections::VOLUMES),
            Fact::Folder(path) | Fact::Newest(path) => Ask::with(sections::BELOW, Arg::path(path)),
            Fact::Pressure => Ask::of(sections::PRESSURE),
            Fact::OomKills => {
                let known = self.kills.as_ref().map(|kills| kills.host.to_string());
                Ask::with(sections::OOM, Arg::word(known.as_deref().unwrap_or("-")))
            }
            Fact::Cpu => Ask::of(sections::CPU),
            Fact::Interfaces => Ask::of(sections::INTERFACES),
            Fact::Uptime => Ask::of(sections::UPTIME),
            Fact::Unit(name) => Ask::with(sections::UNITS, Arg::units([name].into_iter())),
            Fact::FailedUnits => Ask::of(sections::FAILED),
            Fact::Processes(_) | Fact::Busiest | Fact::Hands => Ask::of(sections::PROCESSES),
            Fact::JournalErrors => self.journal.ask(),
            Fact::FileLines(path) => Tail::new(path.clone()).ask(),
            Fact::Containers => Ask::of(sections::CONTAINERS),
            Fact::Stacks => Ask::with(sections::STACKS, Arg::places(&self.stacks)),
            Fact::Swarm => Ask::of(sections::SWARM),
            Fact::Drives => Ask::of(sections::SMART),
            Fact::Pools => Ask::of(sections::POOLS),
            Fact::Arrays => Ask::of(sections::ARRAYS),
            Fact::TimeSync => Ask::of(sections::TIME),
            Fact::Updates => Ask::of(sections::UPDATES),
            Fact::Sensors => Ask::of(sections::SENSORS),
            Fact::Boot => Ask::of(sections::BOOT),
            Fact::Logins(_) => self.logins.ask(),
            Fact::Listening => guard::ports(),
            Fact::Guarded(_) => Ask::of(sections::GUARDED),
            Fact::Renewals => Ask::of(sections::RENEWALS),
            Fact::Files(listing) => listings::ask(listing),
        }
    }

    fn served(&self) -> Ask {
        Ask::with(sections::SERVED, Arg::hanging(self.hanging.pending()))
    }

    /// Answers every wanted fact from what came back. `self` must be as it was when [`Kept::asks`] asked.
    pub fn answer(
        &mut self,
        wanted: &BTreeSet<Fact>,
        printed: &Printed,
        with: Reading<'_>,
    ) -> Facts {
        let mut facts = Facts::new();
        let is_scan = |fact: &&Fact| matches!(fact, Fact::Processes(_) | Fact::Busiest);
        let table = wanted.iter().any(|fact| is_scan(&fact)).then(|| {
            let piece = printed.good(&Ask::of(sections::PROCESSES))?;
            Ok::<_, NoFact>(processes::read(piece, &mut self.scan))
        });
        let units = units(wanted);
        for fact in wanted {
            let found = match (fact, &table) {
                (Fact::Processes(_) | Fact::Busiest, None) => continue,
                (Fact::Processes(_) | Fact::Busiest, Some(Err(why))) => Err(why.clone()),
                (Fact::Processes(name), Some(Ok(table))) => {
                    let found = self.scan.matching(name, |pid| table.program(pid));
                    Ok(FactValue::Processes(table.with_owners(found)))
                }
                (Fact::Busiest, Some(Ok(table))) => {
                    Ok(FactValue::Busiest(table.with_owners(self.scan.top())))
                }
                (Fact::Unit(name), _) => {
                    let piece = units.clone().ok_or_else(odd).and_then(|ask| printed.good(&ask));
                    piece.and_then(|piece| unit(piece, wanted, name, with.now))
                }
                (Fact::Volumes, _) => self.volumes(printed),
                (Fact::OomKills, _) => self.kills(printed),
                (Fact::JournalErrors, _) => {
                    let piece = printed.piece(&self.journal.ask());
                    piece.and_then(|p| self.journal.look(p, with.redactor)).map(FactValue::Lines)
                }
                (Fact::FileLines(path), _) => self.lines(path, printed, with.redactor),
                (Fact::Logins(_), _) => {
                    let piece = printed.good(&self.logins.ask());
                    piece.and_then(|piece| self.logins.look(piece)).map(FactValue::Logins)
                }
                (fact, _) => one(fact, &self.ask(fact), printed, with),
            };
            facts.insert(fact.clone(), found);
        }
        facts
    }

    fn volumes(&mut self, printed: &Printed) -> Result<FactValue, NoFact> {
        let piece = printed.good(&Ask::of(sections::VOLUMES))?;
        let mut found = volumes::local(piece, &mut self.could_write);
        if piece.has("blocks") && piece.bytes("blocks").is_empty() {
            return Err(NoFact::Failed("df printed nothing there".into()));
        }
        // An older collector, or one that was cut off here, still tells of the local volumes.
        if let Ok(served) = printed.good(&self.served()) {
            found.extend(volumes::served(served, &piece.text("mountinfo"), &mut self.hanging));
        }
        Ok(FactValue::Volumes(found))
    }

    fn kills(&mut self, printed: &Printed) -> Result<FactValue, NoFact> {
        let piece = printed.piece(&self.ask(&Fact::OomKills))?;
        let host = proc::counter(&piece.text(""), "oom_kill").ok_or_else(|| {
            NoFact::Failed("the host did not print its count of OOM kills".into())
        })?;
        if let Some(known) = &self.kills
            && known.host == host
        {
            return Ok(FactValue::OomKills(known.clone()));
        }
        let mut cgroups = BTreeMap::new();
        for line in piece.text("cgroups").lines() {
            // `/sys/fs/cgroup/a/b.service/memory.events:oom_kill 2`
            let Some((file, count)) = line.rsplit_once(":oom_kill ") else { continue };
            let below = file.trim_start_matches("/sys/fs/cgroup");
            let below = below.strip_prefix("/memory/").map_or(below, |v1| v1);
            let Some((folder, _)) = below.rsplit_once('/') else { continue };
            if let Ok(count) = count.trim().parse() {
                cgroups.insert(format!("/{}", folder.trim_start_matches('/')), count);
            }
        }
        let kills = OomKills { host, cgroups };
        self.kills = Some(kills.clone());
        Ok(FactValue::OomKills(kills))
    }

    fn lines(
        &mut self,
        path: &AbsPath,
        printed: &Printed,
        redactor: &Redactor,
    ) -> Result<FactValue, NoFact> {
        if self.errors.is_none() {
            self.errors = Some(Errors::new().map_err(|why| NoFact::Failed(why.to_string()))?);
        }
        let (Some(tail), Some(errors)) = (self.tails.get_mut(path), &self.errors) else {
            return Err(odd());
        };
        let piece = printed.good(&tail.ask())?;
        tail.look(piece, errors, redactor).map(FactValue::Lines)
    }
}

fn odd() -> NoFact {
    NoFact::Failed("the host was not asked for it".into())
}

/// One section for all units that are wanted.
fn units(wanted: &BTreeSet<Fact>) -> Option<Ask> {
    let names: Vec<&UnitName> = names(wanted).collect();
    (!names.is_empty()).then(|| Ask::with(sections::UNITS, Arg::units(names.into_iter())))
}

fn names(wanted: &BTreeSet<Fact>) -> impl Iterator<Item = &UnitName> {
    wanted.iter().filter_map(Fact::unit)
}

fn shown(piece: &Piece, now: Millis) -> Result<Vec<crate::model::fact::Unit>, NoFact> {
    let monotonic = proc::uptime(&piece.text("uptime")).map_err(NoFact::Failed)?;
    Ok(systemd::parse_show(&piece.text("units"), systemd::Now { wall: now, monotonic }))
}

fn unit(
    piece: &Piece,
    wanted: &BTreeSet<Fact>,
    name: &UnitName,
    now: Millis,
) -> Result<FactValue, NoFact> {
    let units = shown(piece, now)?;
    let n = names(wanted).count();
    if units.len() != n {
        return Err(NoFact::Failed(format!(
            "systemctl told of {} units where {n} were asked for",
            units.len()
        )));
    }
    let at = names(wanted).position(|other| other == name);
    at.and_then(|at| units.into_iter().nth(at)).map(FactValue::Unit).ok_or_else(odd)
}

/// A fact that needs nothing but its section.
#[expect(clippy::too_many_lines, reason = "one arm a fact")]
fn one(fact: &Fact, ask: &Ask, printed: &Printed, with: Reading<'_>) -> Result<FactValue, NoFact> {
    let good = || printed.good(ask);
    match fact {
        Fact::Memory => {
            let meminfo = good()?.text("");
            let arc = printed.good(&Ask::of(sections::ARCSTATS)).ok().map(|piece| piece.text(""));
            let memory = proc::memory(&meminfo, arc.as_deref());
            memory.map(FactValue::Memory).map_err(NoFact::Failed)
        }
        Fact::Pressure => {
            let piece = good()?;
            let (cpu, memory, io) = (piece.text("cpu"), piece.text("memory"), piece.text("io"));
            proc::pressure(&cpu, &memory, &io).map(FactValue::Pressure).map_err(NoFact::Failed)
        }
        Fact::Cpu => {
            let piece = good()?;
            let cpu = proc::cpu(&piece.text("loadavg"), &piece.text("stat"));
            cpu.map(FactValue::Cpu).map_err(NoFact::Failed)
        }
        Fact::Interfaces => Ok(FactValue::Interfaces(proc::interfaces(&good()?.text("")))),
        Fact::Uptime => {
            proc::uptime(&good()?.text("")).map(FactValue::Uptime).map_err(NoFact::Failed)
        }
        Fact::Hands => {
            let mut table = processes::hands(good()?);
            // An older collector tells no names, which is no reason to tell nothing.
            let text = |section| printed.good(&Ask::of(section)).map(|p| p.text("")).ok();
            table.names = text(sections::PEOPLE).map(|t| hands::names(&t)).unwrap_or_default();
            table.booted_at = text(sections::BOOT).as_deref().and_then(hands::booted);
            Ok(FactValue::Hands(hands::judge(&table, None)))
        }
        Fact::Boot => upkeep::boot(&good()?.text("")).map(FactValue::Boot).map_err(NoFact::Failed),
        Fact::FailedUnits => {
            let mut units = shown(good()?, with.now)?;
            // One that was started meanwhile is not failed.
            units.retain(|unit| unit.active == "failed");
            Ok(FactValue::FailedUnits(units))
        }
        Fact::Folder(_) | Fact::Newest(_) => {
            let below = upkeep::below(&good()?.text(""))?;
            if matches!(fact, Fact::Folder(_)) {
                return Ok(FactValue::Folder { bytes: below.bytes, files: below.files });
            }
            Ok(FactValue::Newest(below.newest()))
        }
        Fact::Containers => printed::containers(good()?).map(FactValue::Containers),
        Fact::Stacks => {
            let containers = printed.good(&Ask::of(sections::CONTAINERS))?;
            let containers = printed::containers(containers)?;
            Ok(FactValue::Stacks(printed::stacks(&containers, good()?)))
        }
        Fact::Swarm => match printed::swarm(good()) {
            Ok(swarm) => Ok(FactValue::Swarm(swarm)),
            Err(why) => Err(why),
        },
        Fact::Drives => Ok(FactValue::Drives(drives::read(good()?.all("disk=")))),
        Fact::Pools => {
            let piece = good()?;
            let pools = pools::read(&piece.text("list"), &piece.text("status"));
            pools.map(FactValue::Pools).map_err(NoFact::Failed)
        }
        Fact::Arrays => Ok(FactValue::Arrays(arrays::read(&good()?.text("")))),
        Fact::TimeSync => {
            let piece = good()?;
            let host = piece.text("now").trim().parse().ok().map(|secs: i64| Millis(secs * 1_000));
            let apart = match with.whose {
                Whose::Own => None,
                Whose::Another => host.map(|host| host.since(with.now)),
            };
            let part = |name: &str| piece.has(name).then(|| piece.text(name));
            let told = upkeep::Told {
                chrony: part("chrony"),
                timedatectl: part("timedatectl"),
                adjtimex: part("adjtimex"),
            };
            Ok(FactValue::TimeSync(upkeep::time(&told, apart.map(Span::as_secs_f64))))
        }
        Fact::Updates => {
            let piece = good()?;
            let told: Vec<(&str, String)> = piece.all("").collect();
            Ok(FactValue::Updates(upkeep::updates(&told)))
        }
        Fact::Sensors => Ok(FactValue::Sensors(sensors::read(&good()?.text("")))),
        Fact::Listening => guard::listens(good()?),
        Fact::Renewals => renewals::read(good()?),
        Fact::Files(listing) => listings::read(listing, good()?),
        Fact::Guarded(_) => Ok(FactValue::Guarded(guarded::printed(&good()?.text("")))),
        Fact::Volumes
        | Fact::OomKills
        | Fact::Unit(_)
        | Fact::Processes(_)
        | Fact::Busiest
        | Fact::JournalErrors
        | Fact::Logins(_)
        | Fact::FileLines(_) => Err(odd()),
    }
}
