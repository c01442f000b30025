//! The usual shape of a message, read at once: the fields that a message has and
//! no others, texts in ASCII without escapes, whole numbers of up to 18 digits, and
//! times in capitals with up to 9 digits below the second; keys in any order, and
//! white space where JSON has it.
//!
//! Nearly all messages are so, and need a quarter of the work. At the first
//! surprise it gives up, without a word of why: what is a message, and what is
//! wrong with one, is decided by the general reader alone ([`super::wire`]), which
//! must read whatever is read here just the same. A property test below and the
//! fuzzing of messages see to it.

// It reads what anybody sends: nothing in it may be a panic.
#![warn(clippy::indexing_slicing)]

use super::channel::UUID_BYTES;
use super::message::MAX_TEXT_BYTES;
use super::{Channel, Event, Message, Report, Timestamp};

/// Digits of a number that surely fits.
const MAX_DIGITS: u32 = 18;

/// The message that `bytes` are, if they are of the usual shape.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Message> {
    let mut fields = Fields::default();
    let mut reader = Reader { rest: bytes };
    let (mut metadata, mut message) = (false, false);
    reader.skip_blanks();
    reader.object(|reader| {
        let seen = if reader.is_key(b"\"metadata\"") {
            reader.object(|reader| reader.metadata(&mut fields))?;
            &mut metadata
        } else if reader.is_key(b"\"message\"") {
            reader.object(|reader| reader.body(&mut fields))?;
            &mut message
        } else {
            return None;
        };
        (!std::mem::replace(seen, true)).then_some(())
    })?;
    reader.skip_blanks();
    if reader.rest.is_empty() { fields.into_message() } else { None }
}

/// What a message may hold, each once. A field that is not of its message's type
/// counts for nothing.
#[derive(Default)]
struct Fields<'a> {
    channel: Option<Channel>,
    number: Option<u64>,
    time: Option<Timestamp>,
    kind: Option<&'a [u8]>,
    rocket_type: Option<&'a [u8]>,
    launch_speed: Option<u64>,
    mission: Option<&'a [u8]>,
    by: Option<u64>,
    new_mission: Option<&'a [u8]>,
    reason: Option<&'a [u8]>,
}

impl Fields<'_> {
    fn into_message(self) -> Option<Message> {
        let event = match self.kind? {
            b"RocketLaunched" => Event::Launched {
                rocket_type: text(self.rocket_type?)?,
                speed: speed(self.launch_speed?)?,
                mission: text(self.mission?)?,
            },
            b"RocketSpeedIncreased" => Event::SpeedIncreased { by: speed(self.by?)? },
            b"RocketSpeedDecreased" => Event::SpeedDecreased { by: speed(self.by?)? },
            b"RocketMissionChanged" => Event::MissionChanged { mission: text(self.new_mission?)? },
            b"RocketExploded" => Event::Exploded { reason: text(self.reason?)? },
            _ => return None,
        };
        let number = self.number.filter(|number| *number > 0)?;
        Some(Message { channel: self.channel?, report: Report { number, time: self.time?, event } })
    }
}

fn text(bytes: &[u8]) -> Option<Box<str>> {
    let fits = (1..=MAX_TEXT_BYTES).contains(&bytes.len());
    fits.then(|| std::str::from_utf8(bytes).ok()).flatten().map(Into::into)
}

fn speed(number: u64) -> Option<i64> {
    number.try_into().ok()
}

