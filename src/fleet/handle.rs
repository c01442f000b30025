//! What the HTTP side holds of the fleet: it routes messages to the partition
//! that owns them, and gathers the answers to queries from all of them.
//!
//! A query is answered whole or not at all: a partition that does not answer
//! in time fails it.

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::archive::Archive;
use super::cluster::Node;
use super::feed::hub::Feed;
use super::handed_over::HandedOver;
use super::health::Health;
use super::mailbox::{Mailbox, Undelivered};
use super::metrics::FleetMetrics;
use super::outcome::{
    Cause, ForgetError, ForgetRefusal, QueryError, SkipError, Skipped, SubmitError, Submitted,
    Unavailable, Verdict,
};
use super::query::{
    GapPage, GapPart, GapSelection, History, MissionRow, MissionTable, Missions, Page, Part, Query,
    Selection, Slices, Span, Whole,
};
use super::refusals::Refusals;
use super::routing::Router;
use super::version::Version;
use super::view::Lookup;
use crate::telemetry::{Caseless, Channel, Message};

/// The fleet, as its users see it.
#[derive(Clone, Debug)]
pub struct Fleet {
    mailboxes: Arc<[Mailbox]>,
    router: Router,
    health: Arc<Health>,
    version: Version,
    refusals: Arc<Refusals>,
    metrics: Arc<FleetMetrics>,
    feed: Feed,
    /// Where rockets that are forgotten go, if they are to be kept.
    archive: Option<Arc<Archive>>,
    /// In a cluster.
    node: Option<Node>,
}

/// What became of a message, unless it is too late.
async fn in_time(
    verdict: oneshot::Receiver<Verdict>,
    too_late: impl Future<Output = ()>,
) -> Submitted {
    tokio::select! {
        biased;
        verdict = verdict => verdict.map_err(|_| SubmitError::Lost)?.map_err(Into::into),
        () = too_late => Err(SubmitError::TimedOut),
    }
}

impl From<Undelivered> for SubmitError {
    fn from(undelivered: Undelivered) -> Self {
        match undelivered {
            Undelivered::Full => Self::Busy,
            Undelivered::Closed => Self::Lost,
        }
    }
}

impl Fleet {
    /// A handle on the partitions behind `mailboxes`, in order, whose changes
    /// `version` counts. There must be at least one.
    #[must_use]
    pub fn new(
        mailboxes: Arc<[Mailbox]>,
        router: Router,
        health: Arc<Health>,
        version: Version,
        metrics: Arc<FleetMetrics>,
        feed: Feed,
    ) -> Self {
        let refusals = metrics.refusals().clone();
        Self {
            mailboxes,
            router,
            health,
            version,
            refusals,
            metrics,
            feed,
            archive: None,
            node: None,
        }
    }

    /// What tells of its changes.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// The same, which archives what it forgets.
    #[must_use]
    pub fn archiving(self, archive: Option<Arc<Archive>>) -> Self {
        Self { archive, ..self }
    }

    /// The same, as a node of a cluster.
    #[must_use]
    pub fn of_cluster(self, node: Option<Node>) -> Self {
        Self { node, ..self }
    }

    /// Waits until whatever any node had acknowledged is seen here, if this is one of
    /// several. Comes before every read.
    ///
    /// # Errors
    /// When that is not known by `deadline`.
    pub async fn up_to_date(&self, deadline: Instant) -> Result<(), QueryError> {
        let Some(node) = &self.node else { return Ok(()) };
        self.health.can_read()?;
        node.up_to_date(deadline).await.map_err(|reason| Unavailable(reason).into())
    }

    /// What it is besides in a cluster.
    #[must_use]
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// What is counted and measured of it.
    #[must_use]
    pub fn metrics(&self) -> &Arc<FleetMetrics> {
        &self.metrics
    }

    /// What came was no message.
    pub fn tell_invalid(&self) {
        self.refusals.tell_invalid();
    }

    /// Whether everything works.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Hands a message to its rocket's worker and waits until it is kept, or until
    /// `too_late` is done.
    ///
    /// # Errors
    /// [`SubmitError`] tells whether it may be accepted yet. Sending it again is
    /// always safe.
    pub fn submit(
        &self,
        message: Message,
        too_late: impl Future<Output = ()>,
    ) -> impl Future<Output = Submitted> {
        // At once, so that the message is not moved into what waits.
        let handed_in = self.hand_in(message);
        async move {
            let submitted = match handed_in {
                Ok(verdict) => in_time(verdict, too_late).await,
                Err(error) => Err(error),
            };
            submitted.inspect_err(|error| self.refusals.tell(error))
        }
    }

    fn hand_in(&self, message: Message) -> Result<oneshot::Receiver<Verdict>, SubmitError> {
        self.health.can_write()?;
        let mailbox = &self.mailboxes[self.router.route(&message.channel)];
        let (reply, verdict) = oneshot::channel();
        mailbox.submit(message, reply).map_err(SubmitError::from)?;
        Ok(verdict)
    }

