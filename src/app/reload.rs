//! What SIGHUP has read again. Owns the list of it, and what the log says when a
//! part of it cannot be; does not own any of the parts.

use std::fmt::Display;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

type Reload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Everything that can be read again while the service runs.
#[derive(Default)]
pub struct Reloader(Vec<(&'static str, Reload)>);

impl Reloader {
    /// Adds something of this name. `reload` reads it, which may take its time. If
    /// that fails, it has changed nothing.
    pub fn add<E: Display>(
        &mut self,
        name: &'static str,
        reload: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) {
        let reload = move || reload().map_err(|error| error.to_string());
        self.0.push((name, Arc::new(reload)));
    }

    /// Reads everything again whenever `told` says so, until it ends.
    pub async fn run(self, mut told: impl AsyncFnMut() -> Option<()>) {
        while told().await.is_some() {
            if self.0.is_empty() {
                info!("SIGHUP: there is nothing to reload");
            }
            for (name, reload) in &self.0 {
                let reload = reload.clone();
                // Whoever is read reads files.
                match spawn_blocking(move || reload()).await {
                    Ok(Ok(())) => info!("SIGHUP: {name} reloaded"),
                    Ok(Err(error)) => error!(%error, "SIGHUP: {name} not reloaded; the old stay"),
                    Err(error) => warn!(%error, "SIGHUP: {name} not reloaded"),
                }
            }
        }
    }
}
