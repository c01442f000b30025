//! Owns asking for the table and for who waits, again and again. Does not own what
//! is asked (`model`) or what events bring (`feed`).

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::client::Service;
use super::model::{Question, Update};

/// A table is asked for again after so long, and no sooner.
const AGAIN: Duration = Duration::from_secs(2);
/// While keys are pressed, only the last question of so long is asked.
const KEYS: Duration = Duration::from_millis(200);
const GAPS: &str = "/gaps?limit=20";

/// Asks at once when the question changes, and else every two seconds, until nobody
/// takes the answers.
pub async fn ask(service: Service, mut questions: Receiver<Question>, updates: Sender<Update>) {
    loop {
        let begun = Instant::now();
        let question = questions.borrow_and_update().clone();
        let rockets = service.list(&question.target()).await;
        let rockets = rockets.map_err(|trouble| trouble.to_string());
        if updates.send(Update::Rockets(question, rockets)).await.is_err() {
            return;
        }
        let gaps = service.list(GAPS).await.map_err(|trouble| trouble.to_string());
        if updates.send(Update::Gaps(gaps)).await.is_err() {
            return;
        }
        match timeout_at(begun + AGAIN, questions.changed()).await {
            Ok(Ok(())) => sleep_until(Instant::now() + KEYS).await,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
    }
}
