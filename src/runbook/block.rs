//! The fenced blocks: steps, questions, what to leave alone, and the proof.
