//! A report as Markdown that reads in a terminal as it is.

use crate::clock::zone::Zone;
use crate::model::approval::ApprovalState;
use crate::model::time::{Millis, Span};
use crate::model::value::human_bytes;
use crate::report::amounts::{growth, money, shown};
use crate::report::anchors;
use crate::report::morning::{
    Alike, Blind, Certificate, Chain, Consent, Fix, How, Listed, Morning, Need, Question, Recorded,
    Rise, Shadowed, Stands, Trends,
};
use crate::report::plain::{command, counted, grouped, plain, wrap};
use crate::report::trends::WEEK;
use crate::report::{opening, waiting};

/// Renders a report. Sections without anything to say are left out; the opening and the cost stay.
pub fn render(morning: &Morning, zone: &Zone) -> String {
    let page = Page { now: morning.until, zone: *zone };
    let mut out = page.opening(morning);
    page.section(&mut out, "Needs you", &morning.needs, "reef status", |need| page.need(need));
    page.section(&mut out, "Fixed and proven", &morning.fixed, "reef audit list", |fix| {
        page.fix(fix)
    });
    page.section(
        &mut out,
        "Held, or only recorded",
        &morning.recorded,
        "reef incidents --all",
        |recorded| page.recorded(recorded),
    );
    page.section(
        &mut out,
        "What you did, beside what reef would have",
        &morning.shadows,
        "reef runbook promote NAME",
        |s| page.shadow(s),
    );
    page.section(&mut out, "Asked", &morning.asked, "reef approvals --all", |q| page.asked(q));
    page.section(&mut out, "Could not see", &morning.blind, "reef status", |b| page.blind(b));
    page.trends(&mut out, &morning.trends);
    page.section(&mut out, "Certificates", &morning.certificates, "reef status", certificate);
    if let Some(line) = waiting::line_of_week(morning, *zone) {
        out.push_str(&format!("\n## Updates\n{}", wrap("- ", &line)));
    }
    page.cost(&mut out, morning);
    out
}

/// `08:41`; with its day where that is not today's.
pub(super) fn when(at: Millis, now: Millis, zone: Zone) -> String {
    if zone.day(at) == zone.day(now) {
        return zone.hm(at);
    }
    let day = zone.weekday_day_month(at);
    let short: Vec<&str> = day.split(' ').take(3).collect();
    format!("{} {}", short.join(" "), zone.hm(at))
}

struct Page {
    now: Millis,
    zone: Zone,
}

impl Page {
    fn at(&self, at: Millis) -> String {
        when(at, self.now, self.zone)
    }

    fn opening(&self, morning: &Morning) -> String {
        let written = morning.written_at;
        let mut times = format!("written {}", self.zone.hm(written));
        let updated = morning.updated_at.filter(|at| self.zone.hm(*at) != self.zone.hm(written));
        if let Some(updated) = updated {
            times.push_str(&format!(", brought up to date {}", self.zone.hm(updated)));
        }
        let mut out = format!("# {} ({times})\n\n", self.zone.weekday_day_month(written));
        let words = format!("**{}. {}**", opening::needs(morning), opening::signals(morning));
        out.push_str(&wrap("", &words));
        if let Some(paused) = &morning.paused {
            out.push('\n');
            let words = format!("Paused: nothing above low is done. {}", plain(paused));
            out.push_str(&wrap("", &words));
        }
        out
    }

    fn section<T>(
        &self,
        out: &mut String,
        title: &str,
        list: &Listed<T>,
        all: &str,
        line: impl Fn(&T) -> String,
    ) {
        if list.is_empty() {
            return;
        }
        out.push_str(&format!("\n## {title}\n"));
        for entry in &list.shown {
            out.push_str(&wrap("- ", &line(entry)));
        }
        if 0 < list.more {
            out.push_str(&format!("- and {} more: `{all}`\n", grouped(list.more as u64)));
        }
    }

