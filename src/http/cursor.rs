//! The opaque position at which the next page of a listing starts: where in
//! the listing's order the page before ended, as base64 of JSON. Does not own the
//! orders, nor what a position means in them (`fleet/query/sort.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::fleet::query::{Field, Position, Sort, SortKey};
use crate::telemetry::{Channel, Timestamp};

#[derive(Serialize, Deserialize)]
struct Cursor {
    sort: String,
    descending: bool,
    key: CursorKey,
    id: String,
}

/// As [`SortKey`], in what can be written.
#[derive(Serialize, Deserialize)]
enum CursorKey {
    Nothing,
    Time(i64, u32),
    Number(i64),
    Text(String),
}

fn name(field: Field) -> &'static str {
    let found = Field::NAMES.iter().find(|&&(_, named)| named == field);
    found.expect("every field has a name").0
}

/// The cursor for what comes after `position` in the order `sort`.
#[must_use]
pub fn encode(sort: Sort, position: &Position) -> String {
    let key = match &position.key {
        SortKey::Nothing => CursorKey::Nothing,
        SortKey::Time(time) => {
            let (seconds, nanoseconds) = time.to_unix();
            CursorKey::Time(seconds, nanoseconds)
        }
        SortKey::Number(number) => CursorKey::Number(*number),
        SortKey::Text(text) => CursorKey::Text(text.to_string()),
    };
    let id = position.id.to_string();
    let cursor = Cursor { sort: name(sort.field).to_owned(), descending: sort.descending, key, id };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).expect("texts and numbers always serialise"))
}

/// The position that a cursor stands for; `None` if it is no cursor, or one of
/// another order.
#[must_use]
pub fn decode(sort: Sort, text: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let cursor: Cursor = serde_json::from_slice(&bytes).ok()?;
    if cursor.sort != name(sort.field) || cursor.descending != sort.descending {
        return None;
    }
    let key = match cursor.key {
        CursorKey::Nothing => SortKey::Nothing,
        CursorKey::Time(seconds, nanoseconds) => {
            SortKey::Time(Timestamp::from_unix(seconds, nanoseconds)?)
        }
        CursorKey::Number(number) => SortKey::Number(number),
        CursorKey::Text(text) => SortKey::Text(text.into()),
    };
    sort.field.holds(&key).then_some(())?;
    Some(Position { key, id: Channel::parse(&cursor.id).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_position_it_was_made_of() {
        let id = Channel::parse("a b").unwrap();
        for (field, key) in [
            (Field::LaunchTime, SortKey::Time(Timestamp::from_unix(-5, 7).unwrap())),
            (Field::Speed, SortKey::Number(-1)),
            (Field::Mission, SortKey::Text("Ä".into())),
            (Field::ExplosionReason, SortKey::Nothing),
        ] {
            let sort = Sort { field, descending: true };
            let position = Position { key, id: id.clone() };
            let text = encode(sort, &position);
            assert_eq!(decode(sort, &text), Some(position));
            assert_eq!(decode(Sort { descending: false, ..sort }, &text), None);
            assert_eq!(decode(Sort { field: Field::Id, ..sort }, &text), None);
        }
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        let forged = URL_SAFE_NO_PAD
            .encode(r#"{"sort":"launch_time","descending":false,"key":{"Number":1},"id":"a"}"#);
        for text in ["", "x", "%%%", "e30", &forged] {
            assert_eq!(decode(Sort::default(), text), None, "{text}");
        }
    }
}
