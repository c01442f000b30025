//! What handlers hold: the fleet, what a client may do, and the permits of what
//! only few requests may do at a time. Does not own what they do with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::etag::Epoch;
use super::fairness::ClientLimits;
use super::figures::Figures;
use super::held::BytesHeld;
use super::joint::Joint;
use super::kept::{Kept, Key, Made};
use super::metrics::Metrics;
use super::pace::Pace;
use super::turns::Turns;
use crate::fleet::Fleet;
use crate::fleet::feed::hub::FeedLimits;
use crate::fleet::refusals::Reached;

/// Collected listings that may exist at a time; beyond it they wait.
pub const MAX_COLLECTED_LISTINGS: usize = 2;

/// Requests of many messages whose lines are taken in at a time; beyond it they
/// wait. Each holds some 3 MB at most.
pub const MAX_BULK_REQUESTS: usize = 64;

/// What the HTTP side allows a client.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Connections served at once.
    pub max_connections: usize,
    /// Bytes of the body of one message.
    pub max_body: usize,
    /// Bytes of the body of many messages.
    pub max_bulk_body: usize,
    /// From a request's body to its answer; for the body to begin, and of silence
    /// in it.
    pub request_timeout: Duration,
    /// Bytes of a body a second, once it has used up that time.
    pub min_body_rate: u64,
    /// Bytes that all unfinished bodies hold together.
    pub max_body_bytes_held: usize,
    /// Bytes that all unsent answers hold together.
    pub max_answer_bytes_held: usize,
    /// For a head to arrive, and for a reader to take more.
    pub idle_timeout: Duration,
    /// What one client may take of all that.
    pub of_one_client: ClientLimits,
    /// How many may listen to what changes, and how much they are told.
    pub events: FeedLimits,
}

/// What handlers work with. Shared by all of them: one count to keep for each
/// request.
#[derive(Debug)]
pub struct Context {
    /// Takes messages and answers queries.
    pub fleet: Fleet,
    /// What a client may do.
    pub config: HttpConfig,
    /// Sets this run's entity tags apart.
    pub epoch: Epoch,
    /// One permit for each large listing that may be held in memory. Never
    /// closed.
    pub collected_listings: Arc<Semaphore>,
    /// Pages of listings that are made now.
    pub pages_made: Arc<Joint<Key, Made>>,
    /// Those that are kept for who takes them a little old.
    pub pages_kept: Kept,
    /// The permit of the one page that is made anew in the background at a time. Never
    /// closed.
    pub pages_renewed: Semaphore,
    /// The permit of the one request for the figures of all missions that is answered
    /// at a time. Never closed.
    pub mission_figures: Semaphore,
    /// One turn for each request of many messages whose lines are taken in.
    pub bulk_turns: Arc<Turns>,
    /// Told when there is no turn in time.
    pub no_bulk_turn: Reached,
    /// Told when there is no permit in time.
    pub no_collected_listing: Reached,
    /// Told when there is no place for one more subscriber.
    pub no_seat: Reached,
    /// What unfinished bodies hold.
    pub bodies_held: Arc<BytesHeld>,
    /// What unsent answers hold.
    pub answers_held: Arc<BytesHeld>,
    /// What is counted of requests and connections.
    pub figures: Arc<Figures>,
    /// What `GET /metrics` shows.
    pub metrics: Arc<Metrics>,
}

impl Context {
    /// A context with all its permits, and an epoch of its own.
    #[must_use]
    pub fn new(fleet: Fleet, config: HttpConfig) -> Arc<Self> {
        let bodies = Reached::new(
            "--max-body-bytes-held",
            "messages are refused: unfinished bodies hold too much",
        );
        let answers = Reached::new(
            "--max-answer-bytes-held",
            "answers are refused: those that are not read yet hold too much",
        );
        let bodies_held = BytesHeld::new(config.max_body_bytes_held, bodies);
        let answers_held = BytesHeld::new(config.max_answer_bytes_held, answers);
        let figures = Arc::<Figures>::default();
        let metrics = Metrics::new(
            fleet.metrics().clone(),
            fleet.feed().clone(),
            figures.clone(),
            bodies_held.clone(),
            answers_held.clone(),
        );
        Arc::new(Self {
            fleet,
            config,
            epoch: Epoch::random(),
            collected_listings: Arc::new(Semaphore::new(MAX_COLLECTED_LISTINGS)),
            pages_made: Arc::default(),
            pages_kept: Kept::default(),
            pages_renewed: Semaphore::new(1),
            mission_figures: Semaphore::new(1),
            bulk_turns: Turns::new(MAX_BULK_REQUESTS),
            no_bulk_turn: Reached::fixed(
                "requests of many messages are refused: too many others are taken in",
            ),
            no_collected_listing: Reached::fixed(
                "listings are refused: others that are as large are not read yet",
            ),
            no_seat: Reached::new(
                "--max-subscribers",
                "subscribers are refused: all places are taken",
            ),
            bodies_held,
            answers_held,
            figures,
            metrics: Arc::new(metrics),
        })
    }

    /// How fast a body must come that is waited for from now on.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace::new(self.config.request_timeout, self.config.min_body_rate)
    }
}
