//! The store as a whole, on real files.
