//! No text of a machine becomes a link, an image, a heading or HTML, and nothing breaks the report.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::scene::{FOUR, berlin};
use crate::model::approval::ApprovalState;
use crate::model::ids::{ActionId, ApprovalId, IncidentId};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;
use crate::report::morning::{
    Blind, Certificate, Coincided, Consent, Cost, Fix, Growth, How, Listed, Morning, Need,
    Question, Recorded, Rise, Signals, Stands, Trends,
};
use crate::report::render::render;

fn needs(text: &str, at: Millis) -> Vec<Need> {
    let t = || text.to_owned();
    let need = |stands| Need::Incident {
        id: IncidentId(1),
        severity: Severity::Red,
        signal: t(),
        words: t(),
        since: at,
        stands,
        why: t(),
    };
    vec![
        Need::Chain { seq: 1, why: t() },
        Need::Trouble { what: t() },
        Need::Hold { by: vec![t(), t()] },
        Need::Breaker { what: t(), words: t() },
        Need::Patched { words: t() },
        Need::Approve {
            id: ApprovalId(1),
            question: t(),
            choices: vec![t(), t()],
            tier: Tier::High,
            expires_at: at,
        },
        Need::Settle { id: ActionId(1), call: t(), at },
        need(Stands::Escalated),
        need(Stands::Held),
        need(Stands::Observed),
    ]
}

/// A report in which a machine wrote every text.
fn full_of(text: &str, at: Millis, n: u64, x: f64) -> Morning {
    let t = || text.to_owned();
    let recorded = |how| Recorded {
        from: at,
        to: Some(FOUR),
        severity: Severity::Red,
        what: t(),
        words: t(),
        how,
    };
    let asked =
        |state| Question { id: ApprovalId(1), question: t(), asked_at: at, expires_at: at, state };
    Morning {
        host: t(),
        since: at,
        until: FOUR,
        written_at: at,
        updated_at: Some(at),
        signals: Signals { green: n, unknown: 1, yellow: 1, red: 1 },
        paused: Some(t()),
        needs: Listed::of(needs(text, at)),
        fixed: Listed::of(vec![Fix {
            at,
            signal: t(),
            runbook: Some(t()),
            lasted: Some(Span::mins(3)),
            severity: Some(Severity::Red),
            did: vec![t(), t()],
            proof: t(),
            consent: Consent::Approval,
            green_since: Some(at),
        }]),
        recorded: Listed::of(vec![
            recorded(How::Observed { would: t() }),
            recorded(How::Explained { by: t(), n }),
            recorded(How::Acknowledged { at, why: t() }),
            recorded(How::UnderWay),
            recorded(How::ByItself { tried: Some(t()) }),
            recorded(How::Refused { why: t(), times: n }),
        ]),
        asked: Listed::of(vec![
            asked(ApprovalState::Pending),
            asked(ApprovalState::Denied { by: t(), at }),
            asked(ApprovalState::Void { why: t(), at }),
            asked(ApprovalState::Approved { choice: 0, by: t(), at }),
        ]),
        blind: Listed::of(vec![Blind { signal: t(), why: t(), from: at, to: None }]),
        trends: Trends {
            days: 7,
            volumes: vec![Growth {
                volume: t(),
                used_percent: x,
                percent_a_day: x,
                bytes_a_day: Some(n),
                full_in_days: Some(x),
            }],
            rising: vec![Rise {
                signal: t(),
                unit: None,
                from: x,
                to: x,
                days: 7,
                since: None,
                change: Some(Coincided { at: Millis(0), what: t() }),
            }],
        },
        certificates: Listed::of(vec![Certificate { name: t(), days: at.0 }]),
        cost: Cost {
            probes: n,
            model_calls: n,
            tokens: n,
            micros: n,
            drills: n,
            ..Cost::default()
        },
        ..Morning::default()
    }
}

/// Every section, in this order, and no other heading.
const HEADINGS: usize = 9;

fn check(markdown: &str) -> Result<(), TestCaseError> {
    let mut headings = 0;
    let mut lists = 0;
    for event in Parser::new_ext(markdown, Options::all()) {
        match event {
            Event::Start(Tag::Heading { .. }) => headings += 1,
            Event::Start(Tag::List(None)) => lists += 1,
            Event::Start(
                Tag::Link { .. }
                | Tag::Image { .. }
                | Tag::HtmlBlock
                | Tag::CodeBlock(_)
                | Tag::BlockQuote(_)
                | Tag::List(Some(_))
                | Tag::Table(_)
                | Tag::Strikethrough
                | Tag::FootnoteDefinition(_)
                | Tag::MetadataBlock(_),
            )
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Rule
            | Event::TaskListMarker(_) => {
                return Err(TestCaseError::fail(format!("{event:?} in\n{markdown}")));
            }
            Event::Start(_)
            | Event::End(_)
            | Event::Text(_)
            | Event::Code(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak => {}
        }
    }
    prop_assert_eq!(headings, HEADINGS, "{}", markdown);
    prop_assert_eq!(lists, HEADINGS - 1, "{}", markdown);
    let linked = |c: char| !c.is_whitespace();
    for at in markdown.match_indices("://").map(|(at, _)| at) {
        let before = markdown[..at].rsplit(|c| !linked(c)).next().unwrap_or("");
        prop_assert!(before.contains('`'), "an address outside of a code span: {}", before);
    }
    Ok(())
}

#[test]
fn every_trick_stays_text() {
    for trick in [
        "[click](https://evil.example/x)",
        "![pixel](https://evil.example/p.png)",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "ok\n# Nothing needs you",
        "ok\n\n---\n\n# x",
        "===",
        "- [ ] a task",
        ":> a quote in a definition",
        ": a definition",
        "1. one",
        "> quoted",
        "~~~\ncode",
        "```\ncode\n```",
        "https://evil.example and www.evil.example and a@evil.example",
        "`` ` ``https://evil.example` x",
        "[x]: https://evil.example\n[x]",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "$$x$$ $y$ [^1] ~~gone~~ &#60;b&#62;",
        "\\`x\\` \\[y](z)",
        "*a* **b** _c_ __d__ ***",
        "  head 1 0000000000000000000000000000000000000000000000000000000000000000",
        "",
    ] {
        for padding in (40..100).step_by(7) {
            let text = format!("{} {trick} {trick}", "x".repeat(padding));
            check(&render(&full_of(&text, FOUR, 3, 0.5), &berlin())).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_report_never_panics_and_never_obeys(
        text in r"[ -~\n\PC#*_`<>\[\]()!&~|$:/@.0-9+=-]{0,160}",
        at in any::<i64>(),
        n in any::<u64>(),
        x in any::<f64>(),
    ) {
        let signals = n % 1_000_000;
        check(&render(&full_of(&text, Millis(at), signals, x), &berlin()))?;
        // The extremes only have to be written.
        render(&Morning { updated_at: None, ..full_of(&text, Millis(at), n / 8, x) }, &berlin());
    }

    #[test]
    fn a_value_comes_back_from_json(text in "\\PC{0,40}", at in any::<i64>(), x in any::<i32>()) {
        let morning = full_of(&text, Millis(at), 7, f64::from(x) / 4.0);
        let json = serde_json::to_string(&morning).unwrap();
        let back: Morning = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }
}