    fn need(&self, need: &Need) -> String {
        match need {
            Need::Chain { seq, why } => format!(
                "**The audit log does not hold at record {seq}**: {}. {}",
                plain(why),
                command("reef audit verify")
            ),
            Need::Breaker { what, words } => format!(
                "**reef stopped acting: {}**, {}, because it failed too often. {} lets it pass",
                plain(what),
                plain(words),
                command("reef resume")
            ),
            Need::Patched { words } => {
                format!("**Patched is not solved**: {}", plain(words))
            }
            Need::Trouble { what } => format!("**This report is not whole**: {}", plain(what)),
            Need::Hold { by } => {
                let by: Vec<String> = by.iter().map(|signal| plain(signal)).collect();
                format!(
                    "**Several independent reds hold all actions**: {}. {} when you know why",
                    by.join(", "),
                    command("reef resume")
                )
            }
            Need::Approve { id, question, choices, tier, expires_at } => {
                let mut words = format!("**{}** ({tier})", plain(question));
                match choices.len() {
                    0 | 1 => {
                        words.push_str(&format!(" {},", command(&format!("reef approve {id}"))));
                    }
                    _ => {
                        for (n, say) in choices.iter().enumerate() {
                            let yes = command(&format!("reef approve {id} {}", n + 1));
                            words.push_str(&format!(" {}: {yes},", plain(say)));
                        }
                    }
                }
                words + &format!(" until {}; silence means no", self.at(*expires_at))
            }
            Need::Settle { id, call, at } => format!(
                "**{} at {} may or may not have happened.** Look, then {}",
                plain(call),
                self.at(*at),
                command(&format!("reef settle {id} ran|did-not-run --note HOW"))
            ),
            Need::Incident { id, severity, signal, words, since, stands, why } => {
                let (signal, words, why) = (plain(signal), plain(words), plain(why));
                let lead = match stands {
                    Stands::Escalated => "",
                    Stands::Held => "Held: ",
                    Stands::Observed => "Leash observe; would have: ",
                };
                let words = if words.is_empty() { String::new() } else { format!(": {words}") };
                format!(
                    "**{severity} {signal}{words}**, since {}. {lead}{why} ({id}, {})",
                    self.at(*since),
                    command(&format!("reef ack {id}"))
                )
            }
        }
    }

    fn fix(&self, fix: &Fix) -> String {
        let mut words = format!("{} {}", self.at(fix.at), plain(&fix.signal));
        if let Some(book) = &fix.runbook {
            words.push_str(&format!(": {}", plain(book)));
        }
        words.push_str(match fix.consent {
            Consent::Approval => " on your approval",
            Consent::Leash => "",
        });
        if !fix.did.is_empty() {
            let did: Vec<String> = fix.did.iter().map(|said| plain(said)).collect();
            words.push_str(&format!("; {}", did.join("; ")));
        }
        if let (Some(lasted), Some(severity)) = (fix.lasted, fix.severity) {
            words.push_str(&format!("; {severity} for {lasted}"));
        }
        words.push_str(&format!(". Proven: {}", plain(&fix.proof)));
        if let Some(since) = fix.green_since {
            words.push_str(&format!(", green for {} now", self.now.since(since)));
        }
        words
    }

    fn recorded(&self, recorded: &Recorded) -> String {
        let Recorded { from, to, severity, what, words, how } = recorded;
        let (what, words) = (plain(what), plain(words));
        let span = match to {
            Some(to) => format!("{}-{}", self.at(*from), self.zone.hm(*to)),
            None => self.at(*from),
        };
        let what = if words.is_empty() { what } else { format!("{what}: {words}") };
        match how {
            How::Observed { would } => {
                format!("{span} {severity} {what}. Leash observe; would have: {}", plain(would))
            }
            How::Explained { by, n } => {
                format!("{span} {} explained by {}: {what}", counted(*n, "other"), plain(by))
            }
            How::Acknowledged { at, why } => {
                format!("{span} {severity} {what}. You know since {}: {}", self.at(*at), plain(why))
            }
            How::UnderWay => format!("{span} {severity} {what}. Still open, reef is at it"),
            How::ByItself { tried: None } => format!("{span} {severity} {what}. Back by itself"),
            How::ByItself { tried: Some(tried) } => {
                format!(
                    "{span} {severity} {what}. Back by itself; reef's own try: {}",
                    plain(tried)
                )
            }
            How::Refused { why, times } => {
                let times = if 1 < *times { format!(", {times} times") } else { String::new() };
                format!("{span} refused{times}: {what}: {}", plain(why))
            }
        }
    }

    /// `08:41 service-failed on mini: you did the same. restart: restarted by hand. 3 of 4 alike`.
    fn shadow(&self, shadow: &Shadowed) -> String {
        let Shadowed { at, runbook, host, alike, words, matched, of } = shadow;
        let alike = match alike {
            Alike::Yes => "you did the same",
            Alike::No => "you did something else, or it came back by itself",
            Alike::Unclear => "nobody can tell what you did",
        };
        let rate = if *of == 0 { String::new() } else { format!(". {matched} of {of} alike") };
        format!(
            "{} {} on {host}: {alike} ({}){rate}: {}",
            self.at(*at),
            plain(runbook),
            plain(words),
            command(&format!("reef runbook promote {runbook} {host}"))
        )
    }

