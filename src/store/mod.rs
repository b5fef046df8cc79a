//! SQLite. No SQL stands anywhere else.
