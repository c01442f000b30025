//! Owns those who ask the service, and the way from them. Does not own what they do
//! (`feed`, `poll`).

use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::watch;

use super::client::Service;
use super::model::{Question, Update};
use super::{feed, poll};

/// What was learned and not yet taken; those who learn it wait then.
const UPDATES: usize = 64;

/// Those who ask, until this is dropped, and what they learn.
pub struct Asking {
    updates: Receiver<Update>,
    questions: watch::Sender<Question>,
}

impl Asking {
    pub fn begin(service: &Service, question: Question) -> Self {
        let (sender, updates) = mpsc::channel(UPDATES);
        let (questions, asked) = watch::channel(question);
        tokio::spawn(feed::read(service.clone(), sender.clone()));
        tokio::spawn(poll::ask(service.clone(), asked, sender));
        Self { updates, questions }
    }

    /// Asks for another table.
    pub fn ask(&self, question: &Question) {
        self.questions.send_if_modified(|asked| {
            let is_new = asked != question;
            asked.clone_from(question);
            is_new
        });
    }

    /// The next that was learned.
    pub async fn next(&mut self) -> Update {
        self.updates.recv().await.expect("those who ask go on as long as somebody listens")
    }
}
