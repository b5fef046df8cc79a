//! Each rendering held against what a human should see: the files beside this one.

use crate::cli::page::{Detail, Page, Paint};
use crate::cli::tests::views::{self, NOW, ago, all_green, morning, record, signalled};
use crate::cli::when::When;
use crate::cli::{
    approvals, approve, audit, check, config, drill, incidents, left, promote, run, runbook,
    status, tools,
};
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::globals::Globals;
use crate::config::section::Reader;
use crate::model::approval::ApprovalState;
use crate::model::audit::{AuditKind, AuditPayload};
use crate::model::digest::Digest;
use crate::model::ids::{ActionId, RunId, RunbookName};
use crate::model::incident::IncidentState;
use crate::model::severity::Severity;
use crate::model::time::Span;
use crate::model::tool::Tier;
use crate::operator::view::{
    Approvals, AuditEntryView, AuditPage, AuditProof, Check, DrillState, Incidents, Left, Record,
    RecordRow, RunbookRow, Runbooks, Tested, ToolRow, Tools,
};

const SCREEN: Page = Page { width: 80, ..Page::PIPE };
const WIDE: Page = Page::PIPE;

/// Compares with `golden/NAME.txt`. Where there is no such file it is written, and the test fails once:
/// look at it, then run again.
#[track_caller]
fn golden(name: &str, got: &str) {
    for line in got.lines() {
        assert_eq!(line, line.trim_end(), "a line ends in white space");
    }
    let file = format!("{}/src/cli/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    match std::fs::read_to_string(&file) {
        Ok(want) => assert!(got == want, "{name} is now:\n{got}\nit was to be:\n{want}"),
        Err(_) => {
            std::fs::create_dir_all(std::path::Path::new(&file).parent().unwrap()).unwrap();
            std::fs::write(&file, got).unwrap();
            panic!("{file} is new: look at it, then run again\n{got}");
        }
    }
}

fn fits(text: &str, page: &Page) {
    let wide: Vec<&str> = text.lines().filter(|line| page.width < line.chars().count()).collect();
    assert!(wide.is_empty(), "wider than {}: {wide:#?}", page.width);
}

#[test]
fn a_status_with_nothing_to_do_is_short() {
    let text = status::render(&all_green(), &SCREEN);
    assert!(text.starts_with("Nothing needs you.\n"));
    golden("status-green", &text);
}

#[test]
fn a_status_says_first_what_needs_a_human() {
    golden("status-morning", &status::render(&morning(), &WIDE));
    let narrow = status::render(&morning(), &SCREEN);
    fits(&narrow, &SCREEN);
    golden("status-morning-80", &narrow);
    let tiny = Page { width: 60, ..Page::PIPE };
    let text = status::render(&morning(), &tiny);
    fits(&text, &tiny);
    assert!(text.contains("reef approve A-17\n"), "what is to be typed is never cut:\n{text}");
}

/// Everything at once: paused, held, unknown, escalated, broken.
fn bad_day() -> crate::operator::view::Status {
    let mut status = morning();
    status.hold = Some(vec!["disk nas:/ bytes".into(), "host pve1 ping".into()]);
    status.paused = Some("operator uid 1000: working on the switch".into());
    status.unknown_actions = vec![ActionId(31)];
    status.breakers = vec![
        ("unit.restart nas:unit:nginx.service".into(), "waits for you".into()),
        ("files.compress mini:/var/log".into(), "paused until 09:20".into()),
    ];
    status.troubles = vec!["the last write to the store failed: disk I/O error".into()];
    status.findings = vec!["/etc/reef/config.toml:3: token: is written out".into()];
    status.messages_waiting = 2;
    let escalated = IncidentState::Escalated { why: "no runbook answers it".into() };
    let mut own = views::incident(44, &status.signals[2].reading, escalated);
    own.severity = Severity::Yellow;
    status.incidents.push(own);
    for n in 0..40 {
        let (name, target) = (format!("http.site{n}"), format!("nas:endpoint:site{n}"));
        let severity = [Severity::Red, Severity::Yellow, Severity::Unknown][n % 3];
        status.signals.push(signalled(&name, &target, severity, "connection refused, 3 of 3"));
    }
    status
}

