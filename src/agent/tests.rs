//! The agent against scripted models, its bounds, and the worst case.

mod bounds;
mod ends;
mod injected;
mod random;
mod scene;
mod secrets;
