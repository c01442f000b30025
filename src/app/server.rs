//! The accept loops, as tasks. Owns how they are started and stopped; does not own what
//! they serve.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::hurry::Hurry;
use super::reached::Reached;
use crate::config::Config;
use crate::fleet::Fleet;
use crate::fleet::supervisor::Supervisor;
use crate::http::access::tokens::Tokens;
use crate::http::access::{Access, Gate};
use crate::http::context::Context;
use crate::http::dispatch;
use crate::http::fairness::Fairness;
use crate::http::routes::Side;
use crate::http::server::{self, MAX_ADMIN_CONNECTIONS, ServerLimits, Stopped};
use crate::logging;

/// How long the last answers to operators may take at the end of a stop.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// An accept loop, as a task.
pub(super) struct Server {
    quit: oneshot::Sender<Instant>,
    task: JoinHandle<Option<Stopped>>,
}

impl Server {
    /// The main one, and that for operators, if they have an address.
    pub fn start(
        config: &Config,
        Reached { main, admin }: Reached,
        fleet: Fleet,
        supervisor: &Supervisor,
    ) -> (Self, Option<Self>) {
        let context = Context::new(fleet, config.http.clone());
        context.metrics.follow_log(logging::lost_lines);
        let limits = ServerLimits {
            max_connections: config.http.max_connections,
            max_connections_flag: Some("--max-connections"),
            idle_timeout: config.http.idle_timeout,
            fairness: Fairness::new(&config.http.of_one_client),
            figures: context.figures.main.clone(),
        };
        let admin = admin.map(|listeners| {
            let limits = ServerLimits {
                max_connections: MAX_ADMIN_CONNECTIONS,
                max_connections_flag: None,
                fairness: None,
                figures: context.figures.admin.clone(),
                ..limits.clone()
            };
            let routes = dispatch::routes(context.clone(), Side::Admin);
            let access = Access { tokens: Tokens::default(), ..config.access.clone() };
            let gate = Gate::new(&access, &listeners).on(Side::Admin);
            Self::spawn("the accept loop for operators", supervisor, |told| {
                server::serve(listeners, routes, limits, gate, deadline(told))
            })
        });
        let side = if admin.is_some() { Side::Main } else { Side::Only };
        let routes = dispatch::routes(context, side);
        let gate = Gate::new(&config.access, &main).on(side);
        gate.warn_of_what_is_open();
        let server = Self::spawn("the accept loop", supervisor, |told| {
            server::serve(main, routes, limits, gate, deadline(told))
        });
        (server, admin)
    }

    fn spawn<F>(
        name: &str,
        supervisor: &Supervisor,
        serve: impl FnOnce(oneshot::Receiver<Instant>) -> F,
    ) -> Self
    where
        F: Future<Output = Stopped> + Send + 'static,
    {
        let (quit, told) = oneshot::channel();
        let serve = serve(told).map(Ok);
        Self { quit, task: tokio::spawn(supervisor.supervise(name, serve)) }
    }

    /// The last to go. Nothing there waits for anything, so it is soon done.
    pub async fn stop_admin(admin: Option<Self>) {
        if let Some(admin) = admin {
            admin.stop(Instant::now() + LAST_ANSWERS, Hurry::from(())).await;
        }
    }

    /// Lets requests in flight finish until `deadline`, or until `hurry` is done.
    pub async fn stop(mut self, deadline: Instant, hurry: Hurry) -> Stopped {
        // If the task is gone, its supervisor knows.
        let _ = self.quit.send(deadline);
        let ended = tokio::select! {
            ended = &mut self.task => ended,
            () = hurry.0 => {
                // All connections go with it.
                self.task.abort();
                return Stopped::CutOff;
            }
        };
        ended.ok().flatten().unwrap_or(Stopped::CutOff)
    }
}

/// When all must be done, once it is told to stop.
async fn deadline(told: oneshot::Receiver<Instant>) -> Instant {
    told.await.unwrap_or_else(|_| Instant::now())
}