#[test]
fn even_a_bad_day_fits_one_screen() {
    let text = status::render(&bad_day(), &SCREEN);
    fits(&text, &SCREEN);
    assert!(text.lines().count() <= 23, "{} lines:\n{text}", text.lines().count());
    golden("status-bad-day", &text);
    let full = status::render(&bad_day(), &Page { detail: Detail::Full, ..SCREEN });
    assert!(full.contains("http site39") && !full.contains("more:"), "{full}");
}

#[test]
fn unknown_is_never_green() {
    let mut status = all_green();
    status.signals[0] = signalled("disk", "mini:/", Severity::Unknown, "cannot be read");
    let text = status::render(&status, &SCREEN);
    assert!(text.contains("unknown  1  disk /  cannot be read since 08:41"), "{text}");
    assert!(text.contains("green   17  mini 17 of 18"), "{text}");
    status.signals.clear();
    let text = status::render(&status, &SCREEN);
    assert!(text.contains("nothing is watched yet") && !text.contains("green"), "{text}");
}

#[test]
fn what_reef_may_do_is_said_as_it_is() {
    let mut status = all_green();
    let acting = |status: &crate::operator::view::Status| {
        let text = status::render(status, &WIDE);
        let line = text.lines().find(|line| line.starts_with("acting: ")).unwrap().to_owned();
        line.split(" · ").next().unwrap().to_owned()
    };
    assert_eq!(acting(&status), "acting: no (leash observe: only recorded)");
    status.ceiling = crate::model::plan::Leash::Auto;
    assert_eq!(acting(&status), "acting: yes (auto)");
    status.hold = Some(vec![]);
    assert_eq!(acting(&status), "acting: no (held)");
    status.paused = Some("me".into());
    assert_eq!(acting(&status), "acting: no (paused)");
    status.dry_run = true;
    assert_eq!(acting(&status), "acting: no (dry run: only recorded)");
}

#[test]
fn two_aspects_of_one_thing_are_told_apart() {
    let mut status = all_green();
    status.signals = vec![
        signalled("disk", "mini:/", Severity::Red, "97 %"),
        signalled("disk", "mini:/", Severity::Yellow, "88 % of inodes"),
    ];
    let text = status::render(&status, &WIDE);
    assert!(text.contains("disk / status") && text.contains("disk / inodes"), "{text}");
}

#[test]
fn a_check_lists_what_is_not_green() {
    let check = |signals| Check {
        now: NOW,
        zone: "Europe/Berlin".into(),
        signals,
        absent: vec![],
        took: Span(212),
    };
    let all = check(morning().signals);
    golden("check", &check::render(&all, &SCREEN));
    let full = check::render(&all, &Page { detail: Detail::Full, ..SCREEN });
    assert_eq!(full.lines().filter(|line| line.starts_with("green ")).count(), 32);
    golden("check-green", &check::render(&check(all_green().signals), &SCREEN));
    assert_eq!(check::render(&check(vec![]), &SCREEN), "nothing is watched; looked in 212 ms\n");
}

