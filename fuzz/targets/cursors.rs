//! Cursors, as clients send them. An input is the JSON within one, or a cursor.
//!
//! One that stands for a position belongs to one order only, and comes back as
//! that position; what is none is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use downlink::fleet::query::{Field, Sort};
use downlink::http::cursor;

use super::{Kind, Way, ensure};

pub const KIND: Kind = Kind {
    name: "cursors",
    about: "cursors of pages: a position in the one order that they belong to, or refused",
    words: &[
        "\"sort\"",
        "\"descending\"",
        "\"key\"",
        "\"id\"",
        "\"launch_time\"",
        "\"speed\"",
        "\"mission\"",
        "\"status\"",
        "\"Nothing\"",
        "\"Time\"",
        "\"Number\"",
        "\"Text\"",
        "true",
        "false",
        "null",
        "{",
        "}",
        "[",
        "]",
        "\"explosion_reason\"",
        "\"rocket_type\"",
        "\"last_message_number\"",
        "-1",
        "\\ud800",
    ],
    most: 1024,
    make: || Box::new(attempt),
};

fn attempt(input: &[u8]) -> Result<Way, String> {
    let mut found = Vec::new();
    let encoded = URL_SAFE_NO_PAD.encode(input);
    for text in [&*String::from_utf8_lossy(input), &*encoded] {
        let mut orders = 0;
        for &(name, field) in &Field::NAMES {
            for descending in [false, true] {
                let sort = Sort { field, descending };
                let Some(position) = cursor::decode(sort, text) else { continue };
                ensure!(field.holds(&position.key), "{name} cannot be {position:?}");
                let again = cursor::decode(sort, &cursor::encode(sort, &position));
                ensure!(again.as_ref() == Some(&position), "{position:?} came back as {again:?}");
                let itself = sort.compare(&position, &position);
                ensure!(itself.is_eq(), "{position:?} is not where it is");
                found.push(format!("{name} {descending}"));
                orders += 1;
            }
        }
        ensure!(orders <= 1, "a cursor of {found:?}");
    }
    let json: Result<serde_json::Value, _> = serde_json::from_slice(input);
    Ok(format!("{found:?} {:?}", json.err().map(|error| error.classify())))
}
