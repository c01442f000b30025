//! Messages that are committed together, and whom to answer for each. Does not
//! know what the answer is.

use tokio::sync::oneshot;

use crate::fleet::outcome::{Cause, ForgetVerdict, SkipVerdict, Verdict};
use crate::fleet::roster::Ticket;
use crate::fleet::verdicts::Verdicts;
use crate::journal::{Forget, Record, Skip};
use crate::telemetry::Message;

/// What one commit is about.
#[derive(Default)]
pub(super) struct Batch {
    /// Messages that were let in, in order.
    pub pending: Vec<Pending>,
    /// What is declared lost, behind those messages.
    pub skips: Vec<PendingSkip>,
    /// Who is forgotten, behind both.
    pub forgets: Vec<PendingForget>,
    pub(super) groups: Groups,
}

/// A message that was let in, waiting for its commit.
pub(super) struct Pending {
    pub ticket: Ticket,
    pub message: Message,
    pub reply: ReplyTo,
}

/// Numbers to be declared lost, waiting for their commit.
pub(super) struct PendingSkip {
    pub skip: Skip,
    /// Of nobody who waits for it, if it is for a wait that took too long.
    pub reply: Option<oneshot::Sender<SkipVerdict>>,
}

/// A rocket to be forgotten, waiting for its commit.
pub(super) struct PendingForget {
    pub forget: Forget,
    pub cause: Cause,
    pub reply: oneshot::Sender<ForgetVerdict>,
}

/// Why a batch was not kept.
#[derive(Clone, Copy)]
pub(super) enum Refused {
    /// Nothing is any more.
    NotKept,
    /// Another may be.
    NotNow,
}

/// Where a verdict goes.
pub(super) enum ReplyTo {
    Sender(oneshot::Sender<Verdict>),
    /// To a place among the verdicts of messages that came together.
    Group {
        group: usize,
        at: usize,
    },
}

/// Of messages that came together.
#[derive(Default)]
pub(super) struct Groups(Vec<Group>);

/// Messages that came together, and are answered together.
struct Group {
    verdicts: Verdicts,
    reply: oneshot::Sender<Verdicts>,
}

impl Batch {
    /// Nothing yet of what may become so many messages.
    pub fn with_room(messages: usize) -> Self {
        Self { pending: Vec::with_capacity(messages), ..Self::default() }
    }

    /// How much there is to commit.
    pub fn len(&self) -> usize {
        self.pending.len() + self.skips.len() + self.forgets.len()
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is to be committed, in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let messages = self.pending.iter().map(|pending| Record::Message(&pending.message));
        let skips = self.skips.iter().map(|pending| Record::Skip(&pending.skip));
        let forgets = self.forgets.iter().map(|pending| Record::Forget(&pending.forget));
        messages.chain(skips).chain(forgets)
    }

    /// Takes out what is not messages.
    pub fn take_decisions(&mut self) -> (Vec<PendingSkip>, Vec<PendingForget>) {
        (std::mem::take(&mut self.skips), std::mem::take(&mut self.forgets))
    }

    /// Begins a group of so many messages. All of them must be answered.
    pub fn open_group(&mut self, messages: usize, reply: oneshot::Sender<Verdicts>) -> usize {
        self.groups.0.push(Group { verdicts: Verdicts::of(messages), reply });
        self.groups.0.len() - 1
    }

    /// Answers one message, at once or as soon as its group is complete.
    #[inline]
    pub fn answer(&mut self, reply: ReplyTo, verdict: Verdict) {
        self.groups.answer(reply, verdict);
    }

    /// Decides and answers every pending message, in order, and then the groups.
    pub fn decide_all(mut self, mut decide: impl FnMut(Ticket, Message) -> Verdict) {
        for Pending { ticket, message, reply } in std::mem::take(&mut self.pending) {
            let verdict = decide(ticket, message);
            self.answer(reply, verdict);
        }
        self.answer_groups();
    }

    /// Answers the groups, all of whose messages are answered now.
    pub fn answer_groups(self) {
        self.groups.complete();
    }
}

impl Groups {
    /// Answers one message, at once or as soon as its group is complete.
    #[inline]
    pub fn answer(&mut self, reply: ReplyTo, verdict: Verdict) {
        match reply {
            // A caller that gave up waiting will send its message again.
            ReplyTo::Sender(reply) => drop(reply.send(verdict)),
            ReplyTo::Group { group, at } => self.0[group].verdicts.decide(at, verdict),
        }
    }

    /// Answers those whose messages are all answered now.
    pub fn complete(self) {
        for Group { verdicts, reply } in self.0 {
            assert!(verdicts.are_complete(), "every message of a group was answered");
            // A caller that gave up waiting will send its messages again.
            let _ = reply.send(verdicts);
        }
    }
}
