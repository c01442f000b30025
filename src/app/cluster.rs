//! What the service is besides as a node of a cluster: which log, how it takes part in
//! it, and when it has caught up. Knows what there is and when; not how any of it works
//! (`fleet/cluster`).
//!
//! * `fetch`: what another node has stored, for a node whose place in the log is gone;
//!   `client`: how it is asked.
//! * `lending`: copies of what this node has stored, for others.
//! * `terms`: what makes a service a node; `patience`: waiting for its log.

mod client;
mod fetch;
mod lending;
mod patience;
mod terms;

use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::info;

use self::lending::Lending;
use self::patience::patiently;
pub use self::terms::{Cluster, PeerToken};
use super::error::AppError;
use super::hurry::Hurry;
use super::manager::Notifier;
use crate::config::{Config, Durability};
use crate::fleet::cluster::Node;
use crate::fleet::cluster::applied::Applied;
use crate::fleet::cluster::barrier::Barrier;
use crate::fleet::cluster::digests::{Digests, Marking};
use crate::fleet::cluster::figures::ClusterFigures;
use crate::fleet::cluster::hold::Hold;
use crate::fleet::cluster::peers::{Known, Peers, Stored};
use crate::fleet::cluster::store::Store;
use crate::fleet::cluster::tail::Tail;
use crate::fleet::health::{Health, Phase};
use crate::fleet::restore::Recovered;
use crate::fleet::supervisor::Supervisor;
use crate::fleet::vitals::Vital;
use crate::fleet::worker::Member;
use crate::fleet::workers::IdleWorkers;
use crate::journal::shared::gathering::{GATHERING, Gathering};
use crate::journal::shared::publisher::Publisher;
use crate::journal::shared::{LogName, Offset};
use crate::journal::sqlite::DataDirectory;
use crate::journal::{Journal, OpenError};

/// A node that does not take part yet.
pub struct Membership {
    cluster: Cluster,
    applied: Applied,
    digests: Digests,
    barrier: Barrier,
    looks: BoxFuture<'static, Infallible>,
    known: watch::Sender<Known>,
    directory: DataDirectory,
    /// What it needs of the log until it reads it.
    hold: Option<Hold>,
}

/// A node that knows where it is.
pub struct Joined {
    membership: Membership,
    name: LogName,
    after: Offset,
    /// Up to where it must have read to be as good as the others.
    goal: Offset,
    marking: Marking,
    stored: Stored,
}

/// What a data directory that is a node's needs.
const NODE_ALONE: &str = "the data directory is a node's of a cluster, and holds only what that node \
                          had read of its log: start it with --cluster";

/// Has a service that has read what it stored take part in its cluster, if it is to;
/// gives up when the `end` comes first.
///
/// # Errors
/// When what is stored is not what it should be for that.
pub(super) async fn join(
    membership: Option<Membership>,
    recovered: Recovered,
    health: &Health,
    end: &mut (impl Future<Output = Hurry> + Unpin),
) -> Result<(Recovered, Option<Joined>), AppError> {
    let Some(membership) = membership else {
        return match recovered.mark {
            None => Ok((recovered, None)),
            Some(_) => Err(AppError::Cluster(NODE_ALONE.to_owned())),
        };
    };
    let joined = tokio::select! {
        joined = membership.join(&recovered, health) => joined?,
        _ = end => return Err(OpenError::Interrupted.into()),
    };
    Ok((recovered, Some(joined)))
}

/// Has a node take over what another one has stored, if it must; gives up when the
/// `end` comes first.
///
/// # Errors
/// When that cannot be done, or is not to be.
pub(super) async fn take_over(
    membership: &mut Option<Membership>,
    config: &Config,
    (health, manager): (&Arc<Health>, &Notifier),
    end: &mut (impl Future<Output = Hurry> + Unpin),
) -> Result<(), AppError> {
    let Some(membership) = membership else { return Ok(()) };
    if config.durability == Durability::Memory {
        return Ok(());
    }
    let Membership { cluster, directory, hold, .. } = membership;
    tokio::select! {
        held = fetch::prepare(cluster, directory, health) => *hold = held?,
        never = manager.follow_start(health) => match never {},
        _ = end => return Err(OpenError::Interrupted.into()),
    }
    Ok(())
}

