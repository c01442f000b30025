//! A fleet in memory with what the HTTP side holds, on a runtime of one thread,
//! for targets that need one. Does not own what they do with it.

use std::sync::Arc;

use bytes::Bytes;
use downlink::config::Config;
use downlink::fleet::Fleet;
use downlink::fleet::health::{Health, Phase};
use downlink::fleet::roster::Roster;
use downlink::fleet::supervisor::Supervisor;
use downlink::fleet::threading::Threading;
use downlink::fleet::workers::{IdleWorkers, Shape, Workers};
use downlink::http::context::Context;
use downlink::http::problem::Problem;
use downlink::journal::memory::MemoryJournal;
use http_body_util::BodyExt;
use tokio::runtime::Runtime;
use warp::http::HeaderMap;
use warp::reply::Response;

use super::super::panics;

pub struct TestFleet {
    pub runtime: Runtime,
    pub fleet: Fleet,
    pub context: Arc<Context>,
    workers: Option<Workers>,
}

/// A status, its headers and its body.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// For the target's own thread, and threads that are named after it.
pub fn runtime(target: &str) -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.thread_name(panics::thread_name(target)).enable_all().build().unwrap()
}

/// What is typed for a service, by a test.
pub fn config(flags: &[&str]) -> Config {
    let usual = ["downlink", "--durability", "memory", "--workers", "2", "--threads", "1"];
    Config::parse(usual.iter().chain(flags).map(std::ffi::OsString::from)).unwrap()
}

impl TestFleet {
    pub fn start(target: &str, flags: &[&str]) -> Self {
        let config = config(flags);
        let runtime = runtime(target);
        let (fleet, workers) = runtime.block_on(async {
            let health = Arc::new(Health::new(Phase::Ready));
            let shape = Shape {
                workers: config.workers,
                inbox_capacity: config.inbox_capacity,
                limits: config.limits,
                threading: Threading::of(config.threads),
            };
            let (idle, fleet) = IdleWorkers::prepare(shape, health.clone());
            let rosters = (0..idle.count()).map(|_| Roster::new(idle.quotas().clone())).collect();
            let journal = Arc::new(MemoryJournal::default());
            (fleet, idle.start(rosters, (journal, None), &Supervisor::new(health)))
        });
        let context = Context::new(fleet.clone(), config.http);
        Self { runtime, fleet, context, workers: Some(workers) }
    }

    /// The whole answer, however it comes.
    pub fn answer(&self, served: impl Future<Output = Result<Response, Problem>>) -> Answer {
        self.runtime.block_on(async {
            let (head, body) = served.await.unwrap_or_else(Problem::into_response).into_parts();
            let body = body
                .collect()
                .await
                .map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
            Answer { status: head.status.as_u16(), headers: head.headers, body }
        })
    }
}

impl Drop for TestFleet {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            self.runtime.block_on(workers.stop());
        }
    }
}
