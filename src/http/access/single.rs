//! A header that may stand in a request once: where it stands twice, programs on
//! its way may differ about which counts.

use warp::http::HeaderValue;

/// A header that a request has once, if it has it.
#[derive(Debug, Default)]
pub enum Single<'a> {
    /// It is not there.
    #[default]
    Absent,
    /// It is there once.
    Once(&'a HeaderValue),
    /// It is there more than once.
    Doubled,
}

impl<'a> Single<'a> {
    /// Takes in one more.
    pub fn add(&mut self, value: &'a HeaderValue) {
        *self = if matches!(self, Self::Absent) { Self::Once(value) } else { Self::Doubled };
    }
}