impl Membership {
    /// Of workers that are not there yet.
    pub fn prepare(cluster: Cluster, idle: &IdleWorkers, config: &Config) -> Self {
        let directory = DataDirectory::at(&config.data_dir);
        let directory = match config.durability {
            Durability::Fsync => directory,
            Durability::Os | Durability::Memory => directory.not_synced(),
        };
        let applied = Applied::new(idle.count(), Offset(0));
        let (barrier, looks) = Barrier::new(cluster.log.clone(), applied.clone());
        let known = watch::Sender::default();
        let looks = looks.boxed();
        idle.quotas().keep_digests();
        let digests = Digests::new(cluster.node.clone(), idle.count());
        Self { cluster, applied, digests, barrier, looks, known, directory, hold: None }
    }

    /// What the fleet's handle must know of it.
    pub fn node(&self) -> Node {
        let barrier = (!self.cluster.local_reads).then(|| self.barrier.clone());
        let copies = Arc::new(Lending::of(self.directory.clone()));
        Node { barrier, applied: self.applied.clone(), copies }
    }

    /// Finds out where this node is in the log, from what it has stored; waits until
    /// the log can be reached.
    ///
    /// # Errors
    /// When what is stored is not of this log, or of no cluster at all.
    pub async fn join(self, recovered: &Recovered, health: &Health) -> Result<Joined, AppError> {
        let Self { cluster, applied, .. } = &self;
        let log = &cluster.log;
        let name = patiently(health, || log.name()).await?;
        let after = match &recovered.mark {
            Some(mark) if mark.log == name.0 => Offset(mark.offset),
            Some(mark) => {
                return Err(AppError::Cluster(format!(
                    "the data directory is a node's of the cluster {}, and the log is that of {}",
                    mark.log, name.0
                )));
            }
            None if recovered.is_empty => Offset(0),
            None => {
                return Err(AppError::Cluster(
                    "the data directory is that of a service alone, and no node's: start with an \
                     empty one"
                        .to_owned(),
                ));
            }
        };
        let trimmed = patiently(health, || log.trimmed()).await?;
        if after < trimmed {
            return Err(AppError::Cluster(format!(
                "the log was trimmed up to {trimmed} meanwhile, and this node has read it up to \
                 {after} only: start it again, and it takes the rest from another node"
            )));
        }
        let head = patiently(health, || log.head()).await?;
        let settled = recovered.mark.as_ref().map_or(0, |mark| mark.settled);
        if head.0 < settled {
            return Err(AppError::Cluster(format!(
                "the log ends at {head}, and this node has read it up to {settled}: the log has \
                 lost something, or is another one"
            )));
        }
        for partition in 0..recovered.rosters.len() {
            applied.advance(partition, after, 0);
        }
        info!(node = %cluster.node, cluster = %name.0, offset = after.0, head = head.0, "joining the cluster");
        let stored = Arc::new(AtomicU64::new(after.0));
        // What is stored may be ahead of the mark beside it, which comes last, but not of
        // the log.
        let from = if recovered.is_empty { Offset(0) } else { head };
        let marking = Marking { stride: cluster.policy.stride, from };
        Ok(Joined { membership: self, name, after, goal: head, marking, stored })
    }
}

