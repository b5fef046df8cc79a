//! The commands that only read: their whole options and operands.
