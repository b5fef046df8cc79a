//! The composition root: builds the world, runs it, shuts it down.