    fn asked(&self, question: &Question) -> String {
        let Question { id, question, expires_at, state, .. } = question;
        let line = plain(question.lines().next().unwrap_or_default());
        let became = match state {
            ApprovalState::Pending => format!("pending until {}", self.at(*expires_at)),
            ApprovalState::Approved { by, at, .. } => {
                format!("approved {} by {}, not begun yet", self.at(*at), plain(by))
            }
            ApprovalState::Used { at } => format!("approved, and done {}", self.at(*at)),
            ApprovalState::Denied { by, at } => {
                format!("denied {} by {}", self.at(*at), plain(by))
            }
            ApprovalState::Expired { at } => {
                let again = command(&format!("reef approvals renew {id}"));
                format!("expired {}, so it was not done ({again} asks again)", self.at(*at))
            }
            ApprovalState::Void { why, at } => format!("void {}: {}", self.at(*at), plain(why)),
        };
        format!("{id} {became}: {line}")
    }

    fn blind(&self, blind: &Blind) -> String {
        let mut words = plain(&blind.signal);
        match blind.to {
            Some(to) => {
                words.push_str(&format!(": from {} to {}", self.at(blind.from), self.at(to)));
            }
            None => {
                let span = self.now.since(blind.from);
                words.push_str(&format!(": for {span}, since {}", self.at(blind.from)));
            }
        }
        if !blind.why.is_empty() {
            words.push_str(&format!(" ({})", plain(&blind.why)));
        }
        words
    }

    fn trends(&self, out: &mut String, trends: &Trends) {
        let enough = WEEK <= trends.days;
        if enough && trends.volumes.is_empty() && trends.rising.is_empty() {
            return;
        }
        out.push_str("\n## Drifting\n");
        if !enough {
            let mut words =
                format!("Nothing to say yet: {} of {WEEK} days of readings.", trends.days);
            if let Some(first) = trends.volumes.first() {
                words.push_str(&format!(" First look: {}", growth(first)));
            }
            return out.push_str(&wrap("- ", &words));
        }
        for volume in &trends.volumes {
            out.push_str(&wrap("- ", &growth(volume)));
        }
        for rising in &trends.rising {
            out.push_str(&wrap("- ", &self.rise(rising)));
        }
    }

    /// `http mini:jellyfin ms: 100 ms to 160 ms since Tue 3 March 08:00; image changed: 1 -> 2 (07:52)`.
    fn rise(&self, rise: &Rise) -> String {
        let (from, to) = (shown(rise.from, rise.unit), shown(rise.to, rise.unit));
        let when = match rise.since {
            Some(since) => format!("since {}", self.at(since)),
            None => format!("in {}", counted(u64::from(rise.days), "day")),
        };
        let change = match &rise.change {
            Some(change) => format!("; {} ({})", plain(&change.what), self.at(change.at)),
            None => String::new(),
        };
        format!("{}: {from} to {to} {when}{change}", plain(&rise.signal))
    }

    fn cost(&self, out: &mut String, morning: &Morning) {
        let (cost, own) = (morning.cost, &morning.own);
        out.push_str("\n## Cost and self\n");
        let mut line = format!(
            "{}, {}, {}",
            counted(cost.probes, "probe"),
            counted(cost.model_calls, "model call"),
            money(cost.micros)
        );
        if 0 < cost.tokens {
            line.push_str(&format!(" ({})", counted(cost.tokens, "token")));
        }
        line.push_str(&format!(
            " · {} · {}",
            counted(cost.actions, "action"),
            counted(cost.messages, "message")
        ));
        if 0 < cost.drills {
            line.push_str(&format!(" · {} of drills", counted(cost.drills, "action")));
        }
        out.push_str(&wrap("- ", &line));
        let chain = match morning.audit.chain {
            Chain::Ok => "chain ok",
            Chain::Broken => "chain BROKEN",
            Chain::Unknown => "chain not proven",
        };
        out.push_str(&format!("{}{}, {chain}", anchors::AUDIT, counted(morning.audit.rows, "row")));
        match morning.audit.head {
            Some(head) => out.push_str(&format!(",\n{}\n", anchors::line(head))),
            None => out.push('\n'),
        }
        let known = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".into(), human_bytes);
        let cpu = own.cpu.map_or_else(|| "unknown".into(), |cpu: Span| cpu.to_string());
        let line = format!(
            "reef: {}, {cpu} of CPU, {} written in {} · {}, {} missed, {} failed · {} lost",
            known(own.memory),
            known(own.written),
            self.now.since(own.started_at),
            counted(own.late, "late look"),
            grouped(own.missed),
            grouped(own.failed),
            counted(cost.lost, "notification"),
        );
        out.push_str(&wrap("- ", &line));
    }
}

fn certificate(certificate: &Certificate) -> String {
    let Certificate { name, days } = certificate;
    match days {
        0.. => format!("{}: {} left", plain(name), counted(days.unsigned_abs(), "day")),
        ..0 => format!("**{} expired {} ago**", plain(name), counted(days.unsigned_abs(), "day")),
    }
}
