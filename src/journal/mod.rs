//! The seam to what makes accepted messages durable.
//!
//! Owns the terms: what a journal is asked for from its opening to its end.
//! Does not own what stands behind them, which is each journal's own: files,
//! threads, libraries.
//!
//! A partition hands a batch of records over and gets a [`Commit`] back, which
//! resolves once the batch is as durable as the journal makes it. It applies
//! the batch after that, and acknowledges it last. From time to time it stores
//! its rockets as they are, so that the records before can be forgotten. A
//! restart gets back what was stored and the records since, which may repeat
//! what is part of the stored rockets already.
//!
//! A [`JournalSource`] is opened, the [`OpenedJournal`] is read back and
//! started, and what comes out of that is a [`RunningJournal`]. It ends once
//! nobody holds the [`Journal`] any more, which [`Ended`] tells.
//!
//! * [`error`]: why it cannot be opened or could not keep something.
//! * [`position`]: places in a log.
//! * [`figures`]: what is counted of commits, and how much room is taken.
//! * [`ended`]: how its end is told.
//! * [`record`]: records and buffered messages as bytes.
//! * [`memory`]: keeps nothing.
//! * [`sqlite`]: keeps everything in one SQLite database.
//! * [`shared`]: a log that several nodes append to and read.

pub mod ended;
pub mod error;
pub mod figures;
pub mod memory;
pub mod position;
pub mod record;
pub mod shared;
pub mod sqlite;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

pub use self::ended::Ended;
pub use self::error::{AppendError, OpenError};
use self::figures::Figures;
pub use self::position::{LogId, Position};
use crate::telemetry::lost::Lost;
use crate::telemetry::rocket::FlightSnapshot;
use crate::telemetry::{Channel, Message, Report, Timestamp};

/// How often to look at a journal that does not tell when something was appended.
const LOOK: Duration = Duration::from_millis(100);

/// A journal that was not opened yet.
pub trait JournalSource: Send + 'static {
    /// Opens it, and creates it if there is none. May block.
    ///
    /// # Errors
    /// [`OpenError`].
    fn open(self: Box<Self>) -> Result<Box<dyn OpenedJournal>, OpenError>;
}

/// A journal that was opened and not started yet. All of it may block.
pub trait OpenedJournal: Send {
    /// Reads everything back into `sink`, until it breaks off: first all stored
    /// rockets, then all records since, in the order in which they became
    /// durable.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] where anything is not as it was written;
    /// [`OpenError::Interrupted`] when `sink` broke off.
    fn recover(&self, sink: &mut dyn FnMut(Recovered) -> ControlFlow<()>) -> Result<(), OpenError>;

    /// Starts what works behind it.
    ///
    /// # Errors
    /// [`OpenError`].
    fn start(self: Box<Self>) -> Result<RunningJournal, OpenError>;
}

/// A journal that takes records.
pub struct RunningJournal {
    /// It ends once the last handle on this is dropped.
    pub journal: Arc<dyn Journal>,
    /// Tells that it has ended.
    pub ended: Ended,
    /// For looks at what it keeps things in; `None` of a journal that has nothing
    /// that could go away.
    pub still_there: Option<StillThere>,
}

/// Whether what a journal keeps things in is still there, or what became of it.
/// May block, and holds nothing open.
pub type StillThere = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Makes accepted records durable. Shared by every partition. Nothing here
/// blocks on a device.
pub trait Journal: Send + Sync + 'static {
    /// Hands one batch over. Batches of one caller become durable in the order
    /// of the calls.
    fn append(&self, records: &mut dyn Iterator<Item = Record<'_>>) -> Commit;

    /// Stores rockets as they are now, in place of what was stored of them.
    /// Everything in them must be durable already.
    fn store(&self, rockets: Vec<RocketSnapshot>) -> Commit;

    /// Forgets what was stored in these rows; that there is nothing more to be
    /// stored must be durable already. What is stored or discarded later does not
    /// become durable before that.
    fn discard(&self, rows: Vec<u32>) -> Commit;

    /// Notes how far a log of the cluster is part of what is stored. What was handed
    /// over before becomes durable before it, or with it.
    fn mark(&self, mark: Mark) -> Commit {
        drop(mark);
        Commit::Durable
    }

    /// Where the journal stands.
    fn progress(&self) -> Progress;

    /// Waits until something was appended since the last time that it resolved,
    /// or a little longer; only one may wait. A journal that cannot tell is looked
    /// at from time to time.
    fn appended(&self) -> BoxFuture<'_, ()> {
        Box::pin(sleep(LOOK))
    }

    /// Forgets the records up to `position`, which this journal gave. Every
    /// rocket that they are about must have been stored after they were applied.
    fn trim(&self, position: Position) -> Commit;

    /// Where to hear whether anything can be kept; `None` of a journal that
    /// always can.
    fn standing(&self) -> Option<Standing> {
        None
    }

    /// What is counted of it; `None` of a journal that has nothing to count.
    fn figures(&self) -> Option<Arc<Figures>> {
        None
    }
}

