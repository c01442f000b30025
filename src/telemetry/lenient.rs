//! A second way to read JSON, for what `serde_json` refuses as it reads, though
//! it is JSON by its grammar: numbers such as `1e400`, and texts with half of a
//! surrogate pair. Both, and all numbers that are no integer of 64 bits, reach
//! the visitor as they came, by `visit_borrowed_bytes`, since JSON has no bytes.
//!
//! It is slower than the first way, and only for texts that failed there. The
//! text must be JSON: it is not checked again. Does not own what a message is.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

/// A JSON value without white space around it.
#[derive(Debug)]
pub struct Lenient<'de>(pub &'de str);

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserializer<'de> for Lenient<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let Self(text) = self;
        let mut strict = serde_json::Deserializer::from_str(text);
        match text.as_bytes().first() {
            Some(b'{') => strict.deserialize_map(Entries(visitor)),
            Some(b'"') => match serde_json::from_str(text) {
                Ok(Text(Cow::Borrowed(text))) => visitor.visit_borrowed_str(text),
                Ok(Text(Cow::Owned(text))) => visitor.visit_string(text),
                Err(_) => visitor.visit_borrowed_bytes(text.as_bytes()),
            },
            Some(b'-' | b'0'..=b'9') => {
                if let Ok(number) = text.parse() {
                    visitor.visit_u64(number)
                } else if let Ok(number) = text.parse::<i64>()
                    && number != 0
                {
                    visitor.visit_i64(number)
                } else {
                    visitor.visit_borrowed_bytes(text.as_bytes())
                }
            }
            // What is in an array has no place in a message.
            _ => strict.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes
        byte_buf option unit unit_struct newtype_struct seq tuple tuple_struct map
        struct enum identifier
    }
}

/// Shows an object to a visitor with its values read in this way.
struct Entries<T>(T);

impl<'de, V: Visitor<'de>> Visitor<'de> for Entries<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Entries(map))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.0.next_key::<&RawValue>()? {
            if serde_json::from_str::<Text>(key.get()).is_ok() {
                let mut strict = serde_json::Deserializer::from_str(key.get());
                return seed.deserialize(&mut strict).map(Some).map_err(A::Error::custom);
            }
            // No field that anybody looks for has such a name.
            self.0.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let value = self.0.next_value::<&RawValue>()?;
        seed.deserialize(Lenient(value.get())).map_err(A::Error::custom)
    }
}
