//! Finds where the elements of a JSON array end, in an array that comes in
//! pieces. Does not own what is in an element, nor the bytes of it: what is
//! found are places in a piece.

/// Where in an array a piece goes on.
#[derive(Debug, Default)]
pub struct Elements {
    place: Place,
    /// Brackets and braces that are open within the element.
    depth: usize,
    in_text: bool,
    escaped: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the array's bracket.
    #[default]
    Before,
    /// Before anything of the first element.
    First,
    /// In an element behind the first.
    Further,
    /// Behind the array.
    Behind,
}

/// What a piece goes on with.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing that matters in its first bytes.
    Skip(usize),
    /// An element that ends after so many bytes, with one byte more behind it.
    Element(usize),
    /// The same, and it was the last one.
    Last(usize),
    /// No end of an element.
    Unfinished,
    /// Something that is not white space, behind the array.
    Stray,
}

impl Elements {
    /// Looks at the next bytes of the body. What the step says is taken off
    /// before the next look.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        match self.place {
            Place::Before => match bytes.iter().position(|&byte| byte == b'[') {
                Some(at) => {
                    self.place = Place::First;
                    Step::Skip(at + 1)
                }
                None => Step::Skip(bytes.len()),
            },
            Place::First | Place::Further => self.find_end(bytes),
            Place::Behind if bytes.trim_ascii().is_empty() => Step::Skip(bytes.len()),
            Place::Behind => Step::Stray,
        }
    }

    /// Whether an element is still to come, as it is behind a comma.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.place != Place::Behind
    }

    /// Whether nothing ended yet: a blank element is then no element.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.place == Place::First
    }

    fn find_end(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.escaped {
                self.escaped = false;
            } else if self.in_text {
                // Most of an element is in texts.
                let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) else { break };
                at += found;
                if bytes[at] == b'"' {
                    self.in_text = false;
                } else {
                    self.escaped = true;
                }
            } else {
                match byte {
                    b'"' => self.in_text = true,
                    b'[' | b'{' => self.depth += 1,
                    b',' if self.depth == 0 => {
                        self.place = Place::Further;
                        return Step::Element(at);
                    }
                    b']' if self.depth == 0 => {
                        self.place = Place::Behind;
                        return Step::Last(at);
                    }
                    // A brace too many is for the reader of the element to find.
                    b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            at += 1;
        }
        Step::Unfinished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements of an array that comes in pieces of so many bytes.
    fn elements(array: &str, size: usize) -> Vec<String> {
        let mut elements = Elements::default();
        let (mut found, mut element) = (Vec::new(), Vec::new());
        for mut piece in array.as_bytes().chunks(size) {
            while !piece.is_empty() {
                let ended = match elements.step(piece) {
                    Step::Skip(length) => {
                        piece = &piece[length..];
                        continue;
                    }
                    Step::Element(length) | Step::Last(length) => length,
                    Step::Unfinished => {
                        element.extend_from_slice(piece);
                        break;
                    }
                    Step::Stray => {
                        found.push("stray".to_owned());
                        break;
                    }
                };
                element.extend_from_slice(&piece[..ended]);
                found.push(String::from_utf8(std::mem::take(&mut element)).unwrap());
                piece = &piece[ended + 1..];
            }
        }
        found
    }

    #[test]
    fn elements_end_at_commas_and_brackets_of_the_array_only() {
        let all = [r#"{"a":[1,{"b":",]\\\",]"}]}"#, r#" "x,]" "#, "7", "[[],[]]", ""];
        let array = format!(" [{}] ", all.join(","));
        for size in 1..array.len() {
            assert_eq!(elements(&array, size), all, "{size}");
        }
        assert_eq!(elements("[}]", 1), ["}"]);
        assert_eq!(elements("[] \n,", 9), ["", "stray"]);
    }
}
