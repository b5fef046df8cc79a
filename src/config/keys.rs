//! The secrets of probes: named while the config is read, fetched once before the first look.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use secrecy::SecretString;

use crate::config::env::Env;
use crate::config::secret::{SecretCommand, SecretSource};

/// One secret. It is there once it was fetched; clones share it.
#[derive(Clone)]
pub struct Key {
    source: SecretSource,
    fetched: Arc<OnceLock<Result<SecretString, String>>>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)
    }
}

impl Key {
    /// The secret, or why it could not be fetched: a probe without its key is blind, and reef watches on.
    pub fn value(&self) -> Result<&SecretString, &str> {
        match self.fetched.get() {
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(why),
            None => Err("its secret is not fetched yet"),
        }
    }

    /// Fetches it, the first time it is called. `Some` where it is there.
    pub async fn fetch(&self, env: &Env, commands: &dyn SecretCommand) -> Option<&SecretString> {
        if self.fetched.get().is_none() {
            let fetched = self.source.resolve(env, commands).await;
            // Another one may have been quicker; its answer is as good.
            drop(self.fetched.set(fetched));
        }
        self.value().ok()
    }
}

/// All secrets that the probes of one config need.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    all: Arc<Mutex<Vec<Key>>>,
}

impl Keys {
    /// Takes note of one.
    pub fn add(&self, source: SecretSource) -> Key {
        let key = Key { source, fetched: Arc::default() };
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        key
    }

    pub fn all(&self) -> Vec<Key> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::Fut;
    use crate::model::target::AbsPath;

    struct NoCommands;
    impl SecretCommand for NoCommands {
        fn run<'a>(&'a self, _: &'a [String]) -> Fut<'a, Result<SecretString, String>> {
            Box::pin(async { Err("no programs here".into()) })
        }
    }

    #[tokio::test]
    async fn a_key_is_there_once_it_was_fetched_and_says_why_it_is_not() {
        let keys = Keys::default();
        let held = SecretSource::Held { value: SecretString::from("s3cret"), from: "${X}".into() };
        let (good, bad) = (
            keys.add(held),
            keys.add(SecretSource::File(AbsPath::new("/nonexistent/key").unwrap())),
        );
        assert!(good.value().unwrap_err().contains("not fetched"));
        for key in keys.all() {
            key.fetch(&Env::of([]), &NoCommands).await;
        }
        assert_eq!(good.value().unwrap().expose_secret(), "s3cret");
        assert!(bad.value().unwrap_err().contains("/nonexistent/key"));
        assert!(!format!("{keys:?}").contains("s3cret"));
    }
}
