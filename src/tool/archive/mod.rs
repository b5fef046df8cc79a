//! Rotated logs that are compressed already, to a bucket that the config declares.

use crate::clients::declared::Store;
use crate::clients::s3::NoList;
use crate::model::ids::Word;
use crate::model::tool::ToolError;
use crate::tool::args::{Args, refused};
use crate::tool::world::Inventory;

pub mod fetch;
pub mod store;
pub mod upload;

/// The store that a call means, with its name.
fn meant(inventory: &Inventory, args: &Args<'_>) -> Result<Option<(String, Store)>, ToolError> {
    let stores = &inventory.servers.stores;
    let known = || stores.keys().cloned().collect::<Vec<_>>().join(", ");
    let pair = |(name, store): (&String, &Store)| (name.clone(), store.clone());
    match args.word("store").map(Word::as_str) {
        Some(name) => match stores.get_key_value(name) {
            Some(found) => Ok(Some(pair(found))),
            None => Err(refused(format!("{name} is no store of the config; known: {}", known()))),
        },
        None if stores.len() > 1 => {
            Err(refused(format!("which store? name one of them: {}", known())))
        }
        None => Ok(stores.iter().next().map(pair)),
    }
}

fn place(store: &Store) -> String {
    format!("bucket {} at {}", store.bucket.name, store.bucket.url)
}

/// Why the store did not take or give, with the right that is missing where one is.
fn words(why: &NoList, store: &Store) -> String {
    match why {
        NoList::NoSuchBucket => format!("there is no bucket {}", store.bucket.name),
        NoList::NoAnswer(why) if why.word() == "denied" => format!(
            "{why}; the narrow grant is s3:PutObject, s3:GetObject and s3:ListBucket for {} on {}/{}*",
            store.bucket.access_key, store.bucket.name, store.bucket.prefix
        ),
        NoList::NoAnswer(why) => why.to_string(),
    }
}