#[test]
fn questions_are_shown_with_what_to_type() {
    let view = |approvals| Approvals { zone: "Europe/Berlin".into(), now: NOW, approvals };
    let mut denied = views::question(16, RunId(8));
    denied.state = ApprovalState::Denied { by: "operator uid 1000".into(), at: ago(Span::days(1)) };
    let approvals = vec![views::choices(18), views::question(17, RunId(9)), denied];
    golden("approvals", &approvals::render(&view(approvals), &SCREEN));
    assert_eq!(approvals::render(&view(vec![]), &SCREEN), "no questions\n");

    let when = When::new("Europe/Berlin", NOW);
    golden("approve-one", &approve::question(&views::question(17, RunId(9)), &SCREEN, &when));
    golden("approve-choices", &approve::question(&views::choices(18), &SCREEN, &when));
    // A question that spells its plan out is not followed by it again.
    let mut told = views::question(17, RunId(9));
    told.question = format!("because\n{}", crate::gate::words::plan(&views::plan(Tier::High)));
    let text = approve::question(&told, &WIDE, &when);
    assert_eq!(text.matches("compress 38 files").count(), 1, "{text}");
}

#[test]
fn incidents_are_a_table() {
    let status = bad_day();
    let mut over = status.incidents[0].clone();
    over.state = IncidentState::Resolved { at: ago(Span::mins(2)) };
    let mut known = status.incidents[1].clone();
    known.acknowledged_at = Some(NOW);
    let by = status.signals[0].reading.signal.clone();
    let mut child = status.incidents[0].clone();
    child.state = IncidentState::Explained { by };
    let incidents = vec![over, known, child, status.incidents[2].clone()];
    let view = Incidents { zone: "Europe/Berlin".into(), now: NOW, incidents };
    golden("incidents", &incidents::render(&view, &WIDE));
    for width in [60, 80] {
        let page = Page { width, ..Page::PIPE };
        fits(&incidents::render(&view, &page), &page);
    }
}

fn related() -> Vec<crate::model::audit::AuditRecord> {
    let mut closed = views::of_action("done");
    closed.took = Some(Span::secs(12));
    closed.output_excerpt = Some("3 files, freed 8.4 GiB".into());
    closed.output_digest = Some(Digest([0xef; 32]));
    closed.tools_called = ["disk.usage", "disk.kinds", "logs.rotate"].map(Into::into).into();
    closed.commands = vec![crate::model::audit::Ran {
        argv: ["systemctl", "kill", "-s", "HUP", "nginx.service"].map(Into::into).into(),
        code: Some(0),
        output_digest: Some(Digest([0x12; 32])),
        output_excerpt: "signalled\nonce\n".into(),
    }];
    let mut verified = views::of_action("yes");
    verified.reason = "the probe that fired is green".into();
    verified.proof = Some("green disk mini:/var: 61 %, 20 GiB free, 2026-02-24T03:48:12Z".into());
    vec![
        answered(),
        record(32, AuditKind::Closed, closed),
        record(33, AuditKind::Verified, verified),
    ]
}

fn answered() -> crate::model::audit::AuditRecord {
    let payload = AuditPayload {
        run: Some(RunId(9)),
        approval: Some(crate::model::ids::ApprovalId(17)),
        outcome: Some("approved: yes".into()),
        ..AuditPayload::default()
    };
    let mut record = record(30, AuditKind::Answered, payload);
    record.actor = "operator uid 1000".into();
    record
}

