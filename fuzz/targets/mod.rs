//! What is fuzzed. Each target says in its file what its inputs are and what
//! must hold; none may panic. Does not own the loop, nor the inputs.

mod bulk;
mod compressed;
mod config;
mod cursors;
mod fleet;
mod folding;
mod lines;
mod messages;
mod queries;
mod records;
mod requests;
mod rows;

/// The way that an input went: what is new among them is worth building upon.
pub type Way = String;

/// Something that inputs are given to.
pub trait Target {
    /// Tries one input.
    ///
    /// # Errors
    /// What does not hold that must.
    fn attempt(&mut self, input: &[u8]) -> Result<Way, String>;
}

/// Targets that keep nothing between inputs.
impl<F: FnMut(&[u8]) -> Result<Way, String>> Target for F {
    fn attempt(&mut self, input: &[u8]) -> Result<Way, String> {
        self(input)
    }
}

/// A target, before it was made.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    pub about: &'static str,
    /// What has a meaning in its inputs.
    pub words: &'static [&'static str],
    /// Most bytes of an input.
    pub most: usize,
    pub make: fn() -> Box<dyn Target>,
}

pub static ALL: [Kind; 11] = [
    messages::KIND,
    bulk::KIND,
    records::KIND,
    rows::KIND,
    queries::KIND,
    cursors::KIND,
    requests::KIND,
    compressed::KIND,
    folding::KIND,
    config::KIND,
    lines::KIND,
];

/// What must hold.
macro_rules! ensure {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err(format!($($said)+));
        }
    };
}
use ensure;
