//! Serving on when told to stop, for load balancers to notice.

use std::time::Duration;

use tokio::time::sleep;
use tracing::info;

use super::hurry::Hurry;
use super::manager::Notifier;
use crate::fleet::health::{Health, Phase};
use crate::fleet::supervisor::Supervisor;

/// Goes on serving for `delay`, unready, so that whoever asks for that sends no more;
/// not if something failed, or once it does, and not when it is to be hastened.
pub async fn drain(
    mut hurry: Hurry,
    delay: Duration,
    supervisor: &Supervisor,
    health: &Health,
    manager: &Notifier,
) -> Hurry {
    if delay.is_zero() || supervisor.failure().is_some() {
        return hurry;
    }
    manager.stopping();
    health.set(Phase::Stopping);
    info!(?delay, "told to stop; serving goes on for a while, and /readyz says so");
    tokio::select! {
        () = sleep(delay) => hurry,
        () = supervisor.failed() => hurry,
        () = &mut hurry.0 => Hurry::when(std::future::ready(())),
    }
}
