//! Texts that match whatever their case and their normal form: Unicode's
//! canonical caseless matching (Unicode 16, 3.13, D145). Does not own which texts
//! are compared so.
//!
//! Full case folding makes `STRASSE` and `straße` equal, and `ΟΔΟΣ` and `οδος`;
//! the decomposition around it does the same for `é` as one character and as
//! two. Compatibility characters stay what they are, unless folding takes them
//! apart as it does `ﬁ`.

use ::caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization;

/// A text that is looked for, made ready once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caseless(Box<str>);

impl Caseless {
    /// What matches `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(key(text).into())
    }

    /// Whether a text is the same but for its case and normal form.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        if text.is_ascii() {
            // What is ASCII keeps its length, and its key is ASCII.
            return self.0.eq_ignore_ascii_case(text);
        }
        decomposed(text).eq(self.0.chars())
    }

    /// What all texts that match have in common.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}

/// The same for all texts that match each other, and for no other.
#[must_use]
pub fn key(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { decomposed(text).collect() }
}

fn decomposed(text: &str) -> impl Iterator<Item = char> {
    text.chars().nfd().default_case_fold().nfd()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let same = Caseless::new(a).matches(b);
        assert_eq!(same, Caseless::new(b).matches(a), "{a:?} and {b:?}");
        assert_eq!(same, key(a) == key(b), "{a:?} and {b:?}");
        same
    }

    #[test]
    fn texts_match_by_full_case_folding() {
        for (a, b) in [
            ("ARTEMIS", "artemis"),
            ("MISIÓN", "misión"),
            ("ΟΔΟΣ", "οδος"),
            ("ΟΔΟΣ", "οδοσ"),
            ("STRASSE", "straße"),
            ("straße", "STRAẞE"),
            ("ﬁre", "FIRE"),
            ("µSat", "μSAT"),
            ("ſputnik", "SPUTNIK"),
            ("\u{212a}elvin", "KELVIN"),
            ("Ǆ", "ǆ"),
            ("İ", "i\u{307}"),
            ("Ꭰ", "ꭰ"),
        ] {
            assert!(same(a, b), "{a:?} and {b:?}");
        }
    }

    #[test]
    fn texts_match_whatever_their_normal_form() {
        for (a, b) in [
            ("\u{e9}", "e\u{301}"),
            ("\u{c9}", "e\u{301}"),
            ("\u{c5}", "\u{212b}"),
            // Marks in either order, and one that folding makes.
            ("a\u{301}\u{323}", "A\u{323}\u{301}"),
            ("\u{1fc3}", "\u{397}\u{3b9}"),
            ("\u{d55c}", "\u{1112}\u{1161}\u{11ab}"),
        ] {
            assert!(same(a, b), "{a:?} and {b:?}");
        }
    }

    #[test]
    fn other_texts_do_not_match() {
        for (a, b) in [
            ("ARTEMIS", "ARTEMI"),
            ("", "a"),
            ("e", "\u{e9}"),
            ("i", "ı"),
            ("①", "1"),
            ("straße", "strase"),
            ("a[", "a{"),
        ] {
            assert!(!same(a, b), "{a:?} and {b:?}");
        }
    }

    proptest! {
        /// The short cut for ASCII says what the long way does.
        #[test]
        fn ascii_is_no_exception(a in "[ -~]{0,8}") {
            prop_assert_eq!(key(&a), decomposed(&a).collect::<String>());
            prop_assert!(same(&a, &a.to_ascii_uppercase()));
        }

        #[test]
        fn a_text_matches_itself_in_any_form(a in "\\PC{0,8}") {
            prop_assert!(same(&a, &a.nfd().collect::<String>()));
            prop_assert!(same(&a, &a.nfc().collect::<String>()));
        }
    }
}
