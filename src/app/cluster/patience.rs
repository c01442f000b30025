//! Questions to a log that may not be reached yet: asked until it answers.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;
use tracing::warn;

use crate::app::error::AppError;
use crate::fleet::health::{Health, Phase};
use crate::journal::shared::LogError;

/// The wait before a log that cannot be reached at a start is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// Asks the log until it can be reached.
pub async fn patiently<'a, T>(
    health: &Health,
    ask: impl Fn() -> BoxFuture<'a, Result<T, LogError>>,
) -> Result<T, AppError> {
    let mut told = false;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(LogError::Unreachable(reason)) => {
                if !told {
                    warn!(reason, "the log of the cluster cannot be reached; this is tried again");
                    told = true;
                }
                health.set(Phase::Starting(format!(
                    "the log of the cluster cannot be reached: {reason}"
                )));
                sleep(RETRY).await;
            }
            Err(error) => {
                return Err(AppError::Cluster(format!("the log of the cluster: {error}")));
            }
        }
    }
}
