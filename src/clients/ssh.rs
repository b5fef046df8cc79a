//! A host behind SSH.
