//! Owns the token that requests carry: reading it from a file, and keeping it out
//! of sight. Does not own which requests carry it (`client`).

use hyper::header::HeaderValue;

/// A bearer token, as the header that it goes in. Not shown by `Debug`.
#[derive(Clone, Debug)]
pub struct Token(HeaderValue);

impl Token {
    /// Reads the first token of a file, which has one a line, behind a name and a
    /// blank or not; blank lines and those that begin with `#` do not count.
    ///
    /// # Errors
    /// A line that says what is wrong, without a word of the file.
    pub fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let line = line.ok_or("the file holds no token")?;
        let words: Vec<_> = line.split_whitespace().collect();
        let ([token] | [_, token]) = words[..] else {
            return Err("expected a token in the file, or a name, a blank and a token".into());
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| "the token in the file cannot be sent in a header")?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The value of `Authorization`.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_is_read_and_never_shown() {
        for text in ["secret", "\u{feff}# all\r\n\r\n sensor-7\tsecret \r\nother", "secret\nx"] {
            let token = Token::parse(text).expect(text);
            assert_eq!(token.header(), "Bearer secret");
            assert!(!format!("{token:?}").contains("secret"));
        }
        for bad in ["", "# only\n\n", "secret a b", "se\u{1}cret"] {
            assert!(!Token::parse(bad).unwrap_err().contains("secret"), "{bad}");
        }
    }
}
