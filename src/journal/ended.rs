//! How whoever runs a journal learns that it has ended.
//!
//! What works behind a journal ends once the last handle on it was dropped, or
//! when it dies. Neither may go unnoticed: a stop waits for the former, and a
//! service whose journal died has to say so.

use thiserror::Error;
use tokio::sync::oneshot;

/// What worked behind the journal panicked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the journal died")]
pub struct Died;

/// To be told that a journal ended: [`Ending::ended`] when it has let go of its
/// files. Dropped before that, by a panic, it tells that the journal died.
#[derive(Debug)]
pub struct Ending(oneshot::Sender<()>);

/// The end of a journal, for one who waits for it.
#[derive(Debug)]
pub struct Ended(State);

#[derive(Debug)]
enum State {
    Running(oneshot::Receiver<()>),
    Over(Result<(), Died>),
}

/// Both sides of a journal's end, for implementors of
/// [`OpenedJournal`](super::OpenedJournal).
#[must_use]
pub fn ending() -> (Ending, Ended) {
    let (sender, receiver) = oneshot::channel();
    (Ending(sender), Ended(State::Running(receiver)))
}

impl Ending {
    /// Tells that the journal ended as it should.
    pub fn ended(self) {
        // Whoever does not wait needs not know.
        let _ = self.0.send(());
    }
}

impl Ended {
    /// Waits until the last handle on the journal was dropped and it has let go
    /// of its files. Loses nothing when it is dropped before, and says the same
    /// again after.
    ///
    /// # Errors
    /// At once, when what works behind the journal dies.
    pub async fn wait(&mut self) -> Result<(), Died> {
        let result = match &mut self.0 {
            State::Running(receiver) => receiver.await.map_err(|_| Died),
            State::Over(result) => *result,
        };
        self.0 = State::Over(result);
        result
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn an_end_is_told_whenever_it_is_asked_for() {
        let (ending, mut ended) = ending();
        assert_eq!(ended.wait().now_or_never(), None);
        assert_eq!(ended.wait().now_or_never(), None, "asked again");
        ending.ended();
        assert_eq!(ended.wait().now_or_never(), Some(Ok(())));
        assert_eq!(ended.wait().now_or_never(), Some(Ok(())), "asked again");
    }

    #[test]
    fn a_death_is_told() {
        let (ending, mut ended) = ending();
        drop(ending);
        assert_eq!(ended.wait().now_or_never(), Some(Err(Died)));
    }
}
