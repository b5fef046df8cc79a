//! The front matter: what a runbook answers and how far it may go.
