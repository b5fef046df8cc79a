//! Fences tainted text for a prompt, so that it reads as material and never as an instruction.

/// A fence with a nonce that the text cannot know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    nonce: String,
}

impl Fence {
    /// `random` comes from the system's random source, anew for each prompt.
    pub fn new(random: [u8; 16]) -> Self {
        let _ = random;
        todo!()
    }

    /// What the system prompt says about the fence.
    pub fn words(&self) -> String {
        todo!()
    }

    /// Fences `text`, at most `longest` characters of it. `label` is a word of reef's own.
    pub fn fence(&self, label: &'static str, text: &str, longest: usize) -> String {
        let _ = (label, text, longest);
        todo!()
    }
}
