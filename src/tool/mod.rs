//! Tools: one family a file, one table.
