//! The agent against scripted models.