/// How the last try to keep something ended. Closed when the journal ends.
pub type Standing = watch::Receiver<CommitResult>;

/// How far a journal got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Everything up to this position is durable.
    pub position: Position,
    /// Records appended since the process started.
    pub records: u64,
}

/// Something accepted, as the journal is to keep it.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A message that was admitted and not applied yet.
    Message(&'a Message),
    /// What is missing is declared lost, unless something else has become of it.
    Skip(&'a Skip),
    /// Everything before this that is about a rocket counts no more.
    Forget(&'a Forget),
}

/// That a rocket waits no longer for what is missing from the awaited number up to
/// the first that waits. Says nothing where another number is awaited, or nothing
/// waits: it is replayed like a message, over rockets that may know it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Which rocket.
    pub channel: Channel,
    /// The number that must be awaited.
    pub awaited: u64,
}

/// That nothing is known of a rocket any more, whatever was. What comes after it
/// begins anew. Without a condition, so that a replay over rows that know of what
/// came later ends as it should: that is replayed too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forget {
    /// Which rocket.
    pub channel: Channel,
}

/// How far the log of a cluster is part of what a node has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which log.
    pub log: String,
    /// All of it up to here.
    pub offset: u64,
    /// Some of it up to here, and nothing behind.
    pub settled: u64,
}

/// How a commit ended.
pub type CommitResult = Result<(), AppendError>;

/// Where the end of a commit is told.
pub type PendingCommit = oneshot::Receiver<CommitResult>;

/// What becomes of what was handed over.
#[derive(Debug)]
pub enum Commit {
    /// It is as durable as it will get.
    Durable,
    /// Resolves once it is durable, or certain not to be acknowledged. A sender
    /// that is dropped means the same as a failure.
    Pending(PendingCommit),
}

impl Commit {
    /// Waits until it is durable.
    ///
    /// # Errors
    /// When the journal failed.
    pub async fn durable(self) -> CommitResult {
        match self {
            Self::Durable => Ok(()),
            Self::Pending(result) => result.await.unwrap_or_else(|_| Err(AppendError::gone())),
        }
    }
}

/// The highest row of any rocket: no machine holds as many. Whoever keeps one has two
/// bits to spare beside it. If a higher one that was stored were believed, there would
/// be none left for new rockets.
pub const MAX_ROW_ID: u32 = (1 << 30) - 1;

/// A rocket as a checkpoint stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RocketSnapshot {
    /// The rocket's own number in the store, from 1, the same at every
    /// checkpoint. Rockets with close numbers are stored close together.
    pub row_id: u32,
    /// Which rocket it is.
    pub channel: Channel,
    /// 0 before the first message is applied.
    pub last_message_number: u64,
    /// Time of the last message that was applied; `None` before the first.
    pub last_update_time: Option<Timestamp>,
    /// `None` before the launch.
    pub flight: Option<FlightSnapshot>,
    /// What waits for an earlier message, in no order.
    pub buffered: Vec<Report>,
    /// Since when they wait for what is missing; `None` if none waits, or if it was
    /// stored by a release that did not know.
    pub waiting_since: Option<Timestamp>,
    /// What is not waited for any more.
    pub lost: Lost,
    /// Of an exploded one, when something was heard of it last, by the service's
    /// clock; `None` if nobody wanted to know.
    pub quiet_since: Option<Timestamp>,
    /// What its last messages changed, in the form of `telemetry::past`.
    pub history: Vec<u8>,
}

/// What is stored of a rocket in a buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// What waits.
    pub reports: Vec<Report>,
    /// Since when it does.
    pub waiting_since: Option<Timestamp>,
    /// What is not waited for any more.
    pub lost: Lost,
    /// When something was heard last of one that exploded, if it is known.
    pub quiet_since: Option<Timestamp>,
    /// What its last messages changed.
    pub history: Vec<u8>,
}

/// Something that a restart gets back.
#[derive(Debug, PartialEq, Eq)]
pub enum Recovered {
    /// As the last checkpoint stored it.
    Rocket(RocketSnapshot),
    /// Accepted since, or part of a stored rocket already.
    Message(Message),
    /// Likewise.
    Skip(Skip),
    /// Likewise.
    Forget(Forget),
    /// That all of this is one node's part of a cluster. Comes first, if at all.
    Mark(Mark),
}
