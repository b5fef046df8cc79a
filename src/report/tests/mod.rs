//! Reports over real stores, golden texts, and text that means harm.
