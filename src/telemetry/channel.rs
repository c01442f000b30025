//! A rocket's radio channel, which is its ID.
//!
//! Channels are nearly always UUIDs, and a fleet holds one for every rocket,
//! so a UUID in its usual spelling is kept in 16 bytes without an allocation.
//! Any other spelling is another channel, and is kept as it came.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// Longest channel accepted, in bytes.
pub const MAX_BYTES: usize = 128;

/// Length of a UUID in its usual spelling.
pub const UUID_BYTES: usize = 36;

/// A channel of 1 to [`MAX_BYTES`] bytes without control characters.
///
/// Ordered as its text is.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    /// A UUID spelled in lower case with hyphens.
    Uuid([u8; 16]),
    /// Shared, since a channel stands in more than one index.
    Text(Arc<str>),
}

impl Channel {
    /// Reads a channel, or returns what is wrong with it.
    ///
    /// # Errors
    /// When the text is empty, longer than [`MAX_BYTES`], or holds a control
    /// character.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(channel) = text.as_bytes().try_into().ok().and_then(Self::spelled) {
            return Ok(channel);
        }
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(format!(
                "expected a text of 1 to {MAX_BYTES} bytes, found {} bytes",
                text.len()
            ));
        }
        if text.chars().any(char::is_control) {
            return Err("expected a text without control characters, found one".to_owned());
        }
        Ok(Self(Repr::Text(text.into())))
    }

    /// The channel that is a UUID in its usual spelling, if this is one.
    #[must_use]
    #[inline]
    pub fn spelled(text: &[u8; UUID_BYTES]) -> Option<Self> {
        canonical_uuid(text).map(Repr::Uuid).map(Self)
    }

    /// The 16 bytes of a channel that is a UUID in its usual spelling.
    #[must_use]
    pub fn as_uuid(&self) -> Option<&[u8; 16]> {
        match &self.0 {
            Repr::Uuid(bytes) => Some(bytes),
            Repr::Text(_) => None,
        }
    }

    /// The channel from the bytes that [`Channel::as_uuid`] returned.
    #[must_use]
    pub fn from_uuid(bytes: [u8; 16]) -> Self {
        Self(Repr::Uuid(bytes))
    }

    /// The channel as text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Uuid(_) => Cow::Owned(self.to_string()),
            Repr::Text(text) => Cow::Borrowed(text),
        }
    }
}

impl Channel {
    /// Whether its text begins with that of `prefix`, byte by byte.
    #[must_use]
    pub fn begins_with(&self, prefix: &Self) -> bool {
        self.bytes(&mut [0; UUID_BYTES]).starts_with(prefix.bytes(&mut [0; UUID_BYTES]))
    }

    /// The bytes of its text, which are written to `buffer` if they are kept in
    /// another form.
    fn bytes<'a>(&'a self, buffer: &'a mut [u8; UUID_BYTES]) -> &'a [u8] {
        match &self.0 {
            Repr::Uuid(bytes) => {
                Uuid::from_bytes(*bytes).hyphenated().encode_lower(buffer).as_bytes()
            }
            Repr::Text(text) => text.as_bytes(),
        }
    }
}

/// The UUID that 36 bytes spell in lower case with hyphens.
#[inline]
fn canonical_uuid(text: &[u8; UUID_BYTES]) -> Option<[u8; 16]> {
    if [8, 13, 18, 23].iter().any(|&at| text[at] != b'-') {
        return None;
    }
    let four = |at| u32::from_le_bytes([0, 1, 2, 3].map(|behind: usize| text[at + behind]));
    let eight = |first, second| u64::from(four(first)) | u64::from(four(second)) << 32;
    let words = [eight(0, 4), eight(9, 14), eight(19, 24), eight(28, 32)];
    let (mut bytes, mut wrong) = ([0; 16], 0);
    for (four, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        let (read, strange) = four_bytes(word);
        *four = read;
        wrong |= strange;
    }
    (wrong == 0).then_some(bytes)
}

