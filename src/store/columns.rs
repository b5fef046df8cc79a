//! How model values stand in columns.

use anyhow::{Context, Result};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::digest::Digest;
use crate::model::ids::{ActionId, ApprovalId, IncidentId, MessageId, RunId, SilenceId, TimerId};
use crate::model::target::Signal;
use crate::model::time::Millis;

macro_rules! int_column {
    ($($name:ident),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.0))
            }
        }
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_i64().map($name)
            }
        }
    )*};
}

int_column!(Millis, ActionId, ApprovalId, IncidentId, MessageId, RunId, SilenceId, TimerId);

impl ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(&self.0[..]))
    }
}

impl FromSql for Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        <[u8; 32]>::try_from(bytes).map(Digest).map_err(|_| FromSqlError::InvalidBlobSize {
            expected_size: 32,
            blob_size: bytes.len(),
        })
    }
}

/// A value as it stands in a `json` column.
pub(in crate::store) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).context("cannot write a value as JSON")
}

/// Reads a `json` column; `what` names the row for the error: `incident I-4`.
pub(in crate::store) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).with_context(|| format!("{what} in the database cannot be read"))
}

/// A signal as a key. Its probe and aspect have no white space, so that no two signals share it.
pub(in crate::store) fn signal_key(signal: &Signal) -> String {
    signal.to_string()
}