/// Gives a field its value, unless it has one.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// What is still to be read. Each method goes on behind what it read; what is
/// `None` ends the reading.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Hardly anybody writes any.
    #[inline]
    fn skip_blanks(&mut self) {
        if matches!(self.rest, [first, ..] if *first <= b' ') {
            self.skip_more_blanks();
        }
    }

    #[cold]
    fn skip_more_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Whether `word` comes next; if so, goes on behind it.
    #[inline]
    fn is_next(&mut self, word: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(word);
        rest.inspect(|rest| self.rest = rest).is_some()
    }

    /// Whether this key comes next; if so, goes on with its value.
    #[inline]
    fn is_key(&mut self, key: &'static [u8]) -> bool {
        match self.rest.strip_prefix(key) {
            Some([b':', rest @ ..]) => self.rest = rest,
            Some(rest @ [b' ' | b'\t' | b'\n' | b'\r', ..]) => {
                let mut behind = Reader { rest };
                behind.skip_more_blanks();
                if !behind.is_next(b":") {
                    return false;
                }
                *self = behind;
            }
            _ => return false,
        }
        self.skip_blanks();
        true
    }

    /// Has each entry of an object that is not empty read.
    #[inline]
    fn object(&mut self, mut read_entry: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if !self.is_next(b"{") {
            return None;
        }
        loop {
            self.skip_blanks();
            read_entry(self)?;
            self.skip_blanks();
            match self.rest {
                [b',', rest @ ..] => self.rest = rest,
                [b'}', rest @ ..] => {
                    self.rest = rest;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    #[inline]
    fn metadata(&mut self, fields: &mut Fields<'a>) -> Option<()> {
        if self.is_key(b"\"channel\"") {
            let channel = self.channel()?;
            once(&mut fields.channel, channel)
        } else if self.is_key(b"\"messageNumber\"") {
            self.number_of(&mut fields.number)
        } else if self.is_key(b"\"messageType\"") {
            self.text_of(&mut fields.kind)
        } else if self.is_key(b"\"messageTime\"") {
            let (time, rest) = Timestamp::usual(self.rest.strip_prefix(b"\"")?)?;
            self.rest = rest.strip_prefix(b"\"")?;
            once(&mut fields.time, time)
        } else {
            None
        }
    }

    #[inline]
    fn body(&mut self, fields: &mut Fields<'a>) -> Option<()> {
        if self.is_key(b"\"by\"") {
            self.number_of(&mut fields.by)
        } else if self.is_key(b"\"newMission\"") {
            self.text_of(&mut fields.new_mission)
        } else if self.is_key(b"\"reason\"") {
            self.text_of(&mut fields.reason)
        } else if self.is_key(b"\"type\"") {
            self.text_of(&mut fields.rocket_type)
        } else if self.is_key(b"\"launchSpeed\"") {
            self.number_of(&mut fields.launch_speed)
        } else if self.is_key(b"\"mission\"") {
            self.text_of(&mut fields.mission)
        } else {
            None
        }
    }

    /// A text that is a channel: at once if it is a UUID.
    #[inline]
    fn channel(&mut self) -> Option<Channel> {
        if let Some(rest) = self.rest.strip_prefix(b"\"")
            && let Some((text, [b'"', rest @ ..])) = rest.split_first_chunk::<UUID_BYTES>()
            && let Some(channel) = Channel::spelled(text)
        {
            self.rest = rest;
            return Some(channel);
        }
        let text = self.text()?;
        Channel::parse(std::str::from_utf8(text).ok()?).ok()
    }

    fn text_of(&mut self, field: &mut Option<&'a [u8]>) -> Option<()> {
        let text = self.text()?;
        once(field, text)
    }

    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.strip_prefix(b"\"")?;
        let (text, rest) = rest.split_at_checked(plain_length(rest)?)?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    #[inline]
    fn number_of(&mut self, field: &mut Option<u64>) -> Option<()> {
        let first = *self.rest.first()?;
        let (mut number, mut digits) = (0, 0);
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            // What is too long is given up below.
            number = u64::wrapping_add(u64::wrapping_mul(number, 10), u64::from(digit - b'0'));
            digits += 1;
            self.rest = rest;
        }
        // JSON has no zeros in front. What is there behind a whole number ends the
        // object, or else the reading.
        let is_usual = digits == 1 || (2..=MAX_DIGITS).contains(&digits) && first != b'0';
        if is_usual { once(field, number) } else { None }
    }
}

/// How many bytes there are before the next quote, if all of them are ASCII that
/// stands for itself.
#[inline]
fn plain_length(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            let length = at * 8 + special.trailing_zeros() as usize / 8;
            return (bytes.get(length) == Some(&b'"')).then_some(length);
        }
    }
    let is_special = |byte: &u8| !(b' '..=b'~').contains(byte) || matches!(byte, b'"' | b'\\');
    let length = words.len() * 8 + rest.iter().position(is_special)?;
    (bytes.get(length) == Some(&b'"')).then_some(length)
}

/// Has the highest bit of each byte set that ends a plain text: a quote, a
/// backslash, a control character, or what is not ASCII. Above the lowest such
/// byte there may be others that are none.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHEST: u64 = ONES * 0x80;
    // Borrows only where a byte is less than what is taken from it.
    let less = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word;
    let is = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
    (less(word, 0x20) | is(b'"') | is(b'\\') | word) & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_ends_at_its_quote_wherever_that_is() {
        for length in 0..40 {
            let text = [&vec![b'~'; length][..], b"\"\"\\\x1f\xff"].concat();
            assert_eq!(plain_length(&text), Some(length));
            for end in [b'\\', 0x1f, 0x7f, 0x80, 0xff, 0] {
                let text = [&vec![b' '; length][..], &[end], b"\"        "].concat();
                // DEL stands for itself, so whether it is taken makes no difference.
                let is_taken = plain_length(&text).is_some();
                assert!(!is_taken || end == 0x7f, "{end:#x} behind {length}");
            }
            assert_eq!(plain_length(&vec![b'a'; length]), None);
        }
    }
}
