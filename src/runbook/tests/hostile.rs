//! Whatever the bytes of a file are: no panic, and an end.

use proptest::prelude::*;

use crate::runbook::tests::stub::{file, mistakes, name, told};
use crate::runbook::{parse, shipped};

#[test]
fn a_huge_file_is_refused_in_words() {
    let huge = file("", &"`".repeat(1 << 20));
    assert!(told(&mistakes(&huge)).contains("a runbook has at most"));
}

#[test]
fn many_mistakes_and_deep_nests_end() {
    let keys: String = (0..500).map(|n| format!("k{n} = {n}\n")).collect();
    assert!(500 <= mistakes(&file(&keys, "")).len());
    for body in [
        "> ".repeat(5_000),
        "- ".repeat(5_000),
        "```step\n".repeat(5_000),
        "````\n```step\n".repeat(2_000),
        format!("```step\na = {}\n```", "[".repeat(50_000)),
        format!("```step\nname = \"{}\"\n```", "x".repeat(100_000)),
        format!("```ask\nquestion = \"{}\"\n```", "{{".repeat(20_000)),
    ] {
        assert!(!mistakes(&file("", &body)).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(parse(name("book"), &text).is_err());
    }

    #[test]
    fn a_shipped_runbook_with_bytes_cut_or_put_in_is_read_without_a_panic(
        which in 0..8_usize,
        at in 0.0..1.0_f64,
        cut in 0..40_usize,
        put in "[`+=\\[\\]{}\"\\n.a-z\u{202e}\u{fffd}]{0,12}",
    ) {
        let (_, text) = shipped()[which % shipped().len()];
        let mut bytes = text.as_bytes().to_vec();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let start = (at * bytes.len() as f64) as usize;
        let end = (start + cut).min(bytes.len());
        bytes.splice(start..end, put.into_bytes());
        for mistake in mistakes(&String::from_utf8_lossy(&bytes)) {
            prop_assert!(0 < mistake.line && !mistake.what.is_empty());
        }
    }
}