impl Joined {
    /// Starts to take part, over the node's own journal: hands over to the log what
    /// the workers accept, delivers to them what it brings, from before they are there,
    /// and tells other nodes of this one.
    pub fn start(
        self,
        local: Arc<dyn Journal>,
        workers: &IdleWorkers,
        supervisor: &Supervisor,
        health: &Health,
    ) -> Started {
        let Self { membership, name, after, goal, marking, stored } = self;
        let Membership { cluster, applied, digests, looks, known, hold, .. } = membership;
        // From here on the peers say it.
        drop(hold);
        let Cluster { log, node, advertise, policy, .. } = cluster;
        let incarnation = std::hash::RandomState::new().build_hasher().finish();
        let gathering = Gathering::up_to(GATHERING);
        let (publisher, publishes, refusals) =
            Publisher::new(log.clone(), node.clone(), incarnation, gathering);
        let (state, read) = watch::channel(Ok(()));
        health.watch(Arc::new(Following(read)));
        health.watch(Arc::new(digests.clone()));
        let figures = ClusterFigures {
            node: node.clone(),
            applied: applied.clone(),
            stored: stored.clone(),
            publisher: publisher.clone(),
            known: known.subscribe(),
            policy,
        };
        let tail = Tail {
            log: log.clone(),
            publisher: publisher.clone(),
            refusals,
            mailboxes: workers.mailboxes().clone(),
            router: workers.router().clone(),
            applied: applied.clone(),
            after,
            marking,
            state,
        };
        let peers = Peers {
            log,
            node,
            url: advertise,
            goal,
            applied: applied.clone(),
            stored: stored.clone(),
            digests: digests.clone(),
            publisher: publisher.clone(),
            policy,
            known,
        };
        let running = Running(vec![
            spawn(supervisor, "the publisher", publishes.map(Ok)),
            spawn(supervisor, "the tail of the log", tail.run()),
            spawn(supervisor, "what nodes tell each other", peers.run()),
            spawn(supervisor, "looks at the end of the log", looks.map(Ok)),
        ]);
        let store = Arc::new(Store::new(local, applied.clone(), name, stored));
        let catch_up = CatchUp { applied: applied.clone(), goal };
        let member = Member { publisher, applied, digests };
        Started { store, member, figures, running, catch_up }
    }
}

/// A node that takes part.
pub struct Started {
    /// What checkpoints store to.
    pub store: Arc<dyn Journal>,
    /// What its workers have of it.
    pub member: Member,
    /// How it takes part, for who asks.
    pub figures: ClusterFigures,
    /// Its tasks.
    pub running: Running,
    /// When it is as good as the others.
    pub catch_up: CatchUp,
}

/// The tasks of a node.
pub struct Running(Vec<JoinHandle<Option<Infallible>>>);

impl Running {
    /// Ends them: the workers have.
    pub fn stop(self) {
        for task in self.0 {
            task.abort();
        }
    }
}

fn spawn(
    supervisor: &Supervisor,
    name: &str,
    run: impl Future<Output = Result<Infallible, String>> + Send + 'static,
) -> JoinHandle<Option<Infallible>> {
    tokio::spawn(supervisor.supervise(name, run))
}

/// How a node catches up.
pub struct CatchUp {
    applied: Applied,
    goal: Offset,
}

impl CatchUp {
    /// Waits until it has read what there was when it joined.
    pub async fn done(self, health: &Health) {
        let begun = Instant::now();
        let tell = || {
            let at = self.applied.by_all();
            health.set(Phase::Starting(format!(
                "the log of the cluster is being read: it is at {at} of {}",
                self.goal
            )));
        };
        tell();
        let reached = self.applied.reached(self.goal);
        tokio::pin!(reached);
        loop {
            tokio::select! {
                reached = &mut reached => match reached {
                    Ok(()) => break,
                    // The service ends.
                    Err(_) => std::future::pending().await,
                },
                () = sleep(Duration::from_secs(1)) => tell(),
            }
        }
        let took_ms = begun.elapsed().as_millis();
        info!(records = self.applied.records(), %took_ms, "the log of the cluster is read");
    }
}

/// That the log is read.
#[derive(Debug)]
struct Following(watch::Receiver<Result<(), String>>);

impl Vital for Following {
    fn name(&self) -> &'static str {
        "the log of the cluster"
    }

    fn trouble(&self, _now: Instant) -> Option<String> {
        let read = self.0.borrow();
        read.as_ref().err().map(|reason| format!("the log of the cluster is not read: {reason}"))
    }
}
