//! Many messages from one sender to their partitions, in chunks.
//!
//! Owns which partition gets which message, how many are held and how many are
//! on their way: at most one chunk for each partition, which works on it while
//! the sender goes on with the next. Does not own where messages come from, nor
//! what is made of the outcomes.

use tokio::time::Instant;

use super::handed_over::HandedOver;
use super::handle::Fleet;
use super::outcome::Submitted;
use crate::telemetry::Message;

/// Messages of a partition from which on they are handed over: some 1 ms of its
/// work. What is pushed before the next look comes on top.
const CHUNK: usize = 4096;

/// Messages of all partitions from which on all of them are handed over.
const MAX_HELD: usize = 2 * CHUNK;

/// Messages that go to their partitions, each with a tag by which its sender
/// knows it again.
#[derive(Debug)]
pub struct Intake<Tag> {
    fleet: Fleet,
    deadline: Instant,
    /// How many messages are held in `filling`.
    held: usize,
    /// What was not handed over yet, for each partition.
    filling: Vec<Chunk<Tag>>,
    /// What was handed over last to each partition, and the tags of it.
    under_way: Vec<Option<(Vec<Tag>, HandedOver)>>,
}

/// Messages of one partition, and their tags.
#[derive(Debug)]
struct Chunk<Tag> {
    messages: Vec<Message>,
    tags: Vec<Tag>,
}

impl<Tag> Default for Chunk<Tag> {
    fn default() -> Self {
        Self { messages: Vec::new(), tags: Vec::new() }
    }
}

impl<Tag> Intake<Tag> {
    /// An intake to `fleet` whose sender waits until `deadline`.
    #[must_use]
    pub fn new(fleet: Fleet, deadline: Instant) -> Self {
        let filling: Vec<_> = (0..fleet.partitions()).map(|_| Chunk::default()).collect();
        let under_way = filling.iter().map(|_| None).collect();
        Self { fleet, deadline, held: 0, filling, under_way }
    }

    /// Takes a message in. Synchronous, so that it can be done on any thread;
    /// [`Intake::hand_over_full`] must follow from time to time.
    pub fn push(&mut self, tag: Tag, message: Message) {
        let chunk = &mut self.filling[self.fleet.partition_of(&message)];
        chunk.messages.push(message);
        chunk.tags.push(tag);
        self.held += 1;
    }

    /// What came was no message.
    pub fn tell_invalid(&self) {
        self.fleet.tell_invalid();
    }

    /// Hands over the chunks that are full, and tells `sink` what became of the
    /// chunks before them.
    pub async fn hand_over_full(&mut self, sink: &mut impl FnMut(Tag, Submitted)) {
        let all = self.held >= MAX_HELD;
        for partition in 0..self.filling.len() {
            if all || self.filling[partition].messages.len() >= CHUNK {
                self.hand_over(partition, sink).await;
            }
        }
    }

    /// Has the sender wait until `deadline` from now on.
    pub fn wait_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Hands over what is held, and tells `sink` what became of it and of all
    /// before. Nothing is held then.
    pub async fn flush(&mut self, sink: &mut impl FnMut(Tag, Submitted)) {
        for partition in 0..self.filling.len() {
            self.hand_over(partition, sink).await;
        }
        for partition in 0..self.under_way.len() {
            self.await_outcomes(partition, sink).await;
        }
    }

    /// Hands over the rest, and tells `sink` what became of all that it was not
    /// told of yet.
    pub async fn finish(mut self, sink: &mut impl FnMut(Tag, Submitted)) {
        self.flush(sink).await;
    }

    /// Lets go of what was not handed over, and tells `sink` what became of the
    /// rest.
    pub async fn break_off(mut self, sink: &mut impl FnMut(Tag, Submitted)) {
        for partition in 0..self.under_way.len() {
            self.await_outcomes(partition, sink).await;
        }
    }

    /// Hands a partition's chunk over, once the one before is answered: the
    /// partition works while the next messages are read.
    async fn hand_over(&mut self, partition: usize, sink: &mut impl FnMut(Tag, Submitted)) {
        let Chunk { messages, tags } = std::mem::take(&mut self.filling[partition]);
        self.held -= messages.len();
        if messages.is_empty() {
            return;
        }
        self.await_outcomes(partition, sink).await;
        if Instant::now() >= self.deadline {
            // Nobody would wait for it, and so nothing would hold the next back.
            for tag in tags {
                sink(tag, Err(self.fleet.not_taken()));
            }
            return;
        }
        self.under_way[partition] = Some((tags, self.fleet.hand_over(partition, messages)));
    }

    /// Waits for what a partition was handed last.
    async fn await_outcomes(&mut self, partition: usize, sink: &mut impl FnMut(Tag, Submitted)) {
        if let Some((tags, handed_over)) = self.under_way[partition].take() {
            assert_eq!(handed_over.count, tags.len(), "a message has one outcome");
            let outcomes = handed_over.outcomes(self.deadline).await;
            tags.into_iter().zip(outcomes).for_each(|(tag, outcome)| sink(tag, outcome));
        }
    }
}
