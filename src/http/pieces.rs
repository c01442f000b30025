//! The elements of a JSON array, written a piece at a time, as its reader takes
//! them. Does not own where they come from, nor what stands around the array.

use serde::Serialize;

/// Bytes after which a piece ends. By length, and not by elements: those may be
/// twenty times as long as they mostly are.
pub const PIECE: usize = 64 * 1024;

/// Appends elements to `json` until there are no more, or it is `most` bytes long;
/// the last may go beyond it.
pub fn write<T: Serialize>(
    json: &mut String,
    elements: &mut impl Iterator<Item = T>,
    mut is_first: bool,
    most: usize,
) {
    while json.len() < most
        && let Some(element) = elements.next()
    {
        if !std::mem::take(&mut is_first) {
            json.push(',');
        }
        json.push_str(
            &serde_json::to_string(&element).expect("texts, numbers and times always serialise"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_by_their_length_and_make_one_array() {
        let mut elements = vec!["abcdefg"; 5].into_iter();
        let mut pieces = Vec::new();
        while elements.len() > 0 {
            let mut json = String::new();
            write(&mut json, &mut elements, pieces.is_empty(), 12);
            pieces.push(json);
        }
        let two = r#""abcdefg","abcdefg""#;
        assert_eq!(pieces, [two.to_owned(), format!(",{two}"), r#","abcdefg""#.to_owned()]);
    }
}
