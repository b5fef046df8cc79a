//! Caps and prices of model calls, in millionths of the budget's currency.

use serde::{Deserialize, Serialize};

use crate::model::chat::Usage;

/// What a model costs, in millionths of the currency for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub input: i64,
    pub output: i64,
}

/// An amount of model use. `micros` stays 0 without a price table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub micros: i64,
    pub tokens: u64,
}

/// The most of one period; `None` is no cap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    pub micros: Option<i64>,
    pub tokens: Option<u64>,
}

/// The caps of all periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    pub incident: Cap,
    pub day: Cap,
    pub month: Cap,
}

/// What is spent and reserved so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub incident: Amount,
    pub day: Amount,
    pub month: Amount,
}

/// A cap that a call would pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverBudget {
    /// `incident`, `day` or `month`.
    pub period: &'static str,
    pub words: String,
}

impl Caps {
    /// No cap at all.
    pub const NONE: Self = Self { incident: Cap::NONE, day: Cap::NONE, month: Cap::NONE };
}

impl Default for Caps {
    /// Money and tokens, so that a model without a price table is capped too.
    fn default() -> Self {
        let cap = |micros, tokens| Cap { micros: Some(micros), tokens: Some(tokens) };
        Self {
            incident: cap(1_000_000, 30_000),
            day: cap(5_000_000, 300_000),
            month: cap(30_000_000, 3_000_000),
        }
    }
}

impl Cap {
    const NONE: Self = Self { micros: None, tokens: None };
}

/// What a call used; a fraction of a millionth counts as a whole one.
pub fn cost(usage: Usage, price: Option<Price>) -> Amount {
    let tokens = usage.input.saturating_add(usage.output);
    let micros = price.map_or(0, |price| {
        let part = |tokens: u64, price: i64| i128::from(tokens) * i128::from(price.max(0));
        let sum = part(usage.input, price.input) + part(usage.output, price.output);
        i64::try_from((sum + 999_999) / 1_000_000).unwrap_or(i64::MAX)
    });
    Amount { micros, tokens }
}

/// The most that a call may use: what has to be reserved before it. `input_bytes` is the length of
/// everything that is sent; two bytes a token is far below what text and JSON come to.
pub fn estimate(input_bytes: usize, max_output_tokens: u64, price: Option<Price>) -> Amount {
    let input = u64::try_from(input_bytes.div_ceil(2)).unwrap_or(u64::MAX);
    cost(Usage { input, output: max_output_tokens }, price)
}

/// Whether `want` may be reserved on top of what is spent and reserved. A cap may be reached, not passed.
pub fn reserve(caps: &Caps, spent: &Spent, want: Amount) -> Result<(), OverBudget> {
    let periods = [
        ("incident", caps.incident, spent.incident),
        ("day", caps.day, spent.day),
        ("month", caps.month, spent.month),
    ];
    for (period, cap, spent) in periods {
        let over = |words| Err(OverBudget { period, words });
        if let Some(cap) = cap.micros
            && cap < spent.micros.saturating_add(want.micros)
        {
            let (cap, spent, want) = (money(cap), money(spent.micros), money(want.micros));
            return over(format!(
                "the budget of this {period} is {cap}: {spent} is spent, the next call may take {want}"
            ));
        }
        if let Some(cap) = cap.tokens
            && cap < spent.tokens.saturating_add(want.tokens)
        {
            let (spent, want) = (spent.tokens, want.tokens);
            return over(format!(
                "the cap of this {period} is {cap} tokens: {spent} are spent, the next call may take {want}"
            ));
        }
    }
    Ok(())
}

/// Millionths as people write money, rounded up to hundredths: `0.05`.
pub fn money(micros: i64) -> String {
    let cents = micros.max(0) / 10_000 + i64::from(0 < micros.max(0) % 10_000);
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { input: 3_000_000, output: 15_000_000 };

    #[test]
    fn a_call_costs_its_tokens_rounded_up() {
        for (input, output, micros) in [
            (0, 0, 0),
            (1_000_000, 0, 3_000_000),
            (0, 1_000_000, 15_000_000),
            (1_000, 100, 4_500),
            (u64::MAX, u64::MAX, i64::MAX),
        ] {
            assert_eq!(cost(Usage { input, output }, Some(PRICE)).micros, micros);
        }
        let cheap = Price { input: 1, output: 0 };
        assert_eq!(cost(Usage { input: 1, output: 0 }, Some(cheap)).micros, 1);
        assert_eq!(cost(Usage { input: 7, output: 3 }, None), Amount { micros: 0, tokens: 10 });
        let negative = Price { input: -5, output: -5 };
        assert_eq!(cost(Usage { input: 9, output: 9 }, Some(negative)).micros, 0);
    }

    #[test]
    fn an_estimate_is_above_what_text_takes() {
        assert_eq!(estimate(1_001, 500, None), Amount { micros: 0, tokens: 1_001 });
        assert_eq!(estimate(0, 0, Some(PRICE)), Amount::default());
    }

    #[track_caller]
    fn check(spent: Spent, want: Amount, period: Option<&str>) {
        let cap = |n: i64| Cap { micros: Some(n), tokens: Some(n.unsigned_abs()) };
        let caps = Caps { incident: cap(10), day: cap(20), month: cap(30) };
        let got = reserve(&caps, &spent, want);
        assert_eq!(got.as_ref().err().map(|over| over.period), period, "{got:?}");
    }

    #[test]
    fn a_cap_is_reached_and_never_passed() {
        let amount = |n: i64| Amount { micros: n, tokens: n.unsigned_abs() };
        let spent = |incident, day, month| Spent {
            incident: amount(incident),
            day: amount(day),
            month: amount(month),
        };
        check(spent(0, 0, 0), amount(10), None);
        check(spent(0, 0, 0), amount(11), Some("incident"));
        check(spent(9, 9, 9), amount(1), None);
        check(spent(9, 9, 9), amount(2), Some("incident"));
        check(spent(0, 19, 19), amount(2), Some("day"));
        check(spent(0, 0, 29), amount(2), Some("month"));
        check(spent(i64::MAX, 0, 0), amount(1), Some("incident"));
        check(spent(0, 0, 0), Amount { micros: 0, tokens: 11 }, Some("incident"));
        check(spent(0, 0, 0), Amount { micros: 11, tokens: 0 }, Some("incident"));
    }

    #[test]
    fn without_a_price_table_tokens_are_capped() {
        let want = estimate(70_000, 0, None);
        assert!(reserve(&Caps::default(), &Spent::default(), want).is_err());
        let none = Caps { incident: Cap::default(), day: Cap::default(), month: Cap::default() };
        assert_eq!(reserve(&none, &Spent::default(), want), Ok(()));
    }

    #[test]
    fn the_words_say_how_much() {
        let spent = Spent { incident: Amount { micros: 980_000, tokens: 0 }, ..Spent::default() };
        let over = reserve(&Caps::default(), &spent, Amount { micros: 45_000, tokens: 0 });
        assert_eq!(
            over.unwrap_err().words,
            "the budget of this incident is 1.00: 0.98 is spent, the next call may take 0.05"
        );
        assert_eq!(money(0), "0.00");
        assert_eq!(money(12_340_001), "12.35");
    }
}