    /// Declares lost what a rocket waits for, once that is kept: the messages from
    /// the awaited one up to the first that waits. If `awaited` is given, it must be
    /// that one.
    ///
    /// # Errors
    /// [`SkipError`] tells whether it may be done yet.
    pub async fn skip(
        &self,
        channel: Channel,
        awaited: Option<u64>,
        deadline: Instant,
    ) -> Result<Skipped, SkipError> {
        self.health.can_write()?;
        let mailbox = &self.mailboxes[self.router.route(&channel)];
        let (reply, verdict) = oneshot::channel();
        mailbox.skip(channel, awaited, reply).map_err(|undelivered| match undelivered {
            Undelivered::Full => SkipError::Busy,
            Undelivered::Closed => SkipError::Lost,
        })?;
        let verdict = timeout_at(deadline, verdict).await.map_err(|_| SkipError::TimedOut)?;
        Ok(verdict.map_err(|_| SkipError::Lost)??)
    }

    /// Forgets everything about a rocket, launched or not, once that is kept. If it is
    /// to be archived, that is done before, as it is then.
    ///
    /// # Errors
    /// [`ForgetError`] tells whether it may be done yet.
    pub async fn forget(&self, channel: Channel, deadline: Instant) -> Result<(), ForgetError> {
        self.health.can_write()?;
        if let Some(archive) = &self.archive {
            let found = self.rocket(channel.clone(), deadline).await?;
            if matches!(found, Lookup::Unknown) {
                return Err(ForgetRefusal::Unknown.into());
            }
            let mut lines = archive.lines(Cause::Deleted);
            lines.add_found(&channel, &found);
            let kept = timeout_at(deadline, archive.keep(lines)).await;
            let kept = kept.unwrap_or_else(|_| Err("it took too long".to_owned()));
            kept.map_err(ForgetError::NotArchived)?;
        }
        let mailbox = &self.mailboxes[self.router.route(&channel)];
        let (reply, verdict) = oneshot::channel();
        let why = (None, Cause::Deleted);
        mailbox.forget(channel, why, reply).map_err(|undelivered| match undelivered {
            Undelivered::Full => ForgetError::Busy,
            Undelivered::Closed => ForgetError::Lost,
        })?;
        let verdict = timeout_at(deadline, verdict).await.map_err(|_| ForgetError::TimedOut)?;
        Ok(verdict.map_err(|_| ForgetError::Lost)??)
    }

    /// The partition that a message goes to, below [`Fleet::partitions`].
    pub(super) fn partition_of(&self, message: &Message) -> usize {
        self.router.route(&message.channel)
    }

    /// The number of partitions.
    pub(super) fn partitions(&self) -> usize {
        self.mailboxes.len()
    }

    /// What becomes of a message that is not handed over in time.
    pub(super) fn not_taken(&self) -> SubmitError {
        let error = SubmitError::NotTaken;
        self.refusals.tell(&error);
        error
    }

    /// Hands messages over that all belong to `partition`. Where there is no
    /// room for all, the last ones are refused.
    pub(super) fn hand_over(&self, partition: usize, messages: Vec<Message>) -> HandedOver {
        let count = messages.len();
        let (reply, verdicts) = oneshot::channel();
        let taken = self.health.can_write().map_err(SubmitError::from).and_then(|()| {
            self.mailboxes[partition].submit_many(messages, reply).map_err(Into::into)
        });
        HandedOver { count, taken, verdicts, refusals: self.refusals.clone() }
    }

    /// A number that goes up whenever a message is applied or buffered: as long
    /// as it stays the same, so does every answer. To know how old an answer may
    /// be, read it first and ask then.
    ///
    /// # Errors
    /// When a query of the whole fleet could not be answered.
    pub fn version(&self) -> Result<u64, QueryError> {
        self.health.can_read()?;
        match self.mailboxes.iter().position(Mailbox::is_closed) {
            Some(partition) => Err(QueryError::Stopped(partition)),
            None => Ok(self.version.sum()),
        }
    }

    /// What is known of one channel.
    ///
    /// # Errors
    /// When its partition does not answer by `deadline`, or the fleet only starts.
    pub async fn rocket(&self, channel: Channel, deadline: Instant) -> Result<Lookup, QueryError> {
        self.health.can_read()?;
        let partition = self.router.route(&channel);
        self.ask(partition, deadline, |reply| Query::Rocket { channel, reply }).await
    }

    /// The recent past of one channel, as far as it is kept and asked for.
    ///
    /// # Errors
    /// When its partition does not answer by `deadline`, or the fleet only starts.
    pub async fn history(
        &self,
        channel: Channel,
        span: Span,
        deadline: Instant,
    ) -> Result<History, QueryError> {
        self.health.can_read()?;
        let partition = self.router.route(&channel);
        self.ask(partition, deadline, |reply| Query::History { channel, span, reply }).await
    }

