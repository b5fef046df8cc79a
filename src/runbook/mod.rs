//! Markdown runbooks: parse, check, select.