/// What eight digits in lower case spell, and anything but 0 if they are none.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "it takes the lower half")]
fn four_bytes(digits: u64) -> ([u8; 4], u64) {
    const ONES: u64 = u64::MAX / 0xff;
    // Of each byte apart: none of this carries over, or else what is wrong is seen.
    let letters = digits >> 6 & ONES;
    let values = (digits & (ONES * 0x0f)).wrapping_add(letters * 9);
    let above_nine = values.wrapping_add(ONES * 6) >> 4 & ONES;
    let spelled = values.wrapping_add(ONES * 0x30).wrapping_add(above_nine * 0x27);
    let wrong = (spelled ^ digits) | (values & (ONES * 0xf0));
    // Two digits in each second byte; then these side by side.
    let pairs = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (((fours | fours >> 16) as u32).to_le_bytes(), wrong)
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Uuid(bytes) => {
                let mut buffer = Uuid::encode_buffer();
                f.write_str(Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut buffer))
            }
            Repr::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl Hash for Channel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Uuid(bytes) => state.write_u128(u128::from_le_bytes(*bytes)),
            Repr::Text(text) => text.hash(state),
        }
    }
}

impl Ord for Channel {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            // Lower-case hexadecimal sorts as the bytes it spells.
            (Repr::Uuid(a), Repr::Uuid(b)) => a.cmp(b),
            (Repr::Text(a), Repr::Text(b)) => a.cmp(b),
            _ => self.bytes(&mut [0; UUID_BYTES]).cmp(other.bytes(&mut [0; UUID_BYTES])),
        }
    }
}

impl PartialOrd for Channel {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_comes_back_as_it_was_spelled() {
        for text in [
            "193270a9-c9cf-404a-8f83-838e71d9ae67",
            "193270A9-c9cf-404a-8f83-838e71d9ae67",
            "193270a9c9cf404a8f83838e71d9ae67",
            "{193270a9-c9cf-404a-8f83-838e71d9ae67}",
            "not a uuid",
        ] {
            assert_eq!(Channel::parse(text).unwrap().to_string(), text);
        }
        let canonical = Channel::parse("193270a9-c9cf-404a-8f83-838e71d9ae67").unwrap();
        let upper = Channel::parse("193270A9-c9cf-404a-8f83-838e71d9ae67").unwrap();
        assert!(canonical.as_uuid().is_some());
        assert_ne!(canonical, upper);
    }

    #[test]
    fn whatever_is_in_it_a_uuid_is_read_as_by_others() {
        for at in 0..UUID_BYTES {
            for byte in 0..=u8::MAX {
                let mut text = *b"0e9e9df5-38fd-52e2-916f-c858b9eb4ea5";
                text[at] = byte;
                let by_others = std::str::from_utf8(&text).ok().and_then(|text| {
                    let read = Uuid::try_parse(text).ok()?;
                    (read.to_string() == text).then(|| Channel::from_uuid(read.into_bytes()))
                });
                assert_eq!(Channel::spelled(&text), by_others, "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn bounds_are_in_bytes_and_control_characters_are_refused() {
        assert!(Channel::parse(&"x".repeat(128)).is_ok());
        assert!(Channel::parse(&"x".repeat(129)).is_err());
        assert!(Channel::parse(&"ä".repeat(65)).is_err());
        assert!(Channel::parse("").is_err());
        assert!(Channel::parse("a\u{0}b").is_err());
        assert!(Channel::parse("a\u{85}b").is_err());
    }

    #[test]
    fn a_channel_begins_with_what_its_text_begins_with() {
        let texts = ["193270a9-c9cf-404a-8f83-838e71d9ae67", "193270a9", "1", "193270A9", "Ä"];
        for text in texts {
            for prefix in texts {
                let begins =
                    Channel::parse(text).unwrap().begins_with(&Channel::parse(prefix).unwrap());
                assert_eq!(begins, text.starts_with(prefix), "{text} {prefix}");
            }
        }
    }

    #[test]
    fn channels_sort_as_their_texts() {
        let mut texts = vec![
            "zeta",
            "193270a9-c9cf-404a-8f83-838e71d9ae67",
            "19",
            "f93270a9-c9cf-404a-8f83-838e71d9ae67",
            "a",
            "193270a9-c9cf-404a-8f83-838e71d9ae66",
        ];
        let mut channels: Vec<_> = texts.iter().map(|t| Channel::parse(t).unwrap()).collect();
        channels.sort();
        texts.sort_unstable();
        let sorted: Vec<_> = channels.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, texts);
    }
}
