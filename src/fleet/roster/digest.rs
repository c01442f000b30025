//! A digest of what a roster has folded, kept up with every change: the wrapping sum over
//! its rockets of a hash of each. So it does not depend on their order, nor on how they
//! fall into partitions: the sum over all partitions is the fleet's. Only kept in a
//! cluster, whose nodes compare it.
//!
//! Owns what is in it: what the log alone makes of a rocket, which is the same on every
//! node. Not what a node knows by its own clock, or only counts.

use xxhash_rust::xxh3::xxh3_64;

use super::tracked::Tracked;
use crate::telemetry::lost::Lost;
use crate::telemetry::rocket::{Flight, Rocket, Vocabulary};
use crate::telemetry::{Channel, Timestamp};

/// Which digest it is: one that is made in another way must have another number, so
/// that releases which make it differently are not compared.
pub const FORM: u32 = 1;

/// See the module.
pub(super) struct Digest(Option<Kept>);

struct Kept {
    sum: u64,
    /// What is hashed, one rocket at a time.
    bytes: Vec<u8>,
}

/// What one rocket is worth before a change; to be handed back after it.
#[must_use]
pub(super) struct Before(u64);

impl Before {
    /// A rocket that was not there.
    pub const NOTHING: Self = Self(0);
}

impl Digest {
    /// What it is now; 0 if none is kept.
    pub fn sum(&self) -> u64 {
        self.0.as_ref().map_or(0, |kept| kept.sum)
    }

    /// What it is to be, of rockets that have these texts.
    pub fn anew<'a>(rockets: impl Iterator<Item = &'a Tracked>, vocabulary: &Vocabulary) -> u64 {
        let mut bytes = Vec::new();
        rockets.map(|tracked| worth(tracked, vocabulary, &mut bytes)).fold(0, u64::wrapping_add)
    }

    /// Of no rockets, if it is `kept` at all.
    pub fn kept_if(kept: bool) -> Self {
        Self(kept.then(|| Kept { sum: 0, bytes: Vec::new() }))
    }

    /// What a rocket is worth that is about to change.
    pub fn before(&mut self, tracked: &Tracked, vocabulary: &Vocabulary) -> Before {
        Before(self.0.as_mut().map_or(0, |kept| worth(tracked, vocabulary, &mut kept.bytes)))
    }

    /// It has changed.
    pub fn moved(&mut self, Before(before): Before, tracked: &Tracked, vocabulary: &Vocabulary) {
        if let Some(Kept { sum, bytes }) = &mut self.0 {
            let after = worth(tracked, vocabulary, bytes);
            *sum = sum.wrapping_sub(before).wrapping_add(after);
        }
    }
}

/// The hash of one rocket; 0 while nothing is known of it.
fn worth(tracked: &Tracked, vocabulary: &Vocabulary, bytes: &mut Vec<u8>) -> u64 {
    if tracked.is_blank() {
        return 0;
    }
    bytes.clear();
    let Tracked { channel, reorder, rocket: Rocket { last_update_time, flight }, .. } = tracked;
    put_channel(bytes, channel);
    put(bytes, reorder.next());
    put_time(bytes, last_update_time.unwrap_or(Timestamp::EPOCH));
    match flight {
        Some(flight) => put_flight(bytes, flight, vocabulary),
        None => put(bytes, 0),
    }
    let ranges = reorder.lost().map_or(&[][..], Lost::ranges);
    put(bytes, reorder.lost().map_or(0, Lost::count));
    put(bytes, ranges.len() as u64);
    for &(first, last) in ranges {
        put(bytes, first);
        put(bytes, last);
    }
    put(bytes, reorder.buffered() as u64);
    if let (Some(lowest), Some(highest)) = (reorder.lowest(), reorder.highest()) {
        put(bytes, lowest);
        put(bytes, highest);
    }
    xxh3_64(bytes)
}

fn put_flight(bytes: &mut Vec<u8>, flight: &Flight, vocabulary: &Vocabulary) {
    let Flight { launch_time, rocket_type, mission, explosion, .. } = flight;
    put(bytes, 1 + u64::from(explosion.is_some()));
    put_time(bytes, *launch_time);
    put(bytes, flight.speed().cast_unsigned());
    put_text(bytes, vocabulary.types.get(rocket_type));
    put_text(bytes, vocabulary.missions.get(mission));
    if let Some(reason) = explosion {
        put_text(bytes, vocabulary.reasons.get(reason));
    }
}

fn put_channel(bytes: &mut Vec<u8>, channel: &Channel) {
    match channel.as_uuid() {
        Some(uuid) => {
            // No text has no length.
            put(bytes, 0);
            bytes.extend_from_slice(uuid);
        }
        None => put_text(bytes, &channel.text()),
    }
}

fn put_time(bytes: &mut Vec<u8>, time: Timestamp) {
    let (seconds, nanoseconds) = time.to_unix();
    put(bytes, seconds.cast_unsigned());
    put(bytes, nanoseconds.into());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

fn put(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend_from_slice(&number.to_le_bytes());
}
