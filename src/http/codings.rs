//! The ways in which a body may be compressed (RFC 9110, 8.4): their names, and
//! what can be wrong. Does not own how they are taken off (`decoder`).

use thiserror::Error;
use warp::http::HeaderValue;

use super::media::parts;

/// Most codings of one body.
const MAX_CODINGS: usize = 3;

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As by `gzip`, in one part or many.
    Gzip,
    /// As by zlib, or without zlib's frame, as some clients understand the name.
    Deflate,
    /// Zstandard.
    Zstd,
}

impl Coding {
    /// What headers call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codings {
    /// Not at all.
    #[default]
    Identity,
    /// In these ways, in this order.
    Known([Option<Coding>; MAX_CODINGS]),
    /// In a way that we do not know, or in too many.
    Unknown,
}

impl Codings {
    /// Reads a `Content-Encoding` header that comes behind those read so far.
    pub fn add(&mut self, value: &HeaderValue) {
        for name in parts(value.as_bytes(), b',') {
            let is = |names: &[&str]| names.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()));
            let coding = if is(&["", "identity"]) {
                continue;
            } else if is(&["gzip", "x-gzip"]) {
                Coding::Gzip
            } else if is(&["deflate"]) {
                Coding::Deflate
            } else if is(&["zstd"]) {
                Coding::Zstd
            } else {
                *self = Self::Unknown;
                return;
            };
            let mut known = match *self {
                Self::Identity => [None; MAX_CODINGS],
                Self::Known(known) => known,
                Self::Unknown => return,
            };
            let Some(free) = known.iter_mut().find(|coding| coding.is_none()) else {
                *self = Self::Unknown;
                return;
            };
            *free = Some(coding);
            *self = Self::Known(known);
        }
    }
}

/// Why a body cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Its bytes are not of the coding.
    #[error("it is not {0}, or damaged")]
    Damaged(&'static str),
    /// There should have been more.
    #[error("its {0} is cut off")]
    CutOff(&'static str),
    /// It goes on and on without anything in it.
    #[error("it is far longer than what is in it")]
    Hollow,
    /// All bodies together would hold too much.
    #[error("there is no room for what it takes to decode it")]
    NoRoom,
    /// It could not even be received.
    #[error("{0}")]
    Broken(String),
    /// The runtime is on its way out.
    #[error("the service is stopping")]
    Stopping,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_read_in_order_and_from_several_headers() {
        let read = |values: &[&'static str]| {
            let mut codings = Codings::default();
            for value in values {
                codings.add(&HeaderValue::from_static(value));
            }
            codings
        };
        assert_eq!(read(&["", "identity"]), Codings::Identity);
        let two = Codings::Known([Some(Coding::Gzip), Some(Coding::Zstd), None]);
        assert_eq!(read(&["GZIP,, zstd"]), two);
        assert_eq!(read(&["x-gzip", "zstd"]), two);
        for unknown in [&["br"][..], &["br", "gzip"], &["gzip, br"], &["gzip,gzip,gzip,gzip"]] {
            assert_eq!(read(unknown), Codings::Unknown, "{unknown:?}");
        }
    }
}
