//! Which partition a channel belongs to.
//!
//! The only place that decides it: routing between nodes would need a fixed
//! hash here, while within one process random keys keep a sender from crafting
//! channels that all land on one worker.

use ahash::RandomState;

use crate::telemetry::Channel;

/// Spreads channels evenly over a fixed number of partitions.
#[derive(Clone, Debug)]
pub struct Router {
    keys: RandomState,
    partitions: usize,
}

impl Router {
    /// A router over `partitions`, at least one.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn new(partitions: usize) -> Self {
        assert!(partitions > 0, "a channel belongs to some partition");
        Self { keys: RandomState::new(), partitions }
    }

    /// The number of partitions.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    /// The partition of `channel`, below the number of partitions.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it is below `partitions`, a usize")]
    pub fn route(&self, channel: &Channel) -> usize {
        let hash = u128::from(self.keys.hash_one(channel));
        // Multiply and shift: an even share without a division.
        ((hash * self.partitions as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_spread_evenly_and_stay_where_they_are() {
        let router = Router::new(7);
        let mut counts = [0usize; 7];
        for n in 0..7_000 {
            let channel = Channel::parse(&format!("rocket {n}")).unwrap();
            let partition = router.route(&channel);
            assert_eq!(partition, router.clone().route(&channel));
            counts[partition] += 1;
        }
        assert!(counts.iter().all(|&count| (700..1_300).contains(&count)), "{counts:?}");
    }
}