#[test]
fn a_record_has_the_labels_of_an_audit_trail() {
    let zone = || "Europe/Berlin".to_owned();
    let own = record(31, AuditKind::Dispatched, views::dispatched());
    let entry =
        AuditEntryView { zone: zone(), record: own.clone(), related: related(), no_undo: None };
    let text = audit::render_entry(&entry, NOW, &WIDE);
    let labels: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(": ")).map(|(l, _)| l).collect();
    assert_eq!(
        labels[..8],
        ["Timestamp", "Agent", "Action", "Service", "Reason", "Tools called", "Errors", "Duration"]
    );
    assert!(text.starts_with("Timestamp: 2026-02-24T03:47:12Z\n"));
    golden("audit-show", &text);

    // A dispatch that nothing closes is unknown, and a human's word about it is told.
    let open = AuditEntryView { zone: zone(), record: own.clone(), related: vec![], no_undo: None };
    assert!(
        audit::render_entry(&open, NOW, &WIDE).contains("Outcome: unknown: no record closes it\n")
    );
    let settled = record(40, AuditKind::Settled, views::of_action("did-not-run"));
    let open =
        AuditEntryView { zone: zone(), record: own.clone(), related: vec![settled], no_undo: None };
    let text = audit::render_entry(&open, NOW, &WIDE);
    assert!(text.contains("no record closes it, settled: did-not-run\n"), "{text}");

    let mut gone = own;
    gone.payload = None;
    let text = audit::render_entry(
        &AuditEntryView { zone: zone(), record: gone, related: vec![], no_undo: None },
        NOW,
        &WIDE,
    );
    assert!(text.contains("Payload: erased"), "{text}");

    // What failed says so under Errors, whatever else its record holds.
    let mut failed = views::of_action("failed");
    failed.errors = Some("no space left\non the device".into());
    let failed = AuditEntryView {
        zone: zone(),
        record: record(32, AuditKind::Closed, failed),
        related: vec![],
        no_undo: None,
    };
    let text = audit::render_entry(&failed, NOW, &WIDE);
    assert!(text.contains("Errors: no space left\n  on the device\n"), "{text}");
}

#[test]
fn the_log_is_a_table() {
    let mut records = related();
    records.remove(0);
    let mut erased = record(30, AuditKind::Decided, AuditPayload::default());
    erased.payload = None;
    records.reverse();
    records.extend([record(31, AuditKind::Dispatched, views::dispatched()), erased]);
    let page = AuditPage { zone: "Europe/Berlin".into(), records };
    golden("audit-list", &audit::render_list(&page, NOW, &WIDE));
    let narrow = Page { width: 60, ..Page::PIPE };
    fits(&audit::render_list(&page, NOW, &narrow), &narrow);
    // A look says what ran, where, and how it ended.
    let looked = AuditPayload {
        tool: Some("host.run".into()),
        target: Some("mini".into()),
        host: Some("mini".into()),
        commands: vec![crate::model::audit::Ran {
            argv: ["zpool", "status", "-x"].map(Into::into).into(),
            code: Some(1),
            output_digest: None,
            output_excerpt: String::new(),
        }],
        ..AuditPayload::default()
    };
    let records = vec![record(28, AuditKind::Looked, looked)];
    let page = AuditPage { zone: "UTC".into(), records };
    let text = audit::render_list(&page, NOW, &WIDE);
    assert!(text.contains("mini: zpool status -x (exit code 1)"), "{text}");
    let none = AuditPage { zone: "UTC".into(), records: vec![] };
    assert_eq!(audit::render_list(&none, NOW, &WIDE), "no records\n");
}

#[test]
fn the_chain_is_one_line() {
    let hash = "9f3c".repeat(16);
    let proof = |erased, broken| AuditProof {
        records: 31,
        erased,
        anchors: 4,
        head: Some((31, hash.clone())),
        broken,
    };
    assert_eq!(
        audit::render_proof(&proof(0, None), &WIDE),
        "chain ok: 31 records, head 9f3c9f3c..., held against 4 anchors\n"
    );
    let full = Page { detail: Detail::Full, ..WIDE };
    assert!(
        audit::render_proof(&proof(2, None), &full)
            .contains(&format!("2 of them erased, head {hash},"))
    );
    let text = audit::render_proof(&proof(0, Some((12, "its hash does not fit".into()))), &WIDE);
    assert_eq!(
        text,
        "chain BROKEN at record 12: its hash does not fit (31 records before it hold)\n"
    );
}

#[test]
fn a_drill_is_told_step_by_step() {
    let passed = drill::render(&views::drill(DrillState::Passed), &SCREEN);
    fits(&passed, &SCREEN);
    golden("drill-passed", &passed);
    golden("drill-failed", &drill::render(&views::drill(DrillState::Failed), &SCREEN));
}

