//! Any JSON value as a message sees it, and the one visitor that reads values.
//! Does not own which fields there are, nor what they must hold (`wire`).

// It reads what anybody sends: nothing in it may be a panic.
#![warn(clippy::indexing_slicing)]

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::shown::Plain;

/// Any JSON value, as far as a message cares. What an object holds is kept apart,
/// so that it never moves.
#[derive(Debug, Default)]
pub enum Value<'de> {
    /// The field is not there.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A boolean, of whichever value.
    Bool,
    /// An integer that is not negative.
    Integer(u64),
    /// A negative integer.
    Negative(i64),
    /// A number with a fraction or an exponent, or too large for 64 bits; which
    /// one it was is known to the lenient way only.
    Float,
    /// Such a number, or a text that is not Unicode, as it came.
    Raw(&'de str),
    /// A text without its escapes.
    Text(Cow<'de, str>),
    /// An array; nothing of it is kept.
    Array,
    /// An object; what it holds is kept apart.
    Object,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("a boolean"),
            Self::Integer(n) => n.fmt(f),
            Self::Negative(n) => n.fmt(f),
            Self::Float => f.write_str("a number"),
            Self::Raw(text) if text.starts_with('"') => {
                f.write_str("a text with half of a surrogate pair, which is not Unicode")
            }
            Self::Raw(number) => Plain(number).fmt(f),
            Self::Text(_) => f.write_str("a text"),
            Self::Array => f.write_str("an array"),
            Self::Object => f.write_str("an object"),
        }
    }
}

/// An object as it is read, entry by entry.
pub trait Object<'de> {
    /// What its keys are read as.
    type Key: Deserialize<'de>;

    /// Reads from `map` the value that belongs to `key`.
    ///
    /// # Errors
    /// When the value cannot be read, or its field was read before.
    fn read<A: MapAccess<'de>>(&mut self, key: Self::Key, map: &mut A) -> Result<(), A::Error>;
}

/// Of an object where messages have none, nothing is kept.
impl<'de> Object<'de> for IgnoredAny {
    type Key = Self;

    fn read<A: MapAccess<'de>>(&mut self, _: Self, map: &mut A) -> Result<(), A::Error> {
        ignore(map)
    }
}

/// Skips a value.
///
/// # Errors
/// When it cannot be read.
pub fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// An object's key, borrowed from the text where it has no escapes.
#[derive(Debug, Deserialize)]
pub struct Key<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'de> Value<'de> {
    /// Reads the value of the field that complaints call `name`; if it is an
    /// object, what that holds goes to `fields`.
    ///
    /// # Errors
    /// When the value cannot be read, or the field was read before.
    pub fn read_once<O: Object<'de>, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        fields: &mut O,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if !matches!(self, Self::Absent) {
            return Err(A::Error::custom(format_args!("{name}: is given twice")));
        }
        *self = map.next_value_seed(Reader(fields))?;
        Ok(())
    }

    /// As [`Value::read_once`], for a field of which no object is expected.
    ///
    /// # Errors
    /// Likewise.
    pub fn read_leaf<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        self.read_once(name, &mut IgnoredAny, map)
    }
}

/// Reads any value. What an object holds goes where it stays, since handing all
/// the fields on by value, as derived code does, takes a quarter longer.
#[derive(Debug)]
pub struct Reader<'a, O>(pub &'a mut O);

impl<'de, O: Object<'de>> DeserializeSeed<'de> for Reader<'_, O> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, O: Object<'de>> Visitor<'de> for Reader<'_, O> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Integer(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Negative(value))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Float)
    }

    /// What the lenient way does not read; JSON itself has no bytes.
    fn visit_borrowed_bytes<E: Error>(self, raw: &'de [u8]) -> Result<Value<'de>, E> {
        std::str::from_utf8(raw).map(Value::Raw).map_err(E::custom)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while let Some(key) = map.next_key()? {
            self.0.read(key, &mut map)?;
        }
        Ok(Value::Object)
    }
}
