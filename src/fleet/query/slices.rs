//! Rockets, or missions, in slices, so that no step with many of them takes long: neither
//! adding one nor handing all of them on, and not giving them up either.

use tokio::runtime::Handle;

use crate::fleet::view::RocketView;

/// Most rockets in a slice.
const SLICE: usize = 1024;

/// See the module. Many are dropped on a thread that may block.
#[derive(Debug)]
pub struct Slices<T: Send + 'static = RocketView>(Vec<Vec<T>>);

impl<T: Send + 'static> Default for Slices<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Send + 'static> Slices<T> {
    /// Adds a rocket.
    pub fn push(&mut self, rocket: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < SLICE => last.push(rocket),
            last => {
                // The first one may stay small.
                let mut slice = Vec::with_capacity(if last.is_some() { SLICE } else { 1 });
                slice.push(rocket);
                self.0.push(slice);
            }
        }
    }

    /// All slices. None is empty.
    #[must_use]
    pub fn take(mut self) -> Vec<Vec<T>> {
        std::mem::take(&mut self.0)
    }
}

impl FromIterator<RocketView> for Slices {
    fn from_iter<T: IntoIterator<Item = RocketView>>(rockets: T) -> Self {
        let mut slices = Self::default();
        rockets.into_iter().for_each(|rocket| slices.push(rocket));
        slices
    }
}

impl<T: Send + 'static> Drop for Slices<T> {
    fn drop(&mut self) {
        if self.0.len() > 1 {
            drop_elsewhere(std::mem::take(&mut self.0));
        }
    }
}

/// Drops what takes long to drop, some 50 ms for a million rockets, where it holds
/// up nobody.
pub(super) fn drop_elsewhere(rockets: impl Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(rockets))),
        Err(_) => drop(rockets),
    }
}