#[test]
fn what_a_dead_reef_left_looks_like_a_status() {
    let status = bad_day();
    let left = Left {
        now: NOW,
        zone: "Europe/Berlin".into(),
        state: "/var/lib/reef".into(),
        paused: status.paused,
        hold: status.hold,
        approvals: status.approvals,
        incidents: status.incidents,
        unknown_actions: status.unknown_actions,
        last_action: status.last_action,
        messages_waiting: 1,
    };
    let text = left::render(&left, &SCREEN);
    assert!(!text.contains("green"), "nobody looked:\n{text}");
    fits(&text, &SCREEN);
    golden("left", &text);
}

#[test]
fn the_config_is_shown_with_where_each_value_comes_from() {
    let text = "ceiling = \"ask\"\n[report]\ncron = \"30 5 * * *\"\n";
    let (reader, mut root) = Reader::open(Source::new("config.toml", text), Env::of([]));
    Globals::read(&mut root).unwrap();
    root.finish();
    let outcome = reader.done().unwrap();
    golden("config-show", &config::render("/etc/reef/config.toml", &outcome.records, &SCREEN));
    assert_eq!(config::render_ok("config.toml", 1, &[], &SCREEN), "ok: config.toml, 1 runbook\n");
}

#[test]
fn the_first_screen_says_what_reef_may_do() {
    let mut status = all_green();
    status.signals = morning().signals.into_iter().take(6).collect();
    let text = run::first_screen(&status, &SCREEN);
    assert!(text.contains("changes nothing") && text.contains("http://127.0.0.1:7333"), "{text}");
    fits(&text, &SCREEN);
    golden("first-screen", &text);
    status.ceiling = crate::model::plan::Leash::Auto;
    assert!(!run::first_screen(&status, &SCREEN).contains("changes nothing"));
    status.dry_run = true;
    assert!(run::first_screen(&status, &SCREEN).contains("changes nothing (dry run)"));
    status.signals.clear();
    assert!(run::first_screen(&status, &SCREEN).contains("the first looks are under way"));
}

#[test]
fn runbooks_and_tools_are_tables() {
    let row = |name: &str, runs, fixed| RunbookRow {
        name: RunbookName::new(name).unwrap(),
        title: "Disk full".into(),
        origin: "shipped".into(),
        answers: "disk yellow or red".into(),
        max_tier: Tier::High,
        leash: crate::model::plan::Leash::Ask,
        runs,
        fixed,
    };
    let view = Runbooks { runbooks: vec![row("disk-full", 4, 3), row("http-down", 0, 0)] };
    golden("runbooks", &runbook::render(&view, &WIDE));
    let tool = |name: &str, tier| {
        ToolRow {
        name: name.into(),
        max_tier: tier,
        summary: "Compress logs below a path that nobody writes to, smallest first: a full disk has no room".into(),
        inputs: "path (path), older (duration, optional)".into(),
        example: "tool = \"files.compress\"\nargs = { path = \"/var/log\" }".into(),
        takes: vec!["path (path): below one of the roots".into(), "older (duration, optional): only those".into()],
        gives: vec![],
        tiers: "medium for rotated logs, else high".into(),
        timeout: Span::mins(10),
        undo: "files.decompress, for 7 days".into(),
        errors: "a path outside the roots; no room to work in".into(),
    }
    };
    let view =
        Tools { tools: vec![tool("files.compress", Tier::High), tool("disk.usage", Tier::Low)] };
    golden("tools", &tools::render(&view, &SCREEN));
    golden("tools-full", &tools::render(&view, &Page { detail: Detail::Full, ..SCREEN }));

    let rows = vec![RecordRow {
        host: Some("nas".into()),
        runs: 4,
        fixed: 3,
        not_fixed: 1,
        last_at: ago(Span::days(2)),
        matched: 2,
        differed: 1,
        leash: Some(crate::model::plan::Leash::Ask),
        lacks: vec!["you did something else in 1 of 3 cases".into()],
        demoted: Some("the probe that fired did not turn green in time".into()),
    }];
    let name = RunbookName::new("disk-full").unwrap();
    let line = "[runbook.disk-full]\nleash = { nas = \"auto\" }".to_owned();
    let record = Record { name: name.clone(), rows, line };
    golden("promote", &promote::render(&record, "Europe/Berlin", NOW, &SCREEN));
    let tested = Tested {
        runbook: Some(name),
        lines: vec!["compress: 38 files".into(), "ask: does not apply".into()],
    };
    assert_eq!(
        runbook::render_test(&tested, &SCREEN),
        "disk-full would answer\n  compress: 38 files\n  ask: does not apply\n"
    );
}

