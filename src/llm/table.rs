//! What the config says of the model: which one, what it costs, what it may cost.

use crate::clients::http::Http;
use crate::config::env::Env;
use crate::config::globals::at_least;
use crate::config::secret::{SecretCommand, SecretSource};
use crate::config::section::Section;
use crate::config::setting::Micros;
use crate::llm::Model;
use crate::llm::openai::{self, OpenAi};
use crate::model::time::Span;
use crate::policy::budget::{Cap, Caps, Price};

/// `[model]`, before its key is fetched.
#[derive(Debug, Clone)]
pub struct Settings {
    openai: openai::Settings,
    /// Without it money cannot be counted, and tokens are capped alone.
    pub price: Option<Price>,
    pub caps: Caps,
    /// The most replies for one incident.
    pub turns: u32,
    /// The most time for one incident, tools included.
    pub time: Span,
    /// The most tokens of one reply, for reservations.
    pub max_output: u32,
}

/// Reads `[model]`; `None` where there is none, which is as good as any: runbooks run as written.
pub fn configure(root: &mut Section) -> Option<Settings> {
    if !root.has("model") {
        return None;
    }
    let mut section = root.section("model");
    let price = price(&mut section);
    let (caps, turns, time) = budget(&mut section);
    if !section.has("openai") {
        section.mistake("openai", "is missing: write openai = { url = …, name = … }");
        return None;
    }
    let openai = openai::configure(&mut section.section("openai"));
    section.finish();
    let openai = openai?;
    let max_output = openai.max_output;
    Some(Settings { openai, price, caps, turns, time, max_output })
}

/// `price = { input = 0.15, output = 0.60 }`, for a million tokens.
fn price(section: &mut Section) -> Option<Price> {
    if !section.has("price") {
        return None;
    }
    let mut table = section.section("price");
    let input: Option<Micros> = table.need("input");
    let output: Option<Micros> = table.need("output");
    Some(Price { input: input?.0, output: output?.0 })
}

/// `budget = { incident = 1.00, day = 5.00, month = 30.00 }`, the same in tokens, which hold where there
/// is no price, and for how many replies and how long one incident may be thought about.
fn budget(section: &mut Section) -> (Caps, u32, Span) {
    let mut table = section.section("budget");
    let Caps { incident, day, month } = Caps::default();
    let mut cap = |money: &str, tokens: &str, default: Cap| Cap {
        micros: default.micros.map(|micros| table.or(money, Micros(micros)).0),
        tokens: default.tokens.map(|most| table.or(tokens, most)),
    };
    let caps = Caps {
        incident: cap("incident", "incident_tokens", incident),
        day: cap("day", "day_tokens", day),
        month: cap("month", "month_tokens", month),
    };
    let turns = at_least(&mut table, "turns", 8, 1);
    let time = at_least(&mut table, "time", Span::mins(2), Span::secs(1));
    table.finish();
    (caps, turns, time)
}

impl Settings {
    /// The key, for the redactor.
    pub fn key(&self) -> Option<&SecretSource> {
        self.openai.key.as_ref()
    }

    /// Fetches the key and makes the model. Nothing is sent yet.
    pub async fn build(
        &self,
        env: &Env,
        commands: &dyn SecretCommand,
        http: &Http,
    ) -> Result<Box<dyn Model>, String> {
        let key = match &self.openai.key {
            Some(source) => {
                let key = source.resolve(env, commands).await;
                Some(key.map_err(|why| format!("model: {why}"))?)
            }
            None => None,
        };
        Ok(Box::new(OpenAi::new(self.openai.clone(), key, http.clone())))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::Fut;
    use crate::config::given::Source;
    use crate::config::section::Reader;

    struct Pass;

    impl SecretCommand for Pass {
        fn run<'a>(&'a self, argv: &'a [String]) -> Fut<'a, Result<SecretString, String>> {
            Box::pin(async move { Ok(SecretString::from(argv.join(" "))) })
        }
    }

    fn read(text: &str) -> Result<Option<Settings>, String> {
        let (reader, mut root) = Reader::open(Source::new("config.toml", text), Env::of([]));
        let found = configure(&mut root);
        root.finish();
        reader.done().map(|_| found).map_err(|mistakes| mistakes.to_string())
    }

    #[tokio::test]
    async fn a_model_is_two_words_and_none_is_fine() {
        assert!(read("").unwrap().is_none());
        let short = read("[model]\nopenai = { url = \"http://ai:11434/v1\", name = \"qwen3:8b\" }");
        let settings = short.unwrap().unwrap();
        assert_eq!(settings.caps.incident.micros, Some(1_000_000));
        assert_eq!((settings.price, settings.key().is_none()), (None, true));
        let model = settings.build(&Env::of([]), &Pass, &Http::new()).await.unwrap();
        assert_eq!(model.name(), "qwen3:8b");
    }

    #[test]
    fn prices_and_budgets_are_money() {
        let settings = read(
            "[model]\nopenai = { url = \"https://x/v1\", name = \"m\", key = { command = [\"pass\", \"x\"] } }\n\
             price = { input = 0.15, output = \"0.60\" }\nbudget = { incident = 0.05, day = 1 }",
        )
        .unwrap()
        .unwrap();
        assert_eq!(settings.price, Some(Price { input: 150_000, output: 600_000 }));
        let caps = settings.caps;
        let micros = [caps.incident, caps.day, caps.month].map(|cap| cap.micros.unwrap());
        assert_eq!(micros, [50_000, 1_000_000, 30_000_000]);
        assert!(settings.key().is_some());
    }

    #[test]
    fn each_mistake_is_told() {
        for (text, part) in [
            ("[model]", "openai: is missing"),
            ("[model]\nopenai = { url = \"http://ai/v1\" }", "name: is missing"),
            ("[model]\nopenai = { url = \"ai\", name = \"x\" }", "is no URL"),
            ("[model]\nopenai = { url = \"http://ai/v1\", name = \" \" }", "is empty"),
            (
                "[model]\nopenai = { url = \"http://ai/v1\", name = \"x\", timeout = \"1ms\" }",
                "too short",
            ),
            (
                "[model]\nopenai = { url = \"http://ai/v1\", name = \"x\" }\nprice = { input = 1 }",
                "output: is missing",
            ),
            (
                "[model]\nopenai = { url = \"http://ai/v1\", name = \"x\" }\nbudget = { dya = 1 }",
                "did you mean \"day\"",
            ),
        ] {
            let told = read(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(told.contains(part), "{text}\n{told}");
        }
    }
}
