//! The token that was good last on a connection: who sends it again need not have it
//! hashed again. Owns what is remembered and the comparison, which takes a time that
//! depends on the length alone. Does not own which tokens are good (`tokens`).

use subtle::{Choice, ConstantTimeEq};

use crate::http::routes::Scope;

/// Longer ones are hashed each time: a connection is to hold little.
const LONGEST: usize = 256;

/// What is compared at a time.
const WORD: usize = size_of::<u64>();

/// What was granted last, for as long as the same tokens hold.
#[derive(Default)]
pub struct Remembered(Option<Granted>);

struct Granted {
    authorization: Box<[u8]>,
    scope: Scope,
    /// Of the set of tokens that it is one of.
    generation: u64,
}

impl Remembered {
    /// Whether this was granted, and no other set of tokens was read since.
    #[must_use]
    pub fn has(&self, authorization: &[u8], scope: Scope, generation: u64) -> bool {
        self.0.as_ref().is_some_and(|granted| {
            granted.generation == generation
                && granted.scope == scope
                && are_equal(&granted.authorization, authorization)
        })
    }

    /// This was granted, in place of what was before.
    pub fn set(&mut self, authorization: &[u8], scope: Scope, generation: u64) {
        let is_short = authorization.len() <= LONGEST;
        let granted = || Granted { authorization: authorization.into(), scope, generation };
        self.0 = is_short.then(granted);
    }
}

/// Looks at all of both. By words: byte by byte it would cost a hundred
/// nanoseconds.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let word = |bytes: &[u8]| {
        let mut word = [0; WORD];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let words = one.chunks(WORD).zip(other.chunks(WORD));
    let differs = words.fold(0, |found, (one, other)| found | (word(one) ^ word(other)));
    let same: Choice = differs.ct_eq(&0);
    same.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_is_known_again() {
        let token = b"Bearer 0123456789abcdef-0";
        let mut remembered = Remembered::default();
        assert!(!remembered.has(token, Scope::Ingest, 1));
        remembered.set(token, Scope::Ingest, 1);
        assert!(remembered.has(token, Scope::Ingest, 1));
        assert!(!remembered.has(token, Scope::Read, 1));
        assert!(!remembered.has(token, Scope::Ingest, 2));
        for at in 0..token.len() {
            let mut other = *token;
            other[at] ^= 1;
            assert!(!remembered.has(&other, Scope::Ingest, 1), "{at}");
            assert!(!remembered.has(&token[..at], Scope::Ingest, 1), "{at}");
        }
        assert!(!remembered.has(&[&token[..], b"0"].concat(), Scope::Ingest, 1));
        remembered.set(&[b'x'; LONGEST + 1], Scope::Ingest, 1);
        assert!(!remembered.has(token, Scope::Ingest, 1));
        assert!(!remembered.has(&[b'x'; LONGEST + 1], Scope::Ingest, 1));
    }
}