/// The labels are those of an audit trail as people write it: Timestamp, Agent, Action, Service, Reason, Tools called,
/// Errors, Duration.
#[test]
fn a_timeline_reads_like_a_story() {
    use crate::operator::timeline::{Moment, Timeline};
    let at = |secs| crate::model::time::Millis(1_771_904_832_000) + Span::secs(secs);
    let moment = |secs, word: &str, words: &str| Moment {
        at: at(secs),
        word: word.into(),
        words: words.into(),
        seq: None,
    };
    let own = record(31, AuditKind::Dispatched, views::dispatched());
    let act = crate::operator::trail::act(&own, &related(), None).unwrap();
    let view = Timeline {
        zone: "UTC".into(),
        incident: crate::model::ids::IncidentId(4),
        signal: "disk mini:/var".into(),
        severity: "red".into(),
        opened_at: at(-60),
        resolved_at: Some(at(120)),
        stands: "resolved".into(),
        acts: vec![act],
        story: vec![
            moment(-60, "red", "disk mini:/var: 98 %"),
            moment(
                -58,
                "asked",
                "A-17: logs.rotate mini:/var/log/nginx (leash ask: a human decides)",
            ),
            moment(-1, "answered", "approved: yes, operator uid 1000"),
            moment(0, "did", "D-31: logs.rotate mini:/var/log/nginx"),
            moment(12, "ended", "done in 12 s: rotated 14 files"),
            moment(60, "proven", "the probe that fired is green"),
            moment(120, "resolved", "after 3 min"),
        ],
        cost_micros: 3_114,
    };
    let text = crate::cli::timeline::render(&view, &SCREEN);
    fits(&text, &SCREEN);
    golden("audit-timeline", &text);
}

#[test]
fn no_rendering_has_colours_unless_asked_and_all_are_closed() {
    let check = Check {
        now: NOW,
        zone: "UTC".into(),
        signals: morning().signals,
        absent: vec![],
        took: Span(1),
    };
    let renderings: [&dyn Fn(&Page) -> String; 5] = [
        &|page| status::render(&bad_day(), page),
        &|page| check::render(&check, page),
        &|page| drill::render(&views::drill(DrillState::Failed), page),
        &|page| run::first_screen(&morning(), page),
        &|page| approve::question(&views::choices(18), page, &When::new("UTC", NOW)),
    ];
    for render in renderings {
        let plain = render(&SCREEN);
        assert!(!plain.contains('\x1b'), "{plain}");
        let coloured = render(&Page { paint: Paint::Coloured, ..SCREEN });
        let codes: Vec<&str> = coloured.split('\x1b').skip(1).collect();
        let opened = codes.iter().filter(|code| !code.starts_with("[0m")).count();
        assert_eq!(opened * 2, codes.len(), "{coloured:?}");
        let mut stripped = coloured.clone();
        for code in [
            "\x1b[0m",
            "\x1b[1m",
            "\x1b[2m",
            "\x1b[31m",
            "\x1b[1;31m",
            "\x1b[32m",
            "\x1b[33m",
            "\x1b[35m",
        ] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain, "colours change no text");
    }
}