    /// A page of rockets, or what an index answers.
    ///
    /// # Errors
    /// When any partition does not answer by `deadline`, or the fleet only starts.
    pub async fn rockets(
        &self,
        selection: Arc<Selection>,
        deadline: Instant,
    ) -> Result<Page, QueryError> {
        let (sort, limit) = (selection.sort, selection.limit);
        let parts: Vec<Part> = self
            .ask_all(deadline, |reply| Query::Rockets { selection: selection.clone(), reply })
            .await?;
        Ok(Page::merge(parts, sort, limit))
    }

    /// All rockets of a selection that has no limit and that no index answers.
    ///
    /// # Errors
    /// When any partition does not answer by `deadline`, or the fleet only starts.
    pub async fn whole(
        &self,
        selection: Arc<Selection>,
        deadline: Instant,
    ) -> Result<Whole, QueryError> {
        let sort = selection.sort;
        let parts: Vec<Part> = self
            .ask_all(deadline, |reply| Query::Rockets { selection: selection.clone(), reply })
            .await?;
        let total = parts.iter().map(|part| part.total).sum();
        let slices = parts.into_iter().map(|part| part.rockets).collect();
        let merging = spawn_blocking(move || Whole::merge(slices, sort, total));
        let merged = timeout_at(deadline, merging).await.map_err(|_| QueryError::NotMade)?;
        merged.map_err(|_| QueryError::Stopping)
    }

    /// A page of the rockets that wait for a missing message, those that wait
    /// longest first.
    ///
    /// # Errors
    /// When any partition does not answer by `deadline`, or the fleet only starts.
    pub async fn gaps(
        &self,
        selection: GapSelection,
        deadline: Instant,
    ) -> Result<GapPage, QueryError> {
        let limit = selection.limit;
        let selection = Arc::new(selection);
        let parts: Vec<GapPart> = self
            .ask_all(deadline, |reply| Query::Gaps { selection: selection.clone(), reply })
            .await?;
        Ok(GapPage::merge(parts, limit))
    }

    /// Missions of launched rockets that sort behind `after`: the first `limit`.
    ///
    /// # Errors
    /// When any partition does not answer by `deadline`, or the fleet only starts.
    pub async fn missions(
        &self,
        after: Option<Arc<str>>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Missions, QueryError> {
        // One more, to see whether there is more.
        let query =
            |reply| Query::Missions { after: after.clone(), limit: limit.saturating_add(1), reply };
        Ok(Missions::merge(&self.ask_all(deadline, query).await?, limit))
    }

    /// The `limit` largest missions with what is known of their rockets, and the rest
    /// as one.
    ///
    /// # Errors
    /// When any partition does not answer by `deadline`, or the fleet only starts.
    pub async fn mission_figures(
        &self,
        limit: usize,
        deadline: Instant,
    ) -> Result<MissionTable, QueryError> {
        let query = |reply| Query::MissionFigures { reply };
        let parts: Vec<Slices<MissionRow>> = self.ask_all(deadline, query).await?;
        let merging = spawn_blocking(move || MissionTable::merge(parts, limit));
        merging.await.map_err(|_| QueryError::Stopping)
    }

    /// The mission that launched rockets are on, as they spell it; of several
    /// spellings the one that sorts first. `None` if no rocket is on it.
    ///
    /// # Errors
    /// When any partition does not answer by `deadline`, or the fleet only starts.
    pub async fn mission(
        &self,
        wanted: &Caseless,
        deadline: Instant,
    ) -> Result<Option<Arc<str>>, QueryError> {
        let query = |reply| Query::Mission { wanted: wanted.clone(), reply };
        Ok(self.ask_all(deadline, query).await?.into_iter().flatten().min())
    }

    /// Asks every partition, all at once; fails whole.
    async fn ask_all<T>(
        &self,
        deadline: Instant,
        query: impl Fn(oneshot::Sender<T>) -> Query,
    ) -> Result<Vec<T>, QueryError> {
        self.health.can_read()?;
        let ask = |partition| self.ask(partition, deadline, &query);
        try_join_all((0..self.mailboxes.len()).map(ask)).await
    }

    async fn ask<T>(
        &self,
        partition: usize,
        deadline: Instant,
        query: impl FnOnce(oneshot::Sender<T>) -> Query,
    ) -> Result<T, QueryError> {
        let (reply, answer) = oneshot::channel();
        self.mailboxes[partition].ask(query(reply)).map_err(|undelivered| match undelivered {
            Undelivered::Full => {
                self.refusals.tell_query();
                QueryError::Busy(partition)
            }
            Undelivered::Closed => QueryError::Stopped(partition),
        })?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(QueryError::Stopped(partition)),
            Err(_) => Err(QueryError::TimedOut(partition)),
        }
    }
}
