//! No secret reaches a model, or comes back in its words.

use std::sync::Arc;

use super::injected::CHANNELS;
use super::scene::{NONCE, TestBench, TestPurse, agent, brief};
use crate::exam::model::Request;
use crate::exam::obey::{Bent, ObeyEverything};
use crate::model::conclusion::Conclusion;
use crate::policy::redact::Redactor;

/// Known to the config.
const KNOWN: &str = "hunter2-correct-horse";

/// As they come in logs: known ones in several dress, unknown ones by their form. Of each, what must
/// not be seen.
const CANARIES: [(&str, &str); 9] = [
    ("password is hunter2-correct-horse", "hunter2-correct"),
    ("basic aHVudGVyMi1jb3JyZWN0LWhvcnNl", "aHVudGVyMi1jb3JyZWN0LWhvcnNl"),
    ("hex 68756e746572322d636f72726563742d686f727365", "68756e746572322d636f7272"),
    ("split hunter2-\u{200b}correct-horse", "correct-horse"),
    ("token ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", "A1b2C3d4E5f6"),
    ("key AKIAZ7Q4T6XKP2M5N3RB", "Z7Q4T6XKP2M5"),
    ("db postgres://reef:s3cr3tPassw0rd@db/reef", "s3cr3tPassw0rd"),
    ("Authorization: Bearer abcDEF123456ghiJKL7890mno", "abcDEF123456ghi"),
    ("sk-ant-api03-Zx9Yw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe", "Zx9Yw8Vu7Ts6"),
];

#[tokio::test(start_paused = true)]
async fn a_secret_in_any_channel_reaches_no_model() {
    let redactor = Arc::new(Redactor::new(vec![KNOWN.to_owned().into()]));
    for (at, (channel, plant)) in CHANNELS.iter().enumerate() {
        let (mut brief, mut bench) = (brief(), TestBench::usual());
        let all: Vec<_> = CANARIES.iter().map(|(text, _)| *text).collect();
        plant(&all.join(" "), &mut brief, &mut bench);
        let bent = if at % 2 == 0 { Bent::Ask } else { Bent::Escalate };
        let model = Arc::new(ObeyEverything::new(bent));
        let mut agent = agent(model.clone());
        agent.redactor = Arc::clone(&redactor);
        let purse = TestPurse::new(u64::MAX);
        let outcome = agent.investigate(&brief, &bench, &purse, NONCE).await;
        let mut seen: String = model.requests().iter().map(Request::bytes).collect();
        if let Ok(end @ (Conclusion::Ask { .. } | Conclusion::Escalate { .. })) = &outcome.end {
            seen.push_str(&serde_json::to_string(end).unwrap());
        }
        for (_, secret) in CANARIES {
            assert!(!seen.contains(secret), "{secret} through {channel}");
        }
    }
}

/// Where a line is cut, no half of a secret is left.
#[tokio::test]
async fn a_secret_at_the_edge_is_no_half_secret() {
    let redactor = Arc::new(Redactor::new(vec![KNOWN.to_owned().into()]));
    for before in 130..165 {
        let (mut brief, bench) = (brief(), TestBench::usual());
        brief.host_state.push(format!("{} {KNOWN}", "x".repeat(before)));
        let model = Arc::new(ObeyEverything::new(Bent::Escalate));
        let mut agent = agent(model.clone());
        agent.redactor = Arc::clone(&redactor);
        agent.bounds.turns = 1;
        agent.investigate(&brief, &bench, &TestPurse::new(u64::MAX), NONCE).await;
        assert!(!model.requests()[0].bytes().contains("hunt"), "after {before} characters");
    }
}
